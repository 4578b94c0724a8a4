//! `/dev/udmabuf`: buffers made of the pages of sealed memfds. Models `drivers/dma-buf/udmabuf.c` and its parameters.
//!
//! A buffer pins its pages, not its files: what is punched out of a memfd stays the buffer's.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use heaps::dma_buf::Exporter;
use heaps::fallible::{try_box, try_push};
use heaps::uapi::ioctl::Command;
use heaps::uapi::udmabuf::{
    Create, CreateItem, CreateList, UDMABUF_CREATE, UDMABUF_CREATE_LIST, UDMABUF_FLAGS_CLOEXEC,
};
use heaps::{CdevOps, DmaLimits, Errno, PAGE_SIZE, PhysAddr, Result, Run, SgTable};

use super::dma_device;
use super::dma_heap::{self, Kernel};
use crate::chrdev::{self, CdevRef, DevT};
use crate::mm::{frames, user};
use crate::vfs::FdTable;
use crate::vfs::file::{File, FileOps, Ioctl};
use crate::vfs::flags::O_RDWR;
use crate::vfs::parameters::Parameter;

/// The major number of devices that have none of their own.
pub const MAJOR: u32 = 10;
/// The first minor that Linux hands out there.
const MINOR: u32 = 127;
const PAGE: u64 = PAGE_SIZE as u64;

/// How many items a list may have.
static LIST_LIMIT: AtomicI32 = AtomicI32::new(1024);
/// How large a buffer may be, in MiB.
static SIZE_LIMIT_MB: AtomicI32 = AtomicI32::new(64);

/// Under `/sys/module/udmabuf`. A change is for buffers that are made after it.
pub static PARAMETERS: [Parameter; 2] = [
    Parameter { name: "list_limit", value: &LIST_LIMIT },
    Parameter { name: "size_limit_mb", value: &SIZE_LIMIT_MB },
];

/// It has no DMA of its own; Linux gives it a mask of 64 bits to map buffers by.
static LIMITS: DmaLimits = DmaLimits::of_bits(64);

struct Device;

/// Publishes the device. `EBUSY` and `EEXIST` when it is there already, `ENOMEM`. May sleep.
pub fn init() -> Result<()> {
    chrdev::register("udmabuf", DevT::new(MAJOR, MINOR), 0o600, &Device)?;
    dma_device::register("udmabuf", *LIMITS.addresses.end(), &LIMITS)
}

impl CdevOps<Kernel> for Device {
    fn open(&self, _: &CdevRef, _: u32) -> Result<Box<dyn FileOps>> {
        Ok(Box::new(Device))
    }
}

impl FileOps for Device {
    fn ioctl(&self, _: &File, call: &Ioctl<'_>) -> Result<usize> {
        match Command::from_raw(call.cmd) {
            UDMABUF_CREATE => {
                let Create { memfd, flags, offset, size } = user::read(call.arg)?;
                create(call, flags, &[CreateItem { memfd, pad: 0, offset, size }])
            }
            UDMABUF_CREATE_LIST => {
                let head: CreateList = user::read(call.arg)?;
                create(call, head.flags, &read_items(call.arg, head.count)?)
            }
            _ => Err(Errno::ENOTTY),
        }
    }
}

/// The items behind a list's head at `addr`. `EINVAL` for more than there may be, `EFAULT`, `ENOMEM`.
fn read_items(addr: u64, count: u32) -> Result<Vec<CreateItem>> {
    // A limit below zero is none, as it is compared on Linux.
    if count > LIST_LIMIT.load(Ordering::Relaxed) as u32 {
        return Err(Errno::EINVAL);
    }
    let mut items = Vec::new();
    let mut at = addr.checked_add(size_of::<CreateList>() as u64).ok_or(Errno::EFAULT)?;
    for _ in 0..count {
        let item: CreateItem = user::read(at)?;
        try_push(&mut items, item)?;
        at = at.checked_add(size_of::<CreateItem>() as u64).ok_or(Errno::EFAULT)?;
    }
    Ok(items)
}

