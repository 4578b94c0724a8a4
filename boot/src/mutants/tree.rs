//! The copy of the sources that mutants are made in. It is a clone like any other, with a target directory of its
//! own; a file is written only where it differs, so that a build finds everything else fresh.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Mutant;
use crate::{build, workspace};

/// The copy. There is one, which is somebody's as long as this is.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    _turn: File,
}

impl Tree {
    /// Makes the copy the same as the sources, when it is nobody else's.
    ///
    /// # Errors
    /// Where files cannot be read or written.
    pub fn fresh() -> Result<Tree> {
        let root = workspace::root().join("target").join("mutants");
        let tree = Tree { _turn: build::lock(&root)?, root };
        tree.become_like(&workspace::root(), &[])?;
        Ok(tree)
    }

    /// Makes the copy a mutant of the sources.
    ///
    /// # Errors
    /// Where the mutant does not apply, or files cannot be read or written.
    pub fn become_mutant(&self, mutant: &Mutant) -> Result<()> {
        self.become_like(&workspace::root(), &mutant.changed()?)
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn become_like(&self, source: &Path, changed: &[(String, String)]) -> Result<()> {
        copy(source, &self.root, Path::new(""), changed)
    }
}

/// Whether a file or directory of the workspace's root is no source.
fn is_apart(at: &Path, name: &str) -> bool {
    at.as_os_str().is_empty() && (name == "target" || name.starts_with('.'))
}

/// Makes the directory `at` below `to` the same as the one below `from`, but for files that are `changed`.
fn copy(from: &Path, to: &Path, at: &Path, changed: &[(String, String)]) -> Result<()> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(from.join(at))? {
        let entry = entry?;
        let name = entry.file_name();
        if is_apart(at, &name.to_string_lossy()) {
            continue;
        }
        let path = at.join(&name);
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(to.join(&path))?;
            copy(from, to, &path, changed)?;
        } else {
            let content = match changed.iter().find(|(file, _)| Path::new(file) == path) {
                Some((_, text)) => text.clone().into_bytes(),
                None => fs::read(from.join(&path))?,
            };
            write_if_other(&to.join(&path), &content)?;
        }
        names.insert(name);
    }
    for entry in fs::read_dir(to.join(at))? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        if !names.contains(&name) && !is_apart(at, &name.to_string_lossy()) {
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }?;
        }
    }
    Ok(())
}

fn write_if_other(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|there| there == content) {
        return Ok(());
    }
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_follows_and_what_is_the_same_stays_untouched() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let tree = Tree { root: to.path().into(), _turn: tempfile::tempfile().unwrap() };
        let put = |name: &str, text: &str| fs::write(from.path().join(name), text).unwrap();
        let got = |name: &str| fs::read_to_string(to.path().join(name)).ok();
        fs::create_dir_all(from.path().join("src")).unwrap();
        fs::create_dir_all(from.path().join("target")).unwrap();
        fs::create_dir_all(to.path().join("target")).unwrap();
        put("src/a", "one");
        put("src/b", "two");
        put("target/x", "not a source");
        tree.become_like(from.path(), &[("src/b".into(), "broken".into())]).unwrap();
        assert_eq!((got("src/a").as_deref(), got("src/b").as_deref()), (Some("one"), Some("broken")));
        assert_eq!(got("target/x"), None);

        let written = || fs::metadata(to.path().join("src/a")).unwrap().modified().unwrap();
        let before = written();
        fs::remove_file(from.path().join("src/b")).unwrap();
        put("src/c", "three");
        tree.become_like(from.path(), &[]).unwrap();
        assert_eq!((got("src/b"), got("src/c").as_deref()), (None, Some("three")));
        assert_eq!(written(), before);
        assert!(to.path().join("target").is_dir());
    }
}
