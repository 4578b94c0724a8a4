//! A socket as an open file (Linux: `net/socket.c`, and `unix_poll`, `unix_ioctl`).
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use heaps::{Errno, Result};

use super::recv::How;
use super::send::Message;
use super::socket::{BOTH, Inner, Kind, Phase, RECEIVE, Socket};
use crate::mm::user;
use crate::net::uapi::{FIONREAD, TIOCOUTQ};
use crate::vfs::file::{Events, File, FileOps, Ioctl, POLLERR, POLLHUP, POLLWRBAND, READABLE, WRITABLE};
use crate::vfs::flags::{O_NONBLOCK, O_RDWR};
use crate::vfs::inode::{Content, Inode, S_IFSOCK};
use crate::vfs::io::{Sink, Source};
use crate::vfs::poll::PollQueue;

/// The number of the filesystem that sockets are in.
const DEV: u32 = 10;

/// The other end sends no more.
const POLLRDHUP: Events = 0x2000;

/// Gives a socket its open file. `flags` is `O_NONBLOCK` or nothing. `ENFILE`, `ENOMEM`; then the socket has none.
pub fn open(socket: &Arc<Socket>, flags: u32) -> Result<Arc<File>> {
    let inode = Arc::new(Inode::new(DEV, S_IFSOCK | 0o777, Content::Socket(socket.clone())));
    let ops = Box::new(SocketFile { socket: socket.clone(), ino: inode.ino() });
    let file = File::anonymous(inode, flags | O_RDWR, ops)?;
    socket.set_file(&file);
    Ok(file)
}

struct SocketFile {
    socket: Arc<Socket>,
    ino: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.socket.lock().file.is_some() {
            self.socket.end();
        }
    }
}

impl FileOps for SocketFile {
    fn read_at(&self, file: &File, to: &mut dyn Sink, _: u64) -> Result<usize> {
        if to.room() == 0 {
            return Ok(0);
        }
        let how = How { blocks: file.flags() & O_NONBLOCK == 0, ..How::default() };
        self.socket.receive(to, how).map(|received| received.len)
    }

    fn write_at(&self, file: &File, from: &mut dyn Source, _: u64) -> Result<(usize, u64)> {
        let message = Message { blocks: file.flags() & O_NONBLOCK == 0, ..Message::default() };
        self.socket.send(from, message).map(|sent| (sent, 0))
    }

    fn ioctl(&self, _: &File, call: &Ioctl<'_>) -> Result<usize> {
        let value = match call.cmd {
            FIONREAD => self.socket.readable_bytes()?,
            TIOCOUTQ => self.socket.unreceived(),
            _ => return Err(Errno::ENOTTY),
        };
        user::write(call.arg, &(value as i32)).map(|()| 0)
    }

    fn poll(&self, _: &File) -> Events {
        self.socket.poll()
    }

    fn poll_queue(&self) -> Option<&PollQueue> {
        Some(&self.socket.watchers)
    }

    fn link_text(&self) -> Option<String> {
        Some(format!("socket:[{}]", self.ino))
    }
}

impl Socket {
    /// `FIONREAD`: bytes of the first datagram, or all there are. `EINVAL` when it listens.
    fn readable_bytes(&self) -> Result<usize> {
        let inner = self.lock();
        if inner.phase == Phase::Listening {
            return Err(Errno::EINVAL);
        }
        let counted = if self.kind() == Kind::Datagram { 1 } else { usize::MAX };
        Ok(inner.packets.iter().take(counted).map(|packet| packet.left().len()).sum())
    }

    fn poll(self: &Arc<Self>) -> Events {
        let inner = self.lock();
        let mut events = self.state_events(&inner);
        let (listening, peer) = (inner.phase == Phase::Listening, inner.peer.clone());
        drop(inner);
        let room = match self.kind() {
            Kind::Stream => true,
            // A datagram also needs room where it goes.
            _ => peer.is_none_or(|peer| self.finds_room_in(&peer)),
        };
        if room && !listening && self.writable() {
            events |= WRITABLE | POLLWRBAND;
        }
        events
    }

    fn state_events(&self, inner: &Inner) -> Events {
        let mut events = 0;
        let mut say = |what: Events, holds: bool| events |= if holds { what } else { 0 };
        say(POLLERR, inner.error.is_some());
        say(POLLRDHUP | READABLE, inner.shutdown & RECEIVE != 0);
        say(READABLE, !inner.packets.is_empty() || !inner.waiting.is_empty());
        say(POLLHUP, inner.shutdown == BOTH || (self.kind().connects() && inner.phase == Phase::Unconnected));
        events
    }

    /// Whether a datagram has room in its peer's queue; if not, this socket's watchers will know when it has.
    fn finds_room_in(self: &Arc<Self>, peer: &Socket) -> bool {
        let mut inner = peer.lock();
        let points_back = inner.peer.as_ref().is_some_and(|peer| Arc::ptr_eq(peer, self));
        let room = points_back || inner.dead || inner.packets.len() <= inner.backlog;
        room || !Socket::note_hopeful(&mut inner, self)
    }
}
