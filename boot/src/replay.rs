//! Ids of verdicts. An id says what was played and in which order its processes took their steps, and is all that is
//! needed to play it again: nothing is stored anywhere.
//!
//! ```text
//! H3-get.kref.r-a3b5a2-1f3c2d7e
//! ```
//!
//! The scenario, the discipline, the form (`d` with meeting points, `r` racing), how many steps each process in turn took
//! (`a` is the first), and a digest of the steps' names and the verdict, with a check of the id itself in its last two
//! digits. A step is a place in the kernel that the process came to: a meeting point, an event of the heaps', in the
//! racing form also each system call. The last is the kernel's report, where there was one.

use std::fmt::{self, Write};
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};

use crate::lab::{self, Boot, Observation};
use crate::machine::Event;
use crate::plan::{DISCIPLINES, Plan, SCENARIOS, Scenario};
use crate::records::Cell;

/// The most steps of an order: as many as the kernel keeps.
const MOST: usize = 512;

/// An id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id {
    /// What was played.
    pub scenario: Scenario,
    /// Under what.
    pub discipline: &'static str,
    /// Whether it was the racing form.
    pub racing: bool,
    /// Whose step came when: a process' digit for each.
    order: String,
    /// Of the steps and the verdict.
    digest: u32,
}

impl Id {
    /// The id of what came of a cell; `None` where it took no steps, or is no scenario of ours.
    pub fn of(cell: &Cell) -> Option<Id> {
        let scenario = SCENARIOS.into_iter().find(|scenario| scenario.id == cell.cell)?;
        let discipline = DISCIPLINES.into_iter().find(|name| *name == cell.discipline)?;
        let steps = told(&cell.steps);
        let order: String = steps.iter().filter_map(|step| step.chars().next()).collect();
        let digest = digest(steps.iter().map(String::as_str).chain([word(&cell.verdict)]));
        let racing = cell.race.is_some();
        (!order.is_empty()).then_some(Id { scenario, discipline, racing, order, digest })
    }

    /// The cell as the lab is asked for it again.
    fn asked(&self) -> String {
        match self.racing {
            true => format!("{}:follow:{}", self.scenario.id, self.order),
            false => self.scenario.id.into(),
        }
    }

    /// How many steps there are.
    pub fn steps(&self) -> usize {
        self.order.len()
    }
}

/// The steps that a verdict came from: all up to the first report.
pub fn told(steps: &[String]) -> &[String] {
    let end = steps.iter().position(|step| is_report(step)).map_or(steps.len(), |at| at + 1);
    &steps[..end]
}

fn is_report(step: &str) -> bool {
    step.ends_with(" report")
}

/// A verdict without its particulars.
fn word(verdict: &str) -> &str {
    verdict.split('(').next().unwrap_or_default()
}

/// 24 bits of FNV-1a over lines.
fn digest<'a>(lines: impl Iterator<Item = &'a str>) -> u32 {
    let bytes = lines.flat_map(|line| line.bytes().chain([b'\n']));
    let hash = bytes.fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (hash ^ hash >> 24) & 0x00ff_ffff
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = if self.racing { 'r' } else { 'd' };
        let mut text = format!("{}.{}.{form}-", self.scenario.id, self.discipline);
        let mut rest = self.order.as_bytes();
        while let Some(first) = rest.first() {
            let run = rest.iter().take_while(|digit| *digit == first).count();
            text.push(char::from(first - b'0' + b'a'));
            if run > 1 {
                write!(text, "{run}")?;
            }
            rest = &rest[run..];
        }
        write!(text, "-{:06x}", self.digest)?;
        let check = digest([text.as_str()].into_iter()) & 0xff;
        write!(f, "{text}{check:02x}")
    }
}

impl FromStr for Id {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Id> {
        let id = parse(text).context("there is no such id; demo prints those that there are")?;
        // Written in another way, or mistyped.
        ensure!(id.to_string() == text, "there is no such id: its check does not fit");
        Ok(id)
    }
}

fn parse(text: &str) -> Option<Id> {
    let mut words = text.splitn(3, '.');
    let (scenario, discipline, rest) = (words.next()?, words.next()?, words.next()?);
    let mut parts = rest.split('-');
    let (form, runs, digest) = (parts.next()?, parts.next()?, parts.next()?);
    let scenario = SCENARIOS.into_iter().find(|known| known.id == scenario)?;
    let discipline = DISCIPLINES.into_iter().find(|known| *known == discipline)?;
    let racing = match form {
        "r" => true,
        "d" => false,
        _ => return None,
    };
    let digest = u32::from_str_radix(digest.get(..6)?, 16).ok()?;
    (parts.next().is_none()).then_some(Id { scenario, discipline, racing, order: order(runs)?, digest })
}

/// Reads `a3b5a2`.
fn order(runs: &str) -> Option<String> {
    let mut order = String::new();
    let mut rest = runs;
    while let Some(letter @ 'a'..='j') = rest.chars().next() {
        let digits = rest[1..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |at| at + 1);
        let run = if digits == 1 { 1 } else { rest[1..digits].parse::<usize>().ok()? };
        if run == 0 || order.len().checked_add(run)? > MOST {
            return None;
        }
        let digit = char::from(letter as u8 - b'a' + b'0');
        order.extend(std::iter::repeat_n(digit, run));
        rest = &rest[digits..];
    }
    (rest.is_empty() && !order.is_empty()).then_some(order)
}

/// Plays what an id names, in its order.
///
/// # Errors
/// Where no machine could be booted.
pub fn replay(id: &Id, boot: &impl Boot) -> Result<lab::Survey> {
    let asked = id.asked();
    let boot = |discipline: &str, _: &[&str], sink: &mut dyn FnMut(Event<'_>)| {
        boot.boot(discipline, &[&asked], sink)
    };
    lab::survey(&Plan { scenarios: vec![id.scenario], disciplines: vec![id.discipline] }, &boot, |_, _| ())
}

