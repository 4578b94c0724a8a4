//! Detection reports: counted, kept in short for the lab, and printed in the shape KASAN's readers know.

use core::fmt;

use arrayvec::ArrayVec;
use heaps::{PhysAddr, Run};

use super::steps;
use crate::sync::order::{self, Rank};
use crate::sync::{IrqLock, order as ranks};

/// What was detected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Memory of a freed object was accessed.
    UseAfterFree,
    /// Memory outside of an object was accessed.
    OutOfBounds,
    /// Something was freed that is no live object.
    InvalidFree,
    /// A reference count was misused.
    Refcount,
    /// Locks were taken against the written order.
    LockOrder,
    /// A task waits for a lock that it holds itself.
    Deadlock,
    /// Page frames were freed that user space or a device still has mapped, or that a device is at.
    FrameState,
    /// The code, or the data, of a module that was unloaded was used.
    UseAfterUnload,
    /// A device reached for memory that is not mapped for it.
    DeviceFault,
    /// The kernel did something the machine refused.
    Oops,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::UseAfterFree => "use-after-free",
            Kind::OutOfBounds => "out-of-bounds",
            Kind::InvalidFree => "invalid-free",
            Kind::Refcount => "refcount",
            Kind::LockOrder => "lock-order",
            Kind::Deadlock => "deadlock",
            Kind::FrameState => "frame-state",
            Kind::UseAfterUnload => "use-after-unload",
            Kind::DeviceFault => "device-fault",
            Kind::Oops => "oops",
        })
    }
}

/// One report in short.
#[derive(Clone, Copy)]
pub struct Report {
    /// What.
    pub kind: Kind,
    /// Where: an address in the kernel's text, or 0.
    pub pc: u64,
    /// The task.
    pub tid: u32,
    /// Of a lock-order or deadlock report: the lock held, and the one wanted.
    pub locks: Option<(Rank, Rank)>,
}

/// How many reports are kept in short; later ones are only counted.
const KEPT: usize = 64;

struct Reports {
    total: usize,
    kept: ArrayVec<Report, KEPT>,
}

static REPORTS: IrqLock<Reports, { ranks::REPORTS }> =
    IrqLock::new(Reports { total: 0, kept: ArrayVec::new_const() });

/// How many there were.
pub fn count() -> usize {
    REPORTS.lock().total
}

/// Calls `f` with the number and the contents of each kept report.
pub fn each(mut f: impl FnMut(usize, &Report)) {
    let kept = REPORTS.lock().kept.clone();
    kept.iter().enumerate().for_each(|(n, report)| f(n + 1, report));
}

/// Counts a report.
pub fn note(kind: Kind, pc: u64, tid: u32) {
    keep(Report { kind, pc, tid, locks: None });
}

fn keep(report: Report) {
    steps::reported();
    let mut reports = REPORTS.lock();
    reports.total += 1;
    let _ = reports.kept.try_push(report);
}

/// A lock of `rank` is being taken while one of rank `held` (the highest held) is.
#[cfg(not(target_os = "none"))]
pub fn lock_order(rank: Rank, held: Rank) {
    panic!("lock order: {} taken under {}", order::name(rank), order::name(held));
}

/// A task that holds a lock of `rank` is about to wait for it. The task ends.
#[cfg(not(target_os = "none"))]
pub fn deadlock(rank: Rank) -> ! {
    panic!("deadlock: {} taken by its holder", order::name(rank));
}

/// The page frames of `frames` are about to be freed while one of them is mapped at user address `at`, of process `by`.
#[cfg(not(target_os = "none"))]
pub fn freed_while_mapped(frames: Run, by: Option<u32>, at: u64) {
    panic!("frame state: {frames:?} is mapped at {at:#x} of {by:?}");
}

/// The page frames of `frames` are about to be freed while they are mapped for `device`.
#[cfg(not(target_os = "none"))]
pub fn freed_while_attached(frames: Run, device: &str) {
    panic!("frame state: {frames:?} is mapped for {device}");
}

/// The `pages` frames from `start` change hands while a device reaches one of them.
#[cfg(not(target_os = "none"))]
pub fn reused_in_flight(start: PhysAddr, pages: usize) {
    panic!("frame state: {pages} frames from {start:?} are in flight");
}

#[cfg(target_os = "none")]
pub use guest::{
    deadlock, device_fault, freed_while_attached, freed_while_mapped, invalid_free, lock_order, refcount,
    reused_in_flight, stale_access,
};

#[cfg(target_os = "none")]
mod guest {
    use super::*;
    use crate::arch::backtrace::{frame_pointer, frames_from};
    use crate::arch::{self, detector};
    use crate::debug::life::Life;
    use crate::debug::print::{Line, RULE, print};
    use crate::debug::{oops, references};
    use crate::mm::object::{self, Record, State, Trace};
    use crate::modules::places::Code;
    use crate::sched;

