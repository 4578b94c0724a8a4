//! What `/proc/PID` says about an address space.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt::{self, Write};

use heaps::{PAGE_SIZE, Result};

use super::AddressSpace;
use super::layout::Layout;
use crate::mm::Prot;
use crate::mm::fallible::{self, Escaped};
use crate::mm::vma::{Backing, Origin, VmFlags, Vma};

impl AddressSpace {
    /// One line per area, as in `/proc/PID/maps`. `ENOMEM`: there may be very many. May sleep.
    pub fn maps(&self) -> Result<String> {
        let layout = self.lock();
        fallible::text(|out| layout.areas.iter().try_for_each(|vma| line(out, vma)))
    }

    /// Bytes mapped, and bytes of pages in place. May sleep.
    pub fn usage(&self) -> (usize, usize) {
        self.lock().usage()
    }
}

impl Layout {
    /// Bytes mapped, and bytes of pages in place; a buffer's are its own.
    pub fn usage(&self) -> (usize, usize) {
        let (mut mapped, mut present) = (0, 0);
        for vma in self.areas.iter() {
            mapped += vma.pages() * PAGE_SIZE;
            if matches!(vma.backing, Backing::Runs { .. }) {
                continue;
            }
            let _ = self.table.for_each(vma.start, vma.pages(), &mut |_, _, pages| {
                present += pages * PAGE_SIZE;
                Ok(())
            });
        }
        (mapped, present)
    }
}

impl AddressSpace {
    /// Calls `each` with every dma-buf that it maps, as often as it does: an address that tells it from others, and its
    /// size in bytes. May sleep; so must not `each`.
    pub fn each_buffer(&self, each: &mut dyn FnMut(usize, usize)) {
        for vma in self.lock().areas.iter() {
            if let Backing::Runs { source, .. } = &vma.backing
                && let Some(bytes) = source.buffer_bytes()
            {
                each(Arc::as_ptr(source).addr(), bytes);
            }
        }
    }
}

/// Where the name begins: after three words of addresses and 25 other characters, on a 64-bit Linux.
const NAME_AT: usize = 73;
/// The filesystem that anonymous shared memory is in.
const ANONYMOUS_DEV: u32 = 1;

fn line(out: &mut dyn Write, vma: &Vma) -> fmt::Result {
    let may = |prot, yes| if vma.prot.contains(prot) { yes } else { '-' };
    let (r, w, x) = (may(Prot::READ, 'r'), may(Prot::WRITE, 'w'), may(Prot::EXEC, 'x'));
    let s = if vma.flags.contains(VmFlags::SHARED) { 's' } else { 'p' };
    let (offset, Origin { dev, ino, name }) = origin(vma).map_err(|_| fmt::Error)?;
    let head =
        alloc::format!("{:08x}-{:08x} {r}{w}{x}{s} {offset:08x} 00:{dev:02x} {ino} ", vma.start, vma.end);
    if name.is_empty() {
        return writeln!(out, "{head}");
    }
    writeln!(out, "{head:<NAME_AT$}{}", Escaped { bytes: &name, special: &['\n'] })
}

/// The byte of its origin that an area starts with, and the origin.
fn origin(vma: &Vma) -> Result<(u64, Origin)> {
    let page = PAGE_SIZE as u64;
    let made_up = |name: &str| Origin { dev: 0, ino: 0, name: name.into() };
    Ok(match &vma.backing {
        Backing::Runs { source, first } => (first * page, source.origin()?),
        Backing::File { file, first } => (first * page, file.source.origin()?),
        Backing::Content { file, offset, .. } => (*offset, file.source.origin()?),
        Backing::Shared { .. } if vma.flags.contains(VmFlags::SIGPAGE) => (0, made_up("[sigpage]")),
        Backing::Shared { pages, first } => {
            let name = b"/dev/zero (deleted)".to_vec();
            (first * page, Origin { dev: ANONYMOUS_DEV, ino: pages.number(), name })
        }
        Backing::Anonymous if vma.flags.contains(VmFlags::GROWSDOWN) => (0, made_up("[stack]")),
        Backing::Anonymous if vma.flags.contains(VmFlags::HEAP) => (0, made_up("[heap]")),
        Backing::Anonymous => (0, made_up("")),
    })
}
