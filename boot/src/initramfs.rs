//! Packs the initramfs: what lies on the guest's root when its first process starts.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::build::Guest;
use crate::cpio::Archive;

/// Directories that are there even when nothing is put in them; the kernel mounts on some.
const DIRECTORIES: [&str; 7] = ["bin", "dev", "lib/modules", "proc", "run", "sys", "tmp"];

/// A root file system being filled.
#[derive(Debug)]
pub struct Initramfs {
    archive: Archive,
    directories: BTreeSet<String>,
}

impl Initramfs {
    /// The root every machine has: the userland's programs and the kernel's modules.
    pub fn new(guest: &Guest) -> Initramfs {
        let mut root = Initramfs { archive: Archive::new(), directories: BTreeSet::new() };
        for directory in DIRECTORIES {
            root.directory(directory);
        }
        for (name, elf) in &guest.programs {
            let place = if name == "init" { "sbin" } else { "bin" };
            root.file(&format!("{place}/{name}"), 0o755, elf);
        }
        for module in &guest.modules {
            root.file(&format!("lib/modules/{}.ko", module.name), 0o644, &module.file);
        }
        root
    }

    /// Adds a file and the directories above it. `path` may begin with a slash.
    pub fn file(&mut self, path: &str, permissions: u32, content: &[u8]) {
        let path = path.trim_start_matches('/');
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent);
        }
        self.archive.file(path, permissions, content);
    }

    /// Adds a host's file, symbolic link or whole directory.
    pub fn copy(&mut self, put: &Put) -> Result<()> {
        self.copy_tree(&put.host, put.guest.trim_start_matches('/'))
            .with_context(|| format!("cannot put {} on the guest", put.host.display()))
    }

    /// The finished archive.
    pub fn finish(self) -> Vec<u8> {
        self.archive.finish()
    }

    fn copy_tree(&mut self, host: &Path, guest: &str) -> Result<()> {
        let meta = fs::metadata(host)?;
        if meta.is_dir() {
            self.directory(guest);
            let mut entries = fs::read_dir(host)?.collect::<Result<Vec<_>, _>>()?;
            entries.sort_by_key(|entry| entry.file_name());
            for entry in entries {
                self.copy_below(&entry.path(), &format!("{guest}/{}", entry.file_name().to_string_lossy()))?;
            }
        } else {
            self.file(guest, meta.permissions().mode() & 0o7777, &fs::read(host)?);
        }
        Ok(())
    }

    /// Below the path that was asked for, links stay links.
    fn copy_below(&mut self, host: &Path, guest: &str) -> Result<()> {
        if fs::symlink_metadata(host)?.is_symlink() {
            self.archive.symlink(guest, &fs::read_link(host)?.to_string_lossy());
            return Ok(());
        }
        self.copy_tree(host, guest)
    }

    fn directory(&mut self, path: &str) {
        for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
            if self.directories.insert(path[..end].to_owned()) {
                self.archive.directory(&path[..end], 0o755);
            }
        }
    }
}

/// A file or directory to put on the guest: `HOST:GUEST`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// Where it lies on the host.
    pub host: PathBuf,
    /// Its absolute path on the guest.
    pub guest: String,
}

impl std::str::FromStr for Put {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Put> {
        match text.rsplit_once(':') {
            Some((host, guest)) if !host.is_empty() && is_plain(guest) => {
                Ok(Put { host: host.into(), guest: guest.into() })
            }
            _ => bail!("write HOST:GUEST, with an absolute path on the guest, as in ./data:/data"),
        }
    }
}

/// An absolute path that names something, without `.`, `..` or empty parts.
fn is_plain(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|path| path.split('/').all(|part| !matches!(part, "" | "." | "..")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::Module;

    fn names(archive: &[u8]) -> String {
        String::from_utf8_lossy(archive).into_owned()
    }

    #[test]
    fn puts_are_parsed() {
        let put: Put = "a:b:/data/x".parse().unwrap();
        assert_eq!(put, Put { host: "a:b".into(), guest: "/data/x".into() });
        for wrong in ["", "a", "a:", ":/b", "a:b", "a:/", "a:/../b", "a://b"] {
            assert!(wrong.parse::<Put>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn programs_modules_and_trees_are_packed() {
        let host = tempfile::tempdir().unwrap();
        fs::create_dir(host.path().join("inner")).unwrap();
        fs::write(host.path().join("inner/file"), "content-of-file").unwrap();
        std::os::unix::fs::symlink("file", host.path().join("inner/link")).unwrap();
        let programs = vec![("init".to_owned(), b"I".to_vec()), ("lab".to_owned(), b"L".to_vec())];
        let modules = vec![Module { name: "tee_heap".into(), object: PathBuf::new(), file: b"T".to_vec() }];
        let mut root = Initramfs::new(&Guest { modules, programs, ..Guest::default() });
        root.copy(&Put { host: host.path().into(), guest: "/data".into() }).unwrap();
        let missing = Put { host: host.path().join("missing"), guest: "/x".into() };
        assert!(root.copy(&missing).is_err());
        let archive = names(&root.finish());
        for name in
            ["sbin/init\0", "bin/lab\0", "lib/modules/tee_heap.ko\0", "data/inner/link\0", "content-of-file"]
        {
            assert!(archive.contains(name), "{name}");
        }
        assert_eq!(archive.matches("lib\0").count(), 1);
        assert!(archive.find("data/inner\0") < archive.find("data/inner/file\0"));
    }
}
