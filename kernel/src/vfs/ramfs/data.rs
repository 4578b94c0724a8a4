//! The contents of a regular file: pages on the kernel heap over what the boot image brought along.
//!
//! A file of the boot image is read in place and copied page by page when written to. Holes take no memory.
//! Models what `mm/shmem.c` is to tmpfs, without its page cache.
#![forbid(unsafe_code)]

use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use heaps::{Errno, Result};

use crate::sync::{Mutex, order};
use crate::vfs::io::{Bounce, Sink, Source, partial};

/// The unit of allocation, in bytes.
const PAGE: usize = 4096;
/// Largest size of a file, in bytes.
pub const MAX_SIZE: u64 = 1 << 32;

static PAGES: AtomicUsize = AtomicUsize::new(0);
static PAGE_LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Lets the contents of all files together take at most `pages` pages of 4 KiB; beyond, writes are `ENOSPC`.
pub fn set_limit(pages: usize) {
    PAGE_LIMIT.store(pages, Ordering::Relaxed);
}

/// What [`set_limit`] set.
pub fn page_limit() -> usize {
    PAGE_LIMIT.load(Ordering::Relaxed)
}

/// The pages all files together take now.
pub fn pages_in_use() -> usize {
    PAGES.load(Ordering::Relaxed)
}

/// One page of a file, counted.
struct Page(Vec<u8>);

impl Page {
    /// A page starting with `image`, else zero. `ENOSPC`.
    fn new(image: &[u8]) -> Result<Page> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(PAGE).map_err(|_| Errno::ENOSPC)?;
        if PAGES.fetch_add(1, Ordering::Relaxed) >= PAGE_LIMIT.load(Ordering::Relaxed) {
            PAGES.fetch_sub(1, Ordering::Relaxed);
            return Err(Errno::ENOSPC);
        }
        bytes.extend_from_slice(image);
        bytes.resize(PAGE, 0);
        Ok(Page(bytes))
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        PAGES.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Inner {
    size: u64,
    /// What the boot image holds; pages that were never written are read from here.
    image: &'static [u8],
    pages: Vec<Option<Page>>,
}

/// A regular file's bytes.
pub struct Data(Mutex<Inner, { order::FILE_DATA }>);

impl Data {
    /// A file whose first contents are `image`, not copied.
    pub const fn new(image: &'static [u8]) -> Data {
        Data(Mutex::new(Inner { size: image.len() as u64, image, pages: Vec::new() }))
    }

    /// The size in bytes. May sleep.
    pub fn size(&self) -> u64 {
        self.0.lock().size
    }

    /// The number of 512-byte blocks allocated. May sleep.
    pub fn blocks(&self) -> u64 {
        let inner = self.0.lock();
        let pages = inner.pages.iter().flatten().count();
        (pages * PAGE).max(inner.image.len().next_multiple_of(PAGE)) as u64 / 512
    }

    /// Copies from `pos` on into `buf` and returns how much there was. May sleep.
    pub fn read_at(&self, pos: u64, buf: &mut [u8]) -> usize {
        self.0.lock().read(pos, buf)
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
            if let Err(e) = to.put(&part[..got]) {
                return partial(done, Err(e));
            }
            done += got;
            pos += got as u64;
        }
        Ok(done)
    }

    /// Writes all of `from` at `pos`, or at the end where that is `None`; returns how much was written and the
    /// position after it. `ENOSPC`, `EFBIG`, `EFAULT` before the first byte. May sleep.
    pub fn write(&self, from: &mut dyn Source, pos: Option<u64>) -> Result<(usize, u64)> {
        let mut bounce = Bounce::for_len(from.left())?;
        let mut at = pos.unwrap_or_else(|| self.size());
        let mut done = 0;
        while from.left() > 0 {
            let part = bounce.slice(from.left());
            let outcome = from.take(part).and_then(|()| {
                let mut inner = self.0.lock();
                if pos.is_none() {
                    at = inner.size;
                }
                inner.write(at, part)
            });
            let put = match outcome {
                Ok(put) => put,
                Err(e) => return partial(done, Err(e)).map(|n| (n, at)),
            };
            done += put;
            at += put as u64;
            if put < part.len() {
                break;
            }
        }
        Ok((done, at))
    }

    /// Makes the file `size` bytes long; what is added reads as zeros. `EFBIG`. May sleep.
    pub fn truncate(&self, size: u64) -> Result<()> {
        if size > MAX_SIZE {
            return Err(Errno::EFBIG);
        }
        self.0.lock().truncate(size);
        Ok(())
    }
}

