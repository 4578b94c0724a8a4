//! Files in flight: sent and not received. A socket in flight whose every reference is in flight, too, in the queue of
//! such a socket, can never be received: it and what waits in it are collected. What Linux does in
//! `net/unix/garbage.c` and `scm.c`; the way it is found here is this file's own.
//!
//! One lock for all: under it files get into queues and out of them, or are doubled by a peek, so a socket that had
//! no reference elsewhere gets none while the lock is held.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use heaps::{Errno, Result};

use super::packet::{Packet, Rights};
use super::socket::{Inner, Socket};
use crate::sync::{SpinLock, order};
use crate::vfs::File;
use crate::vfs::inode::Content;

/// A socket in flight, for the search.
#[derive(Clone, Copy, Default)]
pub(super) struct Node {
    /// References to its file in queues; its degree.
    pub inside: usize,
    /// References to its file at all.
    pub all: usize,
    /// Of those in queues, how many are in queues of others than suspects.
    safe: usize,
    state: State,
    next: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Somebody can reach it.
    #[default]
    Reached,
    /// Only queues refer to it.
    Suspect,
}

impl Node {
    /// Whether the last [`search`] found that nobody can reach it.
    pub fn is_garbage(&self) -> bool {
        self.state == State::Suspect
    }
}

/// Finds the nodes that nobody can reach: `edges` calls its second argument with each node that a reference in the
/// queue of its first leads to.
pub(super) fn search(nodes: &mut [Node], edges: impl Fn(usize, &mut dyn FnMut(usize))) {
    for node in nodes.iter_mut() {
        node.safe = node.inside;
        node.state = if node.all > node.inside { State::Reached } else { State::Suspect };
    }
    for from in 0..nodes.len() {
        if nodes[from].is_garbage() {
            edges(from, &mut |to| nodes[to].safe -= 1);
        }
    }
    // Suspects that are in the queue of one that is none, and what is reached from them.
    let mut reached = None;
    for at in 0..nodes.len() {
        if nodes[at].is_garbage() && nodes[at].safe > 0 {
            reached = reach(nodes, at, reached);
        }
    }
    while let Some(from) = reached {
        reached = nodes[from].next;
        edges(from, &mut |to| {
            if nodes[to].is_garbage() {
                reached = reach(nodes, to, reached);
            }
        });
    }
}

fn reach(nodes: &mut [Node], at: usize, list: Option<usize>) -> Option<usize> {
    nodes[at].state = State::Reached;
    nodes[at].next = list;
    Some(at)
}

#[derive(Default)]
struct Flight {
    sockets: Vec<Arc<Socket>>,
    nodes: Vec<Node>,
}

static FLIGHT: SpinLock<Flight, { order::FLIGHT }> =
    SpinLock::new(Flight { sockets: Vec::new(), nodes: Vec::new() });
/// References to sockets in flight.
static REFERENCES: AtomicUsize = AtomicUsize::new(0);
/// So many make a sender collect.
const MANY: usize = 16000;

/// The socket that an open file is, unless it only names it.
pub fn socket_of(file: &File) -> Option<&Arc<Socket>> {
    match file.inode().content() {
        Content::Socket(socket) if !file.is_path() => Some(socket),
        _ => None,
    }
}

