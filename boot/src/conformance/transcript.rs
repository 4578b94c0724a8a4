//! What a program of the suite prints, read strictly: a line `NAME: RESULT` for each check, no name twice, and at
//! the end a line that says how many there were. Output that stops short proves nothing.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{Context, Result, bail, ensure};

/// The checks of one run, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    checks: Vec<(String, String)>,
}

impl Transcript {
    /// Reads a program's whole output.
    pub fn parse(text: &str) -> Result<Transcript> {
        ensure!(text.ends_with('\n'), "the output ends in the middle of a line");
        let mut lines: Vec<_> = text.lines().collect();
        let last = lines.pop().unwrap_or_default();
        let Some(planned) = last.strip_suffix(" checks").and_then(|count| count.parse::<usize>().ok()) else {
            bail!("the last line does not say how many checks there were: {last}");
        };
        let checks = lines.into_iter().map(check).collect::<Result<Vec<_>>>()?;
        ensure!(checks.len() == planned, "{planned} checks were counted, {} came", checks.len());
        let mut names = BTreeSet::new();
        if let Some((twice, _)) = checks.iter().find(|(name, _)| !names.insert(name)) {
            bail!("two checks are named {twice}");
        }
        Ok(Transcript { checks })
    }

    /// How many checks there are.
    pub fn len(&self) -> usize {
        self.checks.len()
    }

    /// Whether nothing was checked.
    pub fn is_empty(&self) -> bool {
        self.checks.is_empty()
    }

    /// The checks' names and results.
    pub fn checks(&self) -> impl Iterator<Item = (&str, &str)> {
        self.checks.iter().map(|(name, result)| (name.as_str(), result.as_str()))
    }

    /// The result of the check of this name.
    pub fn result(&self, name: &str) -> Option<&str> {
        self.checks().find_map(|(of, result)| (of == name).then_some(result))
    }
}

/// The text it was read from.
impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.checks().try_for_each(|(name, result)| writeln!(f, "{name}: {result}"))?;
        writeln!(f, "{} checks", self.len())
    }
}

fn check(line: &str) -> Result<(String, String)> {
    let (name, result) = line.split_once(": ").with_context(|| format!("this is no check: {line}"))?;
    ensure!(!name.is_empty(), "a check has no name: {line}");
    Ok((name.to_owned(), result.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_transcript_is_read_and_written_back() {
        let text = "open: ok\nread a: b: -1 EBADF\nempty: \n3 checks\n";
        let transcript = Transcript::parse(text).unwrap();
        assert_eq!(transcript.to_string(), text);
        assert_eq!(transcript.result("read a"), Some("b: -1 EBADF"));
        assert_eq!(transcript.result("none"), None);
    }

    #[test]
    fn one_that_is_not_whole_is_refused() {
        let cases = [
            ("", "middle of a line"),
            ("a: 1\n1 checks", "middle of a line"),
            ("a: 1\n", "how many checks"),
            ("a: 1\n2 checks\n", "2 checks were counted, 1 came"),
            ("a: 1\nb: 2\n1 checks\n", "1 checks were counted, 2 came"),
            ("a: 1\na: 1\n2 checks\n", "two checks are named a"),
            ("hello\n1 checks\n", "no check"),
            (": 1\n1 checks\n", "no name"),
            ("a: 1\n-1 checks\n", "how many checks"),
        ];
        for (text, says) in cases {
            let refusal = format!("{:#}", Transcript::parse(text).expect_err(text));
            assert!(refusal.contains(says), "{text:?}: {refusal}");
        }
    }
}
