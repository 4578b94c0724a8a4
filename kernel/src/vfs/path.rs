//! Walking paths. Models `fs/namei.c`.
//!
//! The walk is a loop, not a recursion: a link's text is put before what is left of the path, up to 40 times.
#![forbid(unsafe_code)]

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::{Errno, Result};

use super::dentry::Dentry;
use super::inode::Content;

/// Longest path, its NUL counted.
pub const PATH_MAX: usize = 4096;
/// Longest name in a directory.
pub const NAME_MAX: usize = 255;
/// Most links followed in one walk.
const MAX_LINKS: u32 = 40;

/// The last step of a path, not taken yet.
#[derive(PartialEq, Eq, Debug)]
pub enum Last<'p> {
    /// A name in the directory reached.
    Name(&'p [u8]),
    /// The directory reached itself: the path ended in `/` alone, or in `.`.
    Here,
    /// The parent of the directory reached.
    Up,
}

/// A walk along a path.
pub struct Walk<'p> {
    root: Arc<Dentry>,
    here: Arc<Dentry>,
    path: Cow<'p, [u8]>,
    /// Where the steps that were taken end.
    at: usize,
    next: Step,
    links: u32,
}

/// A step along a path.
#[derive(Clone, Copy, Default)]
struct Step {
    /// The bounds of its name, slashes before it skipped.
    start: usize,
    end: usize,
    /// Whether nothing but slashes comes after it.
    is_last: bool,
}

impl Step {
    /// The step from `at` on.
    fn along(path: &[u8], at: usize) -> Step {
        let is_slash = |at: usize| path.get(at) == Some(&b'/');
        let mut start = at;
        while is_slash(start) {
            start += 1;
        }
        let mut end = start;
        while end < path.len() && path[end] != b'/' {
            end += 1;
        }
        let mut rest = end;
        while is_slash(rest) {
            rest += 1;
        }
        Step { start, end, is_last: rest == path.len() }
    }
}

impl<'p> Walk<'p> {
    /// Starts at `start`, or at `root` when the path is absolute. `ENOENT` for an empty path, `ENAMETOOLONG`.
    pub fn new(root: &Arc<Dentry>, start: &Arc<Dentry>, path: &'p [u8]) -> Result<Walk<'p>> {
        match path {
            [] => Err(Errno::ENOENT),
            _ if path.len() >= PATH_MAX => Err(Errno::ENAMETOOLONG),
            _ => {
                let mut walk = Walk {
                    root: root.clone(),
                    here: start.clone(),
                    path: Cow::Borrowed(&[]),
                    at: 0,
                    next: Step::default(),
                    links: 0,
                };
                walk.turn_to(Cow::Borrowed(path));
                Ok(walk)
            }
        }
    }

    /// The directory reached.
    pub fn here(&self) -> &Arc<Dentry> {
        &self.here
    }

    /// Takes every step but the last. `ENOENT`, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`.
    pub fn to_parent(&mut self) -> Result<()> {
        loop {
            let Step { start, end, is_last } = self.next;
            if is_last {
                return self.must_be_dir();
            }
            self.advance();
            match Self::last_of(&self.path[start..end])? {
                Last::Here => self.must_be_dir()?,
                Last::Up => self.up()?,
                Last::Name(name) => {
                    let next = lookup(&self.here, name)?;
                    self.enter(next)?;
                }
            }
        }
    }

    /// The last step. `ENAMETOOLONG`.
    pub fn last(&self) -> Result<Last<'_>> {
        Self::last_of(&self.path[self.next.start..self.next.end])
    }

    /// Whether the path ends in a slash, and so must lead to a directory.
    pub fn wants_dir(&self) -> bool {
        self.path.ends_with(b"/") || self.next.start == self.path.len()
    }

    /// Takes the last step, following links at the end where `follow` or a trailing slash says so.
    pub fn finish(&mut self, follow: bool) -> Result<Arc<Dentry>> {
        loop {
            self.to_parent()?;
            match self.last()? {
                Last::Here => return Ok(self.here.clone()),
                Last::Up => {
                    self.up()?;
                    return Ok(self.here.clone());
                }
                Last::Name(name) => {
                    let found = lookup(&self.here, name)?;
                    if let Some(end) = self.arrive(found, follow)? {
                        return Ok(end);
                    }
                }
            }
        }
    }

