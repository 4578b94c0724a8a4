//! KTAP, the kernel's own form of TAP, read strictly from the kernel's log.
//!
//! The log's other lines and timestamps are passed over; what has the shape of KTAP has to be right. Every
//! level begins with its version line and its plan, its results are numbered from 1 without a gap and are
//! as many as planned; a level below stands before the result that sums it up, and must agree with it.
//! (Format: Linux, `Documentation/dev-tools/ktap.rst`.)

use anyhow::{Context, Result, bail, ensure};

/// What the log says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Results that sum up no others.
    pub run: usize,
    /// Names of those that are `not ok`, with the names of the levels above.
    pub failed: Vec<String>,
    /// Names of those that were skipped, likewise.
    pub skipped: Vec<String>,
}

/// Reads the KTAP in a kernel's log.
///
/// # Errors
/// Anything that is not as it should be, with the line it stands in.
pub fn parse(log: &str) -> Result<Summary> {
    let mut lines = log.lines().filter_map(Line::read).peekable();
    ensure!(lines.peek().is_some(), "there is no KTAP in the log");
    let mut summary = Summary::default();
    level(&mut lines, 0, "", &mut summary)?;
    if let Some(line) = lines.next() {
        bail!("there is more after the end: {}", line.text);
    }
    ensure!(summary.run > 0, "nothing was tested");
    Ok(summary)
}

/// A line of KTAP, taken out of the log.
struct Line<'a> {
    indent: usize,
    text: &'a str,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Version,
    Plan(&'a str),
    Result { held: bool, rest: &'a str },
}

impl<'a> Line<'a> {
    /// `None` for a line of the log that is no KTAP, comments among them.
    fn read(line: &'a str) -> Option<Line<'a>> {
        let line = without_time(line.trim_end());
        let text = line.trim_start();
        let kind = if text.starts_with("KTAP version ") {
            Kind::Version
        } else if let Some(count) = text.strip_prefix("1..") {
            Kind::Plan(count)
        } else if let Some(rest) = text.strip_prefix("ok ") {
            Kind::Result { held: true, rest }
        } else {
            Kind::Result { held: false, rest: text.strip_prefix("not ok ")? }
        };
        Some(Line { indent: line.len() - text.len(), text, kind })
    }
}

/// The line without the `[    1.234567] ` that a log may put before it.
fn without_time(line: &str) -> &str {
    let time = line.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    match time {
        Some((time, rest)) if time.bytes().all(|byte| b" .0123456789".contains(&byte)) => rest,
        _ => line,
    }
}

type Lines<'a, I> = std::iter::Peekable<I>;

/// Reads one level, at `indent` blanks. Returns whether all of it held.
fn level<'a, I>(lines: &mut Lines<'a, I>, indent: usize, path: &str, summary: &mut Summary) -> Result<bool>
where
    I: Iterator<Item = Line<'a>>,
{
    let place = if path.is_empty() { "at the top".to_owned() } else { format!("below {path}") };
    let planned = open(lines, indent).with_context(|| place.clone())?;
    let (mut count, mut all_held) = (0, true);
    while count < planned {
        let below = match lines.peek() {
            Some(line) if line.indent > indent => {
                ensure!(line.indent == indent + 2, "wrong indentation {place}: {}", line.text);
                // The level's name comes after it: what failed in it is named then.
                let mut inner = Summary::default();
                let held = level(lines, indent + 2, &format!("{place}, part {}", count + 1), &mut inner)?;
                Some((held, inner))
            }
            _ => None,
        };
        let Some(line) = lines.next_if(|line| line.indent == indent) else {
            bail!("{planned} results were planned {place}, {count} came");
        };
        count += 1;
        all_held &=
            conclude(&line, count, below, summary).with_context(|| format!("{place}: {}", line.text))?;
    }
    if let Some(line) = lines.peek().filter(|line| line.indent >= indent) {
        bail!("{planned} results were planned {place}, there are more: {}", line.text);
    }
    Ok(all_held)
}

/// Reads a level's version line and its plan.
fn open<'a>(lines: &mut impl Iterator<Item = Line<'a>>, indent: usize) -> Result<usize> {
    match lines.next() {
        Some(Line { indent: at, kind: Kind::Version, text }) if at == indent => {
            ensure!(text == "KTAP version 1", "unknown version: {text}");
        }
        other => bail!("KTAP version 1 is missing before {:?}", other.map(|line| line.text)),
    }
    match lines.next() {
        Some(Line { indent: at, kind: Kind::Plan(count), .. }) if at == indent => number(count),
        other => bail!("the plan is missing before {:?}", other.map(|line| line.text)),
    }
}

