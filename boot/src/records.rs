//! What the lab writes about each cell, one JSON value a line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One line from the lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Record {
    /// A scenario was run and observed.
    Cell(Box<Cell>),
    /// The last cell changed the machine: no further one may run on it.
    Tainted {
        /// Always true.
        tainted: bool,
        /// How many cells have run.
        #[serde(default)]
        done: Option<usize>,
    },
    /// All cells that were asked for have run.
    Done {
        /// How many that were.
        done: usize,
    },
}

/// One observation: a scenario under a discipline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The scenario's name, such as `H1`.
    pub cell: String,
    /// The discipline's name, such as `kref`.
    pub discipline: String,
    /// `ok`, `refused(EBUSY)`, `leak(objects, 192)`, `use-after-free`, …
    pub verdict: String,
    /// Where it happened, when it happened at a place in the kernel.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The verdict that the scenario's author expects under this discipline.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub expected: String,
    /// Whether the verdict is that one.
    #[serde(default)]
    pub met: bool,
    /// How the scenario's process ended.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ended: String,
    /// What the scenario itself made of what it saw.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub concluded: String,
    /// Of a racing form: its rounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub race: Option<Race>,
    /// The steps the scenario took, in order; of a racing form, in its last round.
    #[serde(default)]
    pub detail: Vec<String>,
    /// The processes that took a part, by number.
    #[serde(default)]
    pub actors: Vec<String>,
    /// The places they came to, in order: `0 call ioctl`, `1 heap-free`. Of a racing form, from the start line on.
    #[serde(default)]
    pub steps: Vec<String>,
    /// The detection reports that came while it ran, one line each.
    #[serde(default)]
    pub reports: Vec<String>,
    /// What the machine has more of, or less, than before.
    #[serde(default)]
    pub counts: BTreeMap<String, i64>,
}

/// The rounds of a racing form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Race {
    /// How many there were; where something was found, it was in the last.
    pub rounds: u64,
    /// Nanoseconds of the guest's that they took.
    pub ns: u64,
    /// Where their delays started.
    pub seed: u64,
}

impl Record {
    /// Reads one line.
    pub fn parse(line: &str) -> serde_json::Result<Record> {
        serde_json::from_str(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_is_read() {
        let line = r#"{"cell":"H1","discipline":"kref","verdict":"use-after-free","where":"pc=[<1>]",
            "detail":["open"],"reports":["1 use-after-free pc=[<1>] pid=3 comm=x"],"counts":{"objects":-1}}"#;
        let Record::Cell(cell) = Record::parse(line).unwrap() else { panic!("not a cell") };
        assert_eq!((cell.cell.as_str(), cell.verdict.as_str()), ("H1", "use-after-free"));
        assert_eq!(cell.counts["objects"], -1);
        let bare = r#"{"cell":"H1","discipline":"kref","verdict":"ok"}"#;
        let Record::Cell(cell) = Record::parse(bare).unwrap() else { panic!("not a cell") };
        assert_eq!((cell.place, cell.race), (None, None));
        let raced = r#"{"cell":"H1","discipline":"kref","verdict":"ok","race":{"rounds":5,"ns":7,"seed":9}}"#;
        let Record::Cell(cell) = Record::parse(raced).unwrap() else { panic!("not a cell") };
        assert_eq!(cell.race, Some(Race { rounds: 5, ns: 7, seed: 9 }));
        assert_eq!(
            Record::parse(r#"{"tainted":true,"done":2}"#).unwrap(),
            Record::Tainted { tainted: true, done: Some(2) }
        );
        assert_eq!(Record::parse(r#"{"done":3}"#).unwrap(), Record::Done { done: 3 });
        for wrong in ["", "{}", "[]", r#"{"cell":"H1"}"#, r#"{"done":-1}"#] {
            assert!(Record::parse(wrong).is_err(), "{wrong}");
        }
    }
}
