//! What one send puts into a receiver's queue, and what it costs the sender until it is received.
//!
//! Costs are Linux's, so that as much can be sent before a sender has to wait (`net/core/sock.c`, `skbuff.h`).
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::PAGE_SIZE;

use super::name::Name;
use super::socket::Socket;
use crate::net::uapi::Cred;
use crate::vfs::File;

/// Files that travel with a message. Dropped in order, as Linux drops them.
pub struct Rights(pub Vec<Arc<File>>);

/// One message, or a part of a stream.
pub struct Packet {
    bytes: Vec<u8>,
    taken: usize,
    /// Who sent it, if anybody wanted to know.
    pub cred: Option<Cred>,
    /// The files that came with it; in flight while it is in a queue.
    pub rights: Option<Rights>,
    /// The name of the socket it was sent from.
    pub from: Option<Arc<Name>>,
    /// Its neighbour among the dying.
    pub(super) next: Option<Box<Packet>>,
    _charge: Charge,
}

impl Packet {
    /// A packet of these bytes, with nothing about its sender yet.
    pub fn new(bytes: Vec<u8>, charge: Charge) -> Packet {
        Packet { bytes, taken: 0, cred: None, rights: None, from: None, next: None, _charge: charge }
    }

    /// What was not received yet.
    pub fn left(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    /// The first `len` bytes of it were received.
    pub fn take(&mut self, len: usize) {
        self.taken += len;
    }
}

/// A sender's cost of one packet, given back when the packet goes.
pub struct Charge {
    sender: Arc<Socket>,
    cost: usize,
}

impl Charge {
    /// Charges `sender`; it has room, or makes it.
    pub fn new(sender: Arc<Socket>, cost: usize) -> Charge {
        sender.charge(cost);
        Charge { sender, cost }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.sender.discharge(self.cost);
    }
}

/// Bytes of Linux's packet header, and of what it keeps behind the data.
const HEADER: usize = 256;
const TRAILER: usize = 320;
const LINE: usize = 64;
/// Most bytes beside the pages in one part of a stream, and most in its pages.
const STREAM_HEAD: usize = PAGE_SIZE - TRAILER;
const STREAM_PAGES: usize = 32768;
/// Most bytes of a datagram that are not in pages of their own.
const DATAGRAM_HEAD: usize = 4 * PAGE_SIZE - TRAILER;
const DATAGRAM_PAGES: usize = 17 * PAGE_SIZE;

/// How much of `left` bytes the next part of a stream takes, under a limit of `sndbuf`.
pub fn stream_part(left: usize, sndbuf: usize) -> usize {
    left.min((sndbuf >> 1) - LINE).min(STREAM_HEAD + STREAM_PAGES)
}

/// What a part of a stream costs.
pub fn stream_cost(len: usize) -> usize {
    let pages = len.saturating_sub(STREAM_HEAD).next_multiple_of(PAGE_SIZE).min(len);
    cost(len - pages, pages)
}

/// What a datagram costs.
pub fn datagram_cost(len: usize) -> usize {
    let pages = len.saturating_sub(DATAGRAM_HEAD).min(DATAGRAM_PAGES).next_multiple_of(PAGE_SIZE).min(len);
    cost(len - pages, pages)
}

fn cost(head: usize, pages: usize) -> usize {
    HEADER + (head.next_multiple_of(LINE) + TRAILER).next_power_of_two() + pages.next_multiple_of(PAGE_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNDBUF: usize = 212_992;

    /// How much fits when `write` is all that is sent, again and again.
    fn capacity(write: usize) -> usize {
        let (mut cost, mut sent) = (0, 0);
        loop {
            let mut left = write;
            while left > 0 {
                if cost >= SNDBUF {
                    return sent;
                }
                let part = stream_part(left, SNDBUF);
                cost += stream_cost(part);
                sent += part;
                left -= part;
            }
        }
    }

    /// Figures of Linux 6.1: what a stream socket that does not block takes in writes of one size.
    #[test]
    fn as_much_fits_as_on_linux() {
        assert_eq!(capacity(1), 278);
        assert_eq!(capacity(1 << 20), 219_264);
        assert_eq!(stream_cost(1), 768);
        assert_eq!(datagram_cost(0), 768);
    }
}
