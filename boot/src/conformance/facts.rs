//! What programs rely on, and the check that shows it: a table of `FACT | PROGRAM | CHECK | RESULT`, held to the
//! transcripts, so that no fact is left without its check.

use anyhow::{Context, Result, ensure};

use super::differences::Differences;
use super::transcript::Transcript;

/// Holds every row of the table to the transcript of its program; a check that may differ here shows nothing. Returns
/// how many there are.
pub fn hold<'t>(
    text: &str,
    differences: &Differences,
    transcripts: impl Fn(&str) -> Option<&'t Transcript>,
) -> Result<usize> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut facts = 0;
    for line in lines {
        let [fact, program, check, result] =
            fields(line).with_context(|| format!("this is no fact: {line}"))?;
        let transcript =
            transcripts(program).with_context(|| format!("{fact}: there is no program {program}"))?;
        let recorded = transcript.result(check);
        ensure!(recorded == Some(result), "{fact}: {program} | {check} is {recorded:?}, not {result}");
        ensure!(!differences.lists(program, check), "{fact}: {program} | {check} may differ here");
        facts += 1;
    }
    Ok(facts)
}

fn fields(line: &str) -> Option<[&str; 4]> {
    let fields: Vec<_> = line.split(" | ").collect();
    fields.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_without_its_check_is_refused() {
        let transcript = Transcript::parse("a: 1\nb: -1 EINVAL\n2 checks\n").unwrap();
        let differences = Differences::parse("p | b | -1 EINVAL | 0 | r\n").unwrap();
        let hold = |text: &str| hold(text, &differences, |name| (name == "p").then_some(&transcript));
        assert_eq!(hold("# comment\n\nit is so | p | a | 1\n").unwrap(), 1);
        for (text, says) in [
            ("it is so | p | a\n", "no fact"),
            ("it is so | q | a | 1\n", "no program q"),
            ("it is so | p | c | 1\n", "is None"),
            ("it is so | p | a | 2\n", "not 2"),
            ("it is so | p | b | -1 EINVAL\n", "may differ"),
        ] {
            let refusal = hold(text).unwrap_err().to_string();
            assert!(refusal.contains(says), "{text:?}: {refusal}");
        }
    }
}