impl Inner {
    /// The bytes of the image that belong to page `index`.
    fn image_page(&self, index: usize) -> &'static [u8] {
        let start = (index * PAGE).min(self.image.len());
        &self.image[start..(start + PAGE).min(self.image.len())]
    }

    fn read(&self, pos: u64, buf: &mut [u8]) -> usize {
        let left = usize::try_from(self.size.saturating_sub(pos)).unwrap_or(usize::MAX);
        let want = buf.len().min(left);
        let mut done = 0;
        while done < want {
            let at = pos as usize + done;
            let (index, within) = (at / PAGE, at % PAGE);
            let len = (PAGE - within).min(want - done);
            let to = &mut buf[done..done + len];
            match self.pages.get(index) {
                Some(Some(page)) => to.copy_from_slice(&page.0[within..within + len]),
                _ => copy_or_zero(to, self.image_page(index).get(within..).unwrap_or(&[])),
            }
            done += len;
        }
        want
    }

    /// Writes as much of `bytes` as there is memory for, and at least one byte.
    fn write(&mut self, pos: u64, bytes: &[u8]) -> Result<usize> {
        if bytes.len() as u64 > MAX_SIZE.saturating_sub(pos) {
            return Err(Errno::EFBIG);
        }
        let mut done = 0;
        while done < bytes.len() {
            let at = pos as usize + done;
            let within = at % PAGE;
            let len = (PAGE - within).min(bytes.len() - done);
            match self.page_mut(at / PAGE) {
                Ok(page) => page.0[within..within + len].copy_from_slice(&bytes[done..done + len]),
                Err(e) if done == 0 => return Err(e),
                Err(_) => break,
            }
            done += len;
        }
        self.size = self.size.max(pos + done as u64);
        Ok(done)
    }

    fn page_mut(&mut self, index: usize) -> Result<&mut Page> {
        if self.pages.len() <= index {
            let more = index + 1 - self.pages.len();
            self.pages.try_reserve(more).map_err(|_| Errno::ENOSPC)?;
            self.pages.resize_with(index + 1, || None);
        }
        let image = self.image_page(index);
        let slot = &mut self.pages[index];
        if slot.is_none() {
            *slot = Some(Page::new(image)?);
        }
        slot.as_mut().ok_or(Errno::ENOSPC)
    }

    fn truncate(&mut self, size: u64) {
        let keep = size.div_ceil(PAGE as u64) as usize;
        self.pages.truncate(keep);
        self.image = &self.image[..self.image.len().min(size as usize)];
        let within = size as usize % PAGE;
        if within != 0
            && let Some(Some(page)) = self.pages.get_mut(keep - 1)
        {
            page.0[within..].fill(0);
        }
        self.size = size;
    }
}

fn copy_or_zero(to: &mut [u8], from: &[u8]) {
    let len = from.len().min(to.len());
    to[..len].copy_from_slice(&from[..len]);
    to[len..].fill(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn contents(data: &Data) -> Vec<u8> {
        let mut buf = vec![0xaa; data.size() as usize];
        assert_eq!(data.read_at(0, &mut buf), buf.len());
        buf
    }

    #[test]
    fn an_image_is_copied_when_written_to() {
        let data = Data::new(b"hello, world");
        data.write(&mut &b"J"[..], Some(0)).unwrap();
        assert_eq!(contents(&data), b"Jello, world");
        data.truncate(5).unwrap();
        data.truncate(7).unwrap();
        assert_eq!(contents(&data), b"Jello\0\0");
    }

    #[test]
    fn what_truncation_cut_off_stays_zero() {
        let data = Data::new(b"hello, world");
        data.truncate(2).unwrap();
        data.truncate(12).unwrap();
        assert_eq!(contents(&data), b"he\0\0\0\0\0\0\0\0\0\0");
    }

    #[test]
    fn a_hole_reads_as_zeros() {
        let data = Data::new(b"");
        assert_eq!(data.write(&mut &b"end"[..], Some(10_000)).unwrap(), (3, 10_003));
        let all = contents(&data);
        assert!(all[..10_000].iter().all(|&b| b == 0));
        assert_eq!(&all[10_000..], b"end");
        assert_eq!(data.read_at(20_000, &mut [0; 4]), 0);
    }

    #[test]
    fn appending_ignores_where_the_writer_stood() {
        let data = Data::new(b"ab");
        assert_eq!(data.write(&mut &b"cd"[..], None).unwrap(), (2, 4));
        assert_eq!(contents(&data), b"abcd");
    }

    #[test]
    fn beyond_the_largest_size_is_efbig() {
        let data = Data::new(b"");
        assert_eq!(data.write(&mut &b"x"[..], Some(MAX_SIZE)), Err(Errno::EFBIG));
        assert_eq!(data.write(&mut &b"x"[..], Some(u64::MAX)), Err(Errno::EFBIG));
        assert_eq!(data.truncate(MAX_SIZE + 1), Err(Errno::EFBIG));
    }

    proptest::proptest! {
        /// Against a plain vector.
        #[test]
        fn behaves_as_a_vector(ops in proptest::collection::vec((0u8..3, 0u64..20_000, 0usize..9_000), 1..20)) {
            static IMAGE: [u8; 6000] = [0x5a; 6000];
            let data = Data::new(&IMAGE);
            let mut model = IMAGE.to_vec();
            for (op, pos, len) in ops {
                match op {
                    0 => {
                        let bytes = vec![len as u8; len];
                        data.write(&mut &bytes[..], Some(pos)).unwrap();
                        if len > 0 {
                            model.resize(model.len().max(pos as usize + len), 0);
                            model[pos as usize..pos as usize + len].copy_from_slice(&bytes);
                        }
                    }
                    1 => {
                        data.truncate(pos).unwrap();
                        model.resize(pos as usize, 0);
                    }
                    _ => {
                        let mut buf = vec![0; len];
                        let got = data.read_at(pos, &mut buf);
                        let from = model.get(pos as usize..).unwrap_or(&[]);
                        proptest::prop_assert_eq!(&buf[..got], &from[..len.min(from.len())]);
                    }
                }
            }
            proptest::prop_assert_eq!(contents(&data), model);
        }
    }
}
