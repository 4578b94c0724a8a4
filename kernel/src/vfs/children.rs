//! A directory's table of names: found by name, listed by cookie.
//!
//! Two sorted vectors. The memory they take is a function of how many names there are, whatever happened before: the
//! leak oracle counts it.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::{Errno, Result};

use super::dentry::Dentry;

/// Cookies count down from here, so that the youngest name is listed first, as in Linux.
const FIRST_COOKIE: u64 = 1 << 31;
/// Names that room is made for at once, in a table of few.
const STEP: usize = 16;
/// Tables of fewer names give room back when names go; larger ones keep it.
const SMALL: usize = 96;

struct Named {
    /// [`prefix`] of the name.
    prefix: u64,
    name: Box<[u8]>,
    cookie: u64,
    child: Arc<Dentry>,
}

/// The table. Nothing it lets go of is dropped by it: a caller under a lock hands that out.
pub struct Children {
    by_name: Vec<Named>,
    /// Descending cookies, so that the youngest is last.
    by_cookie: Vec<(u64, Arc<Dentry>)>,
    next_cookie: u64,
}

/// What a table let go of, to be dropped without a lock.
pub struct Removed {
    _child: Arc<Dentry>,
    _again: Option<Arc<Dentry>>,
    _name: Box<[u8]>,
}

impl Children {
    /// No names.
    pub const fn new() -> Children {
        Children { by_name: Vec::new(), by_cookie: Vec::new(), next_cookie: FIRST_COOKIE }
    }

    fn place(&self, name: &[u8]) -> Result<usize, usize> {
        let prefix = prefix(name);
        let start = self.by_name.partition_point(|named| named.prefix < prefix);
        let alike = &self.by_name[start..];
        if is_whole(prefix) {
            let there = alike.first().is_some_and(|named| named.prefix == prefix);
            return if there { Ok(start) } else { Err(start) };
        }
        if alike.first().is_some_and(|named| named.prefix == prefix && *named.name == *name) {
            return Ok(start);
        }
        let alike = &alike[..alike.partition_point(|named| named.prefix == prefix)];
        match alike.binary_search_by(|named| (*named.name).cmp(name)) {
            Ok(at) => Ok(start + at),
            Err(at) => Err(start + at),
        }
    }

    /// What a name leads to.
    pub fn get(&self, name: &[u8]) -> Option<&Arc<Dentry>> {
        self.place(name).ok().map(|at| &self.by_name[at].child)
    }

    /// Whether there are no names.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The first child in ascending order whose cookie is at least `from`, with its cookie.
    pub fn next_from(&self, from: u64) -> Option<(u64, &Arc<Dentry>)> {
        let end = self.by_cookie.partition_point(|(cookie, _)| *cookie >= from);
        let (cookie, child) = self.by_cookie.get(end.checked_sub(1)?)?;
        Some((*cookie, child))
    }

    /// Makes room for one more name. `ENOMEM`.
    pub fn reserve(&mut self) -> Result<()> {
        // By a part of what there is: to move all names for every few new ones would take their square of time.
        let step = STEP.max(self.by_name.len() / 8);
        if self.by_name.len() == self.by_name.capacity() {
            self.by_name.try_reserve_exact(step).map_err(|_| Errno::ENOMEM)?;
        }
        if self.by_cookie.len() == self.by_cookie.capacity() {
            self.by_cookie.try_reserve_exact(step).map_err(|_| Errno::ENOMEM)?;
        }
        Ok(())
    }

    /// Lets a name lead to `child`, and lets go of what it led to before. There is [room](Self::reserve).
    pub fn insert(&mut self, name: Box<[u8]>, child: Arc<Dentry>) -> Option<Removed> {
        let cookie = self.next_cookie;
        self.next_cookie -= 1;
        let place = self.place(&name);
        let prefix = prefix(&name);
        let replaced = match place {
            Ok(at) => {
                let named = Named { prefix, name, cookie, child: child.clone() };
                let before = core::mem::replace(&mut self.by_name[at], named);
                Some(self.unlist(before))
            }
            Err(at) => {
                self.by_name.insert(at, Named { prefix, name, cookie, child: child.clone() });
                None
            }
        };
        self.by_cookie.push((cookie, child));
        replaced
    }

    fn unlist(&mut self, Named { name, cookie, child, .. }: Named) -> Removed {
        let listed = self.by_cookie.binary_search_by(|(c, _)| cookie.cmp(c));
        let again = listed.ok().map(|at| self.by_cookie.remove(at).1);
        Removed { _child: child, _again: again, _name: name }
    }