    /// The last step leads to `found`: the walk's end, or `None` for a link to be followed, with
    /// [`to_parent`](Self::to_parent) next.
    pub fn arrive(&mut self, found: Arc<Dentry>, follow: bool) -> Result<Option<Arc<Dentry>>> {
        let wants_dir = self.wants_dir();
        if found.inode().is_link() && (follow || wants_dir) {
            let Some(target) = self.follow_last(&found)? else {
                return Ok(None);
            };
            return check_dir(target, wants_dir).map(Some);
        }
        check_dir(found, wants_dir).map(Some)
    }

    /// Goes on along the link that the last step leads to; the target itself where that needs no walking.
    fn follow_last(&mut self, link: &Arc<Dentry>) -> Result<Option<Arc<Dentry>>> {
        self.advance();
        self.follow(link)
    }

    /// The next step is taken.
    fn advance(&mut self) {
        self.at = self.next.end;
        self.next = Step::along(&self.path, self.at);
    }

    fn last_of(name: &[u8]) -> Result<Last<'_>> {
        match name {
            b"" | b"." => Ok(Last::Here),
            b".." => Ok(Last::Up),
            _ if name.len() > NAME_MAX => Err(Errno::ENAMETOOLONG),
            _ => Ok(Last::Name(name)),
        }
    }

    fn must_be_dir(&self) -> Result<()> {
        if self.here.inode().is_dir() { Ok(()) } else { Err(Errno::ENOTDIR) }
    }

    fn up(&mut self) -> Result<()> {
        self.must_be_dir()?;
        if !Arc::ptr_eq(&self.here, &self.root)
            && let Some(parent) = self.here.parent()
        {
            self.here = parent;
        }
        Ok(())
    }

    /// Steps into `next` in the middle of the path, along it where it is a link.
    fn enter(&mut self, next: Arc<Dentry>) -> Result<()> {
        if next.inode().is_link() {
            if let Some(target) = self.follow(&next)? {
                self.here = target;
            }
        } else {
            self.here = next;
        }
        Ok(())
    }

    /// Follows a link that is in the directory reached: a magic link yields its target, of a symbolic link the
    /// text is put before the rest of the path.
    fn follow(&mut self, link: &Arc<Dentry>) -> Result<Option<Arc<Dentry>>> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(Errno::ELOOP);
        }
        match link.inode().content() {
            Content::Magic(link) => link.target().map(Some),
            Content::Symlink(text) => {
                let rest = &self.path[self.at..];
                let mut path = Vec::new();
                path.try_reserve_exact(text.len() + rest.len()).map_err(|_| Errno::ENOMEM)?;
                path.extend_from_slice(text);
                path.extend_from_slice(rest);
                self.turn_to(Cow::Owned(path));
                Ok(None)
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn turn_to(&mut self, path: Cow<'p, [u8]>) {
        if path.starts_with(b"/") {
            self.here = self.root.clone();
        }
        (self.at, self.next) = (0, Step::along(&path, 0));
        self.path = path;
    }
}

/// The entry `name` of a directory. `ENOTDIR`, `ENOENT`.
pub fn lookup(dir: &Arc<Dentry>, name: &[u8]) -> Result<Arc<Dentry>> {
    match dir.inode().content() {
        Content::Directory { .. } => dir.child(name).ok_or(Errno::ENOENT),
        Content::Dynamic(entries) => Ok(Dentry::detached(dir, name, entries.lookup(name)?)),
        _ => Err(Errno::ENOTDIR),
    }
}

fn check_dir(dentry: Arc<Dentry>, wants_dir: bool) -> Result<Arc<Dentry>> {
    if wants_dir && !dentry.inode().is_dir() { Err(Errno::ENOTDIR) } else { Ok(dentry) }
}

/// Walks the whole path. `follow` is about a link at its end; a trailing slash always follows.
pub fn resolve(root: &Arc<Dentry>, start: &Arc<Dentry>, path: &[u8], follow: bool) -> Result<Arc<Dentry>> {
    Walk::new(root, start, path)?.finish(follow)
}
