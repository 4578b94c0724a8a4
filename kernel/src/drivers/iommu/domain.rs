//! Devices behind the IOMMU, what is mapped for each, and what each did that it may not.
#![forbid(unsafe_code)]

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use heaps::dma_buf::{Direction, DmaRun, DmaTable};
use heaps::{Errno, PAGE_SHIFT, Result, SgTable};
use spin::Once;

use super::gone::{Gone, History};
use super::reported::Reported;
use super::smmu::Smmu;
use super::smmu::event::Fault;
use super::space::Space;
use crate::arch::backtrace::frame_pointer;
use crate::arch::gic;
use crate::debug::report;
use crate::drivers::interrupts::{self, Handler};
use crate::dt;
use crate::mm::dma_memory::DmaMemory;
use crate::mm::fallible;
use crate::mm::object::Trace;
use crate::sync::sleep::Mutex;
use crate::sync::{IrqLock, order};
use crate::vfs::{debugfs, pseudo};

/// How many devices there can be behind it.
const MOST: usize = 8;

static SMMU: Once<Smmu> = Once::new();
static DOMAINS: [Once<Domain>; MOST] = [const { Once::new() }; MOST];
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// A device behind the IOMMU.
pub struct Domain {
    name: &'static str,
    stream: u32,
    asid: u16,
    smmu: &'static Smmu,
    _context: DmaMemory,
    space: Mutex<Space, { order::DEVICE }>,
    mapped: AtomicUsize,
    faults: AtomicU64,
    /// How many of them there were that are not the same over again.
    different: AtomicU64,
    gone: IrqLock<History<Trace>, { order::IOMMU_QUEUES }>,
}

/// Brings the IOMMU up. From here on no device behind it reaches anything, until it is [attached](attach). `EIO`, `ENODEV`,
/// `EINVAL`, `EBUSY`, `ENOMEM`. Once, at boot, before any device masters the bus. May sleep.
pub fn init(described: &dt::iommu::Smmu) -> Result<()> {
    let smmu = Smmu::new(described)?;
    let smmu = SMMU.call_once(|| smmu);
    for line in [described.device.interrupt, described.error_interrupt] {
        if line != 0 {
            interrupts::handle(line, &Line)?;
            gic::enable_edge_spi(line);
        }
    }
    debugfs::create_file("iommu", "devices", 0o444, pseudo::read_only(show))?;
    log::info!("iommu: SMMUv3 at {:#x}", described.device.base);
    smmu.take_errors();
    Ok(())
}

/// Lets a device at `stream`, which drives `bits` address lines and sees something else than memory at the bus addresses
/// in `holes`, reach what will be mapped for it: nothing yet. `ENODEV` where there is no IOMMU or it does not know the
/// stream, `EBUSY` for one device too many, `ENOMEM`. At boot. May sleep.
pub fn attach(
    name: &'static str,
    stream: u32,
    bits: u32,
    holes: impl Iterator<Item = Range<u64>>,
) -> Result<&'static Domain> {
    let smmu = SMMU.get().filter(|smmu| smmu.has_stream(stream)).ok_or(Errno::ENODEV)?;
    let holes: Vec<Range<u64>> =
        holes.map(|hole| hole.start >> PAGE_SHIFT..hole.end.div_ceil(1 << PAGE_SHIFT)).collect();
    let space = Space::new(bits, &holes)?;
    let nth = COUNT.fetch_add(1, Ordering::Relaxed);
    let slot = DOMAINS.get(nth).ok_or(Errno::EBUSY)?;
    let asid = nth as u16 + 1;
    let context = smmu.attach(stream, space.root(), asid)?;
    log::info!("iommu: {name} is stream {stream:#x}");
    Ok(slot.call_once(|| Domain {
        name,
        stream,
        asid,
        smmu,
        _context: context,
        space: Mutex::new(space),
        mapped: AtomicUsize::new(0),
        faults: AtomicU64::new(0),
        different: AtomicU64::new(0),
        gone: IrqLock::new(History::default()),
    }))
}

impl Domain {
    /// Maps a buffer's pages for the device, in one row of addresses (Linux: `iommu_dma_map_sg`). `ENOMEM` leaves nothing
    /// mapped. May sleep.
    pub fn map(&'static self, pages: &SgTable, direction: Direction) -> Result<Mapped> {
        let writable = direction != Direction::ToDevice;
        let first = self.space.lock().map(pages, writable, || self.forget())?;
        self.mapped.fetch_add(pages.pages(), Ordering::Relaxed);
        let memory = pages.runs().first().map_or(0, |run| run.start().get());
        Ok(Mapped { domain: self, first, pages: pages.pages(), memory, revoked: AtomicBool::new(false) })
    }

