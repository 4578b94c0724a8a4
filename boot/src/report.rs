//! Tells the lines of the kernel's log that must always be seen from those that need not.
//!
//! A detection report stands between two rules of `=`. A panic runs from its first line to the end.

/// Where in the log a machine is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// Among ordinary lines.
    #[default]
    Ordinary,
    /// Between the two rules of a report.
    Report,
    /// In a panic, which nothing follows.
    Panic,
}

impl Filter {
    /// Takes the next line; true when it is part of a report or a panic.
    pub fn shows(&mut self, line: &str) -> bool {
        let was = *self;
        *self = match was {
            Filter::Ordinary if is_rule(line) => Filter::Report,
            Filter::Report if is_rule(line) => Filter::Ordinary,
            Filter::Ordinary | Filter::Report if is_panic(line) => Filter::Panic,
            _ => was,
        };
        was != Filter::Ordinary || *self != Filter::Ordinary
    }
}

fn is_rule(line: &str) -> bool {
    let line = line.trim();
    line.len() >= 20 && line.bytes().all(|byte| byte == b'=')
}

fn is_panic(line: &str) -> bool {
    line.to_ascii_lowercase().contains("kernel panic")
}

/// What the kernel found, at boot, about the machine's memory tags, without which it sees no use after
/// free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tags {
    /// Each 16 bytes have their own.
    Exact,
    /// A whole page shares those of its beginning, as under a QEMU that is too old.
    Broken,
    /// There are none.
    None,
    /// They are not looked at: the kernel's accesses are checked by its own code.
    Unused,
}

impl Tags {
    /// Reads the kernel's line `memory tags: …`, if this is it.
    pub fn from_line(line: &str) -> Option<Tags> {
        let (_, found) = line.split_once("memory tags: ")?;
        let word = found.split([' ', ':', ',']).next()?;
        [("exact", Tags::Exact), ("broken", Tags::Broken), ("none", Tags::None), ("unused", Tags::Unused)]
            .into_iter()
            .find_map(|(name, tags)| (name == word).then_some(tags))
    }

    /// Why nothing seen on the machine proves anything, if so.
    pub fn objection(self) -> Option<&'static str> {
        match self {
            Tags::Exact | Tags::Unused => None,
            Tags::Broken => Some("its memory tags are broken (per page)"),
            Tags::None => Some("it has no memory tags"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_word_on_memory_tags_is_read() {
        for (line, tags) in [
            ("[    0.001234] memory tags: exact", Some(Tags::Exact)),
            ("memory tags: unused: the compiler's checks stand in for them", Some(Tags::Unused)),
            ("memory tags: broken (per page): use-after-free goes unseen", Some(Tags::Broken)),
            ("memory tags: none: use-after-free goes unseen", Some(Tags::None)),
            ("memory tags: none", Some(Tags::None)),
            ("memory tags: exactly", None),
            ("memory tags", None),
        ] {
            assert_eq!(Tags::from_line(line), tags, "{line}");
        }
        assert!(Tags::Exact.objection().is_none() && Tags::Broken.objection().is_some());
    }

    #[test]
    fn reports_and_panics_are_picked_out() {
        let rule = "=".repeat(66);
        let log = ["boot", &rule, "BUG: use-after-free", &rule, "go on", "Kernel panic: out", "stack", &rule];
        let mut filter = Filter::default();
        let shown: Vec<bool> = log.iter().map(|line| filter.shows(line)).collect();
        assert_eq!(shown, [false, true, true, true, false, true, true, true]);
    }
}
