//! What a machine said, kept for whoever has to find out why a trial failed.

use std::fmt::Write;

use lastref::{End, Event, Outcome};

/// Bytes of a transcript that are shown; of a longer one, the end.
const SHOWN: usize = 48 << 10;

/// Everything in the order it came, each line marked with where it came from.
#[derive(Clone, Debug, Default)]
pub struct Transcript(String);

impl Transcript {
    /// Writes down one event.
    pub fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::Stdout(bytes) => self.lines("out", &String::from_utf8_lossy(bytes)),
            Event::Stderr(bytes) => self.lines("err", &String::from_utf8_lossy(bytes)),
            Event::Log { line, .. } => self.lines("log", line),
            Event::Record(record) => self.lines("rec", &format!("{record:?}")),
        }
    }

    /// Writes down how the machine ended.
    pub fn end(&mut self, end: End) {
        self.lines("end", &describe(end));
    }

    fn lines(&mut self, from: &str, text: &str) {
        text.lines().for_each(|line| writeln!(self.0, "{from}| {line}").expect("a string takes all"));
    }

    /// The text, or the end of a long one.
    pub fn shown(&self) -> &str {
        tail(&self.0)
    }
}

/// What is known of a machine that was captured as a whole.
pub fn of(outcome: &Outcome) -> String {
    let mut transcript = Transcript::default();
    transcript.lines("log", &outcome.log);
    transcript.lines("err", &String::from_utf8_lossy(&outcome.stderr));
    transcript.lines("out", &String::from_utf8_lossy(&outcome.stdout));
    transcript.end(outcome.end);
    tail(&transcript.0).to_owned()
}

fn describe(end: End) -> String {
    match end {
        End::Status(status) => format!("powered off with status {status}"),
        End::TimedOut => "still running at its time-out".into(),
        End::Interrupted(signal) => format!("interrupted by signal {signal}"),
    }
}

fn tail(text: &str) -> &str {
    let from = text.len().saturating_sub(SHOWN);
    let from = (from..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    &text[from..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_marked_with_their_source() {
        let mut transcript = Transcript::default();
        transcript.note(&Event::Stdout(b"a\nb\n"));
        transcript.note(&Event::Log { line: "c", report: false });
        transcript.end(End::Status(3));
        assert_eq!(transcript.shown(), "out| a\nout| b\nlog| c\nend| powered off with status 3\n");
    }

    #[test]
    fn of_a_long_one_the_end_is_shown() {
        let text = "é".repeat(SHOWN);
        assert!(tail(&text).len() <= SHOWN && tail(&text).ends_with('é'));
        assert_eq!(tail(""), "");
        assert_eq!(tail("short"), "short");
    }
}