    /// A lock of `rank` is being taken while one of rank `held` (the highest held) is.
    pub fn lock_order(rank: Rank, held: Rank) {
        // Locks the report itself needs must not report.
        if rank >= ranks::REPORTS {
            return;
        }
        let held_before = arch::held_locks();
        arch::set_held_locks(0);
        note_locks(Kind::LockOrder, held, rank);
        print!("{RULE}");
        print!("BUG: lastref: lock order: {} taken under {}", order::name(rank), order::name(held));
        print!("by task {} on CPU {}", sched::current_tid(), arch::cpu_id());
        stack("Call trace", frames_from(frame_pointer()));
        print!("{RULE}");
        arch::set_held_locks(held_before);
    }

    /// A task that holds a lock of `rank` is about to wait for it. The task ends, and the lock stays locked.
    pub fn deadlock(rank: Rank) -> ! {
        arch::set_held_locks(0);
        note_locks(Kind::Deadlock, rank, rank);
        print!("{RULE}");
        print!("BUG: lastref: deadlock: {} taken by the task that holds it", order::name(rank));
        print!("by task {} on CPU {}", sched::current_tid(), arch::cpu_id());
        stack("Call trace", frames_from(frame_pointer()));
        print!("{RULE}");
        oops::end_task()
    }

    fn note_locks(kind: Kind, held: Rank, wanted: Rank) {
        // Past the report itself and the check, to who takes the lock.
        let pc = frames_from(frame_pointer()).nth(3).unwrap_or(0);
        keep(Report { kind, pc, tid: sched::current_tid(), locks: Some((held, wanted)) });
    }

    /// The page frames of `frames` are about to be freed while one of them is mapped at user address `at`, of process
    /// `by` if it is known. They are freed all the same: it is what the kernel would do.
    pub fn freed_while_mapped(frames: Run, by: Option<u32>, at: u64) {
        note(Kind::FrameState, caller(), sched::current_tid());
        let (start, pages) = (frames.start().get(), frames.pages());
        print!("{RULE}");
        print!("BUG: lastref: frame state: {pages} page frames from {start:#x} freed while mapped");
        print!("by task {} on CPU {}", sched::current_tid(), arch::cpu_id());
        match by {
            Some(process) => print!("process {process} maps them at {at:#x}"),
            None => print!("a process that is on its way out maps them at {at:#x}"),
        }
        stack("Call trace", frames_from(frame_pointer()));
        print!("{RULE}");
    }

    /// The page frames of `frames` are about to be freed while they are mapped for `device`. They are freed all the same.
    pub fn freed_while_attached(frames: Run, device: &str) {
        note(Kind::FrameState, caller(), sched::current_tid());
        let (start, pages) = (frames.start().get(), frames.pages());
        print!("{RULE}");
        print!("BUG: lastref: frame state: {pages} page frames from {start:#x} freed while attached");
        print!("by task {} on CPU {}; `{device}` has them mapped", sched::current_tid(), arch::cpu_id());
        stack("Call trace", frames_from(frame_pointer()));
        print!("{RULE}");
    }

    /// The `pages` frames from `start` change hands while a device reaches one of them. They do all the same.
    pub fn reused_in_flight(start: PhysAddr, pages: usize) {
        note(Kind::FrameState, caller(), sched::current_tid());
        print!("{RULE}");
        print!("BUG: lastref: frame state: {pages} page frames from {:#x} reused in flight", start.get());
        print!("by task {} on CPU {}; a device reaches them", sched::current_tid(), arch::cpu_id());
        stack("Call trace", frames_from(frame_pointer()));
        print!("{RULE}");
    }

    /// A device was kept from memory, as `what` says; `mapping` is what was mapped there last, if that is known, and who
    /// took it from the device. From any context.
    pub fn device_fault(what: impl fmt::Display, mapping: Option<(&dyn fmt::Display, &Trace)>) {
        let (pc, tid) = mapping.map_or((0, 0), |(_, who)| (who.addresses().next().unwrap_or(0), who.tid));
        note(Kind::DeviceFault, pc, tid);
        print!("{RULE}");
        print!("BUG: lastref: device fault: {what}");
        if let Some((mapping, taken)) = mapping {
            print!("Until then there was {mapping}");
            who("Unmapped", taken);
        }
        print!("{RULE}");
    }

    /// The reference count at `count` was misused, as `what` says.
    pub fn refcount(what: impl fmt::Display, count: *const u8) {
        note(Kind::Refcount, caller(), sched::current_tid());
        print!("{RULE}");
        print!("BUG: lastref: refcount: {what}");
        print!("by task {} on CPU {}", sched::current_tid(), arch::cpu_id());
        stack("Call trace", frames_from(frame_pointer()));
        if let Some((record, offset)) = object::find(count) {
            history(&record, references::untagged(count.addr()).wrapping_add_signed(-offset));
            let (size, kind) = (record.size, record.kind.unwrap_or("object"));
            print!("The count is {offset} bytes inside of a `{kind}` of {size} bytes");
        }
        print!("{RULE}");
    }

