//! Reading a mutant's file.

use anyhow::{Context, Result, bail, ensure};

use super::{Edit, Mutant, Suite};

/// Reads the mutant called `name`.
pub(super) fn mutant(name: &str, text: &str) -> Result<Mutant> {
    let [mut breaks, mut suite, mut detector] = [const { None }; 3];
    let mut places = Places::default();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match line.split_at(1) {
            (" ", rest) => places.add(rest, true, true)?,
            ("-", rest) => places.add(rest, true, false)?,
            ("+", rest) => places.add(rest, false, true)?,
            ("@", "@") => places.end()?,
            _ => {
                let (key, value) = line.split_once(": ").with_context(|| format!("what is {line:?}?"))?;
                let value = value.trim().to_owned();
                let set = match key {
                    "in" => {
                        places.begin(value)?;
                        continue;
                    }
                    "breaks" => &mut breaks,
                    "suite" => &mut suite,
                    "detector" => &mut detector,
                    _ => bail!("{key} means nothing"),
                };
                ensure!(set.replace(value).is_none(), "{key} is there twice");
            }
        }
    }
    places.end()?;
    Ok(Mutant {
        name: name.to_owned(),
        breaks: breaks.context("it does not say what it breaks")?,
        suite: Suite::parse(&suite.context("it has no suite")?)?,
        detector: detector.context("it has no detector")?,
        edits: places.edits,
    })
}

/// The places read so far, and the one being read.
#[derive(Default)]
struct Places {
    file: Option<String>,
    before: String,
    after: String,
    edits: Vec<Edit>,
}

impl Places {
    /// A line of a place: one that has to be there, one that will be there, or both.
    fn add(&mut self, line: &str, before: bool, after: bool) -> Result<()> {
        ensure!(self.file.is_some(), "a change comes before the file's name");
        for text in
            [before.then_some(&mut self.before), after.then_some(&mut self.after)].into_iter().flatten()
        {
            text.push_str(line);
            text.push('\n');
        }
        Ok(())
    }

    /// Goes on to another file.
    fn begin(&mut self, file: String) -> Result<()> {
        if self.file.is_some() {
            self.end()?;
        }
        self.file = Some(file);
        Ok(())
    }

    /// Ends a place.
    fn end(&mut self) -> Result<()> {
        let file = self.file.clone().context("it changes nothing")?;
        ensure!(!self.before.is_empty(), "a change of {file} does not say where");
        let (before, after) = (std::mem::take(&mut self.before), std::mem::take(&mut self.after));
        self.edits.push(Edit { file, before, after });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "breaks: much\nsuite: heaps kref::\ndetector: check\n\
        in: a.rs\n one\n-two\n+three\n\n@@\n-four\nin: b.rs\n-five\n+six\n";

    #[test]
    fn places_and_files_are_told_apart() {
        let mutant = mutant("m", GOOD).unwrap();
        assert_eq!((mutant.breaks.as_str(), mutant.detector.as_str()), ("much", "check"));
        let edit = |file: &str, before: &str, after: &str| Edit {
            file: file.into(),
            before: before.into(),
            after: after.into(),
        };
        assert_eq!(
            mutant.edits,
            [
                edit("a.rs", "one\ntwo\n", "one\nthree\n"),
                edit("a.rs", "four\n", ""),
                edit("b.rs", "five\n", "six\n")
            ]
        );
    }

    #[test]
    fn what_does_not_make_sense_is_refused() {
        for (from, to, says) in [
            ("breaks: much\n", "", "what it breaks"),
            ("suite: heaps kref::\n", "", "no suite"),
            ("suite: heaps kref::\n", "suite: wood\n", "wood"),
            ("detector: check\n", "", "no detector"),
            ("detector: check\n", "detector: check\ndetector: leak\n", "twice"),
            ("detector: check\n", "detector: check\nwhy: because\n", "means nothing"),
            ("in: a.rs\n", "", "before the file's name"),
            (" one\n-two\n", "", "does not say where"),
            ("@@\n", "@@\n@@\n", "does not say where"),
        ] {
            let error = mutant("m", &GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(format!("{error:#}").contains(says), "{from:?} to {to:?}: {error:#}");
        }
    }
}
