//! Sockets and their queues, and the files in flight, where no machine is needed.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use std::sync::{Mutex, MutexGuard};

use heaps::{Errno, Result};
use proptest::prelude::*;

use super::flight::{self, Node};
use super::packet::Rights;
use super::recv::{How, Received};
use super::send::Message;
use super::{Kind, Socket, connect, file};
use crate::vfs::file::{File, FileOps};
use crate::vfs::flags::O_RDWR;
use crate::vfs::inode::{Content, Inode, S_IFREG};
use crate::vfs::io::KernelSink;

/// What is in flight is one for all, and one thread may end another's files: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// An open socket.
struct Open {
    socket: Arc<Socket>,
    file: Arc<File>,
}

fn pair(kind: Kind) -> [Open; 2] {
    let open = || {
        let socket = Socket::new(kind).unwrap();
        Open { file: file::open(&socket, 0).unwrap(), socket }
    };
    let pair = [open(), open()];
    connect::pair(&pair[0].socket, &pair[1].socket);
    pair
}

impl Open {
    fn send(&self, mut bytes: &[u8], files: Vec<Arc<File>>) -> Result<usize> {
        let rights = Some(Rights(files)).filter(|rights| !rights.0.is_empty());
        self.socket.send(&mut bytes, Message { rights, ..Message::default() })
    }

    fn receive(&self, len: usize, peek: bool) -> Result<(Vec<u8>, Received)> {
        let mut bytes = vec![0; len];
        let how = How { peek, ..How::default() };
        let received = self.socket.receive(&mut KernelSink::new(&mut bytes), how)?;
        bytes.truncate(received.len);
        Ok((bytes, received))
    }
}

/// A file that writes its number down when it ends.
struct Marked(u32, Arc<Mutex<Vec<u32>>>);

impl FileOps for Marked {}

impl Drop for Marked {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(self.0);
    }
}

/// Files of these numbers, and where they tell of their ends.
fn marked(numbers: &[u32], ends: &Arc<Mutex<Vec<u32>>>) -> Vec<Arc<File>> {
    let inode = Arc::new(Inode::new(1, S_IFREG, Content::Anonymous));
    let file = |&n: &u32| File::anonymous(inode.clone(), O_RDWR, Box::new(Marked(n, ends.clone()))).unwrap();
    numbers.iter().map(file).collect()
}

fn ended(ends: &Arc<Mutex<Vec<u32>>>) -> Vec<u32> {
    core::mem::take(&mut ends.lock().unwrap())
}

#[test]
fn streams_run_together_and_datagrams_do_not() {
    let _alone = alone();
    let [a, b] = pair(Kind::Stream);
    a.send(b"one", vec![]).unwrap();
    a.send(b"two", vec![]).unwrap();
    assert_eq!(b.receive(5, true).unwrap().0, b"onetw");
    assert_eq!(b.receive(4, false).unwrap().0, b"onet");
    assert_eq!(b.receive(9, false).unwrap().0, b"wo");
    assert_eq!(b.receive(9, false).err(), Some(Errno::EAGAIN));
    let [a, b] = pair(Kind::Datagram);
    a.send(b"one", vec![]).unwrap();
    a.send(b"two", vec![]).unwrap();
    let (bytes, received) = b.receive(2, false).unwrap();
    assert_eq!((&bytes[..], received.full), (&b"on"[..], 3));
    assert_eq!(b.receive(9, false).unwrap().0, b"two");
}

#[test]
fn what_is_sent_is_charged_until_it_is_received() {
    let _alone = alone();
    let [a, b] = pair(Kind::Stream);
    a.send(b"x", vec![]).unwrap();
    assert_eq!(a.socket.unreceived(), 768);
    b.receive(1, true).unwrap();
    assert_eq!(a.socket.unreceived(), 768);
    b.receive(1, false).unwrap();
    assert_eq!(a.socket.unreceived(), 0);
    a.send(&[0; 50_000], vec![]).unwrap();
    drop(b);
    assert_eq!(a.socket.unreceived(), 0);
}

#[test]
fn files_end_in_the_order_of_linux() {
    let _alone = alone();
    let ends = Arc::default();
    let [a, b] = pair(Kind::Datagram);
    a.send(b"x", marked(&[1, 2, 3], &ends)).unwrap();
    drop(b.receive(1, false).unwrap());
    assert_eq!(ended(&ends), [1, 2, 3]);
    // Of a queue that ends with its socket the last message first, each in its order.
    a.send(b"x", marked(&[1, 2], &ends)).unwrap();
    a.send(b"x", marked(&[3, 4], &ends)).unwrap();
    drop(b);
    assert_eq!(ended(&ends), [3, 4, 1, 2]);
    // What waits in a socket that ends so comes when those of its batch have ended.
    let ([a, b], [inner, end]) = (pair(Kind::Datagram), pair(Kind::Datagram));
    inner.send(b"x", marked(&[9], &ends)).unwrap();
    let mut files = vec![end.file.clone()];
    drop(end);
    files.extend(marked(&[1], &ends));
    a.send(b"x", files).unwrap();
    drop(b);
    assert_eq!(ended(&ends), [1, 9]);
    // And so it is with what is collected.
    let [a, b] = pair(Kind::Datagram);
    a.send(b"x", marked(&[1, 2], &ends)).unwrap();
    a.send(b"x", [vec![b.file.clone()], marked(&[3], &ends)].concat()).unwrap();
    drop(b);
    drop(pair(Kind::Stream));
    assert_eq!(ended(&ends), [3, 1, 2]);
}

