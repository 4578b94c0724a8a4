//! An open `/dev/edu`: the dma-bufs it imported, by handle, and the transfers to and from them.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;

use arrayvec::ArrayVec;
use heaps::fence::reservation::Usage;
use heaps::fence::{Context, Fence};
use heaps::uapi::edu::{
    EDU_FACTORIAL, EDU_FORGET, EDU_IMPORT, EDU_INFO, EDU_PLACE, EDU_SUBMIT, EDU_TRANSFER, Import as Request,
    Place, SUBMIT_IN_FENCE, SUBMIT_OUT_FENCE, Submit, Transfer,
};
use heaps::{Errno, Result};

use super::device::Edu;
use super::importer::EduImporter;
use super::jobs::Job;
use super::transfer::{self, Imported};
use crate::drivers::dma_heap;
use crate::drivers::import::Import;
use crate::mm::admit::admit;
use crate::mm::user;
use crate::sync::{SpinLock, order};
use crate::vfs::file::{File, FileOps, Ioctl};

/// How many imports an open file can have.
const MOST: usize = 64;

/// An open device.
pub struct OpenEdu {
    device: &'static Edu,
    /// What tells it from others.
    id: Context,
    imports: SpinLock<Vec<Option<Arc<Imported>>>, { order::HEAP_STATE }>,
}

impl OpenEdu {
    /// Without imports.
    pub fn new(device: &'static Edu) -> OpenEdu {
        OpenEdu { device, id: Context::new(), imports: SpinLock::new(Vec::new()) }
    }

    /// Imports a buffer. `EBADF`, `EINVAL` for a descriptor that is no dma-buf, `EIO` where the device does not reach
    /// all of it, `ENODEV` for one that was revoked, `ENOSPC` for one too many, `ENOMEM`.
    fn import(&self, call: &Ioctl<'_>) -> Result<()> {
        let mut request: Request = user::read(call.arg)?;
        let imported = Import::get(call.files, request.fd, EduImporter::new(self.device))?;
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
    /// `EINVAL` for no bytes, a direction there is not or bytes past an end, `ENODEV` once the memory was taken away, `EIO`
    /// where the device was kept from it, `EINTR`, `ENOMEM`.
    fn transfer(&self, request: &Transfer) -> Result<()> {
        let imported = self.find(request.handle as usize)?;
        let transfer = transfer::Transfer::new(request, &imported)?;
        imported.buffer().wait_fences(Usage::before(transfer.usage() == Usage::Write))?;
        let turn = self.device.turn();
        // Made in turn, so that those of the device are signalled in the order of their numbers.
        let (fence, signaller) = turn.fence()?;
        imported.buffer().add_fence(&fence, transfer.usage())?;
        let moved = transfer.perform(&imported, &turn);
        signaller.signal(moved.err());
        moved
    }

    /// Has bytes moved, and does not wait: unless the file is closed before it comes to that. `ENOENT`, `EINVAL` as for [`transfer`](Self::transfer), for flags there are not
    /// and a descriptor that is no fence; `EBUSY` for a job too many, `EMFILE`, `ENFILE`, `EFAULT`, `ENOMEM`: nothing was done
    /// then.
    fn submit(&self, call: &Ioctl<'_>) -> Result<()> {
        let mut request: Submit = user::read(call.arg)?;
        if request.flags & !(SUBMIT_IN_FENCE | SUBMIT_OUT_FENCE) != 0 || request.pad != 0 {
            return Err(Errno::EINVAL);
        }
        let wants = |flag| request.flags & flag != 0;
        let imported = self.find(request.transfer.handle as usize)?;
        let transfer = transfer::Transfer::new(&request.transfer, &imported)?;
        let in_fence = wants(SUBMIT_IN_FENCE).then(|| dma_heap::fence_of(call.files, request.in_fence));
        let in_fence = in_fence.transpose()?;
        admit()?;
        let (fence, signaller) = Fence::new(Context::new(), 1, "edu", "job")?;
        let out = match wants(SUBMIT_OUT_FENCE) {
            true => Some((call.files.reserve(true)?, dma_heap::fence_file(&fence)?)),
            false => None,
        };
        if let Some((slot, _)) = &out {
            request.out_fence = slot.fd() as i32;
            user::write(call.arg, &request)?;
        }
        let job = Job { file: self.id, imported, transfer, signaller, before: ArrayVec::new() };
        self.device.jobs.submit(job, &fence, in_fence)?;
        if let Some((slot, file)) = out {
            slot.install(file);
        }
        Ok(())
    }

    /// Says where the device finds an import. `ENOENT`, `EFAULT`.
    fn place(&self, call: &Ioctl<'_>) -> Result<()> {
        let mut place: Place = user::read(call.arg)?;
        let imported = self.find(place.handle as usize)?;
        let runs = imported.runs();
        place.runs = runs.len() as u32;
        place.address = runs.first().map_or(0, |run| run.address);
        user::write(call.arg, &place)
    }
}

impl Drop for OpenEdu {
    fn drop(&mut self) {
        self.device.jobs.cancel(self.id);
    }
}

impl FileOps for OpenEdu {
    fn ioctl(&self, _: &File, call: &Ioctl<'_>) -> Result<usize> {
        const INFO: u32 = EDU_INFO.raw();
        const FACTORIAL: u32 = EDU_FACTORIAL.raw();
        const IMPORT: u32 = EDU_IMPORT.raw();
        const FORGET: u32 = EDU_FORGET.raw();
        const TRANSFER: u32 = EDU_TRANSFER.raw();
        const PLACE: u32 = EDU_PLACE.raw();
        const SUBMIT: u32 = EDU_SUBMIT.raw();
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
            TRANSFER => self.transfer(&user::read(call.arg)?)?,
            PLACE => self.place(call)?,
            SUBMIT => self.submit(call)?,
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }
}