/// Takes a result, with what the level below it said. Returns whether it held.
fn conclude(
    line: &Line<'_>,
    expected: usize,
    below: Option<(bool, Summary)>,
    summary: &mut Summary,
) -> Result<bool> {
    let Kind::Result { held, rest } = line.kind else { bail!("a result was expected") };
    let (count, what) = rest.split_once(' ').context("a result has no name")?;
    ensure!(number(count)? == expected, "result {expected} was expected");
    let what = what.strip_prefix("- ").unwrap_or(what).trim();
    let (name, directive) = what.split_once('#').unwrap_or((what, ""));
    let name = name.trim();
    ensure!(!name.is_empty(), "a result has no name");
    let skipped = directive.trim().to_ascii_uppercase().starts_with("SKIP");
    ensure!(held || !skipped, "a skipped result cannot fail");
    match below {
        Some((below_held, inner)) => {
            ensure!(held == below_held, "the result does not agree with those it sums up");
            ensure!(inner.run > 0 || skipped, "the result sums up nothing");
            summary.run += inner.run;
            summary.failed.extend(inner.failed.iter().map(|test| format!("{name}/{test}")));
            summary.skipped.extend(inner.skipped.iter().map(|test| format!("{name}/{test}")));
        }
        None => {
            summary.run += 1;
            match (held, skipped) {
                (false, _) => summary.failed.push(name.to_owned()),
                (true, true) => summary.skipped.push(name.to_owned()),
                (true, false) => {}
            }
        }
    }
    Ok(held)
}

/// A number of decimal digits alone.
fn number(text: &str) -> Result<usize> {
    ensure!(!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()), "{text:?} is no number");
    Ok(text.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[    0.001000] boot\n\
        KTAP version 1\n\
        1..2\n\
        [    0.002000]   KTAP version 1\n\
        \x20 # Subtest: mm\n\
        [    0.002000]   1..2\n\
        \x20 ok 1 frames\n\
        a line of the log\n\
        \x20 ok 2 - stacks # SKIP one CPU\n\
        [    0.003000] ok 1 mm\n\
        \x20 KTAP version 1\n\
        \x20 1..1\n\
        \x20 not ok 1 tags\n\
        not ok 2 mte\n\
        [    0.004000] power off\n";

    fn refusal(text: &str) -> String {
        format!("{:#}", parse(text).expect_err(text))
    }

    #[test]
    fn nested_results_are_counted_and_named() {
        let summary = parse(GOOD).unwrap();
        assert_eq!(summary.run, 3);
        assert_eq!(summary.failed, ["mte/tags"]);
        assert_eq!(summary.skipped, ["mm/stacks"]);
    }

    #[test]
    fn a_log_cut_anywhere_is_refused() {
        let lines: Vec<&str> = GOOD.lines().collect();
        for length in 0..lines.len() - 1 {
            parse(&lines[..length].join("\n")).expect_err(&format!("the first {length} lines"));
        }
    }

    #[test]
    fn a_line_lost_anywhere_is_noticed() {
        let needed = |line: &&str| !line.contains("boot") && !line.contains('#') && !line.contains("a line");
        let lines: Vec<&str> = GOOD.lines().filter(needed).collect();
        let without_last = &lines[..lines.len() - 1];
        for lost in 0..without_last.len() {
            let mut left = without_last.to_vec();
            left.remove(lost);
            parse(&left.join("\n")).expect_err(&format!("without {}", without_last[lost]));
        }
    }

    #[test]
    fn what_is_not_right_is_refused() {
        let cases = [
            ("nothing here\n", "no KTAP"),
            ("KTAP version 2\n1..1\nok 1 a\n", "unknown version"),
            ("1..1\nok 1 a\n", "KTAP version 1 is missing"),
            ("KTAP version 1\nok 1 a\n", "the plan is missing"),
            ("KTAP version 1\n1..2\nok 1 a\n", "2 results were planned at the top, 1 came"),
            ("KTAP version 1\n1..1\nok 1 a\nok 2 b\n", "there are more"),
            ("KTAP version 1\n1..1\nok 1 a\nKTAP version 1\n", "there are more"),
            ("KTAP version 1\n1..2\nok 1 a\nok 1 b\n", "result 2 was expected"),
            ("KTAP version 1\n1..0\n", "nothing was tested"),
            ("KTAP version 1\n1..x\n", "no number"),
            ("KTAP version 1\n1..1\nok 1\n", "no name"),
            ("KTAP version 1\n1..1\nok 1 # SKIP\n", "no name"),
            ("KTAP version 1\n1..1\n  KTAP version 1\n  1..1\n  not ok 1 a\nok 1 b\n", "does not agree"),
            ("KTAP version 1\n1..1\n  KTAP version 1\n  1..1\n  ok 1 a\nnot ok 1 b\n", "does not agree"),
            ("KTAP version 1\n1..1\n  KTAP version 1\n  1..0\nok 1 b\n", "sums up nothing"),
            ("KTAP version 1\n1..1\n  KTAP version 1\n  1..1\n  ok 1 a\n", "0 came"),
            ("KTAP version 1\n1..1\n  KTAP version 1\n  1..2\n  ok 1 a\nok 1 b\n", "1 came"),
            ("KTAP version 1\n1..1\n    KTAP version 1\n    1..1\n    ok 1 a\nok 1 b\n", "indentation"),
            ("KTAP version 1\n1..1\n  ok 1 a\nok 1 b\n", "KTAP version 1 is missing"),
        ];
        for (text, says) in cases {
            assert!(refusal(text).contains(says), "{text:?}: {}", refusal(text));
        }
    }
}
