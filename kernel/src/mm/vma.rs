//! A virtual memory area: a range of user addresses with one protection and one origin of its pages
//! (Linux: `struct vm_area_struct`).

use alloc::sync::Arc;
use alloc::vec::Vec;

use bitflags::bitflags;
use heaps::{Errno, PAGE_SIZE, PhysAddr, Result};

use super::Prot;
use super::aspace::mappers::{FilePages, Mapped};
use super::aspace::shared::SharedPages;

bitflags! {
    /// Properties of an area besides its protection.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct VmFlags: u8 {
        /// `MAP_SHARED`: stores are seen by whoever else maps the same.
        const SHARED = 1;
        /// Extends itself downwards when touched below its start: the stack.
        const GROWSDOWN = 2;
        /// `madvise(MADV_DONTFORK)`.
        const DONTFORK = 4;
        /// Part of the heap that `brk` moves.
        const HEAP = 8;
        /// The page that signal handlers return through.
        const SIGPAGE = 16;
        /// `madvise(MADV_WIPEONFORK)`.
        const WIPEONFORK = 32;
    }
}

/// What a mapping shows of the file behind it.
pub struct Origin {
    /// The number of its filesystem.
    pub dev: u32,
    /// The number of its inode.
    pub ino: u64,
    /// Its path, or what stands for it.
    pub name: Vec<u8>,
}

/// Something a file gives to be mapped: the file itself, or an object and the file that it is mapped through. A mapping
/// holds it.
pub trait MapSource: Send + Sync {
    /// What a mapping shows of it. `ENOMEM`. Called with the address space locked.
    fn origin(&self) -> Result<Origin>;

    /// Its pages, if it is a file of pages.
    fn pages(&self) -> Option<&dyn FilePages>;

    /// Reads content at byte `offset`; returns how much there was (short only at the end). `ENODEV` for what has no
    /// pages. Called with the address space locked; may sleep, and must not touch user memory.
    fn read_content(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        Ok(self.pages().ok_or(Errno::ENODEV)?.read(offset, into))
    }

    /// Calls `each` with the physical runs behind `pages` pages from page `first`, in order, and stops at its
    /// first error. The memory stays as long as the source. Only for sources mapped as [`Backing::Runs`].
    fn runs(&self, first: u64, pages: u64, each: &mut dyn FnMut(PhysAddr, usize) -> Result<()>)
    -> Result<()>;

    /// What tells its memory from that of other sources: the same for two that are the same memory at the same pages.
    fn identity(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    /// How many bytes of a dma-buf it is, if it is one.
    fn buffer_bytes(&self) -> Option<usize> {
        None
    }

    /// Whether its memory was taken away for good: then [`runs`](Self::runs) names nothing, and what was mapped is
    /// being unmapped.
    fn is_revoked(&self) -> bool {
        false
    }
}

/// Where an area's pages come from.
#[derive(Clone)]
pub enum Backing {
    /// Private zeroes, allocated at the first touch.
    Anonymous,
    /// Anonymous pages shared with the address spaces forked from this one. The area starts at page `first`.
    Shared {
        /// The pages.
        pages: Arc<SharedPages>,
        /// The page of it that the area starts with.
        first: u64,
    },
    /// A file's pages, shared with everybody who reads, writes or maps it.
    File {
        /// The file.
        file: Arc<Mapped>,
        /// The page of it that the area starts with.
        first: u64,
    },
    /// A file's pages until they are written: then private copies of them.
    Content {
        /// The file.
        file: Arc<Mapped>,
        /// The byte of the file that the area starts with.
        offset: u64,
        /// How many bytes from the area's start are content; what follows is zero. `None`: all of it, and
        /// pages wholly past the file's end cannot be touched (SIGBUS).
        len: Option<u64>,
    },
    /// Fixed memory, mapped whole when the area is made; never copied.
    Runs {
        /// What the memory belongs to.
        source: Arc<dyn MapSource>,
        /// The page of it that the area starts with.
        first: u64,
    },
}

impl Backing {
    /// What an area that starts `by` bytes further in has.
    fn advanced(&self, by: u64) -> Backing {
        let pages = by / PAGE_SIZE as u64;
        let mut backing = self.clone();
        match &mut backing {
            Backing::Anonymous => {}
            Backing::Shared { first, .. } | Backing::Runs { first, .. } | Backing::File { first, .. } => {
                *first += pages;
            }
            Backing::Content { offset, len, .. } => {
                *offset += by;
                *len = len.map(|n| n.saturating_sub(by));
            }
        }
        backing
    }

    /// Whether each mapped page carries a share of its frame.
    pub fn counts_pages(&self) -> bool {
        !matches!(self, Backing::Runs { .. })
    }

    /// Whether a write to a page that others share must copy it first.
    pub fn copies_on_write(&self) -> bool {
        matches!(self, Backing::Anonymous | Backing::Content { .. })
    }

    /// Whether `next` is what follows `len` bytes of it.
    fn continues_into(&self, next: &Backing, len: u64) -> bool {
        let page = PAGE_SIZE as u64;
        match (self, next) {
            (Backing::Anonymous, Backing::Anonymous) => true,
            (Backing::File { file, first }, Backing::File { file: other, first: next }) => {
                Arc::ptr_eq(file, other) && first + len / page == *next
            }
            (
                Backing::Content { file, offset, len: None },
                Backing::Content { file: other, offset: next, len: None },
            ) => Arc::ptr_eq(file, other) && offset + len == *next,
            _ => false,
        }
    }

    /// Whether dropping it may drop the last reference to something outside memory management.
    pub fn holds_file(&self) -> bool {
        matches!(self, Backing::Content { .. } | Backing::File { .. } | Backing::Runs { .. })
    }
}

/// One area. `start` and `end` are page-aligned user addresses, `start < end`.
#[derive(Clone)]
pub struct Vma {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// What user space may do.
    pub prot: Prot,
    /// What `mprotect` may at most make of `prot`.
    pub max_prot: Prot,
    /// Its properties.
    pub flags: VmFlags,
    /// Where its pages come from.
    pub backing: Backing,
}

impl Vma {
    /// Anonymous private memory.
    pub fn anonymous(start: u64, end: u64, prot: Prot, flags: VmFlags) -> Vma {
        Vma { start, end, prot, max_prot: Prot::all(), flags, backing: Backing::Anonymous }
    }

    /// In pages.
    pub fn pages(&self) -> usize {
        ((self.end - self.start) / PAGE_SIZE as u64) as usize
    }

    /// Keeps the part below `at` and returns the rest. `at` is page-aligned and strictly inside.
    pub fn split_off(&mut self, at: u64) -> Vma {
        debug_assert!(self.start < at && at < self.end);
        let rest = Vma { start: at, backing: self.backing.advanced(at - self.start), ..self.clone() };
        self.end = at;
        rest
    }

    /// Whether `next`, which starts where this one ends, could as well be part of it.
    pub fn continues_into(&self, next: &Vma) -> bool {
        self.end == next.start
            && self.prot == next.prot
            && self.flags == next.flags
            && self.max_prot == next.max_prot
            && self.backing.continues_into(&next.backing, self.end - self.start)
    }

    /// What a page table entry may allow at most: a private page is writable only once it is known unshared. What may
    /// be written may be read.
    pub fn shared_prot(&self) -> Prot {
        match self.backing.copies_on_write() {
            true if self.prot == Prot::WRITE => Prot::READ,
            true => self.prot - Prot::WRITE,
            false => self.prot,
        }
    }
}
