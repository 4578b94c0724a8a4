//! Finds a Rust toolchain that can build for the guest, and a linker for it.
//!
//! Three kinds will do, in this order: rustup's, with the guest's target installed; rustup's, with
//! its own library source; a distribution's in /usr, with its library source. A core library of
//! another version than the compiler's never will, so a toolchain's parts all come from one sysroot.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::detector::Detector;
use crate::{process, workspace};

/// The guest's target: no operating system, and no floating point in the kernel.
pub const TARGET: &str = "aarch64-unknown-none-softfloat";

/// How the guest's code is made: every frame has a record, for backtraces, and atomic instructions are there on every
/// CPU that has memory tags, which came after them.
const CODE_GENERATION: &str = "-C force-frame-pointers=yes -C target-feature=+lse";

/// The oldest compiler the code is kept working on, `(major, minor)`.
pub const OLDEST: (u32, u32) = (1, 95);

/// Where the guest's core library comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Core {
    /// The sysroot has it, compiled.
    Prebuilt,
    /// The sysroot has its source; cargo builds it (`-Zbuild-std`).
    FromSource,
}

/// A compiler, its cargo and a linker, fit to build the guest.
#[derive(Clone, Debug)]
pub struct Toolchain {
    /// The directory with `bin/rustc` and `lib/rustlib`.
    pub sysroot: PathBuf,
    /// What `rustc --version` says.
    pub version: String,
    /// Where its core library comes from.
    pub core: Core,
    /// An lld that speaks ELF.
    pub linker: PathBuf,
}

/// What keeps the guest from being built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacking {
    /// No compiler with a core library for the guest.
    Compiler,
    /// A compiler, but no linker.
    Linker,
}

impl Toolchain {
    /// Looks for a toolchain, the best one first.
    pub fn find() -> Result<Toolchain, Lacking> {
        let sysroots = sysroots();
        let (sysroot, version, core) = sysroots
            .iter()
            .find_map(|sysroot| {
                let (version, core) = examine(sysroot)?;
                Some((sysroot.clone(), version, core))
            })
            .ok_or(Lacking::Compiler)?;
        let linker = find_linker(&sysroot, &sysroots).ok_or(Lacking::Linker)?;
        Ok(Toolchain { sysroot, version, core, linker })
    }

    /// A program of this toolchain, such as `rustc` or `cargo`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.sysroot.join("bin").join(name)
    }

    /// Starts a command of the linker, as the linker for ELF that it is.
    pub fn linker(&self) -> Command {
        let mut command = process::leashed(self.linker.as_os_str());
        if self.linker.ends_with("rust-lld") {
            command.args(["-flavor", "gnu"]); // by that name it could be any linker
        }
        command
    }

    /// Starts a cargo command for the guest, in the workspace at `root`: `program` (`cargo` or `cargo-clippy`),
    /// `verb`, then the options that every guest build with this detector shares. It goes when the launcher does.
    pub fn cargo(&self, program: &str, verb: &str, root: &Path, detector: Detector) -> Command {
        let mut command = process::leashed(self.program(program).as_os_str());
        forget_inherited(&mut command);
        let target = TARGET.to_uppercase().replace('-', "_");
        command
            .current_dir(root)
            .env("CARGO", self.program("cargo"))
            .env("RUSTC", self.program("rustc"))
            // What Rust's own library does is not for this workspace to mend.
            .env("CARGO_FUTURE_INCOMPAT_REPORT_FREQUENCY", "never")
            .env(format!("CARGO_TARGET_{target}_LINKER"), &self.linker)
            .env(format!("CARGO_TARGET_{target}_RUSTFLAGS"), format!("{CODE_GENERATION}{}", detector.flags()))
            .args([verb, "--target", TARGET, "--profile", "guest", "--target-dir"])
            .arg(detector.target(root));
        if !detector.flags().is_empty() {
            command.env("RUSTC_BOOTSTRAP", "1");
        }
        if self.core == Core::FromSource {
            command
                .env("RUSTC_BOOTSTRAP", "1")
                .arg("-Zbuild-std=core,alloc,compiler_builtins")
                .arg("-Zbuild-std-features=compiler-builtins-mem");
        }
        command
    }
}

