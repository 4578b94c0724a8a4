//! What may differ here from Linux, and why: a table of `PROGRAM | CHECK | LINUX | HERE | REASON`.
//!
//! A difference that is not listed is an error, and so is one that is listed and does not occur, so that the table
//! says neither less nor more than the truth. `*` for the check and `-` for both results stand for a whole program
//! that cannot agree yet.

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};

use super::bound;
use super::transcript::Transcript;

/// The table.
#[derive(Clone, Debug, Default)]
pub struct Differences {
    rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    program: String,
    check: String,
    linux: String,
    here: String,
    reason: String,
}

/// What came of comparing a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// How many checks Linux's transcript has.
    pub checks: usize,
    /// How many of them had the same result here, or where that is a [bound], none that is worse.
    pub agreed: usize,
    /// What was measured: the checks whose results are bounds, each in a line.
    pub measured: Vec<String>,
    /// The checks that differ as the table says, with its reasons.
    pub listed: Vec<(String, String)>,
    /// What is wrong, each in a line: unlisted differences, and listed ones that did not occur.
    pub wrong: Vec<String>,
}

/// The result of a check that was not made.
const NOTHING: &str = "(nothing)";

impl Differences {
    /// Reads the table; lines that begin with `#`, and empty ones, are comments.
    pub fn parse(text: &str) -> Result<Differences> {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let rows = lines.map(Row::parse).collect::<Result<Vec<_>>>()?;
        let mut keys = BTreeSet::new();
        if let Some(row) = rows.iter().find(|row| !keys.insert((&row.program, &row.check))) {
            bail!("{} | {} is listed twice", row.program, row.check);
        }
        Ok(Differences { rows })
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing may differ.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether this check may differ.
    #[cfg(test)]
    pub(super) fn lists(&self, program: &str, check: &str) -> bool {
        self.rows.iter().any(|row| row.program == program && (row.check == check || row.check == "*"))
    }

    /// Checks that every row is about something `transcripts` knows, with the result it has on Linux.
    pub fn fit<'t>(&self, transcripts: impl Fn(&str) -> Option<&'t Transcript>) -> Result<()> {
        for Row { program, check, linux, here, .. } in &self.rows {
            let Some(transcript) = transcripts(program) else { bail!("there is no program {program}") };
            if check != "*" {
                let recorded = transcript.result(check).unwrap_or(NOTHING);
                ensure!(recorded == linux, "{program} | {check}: Linux says {recorded}, not {linux}");
                ensure!(linux != here, "{program} | {check}: this is no difference");
            }
        }
        Ok(())
    }

    /// Holds what `program` printed here to what it printed on Linux. A program that is listed as a whole may have
    /// failed; another's failure is returned.
    pub fn compare(&self, program: &str, linux: &Transcript, here: Result<Transcript>) -> Result<Comparison> {
        let rows: Vec<_> = self.rows.iter().filter(|row| row.program == program).collect();
        if let Some(whole) = rows.iter().find(|row| row.check == "*") {
            return Ok(whole.compare_whole(linux, here.ok()));
        }
        let here = here?;
        let mut comparison = Comparison { checks: linux.len(), ..Comparison::default() };
        let names = linux.checks().map(|(name, _)| name);
        let more = here.checks().map(|(name, _)| name).filter(|name| linux.result(name).is_none());
        for name in names.chain(more) {
            let [there, seen] = [linux, &here].map(|transcript| transcript.result(name).unwrap_or(NOTHING));
            let row = rows.iter().find(|row| row.check == name);
            let agree = bound::agree(there, seen);
            if bound::is_bound(there) {
                comparison.measured.push(format!("{name}: {seen}, on Linux {there}"));
            }
            match row {
                None if agree => comparison.agreed += 1,
                None => comparison.wrong.push(format!("{name}: Linux says {there}, here it is {seen}")),
                Some(row) if agree => comparison
                    .wrong
                    .push(format!("{name}: {seen} agrees, yet a difference is listed: {}", row.reason)),
                Some(row) if row.linux == there && row.here == seen => {
                    comparison.listed.push((name.to_owned(), row.reason.clone()))
                }
                Some(row) => comparison.wrong.push(format!(
                    "{name}: Linux says {there}, here it is {seen}; listed are {} and {}",
                    row.linux, row.here
                )),
            }
        }
        Ok(comparison)
    }
}

impl Row {
    fn parse(line: &str) -> Result<Row> {
        let fields: Vec<_> = line.split('|').map(str::trim).collect();
        let [program, check, linux, here, reason] = fields[..] else {
            bail!("this is not PROGRAM | CHECK | LINUX | HERE | REASON: {line}")
        };
        ensure!([program, check, reason].iter().all(|field| !field.is_empty()), "a field is empty: {line}");
        let whole = check == "*";
        ensure!(!whole || (linux == "-" && here == "-"), "a whole program has no results: {line}");
        let [program, check, linux, here, reason] = [program, check, linux, here, reason].map(str::to_owned);
        Ok(Row { program, check, linux, here, reason })
    }

