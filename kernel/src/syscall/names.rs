//! Opening, making, moving and removing names. Models `fs/open.c`, `fs/namei.c`, `fs/d_path.c`.
#![forbid(unsafe_code)]

use alloc::sync::Arc;

use heaps::{Errno, Result};

use super::Ctx;
use super::ctx::user_path;
use crate::chrdev::DevT;
use crate::mm::{fallible, user};
use crate::vfs::devtmpfs::node_inode;
use crate::vfs::flags::*;
use crate::vfs::inode::{Content, Inode, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK};
use crate::vfs::namespace::{self, By, Target};
use crate::vfs::path::{Last, PATH_MAX, Walk, lookup};
use crate::vfs::write_access::want_write;
use crate::vfs::{Dentry, fifo, open};

const RENAME_NOREPLACE: u32 = 1;
const RENAME_EXCHANGE: u32 = 2;

/// `openat`. What walking the path and opening say; `EMFILE`, `ENFILE`, `EFAULT`. May sleep.
pub fn sys_openat(ctx: &Ctx, dirfd: i32, path: u64, flags: u32, mode: u32) -> Result<usize> {
    let path = user_path(path)?;
    let start = ctx.start(dirfd, &path)?;
    let slot = ctx.files.reserve(flags & O_CLOEXEC != 0)?;
    let file = open::open(&ctx.fs.root(), &start, &path, flags, mode & 0o7777 & !ctx.fs.umask())?;
    Ok(slot.install(file))
}

/// The directory and name that a path's last step is about; `dots` is the error for a path that ends in none.
fn last_name<'w>(walk: &'w Walk<'_>, dots: Errno) -> Result<(&'w Arc<Dentry>, &'w [u8])> {
    match walk.last()? {
        Last::Name(name) => Ok((walk.here(), name)),
        Last::Here | Last::Up => Err(dots),
    }
}

/// Makes a name that must not be there yet; only a directory's may be followed by a slash.
fn make(ctx: &Ctx, dirfd: i32, path: &[u8], inode: impl FnOnce(&Inode) -> Arc<Inode>) -> Result<usize> {
    make_dentry(ctx, dirfd, path, inode).map(|_| 0)
}

/// The same, for one who needs what was made.
pub(super) fn make_dentry(
    ctx: &Ctx,
    dirfd: i32,
    path: &[u8],
    inode: impl FnOnce(&Inode) -> Arc<Inode>,
) -> Result<Arc<Dentry>> {
    let walk = ctx.walk_to_parent(dirfd, path)?;
    let (dir, name) = last_name(&walk, Errno::EEXIST)?;
    if lookup(dir, name).is_ok() {
        return Err(Errno::EEXIST);
    }
    want_write(dir.inode())?;
    let inode = inode(dir.inode());
    inode.inherit(dir.inode());
    if walk.wants_dir() && !inode.is_dir() {
        return Err(Errno::ENOENT);
    }
    namespace::add(By::User, dir, name, inode)
}

/// `mkdirat`. `EEXIST`, `EACCES`, `EFAULT` and what walking says. May sleep.
pub fn sys_mkdirat(ctx: &Ctx, dirfd: i32, path: u64, mode: u32) -> Result<usize> {
    let mode = mode & 0o1777 & !ctx.fs.umask();
    make(ctx, dirfd, &user_path(path)?, |dir| namespace::subdir_inode(dir, mode))
}

/// `mknodat`. Also `EPERM` for a directory, `EINVAL` for an unknown type. May sleep.
pub fn sys_mknodat(ctx: &Ctx, dirfd: i32, path: u64, mode: u32, dev: u32) -> Result<usize> {
    let kind = mode & S_IFMT;
    match kind {
        0 | S_IFREG | S_IFCHR | S_IFBLK | S_IFIFO | S_IFSOCK => {}
        S_IFDIR => return Err(Errno::EPERM),
        _ => return Err(Errno::EINVAL),
    }
    let bits = mode & 0o7777 & !ctx.fs.umask();
    make(ctx, dirfd, &user_path(path)?, |dir| match kind {
        S_IFCHR => node_inode(dir.dev(), bits, DevT::decode(dev)),
        S_IFIFO => fifo::inode(dir.dev(), bits),
        S_IFSOCK => namespace::socket_inode(dir.dev(), bits),
        S_IFBLK => Arc::new(Inode::new(dir.dev(), kind | bits, Content::Block(DevT::decode(dev)))),
        _ => namespace::file_inode(dir, bits, b""),
    })
}