/// Finds an id for what a race found: plays it again in its order, and, where verdict and order come out as they should
/// when *that* is played once more, the id of it. `None` where the find does not come again so: what it took is finer
/// than steps are.
///
/// # Errors
/// Where no machine could be booted.
pub fn confirm(found: &Cell, boot: &impl Boot) -> Result<Option<Id>> {
    let Some(first) = Id::of(found) else { return Ok(None) };
    for order in candidates(&found.steps) {
        let guess = Id { order, ..first.clone() };
        let Some(id) = observed(&replay(&guess, boot)?, &guess).and_then(|seen| Id::of(&seen.cell)) else {
            continue;
        };
        let same_word = |seen: &&Observation| word(&seen.cell.verdict) == word(&found.verdict);
        let again = replay(&id, boot)?;
        let again = observed(&again, &id).filter(same_word).and_then(|seen| Id::of(&seen.cell));
        if again.as_ref() == Some(&id) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// The observation of the cell that an id names.
pub fn observed<'a>(survey: &'a lab::Survey, id: &Id) -> Option<&'a Observation> {
    survey.find(id.scenario.id, id.discipline).filter(|seen| !seen.lost)
}

/// The orders that may lead to a find again. Between two places nobody knows where exactly a process was when another
/// reported something. So the others are first let go as far as they would have come next, which is where they have
/// done what they were about to (freed something, say), and then not.
fn candidates(steps: &[String]) -> Vec<String> {
    let digits = |steps: &[&String]| steps.iter().filter_map(|step| step.chars().next()).collect::<String>();
    let Some(at) = steps.iter().position(|step| is_report(step)) else {
        return vec![digits(&steps.iter().collect::<Vec<_>>())];
    };
    let mut late: Vec<&String> = steps[..at].iter().collect();
    for actor in b'0'..=b'9' {
        let is_theirs = |step: &&String| step.as_bytes().first() == Some(&actor);
        let came = steps[..at].iter().any(|step| is_theirs(&step));
        if came && !is_theirs(&&steps[at]) {
            late.extend(steps[at..].iter().find(is_theirs));
        }
    }
    late.push(&steps[at]);
    let early: Vec<&String> = steps[..=at].iter().collect();
    let mut orders = vec![digits(&late), digits(&early)];
    orders.dedup();
    orders
}

/// Says whether what was played is what the id stands for.
///
/// # Errors
/// What came out otherwise.
pub fn compare(id: &Id, seen: &Cell) -> Result<()> {
    let Some(now) = Id::of(seen) else { bail!("no step was taken") };
    ensure!(now.order == id.order, "the order came out otherwise: {now}");
    ensure!(now.digest == id.digest, "the steps or the verdict are others: {now}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Race;

    fn cell(steps: &[&str], verdict: &str, racing: bool) -> Cell {
        Cell {
            cell: "H3-get".into(),
            discipline: "kref".into(),
            verdict: verdict.into(),
            race: racing.then(Race::default),
            steps: steps.iter().map(|step| (*step).into()).collect(),
            ..Cell::default()
        }
    }

    const STEPS: [&str; 5] = ["0 call openat", "0 open", "1 heap-free", "0 report", "1 end"];

    #[test]
    fn an_id_says_all_and_comes_back_as_it_was() {
        let id = Id::of(&cell(&STEPS, "use-after-free", true)).unwrap();
        assert!(id.to_string().starts_with("H3-get.kref.r-a2ba-"), "{id}");
        assert_eq!(id.to_string().parse::<Id>().unwrap(), id);
        assert_eq!((id.steps(), id.asked().as_str()), (4, "H3-get:follow:0010"));
        let directed = Id::of(&cell(&STEPS, "use-after-free", false)).unwrap();
        assert!(directed.to_string().starts_with("H3-get.kref.d-a2ba-"));
        assert_eq!(directed.asked(), "H3-get");
        assert_eq!(Id::of(&cell(&[], "ok", true)), None);
    }

    #[test]
    fn what_was_mistyped_is_no_id() {
        let id = Id::of(&cell(&STEPS, "use-after-free", true)).unwrap().to_string();
        for at in 0..id.len() {
            let wrong: String = id
                .char_indices()
                .map(|(i, c)| if i == at { if c == '1' { '2' } else { '1' } } else { c })
                .collect();
            assert!(wrong.parse::<Id>().is_err(), "{wrong}");
        }
        for wrong in
            ["", "H3-get", "H3-get.kref", "H3-get.kref.r-a0-0000000", "H3-get.kref.r-a9999999-00000000"]
        {
            assert!(wrong.parse::<Id>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn other_steps_or_verdicts_are_told_apart() {
        let id = Id::of(&cell(&STEPS, "use-after-free", true)).unwrap();
        compare(&id, &cell(&STEPS, "use-after-free", true)).unwrap();
        let mut other = STEPS;
        other[1] = "0 found";
        assert!(compare(&id, &cell(&other, "use-after-free", true)).is_err());
        assert!(compare(&id, &cell(&STEPS, "oops", true)).is_err());
        other.swap(1, 2);
        assert!(compare(&id, &cell(&other, "use-after-free", true)).is_err());
        // What comes after the report is not part of it.
        compare(&id, &cell(&STEPS[..4], "use-after-free", true)).unwrap();
    }

    #[test]
    fn others_are_first_let_do_what_they_were_about_to() {
        let steps: Vec<String> = STEPS.iter().map(|step| (*step).into()).collect();
        assert_eq!(candidates(&steps), ["00110", "0010"]);
        assert_eq!(candidates(&steps[..3]), ["001"]);
    }
}
