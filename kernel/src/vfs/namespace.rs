//! Making, removing and moving names. One lock orders all of it, so that a check and what follows from it are one
//! step; look-ups do not take it. Models the second half of `fs/namei.c` and `fs/libfs.c`.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::{Errno, Result};

use super::children::Removed;
use super::dentry::Dentry;
use super::inode::{Content, Inode, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK};
use super::path;
use super::quota::Quota;
use super::ramfs::data::Data;
use crate::mm::admit::admit;
use crate::net::unix::Slot;
use crate::sync::{Mutex, MutexGuard, order};

static NAMESPACE: Mutex<(), { order::NAMESPACE }> = Mutex::new(());

/// Keeps names from changing as long as it is held.
pub(super) fn order() -> MutexGuard<'static, (), { order::NAMESPACE }> {
    NAMESPACE.lock()
}

/// Who changes the tree.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A system call: only where names may be made by user space.
    User,
    /// The kernel itself: anywhere.
    Kernel,
}

/// A new directory's inode; user space may make names in it where there is a quota.
pub fn dir_inode(dev: u32, permissions: u32, quota: Option<Arc<Quota>>) -> Arc<Inode> {
    Arc::new(Inode::new(dev, S_IFDIR | permissions & 0o7777, Content::Directory { quota }))
}

/// The inode of a new directory in `dir`.
pub fn subdir_inode(dir: &Inode, permissions: u32) -> Arc<Inode> {
    dir_inode(dir.dev(), permissions, dir.quota().cloned())
}

/// The inode of a new regular file in `dir`, whose first bytes are `image`.
pub fn file_inode(dir: &Inode, permissions: u32, image: &'static [u8]) -> Arc<Inode> {
    let data = Data::new(image, dir.quota().cloned());
    Arc::new(Inode::new(dir.dev(), S_IFREG | permissions & 0o7777, Content::Regular(Box::new(data))))
}

/// A new symbolic link's inode.
pub fn link_inode(dev: u32, text: Vec<u8>) -> Arc<Inode> {
    Arc::new(Inode::new(dev, S_IFLNK | 0o777, Content::Symlink(text)))
}

/// A new inode to bind a socket to.
pub fn socket_inode(dev: u32, permissions: u32) -> Arc<Inode> {
    Arc::new(Inode::new(dev, S_IFSOCK | permissions & 0o7777, Content::SocketName(Slot::default())))
}

/// Gives `inode` the name `name` in `dir`. `EEXIST`, `ENOENT` when the directory is gone, `ENOTDIR`, `EACCES` for a regular
/// file and `EPERM` for others where names are not user space's to make, `ENOMEM`. May sleep.
pub fn add(by: By, dir: &Arc<Dentry>, name: &[u8], inode: Arc<Inode>) -> Result<Arc<Dentry>> {
    let _order = NAMESPACE.lock();
    add_locked(by, dir, name, inode)
}

fn add_locked(by: By, dir: &Arc<Dentry>, name: &[u8], inode: Arc<Inode>) -> Result<Arc<Dentry>> {
    if by == By::User {
        admit()?;
    }
    let refusal = match dir.inode().content() {
        // Where names are made up, there is none to be made.
        Content::Dynamic(_) => Errno::ENOENT,
        _ if inode.is_regular() => Errno::EACCES,
        _ => Errno::EPERM,
    };
    may_change(by, dir, refusal)?;
    let dir = dir.origin();
    if dir.child(name).is_some() {
        return Err(Errno::EEXIST);
    }
    dir.reserve()?;
    if inode.is_dir() {
        dir.inode().set_nlink(dir.inode().nlink() + 1);
    }
    let child = Dentry::detached(dir, name, inode);
    dir.inode().touch();
    drop(dir.insert(child.clone()));
    Ok(child)
}

/// Makes a directory for the kernel, or finds the one that is there. May sleep.
pub fn ensure_dir(dir: &Arc<Dentry>, name: &[u8], permissions: u32) -> Result<Arc<Dentry>> {
    let _order = NAMESPACE.lock();
    match dir.child(name) {
        Some(there) if there.inode().is_dir() => Ok(there),
        Some(_) => Err(Errno::EEXIST),
        None => {
            let inode = subdir_inode(dir.inode(), permissions);
            add_locked(By::Kernel, dir, name, inode)
        }
    }
}

/// Gives another name to the inode of `of`. `EPERM` for a directory, `EXDEV`, and what [`add`] says. May sleep.
pub fn link(dir: &Arc<Dentry>, name: &[u8], of: &Arc<Dentry>) -> Result<()> {
    let _order = NAMESPACE.lock();
    let inode = of.inode();
    if inode.is_dir() {
        return Err(Errno::EPERM);
    }
    if inode.dev() != dir.inode().dev() {
        return Err(Errno::EXDEV);
    }
    if inode.nlink() == 0 && !inode.linkable() {
        return Err(Errno::ENOENT);
    }
    may_change(By::User, dir, Errno::EPERM)?;
    add_locked(By::User, dir, name, inode.clone())?;
    inode.set_nlink(inode.nlink() + 1);
    inode.change();
    Ok(())
}