/// `symlinkat`. As [`sys_mkdirat`]; `ENOENT` for an empty text. May sleep.
pub fn sys_symlinkat(ctx: &Ctx, text: u64, dirfd: i32, path: u64) -> Result<usize> {
    let text = user_path(text)?;
    if text.is_empty() {
        return Err(Errno::ENOENT);
    }
    make(ctx, dirfd, &user_path(path)?, |dir| namespace::link_inode(dir.dev(), text.to_vec()))
}

/// `linkat`. As [`sys_mkdirat`]; `EPERM` for a directory, `EXDEV`. May sleep.
pub fn sys_linkat(ctx: &Ctx, olddir: i32, old: u64, newdir: i32, new: u64, flags: u32) -> Result<usize> {
    if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let old = user_path(old)?;
    let of = if old.is_empty() && flags & AT_EMPTY_PATH != 0 && olddir != AT_FDCWD {
        ctx.file(olddir)?.dentry().cloned().ok_or(Errno::EXDEV)?
    } else {
        ctx.resolve(olddir, &old, flags & AT_SYMLINK_FOLLOW != 0)?
    };
    let new = user_path(new)?;
    let walk = ctx.walk_to_parent(newdir, &new)?;
    let (dir, name) = last_name(&walk, Errno::EEXIST)?;
    if lookup(dir, name).is_ok() {
        return Err(Errno::EEXIST);
    }
    if walk.wants_dir() {
        return Err(Errno::ENOENT);
    }
    want_write(dir.inode())?;
    namespace::link(dir, name, &of).map(|()| 0)
}

/// `unlinkat`. `EISDIR`, `ENOTDIR`, `ENOTEMPTY`, `EBUSY`, `EACCES` and what walking says. May sleep.
pub fn sys_unlinkat(ctx: &Ctx, dirfd: i32, path: u64, flags: u32) -> Result<usize> {
    if flags & !AT_REMOVEDIR != 0 {
        return Err(Errno::EINVAL);
    }
    let path = user_path(path)?;
    let walk = ctx.walk_to_parent(dirfd, &path)?;
    if flags & AT_REMOVEDIR == 0 {
        let (dir, name) = last_name(&walk, Errno::EISDIR)?;
        want_write(dir.inode())?;
        if walk.wants_dir() {
            let there = lookup(dir, name)?;
            return Err(if there.inode().is_dir() { Errno::EISDIR } else { Errno::ENOTDIR });
        }
        return namespace::unlink(By::User, dir, name).map(|()| 0);
    }
    let (dir, name) = match walk.last()? {
        Last::Name(name) => (walk.here(), name),
        Last::Up => return Err(Errno::ENOTEMPTY),
        Last::Here if path.ends_with(b".") => return Err(Errno::EINVAL),
        Last::Here => return Err(Errno::EBUSY),
    };
    want_write(dir.inode())?;
    namespace::rmdir(By::User, dir, name).map(|()| 0)
}

