//! Files, and objects in them, as sources of mapped memory.
#![forbid(unsafe_code)]

use alloc::sync::Arc;

use heaps::{PhysAddr, Result};

use crate::drivers::dma_heap;
use crate::mm::aspace::mappers::FilePages;
use crate::mm::vma::{MapSource, Origin};
use crate::vfs::File;
use crate::vfs::mmap::Object;

impl MapSource for File {
    fn origin(&self) -> Result<Origin> {
        Ok(Origin { dev: self.inode().dev(), ino: self.inode().ino(), name: self.link_text()? })
    }

    fn pages(&self) -> Option<&dyn FilePages> {
        self.ops().pages(self)
    }

    fn runs(
        &self,
        first: u64,
        pages: u64,
        each: &mut dyn FnMut(PhysAddr, usize) -> Result<()>,
    ) -> Result<()> {
        self.ops().map_runs(first, pages, each)
    }

    fn buffer_bytes(&self) -> Option<usize> {
        dma_heap::buffer_bytes(self)
    }

    fn is_revoked(&self) -> bool {
        self.ops().is_revoked()
    }
}

/// An object as it is mapped through a file: the mapping's hold on both.
pub struct MappedObject {
    // Let go in this order, as on Linux.
    object: Arc<dyn Object>,
    file: Arc<File>,
}

impl MappedObject {
    /// Holds both.
    pub fn new(file: Arc<File>, object: Arc<dyn Object>) -> MappedObject {
        MappedObject { object, file }
    }
}

impl MapSource for MappedObject {
    fn origin(&self) -> Result<Origin> {
        self.file.origin()
    }

    fn pages(&self) -> Option<&dyn FilePages> {
        None
    }

    fn runs(
        &self,
        first: u64,
        pages: u64,
        each: &mut dyn FnMut(PhysAddr, usize) -> Result<()>,
    ) -> Result<()> {
        self.object.runs(first, pages, each)
    }

    fn identity(&self) -> usize {
        Arc::as_ptr(&self.object).addr()
    }
}

#[cfg(test)]
mod tests {
    use heaps::uapi::fcntl::O_RDWR;

    use super::*;
    use crate::mm::Prot;
    use crate::mm::aspace::{AddressSpace, MapFlags, MapRequest};
    use crate::mm::vma::Backing;
    use crate::vfs::{FileOps, anon};

    struct Node;
    impl FileOps for Node {}

    struct Frames(u8);
    impl Object for Frames {
        fn runs(
            &self,
            first: u64,
            pages: u64,
            each: &mut dyn FnMut(PhysAddr, usize) -> Result<()>,
        ) -> Result<()> {
            each(PhysAddr::from_pfn(0xc0000 + u64::from(self.0) * 16 + first), pages as usize)
        }
    }

    fn map(mm: &AddressSpace, object: &Arc<dyn Object>) -> u64 {
        let file = anon::file(O_RDWR, Node).unwrap();
        let source = Arc::new(MappedObject::new(file, object.clone()));
        mm.map(MapRequest {
            addr: 0,
            len: 0x2000,
            prot: Prot::READ | Prot::WRITE,
            max_prot: Prot::all(),
            flags: MapFlags::SHARED,
            backing: Some(Backing::Runs { source, first: 1 }),
        })
        .unwrap()
    }

    #[test]
    fn a_word_of_an_object_is_the_same_through_every_file() {
        let (one, other): (Arc<dyn Object>, Arc<dyn Object>) = (Arc::new(Frames(1)), Arc::new(Frames(2)));
        let spaces = [AddressSpace::new().unwrap(), AddressSpace::new().unwrap()];
        let [first, second] = spaces.each_ref().map(|mm| mm.futex_key(map(mm, &one) + 8).unwrap());
        assert_eq!(first, second);
        assert_ne!(spaces[0].futex_key(map(&spaces[0], &other) + 8), Ok(first));
    }

    #[test]
    fn an_object_is_held_by_what_is_left_of_its_mapping() {
        let object: Arc<dyn Object> = Arc::new(Frames(1));
        let mm = AddressSpace::new().unwrap();
        let at = map(&mm, &object);
        let child = mm.fork().unwrap();
        drop(mm);
        child.unmap(at, 0x1000).unwrap();
        assert_eq!(Arc::strong_count(&object), 2);
        child.unmap(at + 0x1000, 0x1000).unwrap();
        assert_eq!(Arc::strong_count(&object), 1);
    }
}
