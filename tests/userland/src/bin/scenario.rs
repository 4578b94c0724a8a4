//! `/bin/scenario CELL`: plays one hazard in this process, writing each step to the observation file.
//!
//! Exits with 0 when it came to its end, 1 when a step that had to work did not, 2 for an unknown cell.
#![cfg_attr(target_os = "none", no_std, no_main)]

use userland::complain;
use userland::guest::steps;
use userland::judge::Conclusion;
use userland::rt::Args;
use userland::scenarios::race::{self, Plan};
use userland::scenarios::{ALL, OBSERVATION, Scenario, Stage, find};

userland::program!(run);

fn run(args: Args) -> i32 {
    let asked = args.get(1).unwrap_or_default();
    let (id, plan) = asked.split_once(':').map_or((asked, None), |(id, plan)| (id, Some(Plan::parse(plan))));
    let (Some(scenario), None | Some(Some(_))) = (find(id), plan) else {
        complain!(
            "usage: scenario CELL, or CELL:ROUNDS:MS:SEED or CELL:follow:ORDER to race, where CELL is one of:"
        );
        for scenario in ALL {
            complain!("  {:<20} {}", scenario.id, scenario.hazard);
        }
        return 2;
    };
    match plan.flatten() {
        None => once(scenario),
        Some(plan) => race::race(scenario, plan, OBSERVATION).unwrap_or_else(|e| {
            complain!("scenario {}: the races could not be run: {e}", scenario.id);
            1
        }),
    }
}

fn once(scenario: &Scenario) -> i32 {
    let mut stage = match Stage::new() {
        Ok(stage) => stage,
        Err(e) => {
            complain!("scenario: cannot write the observation: {e}");
            return 1;
        }
    };
    let place = steps::record().and_then(|()| steps::Place::open());
    if let Err(e) = place.and_then(|place| place.enter(0)) {
        complain!("scenario: no steps are written down: {e}");
    }
    match (scenario.play)(&mut stage) {
        Ok(()) => 0,
        Err(stop) => {
            complain!("scenario {}: {}", scenario.id, stop.0);
            if stage.concluded() {
                stage.note(format_args!("clean-up failed"), &stop.0);
            } else {
                stage.conclude(Conclusion::Failed(stop.0));
            }
            1
        }
    }
}
