//! What is tested on machines, and how each trial tells good from bad.
//!
//! One machine a trial: nothing that one leaves behind can help or harm another.
//!
//! | module | what it is |
//! |---|---|
//! | [`cells`] | every scenario under every discipline, held to what the scenario's file expects |
//! | [`races`] | the racing forms, sound and unsound |
//! | [`replays`] | whether a verdict's id brings it about again |
//! | [`canaries`] | cells that go wrong on purpose: a trial passes when the harness caught its canary |
//! | [`frames`] | the look at who reaches a buffer's memory when it goes back |
//! | [`programs`] | the EL0 programs that print TAP |
//! | [`in_kernel`] | the tests inside the kernel, which print KTAP |
//! | [`strace`] | what `exec --strace` prints, and what the log says of calls that are not there |
//! | [`fuzz`] | any call with any arguments, sound and unsound |
//! | [`stress`] | many threads on the same heaps, sound and unsound |
//! | [`wrong_use`] | the launcher itself, used wrongly and rightly, as a process |
//! | [`c_program`] | C programs, run by the launcher; [`musl`] compiles them against another library than glibc |
//! | [`applets`] | busybox's programs, run by scripts, held to what they printed on Linux |
//! | [`conformance`] | C programs that print what they see, held to what they saw on Linux |
//! | [`numbers`] | the numbers and sizes of the ABI, held to the headers of C programs |
//! | [`page`] | the page of results, `docs/verdicts.md`, held to what can be observed |
//! | [`reports`] | whether a detection report says what its reader needs |
//! | [`screenshot`] | what a display shows, as QEMU sees it |
//! | [`shell`] | the launcher's shell, driven through a pseudo-terminal |
//! | [`mutants`] | broken twins of the kernel, which other trials have to tell from it |
//! | [`kasan`] | cells and canaries under the other detector |
//! | [`models`] | the loom models of `heaps`, in a build of their own |
//!
//! [`tap`] and [`ktap`] read the protocols strictly; [`transcript`] keeps what a machine said for the one
//! who has to find out why; [`launcher`] runs the launcher; [`elf`] makes files that it must refuse.
//! [`all`] is what the runner, `tests/guest.rs`, is given.
#![forbid(unsafe_code)]

pub mod applets;
pub mod c_program;
pub mod canaries;
pub mod cells;
pub mod conformance;
pub mod elf;
pub mod frames;
pub mod fuzz;
pub mod in_kernel;
pub mod kasan;
pub mod ktap;
pub mod launcher;
pub mod models;
pub mod musl;
pub mod mutants;
pub mod numbers;
pub mod page;
pub mod programs;
pub mod races;
pub mod replays;
pub mod reports;
pub mod screenshot;
pub mod shell;
pub mod strace;
pub mod stress;
pub mod tap;
pub mod transcript;
pub mod wrong_use;

use anyhow::Result;
use libtest_mimic::{Failed, Trial};

/// Every trial.
pub fn all() -> Vec<Trial> {
    let groups = [
        // First, because it keeps one CPU busy for as long as the guest takes to build.
        models::trials(),
        mutants::trials(),
        cells::trials(),
        canaries::trials(),
        kasan::trials(),
        frames::trials(),
        reports::trials(),
        page::trials(),
        races::trials(),
        replays::trials(),
        programs::trials(),
        screenshot::trials(),
        in_kernel::trials(),
        strace::trials(),
        fuzz::trials(),
        stress::trials(),
        wrong_use::trials(),
        c_program::trials(),
        applets::trials(),
        conformance::trials(),
        numbers::trials(),
        shell::trials(),
    ];
    groups.into_iter().flatten().collect()
}

/// A trial that fails with the whole chain of an error's causes.
fn trial(name: impl Into<String>, run: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    Trial::test(name, || run().map_err(|error| Failed::from(format!("{error:#}"))))
}

/// What had to be downloaded. Where it could not be, a trial that wants it is skipped, and says so; where `CI` is set
/// it fails.
fn obtained<T>(what: &str, outcome: Result<T>) -> Result<Option<T>> {
    let in_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    match outcome {
        Ok(thing) => Ok(Some(thing)),
        Err(error) if in_ci => Err(error),
        Err(error) => {
            eprintln!("SKIPPED, although nothing was tested: there is no {what}: {error:#}");
            Ok(None)
        }
    }
}
