//! The kernel's detection reports, a line each: `SEQ KIND WHERE pid=PID comm=NAME`.

use alloc::string::String;
use alloc::vec::Vec;

/// One report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its number since boot.
    pub sequence: u64,
    /// `use-after-free`, `use-after-unload`, `out-of-bounds`, `invalid-free`, `refcount`, `lock-order`, `deadlock`,
    /// `frame-state`, `device-fault`, `oops`.
    pub kind: String,
    /// Where the kernel was: `pc=[<ffff...>]`.
    pub place: String,
    /// The lock held, and the one wanted if it is another, `HELD,WANTED`, where that is the matter; else empty.
    pub locks: String,
    /// The whole line.
    pub line: String,
}

/// Reads the reports; a line without number, kind and place is skipped.
pub fn parse(text: &str) -> Vec<Report> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some(Report {
                sequence: words.next()?.parse().ok()?,
                kind: words.next()?.into(),
                place: words.next()?.into(),
                locks: words.find_map(|word| word.strip_prefix("locks=")).unwrap_or_default().into(),
                line: line.into(),
            })
        })
        .collect()
}

/// The reports of `after` that are not in `before`.
pub fn fresh(before: &[Report], after: Vec<Report>) -> Vec<Report> {
    after.into_iter().filter(|new| before.iter().all(|old| old.sequence != new.sequence)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_read_where_there_are_any() {
        let read = parse("1 deadlock pc=x locks=A,B pid=1 comm=s\n2 oops pc=x pid=1 comm=s\n");
        assert_eq!((read[0].locks.as_str(), read[1].locks.as_str()), ("A,B", ""));
    }

    #[test]
    fn lines_are_read_and_old_ones_dropped() {
        let before = parse("1 oops pc=[<ffff800080001000>] pid=3 comm=a\n");
        let text = "1 oops pc=[<ffff800080001000>] pid=3 comm=a\n\
                    2 use-after-free pc=[<ffff800080002000>] pid=4 comm=b\n\nrubbish\n";
        let new = fresh(&before, parse(text));
        assert_eq!(new.len(), 1);
        assert_eq!(
            (new[0].kind.as_str(), new[0].place.as_str()),
            ("use-after-free", "pc=[<ffff800080002000>]")
        );
    }
}
