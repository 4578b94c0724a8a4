//! Bringing the SMMU up, its commands and events (Arm IHI 0070, chapter 6).
#![forbid(unsafe_code)]

use arrayvec::ArrayVec;
use heaps::{Errno, PAGE_SIZE, PhysAddr, Result};

use super::entry::{COMMAND_WORDS, Command, ENTRY_WORDS};
use super::event::{EVENT_WORDS, Fault};
use super::ring::Place;
use crate::arch::mmio::Mmio;
use crate::arch::now_ns;
use crate::dt::iommu::Smmu as Described;
use crate::mm::dma_memory::DmaMemory;
use crate::sync::{IrqLock, order};
use crate::time::clock::NS_PER_S;

const FEATURES: usize = 0x00;
const SIZES: usize = 0x04;
const ADDRESS_SIZES: usize = 0x14;
const CONTROL: usize = 0x20;
const CONTROL_DONE: usize = 0x24;
const ATTRIBUTES: usize = 0x28;
const CONTROL_2: usize = 0x2c;
const INTERRUPTS: usize = 0x50;
const INTERRUPTS_DONE: usize = 0x54;
const ERRORS: usize = 0x60;
const ERRORS_SEEN: usize = 0x64;
const STREAMS: usize = 0x80;
const STREAMS_FORM: usize = 0x88;
const COMMANDS: usize = 0x90;
const COMMANDS_WRITTEN: usize = 0x98;
const COMMANDS_READ: usize = 0x9c;
const EVENTS: usize = 0xa0;
const EVENTS_WRITTEN: usize = 0x1_00a8;
const EVENTS_READ: usize = 0x1_00ac;

/// Bits of `FEATURES`: the first stage, tables as AArch64 has them, its own accesses are coherent.
const FIRST_STAGE: u32 = 1 << 1;
const AARCH64_TABLES: u32 = 2 << 2;
const COHERENT: u32 = 1 << 4;
/// Of `SIZES`: tables or queues have places of their own, which are not ours to choose.
const PRESET: u32 = 3 << 29;
/// Of `ADDRESS_SIZES`: pages of 4 KiB.
const PAGES_4K: u32 = 1 << 4;

/// Bits of `CONTROL`.
const TRANSLATE: u32 = 1;
const EVENTS_ON: u32 = 1 << 2;
const COMMANDS_ON: u32 = 1 << 3;
/// Of `ATTRIBUTES`: tables and queues are write-back and inner shareable.
const AS_CPUS: u32 = 0xd75;
/// Of `CONTROL_2`: streams there are not are recorded; no CPU's broadcast makes it forget.
const RECORD_STREAMS: u32 = 1 << 1;
const PRIVATE: u32 = 1 << 2;
/// Of `INTERRUPTS`.
const EVENT_INTERRUPT: u32 = 1 << 2;
const ERROR_INTERRUPT: u32 = 1;
/// Of `ERRORS`, each of which differs from `ERRORS_SEEN` until that is told: a command that there is not; an event that
/// there was no room for.
const BAD_COMMAND: u32 = 1;
const EVENT_LOST: u32 = 1 << 2;
/// In the address of a table or a queue: it may be cached.
const ALLOCATE: u64 = 1 << 62;

/// Streams that there is room for, as a power of two.
const STREAM_BITS: u32 = 8;
/// Commands and events, likewise. A transfer of `edu` faults a thousand times at most.
const COMMAND_BITS: u32 = 6;
const EVENT_BITS: u32 = 11;
/// How many events are looked at in one go.
const BATCH: usize = 16;

/// An SMMU that is at work.
pub struct Smmu {
    registers: Mmio,
    streams: DmaMemory,
    /// Its own code for the longest address it puts out.
    physical_bits: u64,
    queues: IrqLock<Queues, { order::IOMMU_QUEUES }>,
}

struct Queues {
    commands: DmaMemory,
    written: Place,
    events: DmaMemory,
    read: Place,
    /// The last fault, to tell what is the same over again.
    last: Option<Fault>,
}

