//! Versions of QEMU, and the oldest one whose memory tags work.
//!
//! A tag belongs to 16 bytes of memory. QEMU 7.2 looks it up by the page alone, so that all of a page
//! carries the tags of its beginning, and a use after free of anything else goes unseen.

use std::fmt;

/// A version: major, minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

/// The oldest QEMU whose memory tags work.
pub const LEAST_QEMU: Version = Version(8, 0);

impl Version {
    /// Reads the version in what QEMU prints about it: `QEMU emulator version 10.0.2 (…)`.
    pub fn of_qemu(text: &str) -> Option<Version> {
        let line = text.lines().find(|line| line.contains("QEMU emulator version"))?;
        Version::read(line.split_once("version")?.1.trim_start())
    }

    /// Reads the upstream part of a package's version: `1:7.2+dfsg-7+deb12u16`.
    pub fn of_package(text: &str) -> Option<Version> {
        Version::read(text.split_once(':').map_or(text, |(_, upstream)| upstream))
    }

    /// Reads `MAJOR.MINOR` and does not mind what follows; without `.MINOR` it is 0.
    fn read(text: &str) -> Option<Version> {
        let mut rest = text;
        let major = take_number(&mut rest)?;
        let minor = rest.strip_prefix('.').and_then(|mut rest| take_number(&mut rest)).unwrap_or(0);
        Some(Version(major, minor))
    }
}

fn take_number(text: &mut &str) -> Option<u32> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    *text = rest;
    number.parse().ok()
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qemus_own_words_are_read() {
        for (text, version) in [
            ("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2+deb13u1~bpo12+1)\nCopyright", Some((10, 0))),
            ("QEMU emulator version 7.2.19 (Debian 1:7.2+dfsg-7+deb12u16)", Some((7, 2))),
            ("QEMU emulator version 9.1.93 (v9.2.0-rc3)", Some((9, 1))),
            ("warning: something\nQEMU emulator version 8.0.0\n", Some((8, 0))),
            ("QEMU emulator version 11", Some((11, 0))),
            ("QEMU emulator version unknown", None),
            ("GNU ld 2.40", None),
            ("", None),
        ] {
            assert_eq!(Version::of_qemu(text), version.map(|(a, b)| Version(a, b)), "{text}");
        }
    }

    #[test]
    fn packages_versions_are_read() {
        for (text, version) in [
            ("1:7.2+dfsg-7+deb12u16", Some((7, 2))),
            ("1:10.0.2+ds-2+deb13u1~bpo12+1", Some((10, 0))),
            ("9.2.4-1", Some((9, 2))),
            ("(none)", None),
        ] {
            assert_eq!(Version::of_package(text), version.map(|(a, b)| Version(a, b)), "{text}");
        }
        assert!(Version(7, 2) < LEAST_QEMU && Version(10, 0) > LEAST_QEMU && Version(8, 0) >= LEAST_QEMU);
    }
}
