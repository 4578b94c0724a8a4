//! Objects of plain memory for pictures, and their mappings. Models `drm_dumb_buffers.c`, `drm_gem_shmem_dumb_create`
//! and `drm_gem_mmap`.
#![forbid(unsafe_code)]

use heaps::uapi::drm::{CreateDumb, MapDumb};
use heaps::{Errno, PAGE_SHIFT, PAGE_SIZE, PhysAddr, Result};

use super::OpenNode;
use super::object::{self, Object};
use crate::vfs::mmap::{self, Mmap, MmapRequest};

/// Makes an object for a picture. `EINVAL` for none, or one whose bytes 32 bits do not count; `EDQUOT`, `ENOMEM`. May
/// sleep.
pub fn create(node: &OpenNode, args: &mut CreateDumb) -> Result<()> {
    if args.width == 0 || args.height == 0 || args.bpp == 0 || args.bpp > u32::MAX - 8 {
        return Err(Errno::EINVAL);
    }
    let line = args.bpp.div_ceil(8).checked_mul(args.width);
    let size = line.and_then(|line| line.checked_mul(args.height)).ok_or(Errno::EINVAL)?;
    size.checked_next_multiple_of(PAGE_SIZE as u32).ok_or(Errno::EINVAL)?;
    (args.handle, args.pitch, args.size) = (0, 0, 0);
    // A line of whole bytes, however its pixels lie in them.
    let pitch = (u64::from(args.width) * u64::from(args.bpp)).div_ceil(8);
    let size = (pitch * u64::from(args.height)).next_multiple_of(PAGE_SIZE as u64);
    let object = Object::allocate(size as usize)?;
    args.handle = node.handles.add(object, |_| false)?;
    (args.pitch, args.size) = (pitch as u32, size);
    Ok(())
}

/// Says where in the file an object is mapped. `ENOENT`, `EINVAL` for an imported one, whose own descriptor maps it.
pub fn offset(node: &OpenNode, args: &mut MapDumb) -> Result<()> {
    let object = node.handles.get(args.handle).ok_or(Errno::ENOENT)?;
    object.pages().ok_or(Errno::EINVAL)?;
    args.offset = object.first_page << PAGE_SHIFT;
    Ok(())
}

/// `EINVAL` where no object begins, for more than it has, and for a private mapping; `EACCES` where it is an object
/// that this file has no handle of.
pub fn mmap(node: &OpenNode, request: &MmapRequest) -> Result<Mmap> {
    let first = request.offset >> PAGE_SHIFT;
    let Some((_, object)) = node.handles.find(|_, object| object.first_page == first) else {
        return Err(if object::is_place(first) { Errno::EACCES } else { Errno::EINVAL });
    };
    let pages = object.pages().ok_or(Errno::EINVAL)?;
    if !request.shared || request.len.div_ceil(PAGE_SIZE) > pages.pages() {
        return Err(Errno::EINVAL);
    }
    Ok(Mmap::Object(object))
}

/// The object is as long as its handles, its mappings, and the buffer it is exported as.
impl mmap::Object for Object {
    fn runs(
        &self,
        first: u64,
        pages: u64,
        each: &mut dyn FnMut(PhysAddr, usize) -> Result<()>,
    ) -> Result<()> {
        let table = self.pages().ok_or(Errno::EINVAL)?;
        let window = table.window((first - self.first_page) as usize, pages as usize);
        window.into_iter().try_for_each(|run| each(run.start(), run.pages()))
    }
}
