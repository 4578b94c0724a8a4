//! Sending and receiving messages. Models `net/socket.c`.
#![forbid(unsafe_code)]

use heaps::{Errno, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::Ctx;
use super::control::{self, Control, Room};
use super::rw::{self, IOV_MAX};
use super::socket::{Open, RawAddress, read_address, socket, write_address, write_bytes_and_len};
use super::time::{Timespec, after};
use crate::arch;
use crate::mm::user;
use crate::net::uapi::*;
use crate::net::unix::Kind;
use crate::net::unix::recv::{How, Received};
use crate::net::unix::send::Message;
use crate::vfs::io::{Sink, Source};

/// `struct msghdr`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct MsgHdr {
    name: u64,
    name_len: i32,
    pad: u32,
    iov: u64,
    iov_len: u64,
    control: u64,
    control_len: u64,
    flags: u32,
    pad2: u32,
}

/// Where in it the receiver's results go.
const NAME_LEN_AT: u64 = 8;
const CONTROL_LEN_AT: u64 = 40;
const FLAGS_AT: u64 = 48;
/// `struct mmsghdr`: the message, and how long it was.
const MMSGHDR: u64 = 64;
const LEN_AT: u64 = 56;

impl MsgHdr {
    /// `EFAULT`, `EINVAL`, `EMSGSIZE` for too many ranges.
    fn read(addr: u64) -> Result<MsgHdr> {
        let header: MsgHdr = user::read(addr)?;
        if header.name != 0 && header.name_len < 0 {
            return Err(Errno::EINVAL);
        }
        if header.iov_len > IOV_MAX as u64 { Err(Errno::EMSGSIZE) } else { Ok(header) }
    }
}

fn send(
    ctx: &Ctx,
    open: &Open,
    from: &mut dyn Source,
    to: &[u8],
    control: &[u8],
    flags: u32,
) -> Result<usize> {
    let Control { rights, cred } = Control::parse(ctx, control)?;
    if flags & MSG_OOB != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let message = Message {
        to: (!to.is_empty()).then_some((to, ctx)),
        rights,
        cred,
        blocks: open.blocks(flags),
        silent: flags & MSG_NOSIGNAL != 0,
    };
    open.socket.send(from, message)
}

/// `sendto`. `EBADF`, `ENOTSOCK`, `EFAULT`, and what [`Socket::send`](crate::net::Socket::send) says. May sleep.
pub fn sys_sendto(
    ctx: &Ctx,
    fd: i32,
    addr: u64,
    len: usize,
    flags: u32,
    to: u64,
    to_len: i32,
) -> Result<usize> {
    let open = socket(ctx, fd)?;
    let to = if to == 0 { RawAddress::new() } else { read_address(to, to_len)? };
    send(ctx, &open, &mut rw::buffer(addr, len), &to, &[], flags)
}

fn send_message(ctx: &Ctx, open: &Open, addr: u64, flags: u32) -> Result<usize> {
    let header = MsgHdr::read(addr)?;
    let to = match header.name {
        0 => RawAddress::new(),
        at => read_address(at, header.name_len.min(ADDRESS_MAX as i32))?,
    };
    let mut from = rw::ranges(header.iov, header.iov_len as usize)?;
    let control = control::read(header.control, header.control_len)?;
    send(ctx, open, &mut from, &to, &control, flags)
}

/// `sendmsg`. As [`sys_sendto`]; `EINVAL`, `EMSGSIZE`, `ENOBUFS`, `ESRCH` for its parts. May sleep.
pub fn sys_sendmsg(ctx: &Ctx, fd: i32, addr: u64, flags: u32) -> Result<usize> {
    send_message(ctx, &socket(ctx, fd)?, addr, flags)
}

/// `sendmmsg`: how many were sent; an error only where none was. May sleep.
pub fn sys_sendmmsg(ctx: &Ctx, fd: i32, addr: u64, count: usize, flags: u32) -> Result<usize> {
    let open = socket(ctx, fd)?;
    for done in 0..count.min(IOV_MAX) {
        let at = addr.wrapping_add(done as u64 * MMSGHDR);
        let sent = send_message(ctx, &open, at, flags)
            .and_then(|len| user::write(at.wrapping_add(LEN_AT), &(len as u32)));
        match sent {
            Ok(()) => {}
            Err(e) if done == 0 => return Err(e),
            Err(_) => return Ok(done),
        }
    }
    Ok(count.min(IOV_MAX))
}

