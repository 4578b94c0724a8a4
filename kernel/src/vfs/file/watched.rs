//! Files that somebody watches, who is told of the last close; and last closes put off to where one may sleep (Linux:
//! `fs/file_table.c`, `delayed_fput`).
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::{Errno, Result};

use super::File;
use crate::mm::admit::admit;
use crate::sync::{SpinLock, order};
use crate::vfs::poll::{self, Link, PollQueue};

/// Who is told of a file's last close. Most files have none.
#[derive(Default)]
struct Links(Vec<Arc<dyn Link>>);

/// What a file has once somebody watches it.
#[derive(Default)]
pub(super) struct Watched {
    links: Option<Box<Links>>,
    /// Its place among those whose last close is put off, made with its first link, so that putting off cannot fail.
    place: Option<Box<PutOff>>,
}

/// A file whose last close was put off, and the next one.
#[derive(Default)]
struct PutOff {
    file: Option<File>,
    next: Option<Box<PutOff>>,
}

impl Watched {
    /// Tells those who watch that the file is closed for good. `queue` is where they waited for it to become ready: it is
    /// not asked for where nobody watches, for some files make it only then.
    pub(super) fn close<'a>(&mut self, queue: impl FnOnce() -> Option<&'a PollQueue>) {
        if let Some(links) = self.links.take() {
            let queue = queue();
            links.0.into_iter().for_each(|link| link.closed(queue));
        }
    }
}

impl File {
    /// Lets `link` be told of the last close. `ENOMEM`.
    pub(in crate::vfs) fn add_link(&self, link: Arc<dyn Link>) -> Result<()> {
        admit()?;
        let place = Box::<PutOff>::default();
        let mut watched = self.watched.lock();
        let Links(links) = &mut **watched.links.get_or_insert_default();
        let room = links.try_reserve(1).map_err(|_| Errno::ENOMEM);
        if room.is_ok() {
            links.push(link);
        }
        forget_if_empty(&mut watched.links);
        // It stays as long as the file: whoever holds the file for a moment may be the last, links or not.
        let unused = if watched.place.is_none() { watched.place.replace(place) } else { Some(place) };
        drop(watched);
        drop(unused);
        room
    }

    /// Takes [`add_link`](Self::add_link) back.
    pub(in crate::vfs) fn remove_link(&self, link: &Arc<dyn Link>) {
        let mut watched = self.watched.lock();
        let Some(Links(links)) = watched.links.as_deref_mut() else { return };
        let found = links.iter().position(|other| poll::same(other, link));
        let removed = found.map(|at| links.swap_remove(at));
        forget_if_empty(&mut watched.links);
        drop(watched);
        drop(removed);
    }

    /// Who is told of the last close now. `ENOMEM`.
    pub(in crate::vfs) fn links(&self) -> Result<Vec<Arc<dyn Link>>> {
        let mut all = Vec::new();
        if let Some(Links(links)) = self.watched.lock().links.as_deref() {
            all.try_reserve_exact(links.len()).map_err(|_| Errno::ENOMEM)?;
            all.extend(links.iter().cloned());
        }
        Ok(all)
    }
}

/// An emptied vector keeps its memory.
fn forget_if_empty(links: &mut Option<Box<Links>>) {
    if links.as_ref().is_some_and(|links| links.0.is_empty()) {
        *links = None;
    }
}

/// Files whose last reference went where nothing may be closed.
static PUT_OFF: SpinLock<Option<Box<PutOff>>, { order::FILE_LINKS }> = SpinLock::new(None);

/// Drops a reference to a file that is or was watched, where nothing may sleep: the last close, if it is that, is put off
/// until [`close_put_off`]. Takes no memory.
pub(in crate::vfs) fn put(file: Arc<File>) {
    let Some(mut file) = Arc::into_inner(file) else { return };
    // What was never watched is nobody's to hold but by a descriptor or a mapping.
    let Some(mut place) = file.watched.get_mut().place.take() else { return };
    place.file = Some(file);
    let mut first = PUT_OFF.lock();
    place.next = first.take();
    *first = Some(place);
}

/// Closes what [`put`] put off. May sleep.
pub fn close_put_off() {
    let mut first = PUT_OFF.lock().take();
    while let Some(mut place) = first {
        drop(place.file.take());
        first = place.next.take();
    }
}
