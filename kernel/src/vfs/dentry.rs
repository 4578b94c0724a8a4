//! Dentries: names in directories. The tree of dentries *is* the directory tree.
//!
//! A child is held by its parent's table and holds its parent; removing the name cuts the first of the two. A
//! mounted filesystem's root takes the place of the directory it covers. Nothing is dropped under a directory's
//! lock: what is taken out is returned. Models `include/linux/dcache.h`.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::{Errno, Result};

use super::children::{Children, Removed};
use super::inode::Inode;
use crate::mm::fallible;
use crate::sync::{SpinLock, order};

/// A name and what it leads to.
pub struct Dentry {
    inode: Arc<Inode>,
    link: SpinLock<Link, { order::DENTRY }>,
    children: SpinLock<Children, { order::DENTRY }>,
    /// Whose entries it shows, where they are not its own.
    origin: Option<Arc<Dentry>>,
    is_mount: bool,
}

struct Link {
    parent: Option<Arc<Dentry>>,
    name: Box<[u8]>,
}

impl Dentry {
    fn with(link: Link, inode: Arc<Inode>, is_mount: bool) -> Arc<Dentry> {
        Arc::new(Dentry {
            inode,
            link: SpinLock::new(link),
            children: SpinLock::new(Children::new()),
            origin: None,
            is_mount,
        })
    }

    /// The root of a filesystem, mounted nowhere yet.
    pub fn root(inode: Arc<Inode>) -> Arc<Dentry> {
        Dentry::with(Link { parent: None, name: Box::from(&b"/"[..]) }, inode, true)
    }

    /// A root, mounted nowhere yet, with the inode and the entries of another dentry.
    pub fn alias(of: &Arc<Dentry>) -> Arc<Dentry> {
        let of = of.origin().clone();
        let link = Link { parent: None, name: Box::from(&b"/"[..]) };
        Arc::new(Dentry {
            inode: of.inode.clone(),
            link: SpinLock::new(link),
            children: SpinLock::new(Children::new()),
            origin: Some(of),
            is_mount: true,
        })
    }

    /// The dentry whose entries it shows: mostly itself.
    pub fn origin(self: &Arc<Self>) -> &Arc<Dentry> {
        self.origin.as_ref().unwrap_or(self)
    }

    fn table(&self) -> &SpinLock<Children, { order::DENTRY }> {
        self.origin.as_ref().map_or(&self.children, |origin| &origin.children)
    }

    /// A name in `parent` that is not in its table: of a directory that makes its entries up, or not there yet.
    pub fn detached(parent: &Arc<Dentry>, name: &[u8], inode: Arc<Inode>) -> Arc<Dentry> {
        Dentry::with(Link { parent: Some(parent.clone()), name: name.into() }, inode, false)
    }

    /// A file without a place in any tree.
    pub fn anonymous(name: &[u8], inode: Arc<Inode>) -> Arc<Dentry> {
        Dentry::with(Link { parent: None, name: name.into() }, inode, false)
    }

    /// What the name leads to.
    pub fn inode(&self) -> &Arc<Inode> {
        &self.inode
    }

    /// Whether it is the root of a filesystem.
    pub fn is_mount(&self) -> bool {
        self.is_mount
    }

    /// The directory it is in, or was in when its name was removed; none for the root of everything.
    pub fn parent(&self) -> Option<Arc<Dentry>> {
        self.link.lock().parent.clone()
    }

    /// The name.
    pub fn name(&self) -> Box<[u8]> {
        self.link.lock().name.clone()
    }

    /// The entry called `name`.
    pub fn child(&self, name: &[u8]) -> Option<Arc<Dentry>> {
        self.table().lock().get(name).cloned()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.table().lock().is_empty()
    }

    /// The first entry whose cookie is at least `from`, with its cookie.
    pub fn child_from(&self, from: u64) -> Option<(u64, Arc<Dentry>)> {
        let children = self.table().lock();
        children.next_from(from).map(|(cookie, child)| (cookie, child.clone()))
    }

    /// Makes room for one more entry. The namespace lock is held. `ENOMEM`.
    pub(super) fn reserve(&self) -> Result<()> {
        self.table().lock().reserve()
    }

    /// Puts `child` into the table under its name, in one step with taking out what had it. The namespace lock is
    /// held, and has been since [`reserve`](Self::reserve).
    pub(super) fn insert(&self, child: Arc<Dentry>) -> Option<Removed> {
        let name = child.name();
        self.table().lock().insert(name, child)
    }

    /// Takes the entry `name` out of the table. The namespace lock is held.
    pub(super) fn remove(&self, name: &[u8]) -> Option<Removed> {
        self.table().lock().remove(name)
    }

    /// Gives it another name in another directory. The namespace lock is held.
    pub(super) fn relink(&self, parent: &Arc<Dentry>, name: &[u8]) {
        let link = Link { parent: Some(parent.clone()), name: name.into() };
        let old = core::mem::replace(&mut *self.link.lock(), link);
        drop(old);
    }

    /// The path from the root of everything, by way of the directories it is in now. `ENOMEM`: it may be very long.
    pub fn path(&self) -> Result<Vec<u8>> {
        let mut path = Vec::new();
        let mut at = self.step_up(&mut path)?;
        if at.is_none() {
            return fallible::concat(&[&self.name()]);
        }
        while let Some(dentry) = at {
            at = dentry.step_up(&mut path)?;
        }
        path.reverse();
        Ok(path)
    }

    /// Appends its name and the slash before it, backwards, and returns its parent; nothing where it has none.
    fn step_up(&self, backwards: &mut Vec<u8>) -> Result<Option<Arc<Dentry>>> {
        let link = self.link.lock();
        let Some(parent) = &link.parent else { return Ok(None) };
        backwards.try_reserve(link.name.len() + 1).map_err(|_| Errno::ENOMEM)?;
        backwards.extend(link.name.iter().rev());
        backwards.push(b'/');
        Ok(Some(parent.clone()))
    }

    /// The path from `root`; what is not below that says so. `ENOMEM`.
    pub fn path_below(self: &Arc<Self>, root: &Arc<Dentry>) -> Result<Vec<u8>> {
        let path = self.path()?;
        match root.parent() {
            None => Ok(path),
            _ if self.is_below(root) => match &path[root.path()?.len()..] {
                b"" => fallible::concat(&[b"/"]),
                below => fallible::concat(&[below]),
            },
            _ => fallible::concat(&[b"(unreachable)", &path]),
        }
    }

    /// Whether it is `ancestor` or below it.
    pub fn is_below(self: &Arc<Dentry>, ancestor: &Arc<Dentry>) -> bool {
        let mut at = Some(self.clone());
        while let Some(dentry) = at {
            if Arc::ptr_eq(&dentry, ancestor) {
                return true;
            }
            at = dentry.parent();
        }
        false
    }
}

impl Drop for Dentry {
    /// Lets go of the chain of parents in a loop: it may be longer than the stack is deep.
    fn drop(&mut self) {
        let mut parent = self.link.get_mut().parent.take();
        while let Some(dentry) = parent {
            parent = Arc::into_inner(dentry).and_then(|mut d| d.link.get_mut().parent.take());
        }
    }
}
