//! A transfer between an import and the device's memory: what was asked for, checked, and doing it.
#![forbid(unsafe_code)]

use heaps::fence::reservation::Usage;
use heaps::uapi::edu::{FROM_DEVICE, TO_DEVICE, Transfer as Request};
use heaps::{Errno, Result};

use super::device::{MEMORY_LEN, Turn, Way};
use super::importer::EduImporter;
use crate::drivers::import::Import;

/// A buffer that the device uses.
pub type Imported = Import<EduImporter>;

/// A transfer that lies within its buffer and the device's memory.
#[derive(Clone, Copy, Debug)]
pub struct Transfer {
    way: Way,
    offset: u64,
    at: u64,
    len: u64,
}

impl Transfer {
    /// What `request` asks for. `EINVAL` for no bytes, a direction there is not, or bytes past an end.
    pub fn new(request: &Request, imported: &Imported) -> Result<Transfer> {
        let way = match request.direction {
            TO_DEVICE => Way::ToDevice,
            FROM_DEVICE => Way::FromDevice,
            _ => return Err(Errno::EINVAL),
        };
        let (offset, at, len) = (request.offset, u64::from(request.at), u64::from(request.len));
        if at + len > MEMORY_LEN {
            return Err(Errno::EINVAL);
        }
        imported.pieces(offset, len).map(|_| Transfer { way, offset, at, len })
    }

    /// What it does with the buffer.
    pub fn usage(&self) -> Usage {
        if self.way == Way::FromDevice { Usage::Write } else { Usage::Read }
    }

    /// Does it, in the device's turn; whoever calls holds the import until this returns. `ENODEV` once the memory was taken
    /// away, `EIO` where the device was kept from it, `EBUSY` when too many devices are at work. Sleeps until it is
    /// done, whoever is killed meanwhile.
    pub fn perform(&self, imported: &Imported, turn: &Turn<'_>) -> Result<()> {
        let importer = &imported.importer;
        if importer.is_stopped() {
            return Err(Errno::ENODEV);
        }
        let mut pieces = imported.pieces(self.offset, self.len)?;
        importer.take_off(imported.buffer().table(), self.offset, self.len)?;
        let moved = pieces.try_fold(self.at, |at, (address, part)| {
            turn.transfer(self.way, address, at, part).map(|()| at + part)
        });
        importer.land();
        match moved {
            Err(_) if importer.is_stopped() => Err(Errno::ENODEV),
            moved => moved.map(drop),
        }
    }
}
