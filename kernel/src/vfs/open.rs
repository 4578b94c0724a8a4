//! Opening: from a path, flags and a mode to an open file. Models `fs/open.c` and `path_openat`.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;

use heaps::{Errno, Result};

use super::dentry::Dentry;
use super::dir::DirFile;
use super::file::{File, FileOps};
use super::flags::*;
use super::inode::{Content, Inode};
use super::mount_flags;
use super::namespace::{self, By};
use super::path::{Last, Walk, lookup};
use super::ramfs::RegularFile;
use super::text::TextOps;
use super::write_access::{WriteAccess, want_write};
use crate::chrdev;
use crate::mm::admit::admit;

/// Flags that matter only while opening.
const OPEN_ONLY: u32 = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC;
/// Flags that matter besides `O_PATH`.
const PATH_FLAGS: u32 = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

/// Opens `path` from `start`; a new file gets `mode`, the umask taken off already. May sleep.
pub fn open(
    root: &Arc<Dentry>,
    start: &Arc<Dentry>,
    path: &[u8],
    flags: u32,
    mode: u32,
) -> Result<Arc<File>> {
    let flags = if flags & O_PATH != 0 { flags & PATH_FLAGS } else { flags | O_LARGEFILE };
    if flags & O_TMPFILE != 0 {
        return open_unnamed(Walk::new(root, start, path)?, flags, mode);
    }
    if flags & O_CREAT != 0 && flags & O_DIRECTORY != 0 {
        return Err(Errno::EINVAL);
    }
    let walk = Walk::new(root, start, path)?;
    let (dentry, created) = if flags & O_CREAT != 0 {
        find_or_create(walk, flags, mode)?
    } else {
        let mut walk = walk;
        (walk.finish(flags & O_NOFOLLOW == 0)?, false)
    };
    open_dentry(&dentry, if created { flags & !O_TRUNC } else { flags })
}

/// Makes a file without a name in the directory at the walk's end, and opens it (`O_TMPFILE`). It may be given a name
/// unless `O_EXCL`. `EINVAL`, `ENOTDIR`, `EOPNOTSUPP` where files cannot be made, `ENOMEM`, `ENFILE`.
fn open_unnamed(mut walk: Walk<'_>, flags: u32, mode: u32) -> Result<Arc<File>> {
    if flags & (O_DIRECTORY | O_CREAT) != O_DIRECTORY || flags & O_ACCMODE == O_RDONLY {
        return Err(Errno::EINVAL);
    }
    let dir = walk.finish(flags & O_NOFOLLOW == 0)?;
    if !dir.inode().is_dir() {
        return Err(Errno::ENOTDIR);
    }
    want_write(dir.inode())?;
    if dir.inode().quota().is_none() {
        return Err(Errno::EOPNOTSUPP);
    }
    admit()?;
    let inode = namespace::file_inode(dir.inode(), mode, b"");
    inode.inherit(dir.inode());
    inode.set_nlink(0);
    if flags & O_EXCL == 0 {
        inode.set_linkable();
    }
    let name = alloc::format!("#{}", inode.ino());
    let dentry = Dentry::detached(&dir, name.as_bytes(), inode);
    let access = WriteAccess::new(dentry.inode())?;
    File::regular(dentry, flags & !(OPEN_ONLY | O_DIRECTORY), Box::new(RegularFile), Some(access))
}

/// The file at the walk's end, and whether it was made for this.
fn find_or_create(mut walk: Walk<'_>, flags: u32, mode: u32) -> Result<(Arc<Dentry>, bool)> {
    let exclusive = flags & O_EXCL != 0;
    loop {
        walk.to_parent()?;
        let Last::Name(name) = walk.last()? else {
            return Err(if exclusive { Errno::EEXIST } else { Errno::EISDIR });
        };
        match lookup(walk.here(), name) {
            Ok(_) if exclusive => return Err(Errno::EEXIST),
            Ok(found) => {
                if let Some(end) = walk.arrive(found, flags & O_NOFOLLOW == 0)? {
                    return Ok((end, false));
                }
            }
            Err(Errno::ENOENT) if walk.wants_dir() => return Err(Errno::EISDIR),
            Err(Errno::ENOENT) => {
                let dir = walk.here().inode();
                want_write(dir)?;
                let inode = namespace::file_inode(dir, mode, b"");
                inode.inherit(dir);
                match namespace::add(By::User, walk.here(), name, inode) {
                    // Somebody was faster: what they made is there now.
                    Err(Errno::EEXIST) => {}
                    made => return made.map(|dentry| (dentry, true)),
                }
            }
            Err(e) => return Err(e),
        }
    }
}

