//! In-kernel tests in KTAP (`lastref.ktap`): what only the machine itself can show. The machine ends with 0 when all
//! passed, 1 otherwise.

use alloc::boxed::Box;
use alloc::vec::Vec;

use heaps::PAGE_SIZE;

use super::print::print;
use super::report::{self, Kind};
use crate::arch::{self, PageTable, detector};
use crate::mm::{MemKind, Prot, frames, object};
use crate::sync::{IrqLock, SpinLock, order};

type Test = (&'static str, fn() -> bool);

const TESTS: &[Test] = &[
    ("accesses past an object's end are refused", ends_are_exact),
    ("objects can be accessed until they are freed", objects_are_guarded),
    ("freed memory waits before it serves again", freed_memory_waits),
    ("objects are counted", objects_are_counted),
    ("a double free is reported", double_free_is_reported),
    ("objects of every size come and go without loss", objects_come_and_go),
    ("an allocation that cannot be had fails", hopeless_allocation_fails),
    ("frames come back", frames_come_back),
    ("frames are zeroed", frames_are_zeroed),
    ("text is not writable, and seen only where it belongs", text_is_protected),
    ("page tables map, protect and unmap", page_tables_work),
    ("a block is split at its edges", blocks_split),
    ("a lock inversion is reported", inversion_is_reported),
    ("all CPUs are up", all_cpus_are_up),
];

/// Runs them all and ends the machine.
pub fn run() -> ! {
    print!("KTAP version 1");
    print!("1..{}", TESTS.len());
    let mut failed = 0;
    for (n, (name, test)) in TESTS.iter().enumerate() {
        let passed = test();
        failed += usize::from(!passed);
        print!("{} {} {name}", if passed { "ok" } else { "not ok" }, n + 1);
    }
    arch::power_off(u32::from(failed > 0))
}

fn ends_are_exact() -> bool {
    let objects = [Box::new([0u64; 4]), Box::new([0u64; 4])];
    let ends = objects.each_ref().map(|object| (&raw const **object).cast::<u8>().wrapping_add(32));
    ends.into_iter().all(|end| detector::allows(end.wrapping_sub(1)) && !detector::allows(end))
}

fn objects_are_guarded() -> bool {
    let object = Box::new([0u64; 4]);
    let at: *const u8 = (&raw const *object).cast();
    let live = detector::allows(at);
    drop(object);
    live && !detector::allows(at)
}

fn freed_memory_waits() -> bool {
    let address = || {
        let object = Box::new([0u64; 4]);
        (&raw const *object).addr() << 8 // without what a detector keeps in the highest byte
    };
    let first = address();
    // More than could be free of that size by now: those serve first.
    (0..1000).all(|_| address() != first)
}

fn objects_are_counted() -> bool {
    let (objects, bytes) = object::live();
    let one = core::hint::black_box(Box::new([0u64; 4]));
    let more = object::live();
    drop(one);
    more == (objects + 1, bytes + 32) && object::live() == (objects, bytes)
}

fn double_free_is_reported() -> bool {
    let before = reports_of(Kind::InvalidFree);
    object::canary::free_twice();
    reports_of(Kind::InvalidFree) == before + 1
}

fn objects_come_and_go() -> bool {
    let before = object::live();
    for round in 0..3 {
        let all: Vec<Vec<u8>> = (0..200).map(|n| alloc::vec![round as u8; 1 + n * 37]).collect();
        if !all.iter().all(|bytes| bytes.iter().all(|&b| b == round as u8)) {
            return false;
        }
    }
    object::drain();
    object::live() == before
}

fn hopeless_allocation_fails() -> bool {
    Vec::<u8>::new().try_reserve_exact(1 << 40).is_err() && frames::alloc_order(19).is_err()
}

fn frames_come_back() -> bool {
    let before = frames::free_count();
    let some: Vec<_> = (0..500).map_while(|_| frames::alloc().ok()).collect();
    let run = frames::alloc_order(8);
    let taken = before - frames::free_count();
    if let Ok(start) = run {
        frames::free_order(start, 8);
    }
    drop(some);
    taken == 756 && frames::free_count() == before
}

fn frames_are_zeroed() -> bool {
    let Ok(frame) = frames::alloc() else { return false };
    frames::write(frame.addr(), 0, &[0xff; PAGE_SIZE]);
    frames::zero(frame.addr(), 1);
    let mut back = [1; 64];
    (0..PAGE_SIZE / 64).all(|n| {
        frames::read(frame.addr(), n * 64, &mut back);
        back == [0; 64]
    })
}

fn text_is_protected() -> bool {
    let text = text_is_protected as *const () as usize;
    let loaded = arch::mmu::image_to_phys(text);
    let alias = arch::layout::linear(loaded).addr();
    let read_only = |va| arch::mmu::reaches(va, false) && !arch::mmu::reaches(va, true);
    read_only(text) && read_only(alias) && !arch::mmu::reaches(loaded.get() as usize, false)
}

fn page_tables_work() -> bool {
    let before = frames::free_count();
    let outcome = || -> heaps::Result<bool> {
        let mut table = PageTable::new()?;
        let frame = frames::alloc()?;
        let va = 0x7000_0000_1000;
        table.map(va, frame.addr(), 1, Prot::READ | Prot::WRITE, MemKind::Normal)?;
        let mapped = table.lookup(va) == Some((frame.addr(), Prot::READ | Prot::WRITE));
        table.protect(va, 1, Prot::READ)?;
        let protected = table.lookup(va) == Some((frame.addr(), Prot::READ));
        let mut gone = Vec::new();
        table.unmap(va, 1, &mut |va, pa, pages| gone.push((va, pa, pages)))?;
        Ok(mapped && protected && gone == [(va, frame.addr(), 1)] && table.lookup(va).is_none())
    };
    outcome() == Ok(true) && frames::free_count() == before
}

fn blocks_split() -> bool {
    let outcome = || -> heaps::Result<bool> {
        let mut table = PageTable::new()?;
        let block = frames::alloc_order(9)?;
        let va = 0x4000_0000;
        table.map(va, block, 512, Prot::READ, MemKind::Normal)?;
        let mut gone = 0;
        table.unmap(va + 4096 * 3, 5, &mut |_, _, pages| gone += pages)?;
        let below = table.lookup(va + 4096 * 2) == Some((block.add_pages(2), Prot::READ));
        let above = table.lookup(va + 4096 * 8) == Some((block.add_pages(8), Prot::READ));
        let hole = table.lookup(va + 4096 * 5).is_none();
        table.unmap(va, 512, &mut |_, _, pages| gone += pages)?;
        frames::free_order(block, 9);
        Ok(gone == 512 && below && above && hole)
    };
    outcome() == Ok(true)
}

fn inversion_is_reported() -> bool {
    static OUTER: SpinLock<(), { order::FUTEX }> = SpinLock::new(());
    static INNER: IrqLock<(), { order::RUN_QUEUE }> = IrqLock::new(());
    let before = reports_of(Kind::LockOrder);
    {
        let _outer = OUTER.lock();
        let _inner = INNER.lock();
    }
    let right = reports_of(Kind::LockOrder);
    {
        let _inner = INNER.lock();
        let _outer = OUTER.lock();
    }
    right == before && reports_of(Kind::LockOrder) == before + 1
}

fn all_cpus_are_up() -> bool {
    let deadline = arch::now_ns() + 2_000_000_000;
    while arch::percpu::online().count() < arch::smp::expected() {
        if arch::now_ns() > deadline {
            return false;
        }
        core::hint::spin_loop();
    }
    true
}

fn reports_of(kind: Kind) -> usize {
    let mut count = 0;
    report::each(|_, report| count += usize::from(report.kind == kind));
    count
}
