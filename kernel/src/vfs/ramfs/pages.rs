//! The pages of a regular file: frames by number, over what the boot image brought along.
//!
//! A page of the boot image is read in place until it is written to or shared. Holes take no memory. Models the page
//! cache of `mm/shmem.c`.
#![forbid(unsafe_code)]

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use heaps::{Errno, PhysAddr, Result};

use crate::mm::admit::admit;
use crate::mm::{PAGE_SIZE, commit, frames};
use crate::vfs::quota::Quota;

/// The unit of allocation, in bytes.
pub const PAGE: u64 = PAGE_SIZE as u64;
/// Largest size of a file, in bytes.
pub const MAX_SIZE: u64 = i64::MAX as u64;

/// A file's share of a frame.
pub struct Page(PhysAddr);

impl Page {
    /// A page of zeros. `ENOMEM`.
    fn zeroed() -> Result<Page> {
        Ok(Page(commit::zeroed_page()?.into_raw()))
    }

    /// A page that starts with `image`, else zero. `ENOMEM`.
    fn with(image: &[u8]) -> Result<Page> {
        let page = Page::zeroed()?;
        frames::write(page.0, 0, image);
        Ok(page)
    }

    /// Its frame.
    pub fn frame(&self) -> PhysAddr {
        self.0
    }

    fn fill_zero(&self, range: Range<usize>) {
        let zeros = [0; 256];
        for at in range.clone().step_by(zeros.len()) {
            frames::write(self.0, at, &zeros[..zeros.len().min(range.end - at)]);
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        frames::unshare(self.0);
    }
}

/// Pages that are no longer a file's, by number.
pub type Removed = BTreeMap<u64, Page>;

/// How many pages are taken out at a time: what keeps them meanwhile takes memory, which cannot be refused.
const MOST_TAKEN: usize = 256;

/// A file's size and pages.
pub struct Pages {
    size: u64,
    /// What the boot image holds; pages that are not the file's own are read from here.
    image: &'static [u8],
    pages: BTreeMap<u64, Page>,
    /// Where its pages are counted.
    quota: Option<Arc<Quota>>,
}

impl Pages {
    /// Those of a file whose first contents are `image`, not copied.
    pub fn new(image: &'static [u8], quota: Option<Arc<Quota>>) -> Pages {
        Pages { size: image.len() as u64, image, pages: BTreeMap::new(), quota }
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Sets the size; nothing is cut off.
    pub fn grow(&mut self, size: u64) {
        self.size = self.size.max(size);
    }

    /// How many pages take memory: the file's own, and those of the image.
    pub fn count(&self) -> u64 {
        let image = self.image_end();
        image + self.pages.range(image..).count() as u64
    }

    /// Whether somebody has pinned one of them.
    pub fn any_pinned(&self) -> bool {
        self.pages.values().any(|page| frames::is_pinned(page.frame()))
    }

    /// One past the last page of the image.
    fn image_end(&self) -> u64 {
        (self.image.len() as u64).div_ceil(PAGE)
    }

    /// The bytes of the image that belong to page `index`.
    fn image_page(&self, index: u64) -> &'static [u8] {
        let start = usize::try_from(index.saturating_mul(PAGE))
            .map_or(self.image.len(), |at| at.min(self.image.len()));
        &self.image[start..(start + PAGE_SIZE).min(self.image.len())]
    }

    /// Whether page `index` can still be read from the image.
    pub fn is_image(&self, index: u64) -> bool {
        index < self.image_end() && !self.pages.contains_key(&index)
    }

    /// Whether there is something at page `index`.
    pub fn is_data(&self, index: u64) -> bool {
        index < self.image_end() || self.pages.contains_key(&index)
    }

    /// The first page from `from` on, below `end`, that is data, or that is none.
    pub fn next(&self, from: u64, end: u64, data: bool) -> Option<u64> {
        if from >= end {
            return None;
        }
        if self.is_data(from) == data {
            return Some(from);
        }
        if data {
            return self.pages.range(from..end).next().map(|(&index, _)| index);
        }
        let mut at = from.max(self.image_end());
        for (&index, _) in self.pages.range(at..end) {
            if index != at {
                break;
            }
            at += 1;
        }
        (at < end).then_some(at)
    }

    /// Page `index`, made the file's own: from the image, or of zeros. `ENOSPC`, `ENOMEM`.
    pub fn make(&mut self, index: u64) -> Result<&Page> {
        let image = self.image_page(index);
        match self.pages.entry(index) {
            Entry::Occupied(there) => Ok(there.into_mut()),
            Entry::Vacant(place) => {
                admit()?;
                let page = Page::with(image)?;
                self.quota.as_ref().map_or(Ok(()), |quota| quota.charge())?;
                Ok(place.insert(page))
            }
        }
    }