/// Removes the name of something that is no directory. `ENOENT`, `EISDIR`, `EPERM`. May sleep.
pub fn unlink(by: By, dir: &Arc<Dentry>, name: &[u8]) -> Result<()> {
    let order = NAMESPACE.lock();
    let child = path::lookup(dir, name)?;
    if child.inode().is_dir() {
        return Err(Errno::EISDIR);
    }
    may_change(by, dir, Errno::EPERM)?;
    if child.is_mount() {
        return Err(Errno::EBUSY);
    }
    let gone = dir.remove(name);
    dir.inode().touch();
    forget(child.inode());
    drop(order);
    drop(gone);
    Ok(())
}

/// Removes an empty directory. `ENOENT`, `ENOTDIR`, `ENOTEMPTY`, `EBUSY` for a mounted one, `EPERM`. May sleep.
pub fn rmdir(by: By, dir: &Arc<Dentry>, name: &[u8]) -> Result<()> {
    let order = NAMESPACE.lock();
    let child = path::lookup(dir, name)?;
    if !child.inode().is_dir() {
        return Err(Errno::ENOTDIR);
    }
    may_change(by, dir, Errno::EPERM)?;
    check_removable_dir(&child)?;
    let gone = dir.remove(name);
    dir.inode().touch();
    bury(dir, &child);
    drop(order);
    drop(gone);
    Ok(())
}

/// What may happen to a name that is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// It is replaced.
    Replace,
    /// It is in the way: `EEXIST`.
    Keep,
    /// It takes the place of what is moved.
    Exchange,
}

/// Moves a name. `ENOENT`, `EEXIST`, `EXDEV`, `EBUSY` for a mount, `EINVAL` into itself, `ENOTEMPTY`, `EISDIR`,
/// `ENOTDIR`, `EPERM`, `ENOMEM`. May sleep.
pub fn rename(
    (from_dir, from): (&Arc<Dentry>, &[u8]),
    (to_dir, to): (&Arc<Dentry>, &[u8]),
    target: Target,
) -> Result<()> {
    let order = NAMESPACE.lock();
    let moved = path::lookup(from_dir, from)?;
    // Where names are made up, there is no name to be.
    if let Content::Dynamic(entries) = to_dir.inode().content() {
        entries.lookup(to)?;
    }
    may_change(By::User, from_dir, Errno::EPERM)?;
    may_change(By::User, to_dir, Errno::EPERM)?;
    let (from_dir, to_dir) = (from_dir.origin(), to_dir.origin());
    let there = to_dir.child(to);
    check_rename((from_dir, &moved), to_dir, there.as_ref(), target)?;
    if there.as_ref().is_some_and(|there| Arc::ptr_eq(there.inode(), moved.inode())) {
        return Ok(());
    }
    // A name that is there has its room: more, unused, would stay.
    if there.is_none() {
        to_dir.reserve()?;
    }
    if let Some(there) = there.as_ref().filter(|_| target == Target::Exchange) {
        let gone = exchange((from_dir, from, &moved), (to_dir, to, there));
        drop(order);
        drop(gone);
        return Ok(());
    }
    if let Some(there) = &there {
        if there.inode().is_dir() {
            bury(to_dir, there);
        } else {
            forget(there.inode());
        }
    }
    if moved.inode().is_dir() {
        from_dir.inode().set_nlink(from_dir.inode().nlink() - 1);
        to_dir.inode().set_nlink(to_dir.inode().nlink() + 1);
    }
    // For a moment the file has both names, and at no time none.
    moved.relink(to_dir, to);
    moved.inode().change();
    let replaced = to_dir.insert(moved);
    let taken = from_dir.remove(from);
    from_dir.inode().touch();
    to_dir.inode().touch();
    drop(order);
    drop((taken, replaced, there));
    Ok(())
}

/// A name: its directory, the name, and what it leads to.
type Named<'a> = (&'a Arc<Dentry>, &'a [u8], &'a Arc<Dentry>);

/// Lets two names lead to each other's files. There is room in both directories.
fn exchange((from_dir, from, moved): Named<'_>, (to_dir, to, there): Named<'_>) -> [Option<Removed>; 2] {
    let is_dir = |dentry: &Arc<Dentry>| u32::from(dentry.inode().is_dir());
    let recount =
        |dir: &Arc<Dentry>, gains, loses| dir.inode().set_nlink(dir.inode().nlink() + gains - loses);
    recount(from_dir, is_dir(there), is_dir(moved));
    recount(to_dir, is_dir(moved), is_dir(there));
    moved.relink(to_dir, to);
    there.relink(from_dir, from);
    let gone = [to_dir.insert(moved.clone()), from_dir.insert(there.clone())];
    for inode in [moved.inode(), there.inode()] {
        inode.change();
    }
    for dir in [from_dir, to_dir] {
        dir.inode().touch();
    }
    gone
}

