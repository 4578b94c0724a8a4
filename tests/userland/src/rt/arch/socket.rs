//! Sockets, and the files that are sent through them.

use super::{call, plain_call};
use crate::rt::abi::{self, nr};
use crate::rt::file::Fd;
use alloc::vec;
use alloc::vec::Vec;
use heaps::uapi::Errno;
use heaps::uapi::errno::Result;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Longest address the wrappers ask for, in bytes.
const ADDRESS: usize = 128;
/// Length of `struct cmsghdr`.
const HEADER: usize = 16;

/// socket of any family.
pub fn open(family: u32, kind: u32, protocol: u32) -> Result<Fd> {
    plain_call!(nr::SOCKET, family, kind, protocol).map(|fd| Fd::from_raw(fd as i32))
}

/// A unix socket (`SOCK_*`).
pub fn unix(kind: u32) -> Result<Fd> {
    open(abi::AF_UNIX, kind, 0)
}

/// socketpair.
pub fn pair(kind: u32) -> Result<[Fd; 2]> {
    let mut fds = [0i32; 2];
    let unix = abi::AF_UNIX as usize;
    // SAFETY: the kernel writes two words.
    unsafe { call(nr::SOCKETPAIR, [unix, kind as usize, 0, &raw mut fds as usize, 0, 0]) }?;
    Ok(fds.map(Fd::from_raw))
}

/// The address of a path (NUL added) or, where it begins with a NUL, of an abstract name.
pub fn address(name: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::from((abi::AF_UNIX as u16).to_ne_bytes());
    bytes.extend_from_slice(name);
    if name.first().is_some_and(|&first| first != 0) {
        bytes.push(0);
    }
    bytes
}

fn with_address(nr: usize, fd: i32, address: &[u8]) -> Result<()> {
    // SAFETY: the kernel reads the slice alone.
    unsafe { call(nr, [fd as usize, address.as_ptr() as usize, address.len(), 0, 0, 0]) }.map(drop)
}

/// bind.
pub fn bind(fd: i32, address: &[u8]) -> Result<()> {
    with_address(nr::BIND, fd, address)
}

/// connect.
pub fn connect(fd: i32, address: &[u8]) -> Result<()> {
    with_address(nr::CONNECT, fd, address)
}

/// listen.
pub fn listen(fd: i32, backlog: i32) -> Result<()> {
    plain_call!(nr::LISTEN, fd, backlog).map(drop)
}

/// accept4, without asking who it is.
pub fn accept(fd: i32, flags: u32) -> Result<Fd> {
    plain_call!(nr::ACCEPT4, fd, 0, 0, flags).map(|fd| Fd::from_raw(fd as i32))
}

/// shutdown: 0 no more receiving, 1 no more sending, 2 neither.
pub fn shutdown(fd: i32, how: u32) -> Result<()> {
    plain_call!(nr::SHUTDOWN, fd, how).map(drop)
}

fn name(nr: usize, fd: i32) -> Result<Vec<u8>> {
    let mut bytes = vec![0u8; ADDRESS];
    let mut len = ADDRESS as i32;
    // SAFETY: the kernel writes at most `len` bytes of the buffer, and one word.
    unsafe { call(nr, [fd as usize, bytes.as_mut_ptr() as usize, &raw mut len as usize, 0, 0, 0]) }?;
    bytes.truncate(len as usize);
    Ok(bytes)
}

/// getsockname: the whole address.
pub fn own_name(fd: i32) -> Result<Vec<u8>> {
    name(nr::GETSOCKNAME, fd)
}

/// getpeername: the whole address.
pub fn peer_name(fd: i32) -> Result<Vec<u8>> {
    name(nr::GETPEERNAME, fd)
}

/// getsockopt at `SOL_SOCKET`.
pub fn option<T: FromBytes + IntoBytes + Default>(fd: i32, option: u32) -> Result<T> {
    let mut value = T::default();
    let mut len = size_of::<T>() as i32;
    let (fd, level, at) = (fd as usize, abi::SOL_SOCKET as usize, core::ptr::from_mut(&mut value) as usize);
    // SAFETY: the kernel writes at most `len` bytes of the value, which any bytes make valid, and one word.
    unsafe { call(nr::GETSOCKOPT, [fd, level, option as usize, at, &raw mut len as usize, 0]) }?;
    Ok(value)
}

