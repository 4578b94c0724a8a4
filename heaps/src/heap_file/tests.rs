//! The ALLOC ioctl, at its edges.

use std::vec;
use std::vec::Vec;

use zerocopy::FromBytes;

use super::*;
use crate::Discipline;
use crate::registry::Counts;
use crate::testing::{BASE, Fds, Machine, Memory, OpenFile, TestRegistry, fail_nth, registry, tee};
use crate::uapi::dma_heap::{HEAP_CACHEABLE, HEAP_MAPPABLE, HEAP_SUITS};
use crate::uapi::ioctl::NONE;

fn open() -> (&'static TestRegistry, OpenFile) {
    let registry = registry(Discipline::Lastref);
    core::mem::forget(registry.register(tee("heap", None).0).unwrap());
    (registry, Machine::here().open("heap").unwrap())
}

fn ioctl(file: &OpenFile, command: Command, memory: &Memory, fds: &Fds) -> Result<usize> {
    file.heap.ioctl(command, BASE, memory, &fds)
}

fn alloc(file: &OpenFile, data: AllocationData, fds: &Fds) -> Result<AllocationData> {
    let memory = Memory::of(data.as_bytes());
    ioctl(file, DMA_HEAP_IOCTL_ALLOC, &memory, fds)?;
    Ok(AllocationData::read_from_bytes(&memory.0.borrow()).unwrap())
}

#[test]
fn a_descriptor_comes_back() {
    let (registry, file) = open();
    let fds = Fds::new(2);
    let asked = AllocationData { len: 4097, fd: 0, fd_flags: O_CLOEXEC | 2, heap_flags: 0 };
    assert_eq!(alloc(&file, asked, &fds), Ok(AllocationData { fd: 0, ..asked }));
    assert_eq!(alloc(&file, asked, &fds), Ok(AllocationData { fd: 1, ..asked }));
    assert_eq!(registry.counts().buffer_bytes, 4 * 4096);
    assert_eq!(alloc(&file, asked, &fds), Err(Errno::EMFILE));
    assert_eq!(registry.counts().buffers, 2);
}

#[test]
fn nonsense_is_refused_before_anything_is_built() {
    let (registry, file) = open();
    let good = AllocationData { len: 4096, ..Default::default() };
    for bad in [
        AllocationData { len: 0, ..good },
        AllocationData { len: u64::MAX, ..good },
        AllocationData { len: u64::MAX - 4094, ..good },
        AllocationData { fd: 1, ..good },
        AllocationData { fd_flags: 4, ..good },
        AllocationData { heap_flags: 1, ..good },
    ] {
        assert_eq!(alloc(&file, bad, &Fds::new(1)), Err(Errno::EINVAL), "{bad:?}");
    }
    assert_eq!(alloc(&file, AllocationData { len: 1 << 62, ..good }, &Fds::new(1)), Err(Errno::ENOMEM));
    assert_eq!(registry.counts().buffers, 0);
}

#[test]
fn only_the_number_of_the_command_counts() {
    let (_, file) = open();
    let good = AllocationData { len: 4096, ..Default::default() };
    let both = READ | WRITE;
    let try_with = |command: Command, len: usize| {
        let fds = Fds::new(1);
        let mut bytes = good.as_bytes().to_vec();
        bytes.resize(len, 0xff);
        let memory = Memory::of(&bytes);
        let result = ioctl(&file, command, &memory, &fds);
        (result, fds.open.borrow().len())
    };
    // Another type; a shorter structure, zero-extended; a longer one, its tail ignored.
    assert_eq!(try_with(Command::new(both, b'x', 0, 24), 24), (Ok(0), 1));
    assert_eq!(try_with(Command::new(both, b'H', 0, 8), 8), (Ok(0), 1));
    assert_eq!(try_with(Command::new(both, b'H', 0, 40), 40), (Ok(0), 1));
    // A direction that copies nothing in leaves zeroes, and a length of zero is no length.
    assert_eq!(try_with(Command::new(READ, b'H', 0, 24), 24), (Err(Errno::EINVAL), 0));
    assert_eq!(try_with(Command::new(NONE, b'H', 0, 0), 24), (Err(Errno::EINVAL), 0));
    assert_eq!(try_with(Command::new(both, b'H', 1, 24), 24), (Err(Errno::EINVAL), 0));
}

#[test]
fn a_fault_leaves_nothing_behind() {
    let (registry, file) = open();
    let fds = Fds::new(4);
    assert_eq!(ioctl(&file, DMA_HEAP_IOCTL_ALLOC, &Memory::of(&[0; 23]), &fds), Err(Errno::EFAULT));

    /// Memory that can be read and not written.
    struct ReadOnly(Memory);
    impl UserMemory for ReadOnly {
        fn read_bytes(&self, addr: usize, into: &mut [u8]) -> Result<()> {
            self.0.read_bytes(addr, into)
        }
        fn write_bytes(&self, _addr: usize, _from: &[u8]) -> Result<()> {
            Err(Errno::EFAULT)
        }
    }
    let data = AllocationData { len: 1 << 21, ..Default::default() };
    let memory = ReadOnly(Memory::of(data.as_bytes()));
    assert_eq!(file.heap.ioctl(DMA_HEAP_IOCTL_ALLOC, BASE, &memory, &&fds), Err(Errno::EFAULT));
    assert_eq!((fds.open.borrow().len(), fds.reserved.get()), (0, 0));
    assert_eq!((registry.counts().buffers, Machine::here().frames_used()), (0, 0));
}

