//! The kernel's image.
fn main() {}
