//! What `/proc/PID` says about an address space.

use alloc::string::String;

use heaps::{Errno, PAGE_SIZE, Result};

use super::AddressSpace;
use crate::mm::Prot;
use crate::mm::vma::{Backing, VmFlags, Vma};

impl AddressSpace {
    /// One line per area, as in `/proc/PID/maps`. `ENOMEM`: there may be very many. May sleep.
    pub fn maps(&self) -> Result<String> {
        let mut text = String::new();
        for vma in self.lock().areas.iter() {
            let line = line(vma);
            text.try_reserve(line.len() + 1).map_err(|_| Errno::ENOMEM)?;
            text.push_str(&line);
            text.push('\n');
        }
        Ok(text)
    }

    /// Bytes mapped, and bytes of pages in place. May sleep.
    pub fn usage(&self) -> (usize, usize) {
        let layout = self.lock();
        let (mut mapped, mut present) = (0, 0);
        for vma in layout.areas.iter() {
            mapped += vma.pages() * PAGE_SIZE;
            let _ = layout.table.for_each(vma.start, vma.pages(), &mut |_, _, pages| {
                present += pages * PAGE_SIZE;
                Ok(())
            });
        }
        (mapped, present)
    }
}

fn line(vma: &Vma) -> String {
    let may = |prot, yes| if vma.prot.contains(prot) { yes } else { '-' };
    let (r, w, x) = (may(Prot::READ, 'r'), may(Prot::WRITE, 'w'), may(Prot::EXEC, 'x'));
    let s = if vma.flags.contains(VmFlags::SHARED) { 's' } else { 'p' };
    let page = PAGE_SIZE as u64;
    let offset = match &vma.backing {
        Backing::Anonymous => 0,
        Backing::Shared { first, .. } | Backing::Runs { first, .. } | Backing::File { first, .. } => {
            first * page
        }
        Backing::Content { offset, .. } => *offset,
    };
    let name = match vma.flags {
        flags if flags.contains(VmFlags::GROWSDOWN) => " [stack]",
        flags if flags.contains(VmFlags::HEAP) => " [heap]",
        _ => "",
    };
    alloc::format!("{:08x}-{:08x} {r}{w}{x}{s} {offset:08x} 00:00 0{name}", vma.start, vma.end)
}
