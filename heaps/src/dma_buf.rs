//! A buffer: what a dma-buf descriptor does (Linux: `drivers/dma-buf/dma-buf.c`).
//!
//! - [`importer`]: devices that use buffers, and buffers as they see them
//! - [`attach`]: buffers attached to devices, and mapped there
//! - `fences`: what its users have to wait for
//! - [`vmap`]: buffers as the kernel itself reads and writes them

pub mod attach;
mod export;
mod fences;
pub mod importer;
mod shared;
#[cfg(all(test, not(feature = "loom")))]
mod tests;
pub mod vmap;

pub use attach::{Attachment, Mapping};
pub use importer::{Direction, DmaRun, DmaTable, Importer};
pub use vmap::Vmap;

pub use export::Exporter;

use core::fmt;

use arrayvec::ArrayVec;
use lock_api::Mutex;
use zerocopy::{FromZeros, IntoBytes};

use crate::addr::{PAGE_SHIFT, PAGE_SIZE, pages_for};
use crate::discipline::Hold;
use crate::kref::OnceRef;
use crate::platform::{Event, Platform};
use crate::registry::Registry;
use crate::sg::{SgTable, Window};
use crate::uapi::dma_buf::{
    DMA_BUF_IOCTL_EXPORT_SYNC_FILE, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, DMA_BUF_IOCTL_SYNC, DMA_BUF_NAME_LEN,
    DMA_BUF_SET_NAME_A, DMA_BUF_SET_NAME_B, DMA_BUF_SYNC_END, DMA_BUF_SYNC_READ, DMA_BUF_SYNC_RW,
    DMA_BUF_SYNC_VALID_FLAGS_MASK, DMA_BUF_SYNC_WRITE, Sync,
};
use crate::uapi::fcntl::{SEEK_END, SEEK_SET};
use crate::uapi::ioctl::Command;
use crate::user::{FdTable, UserMemory};
use crate::{Errno, Result};
use shared::Shared;

/// A buffer. The kernel's file owns it; descriptors, mappings and importers share that file, and when the last
/// of them goes the buffer is dropped, which gives its pages back. May sleep when dropped.
pub struct DmaBuf<P: Platform> {
    registry: &'static Registry<P>,
    hold: Hold<P>,
    table: SgTable,
    mappable: bool,
    name: Mutex<P::BufferLock, Option<Name>>,
    shared: OnceRef<Shared<P>>,
    /// Whose share it is of. Nobody's, where the kernel allocated it for itself.
    charge: Option<P::Charge>,
}

/// A name, without its NUL.
type Name = ArrayVec<u8, DMA_BUF_NAME_LEN>;

/// What is asked of [`DmaBuf::mmap`].
#[derive(Clone, Copy, Debug)]
pub struct MapRequest {
    /// Bytes into the buffer; a multiple of the page size.
    pub offset: u64,
    /// In bytes, rounded up to pages.
    pub len: usize,
    /// `MAP_SHARED`, rather than `MAP_PRIVATE`.
    pub shared: bool,
    /// `PROT_WRITE`.
    pub write: bool,
    /// The file was opened for writing. (That it was opened for reading is the VFS's to check.)
    pub file_writable: bool,
}

impl<P: Platform> DmaBuf<P> {
    /// A buffer of the pages in `table`, which `hold`'s operations allocated and will release.
    pub(crate) fn new(registry: &'static Registry<P>, hold: Hold<P>, table: SgTable) -> DmaBuf<P> {
        registry.buffer_made(table.size());
        P::trace(Event::BufferAlloc { size: table.size() });
        let mappable = hold.mappable();
        let name = Mutex::new(None);
        DmaBuf { registry, hold, table, mappable, name, shared: OnceRef::new(), charge: None }
    }

    /// The same buffer, of somebody's share.
    pub(crate) fn charged(mut self, charge: P::Charge) -> DmaBuf<P> {
        self.charge = Some(charge);
        self
    }

    /// In bytes, whole pages: the file's size.
    pub fn size(&self) -> usize {
        self.table.size()
    }

    /// The pages, in order.
    pub fn table(&self) -> &SgTable {
        &self.table
    }

