//! The kernel's counts, and what differs between two takings of them.

use alloc::string::String;
use alloc::vec::Vec;

/// Counts by name, in the kernel's order.
pub type Counts = Vec<(String, i64)>;

/// Reads lines of `name value`; others are skipped.
pub fn parse(text: &str) -> Counts {
    text.lines()
        .filter_map(|line| {
            let (name, value) = line.trim().split_once(' ')?;
            Some((String::from(name), value.trim().parse().ok()?))
        })
        .collect()
}

/// The counts that differ, after minus before; a name missing on one side counts as zero there. There is no
/// slack: a buffer of the scenarios is four frames, and one of them not given back is a leak.
pub fn delta(before: &Counts, after: &Counts) -> Counts {
    let value = |counts: &Counts, name: &str| counts.iter().find(|(n, _)| n == name).map_or(0, |(_, v)| *v);
    let gone = before.iter().filter(|(name, _)| !after.iter().any(|(n, _)| n == name));
    after
        .iter()
        .chain(gone)
        .map(|(name, _)| (name.clone(), value(after, name) - value(before, name)))
        .filter(|(_, by)| *by != 0)
        .collect()
}

/// The difference called `name`, zero where there is none.
pub fn of(delta: &Counts, name: &str) -> i64 {
    delta.iter().find(|(n, _)| n == name).map_or(0, |(_, d)| *d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_differences_are_left_down_to_a_frame() {
        let before = parse("free_frames 1000\nheaps 2\nfiles 7\nold 1\n");
        let after = parse("free_frames 1000\nheaps 3\nfiles 7\nnew 4\nnoise\nbad x\n");
        let d = delta(&before, &after);
        assert_eq!(d, parse("heaps 1\nnew 4\nold -1"));
        assert_eq!(of(&d, "heaps"), 1);
        assert_eq!(of(&d, "files"), 0);
        let short = parse("free_frames 999\nheaps 2\nfiles 7\nold 1\n");
        assert_eq!(delta(&before, &short), parse("free_frames -1"));
    }
}
