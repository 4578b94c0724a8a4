//! The minor numbers and the list of heaps, behind the list lock.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{NUM_HEAP_MINORS, Registry};
use crate::discipline::counted::HeapPtr;
use crate::discipline::lastref::Shell;
use crate::fallible::{try_push, try_str};
use crate::kref::Ref;
use crate::platform::Platform;
use crate::provider::Provider;
use crate::{Errno, Result};

/// What the list lock protects.
pub(crate) struct Tables<P: Platform> {
    /// A bit for each minor in use.
    minors: u128,
    /// The counted heap with this minor, which open looks up (Linux: `dma_heap_minors`).
    by_minor: [Option<HeapPtr<P>>; NUM_HEAP_MINORS],
    /// The list of heaps, by their minors (Linux: `heap_list`).
    list: [Option<Listed<P>>; NUM_HEAP_MINORS],
}

/// A heap on the list, as a way to its name.
pub(crate) enum Listed<P: Platform> {
    /// A counted heap, whose name is wherever its provider keeps it.
    Counted(HeapPtr<P>),
    /// A claimed name.
    Named {
        /// The provider, kept for its name.
        provider: Ref<Provider<P>>,
        /// The shell it leads to, once that is published.
        shell: Option<Ref<Shell<P>>>,
    },
}

const _: () = assert!(NUM_HEAP_MINORS == u128::BITS as usize);

impl<P: Platform> Tables<P> {
    pub(crate) const fn new() -> Tables<P> {
        Tables {
            minors: 0,
            by_minor: [const { None }; NUM_HEAP_MINORS],
            list: [const { None }; NUM_HEAP_MINORS],
        }
    }

    /// How many minors are in use.
    pub(crate) fn minors_used(&self) -> usize {
        self.minors.count_ones() as usize
    }

    /// Takes the lowest free minor; `EBUSY` when there is none.
    pub(crate) fn take_minor(&mut self) -> Result<usize> {
        let minor = self.minors.trailing_ones() as usize;
        if minor == NUM_HEAP_MINORS {
            return Err(Errno::EBUSY);
        }
        self.minors |= 1 << minor;
        Ok(minor)
    }

    /// Frees a minor, and whatever open would have found there.
    pub(crate) fn free_minor(&mut self, minor: usize) {
        self.by_minor[minor] = None;
        self.minors &= !(1 << minor);
    }

    /// Lets open find a counted heap.
    pub(crate) fn set_heap(&mut self, minor: usize, heap: HeapPtr<P>) {
        self.by_minor[minor] = Some(heap);
    }

    /// The counted heap with this minor.
    pub(crate) fn heap(&self, minor: usize) -> Option<HeapPtr<P>> {
        *self.by_minor.get(minor)?
    }

    /// Whether a heap on the list has this name.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        self.list.iter().flatten().any(|heap| match heap {
            Listed::Counted(heap) => heap.is_named(name),
            Listed::Named { provider, .. } => provider.name() == name,
        })
    }

    /// The counted heaps on the list.
    pub(crate) fn counted(&self) -> impl Iterator<Item = HeapPtr<P>> {
        self.list.iter().flatten().filter_map(|heap| match heap {
            Listed::Counted(heap) => Some(*heap),
            Listed::Named { .. } => None,
        })
    }

    /// The published shells, with their names.
    pub(crate) fn shells(&self) -> impl Iterator<Item = (&str, &Ref<Shell<P>>)> {
        self.list.iter().flatten().filter_map(|heap| match heap {
            Listed::Named { provider, shell: Some(shell) } => Some((provider.name(), shell)),
            _ => None,
        })
    }

    /// Copies of the names of all that are published. `ENOMEM`.
    pub(crate) fn names(&self) -> Result<Vec<Box<str>>> {
        let mut names = Vec::new();
        for heap in self.list.iter().flatten() {
            match heap {
                Listed::Counted(heap) => try_push(&mut names, heap.copy_name()?)?,
                Listed::Named { provider, shell: Some(_) } => {
                    try_push(&mut names, try_str(provider.name())?)?
                }
                Listed::Named { .. } => {}
            }
        }
        Ok(names)
    }

    /// Puts a heap on the list, and says where; `EBUSY` when there is no room.
    pub(crate) fn add(&mut self, heap: Listed<P>) -> Result<usize> {
        let place = self.list.iter().position(Option::is_none).ok_or(Errno::EBUSY)?;
        self.list[place] = Some(heap);
        Ok(place)
    }

    /// Takes a counted heap off the list.
    pub(crate) fn remove_heap(&mut self, heap: HeapPtr<P>) {
        for place in &mut self.list {
            if matches!(place, Some(Listed::Counted(listed)) if *listed == heap) {
                *place = None;
            }
        }
    }

    /// Claims a minor, and a name for a provider, together. `EEXIST` when the name is taken, `EBUSY` when every
    /// minor is.
    pub(crate) fn claim(
        &mut self,
        registry: &'static Registry<P>,
        provider: &Ref<Provider<P>>,
    ) -> Result<(MinorClaim<P>, NameClaim<P>)> {
        if self.has_name(provider.name()) {
            return Err(Errno::EEXIST);
        }
        if self.minors_used() == NUM_HEAP_MINORS {
            return Err(Errno::EBUSY);
        }
        let place = self.add(Listed::Named { provider: provider.clone(), shell: None })?;
        let number = self.take_minor()?;
        Ok((MinorClaim { registry, number }, NameClaim { registry, place }))
    }
}

/// A minor in use, until this is dropped.
pub(crate) struct MinorClaim<P: Platform> {
    registry: &'static Registry<P>,
    number: usize,
}

impl<P: Platform> MinorClaim<P> {
    pub(crate) fn number(&self) -> usize {
        self.number
    }
}

impl<P: Platform> Drop for MinorClaim<P> {
    fn drop(&mut self) {
        self.registry.free_minor(self.number);
    }
}

/// A name on the list, until this is dropped.
pub(crate) struct NameClaim<P: Platform> {
    registry: &'static Registry<P>,
    place: usize,
}

impl<P: Platform> NameClaim<P> {
    /// Lets whoever looks the name up find `shell`.
    pub(crate) fn lead_to(&self, shell: &Ref<Shell<P>>) {
        if let Some(Listed::Named { shell: place, .. }) = &mut self.registry.tables().list[self.place] {
            *place = Some(shell.clone());
        }
    }
}

impl<P: Platform> Drop for NameClaim<P> {
    /// Provider and shell may end with the name, but not under the lock.
    fn drop(&mut self) {
        let listed = self.registry.tables().list[self.place].take();
        drop(listed);
    }
}
