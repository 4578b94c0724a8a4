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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_and_panics_are_picked_out() {
        let rule = "=".repeat(66);
        let log = ["boot", &rule, "BUG: use-after-free", &rule, "go on", "Kernel panic: out", "stack", &rule];
        let mut filter = Filter::default();
        let shown: Vec<bool> = log.iter().map(|line| filter.shows(line)).collect();
        assert_eq!(shown, [false, true, true, true, false, true, true, true]);
    }
}
