//! Receiving. Who has the turn to receive copies from the front of the queue, which stays while the turn lasts.
#![forbid(unsafe_code)]

use alloc::sync::Arc;

use heaps::{Errno, Result};

use super::flight;
use super::name::Name;
use super::option::Way;
use super::packet::Rights;
use super::socket::{Inner, Kind, Phase, RECEIVE, Socket};
use crate::net::uapi::Cred;
use crate::vfs::io::{Bounce, Sink};

/// How to receive.
#[derive(Clone, Copy, Default)]
pub struct How {
    /// Whether what is received stays (`MSG_PEEK`).
    pub peek: bool,
    /// Whether a stream waits for all that was asked for (`MSG_WAITALL`).
    pub all: bool,
    /// Whether it may block.
    pub blocks: bool,
}

/// What was received besides the bytes.
#[derive(Default)]
pub struct Received {
    /// How many bytes there are.
    pub len: usize,
    /// How many there were in the datagram.
    pub full: usize,
    /// Who sent them, if that is known.
    pub cred: Option<Cred>,
    /// The files that came with them.
    pub rights: Option<Rights>,
    /// The name they were sent from.
    pub from: Option<Arc<Name>>,
}

impl Socket {
    /// Receives into `to`. `ENOTCONN`, `EINVAL` for a stream that is not connected, `ECONNRESET`, `EAGAIN`, `EINTR`,
    /// `EFAULT`, `ENOMEM`. May sleep.
    pub fn receive(&self, to: &mut dyn Sink, how: How) -> Result<Received> {
        let phase = self.lock().phase;
        match self.kind() {
            Kind::Stream if phase != Phase::Connected => Err(Errno::EINVAL),
            Kind::SeqPacket if phase != Phase::Connected => Err(Errno::ENOTCONN),
            Kind::Stream => self.receive_stream(to, how),
            Kind::SeqPacket | Kind::Datagram => self.receive_datagram(to, how),
        }
    }

    /// Copies up to `len` bytes of packet `which`, from its `skip`th, to `to`.
    fn copy(&self, which: usize, skip: usize, len: usize, to: &mut dyn Sink) -> Result<()> {
        let mut bounce = Bounce::for_len(len)?;
        let mut done = 0;
        while done < len {
            let part = bounce.slice(len - done);
            let copied = {
                let inner = self.lock();
                let left = inner.packets.get(which).and_then(|packet| packet.left().get(skip + done..));
                left.map(|left| part.iter_mut().zip(left).map(|(to, from)| *to = *from).count())
            };
            let copied = copied.filter(|&n| n > 0).ok_or(Errno::EFAULT)?;
            to.put(&part[..copied])?;
            done += copied;
        }
        Ok(())
    }

    fn receive_datagram(&self, to: &mut dyn Sink, how: How) -> Result<Received> {
        loop {
            let turn = self.receiving.lock();
            if let Some(error) = self.take_error() {
                return Err(error);
            }
            let first = self.lock().packets.front().map(|packet| {
                let full = packet.left().len();
                let len = full.min(to.room());
                Received { len, full, cred: packet.cred, from: packet.from.clone(), rights: None }
            });
            if let Some(received) = first {
                return self.take_datagram(received, to, how);
            }
            drop(turn);
            let shut = self.lock().shutdown & RECEIVE != 0;
            if shut && (how.blocks || self.kind() == Kind::SeqPacket) {
                return Ok(Received::default());
            }
            if !how.blocks {
                return Err(Errno::EAGAIN);
            }
            self.wait(true, self.options.patience(Way::In), || self.lock().is_stirring().then_some(Ok(())))?;
        }
    }

    /// Takes the datagram at the front, in the turn to receive. It is gone even where user memory is not there.
    fn take_datagram(&self, mut received: Received, to: &mut dyn Sink, how: How) -> Result<Received> {
        let copied = self.copy(0, 0, received.len, to);
        if how.peek {
            copied?;
            received.rights = flight::peek(self, 0)?;
            return Ok(received);
        }
        received.rights = flight::receive(self);
        let packet = self.lock().packets.pop_front();
        drop(packet);
        self.drained();
        copied.map(|()| received)
    }

    fn receive_stream(&self, to: &mut dyn Sink, how: How) -> Result<Received> {
        let target = self.options.target(to.room(), how.all);
        let mut received = Received::default();
        loop {
            let turn = self.receiving.lock();
            let more = self.receive_parts(&mut received, to, how);
            drop(turn);
            let outcome = match more {
                Ok(More::Done) => return Ok(received),
                Ok(More::Wanted) if received.len >= target => return Ok(received),
                Ok(More::Wanted) => self.await_part(how),
                Err(e) => Err(e),
            };
            match outcome {
                Ok(true) => {}
                Ok(false) => return Ok(received),
                Err(_) if received.len > 0 => return Ok(received),
                Err(e) => return Err(e),
            }
        }
    }

    /// Sleeps until there may be something to receive; false at the end of the stream.
    fn await_part(&self, how: How) -> Result<bool> {
        {
            let mut inner = self.lock();
            match inner.error.take() {
                _ if !inner.packets.is_empty() => return Ok(true),
                Some(error) => return Err(error),
                None if inner.shutdown & RECEIVE != 0 => return Ok(false),
                None => {}
            }
        }
        self.wait(how.blocks, self.options.patience(Way::In), || {
            self.lock().is_stirring().then_some(Ok(true))
        })
    }

    /// Takes what there is of a stream, in the turn to receive: up to what was asked for, to another sender's part
    /// where that matters, or to the first part that came with files.
    fn receive_parts(&self, received: &mut Received, to: &mut dyn Sink, how: How) -> Result<More> {
        let asks = self.options.passes_cred();
        let mut which = 0;
        loop {
            let inner = self.lock();
            let Some(packet) = inner.packets.get(which) else { return Ok(More::Wanted) };
            let (left, cred) = (packet.left().len(), packet.cred.unwrap_or(Cred::UNKNOWN));
            if received.len > 0 && asks && received.cred != Some(cred) {
                return Ok(More::Done);
            }
            let from = packet.from.clone();
            drop(inner);
            received.cred = received.cred.or(Some(cred));
            received.from = received.from.take().or(from);
            let len = left.min(to.room());
            self.copy(which, 0, len, to)?;
            received.len += len;
            if how.peek {
                received.rights = flight::peek(self, which)?;
                which += 1;
            } else {
                received.rights = flight::receive(self);
                if self.consume(len) {
                    return Ok(More::Done);
                }
            }
            if received.rights.is_some() || to.room() == 0 {
                return Ok(More::Done);
            }
        }
    }

    /// The first `len` bytes of the first part were received. Whether some of it is left.
    fn consume(&self, len: usize) -> bool {
        let mut inner = self.lock();
        let Some(packet) = inner.packets.front_mut() else { return false };
        packet.take(len);
        if !packet.left().is_empty() {
            return true;
        }
        let gone = inner.packets.pop_front();
        drop(inner);
        drop(gone);
        false
    }
}

/// Whether a stream's receiver could take more.
enum More {
    Done,
    Wanted,
}

impl Inner {
    /// Whether a receiver that sleeps has something to look at.
    fn is_stirring(&self) -> bool {
        !self.packets.is_empty() || self.error.is_some() || self.shutdown & RECEIVE != 0
    }
}
