//! Whether a detection report tells its reader what happened: who allocated the object, who freed it, who
//! touched it, by name.

use anyhow::{Context, Result, ensure};
use lastref::detector::Detector;
use lastref::plan::Scenario;
use libtest_mimic::Trial;
use userland::scenarios;

use crate::cells::{self, LIMIT};
use crate::trial;

/// A report's cell, and what its sections' stacks have to name.
struct Wanted {
    cell: (&'static str, &'static str),
    /// What the line that says where it happened contains one of.
    touch: &'static [&'static str],
    /// The sections, in order, between which others may stand: a section's title begins so, and some frame of it
    /// contains one of these; none, for a line that stands alone.
    sections: &'static [(&'static str, &'static [&'static str])],
    /// What it is called that was touched, in the report's last line or first.
    object: &'static str,
}

/// Provider modules register heaps, so a stack through either word says who it was.
const REGISTERS: &[&str] = &["register", "add", "load", "init_module"];
const UNREGISTERS: &[&str] = &["unregister", "unbind", "delete_module"];

/// The VFS's own put of the cdev: what H5 is about. Any earlier touch, in the file's release, is another bug.
const PUTS_CDEV: &[&str] = &["heaps/src/cdev/mod.rs"];
const CLOSES: &[&str] = &["sys_close"];
const OPENS: &[&str] = &["open"];
const CANARY: &[&str] = &["count_from_zero"];
const FREES_TWICE: &[&str] = &["free_twice"];

const REPORTS: [Wanted; 8] = [
    Wanted {
        cell: ("H1", "kref"),
        touch: &["heaps/src/discipline/"],
        sections: &[("Call trace", &["ioctl"]), ("Allocated", REGISTERS), ("Freed", UNREGISTERS)],
        object: "`dma_heap` of",
    },
    Wanted {
        cell: ("H5", "kref"),
        touch: PUTS_CDEV,
        sections: &[("Call trace", CLOSES), ("Allocated", REGISTERS), ("Freed", UNREGISTERS)],
        object: "`dma_heap` of",
    },
    // Here the heap is freed by the very close that goes on to touch it.
    Wanted {
        cell: ("H5", "kref-open-close"),
        touch: PUTS_CDEV,
        sections: &[
            ("Call trace", CLOSES),
            ("Allocated", REGISTERS),
            // The opener's of the cdev, then of the heap; the registration's; the opener's of the heap, and with that
            // the heap's own of the cdev. The opener's of the cdev is what is left.
            ("Reference taken at +", OPENS),
            ("Reference taken at +", OPENS),
            ("Reference put at +", UNREGISTERS),
            ("Reference put at +", CLOSES),
            ("Reference put at +", CLOSES),
            ("Freed", CLOSES),
        ],
        object: "`dma_heap` of",
    },
    Wanted {
        cell: ("H5", "kref-full"),
        touch: PUTS_CDEV,
        sections: &[("Call trace", CLOSES), ("Allocated", REGISTERS), ("Freed", CLOSES)],
        object: "`dma_heap` of",
    },
    // A count that is misused: whose it is, and who put the reference that was the last.
    Wanted {
        cell: ("canary-from-zero", "lastref"),
        touch: &["IncrementFromZero"],
        sections: &[("Call trace", CANARY), ("Allocated", CANARY), ("Reference put at +", CANARY)],
        object: "`canary` of",
    },
    // Freed twice: whose memory it is, and who was first.
    Wanted {
        cell: ("canary-double-free", "lastref"),
        touch: &["double-free"],
        sections: &[("Call trace", FREES_TWICE), ("Allocated", FREES_TWICE), ("Freed", FREES_TWICE)],
        object: "of a freed `canary` of",
    },
    // A module's operations, after it was unloaded, which nobody held.
    Wanted {
        cell: ("H16", "kref"),
        touch: &["use-after-unload"],
        sections: &[
            ("Call trace", CLOSES),
            ("Loaded", &["finit_module"]),
            ("Nobody took or put a reference to it.", &[]),
            ("Unloaded", &["delete_module"]),
        ],
        object: "inside of module tee_heap",
    },
    // The same of one that a buffer held before: who took the reference and put it.
    Wanted {
        cell: ("canary-unloaded", "lastref"),
        touch: &["use-after-unload"],
        sections: &[
            ("Call trace", &["debug/lab.rs"]),
            ("Loaded", &["finit_module"]),
            ("Reference taken by", &["ioctl"]),
            ("Reference put by", CLOSES),
            ("Unloaded", &["delete_module"]),
        ],
        object: "inside of module tee_heap",
    },
];

