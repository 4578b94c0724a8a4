//! The device itself: its registers, and one command at a time (QEMU, `docs/specs/edu.rst`).
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use heaps::fence::{Context, Fence, Signaller};
use heaps::uapi::edu::Info;
use heaps::{DmaLimits, Errno, Result};

use super::jobs::Jobs;
use crate::arch::mmio::Mmio;
use crate::drivers::dma_heap::Kernel;
use crate::drivers::interrupts::Handler;
use crate::drivers::iommu::Domain;
use crate::sync::sleep::{Mutex, MutexGuard};
use crate::sync::{WaitQueue, order};

const ID: usize = 0x00;
const LIVENESS: usize = 0x04;
const FACTORIAL: usize = 0x08;
const STATUS: usize = 0x20;
const INTERRUPT_STATUS: usize = 0x24;
const INTERRUPT_ACK: usize = 0x64;
const DMA_SOURCE: usize = 0x80;
const DMA_DESTINATION: usize = 0x88;
const DMA_COUNT: usize = 0x90;
const DMA_COMMAND: usize = 0x98;

/// Written to `STATUS`: interrupt when the factorial is there.
const INTERRUPT_AFTER_FACTORIAL: u32 = 0x80;
const DMA_START: u64 = 1;
const DMA_FROM_DEVICE: u64 = 2;
const DMA_INTERRUPT: u64 = 4;
/// Bits of `INTERRUPT_STATUS`.
const FACTORIAL_DONE: u32 = 1;
const DMA_DONE: u32 = 0x100;

/// Where the device's memory is, as its DMA unit counts.
const MEMORY: u64 = 0x4_0000;
/// Bytes of the device's own memory.
pub const MEMORY_LEN: u64 = 4096;

/// An `edu` device.
pub struct Edu {
    registers: Mmio,
    /// What its DMA unit reaches.
    pub limits: DmaLimits,
    /// What translates its addresses, if anything does.
    pub iommu: Option<&'static Domain>,
    /// What it has to do.
    pub jobs: Jobs,
    turn: Mutex<(), { order::DEVICE }>,
    /// What it has interrupted for and nobody has looked at yet.
    done: AtomicU32,
    interrupted: WaitQueue,
    interrupt: AtomicU32,
    /// Of its fences, and how many there were.
    context: Context,
    fences: AtomicU64,
}

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// The device reads memory.
    ToDevice,
    /// The device writes memory.
    FromDevice,
}

impl Edu {
    /// The device with these registers, whose DMA unit drives `bits` address lines. `ENODEV` where it does not answer
    /// as one.
    pub fn new(registers: Mmio, bits: u32) -> Result<Edu> {
        const PATTERN: u32 = 0x5a00_ff81;
        registers.write32(LIVENESS, PATTERN);
        if registers.read32(ID) & 0xff != 0xed || registers.read32(LIVENESS) != !PATTERN {
            return Err(Errno::ENODEV);
        }
        Ok(Edu {
            registers,
            limits: DmaLimits::of_bits(bits),
            iommu: None,
            jobs: Jobs::new(),
            turn: Mutex::new(()),
            done: AtomicU32::new(0),
            interrupted: WaitQueue::new(),
            interrupt: AtomicU32::new(0),
            context: Context::new(),
            fences: AtomicU64::new(1),
        })
    }

    /// Says which line its interrupts come by.
    pub fn set_interrupt(&self, line: u32) {
        self.interrupt.store(line, Ordering::Relaxed);
    }

    /// What it is.
    pub fn info(&self) -> Info {
        Info {
            id: self.registers.read32(ID),
            interrupt: self.interrupt.load(Ordering::Relaxed),
            last_address: *self.limits.addresses.end(),
            memory: MEMORY_LEN,
        }
    }

    /// Whether it reaches all of `len` bytes from `start`, not 0.
    pub fn reaches(&self, start: u64, len: u64) -> bool {
        start.checked_add(len - 1).is_some_and(|last| self.limits.addresses.contains(&last))
    }

    /// Has it compute the factorial of `n`, modulo 2^32. Sleeps.
    pub fn factorial(&self, n: u32) -> u32 {
        let _turn = self.turn.lock();
        self.registers.write32(STATUS, INTERRUPT_AFTER_FACTORIAL);
        self.registers.write32(FACTORIAL, n);
        self.wait_for(FACTORIAL_DONE);
        self.registers.read32(FACTORIAL)
    }

    /// Waits until nobody else uses the device. A transfer under way is over when this returns: it cannot be called
    /// back. May sleep.
    pub fn turn(&self) -> Turn<'_> {
        Turn { device: self, _turn: self.turn.lock() }
    }

    fn wait_for(&self, what: u32) {
        let came = || self.done.fetch_and(!what, Ordering::Acquire) & what != 0;
        self.interrupted.wait(|| came().then_some(()));
    }
}

/// The turn to use the device, until it is dropped.
pub struct Turn<'a> {
    device: &'a Edu,
    _turn: MutexGuard<'a, (), { order::DEVICE }>,
}

impl Turn<'_> {
    /// A fence for what is done in this turn. `ENOMEM`.
    pub fn fence(&self) -> Result<(Fence<Kernel>, Signaller<Kernel>)> {
        let seqno = self.device.fences.fetch_add(1, Ordering::Relaxed);
        Fence::new(self.device.context, seqno, "edu", "dma")
    }

    /// Has the device move `len` bytes between memory, which it finds at `start` and the caller holds, and its own from `at`
    /// on. `EINVAL` past the end of its own, `EIO` where it does not reach, or the IOMMU kept it from there. Sleeps until it
    /// is done, whoever is killed meanwhile.
    pub fn transfer(&self, way: Way, start: u64, at: u64, len: u64) -> Result<()> {
        let registers = &self.device.registers;
        if len == 0 || at.checked_add(len).is_none_or(|end| end > MEMORY_LEN) {
            return Err(Errno::EINVAL);
        }
        if !self.device.reaches(start, len) {
            return Err(Errno::EIO);
        }
        let (memory, own) = (start, MEMORY + at);
        let (source, destination, way) = match way {
            Way::ToDevice => (memory, own, 0),
            Way::FromDevice => (own, memory, DMA_FROM_DEVICE),
        };
        let faults = || self.device.iommu.map_or(0, Domain::faults);
        self.device.iommu.inspect(|iommu| iommu.begin());
        let before = faults();
        registers.write64(DMA_SOURCE, source);
        registers.write64(DMA_DESTINATION, destination);
        registers.write64(DMA_COUNT, len);
        registers.write64(DMA_COMMAND, DMA_START | way | DMA_INTERRUPT);
        self.device.wait_for(DMA_DONE);
        // What it did wrong is in the queue before it says that it is done.
        if faults() == before { Ok(()) } else { Err(Errno::EIO) }
    }
}

impl Handler for Edu {
    fn interrupt(&self) -> bool {
        let status = self.registers.read32(INTERRUPT_STATUS);
        if status == 0 {
            return false;
        }
        self.registers.write32(INTERRUPT_ACK, status);
        self.done.fetch_or(status, Ordering::Release);
        self.interrupted.wake_all();
        true
    }
}
