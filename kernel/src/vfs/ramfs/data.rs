//! The contents of a regular file: what `read`, `write`, `ftruncate`, `fallocate` and mappings do to its pages.
//!
//! What changes contents or size takes turns ([`order::INODE`]); readers and page faults do not wait for it. Models
//! `mm/shmem.c`.
#![forbid(unsafe_code)]

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use heaps::{Errno, PhysAddr, Result};

use super::pages::{PAGE, Pages};
use super::seals;
use crate::mm::aspace::mappers::{FilePages, Gone, Mappers, PageFor};
use crate::mm::frames;
use crate::sync::{Mutex, order};
use crate::vfs::io::{Bounce, Sink, Source, partial};
use crate::vfs::quota::Quota;

pub use super::pages::MAX_SIZE;

/// A regular file's bytes.
pub struct Data {
    change: Mutex<(), { order::INODE }>,
    quota: Option<Arc<Quota>>,
    pages: Mutex<Pages, { order::FILE_DATA }>,
    mappers: Mappers,
    /// Changed under `change` alone.
    seals: AtomicU32,
}

impl Data {
    /// A file whose first contents are `image`, not copied, in a filesystem of limited size.
    pub fn new(image: &'static [u8], quota: Option<Arc<Quota>>) -> Data {
        Data::sealed(image, quota, seals::SEAL)
    }

    /// The same with these seals.
    pub fn sealed(image: &'static [u8], quota: Option<Arc<Quota>>, seals: u32) -> Data {
        Data {
            change: Mutex::new(()),
            quota: quota.clone(),
            pages: Mutex::new(Pages::new(image, quota)),
            mappers: Mappers::new(),
            seals: AtomicU32::new(seals),
        }
    }

    /// The size in bytes. May sleep.
    pub fn size(&self) -> u64 {
        self.pages.lock().size()
    }

    /// The number of 512-byte blocks allocated. May sleep.
    pub fn blocks(&self) -> u64 {
        self.pages.lock().count() * PAGE / 512
    }

    /// What counts its pages.
    pub fn quota(&self) -> Option<&Arc<Quota>> {
        self.quota.as_ref()
    }

    /// The seals ([`seals`]).
    pub fn seals(&self) -> u32 {
        self.seals.load(Ordering::Acquire)
    }

    /// Adds seals. `EINVAL` for unknown ones, `EPERM` when there may be no more, `EBUSY` to seal against writing what
    /// is mapped to be written, or has pages that somebody has pinned. May sleep.
    pub fn add_seals(&self, more: u32) -> Result<()> {
        if more & !seals::ALL != 0 {
            return Err(Errno::EINVAL);
        }
        let _turn = self.change.lock();
        let there = self.seals();
        if there & seals::SEAL != 0 {
            return Err(Errno::EPERM);
        }
        if more & seals::WRITE != 0 && there & seals::WRITE == 0 {
            if self.pages.lock().any_pinned() {
                return Err(Errno::EBUSY);
            }
            self.mappers.deny_writable()?;
        }
        self.seals.store(there | more, Ordering::Release);
        Ok(())
    }

