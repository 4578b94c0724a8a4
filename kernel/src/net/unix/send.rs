//! Sending.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::{Errno, Result};

use super::name::{self, Address, Places};
use super::option::Way;
use super::packet::{Charge, Packet, Rights, datagram_cost, stream_cost, stream_part};
use super::socket::{Inner, Kind, Phase, RECEIVE, SEND, Socket, current_cred};
use super::{dying, flight};
use crate::mm::admit::admit;
use crate::net::uapi::Cred;
use crate::process::signal;
use crate::vfs::io::Source;

/// What goes with the bytes of one send.
#[derive(Default)]
pub struct Message<'a> {
    /// The address it goes to, and how to find it; the peer otherwise.
    pub to: Option<(&'a [u8], &'a dyn Places)>,
    /// Files.
    pub rights: Option<Rights>,
    /// Who it shall say has sent it.
    pub cred: Option<Cred>,
    /// Whether it may block.
    pub blocks: bool,
    /// Whether there is no SIGPIPE.
    pub silent: bool,
}

impl Socket {
    /// Sends all of `from`, and returns how much that was: less for a stream where an error came in between. May sleep.
    ///
    /// `ENOTCONN`, `EISCONN` and `EOPNOTSUPP` for an address given to a stream, `EPIPE` (with SIGPIPE for a stream),
    /// `ECONNRESET`, `ECONNREFUSED`, `EPROTOTYPE`, `EPERM`, `EMSGSIZE`, `EAGAIN`, `EINTR`, `EFAULT`, `ENOBUFS`,
    /// `ENOMEM`.
    pub fn send(self: &Arc<Self>, from: &mut dyn Source, message: Message<'_>) -> Result<usize> {
        if flight::many() {
            dying::bury(flight::collect());
        }
        match self.kind() {
            Kind::Stream => self.send_stream(from, message),
            Kind::Datagram => self.send_datagram(from, message),
            Kind::SeqPacket => {
                if let Some(error) = self.take_error() {
                    return Err(error);
                }
                if self.lock().phase != Phase::Connected {
                    return Err(Errno::ENOTCONN);
                }
                self.send_datagram(from, Message { to: None, ..message })
            }
        }
    }

    fn send_stream(self: &Arc<Self>, from: &mut dyn Source, mut message: Message<'_>) -> Result<usize> {
        let (peer, phase) = {
            let inner = self.lock();
            (inner.peer.clone(), inner.phase)
        };
        if message.to.is_some() {
            return Err(if phase == Phase::Connected { Errno::EISCONN } else { Errno::EOPNOTSUPP });
        }
        let peer = peer.ok_or(Errno::ENOTCONN)?;
        if self.lock().shutdown & SEND != 0 {
            return Err(broken_pipe(&message));
        }
        let mut sent = 0;
        while from.left() > 0 {
            match self.send_part(&peer, from, &mut message) {
                Ok(len) => sent += len,
                Err(_) if sent > 0 => break,
                Err(Stop::BrokenPipe) => return Err(broken_pipe(&message)),
                Err(Stop::Error(e)) => return Err(e),
            }
        }
        Ok(sent)
    }

    /// Sends the next part of a stream; the first takes the files along.
    fn send_part(
        self: &Arc<Self>,
        peer: &Socket,
        from: &mut dyn Source,
        message: &mut Message<'_>,
    ) -> Result<usize, Stop> {
        let len = stream_part(from.left(), self.options.sndbuf());
        let mut packet = self.packet(from, len, stream_cost(len), message.blocks)?;
        packet.rights = message.rights.take();
        packet.cred = self.cred_for(peer, message);
        flight::enqueue(peer, packet, |inner| match inner.dead || inner.shutdown & RECEIVE != 0 {
            true => Err(Errno::EPIPE),
            false => Ok(()),
        })
        .map_err(|(error, _)| if error == Errno::EPIPE { Stop::BrokenPipe } else { Stop::Error(error) })?;
        peer.filled();
        Ok(len)
    }

