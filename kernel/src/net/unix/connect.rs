//! Pairs, and connections: listening, connecting, accepting.
#![forbid(unsafe_code)]

use alloc::sync::Arc;

use heaps::{Errno, Result};

use super::dying;
use super::flight;
use super::name::{self, Address, Places};
use super::option::Way;
use super::socket::{Kind, Phase, RECEIVE, Socket, TOPOLOGY, current_cred};
use crate::net::uapi::SOMAXCONN;
use crate::vfs::file::POLLERR;

/// Makes two new sockets each other's peers.
pub fn pair(a: &Arc<Socket>, b: &Arc<Socket>) {
    let cred = current_cred();
    let _topology = TOPOLOGY.lock();
    for (socket, peer) in [(a, b), (b, a)] {
        let mut inner = socket.lock();
        inner.peer = Some(peer.clone());
        inner.phase = Phase::Connected;
        inner.peer_cred = Some(cred);
    }
}

impl Socket {
    /// Lets others connect; `backlog` connections, and one more, may wait to be accepted. `EOPNOTSUPP` for datagrams,
    /// `EINVAL` without a name or when connected.
    pub fn listen(&self, backlog: i32) -> Result<()> {
        if !self.kind().connects() {
            return Err(Errno::EOPNOTSUPP);
        }
        let mut inner = self.lock();
        if inner.name.is_none() || inner.phase == Phase::Connected {
            return Err(Errno::EINVAL);
        }
        inner.backlog = usize::try_from(backlog).unwrap_or(SOMAXCONN).min(SOMAXCONN);
        inner.phase = Phase::Listening;
        inner.peer_cred = Some(current_cred());
        drop(inner);
        // Somebody may have waited for a longer queue.
        self.drained();
        Ok(())
    }

    /// Waits for a connection and takes it. `EOPNOTSUPP`, `EINVAL` when it does not listen or was shut down, `EAGAIN`,
    /// `EINTR`. May sleep.
    pub fn accept(&self, blocks: bool) -> Result<Arc<Socket>> {
        if !self.kind().connects() {
            return Err(Errno::EOPNOTSUPP);
        }
        let accepted = self.wait(blocks, self.options.patience(Way::In), || {
            let mut inner = self.lock();
            match () {
                () if inner.phase != Phase::Listening => Some(Err(Errno::EINVAL)),
                () if inner.error.is_some() => inner.error.take().map(Err),
                () => match inner.waiting.pop_front() {
                    None if inner.shutdown & RECEIVE != 0 => Some(Err(Errno::EINVAL)),
                    connection => connection.map(Ok),
                },
            }
        })?;
        self.drained();
        Ok(accepted)
    }

    /// Puts a connection back that could not be accepted after all.
    pub fn unaccept(&self, connection: Arc<Socket>) {
        // It just had its place there; at worst somebody else's connection took the room.
        let mut inner = self.lock();
        let listens = inner.phase == Phase::Listening && inner.waiting.try_reserve(1).is_ok();
        if listens {
            inner.waiting.push_front(connection);
            return;
        }
        drop(inner);
        connection.end();
    }

    /// Connects to the socket at an address. `ECONNREFUSED`, `EPROTOTYPE`, `EISCONN`, `EINVAL` when it listens,
    /// `EPERM` when a datagram socket there is another's peer, `EAGAIN` and `EINTR` where the queue is full, `ENOMEM`,
    /// and what walking the path says. May sleep.
    pub fn connect(self: &Arc<Self>, places: &dyn Places, to: Address<'_>, blocks: bool) -> Result<()> {
        if self.options.passes_cred() {
            name::bind_any(self)?;
        }
        if self.kind().connects() {
            self.connect_stream(places, to, blocks)
        } else {
            self.point_at(places, to)
        }
    }

    fn connect_stream(self: &Arc<Self>, places: &dyn Places, to: Address<'_>, blocks: bool) -> Result<()> {
        let connection = Socket::new(self.kind())?;
        loop {
            let listener = name::find(places, to, self.kind())?;
            listener.wait(blocks, self.options.patience(Way::Out), || listener.has_room())?;
            if let Some(outcome) = self.join(&listener, &connection) {
                outcome?;
                listener.filled();
                return Ok(());
            }
        }
    }

