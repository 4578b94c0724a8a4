//! The hazards, played from EL0: one file each, one process each run.
//!
//! A scenario is a function that takes steps on a [`Stage`] and says what it concludes from what it saw. The
//! stage writes every step down before the next is taken, so that a scenario that is killed in the middle
//! still leaves its story. Its racing form, [`race`], plays the same paths without help. What is expected under each discipline stands in the scenario's file as data; the
//! verdict is not made here but by [`crate::judge`], from all observations together.

mod actor;
mod board;
mod canary;
mod h1;
mod h10;
mod h10_dup;
mod h10_fd;
mod h10_fork;
mod h10_mmap;
mod h10_scm;
mod h11;
mod h12;
mod h13;
mod h14;
mod h15;
mod h16;
mod h2;
mod h3;
mod h4;
mod h5;
mod h6;
mod h7;
mod h8;
mod h9;
pub mod race;
mod stage;

pub use race::Race;
pub use stage::{OBSERVATION, Stage, Stop};

/// A scenario.
pub struct Scenario {
    /// Its stable name, a cell's row: `H1`.
    pub id: &'static str,
    /// The hazard in words: `ioctl-after-unregister`.
    pub hazard: &'static str,
    /// Plays it. A step that had to work and did not ends it early.
    pub play: fn(&mut Stage) -> Result<(), Stop>,
    /// What is expected of it.
    pub expected: Expected,
    /// The same hazard without help.
    pub race: Race,
}

/// The verdict expected under each discipline: a verdict's word, or its whole text.
#[allow(missing_docs)]
pub struct Expected {
    pub upstream: &'static str,
    pub kref: &'static str,
    pub kref_open: &'static str,
    pub kref_open_close: &'static str,
    pub kref_full: &'static str,
    pub revoke_rwlock: &'static str,
    pub revoke_rcu: &'static str,
    pub lastref: &'static str,
}

impl Expected {
    /// The same under every discipline.
    pub const fn always(verdict: &'static str) -> Expected {
        Expected {
            upstream: verdict,
            kref: verdict,
            kref_open: verdict,
            kref_open_close: verdict,
            kref_full: verdict,
            revoke_rwlock: verdict,
            revoke_rcu: verdict,
            lastref: verdict,
        }
    }

    /// What is expected under `discipline`, or `None` for a name that is none.
    pub fn under(&self, discipline: &str) -> Option<&'static str> {
        Some(match discipline {
            "upstream" => self.upstream,
            "kref" => self.kref,
            "kref-open" => self.kref_open,
            "kref-open-close" => self.kref_open_close,
            "kref-full" => self.kref_full,
            "revoke-rwlock" => self.revoke_rwlock,
            "revoke-rcu" => self.revoke_rcu,
            "lastref" => self.lastref,
            _ => return None,
        })
    }
}

/// Every scenario, hazards first, then the canaries that prove the harness awake.
pub const ALL: [&Scenario; 45] = [
    &h1::SCENARIO,
    &h2::SCENARIO,
    &h3::GET,
    &h3::OPENING,
    &h4::SCENARIO,
    &h5::SCENARIO,
    &h6::FD,
    &h6::MINOR,
    &h7::DUP,
    &h7::NODE,
    &h8::SCENARIO,
    &h9::SCENARIO,
    &h10_fd::SCENARIO,
    &h10_dup::SCENARIO,
    &h10_mmap::SCENARIO,
    &h10_fork::SCENARIO,
    &h10_scm::SCENARIO,
    &h11::SCENARIO,
    &h12::SCENARIO,
    &h13::SCENARIO,
    &h14::SCENARIO,
    &h15::FDINFO,
    &h15::LIST,
    &h16::SCENARIO,
    &canary::QUIET,
    &canary::FAIL,
    &canary::HANG,
    &canary::CRASH,
    &canary::UNDER_REPORT,
    &canary::LEAK,
    &canary::PANIC,
    &canary::DOUBLE_FREE,
    &canary::IN_FLIGHT,
    &canary::MAPPED,
    &canary::LOCK_ORDER,
    &canary::DEADLOCK,
    &canary::SATURATION,
    &canary::FROM_ZERO,
    &canary::WRITE_TEXT,
    &canary::WRITE_ALIAS,
    &canary::RUN_DATA,
    &canary::BEYOND,
    &canary::OVERFLOW,
    &canary::UAF,
    &canary::UNLOADED,
];

/// The scenario of this name.
pub fn find(id: &str) -> Option<&'static Scenario> {
    ALL.into_iter().find(|scenario| scenario.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for (i, scenario) in ALL.iter().enumerate() {
            assert!(ALL[..i].iter().all(|other| other.id != scenario.id), "{} twice", scenario.id);
            assert_eq!(find(scenario.id).map(|s| s.hazard), Some(scenario.hazard));
        }
        assert!(find("H99").is_none());
    }

    #[test]
    fn hazards_end_well_under_lastref_and_are_refused_upstream() {
        for scenario in ALL.iter().filter(|s| s.id.starts_with('H')) {
            assert_eq!(scenario.expected.under("lastref"), Some("ok"), "{}", scenario.id);
            // H7 is in how heaps are registered, which upstream does not refuse.
            let upstream = if scenario.id.starts_with("H7-") { "use-after-free" } else { "refused(EBUSY)" };
            assert_eq!(scenario.expected.under("upstream"), Some(upstream), "{}", scenario.id);
        }
        assert_eq!(h1::SCENARIO.expected.under("nonsense"), None);
    }
}