/// setsockopt at `SOL_SOCKET`.
pub fn set_option<T: IntoBytes + Immutable>(fd: i32, option: u32, value: &T) -> Result<()> {
    let bytes = value.as_bytes();
    let (fd, level) = (fd as usize, abi::SOL_SOCKET as usize);
    // SAFETY: the kernel reads the value alone.
    unsafe { call(nr::SETSOCKOPT, [fd, level, option as usize, bytes.as_ptr() as usize, bytes.len(), 0]) }
        .map(drop)
}

/// sendto; an empty address is none.
pub fn send_to(fd: i32, bytes: &[u8], flags: u32, to: &[u8]) -> Result<usize> {
    let at = if to.is_empty() { 0 } else { to.as_ptr() as usize };
    let args = [fd as usize, bytes.as_ptr() as usize, bytes.len(), flags as usize, at, to.len()];
    // SAFETY: the kernel reads the two slices alone.
    unsafe { call(nr::SENDTO, args) }
}

/// send.
pub fn send(fd: i32, bytes: &[u8], flags: u32) -> Result<usize> {
    send_to(fd, bytes, flags, &[])
}

/// recv.
pub fn receive(fd: i32, into: &mut [u8], flags: u32) -> Result<usize> {
    let args = [fd as usize, into.as_mut_ptr() as usize, into.len(), flags as usize, 0, 0];
    // SAFETY: the kernel writes into the slice alone.
    unsafe { call(nr::RECVFROM, args) }
}

/// `struct msghdr`.
#[repr(C)]
#[derive(Clone, Copy, Default, IntoBytes, Immutable)]
struct MsgHdr {
    name: u64,
    name_len: u64,
    iov: u64,
    iov_len: u64,
    control: u64,
    control_len: u64,
    flags: u64,
}

/// sendmsg of one range with control messages.
pub fn send_message(fd: i32, bytes: &[u8], control: &[u8], flags: u32) -> Result<usize> {
    let range = [bytes.as_ptr() as u64, bytes.len() as u64];
    let header = MsgHdr {
        iov: &raw const range as u64,
        iov_len: 1,
        control: control.as_ptr() as u64,
        control_len: control.len() as u64,
        ..MsgHdr::default()
    };
    // SAFETY: the kernel reads the header and, through it, the range and the two slices.
    unsafe { call(nr::SENDMSG, [fd as usize, &raw const header as usize, flags as usize, 0, 0, 0]) }
}

/// What recvmsg gave.
#[derive(Debug, Default)]
pub struct Message {
    /// How many bytes.
    pub len: usize,
    /// `MSG_*`.
    pub flags: u32,
    /// The control messages.
    pub control: Vec<u8>,
    /// The address it came from.
    pub from: Vec<u8>,
}

/// recvmsg into one range, with room for so many bytes of control messages; 0 gives none.
pub fn receive_message(fd: i32, into: &mut [u8], room: usize, flags: u32) -> Result<Message> {
    let mut from = vec![0u8; ADDRESS];
    let mut control = vec![0u8; room];
    let range = [into.as_mut_ptr() as u64, into.len() as u64];
    let mut header = MsgHdr {
        name: from.as_mut_ptr() as u64,
        name_len: ADDRESS as u64,
        iov: &raw const range as u64,
        iov_len: 1,
        control: if room == 0 { 0 } else { control.as_mut_ptr() as u64 },
        control_len: room as u64,
        flags: 0,
    };
    // SAFETY: the kernel writes into the header and, through it, into the slice and the two buffers.
    let len = unsafe { call(nr::RECVMSG, [fd as usize, &raw mut header as usize, flags as usize, 0, 0, 0]) }?;
    from.truncate(header.name_len as u32 as usize);
    control.truncate(header.control_len as usize);
    Ok(Message { len, flags: header.flags as u32, control, from })
}

