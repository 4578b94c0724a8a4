//! Modules and providers for tests, which say what became of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::{Data, TestPlatform};
use crate::Result;
use crate::exporter::SystemHeap;
use crate::platform::Module;
use crate::provider::{HeapOps, ProviderData};
use crate::sg::SgTable;

/// A TEE-like provider of the heap `name`.
pub(crate) fn tee(name: &str, module: Option<&TestModule>) -> (Data, Arc<TeeState>) {
    let (ops, state) = Tee::new();
    (ProviderData::new(name, ops, module.cloned()).unwrap(), state)
}

/// A module with a count.
#[derive(Clone, Default)]
pub(crate) struct TestModule(Arc<(AtomicUsize, AtomicBool)>);

impl TestModule {
    pub(crate) fn references(&self) -> usize {
        self.0.0.load(Ordering::Relaxed)
    }

    /// What `delete_module` does first.
    pub(crate) fn going(&self) {
        self.0.1.store(true, Ordering::Relaxed);
    }
}

impl Module for TestModule {
    fn try_get(&self) -> bool {
        let live = !self.0.1.load(Ordering::Relaxed);
        if live {
            self.0.0.fetch_add(1, Ordering::Relaxed);
        }
        live
    }

    fn put(&self) {
        assert_ne!(self.0.0.fetch_sub(1, Ordering::Relaxed), 0);
    }
}

/// A provider with private data: it tells when that is dropped, and can be made to sleep in `allocate`.
pub(crate) struct Tee {
    system: SystemHeap<TestPlatform>,
    pub state: Arc<TeeState>,
}

#[derive(Default)]
pub(crate) struct TeeState {
    /// While set, `allocate` waits.
    pub stall: AtomicBool,
    pub in_flight: AtomicUsize,
    pub freed: AtomicBool,
}

impl Tee {
    pub(crate) fn new() -> (Tee, Arc<TeeState>) {
        let state = Arc::new(TeeState::default());
        (Tee { system: SystemHeap::new(), state: state.clone() }, state)
    }
}

impl HeapOps for Tee {
    fn kind(&self) -> &'static str {
        "tee heap"
    }

    fn allocate(&self, len: usize, flags: u64) -> Result<SgTable> {
        self.state.in_flight.fetch_add(1, Ordering::SeqCst);
        while self.state.stall.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let table = self.system.allocate(len, flags);
        assert!(!self.state.freed.load(Ordering::SeqCst), "private data freed under a call");
        self.state.in_flight.fetch_sub(1, Ordering::SeqCst);
        table
    }

    fn release(&self, table: SgTable) {
        assert!(!self.state.freed.load(Ordering::SeqCst), "private data freed under a buffer");
        self.system.release(table);
    }
}

impl Drop for Tee {
    fn drop(&mut self) {
        self.state.freed.store(true, Ordering::SeqCst);
    }
}
