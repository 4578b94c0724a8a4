//! What a file says about being mapped; the process layer does the mapping, and holds the file as long.
#![forbid(unsafe_code)]

use alloc::sync::Arc;

use heaps::{PhysAddr, Result};

/// What `mmap` asks of a file.
#[derive(Clone, Copy, Debug)]
pub struct MmapRequest {
    /// Offset into the file, in bytes; whole pages.
    pub offset: u64,
    /// Length in bytes; whole pages.
    pub len: usize,
    /// Whether writes reach the file and other mappings (`MAP_SHARED`).
    pub shared: bool,
    /// Whether the mapping is writable (`PROT_WRITE`).
    pub write: bool,
}

/// Memory that can be mapped through a file and may go before it. Each mapping holds it, beside the file, and so does
/// each copy and each part of a mapping (Linux: `vm_private_data`, counted by `vm_ops->open` and `close`).
pub trait Object: Send + Sync {
    /// Names the runs behind `pages` pages from page `first` of the file, in order, up to `each`'s first error. Called
    /// with the address space locked.
    fn runs(&self, first: u64, pages: u64, each: &mut dyn FnMut(PhysAddr, usize) -> Result<()>)
    -> Result<()>;
}

/// What to put into the address space.
#[derive(Clone)]
pub enum Mmap {
    /// The file's [pages](super::FileOps::pages), as they are touched.
    Pages {
        /// Whether `mprotect` may make a shared mapping writable, if the descriptor may write.
        may_write: bool,
    },
    /// Zeroed pages, as if no file were mapped.
    Zero,
    /// The page frames that [`map_runs`](super::FileOps::map_runs) names. They are the file's, and good as long as
    /// the mapping holds it.
    Runs,
    /// The page frames of an object.
    Object(Arc<dyn Object>),
}
