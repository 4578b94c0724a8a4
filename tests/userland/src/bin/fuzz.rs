//! `/bin/fuzz [--seed N] [--seconds S | --children N] [--slots N] [--calls N] [--providers]`: any call with any
//! arguments, in children that die of it and are replaced.
//!
//! The seed of each child is printed; `--seed SEED --children 1` plays one again. Exits with 0 only if the kernel
//! reported nothing, every count is what it was, and everybody could be killed.
#![cfg_attr(target_os = "none", no_std, no_main)]

use userland::fuzz::{self, Before, Plan, Until};
use userland::guest::oracle;
use userland::judge::{counts, report};
use userland::rt::{Args, process, time};
use userland::{complain, say};

use heaps::uapi::errno::Result;

userland::program!(run);

const USAGE: &str =
    "usage: fuzz [--seed N] [--seconds S | --children N] [--slots N] [--calls N] [--providers]";

fn run(args: Args) -> i32 {
    let Some(plan) = plan(args) else {
        complain!("{USAGE}");
        return 2;
    };
    say!("fuzz: {plan:?}");
    match judge(&plan) {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(e) => {
            complain!("fuzz: {e} ({})", e.text().unwrap_or("unknown error"));
            1
        }
    }
}

fn plan(args: Args) -> Option<Plan> {
    let cpus = process::affinity().map_or(1, u64::count_ones) as usize;
    let mut plan =
        Plan { seed: time::now(), until: Until::Seconds(30), slots: 2 + cpus, calls: 2000, providers: false };
    let mut words = args.rest();
    while let Some(word) = words.next() {
        if word == "--providers" {
            plan.providers = true;
            continue;
        }
        let number: u64 = words.next()?.parse().ok()?;
        match word {
            "--seed" => plan.seed = number,
            "--seconds" => plan.until = Until::Seconds(number),
            "--children" => plan.until = Until::Children(number),
            "--slots" if (1..=64).contains(&number) => plan.slots = number as usize,
            "--calls" if number > 0 => plan.calls = number,
            _ => return None,
        }
    }
    Some(plan)
}

/// Carries the plan out and compares the machine before and after: whether all was well.
///
/// A short run comes first, counting included: the tables that the kernel keeps for good, once grown, are no leak, and
/// neither is the memory that counting takes from this program.
fn judge(plan: &Plan) -> Result<bool> {
    oracle::warm_up();
    let reports_before = oracle::reports()?;
    oracle::settled_counts()?;
    let before = Before::now();
    let rehearsal = Plan { seed: 1, until: Until::Children(12), calls: 500, ..*plan };
    let rehearsed = fuzz::play(&rehearsal, &before)?;
    let counts_before = oracle::settled_counts()?;
    oracle::mark()?;
    // What went wrong already is not made worse.
    let played = rehearsed && fuzz::play(plan, &before)?;
    let reports = report::fresh(&reports_before, oracle::reports()?);
    let delta = counts::delta(&counts_before, &oracle::settled_counts()?);
    for report in &reports {
        say!("fuzz: reported: {}", report.line);
    }
    for (name, by) in &delta {
        say!("fuzz: count {name} differs by {by:+}");
    }
    if !delta.is_empty() {
        say!("fuzz: what lived on:\n{}", oracle::survivors()?);
    }
    let well = played && reports.is_empty() && delta.is_empty();
    say!("fuzz: {}", if well { "no report, no leak" } else { "FAILED" });
    Ok(well)
}