impl Flight {
    fn place(socket: &Socket) -> Option<usize> {
        socket.in_flight.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Room for so many sockets more. `ENOMEM`.
    fn reserve(&mut self, more: usize) -> Result<()> {
        self.sockets.try_reserve(more).map_err(|_| Errno::ENOMEM)?;
        self.nodes.try_reserve(more).map_err(|_| Errno::ENOMEM)
    }

    /// Files get into a queue. There is room.
    fn launch(&mut self, rights: &Rights) {
        for socket in rights.0.iter().filter_map(|file| socket_of(file)) {
            REFERENCES.fetch_add(1, Ordering::Relaxed);
            match Flight::place(socket) {
                Some(at) => self.nodes[at].inside += 1,
                None => {
                    self.sockets.push(socket.clone());
                    self.nodes.push(Node { inside: 1, ..Node::default() });
                    socket.in_flight.store(self.sockets.len(), Ordering::Relaxed);
                }
            }
        }
    }

    /// Files are out of a queue. What it holds besides is theirs, so nothing is dropped here.
    fn land(&mut self, rights: &Rights) {
        for socket in rights.0.iter().filter_map(|file| socket_of(file)) {
            REFERENCES.fetch_sub(1, Ordering::Relaxed);
            let Some(at) = Flight::place(socket) else { continue };
            self.nodes[at].inside -= 1;
            if self.nodes[at].inside == 0 {
                self.forget(at);
            }
        }
        if self.sockets.len() < self.sockets.capacity() / 4 || self.sockets.is_empty() {
            self.sockets.shrink_to_fit();
            self.nodes.shrink_to_fit();
        }
    }

    fn forget(&mut self, at: usize) {
        self.nodes.swap_remove(at);
        self.sockets.swap_remove(at).in_flight.store(0, Ordering::Relaxed);
        if let Some(moved) = self.sockets.get(at) {
            moved.in_flight.store(at + 1, Ordering::Relaxed);
        }
    }
}

/// Puts a packet into a socket's queue, if `admits` lets it. Its files are in flight from here on. `ENOMEM`, and what
/// `admits` says; then the packet is given back, to be dropped.
pub(super) fn enqueue(
    to: &Socket,
    packet: Box<Packet>,
    admits: impl FnOnce(&mut Inner) -> Result<()>,
) -> Result<(), (Errno, Box<Packet>)> {
    let flight = packet.rights.as_ref().map(|rights| (FLIGHT.lock(), rights.0.len()));
    let mut flight = match flight {
        Some((mut flight, more)) => match flight.reserve(more) {
            Ok(()) => Some(flight),
            Err(e) => {
                drop(flight);
                return Err((e, packet));
            }
        },
        None => None,
    };
    let mut inner = to.lock();
    let room = admits(&mut inner).and_then(|()| inner.packets.try_reserve(1).map_err(|_| Errno::ENOBUFS));
    if let Err(e) = room {
        drop(inner);
        drop(flight);
        return Err((e, packet));
    }
    if let (Some(flight), Some(rights)) = (&mut flight, &packet.rights) {
        flight.launch(rights);
    }
    inner.packets.push_back(packet);
    Ok(())
}

/// Takes the files of a socket's first packet for the one who receives it.
pub(super) fn receive(socket: &Socket) -> Option<Rights> {
    // The packet stays while the caller has the turn to receive; most come without files.
    if socket.lock().packets.front().is_none_or(|packet| packet.rights.is_none()) {
        return None;
    }
    let mut flight = FLIGHT.lock();
    let rights = socket.lock().packets.front_mut().and_then(|packet| packet.rights.take())?;
    flight.land(&rights);
    Some(rights)
}

/// Doubles the files of one of a socket's packets for one who peeks. `ENOMEM`.
pub(super) fn peek(socket: &Socket, which: usize) -> Result<Option<Rights>> {
    let mut copy = Vec::new();
    let flight = FLIGHT.lock();
    let inner = socket.lock();
    if let Some(Rights(files)) = inner.packets.get(which).and_then(|packet| packet.rights.as_ref()) {
        copy.try_reserve_exact(files.len()).map_err(|_| Errno::ENOMEM)?;
        copy.extend(files.iter().cloned());
    }
    drop(inner);
    drop(flight);
    Ok(Some(Rights(copy)).filter(|rights| !rights.0.is_empty()))
}

/// Takes all that waits in a socket, to be dropped.
pub(super) fn purge(socket: &Socket) -> VecDeque<Box<Packet>> {
    let mut flight = FLIGHT.lock();
    let packets = core::mem::take(&mut socket.lock().packets);
    packets.iter().filter_map(|packet| packet.rights.as_ref()).for_each(|rights| flight.land(rights));
    packets
}

/// Calls `f` with what is known of `socket`, and of each connection that waits in it.
fn each_queue(socket: &Socket, f: &mut dyn FnMut(&mut Inner)) {
    f(&mut socket.lock());
    // Nobody can accept them, so they are only added: at the end.
    let waiting = |at: usize| socket.lock().waiting.get(at).cloned();
    (0..).map_while(waiting).for_each(|connection| f(&mut connection.lock()));
}

/// Calls `f` with each socket whose file waits in `socket`.
fn each_held(socket: &Socket, f: &mut dyn FnMut(&Socket)) {
    each_queue(socket, &mut |inner| {
        let rights = inner.packets.iter().filter_map(|packet| packet.rights.as_ref());
        rights.flat_map(|rights| &rights.0).filter_map(|file| socket_of(file)).for_each(|held| f(held));
    });
}

/// Whether there is anything in flight that could be garbage.
pub fn any() -> bool {
    REFERENCES.load(Ordering::Relaxed) > 0
}

/// Whether so much is in flight that a sender should collect.
pub(super) fn many() -> bool {
    REFERENCES.load(Ordering::Relaxed) > MANY
}

/// Takes all that waits in sockets that nobody can reach, to be dropped: with it goes the last of them. The packets are
/// chained, not copied: a collection needs no memory.
pub(super) fn collect() -> Garbage {
    let mut garbage = Garbage(None);
    if !any() {
        return garbage;
    }
    let mut flight = FLIGHT.lock();
    let Flight { sockets, nodes } = &mut *flight;
    for (socket, node) in sockets.iter().zip(nodes.iter_mut()) {
        node.all = socket.references();
    }
    search(nodes, |from, to| {
        each_held(&sockets[from], &mut |held| {
            if let Some(at) = Flight::place(held) {
                to(at);
            }
        });
    });
    for (socket, _) in sockets.iter().zip(nodes).rev().filter(|(_, node)| node.is_garbage()) {
        each_queue(socket, &mut |inner| garbage.gather(&mut inner.packets));
    }
    garbage.rights().for_each(|rights| flight.land(rights));
    garbage
}

/// Packets that were taken from sockets that nobody can reach, of each the oldest first.
pub(super) struct Garbage(Option<Box<Packet>>);

impl Garbage {
    fn gather(&mut self, packets: &mut VecDeque<Box<Packet>>) {
        for mut packet in core::mem::take(packets).into_iter().rev() {
            packet.next = self.0.take();
            self.0 = Some(packet);
        }
    }

    fn rights(&self) -> impl Iterator<Item = &Rights> {
        let packets = core::iter::successors(self.0.as_deref(), |packet| packet.next.as_deref());
        packets.filter_map(|packet| packet.rights.as_ref())
    }
}

impl Iterator for Garbage {
    type Item = Box<Packet>;

    fn next(&mut self) -> Option<Box<Packet>> {
        let mut packet = self.0.take()?;
        self.0 = packet.next.take();
        Some(packet)
    }
}