    /// `EPERM` where one of `seals` is set.
    fn unless_sealed(&self, seals: u32) -> Result<()> {
        if self.seals() & seals == 0 { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// Copies from `pos` on into `buf` and returns how much there was. May sleep.
    pub fn read_at(&self, pos: u64, buf: &mut [u8]) -> usize {
        self.pages.lock().read(pos, buf)
    }

    /// Carries bytes from `pos` on over to `to`. May sleep.
    pub fn read(&self, to: &mut dyn Sink, mut pos: u64) -> Result<usize> {
        let left = self.size().saturating_sub(pos);
        let want = to.room().min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut bounce = Bounce::for_len(want)?;
        let mut done = 0;
        while done < want {
            let part = bounce.slice(want - done);
            let got = self.read_at(pos, part);
            if got == 0 {
                break;
            }
            let room = to.room();
            if let Err(e) = to.put(&part[..got]) {
                return partial(done + room - to.room(), Err(e));
            }
            done += got;
            pos += got as u64;
        }
        Ok(done)
    }

    /// Writes all of `from` at `pos`, or at the end where that is `None`; returns how much was written and the
    /// position after it. `ENOSPC`, `ENOMEM`, `EFBIG`, `EFAULT`, `EPERM` before the first byte. May sleep.
    pub fn write(&self, from: &mut dyn Source, pos: Option<u64>) -> Result<(usize, u64)> {
        let mut bounce = Bounce::for_len(from.left())?;
        let _turn = self.change.lock();
        let mut at = pos.unwrap_or_else(|| self.size());
        let mut done = 0;
        while from.left() > 0 {
            let part = bounce.slice(from.left());
            let outcome = self.may_write(at, part.len()).and_then(|len| {
                let left = from.left();
                let taken = from.take(&mut part[..len]);
                let got = left - from.left();
                // What came before user memory ended is written.
                if got == 0 { taken.map(|()| (0, 0)) } else { Ok((got, self.put(at, &part[..got])?)) }
            });
            let (got, put) = match outcome {
                Ok(counts) => counts,
                Err(e) => return partial(done, Err(e)).map(|n| (n, at)),
            };
            done += put;
            at += put as u64;
            if put < got || got == 0 {
                break;
            }
        }
        Ok((done, at))
    }

    /// How much of `len` bytes may be written at `pos`. `EFBIG`, `EPERM`.
    fn may_write(&self, pos: u64, len: usize) -> Result<usize> {
        let room = MAX_SIZE.checked_sub(pos).filter(|&room| room > 0).ok_or(Errno::EFBIG)?;
        self.unless_sealed(seals::WRITE | seals::FUTURE_WRITE)?;
        let len = (len as u64).min(room);
        if self.seals() & seals::GROW == 0 {
            return Ok(len as usize);
        }
        // Linux asks once a page: of one that would end past the end, no byte is written.
        let size = self.size();
        let end = if pos + len <= size { pos + len } else { size / PAGE * PAGE };
        if end > pos { Ok((end - pos) as usize) } else { Err(Errno::EPERM) }
    }

    /// Writes as much of `bytes` as there is memory for, and at least one byte.
    fn put(&self, pos: u64, bytes: &[u8]) -> Result<usize> {
        let mut pages = self.pages.lock();
        let mut done = 0;
        while done < bytes.len() {
            let at = pos + done as u64;
            let len = ((PAGE - at % PAGE) as usize).min(bytes.len() - done);
            match pages.write_page(at, &bytes[done..done + len]) {
                Ok(()) => done += len,
                Err(e) if done == 0 => return Err(e),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    /// Makes the file `size` bytes long; what is added reads as zeros, and what is cut off is unmapped everywhere.
    /// `EFBIG`, `EPERM`. May sleep.
    pub fn truncate(&self, size: u64) -> Result<()> {
        if size > MAX_SIZE {
            return Err(Errno::EFBIG);
        }
        let _turn = self.change.lock();
        let before = self.size();
        match size.cmp(&before) {
            core::cmp::Ordering::Less => self.unless_sealed(seals::SHRINK)?,
            core::cmp::Ordering::Greater => self.unless_sealed(seals::GROW)?,
            core::cmp::Ordering::Equal => {}
        }
        let removed = self.pages.lock().truncate(size);
        if size < before {
            self.mappers.zap(&Gone::From(size.div_ceil(PAGE)));
        }
        drop(removed);
        Ok(())
    }

    /// Gives every byte of a range its memory; the file ends where it did where `keep_size`. `ENOSPC`, `ENOMEM`,
    /// `EPERM`. May sleep.
    pub fn allocate(&self, start: u64, len: u64, keep_size: bool) -> Result<()> {
        let end = start.checked_add(len).filter(|&end| end <= MAX_SIZE).ok_or(Errno::EFBIG)?;
        let _turn = self.change.lock();
        if end > self.size() {
            self.unless_sealed(seals::GROW)?;
        }
        let mut pages = self.pages.lock();
        pages.allocate(start / PAGE..end.div_ceil(PAGE))?;
        if !keep_size {
            pages.grow(end);
        }
        Ok(())
    }

    /// Makes a range read as zeros, and gives back what memory it can. `EPERM`; `ENOSPC` and `ENOMEM` where a page of
    /// the boot image is in the way. May sleep.
    pub fn punch_hole(&self, start: u64, len: u64) -> Result<()> {
        let end = start.checked_add(len).ok_or(Errno::EFBIG)?;
        let _turn = self.change.lock();
        self.unless_sealed(seals::WRITE | seals::FUTURE_WRITE)?;
        let mut whole = self.pages.lock().clear(start..end)?;
        loop {
            let removed = self.pages.lock().take(&mut whole);
            if removed.is_empty() {
                return Ok(());
            }
            let frames: BTreeMap<u64, PhysAddr> =
                removed.iter().map(|(&index, page)| (index, page.frame())).collect();
            self.mappers.zap(&Gone::Pages(&frames));
        }
    }

    /// Pins page `index` for somebody who goes by its address, made where there is a hole; `unpin` of `mm::frames` is for
    /// whoever has it. `EFBIG` for a page that no file has, `EINVAL` past the end, `EPERM` for what is not sealed
    /// against shrinking or is sealed against writing; `ENOSPC`, `ENOMEM`. May sleep.
    pub fn pin(&self, index: u64) -> Result<PhysAddr> {
        if index > MAX_SIZE / PAGE {
            return Err(Errno::EFBIG);
        }
        // Seals wait for their turn, and so see the pin.
        let _turn = self.change.lock();
        if !self.may_be_pinned() {
            return Err(Errno::EPERM);
        }
        let mut pages = self.pages.lock();
        if index >= pages.size().div_ceil(PAGE) {
            return Err(Errno::EINVAL);
        }
        let frame = pages.make(index)?.frame();
        frames::pin(frame);
        Ok(frame)
    }

    /// Whether its seals let its pages be pinned: it may not shrink, and may be written.
    pub fn may_be_pinned(&self) -> bool {
        self.seals() & (seals::SHRINK | seals::WRITE | seals::FUTURE_WRITE) == seals::SHRINK
    }

    /// The first byte from `pos` on that is data, or that is in a hole; the end counts as one. `ENXIO` past the end, and
    /// where no data follows. May sleep.
    pub fn seek(&self, pos: u64, data: bool) -> Result<u64> {
        let pages = self.pages.lock();
        let size = pages.size();
        if pos >= size {
            return Err(Errno::ENXIO);
        }
        match pages.next(pos / PAGE, size.div_ceil(PAGE), data) {
            Some(index) => Ok((index * PAGE).max(pos).min(size)),
            None if data => Err(Errno::ENXIO),
            None => Ok(size),
        }
    }
}

impl FilePages for Data {
    fn read(&self, offset: u64, into: &mut [u8]) -> usize {
        self.read_at(offset, into)
    }

    fn page(&self, index: u64, want: PageFor) -> Result<Option<PhysAddr>> {
        let mut pages = self.pages.lock();
        if index >= pages.size().div_ceil(PAGE) {
            return Err(Errno::EFAULT);
        }
        if want == PageFor::Looking && pages.is_image(index) {
            return Ok(None);
        }
        let frame = pages.make(index)?.frame();
        frames::share(frame);
        Ok(Some(frame))
    }

    fn has(&self, index: u64) -> bool {
        self.pages.lock().is_data(index)
    }

    fn punch(&self, start: u64, len: u64) -> Result<()> {
        self.punch_hole(start, len)
    }

    fn mappers(&self) -> &Mappers {
        &self.mappers
    }
}

#[cfg(test)]
#[path = "data_tests.rs"]
mod tests;
