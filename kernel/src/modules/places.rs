//! The addresses of modules: who is where, and who was (Linux: `mod_find`, and the last unloaded modules of a report).
//!
//! Places are handed out upwards, so that the addresses of a module that has gone stay unmapped for as long as
//! possible: what still refers to them faults, and here is whose they were. Reports ask from anywhere, so it is all in
//! one table of fixed size under a lock that masks interrupts.
#![forbid(unsafe_code)]

use core::fmt;
use core::ops::Range;

use arrayvec::{ArrayString, ArrayVec};
use heaps::{Errno, PAGE_SIZE, Result};
use sdk::abi::NAME_LEN;

use crate::arch::{MODULES_BASE, MODULES_SIZE};
use crate::debug::life::{Life, Moment};
use crate::sync::{IrqLock, order};

/// Modules that can be loaded at once.
const MOST: usize = 256;
/// Modules that are remembered after they have gone.
const REMEMBERED: usize = 32;

#[derive(Clone, Copy)]
struct Place {
    name: ArrayString<NAME_LEN>,
    base: usize,
    /// In bytes, whole pages.
    size: usize,
    /// It is being unmapped: who still uses it comes too late.
    going: bool,
    life: Life,
}

impl Place {
    fn contains(&self, address: usize) -> bool {
        address.wrapping_sub(self.base) < self.size
    }

    /// Whether it has an address in common with `size` bytes from `base`.
    fn meets(&self, base: usize, size: usize) -> bool {
        self.base < base + size && base < self.base + self.size
    }
}

struct Places {
    /// By address.
    taken: ArrayVec<Place, MOST>,
    /// The youngest last.
    gone: ArrayVec<Place, REMEMBERED>,
    /// Where the search for the next place starts.
    next: usize,
}

static PLACES: IrqLock<Places, { order::MODULE_PLACES }> = IrqLock::new(Places::new());

impl Places {
    const fn new() -> Places {
        Places { taken: ArrayVec::new_const(), gone: ArrayVec::new_const(), next: MODULES_BASE }
    }

    /// Where `size` bytes and an unmapped page before and after them fit, at `from` or above.
    fn fit(&self, from: usize, size: usize) -> Option<usize> {
        let mut base = from + PAGE_SIZE;
        for place in &self.taken {
            if place.meets(base - PAGE_SIZE, size + 2 * PAGE_SIZE) {
                base = place.base + place.size + PAGE_SIZE;
            }
        }
        (base + size + PAGE_SIZE <= MODULES_BASE + MODULES_SIZE).then_some(base)
    }

    fn take(&mut self, name: &str, size: usize, life: Life) -> Result<usize> {
        let name = ArrayString::from(name).map_err(|_| Errno::ENOEXEC)?;
        let base = self.fit(self.next, size).or_else(|| self.fit(MODULES_BASE, size));
        let base = base.filter(|_| !self.taken.is_full()).ok_or(Errno::ENOMEM)?;
        let at = self.taken.partition_point(|place| place.base < base);
        self.taken.insert(at, Place { name, base, size, going: false, life });
        // The addresses speak of another module now.
        self.gone.retain(|place| !place.meets(base, size));
        self.next = base + size;
        Ok(base)
    }

    fn of(&mut self, base: usize) -> Option<&mut Place> {
        self.taken.iter_mut().find(|place| place.base == base)
    }

    fn leave(&mut self, base: usize, now: Moment) {
        if let Some(place) = self.of(base) {
            place.going = true;
            place.life.end(now);
        }
    }

    fn give_back(&mut self, base: usize) {
        let Some(at) = self.taken.iter().position(|place| place.base == base) else { return };
        let place = self.taken.remove(at);
        if self.gone.is_full() {
            self.gone.remove(0);
        }
        self.gone.push(place);
    }

    fn find(&self, address: usize) -> Option<Where> {
        let taken = self.taken.iter().map(|place| (place, !place.going));
        let gone = self.gone.iter().map(|place| (place, false));
        let (place, loaded) = taken.chain(gone).find(|(place, _)| place.contains(address))?;
        Some(Where { name: place.name, offset: address - place.base, loaded, life: place.life })
    }
}

/// A module's addresses, until dropped.
pub struct Claim {
    base: usize,
}

impl Claim {
    /// Takes `size` bytes of addresses, whole pages, for the module `name`. `ENOMEM`.
    pub fn new(name: &str, size: usize) -> Result<Claim> {
        let life = Life::new(Moment::now());
        PLACES.lock().take(name, size, life).map(|base| Claim { base })
    }

