//! `getsockopt` and `setsockopt`. Models `net/core/sock.c`.
#![forbid(unsafe_code)]

use heaps::{Errno, Result};
use zerocopy::{Immutable, IntoBytes};

use super::Ctx;
use super::socket::socket;
use crate::mm::user;
use crate::net::Socket;
use crate::net::uapi::*;
use crate::net::unix::option::Way;

const NS_PER_S: u64 = 1_000_000_000;
const US_PER_S: i64 = 1_000_000;

/// `setsockopt`. `EOPNOTSUPP` for levels that there are not, `ENOPROTOOPT`, `EINVAL`, `EDOM`, `EFAULT`.
pub fn sys_setsockopt(ctx: &Ctx, fd: i32, level: u32, option: u32, value: u64, len: i32) -> Result<usize> {
    let socket = socket(ctx, fd)?.socket;
    if len < 0 {
        return Err(Errno::EINVAL);
    }
    if level != SOL_SOCKET {
        return Err(Errno::EOPNOTSUPP);
    }
    if (len as usize) < size_of::<i32>() {
        return Err(Errno::EINVAL);
    }
    let number: i32 = user::read(value)?;
    let options = &socket.options;
    match option {
        SO_SNDBUF | SO_SNDBUFFORCE => {
            options.set_buffer(Way::Out, number as u32, option == SO_SNDBUFFORCE);
            // Who waits for room may have it now.
            socket.relieved();
        }
        SO_RCVBUF | SO_RCVBUFFORCE => options.set_buffer(Way::In, number as u32, option == SO_RCVBUFFORCE),
        SO_RCVLOWAT => options.set_low(number),
        SO_RCVTIMEO | SO_RCVTIMEO_NEW => options.set_patience(Way::In, patience(value, len)?),
        SO_SNDTIMEO | SO_SNDTIMEO_NEW => options.set_patience(Way::Out, patience(value, len)?),
        _ if options.set_switch(option, number != 0) => {}
        _ => return Err(Errno::ENOPROTOOPT),
    }
    Ok(0)
}

/// Reads a `struct timeval`; zero is for ever.
fn patience(value: u64, len: i32) -> Result<Option<u64>> {
    if (len as usize) < size_of::<[i64; 2]>() {
        return Err(Errno::EINVAL);
    }
    let [seconds, micros] = user::read::<[i64; 2]>(value)?;
    if !(0..US_PER_S).contains(&micros) {
        return Err(Errno::EDOM);
    }
    // A time that is over already.
    let Ok(seconds) = u64::try_from(seconds) else { return Ok(Some(0)) };
    let ns = seconds.saturating_mul(NS_PER_S).saturating_add(micros as u64 * 1000);
    Ok(Some(ns).filter(|&ns| ns != 0))
}

/// `getsockopt`: as much of the value as fits, and its length. As [`sys_setsockopt`].
pub fn sys_getsockopt(ctx: &Ctx, fd: i32, level: u32, option: u32, value: u64, len_at: u64) -> Result<usize> {
    let socket = socket(ctx, fd)?.socket;
    if level != SOL_SOCKET {
        return Err(Errno::EOPNOTSUPP);
    }
    let room = usize::try_from(user::read::<i32>(len_at)?).map_err(|_| Errno::EINVAL)?;
    match option {
        SO_PEERCRED => put(&socket.peer_cred(), room, value, len_at),
        SO_RCVTIMEO | SO_RCVTIMEO_NEW => put(&timeval(&socket, Way::In), room, value, len_at),
        SO_SNDTIMEO | SO_SNDTIMEO_NEW => put(&timeval(&socket, Way::Out), room, value, len_at),
        _ => put(&number(&socket, option)?, room, value, len_at),
    }
}

fn timeval(socket: &Socket, way: Way) -> [i64; 2] {
    let ns = socket.options.patience(way).unwrap_or(0);
    [(ns / NS_PER_S) as i64, (ns % NS_PER_S / 1000) as i64]
}

fn number(socket: &Socket, option: u32) -> Result<i32> {
    let options = &socket.options;
    Ok(match option {
        SO_TYPE => socket.kind().raw() as i32,
        SO_DOMAIN => AF_UNIX as i32,
        SO_PROTOCOL => 0,
        SO_ERROR => socket.take_error().map_or(0, |error| error.get().into()),
        SO_ACCEPTCONN => socket.is_listening().into(),
        SO_SNDBUF => options.sndbuf() as i32,
        SO_RCVBUF => options.rcvbuf() as i32,
        SO_RCVLOWAT => options.low() as i32,
        SO_SNDLOWAT => 1,
        _ => options.switch(option).ok_or(Errno::ENOPROTOOPT)?.into(),
    })
}

fn put<T: IntoBytes + Immutable>(what: &T, room: usize, value: u64, len_at: u64) -> Result<usize> {
    let bytes = what.as_bytes();
    let len = bytes.len().min(room);
    user::write_bytes(value, &bytes[..len])?;
    user::write(len_at, &(len as i32)).map(|()| 0)
}
