//! A dma-buf in the hands of a driver. Models the importers' side of `drivers/dma-buf/dma-buf.c`.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use core::any::Any;

use heaps::{DmaBuf, Errno, Result};

use super::buffer::Buffer;
use super::platform::Kernel;
use crate::vfs::{FdTable, File};

/// A reference to a buffer: its pages stay as long as this does, whoever closes what. The last one's drop may sleep.
pub struct Imported(Arc<File>);

impl Imported {
    /// The buffer behind descriptor `fd`. `EBADF`, `EINVAL` for another kind of file.
    pub fn get(files: &FdTable, fd: i32) -> Result<Imported> {
        let file = files.get(fd)?;
        if file.is_path() {
            return Err(Errno::EBADF);
        }
        buffer_of(&file).ok_or(Errno::EINVAL)?;
        Ok(Imported(file))
    }

    /// The buffer.
    pub fn buffer(&self) -> &DmaBuf<Kernel> {
        match buffer_of(&self.0) {
            Some(buffer) => buffer,
            None => unreachable!("it was one when it was imported"),
        }
    }
}

fn buffer_of(file: &File) -> Option<&DmaBuf<Kernel>> {
    let ops: &dyn Any = file.ops();
    ops.downcast_ref::<Buffer>().map(|Buffer(buffer)| buffer)
}
