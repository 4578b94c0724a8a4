//! The page of results, `docs/verdicts.md`: its rows are held to what the scenarios' files expect, and its ids to bringing
//! about what stands beside them.

use std::sync::Mutex;

use anyhow::{Context, Result, bail, ensure};
use lastref::detector::Detector;
use lastref::plan::SCENARIOS;
use lastref::replay::Id;
use libtest_mimic::Trial;

use crate::cells::{self, LIMIT, expected, meets, word};
use crate::trial;

const PAGE: &str = include_str!("../../docs/verdicts.md");
/// How often an id is played: on a host that is busy elsewhere a process may come to a place later than it should.
const ATTEMPTS: usize = 10;

/// A row of the page's tables: an id, and the verdict beside it.
#[derive(Debug, PartialEq, Eq)]
struct Row<'a> {
    id: &'a str,
    verdict: &'a str,
}

/// The rows that begin with an id: ``| `H1.kref.d-a2-12345678` | use-after-free | … |``.
fn rows(page: &str) -> Vec<Row<'_>> {
    let rows = page.lines().filter_map(|line| {
        let (id, rest) = line.strip_prefix("| `")?.split_once("` |")?;
        Some(Row { id, verdict: rest.split('|').next()?.trim() })
    });
    rows.filter(|row| row.id.contains(".d-") || row.id.contains(".r-")).collect()
}

/// What the tables say: `page::rows`; and each id that they name: `page::id::ID`.
pub fn trials() -> Vec<Trial> {
    let ids = rows(PAGE).into_iter().map(|row| trial(format!("page::id::{}", row.id), move || replay(&row)));
    std::iter::once(trial("page::rows", || check(PAGE))).chain(ids.collect::<Vec<_>>()).collect()
}

/// Whether each row is what its scenario's file expects, and every cell is there in which all three points fail.
fn check(page: &str) -> Result<()> {
    let rows = rows(page);
    let mut told = Vec::new();
    for Row { id, verdict } in &rows {
        let id: Id = id.parse().with_context(|| format!("the page has {id}"))?;
        let wanted = expected(id.scenario.id, id.discipline)?;
        ensure!(meets(verdict, wanted), "{id}: {wanted} is expected, the page says {verdict}");
        told.push((id.scenario.id, id.discipline));
    }
    for scenario in SCENARIOS {
        let is_told = told.contains(&(scenario.id, "kref-full"));
        let holds = expected(scenario.id, "kref-full")? == "ok";
        ensure!(is_told || holds, "{} fails under kref-full, and the page does not say so", scenario.id);
        ensure!(expected(scenario.id, "lastref")? == "ok", "{} is not ok under lastref", scenario.id);
    }
    Ok(())
}

/// Plays an id until it comes out as it says.
fn replay(row: &Row<'_>) -> Result<()> {
    // One at a time: whose order matters should not be kept from it by another.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().expect("no replay panics");
    let id: Id = row.id.parse()?;
    ensure!(!id.racing, "{id}: the page names races by hazard, not by id");
    let mut seen = Vec::new();
    for _ in 0..ATTEMPTS {
        let observed = cells::observe(id.scenario, id.discipline, Detector::Mte, LIMIT)?;
        let cell = &observed.observation().context("the cell was not reported")?.cell;
        ensure!(meets(&cell.verdict, word(row.verdict)), "{id}: observed {}", cell.verdict);
        let now = Id::of(cell).context("no step was taken")?;
        if now == id {
            return Ok(());
        }
        seen.push(format!("{now}"));
    }
    bail!("{id} came out as {}; the page has to be written anew", seen.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_with_ids_are_found() {
        let page = "| `H1.kref.d-a2-12345678` | use-after-free | text |\n| `kref` | ok | none |\ntext\n";
        assert_eq!(rows(page), [Row { id: "H1.kref.d-a2-12345678", verdict: "use-after-free" }]);
    }

    #[test]
    fn the_page_says_what_is_expected() {
        check(PAGE).unwrap();
        let row = rows(PAGE).into_iter().find(|row| row.id.starts_with("H12.kref-full.")).unwrap();
        let line = PAGE.lines().find(|line| line.contains(row.id)).unwrap();
        assert!(check(&PAGE.replace(line, "")).is_err(), "a row is missing");
        assert!(check(&PAGE.replace(line, &line.replacen(row.verdict, "refused(EBUSY)", 1))).is_err());
        assert!(check(&PAGE.replace(row.id, &row.id.replacen("d-", "d-b", 1))).is_err());
    }
}
