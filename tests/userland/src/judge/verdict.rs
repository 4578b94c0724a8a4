//! The verdict on a cell: what was seen, weighed from the strongest evidence to the weakest.

use super::counts::{self, Counts};
use super::{Conclusion, Report};
use crate::rt::Status;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

/// How a scenario's process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself or by a signal.
    By(Status),
    /// It did not, in its time, and was killed.
    TimedOut,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::By(status) => status.fmt(f),
            Ended::TimedOut => f.write_str("timed out"),
        }
    }
}

/// What happened in a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// The kernel declined, with this error.
    Refused(String),
    /// Something stayed: the first count that grew, and how many bytes of objects and buffers.
    Leak(String, i64),
    /// The kernel touched a freed object.
    UseAfterFree,
    /// The kernel used the code or the data of a module that was unloaded.
    UseAfterUnload,
    /// The kernel touched memory outside of an object.
    OutOfBounds,
    /// The kernel freed what was not there to free.
    InvalidFree,
    /// A reference count was used wrongly.
    Refcount,
    /// These locks were taken in an order that can deadlock, or did: the one held, and the one wanted unless it is the same.
    Deadlock(String),
    /// The kernel freed pages that user space, or a device, has mapped, or that a device is at.
    FrameState,
    /// A device reached for memory that is not mapped for it.
    DeviceFault,
    /// The kernel faulted.
    Oops,
    /// A descriptor or name led to another heap.
    WrongHeap,
    /// An unregistered heap can still be found, or keeps its name.
    Zombie,
    /// The scenario did not end, or something that it waited for cannot.
    Hang,
    /// The scenario could not be played or found wrong data, or the counts make no sense.
    Failed(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Refused(errno) => write!(f, "refused({errno})"),
            Verdict::Leak(what, bytes) => write!(f, "leak({what}, {bytes} B)"),
            Verdict::Deadlock(locks) => write!(f, "deadlock({locks})"),
            Verdict::Failed(why) => write!(f, "failed({why})"),
            plain => f.write_str(plain.word()),
        }
    }
}

impl Verdict {
    /// The verdict's name without its particulars.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Refused(_) => "refused",
            Verdict::Leak(..) => "leak",
            Verdict::UseAfterFree => "use-after-free",
            Verdict::UseAfterUnload => "use-after-unload",
            Verdict::OutOfBounds => "out-of-bounds",
            Verdict::InvalidFree => "invalid-free",
            Verdict::Refcount => "refcount",
            Verdict::Deadlock(_) => "deadlock",
            Verdict::FrameState => "frame-state",
            Verdict::DeviceFault => "device-fault",
            Verdict::Oops => "oops",
            Verdict::WrongHeap => "wrong-heap",
            Verdict::Zombie => "zombie",
            Verdict::Hang => "hang",
            Verdict::Failed(_) => "failed",
        }
    }

    /// Whether it is what `expected` says: the whole text, or just the word where only that is given. Several may be
    /// expected, with `|` between.
    pub fn meets(&self, expected: &str) -> bool {
        let text = self.to_string();
        expected.split('|').any(|one| self.word() == one || text == one)
    }

    fn of_report(report: &Report) -> Verdict {
        match report.kind.as_str() {
            "use-after-free" => Verdict::UseAfterFree,
            "use-after-unload" => Verdict::UseAfterUnload,
            "out-of-bounds" => Verdict::OutOfBounds,
            "invalid-free" => Verdict::InvalidFree,
            "refcount" => Verdict::Refcount,
            "lock-order" | "deadlock" => Verdict::Deadlock(report.locks.clone()),
            "frame-state" => Verdict::FrameState,
            "device-fault" => Verdict::DeviceFault,
            "oops" => Verdict::Oops,
            other => Verdict::Failed(format!("unknown report {other}")),
        }
    }
}

/// A verdict and where its evidence points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What happened.
    pub verdict: Verdict,
    /// The first report's place, or the counts that grew; empty where there is no such thing.
    pub place: String,
}

