//! `mutants`: broken twins, built and tried one after the other; each has to be killed, by what it says.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::interrupt;
use crate::mutants::{self, Mutant, Tests, Tree, Verdict};
use crate::terminal::{Progress, say};

/// Tries the mutants named, or all; the status is 1 when one survived, was killed by something else than it says, or
/// could not be tried.
pub fn run(names: &[String], verbose: bool) -> Result<u8> {
    let mutants = mutants::chosen(names)?;
    interrupt::watch()?;
    let progress = Progress::new();
    let (tests, tree) = (Tests::default(), Tree::fresh()?);
    if !sound(&mutants, &tests, &tree, &progress)? {
        return Ok(1);
    }
    let mut killed = 0;
    for (number, mutant) in mutants.iter().enumerate() {
        progress.show(&format!("{}/{} {}", number + 1, mutants.len(), mutant.name));
        let outcome = tree.become_mutant(mutant).and_then(|()| tests.run(&mutant.suite, &tree));
        if interrupt::pending().is_some() {
            break;
        }
        progress.show("");
        killed += usize::from(tell(mutant, outcome, verbose)?);
    }
    progress.show("");
    say(&format!("{killed} of {} mutants killed\n", mutants.len()))?;
    Ok(u8::from(killed != mutants.len()))
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

/// Says what became of a mutant; whether it was killed as it should be.
fn tell(mutant: &Mutant, outcome: Result<Verdict>, verbose: bool) -> Result<bool> {
    let Mutant { name, breaks, suite, detector, .. } = mutant;
    let (what, good, said) = match outcome {
        Ok(Verdict::Noticed { detector: by, tests, said }) => {
            let place = tests.first().map_or_else(|| suite.to_string(), String::clone);
            match by == *detector {
                true => (format!("killed by {by}: {place}"), true, said),
                false => (format!("killed by {by}, not by {detector}: {place}"), false, said),
            }
        }
        Ok(Verdict::Held) => (format!("SURVIVED {suite}"), false, String::new()),
        Err(error) => (format!("not tried: {error:#}"), false, String::new()),
    };
    say(&format!("{name:32} {what}\n"))?;
    if !good || verbose {
        say(&format!("    {breaks}\n"))?;
        said.lines().try_for_each(|line| say(&format!("    {line}\n")))?;
    }
    Ok(good)
}
