//! TLB maintenance, broadcast to all CPUs by the hardware, and address-space numbers (Arm ARM D8.14).

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use heaps::{Errno, PAGE_SIZE, Result};

/// Beyond this many pages a whole address space is cheaper to flush.
const MANY_PAGES: usize = 64;

/// Makes new descriptors visible to the walkers before the next access.
#[inline]
pub fn publish() {
    // SAFETY: barriers only.
    unsafe { asm!("dsb ishst", "isb", options(nostack)) }
}

/// Forgets the translations of `pages` pages from `va` of address space `asid`, on all CPUs, and waits for it.
pub fn flush_user(asid: u16, va: u64, pages: usize) {
    flush_pages(asid, (0..pages).map(|n| va + (n * PAGE_SIZE) as u64));
}

/// The same for pages here and there, by address.
pub fn flush_pages(asid: u16, pages: impl ExactSizeIterator<Item = u64>) {
    if pages.len() > MANY_PAGES {
        return flush_asid(asid);
    }
    // SAFETY: TLB maintenance only forgets.
    unsafe { asm!("dsb ishst", options(nostack)) }
    for va in pages {
        let arg = u64::from(asid) << 48 | va >> 12 & 0xfff_ffff_ffff;
        // SAFETY: as above.
        unsafe { asm!("tlbi vae1is, {}", in(reg) arg, options(nostack)) }
    }
    // SAFETY: as above.
    unsafe { asm!("dsb ish", "isb", options(nostack)) }
}

/// Forgets all translations of address space `asid`, on all CPUs, and waits for it.
pub fn flush_asid(asid: u16) {
    // SAFETY: TLB maintenance only forgets.
    unsafe {
        asm!("dsb ishst", "tlbi aside1is, {}", "dsb ish", "isb", in(reg) u64::from(asid) << 48, options(nostack))
    }
}

/// Forgets everything, on all CPUs, and waits for it.
pub fn flush_all() {
    // SAFETY: TLB maintenance only forgets.
    unsafe { asm!("dsb ishst", "tlbi vmalle1is", "dsb ish", "isb", options(nostack)) }
}

/// The address-space numbers in use, one bit each. Number 0 is nobody's.
static ASIDS: [AtomicU64; 1024] = {
    let mut bits = [const { AtomicU64::new(0) }; 1024];
    bits[0] = AtomicU64::new(1);
    bits
};

/// An address-space number, given back when dropped.
pub struct Asid(u16);

impl Asid {
    /// A number nobody else has. `ENOMEM` when all are taken.
    pub fn new() -> Result<Asid> {
        for (word, bits) in ASIDS.iter().enumerate().take(Self::words()) {
            let claim = |b: u64| (b != u64::MAX).then(|| b | 1 << b.trailing_ones());
            if let Ok(before) = bits.fetch_update(Ordering::AcqRel, Ordering::Relaxed, claim) {
                return Ok(Asid((word * 64) as u16 + before.trailing_ones() as u16));
            }
        }
        Err(Errno::ENOMEM)
    }

    /// Sixteen bits where the machine has them, else eight (ID_AA64MMFR0_EL1.ASIDBits).
    fn words() -> usize {
        let mmfr0: u64;
        // SAFETY: reading an identification register has no side effect.
        unsafe { asm!("mrs {}, id_aa64mmfr0_el1", out(reg) mmfr0, options(nomem, nostack, pure)) }
        if mmfr0 >> 4 & 0xf == 2 { 1024 } else { 4 }
    }

    /// The number.
    pub fn get(&self) -> u16 {
        self.0
    }
}

impl Drop for Asid {
    fn drop(&mut self) {
        flush_asid(self.0);
        ASIDS[self.0 as usize / 64].fetch_and(!(1 << (self.0 % 64)), Ordering::Release);
    }
}
