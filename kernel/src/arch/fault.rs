//! What user code can do wrong, whatever the machine calls it.

/// What user code did that it could not.
#[derive(Clone, Copy, Debug)]
pub struct UserFault {
    /// The kind of fault.
    pub kind: FaultKind,
    /// The address involved; the instruction's where there is no other.
    pub addr: u64,
}

/// Kinds of user faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A page that is not mapped, or not for this access.
    Page {
        /// A store.
        write: bool,
        /// An instruction fetch.
        exec: bool,
    },
    /// A misaligned pc, stack pointer or access.
    Alignment,
    /// An instruction that does not exist or is not for user code.
    IllegalInstruction,
    /// BRK.
    Breakpoint,
    /// A memory tag that did not match.
    TagCheck,
    /// Anything else.
    Other,
}