#[test]
fn running_out_of_memory_at_any_step_rolls_back() {
    for discipline in Discipline::ALL {
        Machine::fresh().enter();
        Machine::here().largest_order.store(0, core::sync::atomic::Ordering::Relaxed);
        let registry = registry(discipline);
        core::mem::forget(registry.register(tee("heap", None).0).unwrap());
        let file = Machine::here().open("heap").unwrap();
        let before = registry.counts();
        let data = AllocationData { len: 16 << 12, ..Default::default() };
        let mut failures: Vec<usize> = vec![];
        for n in 0.. {
            let (fds, memory) = (Fds::new(1), Memory::of(data.as_bytes()));
            let (result, refused) = fail_nth(n, || ioctl(&file, DMA_HEAP_IOCTL_ALLOC, &memory, &fds));
            if !refused {
                assert_eq!(result, Ok(0));
                break;
            }
            assert_eq!(result, Err(Errno::ENOMEM), "{discipline}");
            assert_eq!((registry.counts(), Machine::here().frames_used()), (before, 0));
            failures.push(n);
        }
        // The list of runs grows three times to hold sixteen.
        assert_eq!(failures, [0, 1, 2], "{discipline}");
        let one = AllocationData { len: 4096, ..data };
        let ((), refused) = fail_nth(0, || file.heap.allocate(&one).map(drop).unwrap());
        assert!(!refused, "{discipline} allocates for a buffer of a page");
        core::mem::forget(file);
        assert_eq!(registry.counts(), Counts { heaps: 1, minors: 1, ..Counts::default() });
    }
}

fn query(file: &OpenFile, bytes: &[u8]) -> Result<Query> {
    let memory = Memory::of(bytes);
    ioctl(file, DMA_HEAP_IOCTL_QUERY, &memory, &Fds::new(0))?;
    let mut out = memory.0.borrow().clone();
    out.resize(size_of::<Query>(), 0xaa);
    Ok(Query::read_from_bytes(&out).unwrap())
}

/// A query from a caller that knows `size` bytes of the structure and has `tail` behind.
fn sized(size: u32, tail: &[u8]) -> Vec<u8> {
    let asked = Query { size, ..Default::default() };
    let mut bytes = asked.as_bytes()[..(size as usize).min(size_of::<Query>())].to_vec();
    bytes.extend(tail);
    bytes
}

#[test]
fn a_query_is_answered_as_far_as_it_is_known() {
    let (_, file) = open();
    let all = query(&file, &sized(64, &[])).unwrap();
    assert_eq!(all.size, 64);
    assert_eq!(all.attributes, HEAP_CACHEABLE | HEAP_MAPPABLE | HEAP_SUITS);
    assert_eq!((all.address_min, all.size_align), (0x4000_0000, 4096));
    let short = query(&file, &sized(40, &[])).unwrap();
    assert_eq!((short.address_min, short.address_max), (all.address_min, 0xaaaa_aaaa_aaaa_aaaa));
    assert_eq!(query(&file, &sized(8, &[])).map(|answer| answer.size), Ok(64));
    assert_eq!(query(&file, &sized(72, &[0; 8])), Ok(all));
    assert_eq!(query(&file, &sized(72, &[0, 0, 0, 0, 0, 0, 0, 1])), Err(Errno::E2BIG));
    for size in [0, 7, 4097, u32::MAX] {
        assert_eq!(query(&file, &sized(size, &[0; 64])), Err(Errno::EINVAL), "{size}");
    }
    assert_eq!(query(&file, &sized(64, &[])[..60]), Err(Errno::EFAULT));
    assert_eq!(query(&file, &[]), Err(Errno::EFAULT));
    for bad in [Query { flags: 2, ..all }, Query { reserved: 1, ..all }] {
        assert_eq!(query(&file, bad.as_bytes()), Err(Errno::EINVAL), "{bad:?}");
    }
}

#[test]
fn a_heap_that_has_gone_answers_no_query() {
    let registry = registry(Discipline::Lastref);
    let registration = registry.register(tee("heap", None).0).unwrap();
    let file = Machine::here().open("heap").unwrap();
    registration.unregister().unwrap().free();
    assert_eq!(query(&file, &sized(64, &[])), Err(Errno::ENODEV));
}

#[test]
fn a_buffer_is_charged_for_until_it_is_gone() {
    let (_, file) = open();
    let (machine, fds) = (Machine::here(), Fds::new(2));
    let charged = || machine.charged.load(core::sync::atomic::Ordering::Relaxed);
    machine.quota.store(3 * 4096, core::sync::atomic::Ordering::Relaxed);
    let asked = AllocationData { len: 4097, ..Default::default() };
    assert!(alloc(&file, asked, &fds).is_ok());
    assert_eq!(charged(), 2 * 4096);
    assert_eq!(alloc(&file, asked, &fds), Err(Errno::EDQUOT));
    assert!(alloc(&file, AllocationData { len: 1, ..asked }, &fds).is_ok());
    // What fails after it was charged for is not.
    fds.open.borrow_mut()[1].take();
    assert_eq!(alloc(&file, AllocationData { len: 1, ..asked }, &Fds::new(0)), Err(Errno::EMFILE));
    assert_eq!(charged(), 2 * 4096);
    // The kernel itself has no share.
    let own = file.heap.allocate_buffer(1 << 20).unwrap();
    assert_eq!((charged(), own.size()), (2 * 4096, 1 << 20));
    drop((own, file, fds));
    assert_eq!(charged(), 0);
}