    /// The first address.
    pub fn base(&self) -> usize {
        self.base
    }

    /// What is there is about to be unmapped: from here on it counts as unloaded.
    pub fn leave(&self) {
        let now = Moment::now();
        PLACES.lock().leave(self.base, now);
    }
}

/// Says where the references are counted of the module that starts at `base`.
pub fn set_count(base: usize, count: *const u8) {
    if let Some(place) = PLACES.lock().of(base) {
        place.life.set_count(count);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        PLACES.lock().give_back(self.base);
    }
}

/// Where an address is.
pub struct Where {
    /// The module's name.
    pub name: ArrayString<NAME_LEN>,
    /// Bytes from its start.
    pub offset: usize,
    /// Whether it is loaded; if not, it was.
    pub loaded: bool,
    /// Who loaded it, and who unloaded it.
    pub life: Life,
}

/// Whose address this is, or was the last time it was somebody's.
pub fn find(address: usize) -> Option<Where> {
    let inside = address.wrapping_sub(MODULES_BASE) < MODULES_SIZE;
    if inside { PLACES.lock().find(address) } else { None }
}

/// Calls `f` with the addresses of each module, which need not all be mapped yet, under a lock that masks interrupts.
pub fn each(f: &mut dyn FnMut(Range<usize>)) {
    PLACES.lock().taken.iter().for_each(|place| f(place.base..place.base + place.size));
}

/// Where the module was that was unloaded last.
pub fn last_gone() -> Option<usize> {
    PLACES.lock().gone.last().map(|place| place.base)
}

/// A code address as reports print it: `[<address>]`, and in a module `{NAME+OFFSET}` after it.
pub struct Code(pub u64);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[<{:016x}>]", self.0)?;
        match find(self.0 as usize) {
            Some(place) => write!(f, "{{{}+{:#x}}}", place.name, place.offset),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn take(places: &mut Places, name: &str, size: usize) -> Result<usize> {
        places.take(name, size, Life::new(Moment::now()))
    }

    #[test]
    fn an_address_is_known_while_its_module_is_loaded_and_after() {
        let mut places = Places::new();
        let base = take(&mut places, "first", 2 * PAGE_SIZE).unwrap();
        let place = places.find(base + 5000).unwrap();
        assert_eq!((place.name.as_str(), place.offset, place.loaded), ("first", 5000, true));
        assert!(places.find(base - 1).is_none() && places.find(base + 2 * PAGE_SIZE).is_none());
        places.leave(base, Moment::now());
        assert!(!places.find(base).unwrap().loaded, "it is being unmapped");
        places.give_back(base);
        assert!(!places.find(base).unwrap().loaded);
        // The next does not take the same place at once, and leaves a page between.
        assert_eq!(take(&mut places, "second", PAGE_SIZE), Ok(base + 3 * PAGE_SIZE));
        assert_eq!(take(&mut places, &"a".repeat(NAME_LEN + 1), PAGE_SIZE), Err(Errno::ENOEXEC));
    }

    #[test]
    fn places_come_round_again_and_run_out() {
        let mut places = Places::new();
        let half = MODULES_SIZE / 2 - 4 * PAGE_SIZE;
        let (a, b) = (take(&mut places, "a", half).unwrap(), take(&mut places, "b", half).unwrap());
        assert_eq!(take(&mut places, "c", half), Err(Errno::ENOMEM));
        places.give_back(a);
        assert_eq!(take(&mut places, "c", half), Ok(a));
        let place = places.find(a).unwrap();
        assert_eq!((place.name.as_str(), place.loaded), ("c", true));
        places.give_back(a);
        places.give_back(b);
        let many = (0..2 * MOST).map_while(|_| take(&mut places, "m", PAGE_SIZE).ok()).count();
        assert_eq!(many, MOST);
    }

    #[test]
    fn only_the_last_that_went_are_remembered() {
        let mut places = Places::new();
        let bases: [usize; REMEMBERED + 1] = core::array::from_fn(|_| {
            let base = take(&mut places, "m", PAGE_SIZE).unwrap();
            places.give_back(base);
            base
        });
        assert!(places.find(bases[0]).is_none());
        assert!(bases[1..].iter().all(|&base| places.find(base).is_some()));
    }

    #[test]
    fn code_is_printed_with_its_module() {
        let claim = Claim::new("printed", PAGE_SIZE).unwrap();
        let address = claim.base() + 16;
        assert_eq!(format!("{}", Code(address as u64)), format!("[<{address:016x}>]{{printed+0x10}}"));
        assert_eq!(format!("{}", Code(16)), "[<0000000000000010>]");
    }
}
