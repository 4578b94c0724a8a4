//! Buffers that come from no heap.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::testing::{BASE, Fds, Machine, Memory, TestPlatform, registry};
use crate::uapi::dma_buf::DMA_BUF_IOCTL_SYNC;
use crate::{Discipline, Errno, PhysAddr, Run};

/// Counts its pages, and lets the CPU at them once.
struct Once(Arc<AtomicUsize>);

impl Exporter for Once {
    fn name(&self) -> &str {
        "once"
    }

    fn release(&self, table: SgTable) {
        self.0.fetch_sub(table.pages(), Ordering::Relaxed);
    }

    fn end_cpu_access(&self) -> Result<()> {
        Err(Errno::EINVAL)
    }
}

/// Has pages that are charged for.
struct Charged;

impl Exporter for Charged {
    fn name(&self) -> &str {
        "charged"
    }

    fn release(&self, _: SgTable) {}

    fn is_charged(&self) -> bool {
        true
    }
}

fn three_pages() -> SgTable {
    let mut table = SgTable::new();
    table.push(Run::new(PhysAddr::from_pfn(7), 3).unwrap()).unwrap();
    table
}

fn export(held: &Arc<AtomicUsize>) -> Result<DmaBuf<TestPlatform>> {
    let table = three_pages();
    held.fetch_add(3, Ordering::Relaxed);
    DmaBuf::export(registry(Discipline::Lastref), Box::new(Once(held.clone())), table)
}

#[test]
fn the_exporter_is_asked_and_gets_its_pages_back() {
    let held = Arc::default();
    let buffer = export(&held).unwrap();
    let sync =
        |flags: u64| buffer.ioctl(DMA_BUF_IOCTL_SYNC, BASE, &Memory::of(&flags.to_le_bytes()), &&Fds::new(0));
    assert_eq!((sync(3), sync(7)), (Ok(0), Err(Errno::EINVAL)));
    assert_eq!((buffer.size(), held.load(Ordering::Relaxed)), (3 * 4096, 3));
    assert_eq!(Machine::here().charged.load(Ordering::Relaxed), 3 * 4096);
    drop(buffer);
    assert_eq!((held.load(Ordering::Relaxed), Machine::here().charged.load(Ordering::Relaxed)), (0, 0));
}

#[test]
fn what_is_not_charged_for_is_released_at_once() {
    let held = Arc::default();
    Machine::here().quota.store(4096, Ordering::Relaxed);
    assert_eq!(export(&held).map(drop), Err(Errno::EDQUOT));
    assert_eq!(held.load(Ordering::Relaxed), 0);
}

#[test]
fn pages_are_charged_for_once() {
    Machine::here().quota.store(4096, Ordering::Relaxed);
    let buffer =
        DmaBuf::<TestPlatform>::export(registry(Discipline::Lastref), Box::new(Charged), three_pages());
    assert_eq!(buffer.map(|buffer| buffer.size()), Ok(3 * 4096));
    assert_eq!(Machine::here().charged.load(Ordering::Relaxed), 0);
}