/// Receives; returns what the call returns, the message's flags, and what came besides.
fn receive(open: &Open, to: &mut dyn Sink, flags: u32) -> Result<(usize, u32, Received)> {
    if flags & MSG_OOB != 0 {
        return Err(if open.socket.kind() == Kind::Stream { Errno::EINVAL } else { Errno::EOPNOTSUPP });
    }
    let how = How { peek: flags & MSG_PEEK != 0, all: flags & MSG_WAITALL != 0, blocks: open.blocks(flags) };
    let received = open.socket.receive(to, how)?;
    let cut = received.full > received.len;
    let len = if cut && flags & MSG_TRUNC != 0 { received.full } else { received.len };
    Ok((len, if cut { MSG_TRUNC } else { 0 }, received))
}

/// Writes the name a message came from, which may be none. `EINVAL`, `EFAULT`.
fn put_name(received: &Received, addr: u64, len_at: u64) -> Result<()> {
    match &received.from {
        _ if addr == 0 => Ok(()),
        Some(name) => write_address(Some(name), addr, len_at),
        None => write_bytes_and_len(&[], addr, len_at),
    }
}

/// `recvfrom`. `EBADF`, `ENOTSOCK`, `EFAULT`, and what [`Socket::receive`](crate::net::Socket::receive) says. May
/// sleep.
pub fn sys_recvfrom(
    ctx: &Ctx,
    fd: i32,
    addr: u64,
    len: usize,
    flags: u32,
    from: u64,
    from_len: u64,
) -> Result<usize> {
    let open = socket(ctx, fd)?;
    let (len, _, received) = receive(&open, &mut rw::buffer(addr, len), flags)?;
    put_name(&received, from, from_len)?;
    Ok(len)
}

fn receive_message(ctx: &Ctx, open: &Open, addr: u64, flags: u32) -> Result<(usize, u32)> {
    let header = MsgHdr::read(addr)?;
    let mut to = rw::ranges(header.iov, header.iov_len as usize)?;
    let (len, cut, mut received) = receive(open, &mut to, flags)?;
    let mut room = Room::new(header.control, header.control_len);
    put_control(ctx, open, &mut room, &mut received, flags);
    put_name(&received, header.name, addr.wrapping_add(NAME_LEN_AT))?;
    let out = flags & MSG_CMSG_CLOEXEC | cut | room.flags;
    user::write(addr.wrapping_add(FLAGS_AT), &out)?;
    user::write(addr.wrapping_add(CONTROL_LEN_AT), &(header.control_len - room.left()))?;
    Ok((len, out))
}

/// Hands over what came besides the bytes; what the receiver has no room for is dropped.
fn put_control(ctx: &Ctx, open: &Open, room: &mut Room, received: &mut Received, flags: u32) {
    let asks = open.socket.options.passes_cred();
    let rights = received.rights.take();
    if room.is_none() {
        if asks || rights.is_some() {
            room.flags |= MSG_CTRUNC;
        }
        return;
    }
    if asks {
        room.put(SCM_CREDENTIALS, received.cred.unwrap_or(Cred::UNKNOWN).as_bytes());
    }
    if let Some(rights) = rights {
        room.put_files(ctx.files, rights, flags & MSG_CMSG_CLOEXEC != 0);
    }
}

/// `recvmsg`. As [`sys_recvfrom`]; `EINVAL`, `EMSGSIZE` for its parts. May sleep.
pub fn sys_recvmsg(ctx: &Ctx, fd: i32, addr: u64, flags: u32) -> Result<usize> {
    receive_message(ctx, &socket(ctx, fd)?, addr, flags).map(|(len, _)| len)
}

/// `recvmmsg`: how many were received, until the time is over, which is looked at after each; an error only where there
/// was none. May sleep.
pub fn sys_recvmmsg(
    ctx: &Ctx,
    fd: i32,
    addr: u64,
    count: usize,
    mut flags: u32,
    timeout: u64,
) -> Result<usize> {
    let deadline = match timeout {
        0 => None,
        at => Some(after(user::read::<Timespec>(at)?.to_ns()?)),
    };
    let open = socket(ctx, fd)?;
    if let Some(error) = open.socket.take_error() {
        return Err(error);
    }
    let mut done = 0;
    while done < count {
        let at = addr.wrapping_add(done as u64 * MMSGHDR);
        let received = receive_message(ctx, &open, at, flags & !MSG_WAITFORONE)
            .and_then(|(len, _)| user::write(at.wrapping_add(LEN_AT), &(len as u32)));
        match received {
            Ok(()) => done += 1,
            Err(e) if done == 0 => return Err(e),
            // The next call says it.
            Err(e) => {
                if e != Errno::EAGAIN {
                    open.socket.set_error(e);
                }
                break;
            }
        }
        if flags & MSG_WAITFORONE != 0 {
            flags |= MSG_DONTWAIT;
        }
        if deadline.is_some_and(|at| arch::now_ns() >= at) {
            break;
        }
    }
    if let Some(deadline) = deadline {
        user::write(timeout, &Timespec::from_ns(deadline.saturating_sub(arch::now_ns())))?;
    }
    Ok(done)
}
