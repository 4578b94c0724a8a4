//! Address spaces on a host that fakes page tables and frames.

use alloc::sync::Arc;

use core::sync::atomic::{AtomicUsize, Ordering};

use heaps::{Errno, PAGE_SIZE, PhysAddr, Result};
use proptest::prelude::*;

use super::mappers::{FilePages, Mapped};
use super::*;
use crate::mm::vma::{Backing, MapSource, Origin, VmFlags, Vma};
use crate::mm::{Prot, frames};

const PAGE: u64 = PAGE_SIZE as u64;
const RW: Prot = Prot::READ.union(Prot::WRITE);

fn anon(addr: u64, pages: u64, flags: MapFlags) -> MapRequest {
    MapRequest {
        addr,
        len: pages * PAGE,
        prot: RW,
        max_prot: Prot::all(),
        flags: flags | MapFlags::ANONYMOUS,
        backing: None,
    }
}

fn private(mm: &AddressSpace, pages: u64) -> u64 {
    mm.map(anon(0, pages, MapFlags::PRIVATE)).unwrap()
}

fn peek(mm: &AddressSpace, addr: u64) -> u8 {
    let mut byte = [0];
    mm.read(addr, &mut byte).unwrap();
    byte[0]
}

/// From this page on a source cannot be mapped.
const NOWHERE: u64 = 1 << 40;

/// A file of 3 and a half pages, also as fixed memory; counts its references.
struct Source(Arc<AtomicUsize>);

