//! The kernel's image.
#![cfg_attr(target_os = "none", no_std, no_main)]

// The entry point and everything else are in the library.
#[cfg(target_os = "none")]
use kernel as _;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this is a kernel for aarch64; boot it with `cargo run`");
    std::process::exit(2);
}