/// A control message.
pub fn control(level: u32, kind: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::from(((HEADER + data.len()) as u64).to_ne_bytes());
    bytes.extend(level.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

/// A control message of descriptors.
pub fn rights(fds: &[i32]) -> Vec<u8> {
    control(abi::SOL_SOCKET, abi::SCM_RIGHTS, fds.as_bytes())
}

/// Room for so many descriptors.
pub const fn rights_room(count: usize) -> usize {
    HEADER + (count * 4).next_multiple_of(8)
}

impl Message {
    /// The data of the control messages of a kind.
    fn data(&self, kind: u32) -> Option<&[u8]> {
        let mut rest = &self.control[..];
        while rest.len() >= HEADER {
            let word = |at: usize| u32::from_ne_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
            let (len, level, this) = (word(0) as usize, word(8), word(12));
            if (level, this) == (abi::SOL_SOCKET, kind) {
                return rest.get(HEADER..len);
            }
            rest = rest.get(len.next_multiple_of(8).max(HEADER)..).unwrap_or(&[]);
        }
        None
    }

    /// The descriptors that came with it.
    pub fn fds(&self) -> Vec<Fd> {
        let data = self.data(abi::SCM_RIGHTS).unwrap_or(&[]);
        data.chunks_exact(4).filter_map(|fd| i32::read_from_bytes(fd).ok()).map(Fd::from_raw).collect()
    }

    /// Who sent it: process, user, group.
    pub fn cred(&self) -> Option<[u32; 3]> {
        <[u32; 3]>::read_from_bytes(self.data(abi::SCM_CREDENTIALS)?).ok()
    }
}

/// `struct pollfd`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct PollFd {
    /// The descriptor.
    pub fd: i32,
    /// What is asked for.
    pub events: u16,
    /// What is.
    pub revents: u16,
}

/// What is ready of one descriptor now.
pub fn poll(fd: i32, events: u16) -> Result<u16> {
    poll_for(fd, events, 0)
}

/// What is ready of one descriptor, once something is or so many seconds are over.
pub fn poll_for(fd: i32, events: u16, seconds: u64) -> Result<u16> {
    let mut entry = PollFd { fd, events, revents: 0 };
    let time = [seconds, 0];
    // SAFETY: the kernel reads the time and the entry, and writes the entry.
    unsafe { call(nr::PPOLL, [&raw mut entry as usize, 1, &raw const time as usize, 0, 8, 0]) }?;
    Ok(entry.revents)
}

/// How many bytes there are to read (FIONREAD).
pub fn readable(fd: i32) -> Result<i32> {
    let mut bytes = 0i32;
    let command = abi::FIONREAD as usize;
    // SAFETY: the kernel writes one word.
    unsafe { call(nr::IOCTL, [fd as usize, command, &raw mut bytes as usize, 0, 0, 0]) }?;
    Ok(bytes)
}

/// Sends files along with one byte.
pub fn send_files(fd: i32, files: &[i32]) -> Result<()> {
    send_message(fd, b"f", &rights(files), 0).map(drop)
}

/// Receives one byte and the file that comes with it. `EBADF` when none does.
pub fn receive_file(fd: i32) -> Result<Fd> {
    let message = receive_message(fd, &mut [0], rights_room(1), abi::MSG_CMSG_CLOEXEC)?;
    message.fds().pop().ok_or(Errno::EBADF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_messages_are_the_abi_s() {
        let message = Message {
            control: [control(1, abi::SCM_CREDENTIALS, &[1; 12]), control(1, 1, &7i32.to_ne_bytes())]
                .concat(),
            ..Message::default()
        };
        assert_eq!(message.control.len(), 32 + rights_room(1));
        assert_eq!(message.cred(), Some([0x0101_0101; 3]));
        assert_eq!(message.fds().into_iter().map(Fd::into_raw).collect::<Vec<_>>(), [7]);
        assert!(Message::default().fds().is_empty());
        assert_eq!(address(b"/a"), b"\x01\0/a\0");
        assert_eq!(address(b"\0a"), b"\x01\0\0a");
        assert_eq!(size_of::<MsgHdr>(), 56);
    }
}
