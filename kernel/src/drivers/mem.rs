//! `/dev/null`, `/dev/zero` and `/dev/full`. Models `drivers/char/mem.c`.
#![forbid(unsafe_code)]

use alloc::boxed::Box;

use heaps::{CdevOps, Errno, Result};

use super::dma_heap::Kernel;
use crate::chrdev::{self, CdevRef, DevT};
use crate::vfs::file::{File, FileOps, Whence};
use crate::vfs::io::{Sink, Source};
use crate::vfs::mmap::{Mmap, MmapRequest};

const MEM_MAJOR: u32 = 1;
static ZEROS: [u8; 4096] = [0; 4096];

#[derive(Clone, Copy)]
enum Mem {
    Null,
    Zero,
    Full,
}

/// Publishes the devices. `EBUSY` and `EEXIST` when they are there already, `ENOMEM`. May sleep.
pub fn init() -> Result<()> {
    chrdev::register("null", DevT::new(MEM_MAJOR, 3), 0o666, &Mem::Null)?;
    chrdev::register("zero", DevT::new(MEM_MAJOR, 5), 0o666, &Mem::Zero)?;
    chrdev::register("full", DevT::new(MEM_MAJOR, 7), 0o666, &Mem::Full)
}

impl CdevOps<Kernel> for Mem {
    fn open(&self, _: &CdevRef, _: u32) -> Result<Box<dyn FileOps>> {
        Ok(Box::new(*self))
    }
}

impl FileOps for Mem {
    fn read_at(&self, _: &File, to: &mut dyn Sink, _: u64) -> Result<usize> {
        if let Mem::Null = self {
            return Ok(0);
        }
        let want = to.room();
        while to.room() > 0 {
            to.put(&ZEROS[..to.room().min(ZEROS.len())])?;
        }
        Ok(want)
    }

    fn write_at(&self, _: &File, from: &mut dyn Source, _: u64) -> Result<(usize, u64)> {
        match self {
            Mem::Full => Err(Errno::ENOSPC),
            Mem::Null | Mem::Zero => Ok((from.left(), 0)),
        }
    }

    fn llseek(&self, file: &File, _: i64, _: Whence) -> Result<u64> {
        file.set_pos(0);
        Ok(0)
    }

    fn mmap(&self, _: &File, request: &MmapRequest) -> Result<Mmap> {
        match self {
            Mem::Zero if !request.shared => Ok(Mmap::Zero),
            _ => Err(Errno::ENODEV),
        }
    }
}