/// What was read of the event queue.
pub type Faults = ArrayVec<(Fault, bool), BATCH>;

impl Smmu {
    /// Brings an SMMU up: from here on no device behind it reaches memory but through what is attached. `ENODEV` where it
    /// has not what it takes, `EIO` where it does not answer, `EINVAL`, `ENOMEM`. At boot.
    pub fn new(described: &Described) -> Result<Smmu> {
        let registers = Mmio::new(PhysAddr::new(described.device.base), described.device.len)?;
        if described.device.len <= EVENTS_READ as u64 {
            return Err(Errno::ENODEV);
        }
        let needed = FIRST_STAGE | AARCH64_TABLES | COHERENT;
        let (features, sizes) = (registers.read32(FEATURES), registers.read32(SIZES));
        let address_sizes = registers.read32(ADDRESS_SIZES);
        let (most_commands, most_events) = (sizes >> 21 & 0x1f, sizes >> 16 & 0x1f);
        let suits = features & needed == needed
            && sizes & PRESET == 0
            && sizes & 0x3f >= STREAM_BITS
            && most_commands >= COMMAND_BITS
            && most_events >= EVENT_BITS
            && address_sizes & PAGES_4K != 0;
        if !suits {
            log::warn!("smmu: features {features:#x}, sizes {sizes:#x}, {address_sizes:#x}: not known");
            return Err(Errno::ENODEV);
        }
        let smmu = Smmu {
            registers,
            streams: DmaMemory::new((ENTRY_WORDS * 8) << STREAM_BITS)?,
            physical_bits: u64::from(address_sizes & 7),
            queues: IrqLock::new(Queues {
                commands: DmaMemory::new((COMMAND_WORDS * 8) << COMMAND_BITS)?,
                written: Place::first(COMMAND_BITS),
                events: DmaMemory::new((EVENT_WORDS * 8) << EVENT_BITS)?,
                read: Place::first(EVENT_BITS),
                last: None,
            }),
        };
        if let Err(errno) = smmu.start() {
            // It may read and write what it was told of, whatever it says.
            core::mem::forget(smmu);
            return Err(errno);
        }
        Ok(smmu)
    }

    fn start(&self) -> Result<()> {
        self.set(CONTROL, CONTROL_DONE, 0)?;
        let registers = &self.registers;
        registers.write32(ATTRIBUTES, AS_CPUS);
        registers.write32(CONTROL_2, RECORD_STREAMS | PRIVATE);
        registers.write64(STREAMS, self.streams.addr().get() | ALLOCATE);
        registers.write32(STREAMS_FORM, STREAM_BITS);
        let queues = self.queues.lock();
        registers.write64(COMMANDS, queues.commands.addr().get() | ALLOCATE | u64::from(COMMAND_BITS));
        registers.write32(COMMANDS_WRITTEN, 0);
        registers.write32(COMMANDS_READ, 0);
        registers.write64(EVENTS, queues.events.addr().get() | ALLOCATE | u64::from(EVENT_BITS));
        registers.write32(EVENTS_WRITTEN, 0);
        registers.write32(EVENTS_READ, 0);
        drop(queues);
        self.set(CONTROL, CONTROL_DONE, COMMANDS_ON)?;
        self.command(&[Command::ForgetAllStreams, Command::ForgetAllTranslations]);
        self.set(CONTROL, CONTROL_DONE, COMMANDS_ON | EVENTS_ON)?;
        self.set(INTERRUPTS, INTERRUPTS_DONE, EVENT_INTERRUPT | ERROR_INTERRUPT)?;
        self.set(CONTROL, CONTROL_DONE, COMMANDS_ON | EVENTS_ON | TRANSLATE)
    }

    /// Writes a register, and waits until another says the same. `EIO` where it does not within a second.
    fn set(&self, register: usize, done: usize, value: u32) -> Result<()> {
        self.registers.write32(register, value);
        let until = now_ns() + NS_PER_S;
        while self.registers.read32(done) != value {
            if now_ns() > until {
                return Err(Errno::EIO);
            }
        }
        Ok(())
    }