    /// Something that is no live object was freed. The memory stays as it is.
    pub fn invalid_free(ptr: *const u8, record: Option<&Record>) {
        let double = record.is_some_and(|r| r.state != State::Live);
        note(Kind::InvalidFree, caller(), sched::current_tid());
        print!("{RULE}");
        print!("BUG: lastref: {}", if double { "double-free" } else { "invalid-free" });
        print!("Free of addr {:016x} by task {} on CPU {}", ptr.addr(), sched::current_tid(), arch::cpu_id());
        stack("Call trace", frames_from(frame_pointer()));
        if let Some(record) = record {
            history(record, references::untagged(ptr.addr()));
            let state = if double { "freed" } else { "live" };
            print!(
                "The address is of a {state} `{}` of {} bytes",
                record.kind.unwrap_or("object"),
                record.size
            );
        }
        print!("{RULE}");
    }

    /// An access at `addr` by the instruction at `pc`, which `callers` had got to, was refused by the detector.
    pub fn stale_access(write: bool, addr: u64, pc: u64, callers: impl Iterator<Item = u64>) {
        let found = object::find(addr as *const u8);
        // Past the end of what is freed may be inside of what was there before.
        let kind = match &found {
            Some((_, ..0)) => Kind::OutOfBounds,
            Some((r, offset)) if r.state == State::Live && *offset >= r.size as isize => Kind::OutOfBounds,
            _ => Kind::UseAfterFree,
        };
        let tid = sched::current_tid();
        note(kind, pc, tid);
        let access = if write { "Write" } else { "Read" };
        print!("{RULE}");
        print!("BUG: lastref: {kind} in pc={}", Code(pc));
        print!("{access} at addr {addr:016x} by task {tid} on CPU {}", arch::cpu_id());
        print!("{}", detector::describe(addr as *const u8));
        stack("Call trace", core::iter::once(pc).chain(callers));
        if let Some((record, offset)) = found {
            let (size, what) = (record.size, record.kind.unwrap_or("object"));
            let state = match record.state {
                State::Live if kind == Kind::UseAfterFree => "live (reused)",
                State::Live => "live",
                State::Idle | State::Freed => "freed",
            };
            match state {
                // Who freed what was there before is another story.
                "live" => who("Allocated", &record.allocated),
                _ => history(&record, references::untagged(addr as usize).wrapping_add_signed(-offset)),
            }
            let (bytes, place) = match offset {
                ..0 => (-offset, "before"),
                _ if offset >= size as isize => (offset - size as isize, "past the end of"),
                _ => (offset, "inside of"),
            };
            print!("The address is {bytes} bytes {place} a {state} `{what}` of {size} bytes");
        }
        print!("{RULE}");
    }

    /// Who allocated the object at untagged address `at`, who took and put references of the counts in it, in order, and
    /// who freed it.
    fn history(record: &Record, at: usize) {
        who("Allocated", &record.allocated);
        let (changes, cut) = references::of(at..at + record.size as usize, record.serial, None);
        before_changes(changes.is_empty().then_some("No reference was counted in it."), cut);
        for change in changes {
            let what = if change.taken { "taken" } else { "put" };
            who(format_args!("Reference {what} at +{}", change.count() - at), &change.who);
        }
        if record.freed.cpu != u32::MAX && record.freed.addresses().next().is_some() {
            who("Freed", &record.freed);
        }
    }

    /// What has to be said before a history of references: `none`, where there are none.
    fn before_changes(none: Option<&str>, cut: bool) {
        let said = match (references::are_remembered(), cut, none) {
            (false, ..) => {
                "References are remembered once 1 is written to /sys/kernel/debug/lastref/references."
            }
            (_, true, _) => "Who took and put references before this is forgotten.",
            (.., Some(none)) => none,
            _ => return,
        };
        print!("");
        print!("{said}");
    }

    /// Who loaded a module, who took and put references to it, in order, and who unloaded it.
    pub(crate) fn module_history(life: &Life) {
        who("Loaded", &life.began.who);
        if let Some(at) = life.count() {
            let until = life.ended.map(|ended| ended.serial);
            let (changes, cut) = references::of(at..at + 1, life.began.serial, until);
            before_changes(changes.is_empty().then_some("Nobody took or put a reference to it."), cut);
            for change in changes {
                who(if change.taken { "Reference taken" } else { "Reference put" }, &change.who);
            }
        }
        if let Some(ended) = &life.ended {
            who("Unloaded", &ended.who);
        }
    }

    fn who(what: impl fmt::Display, trace: &Trace) {
        let mut title = Line::new();
        let _ = fmt::write(&mut title, format_args!("{what} by task {} on CPU {}", trace.tid, trace.cpu));
        stack(title.as_str(), trace.addresses());
    }

    pub(crate) fn stack(title: &str, addresses: impl Iterator<Item = u64>) {
        print!("");
        print!("{title}:");
        for address in addresses.take(24) {
            print!(" {}", Code(address));
        }
    }

    fn caller() -> u64 {
        frames_from(frame_pointer()).nth(1).unwrap_or(0)
    }
}
#[cfg(target_os = "none")]
pub(crate) use guest::{module_history, stack};