fn check_rename(
    (from_dir, moved): (&Arc<Dentry>, &Arc<Dentry>),
    to_dir: &Arc<Dentry>,
    there: Option<&Arc<Dentry>>,
    target: Target,
) -> Result<()> {
    if moved.is_mount() {
        return Err(Errno::EBUSY);
    }
    if moved.inode().dev() != to_dir.inode().dev() {
        return Err(Errno::EXDEV);
    }
    if to_dir.is_below(moved) {
        return Err(Errno::EINVAL);
    }
    match there {
        None if target == Target::Exchange => Err(Errno::ENOENT),
        None => Ok(()),
        Some(there) if target == Target::Exchange => match () {
            () if there.is_mount() => Err(Errno::EBUSY),
            () if from_dir.is_below(there) => Err(Errno::EINVAL),
            () => Ok(()),
        },
        Some(_) if target == Target::Keep => Err(Errno::EEXIST),
        Some(there) => match (moved.inode().is_dir(), there.inode().is_dir()) {
            (true, true) => check_removable_dir(there),
            (true, false) => Err(Errno::ENOTDIR),
            (false, true) => Err(Errno::EISDIR),
            (false, false) if there.is_mount() => Err(Errno::EBUSY),
            (false, false) => Ok(()),
        },
    }
}

/// Puts the root of a filesystem in the place of what has a name, and returns that. `ENOTDIR` where one is a directory
/// and the other is none, `EBUSY` for the root of everything, `EINVAL` where names are made up, `ENOENT` for what has lost
/// its name, `ENOMEM`. [`order`](order()) is held, or nobody else knows the tree.
pub fn cover(at: &Arc<Dentry>, root: &Arc<Dentry>) -> Result<Arc<Dentry>> {
    if at.inode().is_dir() != root.inode().is_dir() {
        return Err(Errno::ENOTDIR);
    }
    let parent = at.parent().ok_or(Errno::EBUSY)?;
    let name = at.name();
    let there = parent.child(&name).filter(|there| Arc::ptr_eq(there, at));
    let covered = there.ok_or(if at.inode().nlink() == 0 { Errno::ENOENT } else { Errno::EINVAL })?;
    parent.reserve()?;
    root.relink(&parent, &name);
    drop(parent.insert(root.clone()));
    Ok(covered)
}

/// Lets the root of a filesystem cover something else than what it covers; returns that. As [`cover`].
pub(super) fn recover(root: &Arc<Dentry>, at: &Arc<Dentry>, covered: &Arc<Dentry>) -> Result<Arc<Dentry>> {
    let (parent, name) = (root.parent().ok_or(Errno::EINVAL)?, root.name());
    let now = cover(at, root)?;
    // The entry is replaced, which takes no room.
    covered.relink(&parent, &name);
    drop(parent.insert(covered.clone()));
    Ok(now)
}

/// Gives what was covered its place again. [`order`](order()) is held.
pub(super) fn uncover(root: &Arc<Dentry>, covered: &Arc<Dentry>) {
    if let Some(parent) = root.parent() {
        // The entry is replaced, which takes no room.
        covered.relink(&parent, &root.name());
        drop(parent.insert(covered.clone()));
    }
}

/// Removes every name of a tree that nobody can reach any more: names hold directories and are held by them. May sleep.
pub(super) fn take_down(root: &Arc<Dentry>) {
    let mut at = root.clone();
    loop {
        match at.child_from(0) {
            Some((_, child)) => at = child,
            None if Arc::ptr_eq(&at, root) => return,
            None => {
                let Some(parent) = at.parent() else { return };
                drop(parent.remove(&at.name()));
                at = parent;
            }
        }
    }
}

/// `refusal` where names are not `by`'s to change; `ENOENT` in a directory that is gone, `ENOTDIR`.
fn may_change(by: By, dir: &Arc<Dentry>, refusal: Errno) -> Result<()> {
    let inode = dir.inode();
    match inode.content() {
        Content::Directory { .. } if inode.nlink() == 0 => Err(Errno::ENOENT),
        Content::Directory { quota } if quota.is_some() || by == By::Kernel => Ok(()),
        Content::Directory { .. } | Content::Dynamic(_) => Err(refusal),
        _ => Err(Errno::ENOTDIR),
    }
}

fn check_removable_dir(dir: &Arc<Dentry>) -> Result<()> {
    if dir.inode().mode() & S_IFMT != S_IFDIR {
        return Err(Errno::ENOTDIR);
    }
    if dir.is_mount() {
        return Err(Errno::EBUSY);
    }
    if dir.is_empty() { Ok(()) } else { Err(Errno::ENOTEMPTY) }
}

/// One name fewer.
fn forget(inode: &Inode) {
    inode.set_nlink(inode.nlink().saturating_sub(1));
    inode.change();
}

/// An emptied directory loses its name: nothing may be made in it from now on.
fn bury(parent: &Arc<Dentry>, dir: &Arc<Dentry>) {
    dir.inode().set_nlink(0);
    parent.inode().set_nlink(parent.inode().nlink().saturating_sub(1));
}
