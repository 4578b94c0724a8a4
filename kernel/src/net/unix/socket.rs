//! A socket: what it is connected to, what waits in it, and its end.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use heaps::{Errno, Result};

use super::name::{self, Name};
use super::option::Options;
use super::packet::Packet;
use super::{dying, flight};
use crate::mm::admit::admit;
use crate::net::uapi::{Cred, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM};
use crate::process;
use crate::sync::wait::Interruptible;
use crate::sync::{Mutex, SpinGuard, SpinLock, WaitQueue, order};
use crate::vfs::File;
use crate::vfs::file::{Events, POLLWRBAND, READABLE, WRITABLE};
use crate::vfs::poll::PollQueue;

/// What passes through a socket.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A stream of bytes.
    Stream,
    /// Datagrams.
    Datagram,
    /// Datagrams over a connection.
    SeqPacket,
}

impl Kind {
    /// Whether it takes a connection.
    pub fn connects(self) -> bool {
        self != Kind::Datagram
    }

    /// As `SO_TYPE` says it.
    pub fn raw(self) -> u32 {
        match self {
            Kind::Stream => SOCK_STREAM,
            Kind::Datagram => SOCK_DGRAM,
            Kind::SeqPacket => SOCK_SEQPACKET,
        }
    }
}

/// How far a socket's connection has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    Unconnected,
    Listening,
    Connected,
}

/// No more receiving.
pub(super) const RECEIVE: u8 = 1;
/// No more sending.
pub(super) const SEND: u8 = 2;
/// Neither.
pub(super) const BOTH: u8 = RECEIVE | SEND;

/// How many datagrams wait in a socket before those that are not its peers have to, less one.
const DATAGRAM_BACKLOG: usize = 10;

/// Who is whose peer, over several sockets: connecting, shutting down, ending.
pub(super) static TOPOLOGY: SpinLock<(), { order::SOCKET_TOPOLOGY }> = SpinLock::new(());

/// What is known of a socket under its lock.
pub(super) struct Inner {
    pub phase: Phase,
    pub peer: Option<Arc<Socket>>,
    pub name: Option<Arc<Name>>,
    /// Of who listened or connected at the other end.
    pub peer_cred: Option<Cred>,
    /// The open file, once there is one; uncounted, to see who else holds it.
    pub file: Option<Weak<File>>,
    /// Its file is gone.
    pub dead: bool,
    pub shutdown: u8,
    pub error: Option<Errno>,
    pub packets: VecDeque<Box<Packet>>,
    /// Connections that nobody has accepted.
    pub waiting: VecDeque<Arc<Socket>>,
    /// The longest either queue gets before others have to wait, less one.
    pub backlog: usize,
    /// Those whose watchers want to know when there is room in the queue again.
    pub hopeful: Vec<Weak<Socket>>,
}

/// A socket. Its file's end is its own, whoever else still knows it.
pub struct Socket {
    kind: Kind,
    inner: SpinLock<Inner, { order::SOCKET }>,
    /// What was sent and not received, as [`packet`](super::packet) counts it.
    sent: AtomicUsize,
    /// One more than its place among the sockets in flight; 0 when it is not. Changed under the flight's lock.
    pub(super) in_flight: AtomicUsize,
    /// The turn to receive; user memory may be touched in it.
    pub(super) receiving: Mutex<(), { order::SOCKET_RECEIVE }>,
    changed: WaitQueue,
    pub(super) watchers: PollQueue,
    /// What was set on it.
    pub options: Options,
}

impl Socket {
    /// A new socket. `ENOMEM`.
    pub fn new(kind: Kind) -> Result<Arc<Socket>> {
        admit()?;
        let inner = Inner {
            phase: Phase::Unconnected,
            peer: None,
            name: None,
            peer_cred: None,
            file: None,
            dead: false,
            shutdown: 0,
            error: None,
            packets: VecDeque::new(),
            waiting: VecDeque::new(),
            backlog: DATAGRAM_BACKLOG,
            hopeful: Vec::new(),
        };
        Ok(Arc::new(Socket {
            kind,
            inner: SpinLock::new(inner),
            sent: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            receiving: Mutex::new(()),
            changed: WaitQueue::new(),
            watchers: PollQueue::new(),
            options: Options::default(),
        }))
    }

