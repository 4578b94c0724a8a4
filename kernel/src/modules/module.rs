//! One module: its name, how many hold it, and whether it can still be held. Models `struct module`.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};

use heaps::Platform;

use crate::drivers::dma_heap::Kernel;

/// References held on all modules together, for the leak oracle.
static REFERENCES: AtomicUsize = AtomicUsize::new(0);

/// How many references are held on modules.
pub fn references() -> usize {
    REFERENCES.load(Ordering::Relaxed)
}

/// Where a module is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Its init runs.
    Coming,
    /// It is in use.
    Live,
    /// Its exit runs.
    Going,
}

struct Inner {
    name: Box<str>,
    state: AtomicU8,
    /// One for being loaded, and one for each reference; from 0 none can be taken (Linux: `MODULE_REF_BASE`).
    refs: AtomicU32,
}

/// A handle on a module. It does not keep it loaded; a [`ModuleRef`] does.
#[derive(Clone)]
pub struct Module(Arc<Inner>);

/// A reference: the module stays loaded until it is dropped.
pub type ModuleRef = heaps::platform::ModuleRef<Module>;

impl Module {
    /// A module about to be initialised.
    pub fn new(name: &str) -> Module {
        let (state, refs) = (AtomicU8::new(State::Coming as u8), AtomicU32::new(1));
        Module(Arc::new(Inner { name: name.into(), state, refs }))
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Where it is in its life.
    pub fn state(&self) -> State {
        match self.0.state.load(Ordering::Relaxed) {
            0 => State::Coming,
            1 => State::Live,
            _ => State::Going,
        }
    }

    pub(super) fn set_state(&self, state: State) {
        self.0.state.store(state as u8, Ordering::Relaxed);
    }

    /// How many hold it.
    pub fn refcount(&self) -> u32 {
        self.0.refs.load(Ordering::Relaxed).saturating_sub(1)
    }

    /// What its references are known by in the history of references.
    pub(super) fn count(&self) -> *const u8 {
        core::ptr::from_ref(&self.0.refs).cast()
    }

    /// Lets nobody take a reference any more; fails, and changes nothing, when somebody has one, unless forced.
    #[must_use]
    pub(crate) fn stop(&self, force: bool) -> bool {
        let stop = |n| if n <= 1 { Some(0) } else { force.then_some(n - 1) };
        let stopped = self.0.refs.fetch_update(Ordering::AcqRel, Ordering::Relaxed, stop).is_ok();
        if stopped {
            self.set_state(State::Going);
        }
        stopped
    }

    /// Takes [`stop`](Self::stop) back.
    pub(super) fn restart(&self) {
        self.0.refs.fetch_add(1, Ordering::Release);
        self.set_state(State::Live);
    }
}

impl heaps::Module for Module {
    fn try_get(&self) -> bool {
        let going = self.state() == State::Going;
        let get = |n: u32| if n == 0 || going { None } else { n.checked_add(1) };
        let got = self.0.refs.fetch_update(Ordering::Acquire, Ordering::Relaxed, get).is_ok();
        if got {
            Kernel::counted(self.count(), true);
            REFERENCES.fetch_add(1, Ordering::Relaxed);
        }
        got
    }

    fn put(&self) {
        Kernel::counted(self.count(), false);
        self.0.refs.fetch_sub(1, Ordering::Release);
        REFERENCES.fetch_sub(1, Ordering::Relaxed);
    }
}