/// Every sysroot of this host, rustup's for this clone first.
fn sysroots() -> Vec<PathBuf> {
    let chosen = Command::new("rustc")
        .args(["--print", "sysroot"])
        .current_dir(workspace::root())
        .output()
        .ok()
        .filter(|output| output.status.success())
        .map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let mut sysroots: Vec<PathBuf> = chosen.into_iter().collect();
    if !sysroots.iter().any(|s| s == Path::new("/usr")) {
        sysroots.push("/usr".into());
    }
    sysroots
}

/// The version of a sysroot's compiler and its kind of core library, if it can build the guest.
fn examine(sysroot: &Path) -> Option<(String, Core)> {
    let rustlib = sysroot.join("lib/rustlib");
    let core = if has_core(&rustlib.join(TARGET).join("lib")) {
        Core::Prebuilt
    } else if rustlib.join("src/rust/library/Cargo.toml").is_file() {
        Core::FromSource
    } else {
        return None;
    };
    if !sysroot.join("bin/cargo").is_file() {
        return None;
    }
    let output = Command::new(sysroot.join("bin/rustc")).arg("--version").output().ok()?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (parse_version(&version)? >= OLDEST).then_some((version, core))
}

fn has_core(directory: &Path) -> bool {
    std::fs::read_dir(directory).is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
    })
}

/// Reads `rustc 1.95.0 (…)`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix("rustc ")?.split(['.', ' ', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The toolchain's own lld, else the system's, else that of another toolchain.
fn find_linker(sysroot: &Path, others: &[PathBuf]) -> Option<PathBuf> {
    own_linker(sysroot)
        .or_else(|| workspace::which("ld.lld"))
        .or_else(|| others.iter().find_map(|other| own_linker(other)))
}

fn own_linker(sysroot: &Path) -> Option<PathBuf> {
    let hosts = std::fs::read_dir(sysroot.join("lib/rustlib")).ok()?;
    hosts.flatten().map(|host| host.path().join("bin/rust-lld")).find(|linker| linker.is_file())
}

/// Removes what an outer cargo or rustup left in the environment, which would make the inner one
/// use another toolchain, other flags or another target directory. What tells cargo how to reach its
/// registry is kept.
fn forget_inherited(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_inherited) {
            command.env_remove(name);
        }
    }
}

fn is_inherited(name: &str) -> bool {
    const KEPT: [&str; 6] =
        ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_SOURCE_", "CARGO_TERM_"];
    const CLEARED: [&str; 6] = ["CARGO", "RUSTUP_", "RUSTC", "RUSTFLAGS", "RUSTDOC", "CLIPPY_"];
    // Cargo points the loader at the libraries of the toolchain that built the launcher.
    const LOADER: [&str; 2] = ["LD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"];
    let starts_with_any = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    LOADER.contains(&name) || starts_with_any(&CLEARED) && !starts_with_any(&KEPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared() {
        assert_eq!(parse_version("rustc 1.95.0 (59807616e 2026-04-14)"), Some((1, 95)));
        assert_eq!(parse_version("rustc 1.97.0-nightly (x)"), Some((1, 97)));
        assert_eq!(parse_version("rustc 2.0"), Some((2, 0)));
        assert_eq!(parse_version("gcc 12"), None);
        assert!(parse_version("rustc 1.63.0").unwrap() < OLDEST);
    }

    #[test]
    fn only_the_outer_build_is_forgotten() {
        for name in ["CARGO", "CARGO_TARGET_DIR", "RUSTUP_TOOLCHAIN", "RUSTC_WRAPPER", "LD_LIBRARY_PATH"] {
            assert!(is_inherited(name), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_REGISTRIES_CRATES_IO_PROTOCOL", "CARGO_NET_OFFLINE", "PATH", "CI"] {
            assert!(!is_inherited(name), "{name}");
        }
    }
}