    /// Does an ioctl: SYNC, SET_NAME, EXPORT_SYNC_FILE and IMPORT_SYNC_FILE. Returns 0, or `ENOTTY` unknown command,
    /// `EINVAL`, `EFAULT`, `EMFILE`, `ENOMEM`; `EINTR` waiting for fences. May sleep.
    pub fn ioctl<U, D>(&self, command: Command, arg: usize, user: &U, fds: &D) -> Result<usize>
    where
        U: UserMemory + ?Sized,
        D: FdTable<P> + ?Sized,
    {
        match command {
            DMA_BUF_IOCTL_SYNC => {
                let mut sync = Sync::new_zeroed();
                user.read_bytes(arg, sync.as_mut_bytes())?;
                self.sync(sync.flags)?;
            }
            DMA_BUF_SET_NAME_A | DMA_BUF_SET_NAME_B => {
                let mut name = [0; DMA_BUF_NAME_LEN];
                let len = user.read_string(arg, &mut name)?;
                *self.name.lock() = Some(name.into_iter().take(len).collect());
            }
            DMA_BUF_IOCTL_EXPORT_SYNC_FILE => self.export_sync_file(arg, user, fds)?,
            DMA_BUF_IOCTL_IMPORT_SYNC_FILE => self.import_sync_file(arg, user, fds)?,
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }

    /// What the ioctl SYNC does.
    fn sync(&self, flags: u64) -> Result<()> {
        if flags & !DMA_BUF_SYNC_VALID_FLAGS_MASK != 0 {
            return Err(Errno::EINVAL);
        }
        let direction = match flags & DMA_BUF_SYNC_RW {
            DMA_BUF_SYNC_READ => Direction::FromDevice,
            DMA_BUF_SYNC_WRITE => Direction::ToDevice,
            DMA_BUF_SYNC_RW => Direction::Bidirectional,
            _ => return Err(Errno::EINVAL),
        };
        P::trace(Event::BufferSync { flags });
        if flags & DMA_BUF_SYNC_END == 0 {
            self.begin_cpu_access(direction)
        } else {
            self.end_cpu_access(direction)
        }
    }

    /// Finds the size by seeking: only to offset 0 from the start or the end, else `EINVAL`.
    pub fn lseek(&self, offset: i64, whence: u32) -> Result<u64> {
        match (offset, whence) {
            (0, SEEK_SET) => Ok(0),
            (0, SEEK_END) => Ok(self.size() as u64),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Whether its memory went with its device. Nothing maps it any more, and nothing will.
    pub fn is_revoked(&self) -> bool {
        self.hold.is_revoked()
    }

    /// The page runs behind a mapping, in order; they stay the buffer's as long as the mapping holds its file, or until
    /// it is revoked: then `ENODEV`. Otherwise `EACCES` for a shared writable mapping of a file not open for writing;
    /// `EINVAL` for a private mapping, an empty one, one past the end, or any of a buffer that cannot be mapped.
    pub fn mmap(&self, request: MapRequest) -> Result<Window<'_>> {
        if request.shared && request.write && !request.file_writable {
            return Err(Errno::EACCES);
        }
        if self.is_revoked() {
            return Err(Errno::ENODEV);
        }
        let pages = pages_for(request.len).filter(|&pages| pages != 0).ok_or(Errno::EINVAL)?;
        if !self.mappable || !request.shared || !request.offset.is_multiple_of(PAGE_SIZE as u64) {
            return Err(Errno::EINVAL);
        }
        let first = usize::try_from(request.offset >> PAGE_SHIFT).map_err(|_| Errno::EINVAL)?;
        match first.checked_add(pages) {
            Some(end) if end <= self.table.pages() => Ok(self.table.window(first, pages)),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Writes the exporter's name, which is its heap's.
    pub fn show_exporter(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str(self.hold.exp_name())
    }

    /// Writes the buffer's name, or `<none>`.
    pub fn show_name(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        let name = self.name.lock().clone();
        match name {
            Some(name) => write_name(out, &name),
            None => out.write_str("<none>"),
        }
    }

    /// The lines of `/proc/PID/fdinfo/FD` that are a buffer's own. `references` is how many hold its file.
    pub fn fdinfo(&self, out: &mut dyn fmt::Write, references: usize) -> fmt::Result {
        writeln!(out, "size:\t{}", self.size())?;
        writeln!(out, "count:\t{references}")?;
        writeln!(out, "exp_name:\t{}", self.hold.exp_name())?;
        let name = self.name.lock().clone();
        match name {
            Some(name) => {
                out.write_str("name:\t")?;
                write_name(out, &name)?;
                out.write_char('\n')
            }
            None => Ok(()),
        }
    }

    /// What the link `/proc/PID/fd/FD` says: `/dmabuf:` and the name.
    pub fn link_text(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str("/dmabuf:")?;
        let name = self.name.lock().clone();
        write_name(out, &name.unwrap_or_default())
    }
}

/// Writes what of a name is text; user space may have put anything there.
fn write_name(out: &mut dyn fmt::Write, name: &[u8]) -> fmt::Result {
    for chunk in name.utf8_chunks() {
        out.write_str(chunk.valid())?;
        if !chunk.invalid().is_empty() {
            out.write_char(char::REPLACEMENT_CHARACTER)?;
        }
    }
    Ok(())
}

impl<P: Platform> Drop for DmaBuf<P> {
    fn drop(&mut self) {
        self.forget_fences();
        // What was revoked went with its device, and may be somebody else's.
        if self.hold.exporter().is_none() && !self.is_revoked() {
            P::released(&self.table);
        }
        let table = core::mem::take(&mut self.table);
        let size = table.size();
        P::trace(Event::BufferRelease { size });
        self.hold.release(table);
        self.registry.buffer_freed(size);
    }
}