#[test]
fn a_peek_gets_files_of_its_own() {
    let _alone = alone();
    let ends = Arc::default();
    let [a, b] = pair(Kind::Stream);
    a.send(b"x", marked(&[1], &ends)).unwrap();
    let (_, peeked) = b.receive(1, true).unwrap();
    let (_, received) = b.receive(1, false).unwrap();
    drop(received);
    assert_eq!(ended(&ends), []);
    drop(peeked);
    assert_eq!(ended(&ends), [1]);
}

#[test]
fn a_cycle_is_collected_when_nobody_can_reach_it() {
    let _alone = alone();
    let ends = Arc::default();
    let ([a, b], [c, d]) = (pair(Kind::Datagram), pair(Kind::Datagram));
    let with = |file: &Arc<File>, n| [vec![file.clone()], marked(&[n], &ends)].concat();
    a.send(b"x", with(&d.file, 1)).unwrap();
    c.send(b"x", with(&b.file, 2)).unwrap();
    drop((a, b, c));
    assert_eq!(ended(&ends), []);
    // d can still be received from, and so all of it.
    let (_, mut received) = d.receive(1, false).unwrap();
    let inner = received.rights.take().unwrap();
    let socket = flight::socket_of(&inner.0[0]).unwrap().clone();
    let b = Open { socket, file: inner.0[0].clone() };
    assert!(b.receive(1, true).is_ok());
    // Put back, and let go.
    drop(inner);
    drop(d);
    drop(b);
    let mut all = ended(&ends);
    all.sort_unstable();
    assert_eq!(all, [1, 2]);
}

#[test]
fn a_deep_nest_ends_on_a_shallow_stack() {
    let _alone = alone();
    let ends = Arc::default();
    let mut held = marked(&[7], &ends);
    for _ in 0..1000 {
        let [to, end] = pair(Kind::Datagram);
        to.send(b"x", held).unwrap();
        held = vec![end.file.clone()];
    }
    let small = std::thread::Builder::new().stack_size(256 << 10);
    small.spawn(move || drop(held)).unwrap().join().unwrap();
    assert_eq!(ended(&ends), [7]);
}

/// Who can be reached, found naively: from those held, along the edges.
fn reachable(held: &[bool], edges: &[Vec<usize>]) -> Vec<bool> {
    let mut reached = held.to_vec();
    for _ in 0..held.len() {
        for (from, to) in edges.iter().enumerate() {
            if reached[from] {
                to.iter().for_each(|&to| reached[to] = true);
            }
        }
    }
    reached
}

proptest! {
    #[test]
    fn garbage_is_what_cannot_be_reached(
        edges in prop::collection::vec(prop::collection::vec(0usize..12, 0..4), 12),
        outside in prop::collection::vec(prop::collection::vec(0usize..12, 0..2), 2),
        held in prop::collection::vec(prop::bool::weighted(0.15), 12),
    ) {
        // Some are in the queues of sockets that are not in flight themselves, which somebody has.
        let mut nodes = vec![Node::default(); 12];
        edges.iter().chain(&outside).flatten().for_each(|&to| nodes[to].inside += 1);
        for (node, &held) in nodes.iter_mut().zip(&held) {
            node.all = node.inside + usize::from(held);
        }
        let mut known: Vec<bool> = held.clone();
        outside.iter().flatten().for_each(|&to| known[to] = true);
        // What nobody sent anywhere is in flight only if it is held.
        let known: Vec<bool> = known.iter().zip(&nodes).map(|(&k, n)| k || n.inside == 0 && n.all > 0).collect();
        flight::search(&mut nodes, |from, to| edges[from].iter().for_each(|&each| to(each)));
        let reached = reachable(&known, &edges);
        for (node, reached) in nodes.iter().zip(reached) {
            prop_assert_eq!(!node.is_garbage(), reached);
        }
    }

    #[test]
    fn a_stream_is_what_was_sent(
        parts in prop::collection::vec(prop::collection::vec(0u8..255, 0..300), 0..20),
        reads in prop::collection::vec(1usize..500, 1..80),
    ) {
        let _alone = alone();
        let [a, b] = pair(Kind::Stream);
        for part in &parts {
            prop_assert_eq!(a.send(part, vec![]), Ok(part.len()));
        }
        let sent = parts.concat();
        let mut got = Vec::new();
        for len in reads {
            let Ok((peeked, _)) = b.receive(len, true) else { break };
            let (bytes, _) = b.receive(len, false).unwrap();
            prop_assert_eq!(&peeked, &bytes);
            got.extend(bytes);
        }
        prop_assert_eq!(&got[..], &sent[..got.len()]);
    }
}