/// A buffer of the items' pages, in their order, and its descriptor.
fn create(call: &Ioctl<'_>, flags: u32, items: &[CreateItem]) -> Result<usize> {
    check_size(items)?;
    let mut pinned = Pinned::default();
    for item in items {
        pinned.add_item(call.files, item)?;
    }
    let exporter = try_box(Udmabuf { begun: AtomicBool::new(false) })?;
    let file = dma_heap::export(exporter, pinned.into_table()?, O_RDWR)?;
    Ok(call.files.reserve(flags & UDMABUF_FLAGS_CLOEXEC != 0)?.install(file))
}

/// `EINVAL` for items of no pages in all, of more than a buffer may have, or of parts of pages.
fn check_size(items: &[CreateItem]) -> Result<()> {
    let limit = i64::from(SIZE_LIMIT_MB.load(Ordering::Relaxed)) << 20 >> PAGE.trailing_zeros();
    let mut pages = 0u64;
    for item in items {
        if !item.offset.is_multiple_of(PAGE) || !item.size.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        pages = pages.saturating_add(item.size / PAGE);
        // A limit below zero is none.
        if pages > limit as u64 {
            return Err(Errno::EINVAL);
        }
    }
    if pages == 0 { Err(Errno::EINVAL) } else { Ok(()) }
}

/// The pages pinned so far; dropped, they are no longer.
#[derive(Default)]
struct Pinned {
    table: SgTable,
    /// Pages that follow one another and are not in the table yet.
    last: Option<Run>,
}

impl Pinned {
    /// Pins the pages of a range. `EBADFD` for a descriptor of no file in memory, `EINVAL` for one that may shrink or
    /// must not be written, and past its end; `EFBIG`, `ENOSPC`, `ENOMEM`.
    fn add_item(&mut self, files: &FdTable, item: &CreateItem) -> Result<()> {
        let file = files.get(item.memfd as i32).map_err(|_| Errno::EBADFD)?;
        let data = file.inode().data().filter(|_| !file.is_path()).ok_or(Errno::EBADFD)?;
        if !data.may_be_pinned() {
            return Err(Errno::EINVAL);
        }
        let first = item.offset / PAGE;
        for index in first..first + item.size / PAGE {
            let frame = data.pin(index).map_err(|e| if e == Errno::EPERM { Errno::EINVAL } else { e })?;
            self.push(frame).inspect_err(|_| frames::unpin(frame))?;
        }
        Ok(())
    }

    fn push(&mut self, frame: PhysAddr) -> Result<()> {
        let next = match self.last {
            Some(run) if run.start().add_pages(run.pages() as u64) == frame => {
                Run::new(run.start(), run.pages() + 1)?
            }
            Some(run) => {
                self.table.push(run)?;
                Run::new(frame, 1)?
            }
            None => Run::new(frame, 1)?,
        };
        self.last = Some(next);
        Ok(())
    }

    /// All of them, pinned still. `ENOMEM`.
    fn into_table(mut self) -> Result<SgTable> {
        if let Some(run) = self.last {
            self.table.push(run)?;
            self.last = None;
        }
        Ok(core::mem::take(&mut self.table))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        unpin(self.table.runs().iter().copied().chain(self.last));
    }
}

fn unpin(runs: impl Iterator<Item = Run>) {
    for run in runs {
        (0..run.pages() as u64).for_each(|page| frames::unpin(run.start().add_pages(page)));
    }
}

/// Who made a buffer.
struct Udmabuf {
    /// Whether CPU access was ever begun: Linux maps the buffer for its device then.
    begun: AtomicBool,
}

impl Exporter for Udmabuf {
    fn name(&self) -> &str {
        "udmabuf"
    }

    fn release(&self, table: SgTable) {
        unpin(table.runs().iter().copied());
    }

    fn begin_cpu_access(&self) -> Result<()> {
        self.begun.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn end_cpu_access(&self) -> Result<()> {
        if self.begun.load(Ordering::Relaxed) { Ok(()) } else { Err(Errno::EINVAL) }
    }
}