impl Source {
    fn backing(live: &Arc<AtomicUsize>) -> Arc<dyn MapSource> {
        live.fetch_add(1, Ordering::Relaxed);
        Arc::new(Source(live.clone()))
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        assert_eq!(crate::arch::held_locks(), 0, "released under a lock");
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl MapSource for Source {
    fn origin(&self) -> Result<Origin> {
        Ok(Origin { dev: 0x12, ino: 34, name: b"/a\nfile".to_vec() })
    }

    fn pages(&self) -> Option<&dyn FilePages> {
        None
    }

    fn read_content(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let size = 3 * PAGE + PAGE / 2;
        let len = into.len().min(size.saturating_sub(offset) as usize);
        into[..len].fill(1 + (offset / PAGE) as u8);
        Ok(len)
    }

    fn runs(
        &self,
        first: u64,
        pages: u64,
        each: &mut dyn FnMut(PhysAddr, usize) -> Result<()>,
    ) -> Result<()> {
        if first == NOWHERE {
            return Err(Errno::ENOMEM);
        }
        // One MiB, and all else elsewhere, where blocks begin.
        let frame = |i| if i < 256 { 0x90000 + i } else { 0xa0000 + (i - 256) };
        (first..first + pages).try_for_each(|i| each(PhysAddr::from_pfn(frame(i)), 1))
    }
}

#[test]
fn memory_is_zero_then_what_was_written_then_gone() {
    let before = frames::free_count();
    let mm = AddressSpace::new().unwrap();
    let at = private(&mm, 4);
    assert_eq!(frames::free_count(), before, "no page before the first touch");
    assert_eq!(peek(&mm, at + PAGE), 0);
    mm.write(at + PAGE - 1, &[7, 8]).unwrap();
    assert_eq!((peek(&mm, at + PAGE - 1), peek(&mm, at + PAGE)), (7, 8));
    mm.unmap(at, PAGE).unwrap();
    assert_eq!(mm.fault(at, Access::Read), Err(FaultError::Unmapped));
    assert_eq!(peek(&mm, at + PAGE), 8);
    drop(mm);
    assert_eq!(frames::free_count(), before);
}

#[test]
fn fork_copies_on_write_in_both_directions() {
    let before = frames::free_count();
    let mm = AddressSpace::new().unwrap();
    let at = private(&mm, 2);
    let shared = mm.map(anon(0, 1, MapFlags::SHARED)).unwrap();
    mm.write(at, &[1]).unwrap();
    mm.write(shared, &[1]).unwrap();
    let child = mm.fork().unwrap();
    mm.write(at, &[2]).unwrap();
    assert_eq!(peek(&child, at), 1);
    child.write(at + PAGE, &[3]).unwrap();
    assert_eq!(peek(&mm, at + PAGE), 0);
    child.write(shared, &[9]).unwrap();
    assert_eq!(peek(&mm, shared), 9);
    drop(mm);
    let used = before - frames::free_count();
    child.write(at, &[4]).unwrap();
    assert_eq!(before - frames::free_count(), used, "the last owner writes in place");
    drop(child);
    assert_eq!(frames::free_count(), before);
}

#[test]
fn errors_are_those_of_mmap() {
    let mm = AddressSpace::new().unwrap();
    let map = |addr, len, flags| mm.map(MapRequest { len, ..anon(addr, 1, flags | MapFlags::PRIVATE) });
    assert_eq!(map(0, 0, MapFlags::empty()), Err(Errno::EINVAL));
    assert_eq!(map(0, u64::MAX, MapFlags::empty()), Err(Errno::ENOMEM));
    assert_eq!(map(0, USER_END, MapFlags::NORESERVE), Err(Errno::ENOMEM));
    assert_eq!(map(1, PAGE, MapFlags::FIXED), Err(Errno::EINVAL));
    assert_eq!(map(0, PAGE, MapFlags::FIXED), Err(Errno::EPERM));
    assert_eq!(map(USER_END, PAGE, MapFlags::FIXED), Err(Errno::ENOMEM));
    let at = map(0x40_0000, 2 * PAGE, MapFlags::empty()).unwrap();
    assert_eq!(at, 0x40_0000);
    assert_eq!(map(at + PAGE, PAGE, MapFlags::FIXED_NOREPLACE), Err(Errno::EEXIST));
    assert_ne!(map(at, PAGE, MapFlags::empty()).unwrap(), at, "a hint that is taken");
    assert_eq!(map(0, 1 << 40, MapFlags::empty()), Err(Errno::ENOMEM), "more than there is");
    assert_eq!(mm.unmap(at + 1, PAGE), Err(Errno::EINVAL));
    assert_eq!(mm.unmap(at, 0), Err(Errno::EINVAL));
    assert_eq!(mm.unmap(USER_END - PAGE, 2 * PAGE), Err(Errno::EINVAL));
    assert_eq!(mm.unmap(0x1000_0000, PAGE), Ok(()));
}

#[test]
fn protection_follows_and_contents_survive() {
    let mm = AddressSpace::new().unwrap();
    let at = private(&mm, 3);
    mm.write(at + PAGE, &[5]).unwrap();
    mm.protect(at + PAGE, PAGE, Prot::empty()).unwrap();
    assert_eq!(mm.fault(at + PAGE, Access::Read), Err(FaultError::Denied));
    assert_eq!(mm.lock().areas.len(), 3);
    mm.protect(at + PAGE, PAGE, Prot::READ).unwrap();
    assert_eq!(mm.fault(at + PAGE, Access::Write), Err(FaultError::Denied));
    assert_eq!(peek(&mm, at + PAGE), 5);
    mm.protect(at, 3 * PAGE, RW).unwrap();
    assert_eq!(mm.lock().areas.len(), 1, "equal neighbours are one area again");
    mm.write(at + PAGE, &[6]).unwrap();
    assert_eq!(mm.protect(at, 4 * PAGE, RW), Err(Errno::ENOMEM));
    mm.discard(at, 3 * PAGE, false).unwrap();
    assert_eq!(peek(&mm, at + PAGE), 0);
}

#[test]
fn file_content_is_copied_and_its_end_is_respected() {
    let live = Arc::new(AtomicUsize::new(0));
    let mm = AddressSpace::new().unwrap();
    let file = Mapped::new(Source::backing(&live), &mm.space(), false).unwrap();
    let backing = Backing::Content { file, offset: 0, len: None };
    let at = mm.map(MapRequest { backing: Some(backing), ..anon(0, 5, MapFlags::PRIVATE) }).unwrap();
    assert_eq!((peek(&mm, at), peek(&mm, at + PAGE)), (1, 2));
    assert_eq!((peek(&mm, at + 3 * PAGE), peek(&mm, at + 4 * PAGE - 1)), (4, 0));
    assert_eq!(mm.fault(at + 4 * PAGE, Access::Read), Err(FaultError::NoPage));
    mm.write(at, &[9]).unwrap();
    mm.unmap(at + PAGE, PAGE).unwrap();
    assert_eq!(peek(&mm, at + 2 * PAGE), 3, "the part behind a hole keeps its offset");
    assert_eq!(live.load(Ordering::Relaxed), 1);
    mm.unmap(at, 5 * PAGE).unwrap();
    assert_eq!(live.load(Ordering::Relaxed), 0);
}

#[test]
fn fixed_memory_goes_where_blocks_can_map_most_of_it() {
    let live = Arc::new(AtomicUsize::new(0));
    let mm = AddressSpace::new().unwrap();
    let map = |pages, first| {
        let backing = Backing::Runs { source: Source::backing(&live), first };
        mm.map(MapRequest { backing: Some(backing), ..anon(0, pages, MapFlags::SHARED) }).unwrap()
    };
    let block = arch::BLOCK_SIZE as u64;
    assert_eq!((map(4096, 0) + (1 << 20)) % block, 0, "the long run's start counts");
    assert_eq!(map(4096, 256) % block, 0);
    assert_eq!(map(512, 255) % block, block - PAGE);
}

#[test]
fn who_maps_a_frame_is_found_while_he_does() {
    let live = Arc::new(AtomicUsize::new(0));
    let mm = AddressSpace::new().unwrap();
    // Frames that no other test maps.
    let backing = Backing::Runs { source: Source::backing(&live), first: 9000 };
    let at = mm.map(MapRequest { backing: Some(backing), ..anon(0, 4, MapFlags::SHARED) }).unwrap();
    let second = PhysAddr::from_pfn(0xa0000 + 9001 - 256);
    let mapping = || spaces::find_mapping(&|start, _| (start == second).then_some(start));
    let found = || mapping().map(|mapping| (mapping.at, mapping.what));
    assert_eq!(found(), Some((at + PAGE, second)));
    assert!(mapping().is_some_and(|mapping| mapping.space.ptr_eq(&mm.space())));
    let child = mm.fork().unwrap();
    drop(mm);
    assert!(found().is_some(), "the child maps it still");
    child.unmap(at + PAGE, PAGE).unwrap();
    assert_eq!(found(), None);
}

#[test]
fn fixed_memory_is_mapped_whole_inherited_and_moved() {
    let live = Arc::new(AtomicUsize::new(0));
    let mm = AddressSpace::new().unwrap();
    let backing = Backing::Runs { source: Source::backing(&live), first: 2 };
    let at = mm.map(MapRequest { backing: Some(backing), ..anon(0, 4, MapFlags::SHARED) }).unwrap();
    let frame = |mm: &AddressSpace, va| mm.lock().table.lookup(va).map(|(pa, _)| pa.pfn());
    assert_eq!(frame(&mm, at + PAGE), Some(0x90003));
    let child = mm.fork().unwrap();
    mm.unmap(at, PAGE).unwrap();
    assert_eq!(frame(&child, at), Some(0x90002));
    assert_eq!(mm.discard(at + PAGE, PAGE, false), Err(Errno::EINVAL));
    assert_eq!(mm.remap(at + PAGE, PAGE, 2 * PAGE, remap::MAYMOVE, 0), Err(Errno::EFAULT));
    let to = mm.remap(at + 2 * PAGE, PAGE, PAGE, 3, 0x50_0000).unwrap();
    assert_eq!((frame(&mm, to), frame(&mm, at + 2 * PAGE)), (Some(0x90004), None));
    drop(mm);
    assert_eq!(live.load(Ordering::Relaxed), 1);
    drop(child);
    assert_eq!(live.load(Ordering::Relaxed), 0);
}

#[test]
fn what_could_not_be_mapped_is_released_without_the_lock() {
    let live = Arc::new(AtomicUsize::new(0));
    let mm = AddressSpace::new().unwrap();
    let backing = Backing::Runs { source: Source::backing(&live), first: NOWHERE };
    let mapped = mm.map(MapRequest { backing: Some(backing), ..anon(0x10_0000, 4, MapFlags::SHARED) });
    assert_eq!((mapped, live.load(Ordering::Relaxed)), (Err(Errno::ENOMEM), 0));
}

#[test]
fn the_stack_grows_to_its_limit_and_keeps_its_distance() {
    let mm = AddressSpace::new().unwrap();
    let top = USER_END - 16 * PAGE;
    mm.place(Vma::anonymous(top - PAGE, top, RW, VmFlags::GROWSDOWN)).unwrap();
    assert_eq!(mm.fault(top - 5 * PAGE, Access::Write), Ok(()));
    assert_eq!(mm.fault(top - STACK_LIMIT, Access::Write), Ok(()));
    assert_eq!(mm.fault(top - STACK_LIMIT - 1, Access::Write), Err(FaultError::Unmapped));
    assert_eq!(mm.lock().areas.len(), 1);

    let crowded = AddressSpace::new().unwrap();
    crowded.place(Vma::anonymous(top - PAGE, top, RW, VmFlags::GROWSDOWN)).unwrap();
    crowded.map(anon(top - 512 * PAGE, 1, MapFlags::PRIVATE | MapFlags::FIXED)).unwrap();
    assert_eq!(crowded.fault(top - 200 * PAGE, Access::Write), Ok(()));
    assert_eq!(crowded.fault(top - 300 * PAGE, Access::Write), Err(FaultError::Unmapped));
}

#[test]
fn the_heap_moves_both_ways_and_stops_at_a_neighbour() {
    let before = frames::free_count();
    let mm = AddressSpace::new().unwrap();
    mm.set_brk_start(0x50_0001);
    let start = mm.brk(0);
    assert_eq!(start, 0x50_1000);
    assert_eq!(mm.brk(start + 3 * PAGE + 1), start + 3 * PAGE + 1);
    mm.write(start + 3 * PAGE, &[1]).unwrap();
    assert_eq!(mm.brk(start + PAGE), start + PAGE);
    assert_eq!(frames::free_count(), before);
    mm.map(anon(start + 8 * PAGE, 1, MapFlags::PRIVATE | MapFlags::FIXED)).unwrap();
    assert_eq!(mm.brk(start + 8 * PAGE), start + PAGE);
    assert_eq!(mm.brk(start - 1), start + PAGE);
    assert_eq!(mm.brk(u64::MAX), start + PAGE);
}

#[test]
fn remap_keeps_contents_in_place_and_elsewhere() {
    let mm = AddressSpace::new().unwrap();
    let at = mm.map(anon(0x100_0000, 2, MapFlags::PRIVATE | MapFlags::FIXED)).unwrap();
    mm.write(at + PAGE, &[3]).unwrap();
    assert_eq!(mm.remap(at, 2 * PAGE, 4 * PAGE, 0, 0), Ok(at));
    mm.map(anon(at + 4 * PAGE, 1, MapFlags::PRIVATE | MapFlags::FIXED)).unwrap();
    mm.protect(at + 4 * PAGE, PAGE, Prot::READ).unwrap();
    assert_eq!(mm.remap(at, 4 * PAGE, 6 * PAGE, 0, 0), Err(Errno::ENOMEM));
    let to = mm.remap(at, 4 * PAGE, 6 * PAGE, remap::MAYMOVE, 0).unwrap();
    assert_eq!(peek(&mm, to + PAGE), 3);
    assert_eq!(mm.fault(at, Access::Read), Err(FaultError::Unmapped));
    assert_eq!(mm.remap(to, 6 * PAGE, PAGE, 0, 0), Ok(to));
    assert_eq!(mm.fault(to + PAGE, Access::Read), Err(FaultError::Unmapped));
}

#[test]
fn areas_are_shown_as_linux_does() {
    let live = Arc::new(AtomicUsize::new(0));
    let mm = AddressSpace::new().unwrap();
    let backing = Backing::Runs { source: Source::backing(&live), first: 2 };
    let at = 0x100_0000;
    mm.map(MapRequest { backing: Some(backing), ..anon(at, 1, MapFlags::SHARED | MapFlags::FIXED) }).unwrap();
    mm.map(anon(at + PAGE, 1, MapFlags::PRIVATE | MapFlags::FIXED)).unwrap();
    mm.map(anon(at + 2 * PAGE, 1, MapFlags::SHARED | MapFlags::FIXED)).unwrap();
    let text = mm.maps().unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], format!("{:<73}/a\\012file", "01000000-01001000 rw-s 00002000 00:12 34"));
    assert_eq!(lines[1], "01001000-01002000 rw-p 00000000 00:00 0 ");
    assert!(lines[2].starts_with("01002000-01003000 rw-s 00000000 00:01 "), "{}", lines[2]);
    assert!(lines[2].ends_with(" /dev/zero (deleted)") && lines[2].find('/') == Some(73), "{}", lines[2]);
}

