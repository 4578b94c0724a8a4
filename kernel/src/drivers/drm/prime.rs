//! Between GEM objects and dma-bufs. Models `drm_prime.c`.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use core::any::Any;

use heaps::dma_buf::Exporter;
use heaps::fallible::try_box;
use heaps::uapi::drm::Prime;
use heaps::uapi::fcntl::{O_CLOEXEC, O_RDWR};
use heaps::{Errno, Result, SgTable};

use super::OpenNode;
use super::object::Object;
use crate::drivers::dma_heap::{self, BufferRef};
use crate::vfs::File;
use crate::vfs::file::Ioctl;

/// Who exports: an object, which its buffer keeps.
pub struct Exported(pub Arc<Object>);

impl Exporter for Exported {
    fn name(&self) -> &str {
        "drm"
    }

    fn release(&self, _: SgTable) {
        // The pages are the object's.
    }

    /// Whoever had the object made is.
    fn is_charged(&self) -> bool {
        true
    }
}

/// A descriptor for an object. `EINVAL` for flags there are not, `ENOENT` for a handle there is not; `ENFILE`,
/// `EMFILE`, `ENOMEM`. May sleep.
pub fn handle_to_fd(node: &OpenNode, call: &Ioctl<'_>, prime: &mut Prime) -> Result<()> {
    if prime.flags & !(O_CLOEXEC | O_RDWR) != 0 {
        return Err(Errno::EINVAL);
    }
    let object = node.handles.get(prime.handle).ok_or(Errno::ENOENT)?;
    let file = file_of(&object, prime.flags & O_RDWR)?;
    prime.fd = call.files.add(file, prime.flags & O_CLOEXEC != 0)? as i32;
    Ok(())
}

/// The buffer that an object is: the one it was imported from or is exported as, else a new one.
pub fn file_of(object: &Arc<Object>, access: u32) -> Result<Arc<File>> {
    if let Some(file) = object.imported().cloned().or_else(|| object.exported()) {
        return Ok(file);
    }
    let mut table = SgTable::new();
    let pages = object.pages().ok_or(Errno::EINVAL)?;
    pages.runs().iter().try_for_each(|&run| table.push(run))?;
    let file = dma_heap::export(try_box(Exported(object.clone()))?, table, access)?;
    Ok(object.remember(&file).unwrap_or(file))
}

/// A handle for a dma-buf, the same each time. `EBADF`, `EINVAL` for another kind of file, `ENODEV` for a buffer that
/// was revoked, `ENOMEM`. May sleep.
pub fn fd_to_handle(node: &OpenNode, call: &Ioctl<'_>, prime: &mut Prime) -> Result<()> {
    let buffer = BufferRef::new(call.files.get(prime.fd)?)?;
    let id = buffer.file().id();
    let same = |object: &Arc<Object>| object.imported().is_some_and(|file| file.id() == id);
    prime.handle = match (own(&buffer), node.handles.find(|_, object| same(object))) {
        (Some(object), _) => node.handles.add(object.clone(), |other| Arc::ptr_eq(other, &object))?,
        (None, Some((handle, _))) => handle,
        (None, None) => node.handles.add(Object::import(buffer)?, same)?,
    };
    Ok(())
}

/// The object that was exported as this buffer, if it is one of ours.
fn own(buffer: &BufferRef) -> Option<Arc<Object>> {
    let exporter: &dyn Any = buffer.exporter()?;
    exporter.downcast_ref().map(|Exported(object)| object.clone())
}