/// Weighs what was seen: a report of the kernel's beats everything, then a hang, then a death without a
/// report, then what the scenario found broken, then a leak, and only then that all was well.
pub fn judge(fresh: &[Report], ended: Ended, conclusion: Option<&Conclusion>, delta: &Counts) -> Judgement {
    let plain = |verdict| Judgement { verdict, place: String::new() };
    if let Some(first) = fresh.first() {
        return Judgement { verdict: Verdict::of_report(first), place: first.place.clone() };
    }
    match ended {
        Ended::TimedOut => return plain(Verdict::Hang),
        Ended::By(Status::Killed(signal)) => return plain(Verdict::Failed(format!("signal {signal}"))),
        Ended::By(Status::Exited(_)) => {}
    }
    let refused = match conclusion {
        None => return plain(Verdict::Failed("no conclusion".into())),
        Some(Conclusion::Failed(why)) => return plain(Verdict::Failed(why.clone())),
        Some(Conclusion::WrongHeap(_)) => return plain(Verdict::WrongHeap),
        Some(Conclusion::Zombie(_)) => return plain(Verdict::Zombie),
        Some(Conclusion::Hang(_)) => return plain(Verdict::Hang),
        Some(Conclusion::Refused(errno)) => Some(errno),
        Some(Conclusion::Ok(_)) => None,
    };
    if let Ended::By(Status::Exited(status @ 1..)) = ended {
        return plain(Verdict::Failed(format!("exit {status}")));
    }
    if let Some(leak) = leak(delta, refused.is_some()) {
        return leak;
    }
    plain(refused.map_or(Verdict::Ok, |errno| Verdict::Refused(errno.clone())))
}

/// The counts that say a leak when they grow, the most telling first.
const GROWING: [&str; 11] = [
    "buffers",
    "buffer_bytes",
    "files",
    "tasks",
    "heaps",
    "minors",
    "module_refs",
    "inodes",
    "objects",
    "object_bytes",
    "survivors",
];
/// Pages whose absence is a leak, and what to call it.
const SHRINKING: [(&str, &str); 2] = [("cma_free", "cma"), ("free_frames", "frames")];
/// How many of them a refused unregistration cannot explain: the heap stays, with its node and its module,
/// but no buffer, file or task.
const UNEXCUSED: usize = 4;

fn leak(delta: &Counts, heap_may_stay: bool) -> Option<Judgement> {
    let telling = if heap_may_stay { &GROWING[..UNEXCUSED] } else { &GROWING[..] };
    let bytes = counts::of(delta, "object_bytes") + counts::of(delta, "buffer_bytes");
    if let Some(what) = telling.iter().find(|name| counts::of(delta, name) > 0) {
        let verdict = Verdict::Leak((*what).into(), bytes);
        return Some(Judgement { verdict, place: summary(delta) });
    }
    if heap_may_stay {
        return None;
    }
    for (name, what) in SHRINKING {
        let pages = -counts::of(delta, name);
        if pages > 0 {
            let verdict = Verdict::Leak(what.into(), pages * 4096);
            return Some(Judgement { verdict, place: summary(delta) });
        }
    }
    // Whatever else differs was not this cell's to change: the books do not balance.
    let (name, by) = delta.first()?;
    let way = if *by < 0 { "down" } else { "up" };
    let verdict = Verdict::Failed(format!("{name} went {way} by {}", by.abs()));
    Some(Judgement { verdict, place: summary(delta) })
}