/// `renameat2`, with `RENAME_NOREPLACE` or `RENAME_EXCHANGE`; `EINVAL` for both, and for other flags. What
/// [`namespace::rename`] and walking say. May sleep.
pub fn sys_renameat2(ctx: &Ctx, olddir: i32, old: u64, newdir: i32, new: u64, flags: u32) -> Result<usize> {
    let target = match flags {
        0 => Target::Replace,
        RENAME_NOREPLACE => Target::Keep,
        RENAME_EXCHANGE => Target::Exchange,
        _ => return Err(Errno::EINVAL),
    };
    let (old, new) = (user_path(old)?, user_path(new)?);
    let (from, to) = (ctx.walk_to_parent(olddir, &old)?, ctx.walk_to_parent(newdir, &new)?);
    let dots = if target == Target::Keep { Errno::EEXIST } else { Errno::EBUSY };
    let (from_dir, from_name) = last_name(&from, Errno::EBUSY)?;
    let (to_dir, to_name) = last_name(&to, dots)?;
    if from_dir.inode().dev() != to_dir.inode().dev() {
        return Err(Errno::EXDEV);
    }
    want_write(from_dir.inode())?;
    let is_file = |dir, name| lookup(dir, name).map(|there| !there.inode().is_dir());
    if from.wants_dir() || to.wants_dir() {
        let moved_is_file = is_file(from_dir, from_name)?;
        let exchanged = target == Target::Exchange;
        if (moved_is_file && (from.wants_dir() || !exchanged))
            || (exchanged && to.wants_dir() && is_file(to_dir, to_name)?)
        {
            return Err(Errno::ENOTDIR);
        }
    }
    namespace::rename((from_dir, from_name), (to_dir, to_name), target).map(|()| 0)
}

/// `readlinkat`. `EINVAL` for what is no link or no room, `ENAMETOOLONG` where a link of `/proc` leads to what no path
/// can name, `EFAULT`, `ENOMEM`. May sleep.
pub fn sys_readlinkat(ctx: &Ctx, dirfd: i32, path: u64, buf: u64, len: usize) -> Result<usize> {
    if len == 0 || len > i32::MAX as usize {
        return Err(Errno::EINVAL);
    }
    let path = user_path(path)?;
    let dentry = if path.is_empty() {
        ctx.file(dirfd)?.dentry().cloned().ok_or(Errno::ENOENT)?
    } else {
        ctx.resolve(dirfd, &path, false)?
    };
    let text = match dentry.inode().content() {
        Content::Symlink(text) => text.clone(),
        // Linux's page for the path has room for a NUL, too.
        Content::Magic(link) => {
            Some(link.text()?).filter(|text| text.len() < PATH_MAX).ok_or(Errno::ENAMETOOLONG)?
        }
        _ if path.is_empty() => return Err(Errno::ENOENT),
        _ => return Err(Errno::EINVAL),
    };
    let text = &text[..text.len().min(len)];
    user::write_bytes(buf, text)?;
    Ok(text.len())
}

/// `chdir`. `ENOTDIR` and what walking says. May sleep.
pub fn sys_chdir(ctx: &Ctx, path: u64) -> Result<usize> {
    ctx.fs.set_cwd(ctx.resolve(AT_FDCWD, &user_path(path)?, true)?).map(|()| 0)
}

/// `fchdir`. `EBADF`, `ENOTDIR`.
pub fn sys_fchdir(ctx: &Ctx, fd: i32) -> Result<usize> {
    let file = ctx.file(fd)?;
    let to = file.dentry().ok_or(Errno::ENOTDIR)?;
    ctx.fs.set_cwd(to.clone()).map(|()| 0)
}

/// `chroot`. `ENOTDIR` and what walking says. May sleep.
pub fn sys_chroot(ctx: &Ctx, path: u64) -> Result<usize> {
    ctx.fs.set_root(ctx.resolve(AT_FDCWD, &user_path(path)?, true)?).map(|()| 0)
}

/// `getcwd`: the length with its NUL. `ERANGE`, `ENAMETOOLONG` for what no path can name, `ENOENT` when the directory
/// is gone, `EFAULT`, `ENOMEM`.
pub fn sys_getcwd(ctx: &Ctx, buf: u64, len: usize) -> Result<usize> {
    let cwd = ctx.fs.cwd();
    if cwd.inode().nlink() == 0 {
        return Err(Errno::ENOENT);
    }
    let mut path = cwd.path_below(&ctx.fs.root())?;
    fallible::append(&mut path, &[0])?;
    if path.len() > PATH_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    if path.len() > len {
        return Err(Errno::ERANGE);
    }
    user::write_bytes(buf, &path)?;
    Ok(path.len())
}

/// `umask`.
pub fn sys_umask(ctx: &Ctx, mask: u32) -> Result<usize> {
    Ok(ctx.fs.set_umask(mask) as usize)
}