    /// Copies from `pos` on into `buf` and returns how much there was.
    pub fn read(&self, pos: u64, buf: &mut [u8]) -> usize {
        let left = usize::try_from(self.size.saturating_sub(pos)).unwrap_or(usize::MAX);
        let want = buf.len().min(left);
        let mut done = 0;
        while done < want {
            let at = pos + done as u64;
            let (index, within) = (at / PAGE, (at % PAGE) as usize);
            let len = (PAGE_SIZE - within).min(want - done);
            let to = &mut buf[done..done + len];
            match self.pages.get(&index) {
                Some(page) => frames::read(page.0, within, to),
                None => copy_or_zero(to, self.image_page(index).get(within..).unwrap_or(&[])),
            }
            done += len;
        }
        want
    }

    /// Writes within one page, and extends the file up to there. `ENOMEM`.
    pub fn write_page(&mut self, pos: u64, bytes: &[u8]) -> Result<()> {
        let page = self.make(pos / PAGE)?;
        frames::write(page.0, (pos % PAGE) as usize, bytes);
        self.grow(pos + bytes.len() as u64);
        Ok(())
    }

    /// Makes the file `size` bytes long, and returns the pages it loses.
    pub fn truncate(&mut self, size: u64) -> Removed {
        let removed = self.pages.split_off(&size.div_ceil(PAGE));
        self.uncharge(removed.len());
        if let Ok(len) = usize::try_from(size) {
            self.image = &self.image[..self.image.len().min(len)];
        }
        let within = (size % PAGE) as usize;
        if within != 0
            && let Some(page) = self.pages.get(&(size / PAGE))
        {
            page.fill_zero(within..PAGE_SIZE);
        }
        self.size = size;
        self.tidy();
        removed
    }

    /// Keeps no memory for pages that are not there.
    fn tidy(&mut self) {
        if self.pages.is_empty() {
            self.pages = BTreeMap::new();
        }
    }

    /// Makes the bytes of `range` read as zeros, but for those of the pages that the file is to lose altogether, whose
    /// numbers it returns. `ENOSPC` and `ENOMEM` where a page of the image has to be covered; what is before it has
    /// changed then.
    pub fn clear(&mut self, range: Range<u64>) -> Result<Range<u64>> {
        let touched = range.start / PAGE..range.end.div_ceil(PAGE);
        let whole = range.start.div_ceil(PAGE)..range.end / PAGE;
        for index in touched.start..touched.end.min(self.image_end()) {
            self.make(index)?;
        }
        let stays = |index: u64| index < self.image_end() || !whole.contains(&index);
        for (&index, page) in self.pages.range(touched).filter(|(index, _)| stays(**index)) {
            let (from, to) = (range.start.max(index * PAGE), range.end.min((index + 1) * PAGE));
            page.fill_zero((from - index * PAGE) as usize..(to - index * PAGE) as usize);
        }
        Ok(whole.start.max(self.image_end())..whole.end)
    }

    /// Takes out the first of the pages in `range`, and takes their numbers off it. None: there are no more.
    pub fn take(&mut self, range: &mut Range<u64>) -> Removed {
        let mut removed = Removed::new();
        while removed.len() < MOST_TAKEN
            && !range.is_empty()
            && let Some((&index, _)) = self.pages.range(range.clone()).next()
            && let Some(page) = self.pages.remove(&index)
        {
            removed.insert(index, page);
            range.start = index + 1;
        }
        self.uncharge(removed.len());
        self.tidy();
        removed
    }

    /// Makes every page of `range` the file's own; holes read as zeros before and after. `ENOSPC` and `ENOMEM` change
    /// nothing.
    pub fn allocate(&mut self, range: Range<u64>) -> Result<()> {
        let mut made = Vec::new();
        for index in range {
            if self.is_data(index) {
                continue;
            }
            let room = made.try_reserve(1).map_err(|_| Errno::ENOMEM);
            if let Err(e) = room.and_then(|()| self.make(index).map(drop)) {
                made.iter().for_each(|index| drop(self.pages.remove(index)));
                self.uncharge(made.len());
                return Err(e);
            }
            made.push(index);
        }
        Ok(())
    }

    fn uncharge(&self, pages: usize) {
        if let Some(quota) = &self.quota {
            quota.uncharge(pages);
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.uncharge(self.pages.len());
    }
}

fn copy_or_zero(to: &mut [u8], from: &[u8]) {
    let len = from.len().min(to.len());
    to[..len].copy_from_slice(&from[..len]);
    to[len..].fill(0);
}