    /// Whether it can tell stream `stream` from the others.
    pub fn has_stream(&self, stream: u32) -> bool {
        stream >> STREAM_BITS == 0
    }

    /// Has accesses of `stream` translated by the page table at `table`, whose translations are remembered under `asid`.
    /// What its context is written to has to stay. `ENOMEM`.
    pub fn attach(&self, stream: u32, table: PhysAddr, asid: u16) -> Result<DmaMemory> {
        let context = DmaMemory::new(PAGE_SIZE)?;
        let words = super::entry::context(table, asid, self.physical_bits);
        words.into_iter().enumerate().for_each(|(at, word)| context.set_word(at, word));
        // The first word last: it says that the others can be read.
        let words = super::entry::stream(context.addr());
        let base = stream as usize * ENTRY_WORDS;
        words.into_iter().enumerate().rev().for_each(|(at, word)| self.streams.set_word(base + at, word));
        self.command(&[Command::ForgetStream(stream), Command::ForgetContexts(stream)]);
        Ok(context)
    }

    /// Makes it forget the translations under `asid`: when this returns, no access uses one any more.
    pub fn forget(&self, asid: u16) {
        self.command(&[Command::ForgetTranslations(asid)]);
    }

    /// Has commands done, and waits until they are.
    ///
    /// # Panics
    /// Where it does not do them within a second: memory could not be taken from any device any more.
    fn command(&self, commands: &[Command]) {
        let mut queues = self.queues.lock();
        for command in commands.iter().chain([&Command::Sync]) {
            queues.write(*command);
        }
        self.registers.write32(COMMANDS_WRITTEN, queues.written.register());
        let until = now_ns() + NS_PER_S;
        while queues.written.at(self.registers.read32(COMMANDS_READ)) != queues.written {
            assert!(now_ns() < until, "the SMMU does no commands, errors {:#x}", self.errors());
        }
    }

    /// The errors that it has, and that nobody told it were seen.
    fn errors(&self) -> u32 {
        self.registers.read32(ERRORS) ^ self.registers.read32(ERRORS_SEEN)
    }

    /// Looks what it wrote into its event queue: some of it, and whether each is what came before over again; empty when
    /// there is nothing more. From any context.
    pub fn take_faults(&self) -> Faults {
        let mut faults = Faults::new();
        let mut queues = self.queues.lock();
        let written = queues.read.at(self.registers.read32(EVENTS_WRITTEN));
        while queues.read != written && !faults.is_full() {
            let first = queues.read.index() * EVENT_WORDS;
            let fault = Fault::of([0, 1, 2, 3].map(|at| queues.events.word(first + at)));
            let again = queues.last.is_some_and(|last| fault.repeats(&last));
            queues.last = Some(fault);
            faults.push((fault, again));
            queues.read = queues.read.next();
        }
        self.registers.write32(EVENTS_READ, queues.read.register());
        faults
    }

    /// The next fault is not the same over again, whatever it is.
    pub fn end_of_repeats(&self) {
        self.queues.lock().last = None;
    }

    /// Looks what it complains of, and tells it so. From any context.
    pub fn take_errors(&self) {
        let errors = self.errors();
        if errors & EVENT_LOST != 0 {
            log::warn!("smmu: faults were lost");
        }
        if errors & !EVENT_LOST != 0 {
            let bad = if errors & BAD_COMMAND != 0 { ", a command among them" } else { "" };
            log::error!("smmu: errors {errors:#x}{bad}");
        }
        self.registers.write32(ERRORS_SEEN, self.registers.read32(ERRORS));
    }
}

impl Queues {
    /// Writes a command; there is room, for whoever wrote the last ones waited for them.
    fn write(&mut self, command: Command) {
        let first = self.written.index() * COMMAND_WORDS;
        let words = command.words();
        words.into_iter().enumerate().for_each(|(at, word)| self.commands.set_word(first + at, word));
        self.written = self.written.next();
    }
}