    /// Takes a name out.
    pub fn remove(&mut self, name: &[u8]) -> Option<Removed> {
        let at = self.place(name).ok()?;
        let named = self.by_name.remove(at);
        let removed = self.unlist(named);
        let len = self.by_name.len();
        if len < SMALL && len.is_multiple_of(STEP) {
            self.by_name.shrink_to_fit();
            self.by_cookie.shrink_to_fit();
        }
        Some(removed)
    }
}

/// A name's first eight bytes as a number: where two differ, they are in the order of the names.
fn prefix(name: &[u8]) -> u64 {
    if let Some(start) = name.first_chunk() {
        return u64::from_be_bytes(*start);
    }
    if let (Some(start), Some(end)) = (name.first_chunk(), name.last_chunk()) {
        // The two overlap unless the name has eight bytes: what the end repeats is shifted out.
        let (start, end) = (u32::from_be_bytes(*start), u32::from_be_bytes(*end));
        return u64::from(start) << 32 | u64::from(end) << ((8 - name.len()) * 8) & u64::from(u32::MAX);
    }
    name.iter().rev().fold(0, |number, &byte| number >> 8 | u64::from(byte) << 56)
}

/// Whether a [`prefix`] is all of its name: no byte of a name is zero.
fn is_whole(prefix: u64) -> bool {
    prefix.to_be_bytes()[7] == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::namespace::dir_inode;
    use alloc::collections::BTreeMap;

    #[test]
    fn a_prefix_is_the_first_bytes_and_zeroes() {
        for len in 0..8 {
            let mut bytes = [0; 8];
            bytes[..len].copy_from_slice(&b"abcdefgh"[..len]);
            assert_eq!(prefix(&b"abcdefgh"[..len]), u64::from_be_bytes(bytes));
        }
        assert_eq!(prefix(b"abcdefgh"), prefix(b"abcdefghi"));
    }

    #[test]
    fn names_that_begin_alike_are_told_apart() {
        let names = ["abcdefgh", "abcdefgha", "abcdefghb", "abcdefg", "abcdefgi", "abcdefghab", "b", ""];
        let mut table = Children::new();
        for name in &names[..names.len() - 2] {
            table.reserve().unwrap();
            let child = Dentry::anonymous(name.as_bytes(), dir_inode(1, 0, None));
            assert!(table.insert(name.as_bytes().into(), child).is_none());
        }
        let found = names.map(|name| table.get(name.as_bytes()).map(|child| child.name().to_vec()));
        let there = names.map(|name| (name.len() > 1).then(|| name.as_bytes().to_vec()));
        assert_eq!(found, there);
        assert!(table.by_name.is_sorted_by_key(|named| named.name.clone()));
    }

    proptest::proptest! {
        #[test]
        fn behaves_as_a_map_and_forgets_its_past(ops in proptest::collection::vec((0u8..60, proptest::bool::ANY), 0..400)) {
            let (mut table, mut model) = (Children::new(), BTreeMap::new());
            for (time, (n, add)) in ops.into_iter().enumerate() {
                let name = [n];
                if !add {
                    proptest::prop_assert_eq!(table.remove(&name).is_some(), model.remove(&n).is_some());
                } else {
                    let there = table.get(&name).is_some();
                    if !there {
                        table.reserve().unwrap();
                    }
                    let before = table.insert(name.into(), Dentry::anonymous(&name, dir_inode(1, 0, None)));
                    proptest::prop_assert_eq!(before.is_some(), there);
                    model.insert(n, time);
                }
                proptest::prop_assert_eq!(table.by_name.capacity(), model.len().next_multiple_of(STEP));
                proptest::prop_assert_eq!(table.by_cookie.capacity(), model.len().next_multiple_of(STEP));
            }
            // Listed youngest first, and found by name.
            let mut young: Vec<(usize, u8)> = model.iter().map(|(n, time)| (*time, *n)).collect();
            young.sort_by(|a, b| b.cmp(a));
            let mut from = 2;
            for (_, n) in young {
                let (cookie, child) = table.next_from(from).unwrap();
                proptest::prop_assert_eq!(&*child.name(), &[n]);
                proptest::prop_assert!(Arc::ptr_eq(child, table.get(&[n]).unwrap()));
                from = cookie + 1;
            }
            proptest::prop_assert!(table.next_from(from).is_none());
        }
    }
}