#[test]
fn memory_runs_out_with_an_error() {
    let before = frames::free_count();
    let mm = AddressSpace::new().unwrap();
    let mut last = Ok(());
    let request = anon(0, 8192, MapFlags::PRIVATE | MapFlags::NORESERVE);
    let at = mm.map(request).unwrap();
    for page in 0..8192 {
        last = mm.fault(at + page * PAGE, Access::Write);
        if last.is_err() {
            break;
        }
    }
    assert_eq!(last, Err(FaultError::NoMemory));
    assert!(frames::free_count() > 0, "the reserve is the kernel's");
    drop(mm);
    assert_eq!(frames::free_count(), before);
}

#[derive(Clone, Debug)]
enum Step {
    Map(u64, u64),
    Unmap(u64, u64),
    Protect(u64, u64, bool),
    Write(u64, u8),
    Discard(u64, u64),
    Fork,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let range = || (0..24u64, 1..12u64);
    let step = prop_oneof![
        range().prop_map(|(a, n)| Step::Map(a, n)),
        range().prop_map(|(a, n)| Step::Unmap(a, n)),
        (range(), any::<bool>()).prop_map(|((a, n), w)| Step::Protect(a, n, w)),
        (0..36u64, any::<u8>()).prop_map(|(a, v)| Step::Write(a, v)),
        range().prop_map(|(a, n)| Step::Discard(a, n)),
        Just(Step::Fork),
    ];
    prop::collection::vec(step, 1..40)
}

