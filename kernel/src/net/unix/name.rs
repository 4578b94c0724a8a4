//! Addresses: a path, whose socket inode leads to the socket; or an abstract name, kept in a table here.
//!
//! Abstract names belong to a type: a stream and a datagram socket may have the same one, as on Linux.
#![forbid(unsafe_code)]

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use heaps::{Errno, Result};

use super::socket::{Kind, Socket};
use crate::mm::admit::admit;
use crate::net::uapi::{AF_UNIX, SUN_PATH_LEN};
use crate::sync::{SpinLock, order};
use crate::vfs::Dentry;
use crate::vfs::inode::Content;

/// An address as a call gives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Address<'a> {
    /// A path, without its NUL.
    Path(&'a [u8]),
    /// An abstract name, with the NUL it begins with.
    Abstract(&'a [u8]),
}

impl<'a> Address<'a> {
    /// Reads a `struct sockaddr_un` of any length. `EINVAL`.
    pub fn parse(bytes: &'a [u8]) -> Result<Address<'a>> {
        match bytes.split_first_chunk() {
            Some((family, path)) if is_unix(*family) && (1..=SUN_PATH_LEN).contains(&path.len()) => {
                Ok(match path[0] {
                    0 => Address::Abstract(path),
                    _ => Address::Path(path.split(|&b| b == 0).next().unwrap_or(path)),
                })
            }
            _ => Err(Errno::EINVAL),
        }
    }
}

fn is_unix(family: [u8; 2]) -> bool {
    u32::from(u16::from_ne_bytes(family)) == AF_UNIX
}

/// Whether `bytes` ask for a name to be made up: a family and nothing else.
pub fn asks_for_any(bytes: &[u8]) -> bool {
    bytes.try_into().is_ok_and(is_unix)
}

/// The name a socket is bound to.
pub struct Name {
    /// What follows the family in its address.
    bytes: Vec<u8>,
    /// The file of a path.
    place: Option<Arc<Dentry>>,
}

impl Name {
    /// A path, and the socket's file there. `ENOMEM`.
    pub fn path(path: &[u8], place: Arc<Dentry>) -> Result<Arc<Name>> {
        Name::with(&[path, b"\0"], Some(place))
    }

    fn with(parts: &[&[u8]], place: Option<Arc<Dentry>>) -> Result<Arc<Name>> {
        admit()?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(parts.iter().map(|part| part.len()).sum()).map_err(|_| Errno::ENOMEM)?;
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        Ok(Arc::new(Name { bytes, place }))
    }

    /// What follows the family in its address.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What a socket's file leads to: the socket bound there, while it lives.
#[derive(Default)]
pub struct Slot(SpinLock<Weak<Socket>, { order::SOCKET_NAMES }>);

impl Slot {
    fn set(&self, to: Weak<Socket>) {
        let before = core::mem::replace(&mut *self.0.lock(), to);
        drop(before);
    }

    fn get(&self) -> Option<Arc<Socket>> {
        self.0.lock().upgrade()
    }
}

/// How the caller's paths are walked.
pub trait Places {
    /// What a path leads to. May sleep.
    fn resolve(&self, path: &[u8]) -> Result<Arc<Dentry>>;
}

struct Abstract {
    kind: Kind,
    name: Arc<Name>,
    socket: Weak<Socket>,
}

/// In the order of [`key`].
static ABSTRACT: SpinLock<Vec<Abstract>, { order::SOCKET_NAMES }> = SpinLock::new(Vec::new());

fn place_of(table: &[Abstract], kind: Kind, name: &[u8]) -> Result<usize, usize> {
    table.binary_search_by(|entry| (entry.kind, entry.name.bytes()).cmp(&(kind, name)))
}

/// The socket at an address. `ECONNREFUSED` when there is none, `EPROTOTYPE` when it is of another kind, and what
/// walking the path says. May sleep.
pub fn find(places: &dyn Places, address: Address<'_>, kind: Kind) -> Result<Arc<Socket>> {
    match address {
        Address::Path(path) => {
            let dentry = places.resolve(path)?;
            let Content::SocketName(slot) = dentry.inode().content() else { return Err(Errno::ECONNREFUSED) };
            let socket = slot.get().ok_or(Errno::ECONNREFUSED)?;
            if socket.kind() == kind { Ok(socket) } else { Err(Errno::EPROTOTYPE) }
        }
        Address::Abstract(name) => {
            let table = ABSTRACT.lock();
            let at = place_of(&table, kind, name).map_err(|_| Errno::ECONNREFUSED)?;
            table[at].socket.upgrade().ok_or(Errno::ECONNREFUSED)
        }
    }
}

/// Binds a socket to an abstract name. `EINVAL` when it has a name, `EADDRINUSE`, `ENOMEM`.
pub fn bind_abstract(socket: &Arc<Socket>, name: &[u8]) -> Result<()> {
    let name = Name::with(&[name], None)?;
    let mut table = ABSTRACT.lock();
    table.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
    match place_of(&table, socket.kind(), name.bytes()) {
        Ok(_) => Err(Errno::EADDRINUSE),
        Err(at) => {
            socket.set_name(name.clone())?;
            table.insert(at, Abstract { kind: socket.kind(), name, socket: Arc::downgrade(socket) });
            Ok(())
        }
    }
}

/// Binds a socket to the file at a path. `EINVAL` when it has a name, `ENOMEM`.
pub fn bind_path(socket: &Arc<Socket>, path: &[u8], place: Arc<Dentry>) -> Result<()> {
    let name = Name::path(path, place.clone())?;
    socket.set_name(name)?;
    if let Content::SocketName(slot) = place.inode().content() {
        slot.set(Arc::downgrade(socket));
    }
    Ok(())
}

/// Names that are made up: five hexadecimal digits.
const ANY_NAMES: u32 = 1 << 20;

/// Gives a socket an abstract name if it has none. `ENOSPC` when all are taken, `ENOMEM`.
pub fn bind_any(socket: &Arc<Socket>) -> Result<()> {
    let first = crate::arch::now_ns() as u32;
    for try_ in 0..ANY_NAMES {
        if socket.name().is_some() {
            return Ok(());
        }
        let name = any_name(first.wrapping_add(try_) % ANY_NAMES);
        match bind_abstract(socket, &name) {
            Err(Errno::EADDRINUSE | Errno::EINVAL) => {}
            done => return done,
        }
    }
    Err(Errno::ENOSPC)
}

fn any_name(number: u32) -> [u8; 6] {
    let mut name = [0; 6];
    for (i, byte) in name[1..].iter_mut().enumerate() {
        *byte = b"0123456789abcdef"[(number >> (16 - 4 * i) & 15) as usize];
    }
    name
}

/// A socket has ended: its name leads nowhere from now on, if it led to it. A path's file stays.
pub fn unbind(socket: &Socket, name: &Arc<Name>) {
    let is_its = |entry: &Weak<Socket>| core::ptr::eq(entry.as_ptr(), socket);
    if let Some(place) = &name.place {
        if let Content::SocketName(Slot(slot)) = place.inode().content() {
            let mut entry = slot.lock();
            let before = if is_its(&entry) { core::mem::take(&mut *entry) } else { Weak::new() };
            drop(entry);
            drop(before);
        }
        return;
    }
    let mut table = ABSTRACT.lock();
    let at = place_of(&table, socket.kind(), name.bytes()).ok().filter(|&at| is_its(&table[at].socket));
    let removed = at.map(|at| table.remove(at));
    if table.len() < table.capacity() / 4 || table.is_empty() {
        table.shrink_to_fit();
    }
    drop(table);
    drop(removed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_linux_reads_them() {
        let parse = Address::parse;
        assert_eq!(parse(b"\x01\0/a\0rest"), Ok(Address::Path(b"/a")));
        assert_eq!(parse(b"\x01\0/a"), Ok(Address::Path(b"/a")));
        assert_eq!(parse(b"\x01\0\0ab\0"), Ok(Address::Abstract(b"\0ab\0")));
        for wrong in [&b""[..], b"\x01", b"\x01\0", b"\x02\0/a", &[1; 200]] {
            assert_eq!(parse(wrong), Err(Errno::EINVAL));
        }
        let mut long = [b'x'; 110];
        long[..2].copy_from_slice(b"\x01\0");
        assert_eq!(parse(&long), Ok(Address::Path(&[b'x'; 108])));
        assert!(asks_for_any(b"\x01\0") && !asks_for_any(b"\x01\0\0") && !asks_for_any(b"\x02\0"));
        assert_eq!(&any_name(0xabc0f), b"\0abc0f");
    }
}
