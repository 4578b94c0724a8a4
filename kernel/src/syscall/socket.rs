//! Making, naming and connecting sockets. Models `net/socket.c`.
#![forbid(unsafe_code)]

use alloc::sync::Arc;

use arrayvec::ArrayVec;
use heaps::{Errno, Result};

use super::Ctx;
use super::names::make_dentry;
use crate::mm::user;
use crate::net::Socket;
use crate::net::uapi::*;
use crate::net::unix::name::{self, Address, Name, Places};
use crate::net::unix::{Kind, connect, file, flight};
use crate::vfs::flags::{AT_FDCWD, O_NONBLOCK};
use crate::vfs::namespace::{self, By};
use crate::vfs::{Dentry, File};

/// An address as user space gives it: a family and what follows.
pub(super) type RawAddress = ArrayVec<u8, ADDRESS_MAX>;

impl Places for Ctx<'_> {
    fn resolve(&self, path: &[u8]) -> Result<Arc<Dentry>> {
        Ctx::resolve(self, AT_FDCWD, path, true)
    }
}

/// An open socket and its file.
pub(super) struct Open {
    pub file: Arc<File>,
    pub socket: Arc<Socket>,
}

impl Open {
    /// Whether a call with these flags may block.
    pub fn blocks(&self, flags: u32) -> bool {
        self.file.flags() & O_NONBLOCK == 0 && flags & MSG_DONTWAIT == 0
    }
}

/// The socket `fd`. `EBADF`, `ENOTSOCK`.
pub(super) fn socket(ctx: &Ctx, fd: i32) -> Result<Open> {
    let file = ctx.io_file(fd)?;
    let socket = flight::socket_of(&file).cloned().ok_or(Errno::ENOTSOCK)?;
    Ok(Open { file, socket })
}

/// Reads an address of `len` bytes. `EINVAL`, `EFAULT`.
pub(super) fn read_address(addr: u64, len: i32) -> Result<RawAddress> {
    let len = usize::try_from(len).ok().filter(|&len| len <= ADDRESS_MAX).ok_or(Errno::EINVAL)?;
    let mut bytes = [0; ADDRESS_MAX];
    user::read_bytes(addr, &mut bytes[..len])?;
    Ok(bytes[..len].iter().copied().collect())
}

/// Writes a name's address, as much as fits into what `len_at` says, and its length there. `EINVAL`, `EFAULT`.
pub(super) fn write_address(name: Option<&Name>, addr: u64, len_at: u64) -> Result<()> {
    let mut bytes: ArrayVec<u8, ADDRESS_MAX> = ArrayVec::new();
    bytes.extend((AF_UNIX as u16).to_ne_bytes());
    bytes.extend(name.map_or(&[][..], Name::bytes).iter().copied());
    write_bytes_and_len(&bytes, addr, len_at)
}

/// The same for bytes that may be none at all.
pub(super) fn write_bytes_and_len(bytes: &[u8], addr: u64, len_at: u64) -> Result<()> {
    let room = usize::try_from(user::read::<i32>(len_at)?).map_err(|_| Errno::EINVAL)?;
    user::write_bytes(addr, &bytes[..bytes.len().min(room)])?;
    user::write(len_at, &(bytes.len() as i32))
}

/// The kind that a call asks for. `EAFNOSUPPORT`, `EINVAL`, `EPROTONOSUPPORT`, `ESOCKTNOSUPPORT`.
fn kind(family: u32, kind: u32, protocol: u32) -> Result<Kind> {
    if family >= AF_MAX {
        return Err(Errno::EAFNOSUPPORT);
    }
    if kind >= SOCK_MAX {
        return Err(Errno::EINVAL);
    }
    match (family, kind) {
        (AF_UNIX, _) if protocol != 0 && protocol != AF_UNIX => Err(Errno::EPROTONOSUPPORT),
        (AF_UNIX, SOCK_STREAM) => Ok(Kind::Stream),
        (AF_UNIX, SOCK_DGRAM | SOCK_RAW) => Ok(Kind::Datagram),
        (AF_UNIX, SOCK_SEQPACKET) => Ok(Kind::SeqPacket),
        (AF_UNIX, _) => Err(Errno::ESOCKTNOSUPPORT),
        _ => Err(Errno::EAFNOSUPPORT),
    }
}

/// The flags in a type. `EINVAL`.
fn type_flags(kind: u32) -> Result<u32> {
    let flags = kind & !SOCK_TYPE_MASK;
    if flags & !(SOCK_CLOEXEC | SOCK_NONBLOCK) == 0 { Ok(flags) } else { Err(Errno::EINVAL) }
}

/// `socket`. `EINVAL`, `EMFILE`, `ENFILE`, `ENOMEM` and what [`kind`] says.
pub fn sys_socket(ctx: &Ctx, family: u32, raw: u32, protocol: u32) -> Result<usize> {
    let flags = type_flags(raw)?;
    let new = Socket::new(kind(family, raw & SOCK_TYPE_MASK, protocol)?)?;
    let slot = ctx.files.reserve(flags & SOCK_CLOEXEC != 0)?;
    Ok(slot.install(file::open(&new, flags & SOCK_NONBLOCK)?))
}

