//! What a file says about being mapped; the process layer does the mapping.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::sg::Run;

use super::inode::{Content, Inode};

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

/// What to put into the address space.
pub enum Mmap {
    /// Private pages, each filled from the file when first touched; zeros past its end.
    Private(FileBytes),
    /// Zeroed private pages.
    Zero,
    /// Page frames that belong to the file, in order, for exactly the length asked for. They are the file's as
    /// long as the mapping holds it, and are unmapped everywhere before it lets go.
    Runs(Vec<Run>),
}

/// A regular file's bytes, for mappings that copy them.
#[derive(Clone)]
pub struct FileBytes(Arc<Inode>);

impl FileBytes {
    /// The bytes of a regular file; `None` for anything else.
    pub fn of(inode: &Arc<Inode>) -> Option<FileBytes> {
        matches!(inode.content(), Content::Regular(_)).then(|| FileBytes(inode.clone()))
    }

    /// Copies from `pos` on into `buf`; the rest of `buf` becomes zero. May sleep.
    pub fn read_at(&self, pos: u64, buf: &mut [u8]) {
        let got = match self.0.content() {
            Content::Regular(data) => data.read_at(pos, buf),
            _ => 0,
        };
        buf[got..].fill(0);
    }

    /// The size in bytes. May sleep.
    pub fn size(&self) -> u64 {
        self.0.size()
    }

    /// The file.
    pub fn inode(&self) -> &Arc<Inode> {
        &self.0
    }
}