    fn compare_whole(&self, linux: &Transcript, here: Option<Transcript>) -> Comparison {
        let mut comparison = Comparison { checks: linux.len(), ..Comparison::default() };
        if here.as_ref() == Some(linux) {
            comparison.wrong.push(format!("all of it agrees, yet it is listed: {}", self.reason));
        } else {
            comparison.listed.extend(linux.checks().map(|(name, _)| (name.to_owned(), self.reason.clone())));
        }
        comparison
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript(checks: &[(&str, &str)]) -> Transcript {
        let lines: String = checks.iter().map(|(name, result)| format!("{name}: {result}\n")).collect();
        Transcript::parse(&format!("{lines}{} checks\n", checks.len())).unwrap()
    }

    fn compare(table: &str, linux: &[(&str, &str)], here: &[(&str, &str)]) -> Comparison {
        let table = Differences::parse(table).unwrap();
        table.compare("p", &transcript(linux), Ok(transcript(here))).unwrap()
    }

    #[test]
    fn what_is_not_listed_must_agree() {
        let both = [("a", "1"), ("b", "ok")];
        assert_eq!(compare("", &both, &both), Comparison { checks: 2, agreed: 2, ..Comparison::default() });
        for here in [&[("a", "2"), ("b", "ok")][..], &[("a", "1")], &[("a", "1"), ("b", "ok"), ("c", "ok")]] {
            assert_eq!(compare("", &both, here).wrong.len(), 1, "{here:?}");
        }
    }

    #[test]
    fn what_is_a_bound_must_be_no_worse() {
        let linux = [("a", "at most 7"), ("b", "at least 7")];
        let better = compare("", &linux, &[("a", "at most 6"), ("b", "at least 8")]);
        assert_eq!((better.agreed, better.wrong.len()), (2, 0));
        assert_eq!(
            better.measured,
            ["a: at most 6, on Linux at most 7", "b: at least 8, on Linux at least 7"]
        );
        for here in [[("a", "at most 8"), ("b", "at least 7")], [("a", "at most 7"), ("b", "at least 6")]] {
            let worse = compare("", &linux, &here);
            assert_eq!((worse.agreed, worse.wrong.len()), (1, 1), "{here:?}");
        }
        let listed = "p | b | at least 7 | at least 6 | no reason\n";
        assert_eq!(compare(listed, &linux, &[linux[0], ("b", "at least 6")]).listed.len(), 1);
        assert_eq!(compare(listed, &linux, &[linux[0], ("b", "at least 8")]).wrong.len(), 1);
    }

    #[test]
    fn what_is_listed_must_differ_as_listed() {
        let table = "# comment\n\np | a | 1 | 2 | no reason\nq | b | x | y | another program's\n";
        let listed = compare(table, &[("a", "1")], &[("a", "2")]);
        assert_eq!((listed.agreed, listed.listed.len(), listed.wrong.len()), (0, 1, 0));
        for (linux, here) in [("1", "1"), ("2", "2"), ("1", "3"), ("3", "2")] {
            let wrong = compare(table, &[("a", linux)], &[("a", here)]).wrong;
            assert_eq!(wrong.len(), 1, "{linux} {here}");
        }
    }

    #[test]
    fn a_whole_program_may_fail_until_it_agrees() {
        let table = Differences::parse("p | * | - | - | not built yet\n").unwrap();
        let linux = transcript(&[("a", "1"), ("b", "2")]);
        let failed = table.compare("p", &linux, Err(anyhow::anyhow!("it hung"))).unwrap();
        assert_eq!((failed.listed.len(), failed.wrong.len()), (2, 0));
        assert_eq!(table.compare("p", &linux, Ok(linux.clone())).unwrap().wrong.len(), 1);
        Differences::default().compare("p", &linux, Err(anyhow::anyhow!("it hung"))).unwrap_err();
    }

    #[test]
    fn a_table_that_says_too_little_or_too_much_is_refused() {
        for (text, says) in [
            ("p | a | 1 | 2\n", "this is not"),
            ("p | a | 1 | 2 | because | of\n", "this is not"),
            ("p | a | 1 | 2 |\n", "empty"),
            ("p | * | 1 | 2 | r\n", "no results"),
            ("p | a | 1 | 2 | r\np | a | 1 | 3 | r\n", "listed twice"),
        ] {
            let refusal = Differences::parse(text).unwrap_err().to_string();
            assert!(refusal.contains(says), "{text:?}: {refusal}");
        }
        let linux = transcript(&[("a", "1")]);
        for (text, says) in [
            ("q | a | 1 | 2 | r\n", "no program q"),
            ("p | b | 1 | 2 | r\n", "Linux says (nothing)"),
            ("p | a | 2 | 1 | r\n", "Linux says 1"),
            ("p | a | 1 | 1 | r\n", "no difference"),
        ] {
            let table = Differences::parse(text).unwrap();
            let refusal = table.fit(|name| (name == "p").then_some(&linux)).unwrap_err().to_string();
            assert!(refusal.contains(says), "{text:?}: {refusal}");
        }
    }
}
