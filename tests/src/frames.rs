//! The look at who reaches a buffer's memory when it goes back: in builds that check their own steps, and where it is
//! asked for.

use std::time::Duration;

use anyhow::{Result, ensure};
use lastref::detector::Detector;
use lastref::{Machine, build};
use libtest_mimic::Trial;

use crate::{transcript, trial};

/// Has the kernel look. Every machine that runs a program of this project's to see whether it holds is given this.
pub const WATCHED: &str = "lastref.frames=1";

const PROVOKED: &str = "echo 1 > /sys/kernel/debug/lastref/free_mapped";

/// `frames::asked`, `frames::not-asked`, and `kasan::frames`, where nobody has to ask.
pub fn trials() -> Vec<Trial> {
    vec![
        trial("frames::asked", || provoke(Detector::Mte, WATCHED, true)),
        trial("frames::not-asked", || provoke(Detector::Mte, "", false)),
        trial("kasan::frames", || provoke(Detector::Kasan, "", true)),
    ]
}

fn provoke(detector: Detector, arguments: &str, reported: bool) -> Result<()> {
    let machine = Machine::new(build::guest_with(detector)?).kernel_arguments(arguments);
    let machine = machine.command(["/bin/sh", "-c", PROVOKED]).limit(Some(Duration::from_secs(60)));
    let outcome = machine.capture()?;
    let seen = outcome.reports.contains("freed while mapped") && outcome.reports.contains("process 1 maps");
    ensure!(outcome.status() == Some(0), "the status is not 0\n{}", transcript::of(&outcome));
    ensure!(seen == reported, "it was {}seen\n{}", if seen { "" } else { "not " }, transcript::of(&outcome));
    ensure!(reported || outcome.reports.is_empty(), "something was reported\n{}", transcript::of(&outcome));
    Ok(())
}
