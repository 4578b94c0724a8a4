//! An open `/dev/edu`: the dma-bufs it imported, by handle, and the transfers to and from them.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::fallible::try_push;
use heaps::{Errno, PAGE_SHIFT, PAGE_SIZE, PhysAddr, Platform, Result};

use super::device::{Direction, Edu, MEMORY_LEN};
use super::uapi::{
    EDU_FACTORIAL, EDU_FORGET, EDU_IMPORT, EDU_INFO, EDU_TRANSFER, FROM_DEVICE, Import, TO_DEVICE, Transfer,
};
use crate::drivers::dma_heap::{Imported, Kernel};
use crate::mm::user;
use crate::sync::{SpinLock, order};
use crate::vfs::file::{File, FileOps, Ioctl};

/// How many imports an open file can have.
const MOST: usize = 64;

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
    /// all of it, `ENOSPC` for one too many, `ENOMEM`.
    fn import(&self, call: &Ioctl<'_>) -> Result<()> {
        let mut import: Import = user::read(call.arg)?;
        let imported = Arc::new(Imported::get(call.files, import.fd)?);
        let runs = imported.buffer().table().runs();
        if !runs.iter().all(|run| self.device.reaches(run.start(), run.len() as u64)) {
            return Err(Errno::EIO);
        }
        let handle = self.keep(imported)?;
        import.handle = handle as u32;
        user::write(call.arg, &import).inspect_err(|_| drop(self.forget(handle)))
    }

    fn keep(&self, imported: Arc<Imported>) -> Result<usize> {
        let mut imports = self.imports.lock();
        let free = imports.iter().position(Option::is_none);
        match free {
            Some(at) => {
                imports[at] = Some(imported);
                Ok(at)
            }
            None if imports.len() == MOST => Err(Errno::ENOSPC),
            None => try_push(&mut *imports, Some(imported)).map(|()| imports.len() - 1),
        }
    }

    /// Takes an import out. `ENOENT`.
    fn forget(&self, handle: usize) -> Result<Arc<Imported>> {
        let mut imports = self.imports.lock();
        imports.get_mut(handle).and_then(Option::take).ok_or(Errno::ENOENT)
    }

    fn find(&self, handle: usize) -> Result<Arc<Imported>> {
        self.imports.lock().get(handle).cloned().flatten().ok_or(Errno::ENOENT)
    }

    /// Moves bytes. `ENOENT`, `EINVAL` for no bytes, a direction there is not or bytes past an end, `EINTR` when
    /// killed, and what the device says.
    fn transfer(&self, transfer: Transfer) -> Result<()> {
        let imported = self.find(transfer.handle as usize)?;
        let direction = match transfer.direction {
            TO_DEVICE => Direction::ToDevice,
            FROM_DEVICE => Direction::FromDevice,
            _ => return Err(Errno::EINVAL),
        };
        let (offset, len, mut at) = (transfer.offset, u64::from(transfer.len), u64::from(transfer.at));
        let end = offset.checked_add(len).ok_or(Errno::EINVAL)?;
        let fits = end <= imported.buffer().size() as u64 && at + len <= MEMORY_LEN;
        if len == 0 || !fits {
            return Err(Errno::EINVAL);
        }
        let first = (offset >> PAGE_SHIFT) as usize;
        let pages = end.div_ceil(PAGE_SIZE as u64) as usize - first;
        // Bytes of the first run that come before, and how many are still to be moved.
        let (mut skip, mut left) = (offset % PAGE_SIZE as u64, len);
        for run in imported.buffer().table().window(first, pages) {
            if Kernel::fatal_signal_pending() {
                return Err(Errno::EINTR);
            }
            let part = (run.len() as u64 - skip).min(left);
            self.device.transfer(direction, PhysAddr::new(run.start().get() + skip), at, part)?;
            (skip, left, at) = (0, left - part, at + part);
        }
        Ok(())
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
