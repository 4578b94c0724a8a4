//! The runner of everything that a machine is booted for: `cargo test`, or `cargo nextest run`.
//!
//! `cargo test -p lastref-tests --test guest -- FILTER` runs some of it, `--list` says what there is.

use libtest_mimic::Arguments;

/// Machines at a time, unless `--test-threads` says otherwise: each may have several CPUs.
const MACHINES: usize = 2;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(MACHINES);
    libtest_mimic::run(&arguments, lastref_tests::all()).exit();
}