/// Opens what a name leads to. May sleep.
pub fn open_dentry(dentry: &Arc<Dentry>, flags: u32) -> Result<Arc<File>> {
    let inode = dentry.inode();
    check_kind(inode, flags)?;
    let kept = flags & !OPEN_ONLY;
    if flags & O_PATH != 0 {
        return File::new(dentry.clone(), kept, Box::new(PathFile));
    }
    let writes = flags & O_ACCMODE != O_RDONLY;
    if writes || flags & O_TRUNC != 0 {
        match inode.content() {
            Content::Regular(_) | Content::Text(_) => want_write(inode)?,
            _ => {}
        }
    }
    let is_device = matches!(inode.content(), Content::Char(_) | Content::Block(_));
    if is_device && mount_flags::has(inode.dev(), mount_flags::NODEV) {
        return Err(Errno::EACCES);
    }
    if !matches!(inode.content(), Content::Char(_) | Content::Fifo(_)) {
        refuse_direct(flags)?;
    }
    let ops: Box<dyn FileOps> = match inode.content() {
        Content::Directory { .. } | Content::Dynamic(_) => Box::new(DirFile),
        Content::Regular(_) => {
            let access = if writes { Some(WriteAccess::new(inode)?) } else { None };
            let file = File::regular(dentry.clone(), kept, Box::new(RegularFile), access)?;
            if flags & O_TRUNC != 0 {
                truncate(inode, 0)?;
            }
            return Ok(file);
        }
        Content::Text(_) => Box::new(TextOps::new()),
        Content::Special(ops) => ops()?,
        Content::Char(_) => {
            let opened = chrdev::open(inode, kept)?;
            refuse_direct(flags)?;
            return File::device(dentry.clone(), kept, opened);
        }
        Content::Fifo(fifo) => {
            let ops = fifo.open(kept)?;
            refuse_direct(flags)?;
            ops
        }
        Content::Anonymous | Content::Block(_) | Content::Socket(_) | Content::SocketName(_) => {
            return Err(Errno::ENXIO);
        }
        Content::Symlink(_) | Content::Magic(_) => return Err(Errno::ELOOP),
    };
    File::new(dentry.clone(), kept, ops)
}

/// No file here has anything to go around. What an open does, it has done before it is refused. `EINVAL`.
fn refuse_direct(flags: u32) -> Result<()> {
    if flags & O_DIRECT != 0 { Err(Errno::EINVAL) } else { Ok(()) }
}

fn check_kind(inode: &Inode, flags: u32) -> Result<()> {
    if inode.is_link() {
        return match () {
            () if flags & O_DIRECTORY != 0 => Err(Errno::ENOTDIR),
            () if flags & O_PATH != 0 => Ok(()),
            () => Err(Errno::ELOOP),
        };
    }
    if !inode.is_dir() {
        return if flags & O_DIRECTORY != 0 { Err(Errno::ENOTDIR) } else { Ok(()) };
    }
    let write = flags & O_ACCMODE != O_RDONLY || flags & (O_CREAT | O_TRUNC) != 0;
    if write { Err(Errno::EISDIR) } else { Ok(()) }
}

/// Cuts or extends a regular file by its name. `ETXTBSY`, `EROFS`, and as [`Inode::truncate`]. May sleep.
pub fn truncate(inode: &Arc<Inode>, size: u64) -> Result<()> {
    want_write(inode)?;
    let _access = WriteAccess::new(inode)?;
    inode.truncate(size)
}

/// A file that is only a name: every operation that reaches it is refused before.
struct PathFile;

impl FileOps for PathFile {}