    fn send_datagram(self: &Arc<Self>, from: &mut dyn Source, mut message: Message<'_>) -> Result<usize> {
        if message.to.is_none() && self.lock().peer.is_none() {
            return Err(Errno::ENOTCONN);
        }
        if self.options.passes_cred() {
            name::bind_any(self)?;
        }
        let to = message.to.map(|(bytes, places)| Ok((Address::parse(bytes)?, places))).transpose()?;
        let len = from.left();
        if len > self.options.sndbuf() - 32 {
            return Err(Errno::EMSGSIZE);
        }
        let mut packet = self.packet(from, len, datagram_cost(len), message.blocks)?;
        packet.rights = message.rights.take();
        loop {
            let other = self.receiver(to)?;
            if other.lock().dead {
                self.find_dead(&other)?;
                continue;
            }
            packet.cred = packet.cred.or(self.cred_for(&other, &message));
            match flight::enqueue(&other, packet, |inner| self.admitted(&other, inner)) {
                Ok(()) => {
                    other.filled();
                    return Ok(len);
                }
                // It has no room, or it has died since it was looked at.
                Err((Errno::EAGAIN, back)) => packet = back,
                Err((error, _)) => return Err(error),
            }
            other.wait(message.blocks, self.options.patience(Way::Out), || {
                let admitted = self.admitted(&other, &mut other.lock());
                (admitted != Err(Errno::EAGAIN) || other.lock().dead).then_some(Ok(()))
            })?;
        }
    }

    /// Who a datagram is for.
    fn receiver(&self, to: Option<(Address<'_>, &dyn Places)>) -> Result<Arc<Socket>> {
        match to {
            Some((address, places)) => name::find(places, address, self.kind()),
            None => self.lock().peer.clone().ok_or(Errno::ECONNRESET),
        }
    }

    /// A datagram's receiver has died: a peer is given up.
    fn find_dead(self: &Arc<Self>, other: &Arc<Socket>) -> Result<()> {
        if self.kind() == Kind::SeqPacket {
            return Err(Errno::EPIPE);
        }
        let mut inner = self.lock();
        if !inner.peer.as_ref().is_some_and(|peer| Arc::ptr_eq(peer, other)) {
            return Ok(());
        }
        let before = inner.peer.take();
        inner.phase = Phase::Unconnected;
        drop(inner);
        drop(before);
        self.part_from(other);
        Err(Errno::ECONNREFUSED)
    }

    /// Whether `other` takes a datagram from this socket now: `EAGAIN` where it has no room or is dead.
    fn admitted(&self, other: &Socket, inner: &mut Inner) -> Result<()> {
        let peer_of_other = inner.peer.as_deref();
        let is_me = |peer: &Socket| core::ptr::eq(peer, self);
        match () {
            () if inner.dead => Err(Errno::EAGAIN),
            () if peer_of_other.is_some_and(|peer| !is_me(peer)) => Err(Errno::EPERM),
            () if inner.shutdown & RECEIVE != 0 => Err(Errno::EPIPE),
            () if is_me(other) || peer_of_other.is_some_and(is_me) => Ok(()),
            () if inner.packets.len() > inner.backlog => Err(Errno::EAGAIN),
            () => Ok(()),
        }
    }

    /// A packet of the next `len` bytes, once the sender has room for it. `ECONNRESET` and what else is pending,
    /// `EPIPE` after a shutdown, `EAGAIN`, `EINTR`, `EFAULT`, `ENOBUFS`.
    fn packet(
        self: &Arc<Self>,
        from: &mut dyn Source,
        len: usize,
        cost: usize,
        blocks: bool,
    ) -> Result<Box<Packet>> {
        self.wait(blocks, self.options.patience(Way::Out), || {
            let mut inner = self.lock();
            match inner.error.take() {
                Some(error) => Some(Err(error)),
                None if inner.shutdown & SEND != 0 => Some(Err(Errno::EPIPE)),
                None => (self.unreceived() < self.options.sndbuf()).then_some(Ok(())),
            }
        })?;
        admit().map_err(|_| Errno::ENOBUFS)?;
        let charge = Charge::new(self.clone(), cost);
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| Errno::ENOBUFS)?;
        bytes.resize(len, 0);
        from.take(&mut bytes)?;
        let mut packet = Box::new(Packet::new(bytes, charge));
        packet.from = self.name();
        Ok(packet)
    }

    /// Who a message says has sent it: what was asked for, or the sender where one of the two wants to know.
    fn cred_for(&self, receiver: &Socket, message: &Message<'_>) -> Option<Cred> {
        let wanted = || {
            let asks = self.options.passes_cred() || receiver.options.passes_cred();
            asks || receiver.lock().file.is_none()
        };
        message.cred.or_else(|| wanted().then(current_cred))
    }
}

/// Why a part of a stream was not sent.
enum Stop {
    /// Nobody will receive it.
    BrokenPipe,
    /// Anything else.
    Error(Errno),
}

impl From<Errno> for Stop {
    fn from(error: Errno) -> Stop {
        Stop::Error(error)
    }
}

/// Nobody will receive what a stream was sent: `EPIPE`, and the signal unless that is unwanted.
fn broken_pipe(message: &Message<'_>) -> Errno {
    if !message.silent {
        signal::broken_pipe();
    }
    Errno::EPIPE
}
