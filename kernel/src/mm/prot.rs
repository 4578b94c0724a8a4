//! What an access to a page may be, and what memory a page is.

use bitflags::bitflags;

bitflags! {
    /// Allowed accesses, with the values of `PROT_READ`, `PROT_WRITE` and `PROT_EXEC`. Empty: none.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Prot: u8 {
        /// Loads.
        const READ = 1;
        /// Stores; on arm64 they imply loads.
        const WRITE = 2;
        /// Instruction fetches.
        const EXEC = 4;
    }
}

/// The kind of memory a mapping leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemKind {
    /// Cacheable RAM.
    Normal,
}
