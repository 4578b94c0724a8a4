//! Jobs: pipelines that nobody waits for, or that were stopped.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::rt::job::{self, Change};
use crate::say;

/// A pipeline that was started.
pub struct Job {
    /// Its process group; 0 where it is in the shell's.
    pub group: i32,
    /// Its processes that have not ended.
    pub alive: Vec<i32>,
    /// The one whose status counts, and that.
    pub last: (i32, i32),
    /// Whether it is stopped.
    pub stopped: bool,
    /// How it was written.
    pub text: String,
}

/// All of them, by number.
#[derive(Default)]
pub struct Jobs {
    all: BTreeMap<usize, Job>,
}

impl Jobs {
    /// Adds one; returns its number.
    pub fn add(&mut self, job: Job) -> usize {
        let number = self.all.keys().next_back().map_or(1, |last| last + 1);
        self.all.insert(number, job);
        number
    }

    /// The job that `%N`, or nothing for the latest, means.
    pub fn find(&self, name: Option<&str>) -> Option<usize> {
        match name {
            None => self.all.keys().next_back().copied(),
            Some(name) => name.strip_prefix('%')?.parse().ok().filter(|number| self.all.contains_key(number)),
        }
    }

    /// Job `number`.
    pub fn get(&mut self, number: usize) -> Option<&mut Job> {
        self.all.get_mut(&number)
    }

    /// Takes job `number` out.
    pub fn remove(&mut self, number: usize) -> Option<Job> {
        self.all.remove(&number)
    }

    /// Whether any runs.
    pub fn any_running(&self) -> bool {
        self.all.values().any(|job| !job.stopped && !job.alive.is_empty())
    }

    /// Waits for a child to change, or only looks; notes what became of it. False when there is nothing to wait for, or
    /// nothing has changed.
    pub fn wait(&mut self, waits: bool) -> bool {
        let Ok(Some((pid, change))) = job::next_change(waits) else { return false };
        if let Some(job) = self.all.values_mut().find(|job| job.alive.contains(&pid)) {
            match change {
                Change::Ended(status) => {
                    job.alive.retain(|&other| other != pid);
                    if job.last.0 == pid {
                        job.last.1 = status;
                    }
                }
                Change::Stopped(_) => job.stopped = true,
                Change::Continued => job.stopped = false,
            }
        }
        true
    }

    /// Says which jobs have ended since they were last looked at, and forgets them.
    pub fn report(&mut self) {
        while self.wait(false) {}
        self.all.retain(|number, job| {
            if job.alive.is_empty() {
                say!("[{number}] Done({}) {}", job.last.1, job.text);
            }
            !job.alive.is_empty()
        });
    }

    /// Lists them.
    pub fn list(&mut self) {
        while self.wait(false) {}
        for (number, job) in &self.all {
            let state = if job.alive.is_empty() {
                "Done"
            } else if job.stopped {
                "Stopped"
            } else {
                "Running"
            };
            say!("[{number}] {state} {}", job.text);
        }
        self.all.retain(|_, job| !job.alive.is_empty());
    }
}