    fn forget(&self) {
        self.smmu.forget(self.asid);
    }

    /// How many of the device's accesses were refused so far. From any context.
    pub fn faults(&self) -> u64 {
        look(self.smmu);
        self.faults.load(Ordering::Relaxed)
    }

    /// Reports an access that was refused, as long as there were few; then now and again.
    fn report(&self, fault: &Fault) {
        let nth = self.different.fetch_add(1, Ordering::Relaxed) + 1;
        let (name, stream) = (self.name, self.stream);
        match Reported::of(nth) {
            Reported::No => {}
            Reported::InFull => {
                let page = fault.unmapped().map(|address| address >> PAGE_SHIFT);
                let gone = page.and_then(|page| self.gone.lock().find(page));
                let what = format_args!("{name} (stream {stream:#x}): {fault}");
                report::device_fault(what, gone.as_ref().map(|gone| (gone as _, &gone.who)));
            }
            Reported::Counted { unseen } => {
                let what = format_args!("{name} (stream {stream:#x}): {fault}; {unseen} more were not shown");
                report::device_fault(what, None);
            }
        }
    }

    /// The device begins something new: a fault from here on is reported, though it may be like one before.
    pub fn begin(&self) {
        self.smmu.end_of_repeats();
    }
}

/// What is mapped for a device. Its addresses are nobody else's until this is dropped, which also unmaps. May sleep when
/// dropped.
pub struct Mapped {
    domain: &'static Domain,
    first: u64,
    pages: usize,
    /// Where the first page is.
    memory: u64,
    revoked: AtomicBool,
}

impl Mapped {
    /// The addresses. `ENOMEM`.
    pub fn table(&self) -> Result<DmaTable> {
        let mut table = DmaTable::new();
        table.push(DmaRun { address: self.first << PAGE_SHIFT, len: self.pages << PAGE_SHIFT })?;
        Ok(table)
    }

    /// Takes the pages from the device; its addresses stay taken, and what it does there is a fault from here on. Once this
    /// returns, no access of the device's is under way to any of them. May sleep.
    pub fn revoke(&self) {
        if !self.revoked.swap(true, Ordering::Relaxed) {
            let domain = self.domain;
            let mut who = Trace::NONE;
            who.note(frame_pointer());
            let (first, pages) = (self.first, self.pages as u64);
            // Before the device can notice.
            domain.gone.lock().add(Gone { first, pages, memory: self.memory, who });
            domain.space.lock().unmap(self.first, self.pages as u64, || domain.forget());
            domain.mapped.fetch_sub(self.pages, Ordering::Relaxed);
        }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        self.revoke();
        self.domain.space.lock().give_back(self.first);
    }
}

/// Reports what the IOMMU did not let through: the first of what is the same over and over.
fn look(smmu: &Smmu) {
    loop {
        let faults = smmu.take_faults();
        if faults.is_empty() {
            return;
        }
        for (fault, again) in faults {
            let domain = DOMAINS.iter().filter_map(Once::get).find(|domain| domain.stream == fault.stream);
            match domain {
                Some(domain) => {
                    domain.faults.fetch_add(1, Ordering::Relaxed);
                    if !again {
                        domain.report(&fault);
                    }
                }
                None if again => {}
                None => log::warn!("iommu: fault of an unknown device (stream {:#x}): {fault}", fault.stream),
            }
        }
    }
}

/// One line for each device. `ENOMEM`.
fn show() -> Result<String> {
    fallible::text(|out| {
        DOMAINS.iter().filter_map(Once::get).try_for_each(|domain| {
            let (mapped, faults) = (domain.mapped.load(Ordering::Relaxed), domain.faults());
            writeln!(out, "{} stream {:#x} pages {mapped} faults {faults}", domain.name, domain.stream)
        })
    })
}

/// Both of the IOMMU's interrupts. They are edges: nobody has to lower them.
struct Line;

impl Handler for Line {
    fn interrupt(&self) -> bool {
        if let Some(smmu) = SMMU.get() {
            look(smmu);
            smmu.take_errors();
        }
        true
    }
}
