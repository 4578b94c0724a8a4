//! Paths. What children may make, change or remove is named so that it can be told, and removed, wherever it ends up.

use crate::guest;
use crate::rt::abi;
use crate::rt::file::{self, Fd};
use crate::rt::rng::Rng;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// How the names of all that children make begin.
pub const PREFIX: &str = "fz";
/// Where children work.
pub const HOME: &str = "/tmp/fz";

/// Devices, all of them there: opening them in any way harms nobody, and makes nothing.
const DEVICES: [&str; 8] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/dma_heap/system",
    "/dev/dma_heap/system",
    "/dev/dma_heap/default_cma_region",
    "/dev/dma_heap/fz0",
    "/dev/tty",
];

/// Directories, and files that show what the kernel knows.
const SHOWN: [&str; 26] = [
    "",
    ".",
    "..",
    "/",
    "/tmp",
    "/dev",
    "/dev/dma_heap",
    "/proc",
    "/proc/self",
    "/proc/self/fd",
    "/proc/self/fdinfo",
    "/proc/self/fdinfo/9",
    "/proc/self/maps",
    "/proc/self/stat",
    "/proc/self/status",
    "/proc/self/cmdline",
    "/proc/self/task",
    "/proc/1/fd",
    "/proc/1/maps",
    "/proc/meminfo",
    "/proc/modules",
    "/proc/mounts",
    "/sys/kernel/debug/lastref/counts",
    "/sys/kernel/debug/lastref/tasks",
    "/sys/class/dma_heap",
    "/fznowhere/at/all",
];

/// Programs that do nothing; and what is none. Never opened to be written to.
const PROGRAMS: [&str; 4] = ["/bin/true", "/bin/true/", "/dev/null", "/bin"];

fn one_of(rng: &mut Rng, names: &[&str]) -> String {
    String::from(names[rng.below(names.len() as u64) as usize])
}

/// A path to look at.
pub fn path(rng: &mut Rng) -> String {
    match rng.below(32) {
        0 => "x/".repeat(rng.below(2100) as usize),
        1..4 => program(rng),
        4 => String::from("/proc/self/exe"),
        _ => openable(rng),
    }
}

/// A path to open for anything: nothing that other processes need is lost by it.
pub fn openable(rng: &mut Rng) -> String {
    match rng.below(8) {
        0..3 => one_of(rng, &DEVICES),
        3 => format!("/proc/self/fd/{}", rng.below(40)),
        4 => one_of(rng, &SHOWN),
        _ => own(rng),
    }
}

/// A path to execute, or the name of a copy of a program among the children's own.
pub fn program(rng: &mut Rng) -> String {
    match rng.below(4) {
        0 => String::from(COPY),
        _ => one_of(rng, &PROGRAMS),
    }
}

/// Where a child may find a program of its own.
pub const COPY: &str = "fz5";

/// What a symbolic link says: nothing to lose is found that way.
pub fn target(rng: &mut Rng) -> String {
    match rng.below(4) {
        0 => {
            one_of(rng, &["/", "..", "/dev", "/dev/dma_heap", "/proc/self", "/proc/self/fd", "", "fznowhere"])
        }
        1 => one_of(rng, &DEVICES),
        _ => own(rng),
    }
}

/// A path whose last name, and all that is made on the way to it, is the children's.
pub fn own(rng: &mut Rng) -> String {
    let last = format!("{PREFIX}{}", rng.below(6));
    match rng.below(16) {
        0 => format!("{HOME}/{last}"),
        1 => format!("{PREFIX}{}/{last}", rng.below(6)),
        2 => format!("../{last}"),
        3 => format!("{last}/"),
        4 => format!("{PREFIX}{}/../{last}", rng.below(6)),
        5 => format!("{PREFIX}{}", "y".repeat(rng.below(300) as usize)),
        _ => last,
    }
}

/// Directories in which files can be made.
const WRITABLE: [&str; 11] =
    ["/", "/tmp", "/dev", "/dev/dma_heap", "/bin", "/sbin", "/lib", "/lib/modules", "/run", "/root", "/etc"];

/// What was there before the children came.
pub struct Before {
    names: Vec<(&'static str, Vec<Vec<u8>>)>,
    mounts: usize,
}

impl Before {
    /// What is there now.
    pub fn now() -> Before {
        let names = |directory| match open(abi::AT_FDCWD, directory) {
            Ok(fd) => guest::names_of(fd.raw()).unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        let names = WRITABLE.iter().map(|&directory| (directory, names(directory))).collect();
        Before { names, mounts: mounts().len() }
    }

    /// Removes what was not there. A thread of a child may have written over a name while the kernel read it: not all
    /// begin as they should.
    ///
    /// # Errors
    /// The name of what cannot be removed, and why.
    pub fn restore(&self) -> Result<(), String> {
        unmount_after(self.mounts)?;
        self.names.iter().try_for_each(|(directory, kept)| remove_in(abi::AT_FDCWD, directory, kept))
    }
}

/// Where something is mounted, in the order it was.
fn mounts() -> Vec<String> {
    let text = guest::read_text("/proc/mounts").unwrap_or_default();
    text.lines().filter_map(|line| line.split(' ').nth(1).map(String::from)).collect()
}

/// Unmounts what was mounted after the first `kept`, the last first.
fn unmount_after(kept: usize) -> Result<(), String> {
    while let Some(last) = mounts().get(kept..).and_then(<[String]>::last) {
        file::unmount(last, abi::MNT_DETACH).map_err(|e| format!("mount at {last}: {e}"))?;
    }
    Ok(())
}

fn open(parent: i32, name: impl AsRef<[u8]>) -> heaps::uapi::errno::Result<Fd> {
    file::open_at(parent, name, abi::O_RDONLY | abi::O_DIRECTORY | abi::O_CLOEXEC).map(Fd::from_raw)
}

/// Removes what is in `name`, a directory in `parent`, but for what is kept.
fn remove_in(parent: i32, name: impl AsRef<[u8]>, kept: &[Vec<u8>]) -> Result<(), String> {
    let Ok(directory) = open(parent, name) else { return Ok(()) };
    let at = directory.raw();
    let names = guest::names_of(at).map_err(|e| format!("a directory's names: {e}"))?;
    for name in names.iter().filter(|name| !kept.contains(name)) {
        if file::unlink_at(at, name, 0).is_ok() || file::unlink_at(at, name, abi::AT_REMOVEDIR).is_ok() {
            continue;
        }
        remove_in(at, name, &[])?;
        let removed = file::unlink_at(at, name, abi::AT_REMOVEDIR);
        removed.map_err(|e| format!("{}: {e}", String::from_utf8_lossy(name)))?;
    }
    Ok(())
}
