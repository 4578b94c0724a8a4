//! The parent: starts children, gets them out of their sleep, kills those that do not end, cleans up.

use super::board::{Board, LANES};
use super::calls::{CALLS, MOUNT_POINTS};
use super::child::{self, Orders};
use super::names::{self, Before};
use super::{Plan, Until};
use crate::guest::{self, oracle};
use crate::rt::arch::expendable;
use crate::rt::{Status, abi, module, process, time};
use crate::say;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use heaps::uapi::Errno;
use heaps::uapi::errno::Result;

/// How often the children are looked at.
const TICK: u64 = 10 * time::MS;
/// After how long at the same call a thread is interrupted; after how long at it the child is killed.
const PATIENCE: u64 = 40 * time::MS;
const LIMIT: u64 = 3000 * time::MS;
/// How long a child may take to die.
const DEATH: u64 = 60_000 * time::MS;
/// Time between two lines of progress.
const PROGRESS: u64 = 10_000 * time::MS;

/// What came of it.
#[derive(Debug, Default)]
struct Ended {
    /// Calls made.
    calls: u64,
    /// Children that ended.
    children: u64,
    /// How many of those were killed by a signal, and how many because they did not get on.
    killed: u64,
    /// See `killed`.
    stuck: u64,
    /// What should not have come up.
    findings: Vec<String>,
}

/// A child at work.
struct Slot {
    pid: i32,
    seed: u64,
    /// What each lane's count was, and since when.
    seen: [(u64, u64); LANES],
    /// Since when it should be dead.
    doomed: Option<u64>,
}

struct Watch<'a> {
    plan: &'a Plan,
    board: Arc<Board>,
    slots: Vec<Option<Slot>>,
    started: u64,
    known_reports: usize,
    ended: Ended,
}

/// Carries the plan out, in a child, whose memory is gone when this returns: whether nothing came up. What children
/// left is removed, back to what there was before.
///
/// # Errors
/// Where the parent itself is refused what it needs.
pub fn play(plan: &Plan, before: &Before) -> Result<bool> {
    let _ = crate::rt::file::mkdir(names::HOME);
    for place in MOUNT_POINTS {
        let _ = crate::rt::file::mkdir(&place.to_string_lossy());
    }
    let watched = process::in_child(|| match watch(plan) {
        Ok(well) => i32::from(!well),
        Err(e) => {
            say!("fuzz: the watching process: {e}");
            1
        }
    });
    if !matches!(watched, Ok(Status::Exited(0 | 1))) {
        say!("fuzz: found: the watching process ended by {watched:?}");
    }
    let swept = sweep();
    if !swept {
        say!("fuzz: found: somebody cannot be killed; what the tasks do:\n{}", oracle::tasks()?);
    }
    let cleaned = process::in_child(|| clean_up(before));
    Ok(watched == Ok(Status::Exited(0)) && swept && cleaned == Ok(Status::Exited(0)))
}

fn watch(plan: &Plan) -> Result<bool> {
    let mut watch = Watch {
        plan,
        board: Arc::new(Board::new(plan.slots)?),
        slots: (0..plan.slots).map(|_| None).collect(),
        started: 0,
        known_reports: oracle::reports()?.len(),
        ended: Ended::default(),
    };
    watch.supervise()?;
    let reported = oracle::reports()?.len() > watch.known_reports;
    let Ended { calls, children, killed, stuck, findings } = &watch.ended;
    if reported || !findings.is_empty() {
        (0..plan.slots).for_each(|at| watch.tell(at));
    }
    findings.iter().for_each(|finding| say!("fuzz: found: {finding}"));
    say!("fuzz: {children} children made {calls} calls; {killed} were killed by signals, {stuck} were stuck");
    Ok(findings.is_empty() && !reported)
}

