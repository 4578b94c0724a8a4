//! What a scenario writes down as it goes: its steps, and at most one conclusion.
//!
//! ```text
//! begin open h1
//! step open h1 -> fd 3
//! begin ioctl ALLOC
//! step ioctl ALLOC -> ENODEV
//! conclude ok the old descriptor is refused
//! ```
//!
//! A series of rounds begins with `race ROUNDS NANOSECONDS`; the rest is its last round. `actor NAME` numbers a process
//! that takes a part, from 0 on.
//!
//! A step that was begun and has no outcome is one that did not come back: the scenario, or one of its processes,
//! died in it or is in it still.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// What a scenario found, as far as it can see it from user space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// As it should be; the text says how.
    Ok(String),
    /// The kernel declined the hazard's ordering with this error.
    Refused(String),
    /// A name or descriptor led to another heap than the one it was opened for.
    WrongHeap(String),
    /// A heap that was unregistered can still be found, or keeps its name.
    Zombie(String),
    /// Something waits, and nothing that the waiting task can be sent ends it.
    Hang(String),
    /// The scenario itself could not be played, or data was not what was written.
    Failed(String),
}

impl fmt::Display for Conclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, text) = match self {
            Conclusion::Ok(text) => ("ok", text),
            Conclusion::Refused(errno) => ("refused", errno),
            Conclusion::WrongHeap(text) => ("wrong-heap", text),
            Conclusion::Zombie(text) => ("zombie", text),
            Conclusion::Hang(text) => ("hang", text),
            Conclusion::Failed(text) => ("failed", text),
        };
        write!(f, "{word} {text}")
    }
}

impl Conclusion {
    /// Reads what [`Display`](fmt::Display) wrote.
    pub fn parse(text: &str) -> Option<Conclusion> {
        let (word, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        let rest = String::from(rest);
        Some(match word {
            "ok" => Conclusion::Ok(rest),
            "refused" => Conclusion::Refused(rest),
            "wrong-heap" => Conclusion::WrongHeap(rest),
            "zombie" => Conclusion::Zombie(rest),
            "hang" => Conclusion::Hang(rest),
            "failed" => Conclusion::Failed(rest),
            _ => return None,
        })
    }
}

/// A scenario's observation file, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// Every line in order, conclusions among them.
    pub lines: Vec<String>,
    /// The conclusion. A second one makes it a failure: a scenario judges once.
    pub conclusion: Option<Conclusion>,
    /// Of the racing form: how many rounds there were, and how many nanoseconds they took.
    pub rounds: Option<(u64, u64)>,
    /// The processes that took a part, by number.
    pub actors: Vec<String>,
}

impl Observation {
    /// Reads the file's text.
    pub fn parse(text: &str) -> Observation {
        let mut seen = Observation::default();
        let mut begun = Vec::new();
        for line in text.lines() {
            if let Some(what) = line.strip_prefix("begin ") {
                begun.push((what, seen.lines.len()));
                seen.lines.push(format!("{what} -> did not come back"));
                continue;
            }
            if let Some(who) = line.strip_prefix("actor ") {
                seen.actors.push(who.into());
                continue;
            }
            if let Some(rest) = line.strip_prefix("race ") {
                let numbers = rest.split_once(' ');
                seen.rounds = numbers.and_then(|(n, ns)| Some((n.parse().ok()?, ns.parse().ok()?)));
                continue;
            }
            if let Some(rest) = line.strip_prefix("conclude ") {
                let read = Conclusion::parse(rest);
                seen.conclusion = match (seen.conclusion.take(), read) {
                    (None, Some(first)) => Some(first),
                    (None, None) => Some(Conclusion::Failed("unreadable conclusion".into())),
                    (Some(_), _) => Some(Conclusion::Failed("concluded twice".into())),
                };
            }
            let line = line.strip_prefix("step ").unwrap_or(line);
            let is_outcome = |(what, _): &(&str, usize)| {
                line.strip_prefix(what).is_some_and(|rest| rest.starts_with(" -> "))
            };
            if let Some(at) = begun.iter().rposition(is_outcome) {
                let (what, began) = begun.remove(at);
                seen.came_back(what, began);
            }
            seen.lines.push(line.into());
        }
        seen
    }

    /// The step begun in line `began` has an outcome: its line goes, or says that it began where others came between.
    fn came_back(&mut self, what: &str, began: usize) {
        if began + 1 == self.lines.len() {
            self.lines.truncate(began);
        } else {
            self.lines[began] = format!("{what} ...");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn steps_and_conclusion_are_told_apart() {
        let seen = Observation::parse("step open -> fd 3\nstep unbind -> EBUSY\nconclude refused EBUSY\n");
        assert_eq!(seen.lines, ["open -> fd 3", "unbind -> EBUSY", "conclude refused EBUSY"]);
        assert_eq!(seen.conclusion, Some(Conclusion::Refused("EBUSY".into())));
        assert_eq!(Observation::parse("step open -> fd 3\n").conclusion, None);
    }

    #[test]
    fn a_step_without_an_outcome_did_not_come_back() {
        let seen = Observation::parse(
            "begin open\nstep open -> fd 3\nbegin a: ioctl\nbegin unbind\nstep unbind -> ok\n\
             step a: ioctl -> ENODEV\nbegin close\n",
        );
        assert_eq!(
            seen.lines,
            [
                "open -> fd 3",
                "a: ioctl ...",
                "unbind -> ok",
                "a: ioctl -> ENODEV",
                "close -> did not come back"
            ]
        );
    }

    #[test]
    fn rounds_are_no_step() {
        let seen = Observation::parse("race 12 3400\nactor user\nstep open -> fd 3\n");
        assert_eq!((seen.rounds, seen.lines), (Some((12, 3400)), vec!["open -> fd 3".into()]));
        assert_eq!(seen.actors, ["user"]);
    }

    #[test]
    fn two_conclusions_or_a_strange_one_are_failures() {
        for text in ["conclude ok\nconclude ok\n", "conclude splendid\n"] {
            assert!(matches!(Observation::parse(text).conclusion, Some(Conclusion::Failed(_))), "{text}");
        }
    }

    #[test]
    fn conclusions_survive_the_file() {
        for c in
            [Conclusion::Ok("a b".into()), Conclusion::Zombie("x".into()), Conclusion::WrongHeap("y".into())]
        {
            assert_eq!(Conclusion::parse(&alloc::format!("{c}")), Some(c));
        }
    }
}
