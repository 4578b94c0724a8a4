//! Who maps a file: the address spaces to visit when pages of it go (Linux: `i_mmap`, `mm/memory.c`'s
//! `unmap_mapping_pages`).

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};

use heaps::{Errno, PAGE_SIZE, PhysAddr, Result};

use super::Space;
use super::layout::Layout;
use crate::mm::admit::admit;
use crate::mm::frames;
use crate::mm::vma::{Backing, MapSource, Vma};
use crate::sync::{SpinLock, order};

const PAGE: u64 = PAGE_SIZE as u64;

/// What a fault wants a file's page for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageFor {
    /// A mapping that shares it: it is made where the file has a hole.
    Sharing,
    /// A private mapping that reads it: the same, but a page that is still the boot image's is not made the file's.
    Looking,
}

/// A file whose pages can be mapped. Its methods are called with an address space locked; they may sleep, and touch no
/// user memory.
pub trait FilePages: Send + Sync {
    /// Reads content at byte `offset`; returns how much there was (short only at the end).
    fn read(&self, offset: u64, into: &mut [u8]) -> usize;

    /// Page `index`, with a share of its frame for the caller; `None` where the caller has to make its own copy.
    /// `EFAULT` past the file's end, `ENOSPC`, `ENOMEM`.
    fn page(&self, index: u64, want: PageFor) -> Result<Option<PhysAddr>>;

    /// Whether page `index` is in memory.
    fn has(&self, index: u64) -> bool;

    /// Makes a range of bytes read as zeros. `EPERM`, `ENOSPC`, `ENOMEM`. Called with no address space locked.
    fn punch(&self, start: u64, len: u64) -> Result<()>;

    /// Who maps it.
    fn mappers(&self) -> &Mappers;
}

/// Which pages of a file go.
pub enum Gone<'a> {
    /// All from this page on, and private copies with them: the file ends before.
    From(u64),
    /// These, by number. Private copies stay.
    Pages(&'a BTreeMap<u64, PhysAddr>),
}

#[derive(Default)]
struct List {
    /// In the order they came: a forked child's comes after its parent's.
    spaces: BTreeMap<u64, Weak<Space>>,
    next: u64,
    /// How many may write to the file through a shared mapping; negative: nobody may any more.
    writable: i32,
}

/// The address spaces that map a file.
#[derive(Default)]
pub struct Mappers(SpinLock<List, { order::MAPPERS }>);

impl Mappers {
    /// Nobody.
    pub const fn new() -> Mappers {
        Mappers(SpinLock::new(List { spaces: BTreeMap::new(), next: 0, writable: 0 }))
    }

    fn join(&self, space: &Weak<Space>, writable: bool) -> Result<u64> {
        admit()?;
        let mut list = self.0.lock();
        if writable {
            if list.writable < 0 {
                return Err(Errno::EPERM);
            }
            list.writable += 1;
        }
        let id = list.next;
        list.next += 1;
        list.spaces.insert(id, space.clone());
        Ok(id)
    }

    fn leave(&self, id: u64, writable: bool) {
        let mut list = self.0.lock();
        let space = list.spaces.remove(&id);
        if list.spaces.is_empty() {
            // An emptied map keeps a node.
            list.spaces = BTreeMap::new();
        }
        list.writable -= i32::from(writable);
        if list.spaces.is_empty() {
            // A map that was used keeps memory.
            list.spaces = BTreeMap::new();
        }
        drop(list);
        drop(space);
    }

    fn after(&self, id: Option<u64>) -> Option<(u64, Weak<Space>)> {
        let list = self.0.lock();
        let from = id.map_or(0, |id| id + 1);
        list.spaces.range(from..).next().map(|(&id, space)| (id, space.clone()))
    }

    /// Refuses shared mappings through which the file could be written, for good. `EBUSY` when there are some.
    pub fn deny_writable(&self) -> Result<()> {
        let mut list = self.0.lock();
        if list.writable > 0 {
            return Err(Errno::EBUSY);
        }
        list.writable = -1;
        Ok(())
    }

    /// Unmaps pages that have gone from the file everywhere. May sleep; no lock of rank MMAP or above is held.
    ///
    /// A fault that found a page before it went holds its address space's lock until it has mapped it, so it is seen
    /// here. So is a child that is being forked: its parent, whose lock the fork holds, is visited before.
    pub fn zap(&self, gone: &Gone<'_>) {
        let mut last = None;
        while let Some((id, space)) = self.after(last) {
            last = Some(id);
            if let Some(space) = space.upgrade() {
                space.lock().zap(self, gone);
            }
        }
    }
}

impl Layout {
    fn zap(&mut self, of: &Mappers, gone: &Gone<'_>) {
        let Layout { areas, table, .. } = self;
        let mut unmap = |va: u64, pages: u64| {
            let done = table.unmap(va, pages as usize, &mut |_, pa, pages| {
                (0..pages as u64).for_each(|i| frames::unshare(pa.add_pages(i)));
            });
            debug_assert!(done.is_ok(), "file pages are mapped one by one");
        };
        let mut looked = alloc::vec::Vec::new();
        for vma in areas.iter() {
            let Some(first) = first_page(vma, of) else { continue };
            let end = first + vma.pages() as u64;
            match gone {
                Gone::From(page) if *page < end => {
                    let from = first.max(*page);
                    unmap(vma.start + (from - first) * PAGE, end - from);
                }
                Gone::From(_) => {}
                Gone::Pages(pages) => {
                    looked.extend(
                        pages.range(first..end).map(|(index, pa)| (vma.start + (index - first) * PAGE, *pa)),
                    );
                }
            }
        }
        for (va, pa) in looked {
            if table.lookup(va).is_some_and(|(there, _)| there == pa) {
                let _ = table.unmap(va, 1, &mut |_, pa, _| frames::unshare(pa));
            }
        }
    }
}

/// The page of the file that an area of it starts with.
fn first_page(vma: &Vma, of: &Mappers) -> Option<u64> {
    let (file, first) = match &vma.backing {
        Backing::File { file, first } => (file, *first),
        Backing::Content { file, offset, .. } => (file, offset / PAGE),
        _ => return None,
    };
    let mappers = file.source.pages()?.mappers();
    core::ptr::eq(mappers, of).then_some(first)
}

/// A file as one address space maps it: all areas that one `mmap` became share it.
pub struct Mapped {
    /// The file.
    pub source: Arc<dyn MapSource>,
    /// What it is known as to the file's [`Mappers`].
    id: u64,
    writable: bool,
}

impl Mapped {
    /// Lets `space` map `source`; `writable` when it may write to it through a shared mapping. `EPERM` when that is
    /// refused, `ENOMEM`.
    pub fn new(source: Arc<dyn MapSource>, space: &Weak<Space>, writable: bool) -> Result<Arc<Mapped>> {
        let id = match source.pages() {
            Some(pages) => pages.mappers().join(space, writable)?,
            None => 0,
        };
        Ok(Arc::new(Mapped { source, id, writable }))
    }

    /// The same for another address space. `ENOMEM`.
    pub fn again(&self, space: &Weak<Space>) -> Result<Arc<Mapped>> {
        Mapped::new(self.source.clone(), space, self.writable)
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        if let Some(pages) = self.source.pages() {
            pages.mappers().leave(self.id, self.writable);
        }
    }
}
