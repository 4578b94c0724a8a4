//! What there is to observe: the hazards' scenarios, the disciplines, and the cells they span.

/// The disciplines a heap can live by, in the order they were proposed.
pub const DISCIPLINES: [&str; 8] = [
    "upstream",
    "kref",
    "kref-open",
    "kref-open-close",
    "kref-full",
    "revoke-rwlock",
    "revoke-rcu",
    "lastref",
];

/// A scenario: a hazard's ordering, or one of its variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Its short name, such as `H10-mmap`: what the lab is given.
    pub id: &'static str,
    /// The hazard's name.
    pub hazard: &'static str,
}

const fn scenario(id: &'static str, hazard: &'static str) -> Scenario {
    Scenario { id, hazard }
}

/// Every scenario the lab knows, in the order of the matrix.
pub const SCENARIOS: [Scenario; 24] = [
    scenario("H1", "ioctl-after-unregister"),
    scenario("H2", "alloc-in-flight"),
    scenario("H3-get", "open-vs-last-put"),
    scenario("H3-open", "open-vs-last-put"),
    scenario("H4", "unpublish-tied-to-free"),
    scenario("H5", "close-after-free"),
    scenario("H6-fd", "reopen-cached-cdev"),
    scenario("H6-minor", "reopen-cached-cdev"),
    scenario("H7-dup", "failed-add"),
    scenario("H7-node", "failed-add"),
    scenario("H8", "find-put-deadlock"),
    scenario("H9", "same-name-reload"),
    scenario("H10-fd", "buffer-outlives-heap"),
    scenario("H10-dup", "buffer-outlives-heap"),
    scenario("H10-mmap", "buffer-outlives-heap"),
    scenario("H10-fork", "buffer-outlives-heap"),
    scenario("H10-scm", "buffer-outlives-heap"),
    scenario("H11", "remove-waits-for-user"),
    scenario("H12", "hard-revoke"),
    scenario("H13", "lock-order"),
    scenario("H14", "touch-after-put"),
    scenario("H15-info", "name-lifetime"),
    scenario("H15-list", "name-lifetime"),
    scenario("H16", "module-text"),
];

/// The scenarios that `name` means: an id, a hazard's number or a hazard's name.
pub fn scenarios_named(name: &str) -> Vec<Scenario> {
    let is_named = |scenario: &&Scenario| {
        let number = scenario.id.split('-').next().unwrap_or_default();
        [scenario.id, number, scenario.hazard].iter().any(|known| known.eq_ignore_ascii_case(name))
    };
    SCENARIOS.iter().filter(is_named).copied().collect()
}

/// The cells to observe: every scenario under every discipline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The rows.
    pub scenarios: Vec<Scenario>,
    /// The columns.
    pub disciplines: Vec<&'static str>,
}

impl Plan {
    /// How many cells there are.
    pub fn cells(&self) -> usize {
        self.scenarios.len() * self.disciplines.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_go_by_several_names() {
        let ids = |name| scenarios_named(name).iter().map(|scenario| scenario.id).collect::<Vec<_>>();
        assert_eq!(ids("h1"), ["H1"]);
        assert_eq!(ids("close-after-free"), ["H5"]);
        assert_eq!(ids("H10"), ["H10-fd", "H10-dup", "H10-mmap", "H10-fork", "H10-scm"]);
        assert_eq!(ids("H10-mmap"), ["H10-mmap"]);
        assert!(ids("H").is_empty() && ids("").is_empty());
    }
}
