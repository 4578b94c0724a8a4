//! Mutants: broken twins of the kernel and of `heaps`, each of which the suite has to kill.
//!
//! A mutant is a file of `tests/mutants`: what it breaks, which tests have to notice, and by what. It is applied to
//! a copy of the sources, never to the sources, so nothing of it is in any kernel but its own:
//!
//! ```text
//! breaks: the device map hands out a cdev whose last reference has gone
//! suite: heaps cdev::
//! detector: refcount
//! in: heaps/src/cdev/mod.rs
//! -        if !cdev.kref.get_unless_zero::<P>() {
//! -            return None;
//! -        }
//! +        cdev.kref.get::<P>();
//! ```
//!
//! Lines that begin with a blank or `-` have to stand in the file, once, together; those with a blank or `+` take
//! their place. A line `@@` begins another place in the same file, and `in:` another file.

mod parse;
mod suite;
mod tree;

pub use suite::{Suite, Tests, Verdict};
pub use tree::Tree;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use crate::workspace;

/// A broken twin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// Its file's name, without the extension.
    pub name: String,
    /// What is wrong with it, in a line.
    pub breaks: String,
    /// The tests that have to notice.
    pub suite: Suite,
    /// What has to notice: see [`Verdict`].
    pub detector: String,
    /// What to change.
    pub edits: Vec<Edit>,
}

/// One place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The file, from the workspace's root on.
    pub file: String,
    /// What stands there, once.
    pub before: String,
    /// What takes its place.
    pub after: String,
}

impl Edit {
    /// `text` with the change made.
    ///
    /// # Errors
    /// Where the text to be changed is not there, or more than once.
    pub fn apply(&self, text: &str) -> Result<String> {
        let found = text.matches(&self.before).count();
        ensure!(
            found == 1,
            "{}: what is to be changed stands there {found} times:\n{}",
            self.file,
            self.before
        );
        ensure!(self.before != self.after, "{}: nothing is changed", self.file);
        Ok(text.replacen(&self.before, &self.after, 1))
    }
}

fn directory() -> PathBuf {
    workspace::root().join("tests").join("mutants")
}

/// Every mutant, by name.
///
/// # Errors
/// Where a file cannot be read, or does not make sense.
pub fn all() -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    for entry in fs::read_dir(directory()).context("cannot list tests/mutants")? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        ensure!(
            path.extension().is_some_and(|extension| extension == "mutant"),
            "{} is no mutant",
            path.display()
        );
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        mutants.push(parse::mutant(&name, &text).with_context(|| format!("mutant {name}"))?);
    }
    mutants.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(mutants)
}

/// The mutants of these names, or all of them when there are none.
///
/// # Errors
/// As [`all`]'s, and for a name that no mutant has.
pub fn chosen(names: &[String]) -> Result<Vec<Mutant>> {
    let mut mutants = all()?;
    if let Some(name) = names.iter().find(|name| mutants.iter().all(|mutant| mutant.name != **name)) {
        let known: Vec<_> = mutants.iter().map(|mutant| mutant.name.as_str()).collect();
        bail!("there is no mutant {name}; there are: {}", known.join(", "));
    }
    mutants.retain(|mutant| names.is_empty() || names.contains(&mutant.name));
    Ok(mutants)
}

impl Mutant {
    /// What of the kernel it breaks, in a word.
    pub fn area(&self) -> &'static str {
        const AREAS: [(&str, &str); 9] = [
            ("heaps/src/cdev", "chrdev"),
            ("heaps/", "heaps"),
            ("kernel/src/chrdev", "chrdev"),
            ("kernel/src/drivers/dma_heap", "heaps"),
            ("kernel/src/modules", "modules"),
            ("kernel/src/vfs", "vfs"),
            ("kernel/src/mm", "mm"),
            ("kernel/src/arch/aarch64/pgtable", "mm"),
            ("kernel/src/sync", "locks"),
        ];
        let file = self.edits.first().map_or("", |edit| &edit.file);
        AREAS.iter().find(|(path, _)| file.starts_with(path)).map_or("others", |(_, area)| area)
    }

    /// The files it changes and what they become: each once, all its places changed.
    ///
    /// # Errors
    /// Where it does not apply to the sources as they are.
    pub fn changed(&self) -> Result<Vec<(String, String)>> {
        let mut files: Vec<(String, String)> = Vec::new();
        for edit in &self.edits {
            let at = match files.iter().position(|(file, _)| *file == edit.file) {
                Some(at) => at,
                None => {
                    let text = fs::read_to_string(workspace::root().join(&edit.file))
                        .with_context(|| format!("cannot read {}", edit.file))?;
                    files.push((edit.file.clone(), text));
                    files.len() - 1
                }
            };
            files[at].1 =
                edit.apply(&files[at].1).with_context(|| format!("{} does not apply", self.name))?;
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_changed_stands_there_once() {
        let edit =
            |before: &str, after: &str| Edit { file: "a".into(), before: before.into(), after: after.into() };
        assert_eq!(edit("b\n", "c\n").apply("a\nb\n").unwrap(), "a\nc\n");
        assert!(edit("b\n", "c\n").apply("b\nb\n").is_err());
        assert!(edit("b\n", "c\n").apply("a\n").is_err());
        assert!(edit("b\n", "b\n").apply("b\n").is_err());
    }

    #[test]
    fn mutants_are_chosen_by_name() {
        let names = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).into()).collect();
            chosen(&names).map(|mutants| mutants.len())
        };
        let all = all().unwrap();
        assert!(all.len() >= 25, "there are {} mutants", all.len());
        for area in ["heaps", "vfs", "chrdev", "modules", "mm"] {
            assert!(all.iter().any(|mutant| mutant.area() == area), "no mutant breaks {area}");
        }
        assert_eq!(names(&[]).unwrap(), all.len());
        assert_eq!(names(&[&all[3].name]).unwrap(), 1);
        assert!(names(&["no-such-mutant"]).is_err());
    }
}
