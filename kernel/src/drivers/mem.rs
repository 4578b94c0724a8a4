//! `/dev/null`, `/dev/zero`, `/dev/full`, `/dev/random` and `/dev/urandom`. Models `drivers/char/mem.c` and
//! `drivers/char/random.c`.
#![forbid(unsafe_code)]

use alloc::boxed::Box;

use heaps::{CdevOps, Errno, Result};

use super::dma_heap::Kernel;
use crate::chrdev::{self, CdevRef, DevT};
use crate::process::{self, Thread, random};
use crate::vfs::file::{File, FileOps, Position, Whence};
use crate::vfs::io::{Sink, Source, partial};
use crate::vfs::mmap::{Mmap, MmapRequest};

const MEM_MAJOR: u32 = 1;
static ZEROS: [u8; 4096] = [0; 4096];

#[derive(Clone, Copy)]
enum Mem {
    Null,
    Zero,
    Full,
    Random,
}

/// Random bytes made at once.
const RANDOM_STEP: usize = 64;

/// Publishes the devices. `EBUSY` and `EEXIST` when they are there already, `ENOMEM`. May sleep.
pub fn init() -> Result<()> {
    chrdev::register("null", DevT::new(MEM_MAJOR, 3), 0o666, &Mem::Null)?;
    chrdev::register("zero", DevT::new(MEM_MAJOR, 5), 0o666, &Mem::Zero)?;
    chrdev::register("full", DevT::new(MEM_MAJOR, 7), 0o666, &Mem::Full)?;
    chrdev::register("random", DevT::new(MEM_MAJOR, 8), 0o666, &Mem::Random)?;
    chrdev::register("urandom", DevT::new(MEM_MAJOR, 9), 0o666, &Mem::Random)
}

/// Mixes in what is written.
fn stir(from: &mut dyn Source) -> Result<(usize, u64)> {
    let all = from.left();
    while from.left() > 0 {
        let mut bytes = [0; RANDOM_STEP];
        let part = &mut bytes[..from.left().min(RANDOM_STEP)];
        let left = from.left();
        let taken = from.take(part);
        random::seed(&part[..left - from.left()]);
        if taken.is_err() {
            return partial(all - from.left(), taken).map(|n| (n, 0));
        }
    }
    Ok((all, 0))
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
            let put = match self {
                Mem::Random => {
                    let mut bytes = [0; RANDOM_STEP];
                    let part = &mut bytes[..to.room().min(RANDOM_STEP)];
                    random::fill(part);
                    to.put(part)
                }
                _ => to.put(&ZEROS[..to.room().min(ZEROS.len())]),
            };
            if put.is_err() || process::with_current(Thread::is_killed).unwrap_or(false) {
                return partial(want - to.room(), put);
            }
        }
        Ok(want)
    }

    fn write_at(&self, _: &File, from: &mut dyn Source, _: u64) -> Result<(usize, u64)> {
        match self {
            Mem::Full => Err(Errno::ENOSPC),
            Mem::Null | Mem::Zero => Ok((from.left(), 0)),
            Mem::Random => stir(from),
        }
    }

    fn position(&self) -> Position {
        Position::Still
    }

    fn llseek(&self, file: &File, _: i64, _: Whence) -> Result<u64> {
        match self {
            // Positioning these is meant to be without effect, not refused.
            Mem::Random => Ok(file.pos()),
            _ => {
                file.set_pos(0);
                Ok(0)
            }
        }
    }

    fn mmap(&self, _: &File, _: &MmapRequest) -> Result<Mmap> {
        match self {
            Mem::Zero => Ok(Mmap::Zero),
            _ => Err(Errno::ENODEV),
        }
    }
}
