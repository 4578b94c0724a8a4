//! Hands the link script to the linker when the programs are built for the guest.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=user.ld");
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        let dir = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
        println!("cargo::rustc-link-arg-bins=-T{dir}/user.ld");
        println!("cargo::rustc-link-arg-bins=-zmax-page-size=4096");
    }
}
