//! The Test Anything Protocol as the EL0 programs print it, read strictly.
//!
//! A version line, then results numbered from 1 without a gap, then exactly one plan, which has to count
//! them. Comments may stand anywhere. Everything else is an error: output that cannot be read proves nothing.

use anyhow::{Context, Result, bail, ensure};

/// What one program's output says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many results there are.
    pub run: usize,
    /// Descriptions of those that are `not ok`.
    pub failed: Vec<String>,
    /// Descriptions of those that were skipped.
    pub skipped: Vec<String>,
}

/// Reads the output of a whole program.
///
/// # Errors
/// Anything that is not as it should be, with the line it stands in.
pub fn parse(text: &str) -> Result<Summary> {
    ensure!(text.ends_with('\n'), "the output ends in the middle of a line");
    let mut lines = text.lines();
    ensure!(lines.next() == Some("TAP version 13"), "the output does not begin with TAP version 13");
    let mut summary = Summary::default();
    let mut plan = None;
    for line in lines {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        ensure!(plan.is_none(), "there is more after the plan: {line}");
        match line.strip_prefix("1..") {
            Some(count) => plan = Some(number(count).with_context(|| format!("in the plan {line}"))?),
            None => result(&mut summary, line).with_context(|| format!("in the line: {line}"))?,
        }
    }
    let Some(plan) = plan else { bail!("there is no plan: the program did not come to its end") };
    ensure!(plan == summary.run, "{plan} results were planned, {} came", summary.run);
    ensure!(plan > 0, "nothing was tested");
    Ok(summary)
}

fn result(summary: &mut Summary, line: &str) -> Result<()> {
    let (held, rest) = match (line.strip_prefix("ok "), line.strip_prefix("not ok ")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => bail!("this is neither a result nor a comment"),
    };
    let (count, what) = rest.split_once(" - ").context("a result has no description")?;
    summary.run += 1;
    ensure!(number(count)? == summary.run, "result {} was expected", summary.run);
    let skipped = what.contains("# SKIP");
    ensure!(held || !skipped, "a skipped result cannot fail");
    match (held, skipped) {
        (false, _) => summary.failed.push(what.to_owned()),
        (true, true) => summary.skipped.push(what.to_owned()),
        (true, false) => {}
    }
    Ok(())
}

/// A number of decimal digits alone.
fn number(text: &str) -> Result<usize> {
    ensure!(!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()), "{text:?} is no number");
    Ok(text.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        format!("{:#}", parse(text).expect_err(text))
    }

    #[test]
    fn a_whole_report_is_counted() {
        let text = "TAP version 13\nok 1 - a\n# note\nnot ok 2 - b\n# got 1, want 2\nok 3 - c # SKIP no c\n1..3\n# x\n";
        let summary = parse(text).unwrap();
        assert_eq!((summary.run, summary.failed, summary.skipped.len()), (3, vec!["b".to_owned()], 1));
    }

    #[test]
    fn a_report_that_is_not_whole_is_refused() {
        let cases = [
            ("", "middle of a line"),
            ("ok 1 - a\n1..1\n", "does not begin"),
            ("TAP version 13\nok 1 - a\n", "no plan"),
            ("TAP version 13\nok 1 - a\n1..2\n", "2 results were planned, 1 came"),
            ("TAP version 13\nok 1 - a\nok 2 - b\n1..1\n", "1 results were planned, 2 came"),
            ("TAP version 13\nok 1 - a\nok 3 - b\n1..2\n", "result 2 was expected"),
            ("TAP version 13\nok 1 - a\nok 1 - b\n1..2\n", "result 2 was expected"),
            ("TAP version 13\nok 1 - a\n1..1\n1..1\n", "more after the plan"),
            ("TAP version 13\nok 1 - a\n1..1\nok 2 - b\n", "more after the plan"),
            ("TAP version 13\n1..0\n", "nothing was tested"),
            ("TAP version 13\nok 1 - a\n1..1", "middle of a line"),
            ("TAP version 13\nok 1 - a\nhello\n1..1\n", "neither a result nor a comment"),
            ("TAP version 13\nok one - a\n1..1\n", "no number"),
            ("TAP version 13\nok 1\n1..1\n", "no description"),
            ("TAP version 13\nok 1 - a\n1..+1\n", "no number"),
            ("TAP version 13\nnot ok 1 - a # SKIP why\n1..1\n", "cannot fail"),
        ];
        for (text, says) in cases {
            assert!(refusal(text).contains(says), "{text:?}: {}", refusal(text));
        }
    }
}
