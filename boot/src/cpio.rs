//! Writes cpio archives in the `newc` format, the one an initramfs has.
//!
//! The same entries give the same bytes: times are zero, owners root, inodes numbered from one.

/// The file type bits of a mode, as in `stat.h`.
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;

/// An archive being written.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// An empty archive.
    pub fn new() -> Archive {
        Archive::default()
    }

    /// Adds a directory; its parents must have been added before. `path` has no leading slash.
    pub fn directory(&mut self, path: &str, permissions: u32) {
        self.entry(path, DIRECTORY | permissions, 2, &[]);
    }

    /// Adds a regular file.
    pub fn file(&mut self, path: &str, permissions: u32, content: &[u8]) {
        self.entry(path, REGULAR | permissions, 1, content);
    }

    /// Adds a symbolic link to `target`.
    pub fn symlink(&mut self, path: &str, target: &str) {
        self.entry(path, SYMLINK | 0o777, 1, target.as_bytes());
    }

    /// Ends the archive and returns its bytes, a multiple of 512.
    pub fn finish(mut self) -> Vec<u8> {
        self.header("TRAILER!!!", 0, 0, 1, 0);
        self.pad(512);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, links: u32, content: &[u8]) {
        self.entries += 1;
        let size = u32::try_from(content.len()).expect("an initramfs file is smaller than 4 GiB");
        self.header(path, self.entries, mode, links, size);
        self.bytes.extend_from_slice(content);
        self.pad(4);
    }

    fn header(&mut self, path: &str, inode: u32, mode: u32, links: u32, size: u32) {
        let name_size = path.len() as u32 + 1;
        // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
        let fields = [inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad(4);
    }

    fn pad(&mut self, alignment: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(alignment), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    fn sample() -> Vec<u8> {
        let mut archive = Archive::new();
        archive.directory("bin", 0o755);
        archive.file("bin/odd", 0o755, b"12345");
        archive.file("empty", 0o600, b"");
        archive.symlink("bin/link", "odd");
        archive.finish()
    }

    #[test]
    fn every_part_is_aligned_and_sized() {
        let bytes = sample();
        assert_eq!(bytes.len() % 512, 0);
        let mut names = Vec::new();
        let mut at = 0;
        loop {
            assert_eq!(&bytes[at..at + 6], b"070701");
            let field = |n: usize| {
                let start = at + 6 + 8 * n;
                usize::from_str_radix(std::str::from_utf8(&bytes[start..start + 8]).unwrap(), 16).unwrap()
            };
            let (size, name_size) = (field(6), field(11));
            let name = at + 110;
            assert_eq!(bytes[name + name_size - 1], 0);
            names.push(String::from_utf8_lossy(&bytes[name..name + name_size - 1]).into_owned());
            if names.last().unwrap() == "TRAILER!!!" {
                break;
            }
            at = ((name + name_size).next_multiple_of(4) + size).next_multiple_of(4);
        }
        assert_eq!(names, ["bin", "bin/odd", "empty", "bin/link", "TRAILER!!!"]);
    }

    #[test]
    fn the_systems_cpio_unpacks_it() {
        let directory = tempfile::tempdir().unwrap();
        let unpack = Command::new("cpio")
            .args(["-id", "--quiet"])
            .current_dir(&directory)
            .stdin(Stdio::piped())
            .spawn();
        let Ok(mut unpack) = unpack else {
            eprintln!("no cpio on this host: not compared with it");
            return;
        };
        unpack.stdin.take().unwrap().write_all(&sample()).unwrap();
        assert!(unpack.wait().unwrap().success());
        let path = directory.path();
        assert_eq!(std::fs::read(path.join("bin/odd")).unwrap(), b"12345");
        assert_eq!(std::fs::read(path.join("empty")).unwrap(), b"");
        assert_eq!(std::fs::read_link(path.join("bin/link")).unwrap().to_str(), Some("odd"));
    }
}
