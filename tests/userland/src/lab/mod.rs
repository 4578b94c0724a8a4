//! The lab: runs cells one after another in processes of their own, and writes a record for each.
//!
//! A cell is a scenario, played once, `H1`, or its racing form, `H1:ROUNDS:MS:SEED`, or
//! one round of that in a given order of steps, `H1:follow:ORDER`.
//!
//! A cell that leaves the machine different from how it found it (a report, a count) is the last one here:
//! what comes after would not be its own fault alone.

use crate::guest::provider::{TEE_MODULE, load_module};
use crate::guest::{oracle, read_text, steps};
use crate::judge::record::{self, Record};
use crate::judge::{Ended, Observation, counts, judge, report};
use crate::rt::{Fd, abi, file, process, time};
use crate::scenarios;
use crate::scenarios::OBSERVATION;
use crate::scenarios::race::Plan;
use alloc::format;
use alloc::string::String;
use heaps::uapi::Errno;
use heaps::uapi::errno::Result;

/// The cell whose record the lab keeps to itself, so that the harness can prove that it misses one.
pub const UNTOLD: &str = "canary-under-report";
/// The cell that is played first and not told: it does nothing.
const REHEARSAL: &str = "canary-quiet";
/// The program that plays a cell.
const SCENARIO: &str = "/bin/scenario";
/// Nanoseconds a cell may take.
const PATIENCE: u64 = 10_000 * time::MS;
/// Nanoseconds a process may take to die of SIGKILL.
const GRACE: u64 = 2_000 * time::MS;
/// Nanoseconds between two looks at a running process.
const LOOK: u64 = 2 * time::MS;

/// A lab with its line to the launcher.
pub struct Lab {
    records: Fd,
    discipline: String,
    told: usize,
}

impl Lab {
    /// Opens the way out and finds out what discipline is in force.
    ///
    /// # Errors
    /// What opening the records' device, or reading the discipline, says.
    pub fn open() -> Result<Lab> {
        oracle::warm_up();
        let records = Fd::open("/dev/lab_records", abi::O_WRONLY | abi::O_CLOEXEC)?;
        match file::mkdir("/run") {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(e) => return Err(e),
        }
        rehearse()?;
        oracle::remember_references()?;
        oracle::watch_frames()?;
        let lab = Lab { records, discipline: oracle::discipline()?, told: 0 };
        // All that a cell takes once, it takes here.
        lab.observe(REHEARSAL)?;
        Ok(lab)
    }

    /// Runs the cells until the end or the first that taints the machine.
    ///
    /// # Errors
    /// What the kernel's files or the records' device say.
    pub fn run(&mut self, cells: impl Iterator<Item = &'static str>) -> Result<()> {
        for cell in cells {
            if self.cell(cell)? {
                return self.tell(record::tainted(self.told));
            }
        }
        self.tell(record::done(self.told))
    }

    /// Runs one cell, writes its record, and says whether the machine is another now.
    fn cell(&mut self, cell: &str) -> Result<bool> {
        let (line, changed) = self.observe(cell)?;
        if cell != UNTOLD {
            self.tell(line)?;
            self.told += 1;
        }
        Ok(changed)
    }

    /// Runs one cell: its record, and whether the machine is another now.
    fn observe(&self, cell: &str) -> Result<(String, bool)> {
        forget_observation()?;
        steps::record()?;
        let reports_before = oracle::reports()?;
        let counts_before = oracle::settled_counts()?;
        oracle::mark()?;
        let (id, plan) = asked(cell);
        let ended = play(cell, plan.map_or(0, Plan::ns))?;
        let text = read_text(OBSERVATION).unwrap_or_default();
        let steps = steps::taken()?;
        forget_observation()?;
        let mut counts = counts::delta(&counts_before, &oracle::settled_counts()?);
        let survivors = oracle::survivors()?;
        if !survivors.is_empty() {
            // Said even where as many older objects went, which the counts would not show.
            counts.push((String::from("survivors"), survivors.lines().count() as i64));
        }
        let reports = report::fresh(&reports_before, oracle::reports()?);
        let observation = Observation::parse(&text);
        let judgement = judge(&reports, ended, observation.conclusion.as_ref(), &counts);
        let expected = scenarios::find(id)
            .map(|s| if plan.is_some() { &s.race.finds } else { &s.expected })
            .and_then(|expected| expected.under(&self.discipline));
        let record = Record {
            cell: id,
            discipline: &self.discipline,
            judgement: &judgement,
            expected: expected.unwrap_or(""),
            ended,
            observation: &observation,
            reports: &reports,
            counts: &counts,
            survivors: &survivors,
            seed: plan.map(Plan::seed),
            steps: &steps,
        };
        let changed = !reports.is_empty() || !counts.is_empty() || ended == Ended::TimedOut;
        Ok((record.line(), changed))
    }

    fn tell(&self, line: String) -> Result<()> {
        file::write_all(self.records.raw(), format!("{line}\n").as_bytes())
    }
}

/// Has the kernel's own tables grow, before anything is counted, to what a cell needs: a process, a sleep, an entry
/// in the module list.
fn rehearse() -> Result<()> {
    let pid = process::spawn(|| {
        // Refused for want of a name, after it was entered.
        let refused = load_module(TEE_MODULE, "");
        i32::from(refused.is_ok())
    })?;
    time::sleep(LOOK)?;
    wait_for(pid, GRACE).map(drop)
}

/// Removes the last cell's observation, so that neither its text nor its memory is there for the next.
fn forget_observation() -> Result<()> {
    match file::unlink(OBSERVATION, 0) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(e) => Err(e),
    }
}

/// The scenario's id in a cell, and the plan where it is its racing form.
fn asked(cell: &str) -> (&str, Option<Plan<'_>>) {
    cell.split_once(':').map_or((cell, None), |(id, plan)| (id, Plan::parse(plan)))
}

/// Plays a cell in a process of its own and waits for its end: `planned` nanoseconds, and then not for ever.
fn play(cell: &str, planned: u64) -> Result<Ended> {
    let pid = process::spawn(|| {
        let why = process::execute(SCENARIO, &[SCENARIO, cell]);
        crate::complain!("lab: {SCENARIO}: {why}");
        127
    })?;
    if let Some(status) = wait_for(pid, PATIENCE + planned)? {
        return Ok(Ended::By(status));
    }
    process::kill(pid, abi::SIGKILL)?;
    // One that cannot even be killed is left; its task is in the counts.
    wait_for(pid, GRACE)?;
    Ok(Ended::TimedOut)
}

/// How `pid` ended, or `None` when it has not after `patience` nanoseconds.
fn wait_for(pid: i32, patience: u64) -> Result<Option<process::Status>> {
    let start = time::now();
    loop {
        if let Some(status) = process::poll(pid)? {
            return Ok(Some(status));
        }
        if time::now() - start > patience {
            return Ok(None);
        }
        time::sleep(LOOK)?;
    }
}
