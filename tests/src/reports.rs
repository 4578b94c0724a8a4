//! Whether a detection report tells its reader what happened: who allocated the object, who freed it, who
//! touched it, by name.

use anyhow::{Context, Result, ensure};
use lastref::plan::{SCENARIOS, Scenario};
use libtest_mimic::Trial;

use crate::cells::{self, LIMIT};
use crate::trial;

/// A report's cell, and what its sections' stacks have to name.
struct Wanted {
    cell: (&'static str, &'static str),
    /// A section's title begins so, and some frame of it contains one of these.
    sections: [(&'static str, &'static [&'static str]); 3],
}

/// Provider modules register heaps, so a stack through either word says who it was.
const REGISTERS: &[&str] = &["register", "add", "load", "init_module"];
const UNREGISTERS: &[&str] = &["unregister", "unbind", "delete_module"];

const REPORTS: [Wanted; 2] = [
    Wanted {
        cell: ("H1", "kref"),
        sections: [("Call trace", &["ioctl"]), ("Allocated", REGISTERS), ("Freed", UNREGISTERS)],
    },
    Wanted {
        cell: ("H5", "kref"),
        sections: [
            ("Call trace", &["put", "release", "close"]),
            ("Allocated", REGISTERS),
            ("Freed", UNREGISTERS),
        ],
    },
];

/// One trial a report: `report::H1::kref`.
pub fn trials() -> Vec<Trial> {
    let trials = REPORTS.iter().map(|wanted| {
        let (id, discipline) = wanted.cell;
        trial(format!("report::{id}::{discipline}"), move || {
            let seen = cells::observe(scenario(id)?, discipline, LIMIT)?;
            let log = seen.observation().map_or("", |observation| observation.log.as_str());
            check(log, &wanted.sections).map_err(|error| seen.explain(&format!("{error:#}")))
        })
    });
    trials.collect()
}

fn scenario(id: &str) -> Result<Scenario> {
    SCENARIOS.into_iter().find(|scenario| scenario.id == id).context("no such scenario")
}

fn check(log: &str, sections: &[(&str, &[&str])]) -> Result<()> {
    ensure!(log.contains("BUG: "), "the kernel's log has no report");
    for (title, names) in sections {
        let frames = section(log, title).with_context(|| format!("the report has no section {title}"))?;
        let named = frames.iter().any(|frame| names.iter().any(|name| frame.contains(name)));
        ensure!(named, "no frame of {title} names any of {}", names.join(", "));
        let placed = frames.iter().any(|frame| frame.contains(".rs:"));
        ensure!(placed, "no frame of {title} has a place in the source");
    }
    Ok(())
}

/// The indented lines below the first line that begins with `title`.
fn section<'a>(log: &'a str, title: &str) -> Option<Vec<&'a str>> {
    let mut lines = log.lines().skip_while(|line| !line.starts_with(title));
    lines.next()?;
    Some(lines.take_while(|line| line.starts_with(' ')).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "=====\nBUG: lastref: use-after-free in pc=heap_ioctl+0x8\n\nCall trace:\n \
        heap_ioctl+0x8 (heaps/src/a.rs:1)\n\nAllocated by task 3 on CPU 0:\n register_heap+0x4 (a.rs:2)\n\n\
        Freed by task 3 on CPU 0:\n unregister+0x4 (a.rs:3)\n=====\n";

    #[test]
    fn a_report_needs_every_section_and_its_names() {
        let [h1, _] = REPORTS;
        check(REPORT, &h1.sections).unwrap();
        for without in ["BUG: ", "Call trace", "Allocated", "Freed", "heap_ioctl", "unregister", "(a.rs:3)"] {
            assert!(check(&REPORT.replace(without, "?"), &h1.sections).is_err(), "without {without}");
        }
    }
}
