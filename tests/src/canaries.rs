//! Canaries: cells that go wrong on purpose, judged as any cell is, with `ok` expected. Each trial passes only
//! when the harness flagged its canary, and for the right reason.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use lastref::detector::Detector;
use lastref::plan::Scenario;
use libtest_mimic::Trial;
use userland::scenarios;

use crate::cells::{self, Failure, LIMIT};
use crate::trial;

/// What the harness has to say of a canary.
#[derive(Clone, Copy, Debug)]
enum Caught {
    /// A verdict that begins so.
    Verdict(&'static str),
    /// A cell that was never reported: the word for it, and what the reason has to mention.
    Lost(&'static str, &'static str),
}

/// What is expected of every canary: the harness must not agree.
const EXPECTED: &str = "ok";

/// Long enough to boot, and far shorter than the lab's own patience.
const SHORT: Duration = Duration::from_secs(5);

const DISCIPLINE: &str = "lastref";

/// The trial's name where it is not the canary's, the canary, its time, and how it is to be caught.
const CANARIES: [(&str, &str, Duration, Caught); 21] = [
    ("fail", "canary-fail", LIMIT, Caught::Verdict("failed(this canary always fails)")),
    ("hang", "canary-hang", LIMIT, Caught::Verdict("hang")),
    ("hang-machine", "canary-hang", SHORT, Caught::Lost("hang", "did not end in time")),
    ("crash", "canary-crash", LIMIT, Caught::Verdict("failed(signal 11)")),
    ("under-report", "canary-under-report", LIMIT, Caught::Lost("crash", "was not reported")),
    ("leak", "canary-leak", LIMIT, Caught::Verdict("leak(")),
    ("panic", "canary-panic", LIMIT, Caught::Lost("crash", "panicked")),
    ("double-free", "canary-double-free", LIMIT, Caught::Verdict("invalid-free")),
    ("in-flight", "canary-in-flight", LIMIT, Caught::Verdict("frame-state")),
    ("mapped", "canary-mapped", LIMIT, Caught::Verdict("frame-state")),
    ("lock-order", "canary-lock-order", LIMIT, Caught::Verdict("deadlock")),
    ("deadlock", "canary-deadlock", LIMIT, Caught::Verdict("deadlock")),
    ("saturation", "canary-saturation", LIMIT, Caught::Verdict("refcount")),
    ("from-zero", "canary-from-zero", LIMIT, Caught::Verdict("refcount")),
    ("write-text", "canary-write-text", LIMIT, Caught::Verdict("oops")),
    ("write-alias", "canary-write-alias", LIMIT, Caught::Verdict("oops")),
    ("run-data", "canary-run-data", LIMIT, Caught::Verdict("oops")),
    ("beyond", "canary-beyond", LIMIT, Caught::Verdict("out-of-bounds")),
    ("overflow", "canary-overflow", LIMIT, Caught::Lost("crash", "panicked")),
    ("uaf", "canary-uaf", LIMIT, Caught::Verdict("use-after-free")),
    ("unloaded", "canary-unloaded", LIMIT, Caught::Verdict("use-after-unload")),
];

/// One trial a canary, and one for the quiet cell, which must not be caught.
pub fn trials() -> Vec<Trial> {
    under(Detector::Mte, "canary")
}

/// The same under any detector; the trials' names begin with `prefix`.
pub fn under(detector: Detector, prefix: &str) -> Vec<Trial> {
    let quiet = trial(format!("{prefix}::quiet"), move || {
        let seen = cells::observe(scenario("canary-quiet")?, DISCIPLINE, detector, LIMIT)?;
        seen.judge(EXPECTED).map_err(|failure| seen.explain(&failure))
    });
    let canaries = CANARIES.map(|(name, id, limit, caught)| {
        trial(format!("{prefix}::{name}"), move || {
            let seen = cells::observe(scenario(id)?, DISCIPLINE, detector, limit)?;
            check(caught, seen.judge(EXPECTED)).map_err(|error| seen.explain(&error))
        })
    });
    std::iter::once(quiet).chain(canaries).collect()
}

fn scenario(id: &str) -> Result<Scenario> {
    let found = scenarios::find(id).with_context(|| format!("the userland has no {id}"))?;
    Ok(Scenario { id: found.id, hazard: found.hazard })
}

/// Whether the harness caught a canary as it should.
fn check(caught: Caught, judged: Result<(), Failure>) -> Result<()> {
    let Err(failure) = judged else { bail!("the harness saw nothing wrong") };
    let right = match (caught, &failure) {
        (Caught::Verdict(begins), Failure::Verdict { observed, .. }) => observed.starts_with(begins),
        (Caught::Lost(word, mentions), Failure::Lost(seen, faults)) => {
            word == seen && faults.iter().any(|fault| fault.contains(mentions))
        }
        _ => false,
    };
    if !right {
        bail!("it was caught, but not as {caught:?}: {failure}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(observed: &str) -> Result<(), Failure> {
        Err(Failure::Verdict { expected: EXPECTED.into(), observed: observed.into() })
    }

    #[test]
    fn a_canary_has_to_be_caught_for_the_right_reason() {
        assert!(check(Caught::Verdict("leak("), verdict("leak(heaps, 8 B)")).is_ok());
        assert!(check(Caught::Verdict("leak("), verdict("hang")).is_err());
        assert!(check(Caught::Verdict("leak("), Ok(())).is_err());
        let lost = || Err(Failure::Lost("crash".into(), vec!["the machine panicked".into()]));
        assert!(check(Caught::Lost("crash", "panicked"), lost()).is_ok());
        assert!(check(Caught::Lost("hang", "panicked"), lost()).is_err());
        assert!(check(Caught::Lost("crash", "in time"), lost()).is_err());
        assert!(check(Caught::Verdict("hang"), lost()).is_err());
    }

    #[test]
    fn every_canary_of_the_userland_is_listened_to() {
        let canaries = scenarios::ALL.iter().filter(|scenario| scenario.id.starts_with("canary-"));
        for canary in canaries.filter(|canary| canary.id != "canary-quiet") {
            assert!(CANARIES.iter().any(|(_, id, ..)| *id == canary.id), "{}", canary.id);
        }
        for (_, id, ..) in CANARIES {
            scenario(id).unwrap();
        }
    }
}
