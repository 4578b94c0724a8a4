//! QEMU's firmware configuration: files that the machine has for its firmware, some of which can be written (QEMU,
//! `docs/specs/fw_cfg.rst`). By its DMA interface alone.
#![forbid(unsafe_code)]

use heaps::{Errno, PhysAddr, Result};

use crate::arch::mmio::Mmio;
use crate::mm::frames::{self, Frame};

/// The register that takes a command's address, and says [`SIGNATURE`] when read. Big-endian.
const DMA: usize = 0x10;
const SIGNATURE: u64 = u64::from_be_bytes(*b"QEMU CFG");
/// The file that lists the others.
const DIRECTORY: u16 = 0x19;

const READ: u32 = 2;
const SELECT: u32 = 8;
const WRITE: u32 = 16;

/// Where data goes in the frame, behind the command.
const DATA: usize = 64;
/// Bytes of an entry of the directory, and where its selector and name are.
const ENTRY: usize = 64;
const SELECTOR: usize = 4;
const NAME: usize = 8;
/// How many entries there is room for.
const ENTRIES: usize = (heaps::PAGE_SIZE - DATA) / ENTRY - 1;

/// The interface, and a frame for what goes through it.
pub struct FwCfg {
    registers: Mmio,
    frame: Frame,
}

impl FwCfg {
    /// The interface with the registers at `base`. `ENODEV` where it has no DMA, `ENOMEM`.
    pub fn new(base: PhysAddr, len: u64) -> Result<FwCfg> {
        let registers = Mmio::new(base, len)?;
        if len < DMA as u64 + 8 || u64::from_be(registers.read64(DMA)) != SIGNATURE {
            return Err(Errno::ENODEV);
        }
        Ok(FwCfg { registers, frame: frames::alloc_zeroed()? })
    }

    /// The selector of file `name`. `ENOENT`, `EIO`.
    pub fn find(&self, name: &str) -> Result<u16> {
        let mut count = [0; 4];
        self.read(DIRECTORY, &mut count)?;
        let count = (u32::from_be_bytes(count) as usize).min(ENTRIES);
        let mut entries = [0; 4 + ENTRIES * ENTRY];
        let listed = &mut entries[..4 + count * ENTRY];
        self.read(DIRECTORY, listed)?;
        let named = |entry: &&[u8]| entry[NAME..].split(|&byte| byte == 0).next() == Some(name.as_bytes());
        let entry = listed[4..].chunks_exact(ENTRY).find(named).ok_or(Errno::ENOENT)?;
        Ok(u16::from_be_bytes([entry[SELECTOR], entry[SELECTOR + 1]]))
    }

    /// Writes a whole file. `EIO`.
    pub fn write(&self, selector: u16, bytes: &[u8]) -> Result<()> {
        frames::write(self.frame.addr(), DATA, bytes);
        self.command(selector, WRITE, bytes.len())
    }

    /// Reads the first bytes of a file. `EIO`.
    fn read(&self, selector: u16, into: &mut [u8]) -> Result<()> {
        self.command(selector, READ, into.len())?;
        frames::read(self.frame.addr(), DATA, into);
        Ok(())
    }

    /// A command is its control word, a length and an address. The device does it before the write of its address
    /// returns, and clears the control word unless it failed.
    fn command(&self, selector: u16, what: u32, len: usize) -> Result<()> {
        let (frame, control) = (self.frame.addr(), u32::from(selector) << 16 | SELECT | what);
        let mut command = [0; 16];
        command[..4].copy_from_slice(&control.to_be_bytes());
        command[4..8].copy_from_slice(&(len as u32).to_be_bytes());
        command[8..].copy_from_slice(&(frame.get() + DATA as u64).to_be_bytes());
        frames::write(frame, 0, &command);
        self.registers.write64(DMA, frame.get().to_be());
        let mut left = [0; 4];
        frames::read(frame, 0, &mut left);
        if u32::from_be_bytes(left) == 0 { Ok(()) } else { Err(Errno::EIO) }
    }
}
