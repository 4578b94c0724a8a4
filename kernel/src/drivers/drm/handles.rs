//! The handles of an open file (Linux: `drm_gem.c`, `object_idr`): numbers from 1, the lowest free one first.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::{Errno, Result};

use super::object::Object;
use crate::sync::{SpinLock, order};

/// Objects by handle, less 1.
pub struct Handles(SpinLock<Vec<Option<Arc<Object>>>, { order::HEAP_STATE }>);

impl Handles {
    /// None.
    pub const fn new() -> Handles {
        Handles(SpinLock::new(Vec::new()))
    }

    /// A handle for an object, or that of the one there which is the same, as `same` says. `ENOMEM`.
    pub fn add(&self, object: Arc<Object>, same: impl Fn(&Arc<Object>) -> bool) -> Result<u32> {
        let mut table = self.0.lock();
        let there = table.iter().position(|slot| slot.as_ref().is_some_and(&same));
        let at = there.or_else(|| table.iter().position(Option::is_none)).unwrap_or(table.len());
        let room = if at == table.len() { table.try_reserve(1).map_err(|_| Errno::ENOMEM) } else { Ok(()) };
        if at == table.len() && room.is_ok() {
            table.push(None);
        }
        let extra = match there {
            None if room.is_ok() => table[at].replace(object),
            _ => Some(object),
        };
        // What is not needed may sleep as it goes.
        drop(table);
        drop(extra);
        room.map(|()| at as u32 + 1)
    }

    /// The object with a handle.
    pub fn get(&self, handle: u32) -> Option<Arc<Object>> {
        self.find(|at, _| at == handle).map(|(_, object)| object)
    }

    /// The first handle and object that `f` is true of.
    pub fn find(&self, f: impl Fn(u32, &Arc<Object>) -> bool) -> Option<(u32, Arc<Object>)> {
        let table = self.0.lock();
        let some = (1..).zip(table.iter()).filter_map(|(at, slot)| Some((at, slot.as_ref()?)));
        let mut found = some.filter(|(at, object)| f(*at, object));
        found.next().map(|(at, object)| (at, object.clone()))
    }

    /// Takes a handle back, and hands its object out. `EINVAL`.
    pub fn remove(&self, handle: u32) -> Result<Arc<Object>> {
        let mut table = self.0.lock();
        let at = (handle as usize).wrapping_sub(1);
        let object = table.get_mut(at).and_then(Option::take).ok_or(Errno::EINVAL)?;
        if table.iter().all(Option::is_none) {
            // An emptied vector keeps its memory.
            *table = Vec::new();
        }
        Ok(object)
    }
}
