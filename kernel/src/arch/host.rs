//! A stand-in for the machine, so that the portable rooms build and run their unit tests on the host.

use core::cell::Cell;

use heaps::{Errno, PhysAddr};

use crate::mm::{MemKind, Prot};

/// Interrupt mask; there are no interrupts here.
#[derive(Clone, Copy)]
pub struct IrqFlags;

impl IrqFlags {
    /// Nothing masked.
    pub const NONE: IrqFlags = IrqFlags;
}

std::thread_local! {
    static HELD: Cell<u64> = const { Cell::new(0) };
}

/// Masks interrupts.
pub fn irq_save() -> IrqFlags {
    IrqFlags
}

/// Restores an interrupt mask.
pub fn irq_restore(_: IrqFlags) {}

/// The ranks this thread holds, one bit each.
pub fn held_locks() -> u64 {
    HELD.get()
}

/// Replaces the ranks this thread holds.
pub fn set_held_locks(held: u64) {
    HELD.set(held);
}

/// Nanoseconds since some fixed point.
pub fn now_ns() -> u64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_nanos() as u64
}

/// Bytes that one large entry of a page table maps.
pub const BLOCK_SIZE: usize = 2 << 20;

/// Where modules would be.
pub const MODULES_BASE: usize = 0xffff_8000_8400_0000;
/// Bytes of the modules' area.
pub const MODULES_SIZE: usize = 64 << 20;

/// This CPU's number.
pub fn cpu_id() -> usize {
    0
}

/// A memory barrier on every other CPU; there is none.
pub fn barrier_everywhere() {
    core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
}

/// A user address that could not be reached.
#[derive(Debug)]
pub struct Fault;

/// Where each test thread's user memory begins: so many bytes from here can be reached, and no others.
pub const USER_ARENA: (u64, usize) = (0x1_0000, 1 << 20);

std::thread_local! {
    static ARENA: core::cell::RefCell<Vec<u8>> = core::cell::RefCell::new(vec![0; USER_ARENA.1]);
}

/// Where `len` bytes at `addr` are in the arena.
fn in_arena(addr: u64, len: usize) -> Result<core::ops::Range<usize>, Fault> {
    let start = addr.checked_sub(USER_ARENA.0).ok_or(Fault)? as usize;
    let end = start.checked_add(len).filter(|&end| end <= USER_ARENA.1).ok_or(Fault)?;
    Ok(start..end)
}

/// Copies from this thread's user memory.
pub fn copy_from_user(into: &mut [u8], addr: u64) -> Result<(), Fault> {
    let range = in_arena(addr, into.len())?;
    ARENA.with_borrow(|arena| into.copy_from_slice(&arena[range]));
    Ok(())
}

/// Copies to this thread's user memory.
pub fn copy_to_user(addr: u64, from: &[u8]) -> Result<(), Fault> {
    let range = in_arena(addr, from.len())?;
    ARENA.with_borrow_mut(|arena| arena[range].copy_from_slice(from));
    Ok(())
}

/// First address past user space.
pub const USER_END: u64 = 1 << 48;

std::thread_local! {
    static PUBLISHED: core::cell::RefCell<std::collections::BTreeSet<PhysAddr>> = const {
        core::cell::RefCell::new(std::collections::BTreeSet::new())
    };
}

/// Makes what frames hold visible to instruction fetches: here it is noted that somebody did.
pub fn publish_frames(frames: impl Iterator<Item = PhysAddr>) {
    PUBLISHED.with_borrow_mut(|published| published.extend(frames));
}

/// Nobody executes what is not visible to instruction fetches.
fn check_published(frame: PhysAddr, prot: Prot) {
    let is_published = PUBLISHED.with_borrow(|published| published.contains(&frame));
    assert!(!prot.contains(Prot::EXEC) || is_published, "code that may be fetched stale, in {frame:?}");
}

/// A user page table: pages by address.
#[derive(Default)]
pub struct PageTable {
    pages: std::collections::BTreeMap<u64, (PhysAddr, Prot)>,
}

/// What the scheduler needs to switch to a page table.
#[derive(Clone, Copy)]
pub struct UserRoot;

impl UserRoot {
    /// Makes it the one this CPU walks.
    pub fn activate(self) {}
}

/// Leaves this CPU without a user page table.
pub fn deactivate() {}

const PAGE: u64 = heaps::PAGE_SIZE as u64;

impl PageTable {
    /// An empty table.
    pub fn new() -> Result<PageTable, Errno> {
        Ok(PageTable::default())
    }

