//! Results that need not be equal: a program says `at most N` or `at least N` of what has to be no worse here than it
//! is on Linux.

/// What a figure must not pass.
enum Bound {
    AtMost(u64),
    AtLeast(u64),
}

impl Bound {
    fn parse(result: &str) -> Option<Bound> {
        match result.strip_prefix("at most ") {
            Some(number) => number.parse().ok().map(Bound::AtMost),
            None => result.strip_prefix("at least ")?.parse().ok().map(Bound::AtLeast),
        }
    }
}

/// Whether a result is a bound.
pub fn is_bound(result: &str) -> bool {
    Bound::parse(result).is_some()
}

/// Whether a result here is the same as on Linux, or where both are bounds, no worse.
pub fn agree(linux: &str, here: &str) -> bool {
    match (Bound::parse(linux), Bound::parse(here)) {
        (Some(Bound::AtMost(linux)), Some(Bound::AtMost(here))) => here <= linux,
        (Some(Bound::AtLeast(linux)), Some(Bound::AtLeast(here))) => here >= linux,
        _ => linux == here,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_worse_agrees() {
        for (linux, here) in
            [("at most 7", "at most 7"), ("at most 7", "at most 0"), ("at least 7", "at least 8"), ("7", "7")]
        {
            assert!(agree(linux, here), "{linux}, {here}");
        }
    }

    #[test]
    fn what_is_worse_or_something_else_does_not() {
        for (linux, here) in [
            ("at most 7", "at most 8"),
            ("at least 7", "at least 6"),
            ("at most 7", "at least 7"),
            ("at most 7", "7"),
            ("7", "at most 7"),
            ("7", "6"),
            ("at most 7", "at most -1"),
            ("at most 7", "at most"),
            ("at most 7", "(nothing)"),
            ("at most few", "at most none"),
        ] {
            assert!(!agree(linux, here), "{linux}, {here}");
        }
        assert!(
            is_bound("at most 7") && is_bound("at least 0") && !is_bound("7") && !is_bound("at most few")
        );
    }
}
