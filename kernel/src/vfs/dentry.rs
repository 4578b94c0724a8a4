//! Dentries: names in directories. The tree of dentries *is* the directory tree.
//!
//! A child is held by its parent's table and holds its parent; removing the name cuts the first of the two. A
//! mounted filesystem's root takes the place of the directory it covers. Nothing is dropped under a directory's
//! lock: what is taken out is returned. Models `include/linux/dcache.h`.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::inode::Inode;
use crate::sync::{SpinLock, order};

/// Cookies count down from here, so that the youngest name is listed first, as in Linux.
const FIRST_COOKIE: u64 = 1 << 31;

/// A name and what it leads to.
pub struct Dentry {
    inode: Arc<Inode>,
    link: SpinLock<Link, { order::DENTRY }>,
    children: SpinLock<Children, { order::DENTRY }>,
    is_mount: bool,
}

struct Link {
    parent: Option<Arc<Dentry>>,
    name: Box<[u8]>,
}

struct Children {
    by_name: BTreeMap<Box<[u8]>, (u64, Arc<Dentry>)>,
    by_cookie: BTreeMap<u64, Arc<Dentry>>,
    next_cookie: u64,
}

impl Default for Children {
    fn default() -> Self {
        Children { by_name: BTreeMap::new(), by_cookie: BTreeMap::new(), next_cookie: FIRST_COOKIE }
    }
}

impl Dentry {
    fn with(link: Link, inode: Arc<Inode>, is_mount: bool) -> Arc<Dentry> {
        Arc::new(Dentry {
            inode,
            link: SpinLock::new(link),
            children: SpinLock::new(Children::default()),
            is_mount,
        })
    }

    /// The root of a filesystem, mounted nowhere yet.
    pub fn root(inode: Arc<Inode>) -> Arc<Dentry> {
        Dentry::with(Link { parent: None, name: Box::from(&b"/"[..]) }, inode, true)
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
        self.children.lock().by_name.get(name).map(|(_, child)| child.clone())
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.children.lock().by_name.is_empty()
    }

    /// The first entry whose cookie is at least `from`, with its cookie.
    pub fn child_from(&self, from: u64) -> Option<(u64, Arc<Dentry>)> {
        let children = self.children.lock();
        children.by_cookie.range(from..).next().map(|(cookie, child)| (*cookie, child.clone()))
    }

    /// Puts `child` into the table under its name and returns what was there. The namespace lock is held.
    pub(super) fn insert(&self, child: Arc<Dentry>) -> Option<Arc<Dentry>> {
        let name = child.name();
        let mut children = self.children.lock();
        let cookie = children.next_cookie;
        children.next_cookie -= 1;
        children.by_cookie.insert(cookie, child.clone());
        let (old, before) = children.by_name.insert(name, (cookie, child))?;
        let again = children.by_cookie.remove(&old);
        drop(children);
        drop(again);
        Some(before)
    }

    /// Takes the entry `name` out of the table. The namespace lock is held.
    pub(super) fn remove(&self, name: &[u8]) -> Option<Arc<Dentry>> {
        let mut children = self.children.lock();
        let (cookie, child) = children.by_name.remove(name)?;
        let again = children.by_cookie.remove(&cookie);
        // An emptied table keeps memory that a new one does not have.
        let emptied = children.by_name.is_empty().then(|| core::mem::take(&mut *children));
        drop(children);
        drop((again, emptied));
        Some(child)
    }

    /// Gives it another name in another directory. The namespace lock is held.
    pub(super) fn relink(&self, parent: &Arc<Dentry>, name: &[u8]) {
        let link = Link { parent: Some(parent.clone()), name: name.into() };
        let old = core::mem::replace(&mut *self.link.lock(), link);
        drop(old);
    }

    /// The path from the root of everything, by way of the directories it is in now.
    pub fn path(&self) -> Vec<u8> {
        let mut parts = Vec::new();
        let mut link = {
            let l = self.link.lock();
            (l.parent.clone(), l.name.clone())
        };
        while let (Some(parent), name) = link {
            parts.push(name);
            let l = parent.link.lock();
            link = (l.parent.clone(), l.name.clone());
        }
        if parts.is_empty() {
            return link.1.into_vec();
        }
        let mut path = Vec::new();
        for name in parts.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        path
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