    /// What the scheduler needs to switch to it.
    pub fn root(&self) -> UserRoot {
        UserRoot
    }

    /// Maps pages where none are.
    pub fn map(&mut self, va: u64, pa: PhysAddr, pages: usize, prot: Prot, _: MemKind) -> Result<(), Errno> {
        for i in 0..pages as u64 {
            check_published(pa.add_pages(i), prot);
            let before = self.pages.insert(va + i * PAGE, (pa.add_pages(i), prot));
            assert!(before.is_none(), "mapped twice: {:#x}", va + i * PAGE);
        }
        Ok(())
    }

    /// Unmaps, and calls back for each run that was mapped.
    pub fn unmap(
        &mut self,
        va: u64,
        pages: usize,
        gone: &mut dyn FnMut(u64, PhysAddr, usize),
    ) -> Result<(), Errno> {
        let keys: Vec<u64> = self.pages.range(va..va + pages as u64 * PAGE).map(|(&va, _)| va).collect();
        for va in keys {
            let (pa, _) = self.pages.remove(&va).unwrap();
            gone(va, pa, 1);
        }
        Ok(())
    }

    /// Unmaps.
    pub fn forget(&mut self, va: u64, pages: usize) -> Result<(), Errno> {
        self.unmap(va, pages, &mut |_, _, _| ())
    }

    /// Changes what the pages that are mapped allow; without any access they stay known.
    pub fn protect(&mut self, va: u64, pages: usize, prot: Prot) -> Result<(), Errno> {
        for (_, page) in self.pages.range_mut(va..va + pages as u64 * PAGE) {
            check_published(page.0, prot);
            page.1 = prot;
        }
        Ok(())
    }

    /// Exchanges the frames of pages that are mapped; nothing reaches them `meanwhile`.
    pub fn exchange(&mut self, pages: &[(u64, PhysAddr)], meanwhile: &mut dyn FnMut()) {
        meanwhile();
        for (va, frame) in pages {
            let page = self.pages.get_mut(va).expect("a page that is mapped");
            check_published(*frame, page.1);
            page.0 = *frame;
        }
    }

    /// The page at an address.
    pub fn lookup(&self, va: u64) -> Option<(PhysAddr, Prot)> {
        self.pages.get(&(va & !(PAGE - 1))).copied()
    }

    /// Calls back for each page that is mapped, until the first error.
    pub fn for_each(
        &self,
        va: u64,
        pages: usize,
        each: &mut dyn FnMut(u64, PhysAddr, usize) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        self.pages.range(va..va + pages as u64 * PAGE).try_for_each(|(&va, &(pa, _))| each(va, pa, 1))
    }
}

/// The interrupted state of user code.
#[derive(Clone, Debug)]
pub struct TrapFrame {
    /// X0 to X30.
    pub x: [u64; 31],
    /// The stack pointer.
    pub sp: u64,
    /// Where to go on.
    pub elr: u64,
    /// PSTATE.
    pub spsr: u64,
}

impl TrapFrame {
    /// A frame that starts user code at `entry` with stack pointer `sp`.
    pub fn user(entry: u64, sp: u64) -> Self {
        TrapFrame { x: [0; 31], sp, elr: entry, spsr: 0 }
    }
}

/// FP/SIMD registers of a user task.
#[derive(Clone)]
pub struct FpState {
    v: [u64; 64],
    fpsr: u32,
    fpcr: u32,
}

impl Default for FpState {
    fn default() -> Self {
        FpState { v: [0; 64], fpsr: 0, fpcr: 0 }
    }
}

impl FpState {
    /// V0 to V31 (low halves first), FPSR and FPCR.
    pub fn to_parts(&self) -> ([u64; 64], u32, u32) {
        (self.v, self.fpsr, self.fpcr)
    }

    /// The state with these registers.
    pub fn from_parts(v: &[u64; 64], fpsr: u32, fpcr: u32) -> FpState {
        FpState { v: *v, fpsr, fpcr }
    }
}

/// Saves this CPU's FP/SIMD registers.
pub fn fp_save_current(_: &mut FpState) {}

/// Loads this CPU's FP/SIMD registers.
pub fn fp_load_current(_: &FpState) {}

/// The running task's thread pointer.
pub fn current_tls() -> u64 {
    0
}

/// Sets the running task's thread pointer.
pub fn set_current_tls(_: u64) {}

/// Ends the machine.
pub fn power_off(status: u32) -> ! {
    panic!("the machine ended with status {status}")
}
