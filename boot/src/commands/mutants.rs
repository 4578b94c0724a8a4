//! `mutants`: broken twins, built and tried one after the other; each has to be killed, by what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::Result;
use serde::Serialize;

use crate::interrupt;
use crate::mutants::{self, Mutant, Tests, Tree, Verdict};
use crate::terminal::{Progress, say};

/// What became of a mutant.
#[derive(Serialize)]
struct Fate<'a> {
    name: &'a str,
    area: &'static str,
    breaks: &'a str,
    suite: String,
    /// What has to notice it.
    detector: &'a str,
    killed: bool,
    /// What noticed it; absent where it survived, or could not be tried.
    by: Option<String>,
    /// The tests that failed.
    tests: Vec<String>,
    /// Why it could not be tried.
    error: Option<String>,
    /// Of the build and its tests.
    seconds: u64,
    #[serde(skip)]
    said: String,
}

/// What became of all that were tried.
#[derive(Serialize)]
struct Fates<'a> {
    planned: usize,
    killed: usize,
    mutants: Vec<Fate<'a>>,
}

/// Tries the mutants named, or all; the status is 1 when one survived, was killed by something else than it says, or
/// could not be tried.
pub fn run(names: &[String], json: bool, verbose: bool) -> Result<u8> {
    let mutants = mutants::chosen(names)?;
    interrupt::watch()?;
    let progress = Progress::new();
    let (tests, tree) = (Tests::default(), Tree::fresh()?);
    if !sound(&mutants, &tests, &tree, &progress)? {
        return Ok(1);
    }
    let mut fates = Vec::new();
    for (number, mutant) in mutants.iter().enumerate() {
        progress.show(&format!("{}/{} {}", number + 1, mutants.len(), mutant.name));
        let start = Instant::now();
        let outcome = tree.become_mutant(mutant).and_then(|()| tests.run(&mutant.suite, &tree));
        if interrupt::pending().is_some() {
            break;
        }
        progress.show("");
        let fate = Fate { seconds: start.elapsed().as_secs(), ..fate(mutant, outcome) };
        if !json {
            tell(&fate, verbose)?;
        }
        fates.push(fate);
    }
    progress.show("");
    let killed = fates.iter().filter(|fate| fate.killed).count();
    let planned = mutants.len();
    if json {
        let fates = Fates { planned, killed, mutants: fates };
        say(&(serde_json::to_string_pretty(&fates)? + "\n"))?;
    } else {
        say(&format!("{killed} of {planned} mutants killed{}\n", by_area(&fates)))?;
    }
    Ok(u8::from(killed != planned))
}

/// How many were killed in each area: ` (heaps 20/21, vfs 5/5)`.
fn by_area(fates: &[Fate<'_>]) -> String {
    let mut areas = BTreeMap::<_, (usize, usize)>::new();
    for fate in fates {
        let (killed, all) = areas.entry(fate.area).or_default();
        *killed += usize::from(fate.killed);
        *all += 1;
    }
    let areas: Vec<_> = areas.iter().map(|(area, (killed, all))| format!("{area} {killed}/{all}")).collect();
    if areas.is_empty() { String::new() } else { format!(" ({})", areas.join(", ")) }
}

/// Whether the suites hold where nothing is broken: otherwise they would kill anything.
fn sound(mutants: &[Mutant], tests: &Tests, tree: &Tree, progress: &Progress) -> Result<bool> {
    let suites: BTreeSet<_> = mutants.iter().map(|mutant| &mutant.suite).collect();
    let mut all = true;
    for (number, suite) in suites.iter().enumerate() {
        progress.show(&format!("unbroken {}/{}: {suite}", number + 1, suites.len()));
        if let Verdict::Noticed { detector, said, .. } = tests.run(suite, tree)? {
            progress.show("");
            say(&format!("{suite} fails where nothing is broken, by {detector}:\n{said}\n"))?;
            all = false;
        }
    }
    Ok(all)
}

/// What `outcome` makes of a mutant.
fn fate(mutant: &Mutant, outcome: Result<Verdict>) -> Fate<'_> {
    let Mutant { name, breaks, suite, detector, .. } = mutant;
    let (by, tests, said, error) = match outcome {
        Ok(Verdict::Noticed { detector, tests, said }) => (Some(detector), tests, said, None),
        Ok(Verdict::Held) => (None, Vec::new(), String::new(), None),
        Err(error) => (None, Vec::new(), String::new(), Some(format!("{error:#}"))),
    };
    let killed = by.as_ref() == Some(detector);
    let (suite, area) = (suite.to_string(), mutant.area());
    Fate { name, area, breaks, suite, detector, killed, by, tests, error, seconds: 0, said }
}

/// Says what became of a mutant.
fn tell(fate: &Fate<'_>, verbose: bool) -> Result<()> {
    let Fate { name, breaks, suite, detector, killed, by, tests, error, seconds, said, .. } = fate;
    let place = tests.first().unwrap_or(suite);
    let what = match (by, error) {
        (Some(by), _) if *killed => format!("killed by {by}: {place} ({seconds} s)"),
        (Some(by), _) => format!("killed by {by}, not by {detector}: {place}"),
        (None, Some(error)) => format!("not tried: {error}"),
        (None, None) => format!("SURVIVED {suite}"),
    };
    say(&format!("{name:32} {what}\n"))?;
    if !killed || verbose {
        say(&format!("    {breaks}\n"))?;
        said.lines().try_for_each(|line| say(&format!("    {line}\n")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_killed_by_what_it_says_counts() {
        let mutants = mutants::all().unwrap();
        let mutant = &mutants[0];
        let noticed = |detector: &str| {
            Ok(Verdict::Noticed { detector: detector.into(), tests: vec!["a".into()], said: "b".into() })
        };
        let fates = [
            fate(mutant, noticed(&mutant.detector)),
            fate(mutant, noticed("luck")),
            fate(mutant, Ok(Verdict::Held)),
            fate(mutant, Err(anyhow::anyhow!("it does not build"))),
        ];
        assert_eq!(fates.each_ref().map(|fate| fate.killed), [true, false, false, false]);
        assert_eq!(fates[3].error.as_deref(), Some("it does not build"));
        assert_eq!(by_area(&fates), format!(" ({} 1/4)", mutant.area()));
    }
}