/// What a page is in the model: writable or not, and its first byte.
type Model = [Option<(bool, u8)>; 36];

fn agree(mm: &AddressSpace, model: &Model, base: u64) -> Result<(), TestCaseError> {
    for (i, page) in model.iter().enumerate() {
        let at = base + i as u64 * PAGE;
        let mut byte = [0];
        let read = mm.read(at, &mut byte);
        prop_assert_eq!(read.ok().map(|()| byte[0]), page.map(|(_, value)| value));
    }
    Ok(())
}

proptest! {
    #[test]
    fn agrees_with_pages_and_a_forked_child_sees_the_past(steps in steps()) {
        let before = frames::free_count();
        let base = 0x100_0000;
        let at = |page: u64| base + page * PAGE;
        let mm = AddressSpace::new().unwrap();
        let mut model: Model = [None; 36];
        let mut child: Option<(AddressSpace, Model)> = None;
        for step in steps {
            match step {
                Step::Map(a, n) => {
                    mm.map(anon(at(a), n, MapFlags::PRIVATE | MapFlags::FIXED)).unwrap();
                    model[a as usize..(a + n) as usize].fill(Some((true, 0)));
                }
                Step::Unmap(a, n) => {
                    mm.unmap(at(a), n * PAGE).unwrap();
                    model[a as usize..(a + n) as usize].fill(None);
                }
                Step::Protect(a, n, w) => {
                    let done = mm.protect(at(a), n * PAGE, if w { RW } else { Prot::READ });
                    let mapped = model[a as usize..].iter().take(n as usize).take_while(|p| p.is_some()).count();
                    prop_assert_eq!(done.is_ok(), mapped == n as usize);
                    model[a as usize..][..mapped].iter_mut().flatten().for_each(|page| page.0 = w);
                }
                Step::Write(a, value) => {
                    let page = &mut model[a as usize];
                    prop_assert_eq!(mm.write(at(a), &[value]).is_ok(), page.is_some_and(|p| p.0));
                    if let Some((true, byte)) = page {
                        *byte = value;
                    }
                }
                Step::Discard(a, n) => {
                    let _ = mm.discard(at(a), n * PAGE, false);
                    model[a as usize..][..n as usize].iter_mut().flatten().for_each(|page| page.1 = 0);
                }
                Step::Fork => child = Some((mm.fork().unwrap(), model)),
            }
            agree(&mm, &model, base)?;
            if let Some((child, model)) = &child {
                agree(child, model, base)?;
            }
        }
        drop((mm, child));
        prop_assert_eq!(frames::free_count(), before);
    }
}