/// `socketpair`. As [`sys_socket`], and `EFAULT`; on an error no descriptor is left behind.
pub fn sys_socketpair(ctx: &Ctx, family: u32, raw: u32, protocol: u32, fds: u64) -> Result<usize> {
    let flags = type_flags(raw)?;
    let cloexec = flags & SOCK_CLOEXEC != 0;
    let slots = [ctx.files.reserve(cloexec)?, ctx.files.reserve(cloexec)?];
    user::write(fds, &[slots[0].fd() as u32, slots[1].fd() as u32])?;
    let kind = kind(family, raw & SOCK_TYPE_MASK, protocol)?;
    let sockets = [Socket::new(kind)?, Socket::new(kind)?];
    let files =
        [file::open(&sockets[0], flags & SOCK_NONBLOCK)?, file::open(&sockets[1], flags & SOCK_NONBLOCK)?];
    connect::pair(&sockets[0], &sockets[1]);
    for (slot, file) in slots.into_iter().zip(files) {
        slot.install(file);
    }
    Ok(0)
}

/// `bind`. `EINVAL`, `EADDRINUSE`, `EFAULT`, `ENOMEM` and what walking the path says. May sleep.
pub fn sys_bind(ctx: &Ctx, fd: i32, addr: u64, len: i32) -> Result<usize> {
    let Open { socket, .. } = socket(ctx, fd)?;
    let bytes = read_address(addr, len)?;
    if name::asks_for_any(&bytes) {
        return name::bind_any(&socket).map(|()| 0);
    }
    let address = Address::parse(&bytes)?;
    match address {
        Address::Abstract(_) if socket.name().is_some() => return Err(Errno::EINVAL),
        Address::Abstract(name) => name::bind_abstract(&socket, name)?,
        Address::Path(path) => bind_path(ctx, &socket, path)?,
    }
    Ok(0)
}

fn bind_path(ctx: &Ctx, socket: &Arc<Socket>, path: &[u8]) -> Result<()> {
    let permissions = 0o777 & !ctx.fs.umask();
    let made = make_dentry(ctx, AT_FDCWD, path, |dir| namespace::socket_inode(dir.dev(), permissions));
    let place = made.map_err(|e| if e == Errno::EEXIST { Errno::EADDRINUSE } else { e })?;
    let bound = name::bind_path(socket, path, place.clone());
    if bound.is_err()
        && let Some(dir) = place.parent()
    {
        // What was made for it goes with it.
        let _ = namespace::unlink(By::User, &dir, &place.name());
    }
    bound
}

/// `listen`. `EOPNOTSUPP`, `EINVAL`.
pub fn sys_listen(ctx: &Ctx, fd: i32, backlog: i32) -> Result<usize> {
    socket(ctx, fd)?.socket.listen(backlog).map(|()| 0)
}

/// `accept4`, and `accept` without flags. `EINVAL`, `EOPNOTSUPP`, `EMFILE`, `ENFILE`, `EFAULT`, `EAGAIN`, `EINTR`. May
/// sleep.
pub fn sys_accept4(ctx: &Ctx, fd: i32, addr: u64, len_at: u64, flags: u32) -> Result<usize> {
    let listener = ctx.io_file(fd)?;
    let flags = type_flags(flags & !SOCK_TYPE_MASK).and_then(|known| match flags & SOCK_TYPE_MASK {
        0 => Ok(known),
        _ => Err(Errno::EINVAL),
    })?;
    let listener =
        Open { socket: flight::socket_of(&listener).cloned().ok_or(Errno::ENOTSOCK)?, file: listener };
    let slot = ctx.files.reserve(flags & SOCK_CLOEXEC != 0)?;
    let accepted = listener.socket.accept(listener.blocks(0))?;
    let file = match file::open(&accepted, flags & SOCK_NONBLOCK) {
        Ok(file) => file,
        Err(e) => {
            listener.socket.unaccept(accepted);
            return Err(e);
        }
    };
    if addr != 0 {
        let name = accepted.peer_name().map_err(|_| Errno::ECONNABORTED)?;
        write_address(name.as_deref(), addr, len_at)?;
    }
    Ok(slot.install(file))
}

/// `connect`. What [`Socket::connect`] says; `EFAULT`. May sleep.
pub fn sys_connect(ctx: &Ctx, fd: i32, addr: u64, len: i32) -> Result<usize> {
    let open = socket(ctx, fd)?;
    let bytes = read_address(addr, len)?;
    let unspecified = (AF_UNSPEC as u16).to_ne_bytes();
    if bytes.starts_with(&unspecified) {
        return open.socket.disconnect().map(|()| 0);
    }
    open.socket.connect(ctx, Address::parse(&bytes)?, open.blocks(0)).map(|()| 0)
}

/// `getsockname`. `EINVAL`, `EFAULT`.
pub fn sys_getsockname(ctx: &Ctx, fd: i32, addr: u64, len_at: u64) -> Result<usize> {
    let name = socket(ctx, fd)?.socket.name();
    write_address(name.as_deref(), addr, len_at).map(|()| 0)
}

/// `getpeername`. `ENOTCONN`, and as [`sys_getsockname`].
pub fn sys_getpeername(ctx: &Ctx, fd: i32, addr: u64, len_at: u64) -> Result<usize> {
    let name = socket(ctx, fd)?.socket.peer_name()?;
    write_address(name.as_deref(), addr, len_at).map(|()| 0)
}

/// `shutdown`. `EINVAL`.
pub fn sys_shutdown(ctx: &Ctx, fd: i32, how: u32) -> Result<usize> {
    socket(ctx, fd)?.socket.shutdown(how).map(|()| 0)
}
