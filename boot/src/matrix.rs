//! Draws the verdict matrix: a row for each scenario, a column for each discipline.

use crate::lab::Survey;
use crate::plan::Plan;
use crate::race::{Races, Tally};
use crate::terminal::{Colour, Style};

/// The widest a discipline's column may be, so that eight of them fit beside the hazards' names in
/// 112 characters.
const COLUMN: usize = 10;

/// Draws the matrix. Every line ends in a newline.
pub fn draw(plan: &Plan, survey: &Survey, style: Style) -> String {
    table(plan, style, |id, discipline| match survey.find(id, discipline) {
        Some(observation) => (colour(&observation.cell.verdict), wrap(&observation.cell.verdict)),
        None => (Colour::Magenta, wrap("lost")),
    })
}

/// Draws what races found, in the same shape: `2 in 30` rounds and the time to the first, or how many rounds found
/// nothing: `ok` where that is as it should be, `unseen` where there is something to find.
pub fn draw_races(plan: &Plan, races: &Races, style: Style) -> String {
    table(plan, style, |id, discipline| match races.find(id, discipline) {
        Some(tally) if tally.series.iter().any(|seen| seen.lost) || tally.series.is_empty() => {
            (Colour::Magenta, wrap("lost"))
        }
        Some(tally) => raced(tally),
        None => (Colour::Magenta, wrap("lost")),
    })
}

fn raced(tally: &Tally) -> (Colour, Vec<String>) {
    let (finds, rounds) = (tally.finds().count(), tally.rounds);
    let lines = match tally.first {
        Some(first) => vec![format!("{finds} in {rounds}"), crate::commands::time(first)],
        None if tally.is_unseen() => vec!["unseen".into(), format!("in {rounds}")],
        None if tally.expected == "ok" => vec!["ok".into(), format!("in {rounds}")],
        None => vec!["refused".into(), format!("in {rounds}")],
    };
    let colour = match (finds, tally.is_unseen(), tally.met) {
        (_, _, false) => Colour::Magenta,
        (0, false, _) => Colour::Green,
        (0, true, _) => Colour::Yellow,
        _ => Colour::Red,
    };
    (colour, lines)
}

/// Draws a table: a row for each scenario, a column for each discipline, and what `cell` says where they meet.
fn table(plan: &Plan, style: Style, cell: impl Fn(&str, &str) -> (Colour, Vec<String>)) -> String {
    let id_width = plan.scenarios.iter().map(|scenario| scenario.id.len()).max().unwrap_or(0);
    let labels: Vec<String> = plan
        .scenarios
        .iter()
        .map(|scenario| format!("{:id_width$} {}", scenario.id, scenario.hazard))
        .collect();
    let label_width = labels.iter().map(String::len).max().unwrap_or(0);
    let rule = "-".repeat(label_width + plan.disciplines.len() * (COLUMN + 1)) + "\n";

    let header: Vec<_> = plan.disciplines.iter().map(|name| (Colour::Bold, wrap(name))).collect();
    let mut drawing = row("", label_width, &header, style) + &rule;
    for (scenario, label) in plan.scenarios.iter().zip(&labels) {
        let cells: Vec<_> = plan.disciplines.iter().map(|discipline| cell(scenario.id, discipline)).collect();
        drawing += &row(label, label_width, &cells, style);
    }
    drawing + &rule
}

/// The colour of a verdict.
pub fn colour(verdict: &str) -> Colour {
    match verdict.split('(').next().unwrap_or_default() {
        "ok" => Colour::Green,
        "refused" | "leak" => Colour::Yellow,
        "crash" => Colour::Magenta,
        _ => Colour::Red,
    }
}

/// One row of the matrix, as many lines as its tallest cell.
fn row(label: &str, label_width: usize, cells: &[(Colour, Vec<String>)], style: Style) -> String {
    let height = cells.iter().map(|(_, lines)| lines.len()).max().unwrap_or(0).max(1);
    let mut drawing = String::new();
    for index in 0..height {
        let label = if index == 0 { label } else { "" };
        let mut line = format!("{label:label_width$}");
        let mut owed = 0; // blanks are drawn only when something follows them
        for (colour, lines) in cells {
            let text = lines.get(index).map_or("", String::as_str);
            owed += 1;
            if !text.is_empty() {
                line += &" ".repeat(owed);
                line += &style.paint(*colour, text);
                owed = 0;
            }
            owed += COLUMN.saturating_sub(text.chars().count());
        }
        drawing += line.trim_end();
        drawing.push('\n');
    }
    drawing
}

/// Breaks a text into lines of the column's width, after `-`, `,` or blanks and before `(`, or
/// anywhere when there is no such place.
fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for piece in pieces(text) {
        let line = lines.last_mut().expect("there is a first line");
        if line.len() + piece.trim_end().len() <= COLUMN {
            line.push_str(piece);
            continue;
        }
        // A name that fits but for the parenthesis before it is not cut.
        let piece = match piece.strip_prefix('(') {
            Some(name) if piece.len() > COLUMN && name.len() <= COLUMN && line.len() < COLUMN => {
                line.push('(');
                name
            }
            _ => piece,
        };
        let letters: Vec<char> = piece.chars().collect();
        lines.extend(letters.chunks(COLUMN).map(|chunk| chunk.iter().collect()));
    }
    lines.iter().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// Cuts a text at the places where a line may end.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(['-', ',', ' ']).flat_map(|piece| {
        let (head, tail) = piece.split_at(piece.find('(').unwrap_or(0));
        [head, tail].into_iter().filter(|part| !part.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Observation;
    use crate::plan::{DISCIPLINES, SCENARIOS};
    use crate::records::Cell;

    #[test]
    fn texts_are_broken_where_they_may_be() {
        assert_eq!(wrap("ok"), ["ok"]);
        assert_eq!(wrap("use-after-free"), ["use-after-", "free"]);
        assert_eq!(wrap("kref-open-close"), ["kref-open-", "close"]);
        assert_eq!(wrap("refused(EBUSY)"), ["refused", "(EBUSY)"]);
        assert_eq!(wrap("leak(objects, 192)"), ["leak", "(objects,", "192)"]);
        assert_eq!(wrap("deadlock(HEAP_LIST)"), ["deadlock(", "HEAP_LIST)"]);
        assert_eq!(wrap("deadlock(PROVIDER,DRAINED)"), ["deadlock", "(PROVIDER,", "DRAINED)"]);
        assert_eq!(wrap("abcdefghijklm"), ["abcdefghij", "klm"]);
    }

    #[test]
    fn the_whole_matrix_fits_a_wide_terminal() {
        let plan = Plan { scenarios: SCENARIOS.to_vec(), disciplines: DISCIPLINES.to_vec() };
        let mut survey = Survey::default();
        for discipline in DISCIPLINES {
            let cell = Cell {
                cell: "H1".into(),
                discipline: discipline.into(),
                verdict: "use-after-free(heap)".into(),
                ..Cell::default()
            };
            survey.cells.push(Observation { cell, ..Observation::default() });
        }
        let plain = draw(&plan, &survey, Style::PLAIN);
        assert!(plain.lines().all(|line| line.len() <= 120), "{plain}");
        assert!(!plain.contains('\x1b'));
        assert!(plain.contains("\nH1       ioctl-after-unregister use-after- use-after-"), "{plain}");
        assert!(plain.contains("\nH5       close-after-free       lost       lost"), "{plain}");
    }
}
