//! Puts a number on everything that kernel and modules have to agree on, for the version magic.
//!
//! They are compiled apart and share Rust types, whose layout is the compiler's business: so compiler, target, flags,
//! and the sources of the shared crates and of the modules, which call each other, all count.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const SHARED: [&str; 2] = ["../../../heaps/src", ".."];

fn main() {
    let mut hash = Fnv::new();
    let rustc = env::var_os("RUSTC").expect("cargo sets RUSTC");
    let version = Command::new(rustc).arg("-vV").output().expect("rustc runs");
    hash.add(&version.stdout);
    for name in ["TARGET", "PROFILE", "OPT_LEVEL", "CARGO_ENCODED_RUSTFLAGS"] {
        hash.add(env::var(name).unwrap_or_default().as_bytes());
    }
    let mut sources = Vec::new();
    for directory in SHARED {
        println!("cargo::rerun-if-changed={directory}");
        collect(Path::new(directory), &mut sources);
    }
    sources.sort();
    for source in sources {
        hash.add(source.to_string_lossy().as_bytes());
        hash.add(&fs::read(&source).expect("a source can be read"));
    }
    println!("cargo::rustc-env=LASTREF_ABI={:016x}", hash.0);
}

/// The Rust sources at and below `directory`.
fn collect(directory: &Path, sources: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory can be read") {
        let path = entry.expect("a directory can be read").path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(path);
        }
    }
}

/// FNV-1a, 64 bits: the same on every host and in every release of the standard library.
struct Fnv(u64);

impl Fnv {
    fn new() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&[0xff]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}
