//! `/bin/stress [SECONDS] [THREADS] [SEED]`: threads open heaps, allocate, map, write, sync, close, unmap, and
//! unregister and reload the very heaps the others use. 30 seconds and 4 threads unless told.
//!
//! Everything happens in a child, so that what is left can be counted when it has gone. Exits with 0 only
//! if the kernel reported nothing, every count is what it was, and no call said anything unexpected.
#![cfg_attr(target_os = "none", no_std, no_main)]

use userland::guest::oracle;
use userland::judge::{counts, report};
use userland::rt::{Args, Status, abi, process, time};
use userland::stress::{self, Plan};
use userland::{complain, say};

use heaps::uapi::errno::Result;

userland::program!(run);

/// Seconds beyond its time after which a child is taken to hang.
const GRACE: u64 = 30;

fn run(args: Args) -> i32 {
    let numbers = [(1, 30), (2, 4), (3, time::now() | 1)].map(|(i, default)| args.number(i, default));
    let [Ok(seconds), Ok(threads @ 1..=64), Ok(seed)] = numbers else {
        complain!("usage: stress [SECONDS] [THREADS, at most 64] [SEED]");
        return 2;
    };
    say!("stress: {seconds} s, {threads} threads, seed {seed}");
    match watch(&Plan { seconds, threads: threads as usize, seed }) {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(e) => {
            complain!("stress: {e} ({})", e.text().unwrap_or("unknown error"));
            1
        }
    }
}

/// Runs the plan in a child and compares the machine before and after: whether all was well.
///
/// A short run comes first, counting included: the tables that the kernel keeps for good, once grown, are no leak, and
/// neither is the memory that counting takes from this program.
fn watch(plan: &Plan) -> Result<bool> {
    oracle::warm_up();
    let reports_before = oracle::reports()?;
    oracle::settled_counts()?;
    let rehearsed = play(&Plan { seconds: 1, ..*plan })?;
    let counts_before = oracle::settled_counts()?;
    oracle::mark()?;
    // What went wrong already is not made worse.
    let status = if rehearsed == Some(Status::Exited(0)) { play(plan)? } else { rehearsed };
    let reports = report::fresh(&reports_before, oracle::reports()?);
    let delta = counts::delta(&counts_before, &oracle::settled_counts()?);
    match status {
        None => say!("stress: it hangs, or died only of SIGKILL\n{}", oracle::tasks()?),
        Some(status) => say!("stress: the threads' process ended by {status}"),
    }
    for report in &reports {
        say!("stress: reported: {}", report.line);
    }
    for (name, by) in &delta {
        say!("stress: count {name} differs by {by:+}");
    }
    if !delta.is_empty() {
        say!("stress: what lived on:\n{}", oracle::survivors()?);
    }
    let well = status == Some(Status::Exited(0)) && reports.is_empty() && delta.is_empty();
    say!("stress: {}", if well { "no report, no leak" } else { "FAILED" });
    Ok(well)
}

/// Runs the plan in a child: how that ended, `None` where it had to be killed.
fn play(plan: &Plan) -> Result<Option<Status>> {
    let pid = process::spawn(|| stress::run(plan))?;
    let start = time::now();
    loop {
        if let Some(status) = process::poll(pid)? {
            return Ok(Some(status));
        }
        if time::now() - start > (plan.seconds + GRACE) * 1000 * time::MS {
            say!("stress: over time; what the tasks do:\n{}", oracle::tasks()?);
            process::kill(pid, abi::SIGKILL)?;
            time::sleep(1000 * time::MS)?;
            process::poll(pid)?;
            return Ok(None);
        }
        time::sleep(50 * time::MS)?;
    }
}