/// One trial a report: `report::H1::kref`.
pub fn trials() -> Vec<Trial> {
    let trials = REPORTS.iter().map(|wanted| {
        let (id, discipline) = wanted.cell;
        trial(format!("report::{id}::{discipline}"), move || {
            let seen = cells::observe(scenario(id)?, discipline, Detector::Mte, LIMIT)?;
            let log = seen.observation().map_or("", |observation| observation.log.as_str());
            check(log, wanted).map_err(|error| seen.explain(&format!("{error:#}")))
        })
    });
    trials.collect()
}

fn scenario(id: &str) -> Result<Scenario> {
    let found = scenarios::find(id).with_context(|| format!("the userland has no {id}"))?;
    Ok(Scenario { id: found.id, hazard: found.hazard })
}

fn check(log: &str, wanted: &Wanted) -> Result<()> {
    // With the functions it is inlined in, which come before the access.
    let touch: Vec<_> = log.lines().skip_while(|line| !line.starts_with("BUG: ")).collect();
    let touch = touch.iter().take_while(|line| !line.is_empty() && !line.contains(" at addr "));
    let touch: String = touch.copied().collect();
    ensure!(!touch.is_empty(), "the kernel's log has no report");
    let there = wanted.touch.iter().any(|place| touch.contains(place));
    ensure!(there, "the touch is not in {}: {touch}", wanted.touch.join(", "));
    ensure!(log.contains(wanted.object), "the report does not speak of {}", wanted.object);
    let mut rest = log.lines();
    for (title, names) in wanted.sections {
        let frames =
            section(&mut rest, title).with_context(|| format!("the report has no section {title}"))?;
        if names.is_empty() {
            continue;
        }
        let named = frames.iter().any(|frame| names.iter().any(|name| frame.contains(name)));
        ensure!(named, "no frame of {title} names any of {}", names.join(", "));
        let placed = frames.iter().any(|frame| frame.contains(".rs:"));
        ensure!(placed, "no frame of {title} has a place in the source");
    }
    Ok(())
}

/// The indented lines below the next line that begins with `title`.
fn section<'a>(lines: &mut std::str::Lines<'a>, title: &str) -> Option<Vec<&'a str>> {
    lines.find(|line| line.starts_with(title))?;
    Some(lines.take_while(|line| line.starts_with(' ')).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "=====\nBUG: lastref: use-after-free in pc=heap_ioctl+0x8\n    \
        inlined in f (heaps/src/discipline/a.rs:1)\nRead at addr f2ff\n\nCall trace:\n \
        heap_ioctl+0x8 (heaps/src/a.rs:1)\n\nAllocated by task 3 on CPU 0:\n register_heap+0x4 (a.rs:2)\n\n\
        Freed by task 3 on CPU 0:\n unregister+0x4 (a.rs:3)\n\
        The address is 0 bytes inside of a freed `dma_heap` of 232 bytes\n=====\n";

    #[test]
    fn a_report_needs_every_section_and_its_names() {
        let [h1, h5, ..] = REPORTS;
        check(REPORT, &h1).unwrap();
        assert!(check(REPORT, &h5).unwrap_err().to_string().contains("the touch is not in heaps/src/cdev"));
        let late =
            |title: &str| REPORT.replace(title, "?") + title + " by:\n ioctl register unregister (a.rs:1)\n";
        assert!(check(&late("Freed"), &h1).is_ok());
        assert!(check(&late("Allocated"), &h1).is_err(), "freed before it was allocated");
        for without in [
            "BUG: ",
            "Call trace",
            "Allocated",
            "Freed",
            "heap_ioctl",
            "unregister",
            "(a.rs:3)",
            "`dma_heap`",
        ] {
            assert!(check(&REPORT.replace(without, "?"), &h1).is_err(), "without {without}");
        }
    }
}
