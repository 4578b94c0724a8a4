//! Meeting points: places in the kernel where a task can be made to wait, so that two paths meet there on purpose.
//!
//! `/sys/kernel/debug/lastref/meet` takes `arm POINT` (the next task to arrive waits), `arm POINT MINOR` (the next one
//! that arrives on behalf of that heap) and `go POINT` (whoever waits goes on; nobody else will wait), and says which
//! points are armed and who waits. Where nothing is armed, to arrive costs one load.
#![forbid(unsafe_code)]

use alloc::format;
use alloc::string::String;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use heaps::platform::Point;
use heaps::{Errno, Result};

use super::steps;
use crate::sched;
use crate::sync::WaitQueue;
use crate::sync::wait::Interruptible;

/// A point's state.
struct Spot {
    /// 0 when not armed, 1 for any task, else a minor and 2.
    armed: AtomicU64,
    /// Number of the task that waits, or 0.
    waiting: AtomicU32,
    queue: WaitQueue,
}

static SPOTS: [Spot; Point::ALL.len()] =
    [const { Spot { armed: AtomicU64::new(0), waiting: AtomicU32::new(0), queue: WaitQueue::new() } };
        Point::ALL.len()];
/// How many points are armed.
static ARMED: AtomicU32 = AtomicU32::new(0);

const ANY: u64 = 1;

fn only(minor: u32) -> u64 {
    u64::from(minor) + 2
}

fn spot(point: Point) -> &'static Spot {
    &SPOTS[point as usize]
}

/// The calling task has come to `point`, on behalf of heap `minor` if it is one heap's. Waits there if the point is
/// armed, until it is let go or killed. The caller may hold sleeping locks, and no spinning one.
#[inline]
pub fn arrive(point: Point, minor: Option<u32>) {
    steps::arrive(point.name());
    if ARMED.load(Ordering::Relaxed) != 0 {
        wait(spot(point), minor);
    }
}

#[cold]
#[inline(never)]
fn wait(spot: &Spot, minor: Option<u32>) {
    let me = sched::current_tid();
    if !spot.disarm(ANY) && !minor.is_some_and(|minor| spot.disarm(only(minor))) {
        return;
    }
    spot.waiting.store(me, Ordering::Release);
    let gone = || (spot.waiting.load(Ordering::Acquire) != me).then_some(());
    // Killed or let go, it goes on.
    let _ = spot.queue.wait_interruptible(Interruptible::Killable, gone);
    let _ = spot.waiting.compare_exchange(me, 0, Ordering::AcqRel, Ordering::Relaxed);
}

impl Spot {
    /// Arms it for `whom`, whatever it was armed for.
    fn arm(&self, whom: u64) {
        if self.armed.swap(whom, Ordering::AcqRel) == 0 {
            ARMED.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Disarms it if it is armed for `whom`. Whether it was.
    fn disarm(&self, whom: u64) -> bool {
        let was = self.armed.compare_exchange(whom, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if was {
            ARMED.fetch_sub(1, Ordering::Relaxed);
        }
        was
    }

    fn go(&self) {
        if self.armed.swap(0, Ordering::AcqRel) != 0 {
            ARMED.fetch_sub(1, Ordering::Relaxed);
        }
        self.waiting.store(0, Ordering::Release);
        self.queue.wake_all();
    }
}

/// Does what was written: `arm POINT [MINOR]` or `go POINT`. `EINVAL`.
pub fn command(text: &str) -> Result<()> {
    let mut words = text.split_ascii_whitespace();
    let (verb, name) = (words.next(), words.next());
    let point = Point::ALL.into_iter().find(|point| name == Some(point.name())).ok_or(Errno::EINVAL)?;
    let minor = words.next().map(|word| word.parse::<u32>().map_err(|_| Errno::EINVAL)).transpose()?;
    match (verb, minor, words.next()) {
        (Some("arm"), minor, None) => spot(point).arm(minor.map_or(ANY, only)),
        (Some("go"), None, None) => spot(point).go(),
        _ => return Err(Errno::EINVAL),
    }
    Ok(())
}

/// A line for each point that is armed, `POINT armed`, or that somebody waits at, `POINT TASK`.
pub fn show() -> String {
    let mut text = String::new();
    for point in Point::ALL {
        match spot(point).waiting.load(Ordering::Acquire) {
            0 if spot(point).armed.load(Ordering::Acquire) != 0 => {
                text += &format!("{} armed\n", point.name())
            }
            0 => {}
            task => text += &format!("{} {task}\n", point.name()),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test: the points are the machine's.
    #[test]
    fn a_task_waits_where_it_is_told_to_and_nowhere_else() {
        arrive(Point::Open, Some(127));
        for wrong in ["", "arm", "arm nowhere", "go", "go open 3", "arm open x", "arm open 3 4", "stop open"]
        {
            assert_eq!(command(wrong), Err(Errno::EINVAL), "{wrong:?}");
        }
        command("arm open 127").unwrap();
        assert_eq!(show(), "open armed\n");
        arrive(Point::Found, Some(127));
        arrive(Point::Open, Some(126));
        arrive(Point::Open, None);
        assert_eq!(show(), "open armed\n");
        command("go open").unwrap();
        arrive(Point::Open, Some(127));
        assert_eq!((show(), ARMED.load(Ordering::Relaxed)), (String::new(), 0));
    }
}