    /// Whether a listener's queue takes one more. `ECONNREFUSED` where nobody listens.
    fn has_room(&self) -> Option<Result<()>> {
        let inner = self.lock();
        if inner.dead || inner.phase != Phase::Listening || inner.shutdown & RECEIVE != 0 {
            return Some(Err(Errno::ECONNREFUSED));
        }
        (inner.waiting.len() <= inner.backlog).then_some(Ok(()))
    }

    /// Joins this socket with `connection`, which waits in the listener from then on. `None` when somebody else took
    /// the room there was.
    fn join(self: &Arc<Self>, listener: &Arc<Socket>, connection: &Arc<Socket>) -> Option<Result<()>> {
        let _topology = TOPOLOGY.lock();
        match self.lock().phase {
            Phase::Unconnected => {}
            Phase::Connected => return Some(Err(Errno::EISCONN)),
            Phase::Listening => return Some(Err(Errno::EINVAL)),
        }
        if let Err(e) = listener.has_room()? {
            return Some(Err(e));
        }
        let mut inner = listener.lock();
        if inner.waiting.try_reserve(1).is_err() {
            return Some(Err(Errno::ENOMEM));
        }
        inner.waiting.push_back(connection.clone());
        let (name, listener_cred) = (inner.name.clone(), inner.peer_cred);
        drop(inner);
        let mut inner = connection.lock();
        inner.phase = Phase::Connected;
        inner.peer = Some(self.clone());
        inner.peer_cred = Some(current_cred());
        inner.name = name;
        drop(inner);
        let mut inner = self.lock();
        inner.phase = Phase::Connected;
        inner.peer_cred = listener_cred;
        inner.peer = Some(connection.clone());
        Some(Ok(()))
    }

    fn point_at(self: &Arc<Self>, places: &dyn Places, to: Address<'_>) -> Result<()> {
        let other = loop {
            let other = name::find(places, to, Kind::Datagram)?;
            if !other.lock().dead {
                break other;
            }
        };
        if !self.may_send(&other) {
            return Err(Errno::EPERM);
        }
        self.replace_peer(Some(other));
        Ok(())
    }

    /// Points a datagram socket at nobody. `EINVAL` for another. May sleep.
    pub fn disconnect(self: &Arc<Self>) -> Result<()> {
        if self.kind().connects() {
            return Err(Errno::EINVAL);
        }
        self.replace_peer(None);
        Ok(())
    }

    /// Whether a datagram may be sent to `other`: not when that is somebody else's peer.
    pub(super) fn may_send(&self, other: &Socket) -> bool {
        other.lock().peer.as_ref().is_none_or(|peer| core::ptr::eq(&**peer, self))
    }

    fn replace_peer(self: &Arc<Self>, peer: Option<Arc<Socket>>) {
        let topology = TOPOLOGY.lock();
        let mut inner = self.lock();
        inner.phase = if peer.is_some() { Phase::Connected } else { Phase::Unconnected };
        let before = core::mem::replace(&mut inner.peer, peer.clone());
        drop(inner);
        drop(topology);
        let same = |a: &Arc<Socket>| peer.as_ref().is_some_and(|b| Arc::ptr_eq(a, b));
        if let Some(before) = before.filter(|before| !same(before)) {
            self.part_from(&before);
        }
    }

    /// A datagram socket has left its peer: what waits of it is lost, and the peer is told if that pointed back.
    pub(super) fn part_from(self: &Arc<Self>, before: &Arc<Socket>) {
        let turn = self.receiving.lock();
        let lost = flight::purge(self);
        drop(turn);
        let told = !lost.is_empty();
        dying::bury(lost);
        if told {
            self.drained();
        }
        let mut inner = before.lock();
        if told && !inner.dead && inner.peer.as_ref().is_some_and(|peer| Arc::ptr_eq(peer, self)) {
            inner.error = Some(Errno::ECONNRESET);
        }
        drop(inner);
        before.wake(POLLERR);
    }
}