/// The differences in one line: `heaps +1, object_bytes +912`.
fn summary(delta: &Counts) -> String {
    let mut text = String::new();
    for (name, by) in delta {
        let comma = if text.is_empty() { "" } else { ", " };
        text.push_str(&format!("{comma}{name} {by:+}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::{counts, report};
    use super::*;

    const FINE: Ended = Ended::By(Status::Exited(0));

    fn ok() -> Conclusion {
        Conclusion::Ok("".into())
    }

    fn verdict(reports: &str, ended: Ended, conclusion: Option<Conclusion>, delta: &str) -> String {
        let judged = judge(&report::parse(reports), ended, conclusion.as_ref(), &counts::parse(delta));
        judged.verdict.to_string()
    }

    #[test]
    fn a_quiet_run_is_what_the_scenario_says() {
        assert_eq!(verdict("", FINE, Some(ok()), ""), "ok");
        assert_eq!(verdict("", FINE, Some(Conclusion::Refused("EBUSY".into())), ""), "refused(EBUSY)");
        assert_eq!(verdict("", FINE, Some(Conclusion::WrongHeap("".into())), ""), "wrong-heap");
        assert_eq!(verdict("", FINE, Some(Conclusion::Zombie("".into())), "heaps 1"), "zombie");
        assert_eq!(verdict("", FINE, Some(Conclusion::Hang("".into())), ""), "hang");
    }

    #[test]
    fn a_report_beats_any_conclusion() {
        let line = "4 use-after-free pc=[<ffff8000800012ab>] pid=9 comm=scenario";
        let killed = Ended::By(Status::Killed(9));
        for (ended, conclusion) in [(FINE, Some(ok())), (killed, None), (Ended::TimedOut, None)] {
            assert_eq!(verdict(line, ended, conclusion, "heaps 1"), "use-after-free");
        }
        let judged = judge(&report::parse(line), FINE, None, &Counts::new());
        assert_eq!(judged.place, "pc=[<ffff8000800012ab>]");
        for (kind, is) in [
            ("out-of-bounds", "out-of-bounds"),
            ("invalid-free", "invalid-free"),
            ("refcount", "refcount"),
            ("lock-order", "deadlock()"),
            ("frame-state", "frame-state"),
            ("use-after-unload", "use-after-unload"),
            ("device-fault", "device-fault"),
            ("oops", "oops"),
        ] {
            assert_eq!(verdict(&format!("1 {kind} pc=x pid=1 comm=a"), FINE, Some(ok()), ""), is);
        }
        let again = "1 deadlock pc=x locks=HEAP_LIST pid=1 comm=a";
        assert_eq!(verdict(again, FINE, Some(ok()), ""), "deadlock(HEAP_LIST)");
        assert_eq!(
            verdict("1 surprise pc=x pid=1 comm=a", FINE, Some(ok()), ""),
            "failed(unknown report surprise)"
        );
    }

    #[test]
    fn a_run_that_did_not_end_well_is_not_ok() {
        assert_eq!(verdict("", Ended::TimedOut, Some(ok()), ""), "hang");
        assert_eq!(verdict("", Ended::By(Status::Killed(11)), Some(ok()), ""), "failed(signal 11)");
        assert_eq!(verdict("", Ended::By(Status::Exited(1)), Some(ok()), ""), "failed(exit 1)");
        assert_eq!(verdict("", FINE, None, ""), "failed(no conclusion)");
        assert_eq!(verdict("", FINE, Some(Conclusion::Failed("x".into())), ""), "failed(x)");
    }

    #[test]
    fn what_stays_is_a_leak() {
        let delta = "heaps 1\nminors 1\nobjects 3\nobject_bytes 912";
        assert_eq!(verdict("", FINE, Some(ok()), delta), "leak(heaps, 912 B)");
        assert_eq!(verdict("", FINE, Some(ok()), "buffers 1\nbuffer_bytes 4096"), "leak(buffers, 4096 B)");
        assert_eq!(verdict("", FINE, Some(ok()), "tasks 1"), "leak(tasks, 0 B)");
        assert_eq!(verdict("", FINE, Some(ok()), "free_frames -100"), "leak(frames, 409600 B)");
        assert_eq!(verdict("", FINE, Some(ok()), "module_refs -1"), "failed(module_refs went down by 1)");
        assert_eq!(verdict("", FINE, Some(ok()), "cma_free -2"), "leak(cma, 8192 B)");
        assert_eq!(verdict("", FINE, Some(ok()), "free_frames -1\ncma_free 1"), "leak(frames, 4096 B)");
    }

    #[test]
    fn a_gain_does_not_cancel_a_leak() {
        assert_eq!(verdict("", FINE, Some(ok()), "object_bytes 64"), "leak(object_bytes, 64 B)");
        assert_eq!(verdict("", FINE, Some(ok()), "survivors 1"), "leak(survivors, 0 B)");
        assert_eq!(verdict("", FINE, Some(ok()), "heaps -1\nobjects 1"), "leak(objects, 0 B)");
        assert_eq!(verdict("", FINE, Some(ok()), "free_frames 5"), "failed(free_frames went up by 5)");
        assert_eq!(verdict("", FINE, Some(ok()), "anything 1"), "failed(anything went up by 1)");
    }

    #[test]
    fn a_refusal_excuses_the_heap_and_nothing_else() {
        let refused = || Some(Conclusion::Refused("EBUSY".into()));
        assert_eq!(
            verdict("", FINE, refused(), "heaps 1\nminors 1\nobjects 5\nfree_frames -90"),
            "refused(EBUSY)"
        );
        assert_eq!(
            verdict("", FINE, refused(), "heaps 1\nbuffers 1\nbuffer_bytes 4096"),
            "leak(buffers, 4096 B)"
        );
    }

    #[test]
    fn expectations_are_met_by_word_or_in_full() {
        let refused = Verdict::Refused("EBUSY".into());
        assert!(refused.meets("refused(EBUSY)") && refused.meets("refused"));
        assert!(!refused.meets("refused(EPERM)") && !refused.meets("ok"));
        assert!(refused.meets("ok|refused(EBUSY)") && !refused.meets("ok|leak"));
    }
}