impl Watch<'_> {
    fn supervise(&mut self) -> Result<()> {
        let (start, mut told) = (time::now(), time::now());
        for tick in 0u64.. {
            let now = time::now();
            let over = match self.plan.until {
                Until::Seconds(seconds) => now - start >= seconds * 1000 * time::MS,
                Until::Children(children) => self.started >= children,
            };
            for slot in 0..self.slots.len() {
                self.look_at(slot, now);
                if self.slots[slot].is_none() && !over {
                    self.start(slot)?;
                }
            }
            if tick % 64 == 0 {
                self.look_at_others();
            }
            let reports = oracle::reports()?.len();
            if reports > self.known_reports || !self.ended.findings.is_empty() {
                return Ok(());
            }
            if over && self.slots.iter().all(Option::is_none) {
                return Ok(());
            }
            if now - told >= PROGRESS {
                told = now;
                let Ended { calls, children, killed, stuck, .. } = &self.ended;
                let seconds = (now - start) / (1000 * time::MS);
                say!("fuzz: {seconds} s, {children} children, {calls} calls, {killed} killed, {stuck} stuck");
            }
            time::sleep(TICK)?;
        }
        Ok(())
    }

    fn start(&mut self, at: usize) -> Result<()> {
        let seed = self.plan.child_seed(self.started);
        say!("fuzz: child {} seed {seed}", self.started);
        self.started += 1;
        (0..LANES).for_each(|lane| self.board.clear(Board::lane(at, lane)));
        let orders = Orders { seed, slot: at, calls: self.plan.calls, providers: self.plan.providers };
        let board = self.board.clone();
        let pid = match expendable::spawn(|token| child::run(token, board, orders)) {
            Ok(pid) => pid,
            // The children have taken all there is; they end.
            Err(Errno::ENOMEM | Errno::EAGAIN) => return Ok(()),
            Err(e) => return Err(e),
        };
        let now = time::now();
        self.slots[at] = Some(Slot { pid, seed, seen: [(0, now); LANES], doomed: None });
        Ok(())
    }

    /// Takes note of a child's end; interrupts or kills it where it does not get on.
    fn look_at(&mut self, at: usize, now: u64) {
        let Some(slot) = &mut self.slots[at] else { return };
        match process::poll(slot.pid) {
            Ok(None) => {}
            Ok(Some(status)) => {
                // A child may have written anything to its lanes.
                let calls = |lane| self.board.calls(Board::lane(at, lane)).min(self.plan.calls);
                self.ended.calls += (0..LANES).map(calls).sum::<u64>();
                self.ended.children += 1;
                self.ended.killed += u64::from(matches!(status, Status::Killed(_)));
                self.slots[at] = None;
                return;
            }
            Err(e) => {
                self.ended.findings.push(format!("child {} is lost: {e}", slot.pid));
                self.slots[at] = None;
                return;
            }
        }
        if let Some(since) = slot.doomed {
            if now - since > DEATH {
                self.ended
                    .findings
                    .push(format!("child {} with seed {} cannot be killed", slot.pid, slot.seed));
                self.tell(at);
            }
            return;
        }
        let mut slowest = 0;
        for (i, (count, since)) in slot.seen.iter_mut().enumerate() {
            let lane = Board::lane(at, i);
            let is_there = i == 0 || self.board.thread(lane).is_some();
            if self.board.calls(lane) != *count || !is_there {
                (*count, *since) = (self.board.calls(lane), now);
            } else if now - *since > PATIENCE {
                // A child may have written anything to its lanes: only its own threads are meant.
                let _ = self.board.thread(lane).map(|tid| process::kill_thread(slot.pid, tid, abi::SIGUSR1));
            }
            slowest = slowest.max(now - *since);
        }
        if slowest > LIMIT {
            slot.doomed = Some(now);
            self.ended.stuck += 1;
            let _ = process::kill(slot.pid, abi::SIGKILL);
        }
    }

    /// What a slot's threads are at.
    fn tell(&self, at: usize) {
        for lane in (0..LANES).map(|i| Board::lane(at, i)) {
            if let (Some(tid), Some((number, arguments))) =
                (self.board.thread(lane), self.board.present(lane))
            {
                let name =
                    CALLS.iter().find(|call| call.number as u64 == number).map_or("?", |call| call.name);
                say!("fuzz: slot {at}, thread {tid} is at {name}{arguments:x?}");
            }
        }
    }

    /// Takes note of the end of children that are not known, whom clone(CLONE_PARENT) made; kills those whose parent
    /// has ended, and who are nobody's to end.
    fn look_at_others(&self) {
        let known = |pid: i32| self.slots.iter().flatten().any(|slot| slot.pid == pid);
        // The known ones are asked for one by one: asking for any would take them too.
        for pid in processes().unwrap_or_default() {
            match parent_of(pid) {
                Some(1) if pid != process::parent_id() => drop(process::kill(pid, abi::SIGKILL)),
                Some(parent) if parent == process::id() && !known(pid) => drop(process::poll(pid)),
                _ => {}
            }
        }
    }
}

/// Kills everybody but init and the caller: whether all are gone in the end.
fn sweep() -> bool {
    let start = time::now();
    while time::now() - start < DEATH {
        let nobody = process::kill(-1, abi::SIGKILL) == Err(Errno::ESRCH);
        while process::poll(-1).is_ok_and(|status| status.is_some()) {}
        if nobody {
            return true;
        }
        let _ = time::sleep(TICK);
    }
    false
}

fn processes() -> Result<Vec<i32>> {
    Ok(guest::names_in("/proc")?.iter().filter_map(|name| name.parse().ok()).collect())
}

fn parent_of(pid: i32) -> Option<i32> {
    let stat = guest::read_text(&format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// Removes what the children made, files and providers: 0 when nothing is left.
fn clean_up(before: &Before) -> i32 {
    let mut status = 0;
    for name in module_names() {
        let _ = guest::write_text("/sys/bus/platform/drivers/tee_heap/unbind", &name);
        if let Err(e) = module::delete(&name, abi::O_NONBLOCK) {
            say!("fuzz: found: module {name} cannot be unloaded: {e}");
            status = 1;
        }
    }
    if let Err(why) = before.restore() {
        say!("fuzz: found: it cannot be removed: {why}");
        status = 1;
    }
    status
}

fn module_names() -> Vec<String> {
    let text = guest::read_text("/proc/modules").unwrap_or_default();
    let first = text.lines().filter_map(|line| line.split_whitespace().next());
    first.filter(|name| name.starts_with("tee_heap")).map(String::from).collect()
}
