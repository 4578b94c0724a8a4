//! An open `/dev/edu`: the dma-bufs it imported, by handle, and the transfers to and from them.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use heaps::dma_buf::{Direction, DmaTable, Importer};
use heaps::fence::reservation::Usage;
use heaps::{Errno, PhysAddr, Result, SgTable};

use super::device::{Edu, MEMORY_LEN, Way};
use super::uapi::{
    EDU_FACTORIAL, EDU_FORGET, EDU_IMPORT, EDU_INFO, EDU_TRANSFER, FROM_DEVICE, Import as Request, TO_DEVICE,
    Transfer,
};
use crate::drivers::import::Import;
use crate::mm::admit::admit;
use crate::mm::user;
use crate::sync::{SpinLock, order};
use crate::vfs::file::{File, FileOps, Ioctl};

/// How many imports an open file can have.
const MOST: usize = 64;

/// The device as one buffer knows it.
struct EduImporter {
    device: &'static Edu,
    /// The memory was taken away. Set before whoever takes it away waits for the device's turn, looked at under it.
    stopped: AtomicBool,
}

impl Importer for EduImporter {
    fn name(&self) -> &str {
        "edu"
    }

    fn map(&self, pages: &SgTable, _: Direction) -> Result<DmaTable> {
        if pages.runs().iter().all(|run| self.device.reaches(run.start(), run.len() as u64)) {
            DmaTable::direct(pages)
        } else {
            Err(Errno::EIO)
        }
    }

    fn invalidate(&self) {
        self.stopped.store(true, Ordering::Release);
        drop(self.device.turn());
    }
}

type Imported = Import<EduImporter>;

/// An open device.
pub struct OpenEdu {
    device: &'static Edu,
    imports: SpinLock<Vec<Option<Arc<Imported>>>, { order::HEAP_STATE }>,
}

impl OpenEdu {
    /// Without imports.
    pub fn new(device: &'static Edu) -> OpenEdu {
        OpenEdu { device, imports: SpinLock::new(Vec::new()) }
    }

    /// Imports a buffer. `EBADF`, `EINVAL` for a descriptor that is no dma-buf, `EIO` where the device does not reach
    /// all of it, `ENODEV` for one that was revoked, `ENOSPC` for one too many, `ENOMEM`.
    fn import(&self, call: &Ioctl<'_>) -> Result<()> {
        let mut request: Request = user::read(call.arg)?;
        let importer = EduImporter { device: self.device, stopped: AtomicBool::new(false) };
        let imported = Import::get(call.files, request.fd, importer)?;
        admit()?;
        let handle = self.keep(Arc::new(imported))?;
        request.handle = handle as u32;
        user::write(call.arg, &request).inspect_err(|_| drop(self.forget(handle)))
    }

    fn keep(&self, imported: Arc<Imported>) -> Result<usize> {
        let mut imports = self.imports.lock();
        if let Some(at) = imports.iter().position(Option::is_none) {
            imports[at] = Some(imported);
            return Ok(at);
        }
        let pushed = match imports.len() {
            MOST => Err(Errno::ENOSPC),
            _ => imports.try_reserve(1).map_err(|_| Errno::ENOMEM),
        };
        if pushed.is_ok() {
            imports.push(Some(imported));
            return Ok(imports.len() - 1);
        }
        // What is let go may sleep.
        drop(imports);
        drop(imported);
        pushed.map(|()| 0)
    }

    /// Takes an import out. `ENOENT`.
    fn forget(&self, handle: usize) -> Result<Arc<Imported>> {
        let mut imports = self.imports.lock();
        imports.get_mut(handle).and_then(Option::take).ok_or(Errno::ENOENT)
    }

    fn find(&self, handle: usize) -> Result<Arc<Imported>> {
        self.imports.lock().get(handle).cloned().flatten().ok_or(Errno::ENOENT)
    }

    /// Moves bytes, when all is done that the buffer's fences stand for; a fence of its own stands for this. `ENOENT`,
    /// `EINVAL` for no bytes, a direction there is not or bytes past an end, `ENODEV` once the memory was taken away,
    /// `EINTR`, `ENOMEM`.
    fn transfer(&self, transfer: Transfer) -> Result<()> {
        let imported = self.find(transfer.handle as usize)?;
        let way = match transfer.direction {
            TO_DEVICE => Way::ToDevice,
            FROM_DEVICE => Way::FromDevice,
            _ => return Err(Errno::EINVAL),
        };
        let (at, len) = (u64::from(transfer.at), u64::from(transfer.len));
        if at + len > MEMORY_LEN {
            return Err(Errno::EINVAL);
        }
        let mut pieces = imported.pieces(transfer.offset, len)?;
        let writes = way == Way::FromDevice;
        imported.buffer().wait_fences(Usage::before(writes))?;
        let turn = self.device.turn();
        if imported.importer.stopped.load(Ordering::Acquire) {
            return Err(Errno::ENODEV);
        }
        // Made in turn, so that those of the device are signalled in the order of their numbers.
        let (fence, signaller) = turn.fence()?;
        imported.buffer().add_fence(&fence, if writes { Usage::Write } else { Usage::Read })?;
        let moved = pieces.try_fold(at, |at, (address, part)| {
            turn.transfer(way, PhysAddr::new(address), at, part).map(|()| at + part)
        });
        signaller.signal(moved.err());
        moved.map(drop)
    }
}

impl FileOps for OpenEdu {
    fn ioctl(&self, _: &File, call: &Ioctl<'_>) -> Result<usize> {
        const INFO: u32 = EDU_INFO.raw();
        const FACTORIAL: u32 = EDU_FACTORIAL.raw();
        const IMPORT: u32 = EDU_IMPORT.raw();
        const FORGET: u32 = EDU_FORGET.raw();
        const TRANSFER: u32 = EDU_TRANSFER.raw();
        match call.cmd {
            INFO => user::write(call.arg, &self.device.info())?,
            FACTORIAL => {
                let n = user::read(call.arg)?;
                user::write(call.arg, &self.device.factorial(n))?;
            }
            IMPORT => self.import(call)?,
            FORGET => {
                let handle: u32 = user::read(call.arg)?;
                drop(self.forget(handle as usize)?);
            }
            TRANSFER => self.transfer(user::read(call.arg)?)?,
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }
}
