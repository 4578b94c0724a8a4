//! Links a module as a relocatable object, its sections gathered by kind.

fn main() {
    let dir = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    println!("cargo::rerun-if-changed=../module.ld");
    println!("cargo::rerun-if-changed=../build.rs");
    println!("cargo::rustc-link-arg-bins=-r");
    println!("cargo::rustc-link-arg-bins=-T{dir}/../module.ld");
}