    /// What passes through it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn lock(&self) -> SpinGuard<'_, Inner, { order::SOCKET }> {
        self.inner.lock()
    }

    /// Its name.
    pub fn name(&self) -> Option<Arc<Name>> {
        self.lock().name.clone()
    }

    /// Gives it a name. `EINVAL` when it has one.
    pub(super) fn set_name(&self, name: Arc<Name>) -> Result<()> {
        let mut inner = self.lock();
        if inner.name.is_some() {
            return Err(Errno::EINVAL);
        }
        inner.name = Some(name);
        Ok(())
    }

    /// Its peer's name, which may be none. `ENOTCONN`.
    pub fn peer_name(&self) -> Result<Option<Arc<Name>>> {
        let peer = self.lock().peer.clone().ok_or(Errno::ENOTCONN)?;
        Ok(peer.name())
    }

    /// Who listened or connected at the other end.
    pub fn peer_cred(&self) -> Cred {
        self.lock().peer_cred.unwrap_or(Cred::NONE)
    }

    /// Whether it listens.
    pub fn is_listening(&self) -> bool {
        self.lock().phase == Phase::Listening
    }

    /// The pending error, taken.
    pub fn take_error(&self) -> Option<Errno> {
        self.lock().error.take()
    }

    /// Leaves an error for the next call that looks.
    pub fn set_error(&self, error: Errno) {
        self.lock().error = Some(error);
    }

    /// Notes the open file that it is.
    pub(super) fn set_file(&self, file: &Arc<File>) {
        self.lock().file = Some(Arc::downgrade(file));
    }

    /// How many references to its open file there are.
    pub(super) fn references(&self) -> usize {
        self.lock().file.as_ref().map_or(0, Weak::strong_count)
    }

    /// Lets everybody who waits for it look again; `events` is how it may be ready, or 0. No lock is held.
    pub(super) fn wake(&self, events: Events) {
        self.changed.wake_all();
        self.watchers.notify(events);
    }

    /// Something came in.
    pub(super) fn filled(&self) {
        self.wake(READABLE);
    }

    /// There is more room to send.
    pub fn relieved(&self) {
        self.wake(WRITABLE | POLLWRBAND);
    }

    /// Its queue is shorter: those who wait for room in it look again.
    pub(super) fn drained(&self) {
        self.changed.wake_all();
        let hopeful = core::mem::take(&mut self.lock().hopeful);
        hopeful.iter().filter_map(Weak::upgrade).for_each(|sender| sender.watchers.notify(WRITABLE));
    }

    /// Notes that `sender`'s watchers want to know of room in this socket's queue. False where that cannot be noted.
    pub(super) fn note_hopeful(inner: &mut Inner, sender: &Arc<Socket>) -> bool {
        let known = inner.hopeful.iter().any(|other| core::ptr::eq(other.as_ptr(), Arc::as_ptr(sender)));
        if known {
            return true;
        }
        let room = inner.hopeful.try_reserve(1).is_ok();
        if room {
            inner.hopeful.push(Arc::downgrade(sender));
        }
        room
    }

    /// Sleeps until `ready` is decided. `EAGAIN` when that is not now and it may not block, or not in the time that
    /// is `patience` (nanoseconds; `None` for ever); `EINTR`. Whoever changes what `ready` looks at [wakes](Self::wake).
    pub(super) fn wait<T>(
        &self,
        blocks: bool,
        patience: Option<u64>,
        mut ready: impl FnMut() -> Option<Result<T>>,
    ) -> Result<T> {
        if !blocks {
            return ready().unwrap_or(Err(Errno::EAGAIN));
        }
        let deadline = patience.map(|ns| crate::arch::now_ns().saturating_add(ns));
        match self.changed.wait_with(Interruptible::Yes, deadline, ready) {
            Err(Errno::ETIMEDOUT) => Err(Errno::EAGAIN),
            Err(e) => Err(e),
            Ok(result) => result,
        }
    }

    pub(super) fn charge(&self, cost: usize) {
        self.sent.fetch_add(cost, Ordering::AcqRel);
    }

    pub(super) fn discharge(&self, cost: usize) {
        self.sent.fetch_sub(cost, Ordering::AcqRel);
        if self.writable() {
            self.relieved();
        }
    }

    /// What was sent and not received, in bytes with overhead.
    pub fn unreceived(&self) -> usize {
        self.sent.load(Ordering::Acquire)
    }

    /// Whether poll calls it writable: only when a good part of what may be sent is free.
    pub(super) fn writable(&self) -> bool {
        self.unreceived() << 2 <= self.options.sndbuf()
    }

    /// Lets no more pass in one direction or both; `how` is 0, 1 or 2. `EINVAL`.
    pub fn shutdown(&self, how: u32) -> Result<()> {
        let mode = match how {
            0 => RECEIVE,
            1 => SEND,
            2 => BOTH,
            _ => return Err(Errno::EINVAL),
        };
        let topology = TOPOLOGY.lock();
        let mut inner = self.lock();
        inner.shutdown |= mode;
        let peer = inner.peer.clone().filter(|_| self.kind.connects());
        drop(inner);
        if let Some(peer) = &peer {
            // What one does not receive, the other does not send.
            peer.lock().shutdown |= mode << 1 & SEND | mode >> 1 & RECEIVE;
        }
        drop(topology);
        self.wake(0);
        if let Some(peer) = peer {
            peer.wake(0);
        }
        Ok(())
    }

    /// Its file has gone, or it never got one: disconnects, forgets its name, drops what waits in it. May sleep.
    pub(super) fn end(&self) {
        let topology = TOPOLOGY.lock();
        let mut inner = self.lock();
        inner.dead = true;
        inner.shutdown = BOTH;
        inner.phase = Phase::Unconnected;
        let accepted = inner.file.take().is_some();
        let lost = !accepted || !inner.packets.is_empty();
        let (peer, name) = (inner.peer.take(), inner.name.take());
        let waiting = core::mem::take(&mut inner.waiting);
        drop(inner);
        if let Some(peer) = peer.as_ref().filter(|_| self.kind.connects()) {
            let mut inner = peer.lock();
            inner.shutdown = BOTH;
            if lost {
                inner.error = Some(Errno::ECONNRESET);
            }
        }
        drop(topology);
        if let Some(name) = name {
            name::unbind(self, &name);
        }
        self.wake(0);
        self.drained();
        if let Some(peer) = peer {
            peer.wake(0);
        }
        waiting.iter().for_each(|connection| connection.end());
        dying::bury(flight::purge(self));
        dying::bury(flight::collect());
    }
}

/// The calling process, as others see it.
pub(super) fn current_cred() -> Cred {
    let pid = process::with_current(|thread| thread.process().pid()).unwrap_or(0);
    Cred { pid, uid: 0, gid: 0 }
}
