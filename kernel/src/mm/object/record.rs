//! What is remembered of an object: its size and type, who allocated it and who freed it.

use crate::arch;
use crate::sched;

/// Return addresses kept of a stack, as offsets into the kernel's image.
const DEPTH: usize = 8;

/// The type of an object, for reports.
pub type Kind = &'static str;

/// Who did something to an object.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Trace {
    /// The task, or 0 before there was one.
    pub tid: u32,
    /// The CPU.
    pub cpu: u32,
    stack: [u32; DEPTH],
}

impl Trace {
    /// Nobody.
    pub const NONE: Trace = Trace { tid: 0, cpu: 0, stack: [0; DEPTH] };

    /// Notes the running task as the one, and the stack from frame pointer `fp` on.
    #[inline]
    pub fn note(&mut self, fp: u64) {
        self.tid = sched::current_tid();
        self.cpu = arch::cpu_id() as u32;
        arch::backtrace_offsets(fp, &mut self.stack);
    }

    /// The return addresses, innermost first.
    pub fn addresses(&self) -> impl Iterator<Item = u64> + '_ {
        let addresses = self.stack.iter().take_while(|&&offset| offset != 0);
        addresses.map(|&o| arch::IMAGE_BASE as u64 + u64::from(o)).take_while(|&pc| arch::mmu::is_text(pc))
    }
}

/// Whether an object is in use.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Its memory is on a free list.
    Idle,
    /// It is in use.
    Live,
    /// It was freed and waits in the quarantine.
    Freed,
}

/// Whether something refers to a live object, as far as was looked (see [`leaks`](super::leaks)).
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Reach {
    /// Nobody has looked, or is looking.
    Unknown,
    /// Something does.
    Found,
    /// Nothing did at the last look.
    Lost,
    /// Nothing did, and nobody wants to hear of it any more.
    Ignored,
}

/// One object's record; it stands directly below the object.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub struct Record {
    /// Tells a record from anything else.
    pub(super) magic: u32,
    /// Its place among the size classes, or `LARGE_CLASS`.
    pub(super) class: u8,
    /// The tag its memory has while live.
    pub(super) tag: u8,
    /// In use, or not.
    pub state: State,
    /// Whether it is a node of the kernel's own books, and no object to be missed.
    pub bookkeeping: bool,
    /// Bytes from the start of its block to the object, in units of 16.
    pub(super) lead: u16,
    /// Whether something refers to it.
    pub reach: Reach,
    /// The next record on the same list, as an offset into the region in units of 16; 0 ends it. Live objects are on
    /// one only while somebody looks what they refer to.
    pub(super) next: u32,
    /// How many objects there had been when it was allocated.
    pub serial: u32,
    /// Bytes asked for.
    pub size: u32,
    /// Bytes of its block.
    pub(super) block: u32,
    /// Its type, if somebody said.
    pub kind: Option<Kind>,
    /// Who allocated it.
    pub allocated: Trace,
    /// Who freed it, once it is freed.
    pub freed: Trace,
}

/// Bytes of a record.
pub(super) const RECORD: usize = size_of::<Record>();
pub(super) const MAGIC: u32 = 0x6f62_6a21;
const _: () = assert!(RECORD == 128);
