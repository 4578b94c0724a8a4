//! `AF_UNIX` sockets: streams, datagrams, and datagrams over a connection. Models `net/unix` of Linux 6.1.
//!
//! * [`socket`]: what a socket is, and its end
//! * [`packet`]: what waits in its queue, and what that costs the sender
//! * [`name`]: addresses, in the file tree and abstract; [`connect`]: pairs, listening, connecting, accepting
//! * [`send`], [`recv`]: what passes; [`option`]: what can be set
//! * [`flight`]: the files in flight, and the cycles of them that nobody can reach; [`dying`]: their end
//! * [`file`](mod@file): a socket as an open file
//!
//! Locks: the topology's first (who is whose peer), then the flight's (which file is in which queue), then one
//! socket's. Never two sockets' at once. Nothing is dropped under them.
#![forbid(unsafe_code)]

pub mod connect;
pub mod dying;
pub mod file;
pub mod flight;
pub mod name;
pub mod option;
pub mod packet;
pub mod recv;
pub mod send;
pub mod socket;

#[cfg(test)]
mod tests;

pub use dying::Dying;
pub use name::{Address, Name, Places, Slot};
pub use packet::Rights;
pub use socket::{Kind, Socket};
