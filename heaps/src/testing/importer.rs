//! A device that uses buffers, and writes down what it is asked.

use std::string::String;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::vec::Vec;

use super::suspend;
use crate::dma_buf::{Direction, DmaRun, DmaTable, Importer};
use crate::{Errno, Result, SgTable};

/// Where its bus has memory, further on than the CPU.
pub(crate) const BUS_OFFSET: u64 = 1 << 40;

/// What it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Map(Direction),
    Unmap(Direction),
    ForCpu(Direction),
    ForDevice(Direction),
    Invalidate,
}

#[derive(Default)]
pub(crate) struct TestDevice {
    pub name: String,
    pub dynamic: bool,
    /// Makes `map` fail.
    pub full: AtomicBool,
    pub asked: Mutex<Vec<Asked>>,
}

impl TestDevice {
    pub(crate) fn new(name: &str, dynamic: bool) -> Arc<TestDevice> {
        Arc::new(TestDevice { name: name.into(), dynamic, ..Default::default() })
    }

    fn note(&self, asked: Asked) {
        let _own = suspend();
        self.asked.lock().unwrap().push(asked);
    }

    /// What it was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        core::mem::take(&mut self.asked.lock().unwrap())
    }

    /// How many of its mappings there are now.
    pub(crate) fn mapped(&self) -> isize {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .map(|asked| matches!(asked, Asked::Map(_)) as isize - matches!(asked, Asked::Unmap(_)) as isize)
            .sum()
    }
}

impl Importer for TestDevice {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_dynamic(&self) -> bool {
        self.dynamic
    }

    fn map(&self, pages: &SgTable, direction: Direction) -> Result<DmaTable> {
        if self.full.load(Ordering::Relaxed) {
            return Err(Errno::EIO);
        }
        let mut table = DmaTable::new();
        for run in pages.runs() {
            table.push(DmaRun { address: run.start().get() + BUS_OFFSET, len: run.len() })?;
        }
        self.note(Asked::Map(direction));
        Ok(table)
    }

    fn unmap(&self, table: &DmaTable, direction: Direction) {
        assert!(table.runs().iter().all(|run| run.address >= BUS_OFFSET));
        self.note(Asked::Unmap(direction));
    }

    fn sync_for_cpu(&self, _: &DmaTable, direction: Direction) {
        self.note(Asked::ForCpu(direction));
    }

    fn sync_for_device(&self, _: &DmaTable, direction: Direction) {
        self.note(Asked::ForDevice(direction));
    }

    fn invalidate(&self) {
        self.note(Asked::Invalidate);
    }
}
