//! `/bin/scenario CELL`: plays one hazard in this process, writing each step to the observation file.
//!
//! Exits with 0 when it came to its end, 1 when a step that had to work did not, 2 for an unknown cell.
#![cfg_attr(target_os = "none", no_std, no_main)]

use userland::complain;
use userland::judge::Conclusion;
use userland::rt::Args;
use userland::scenarios::{ALL, Stage, find};

userland::program!(run);

fn run(args: Args) -> i32 {
    let Some(scenario) = args.get(1).and_then(find) else {
        complain!("usage: scenario CELL, where CELL is one of:");
        for scenario in ALL {
            complain!("  {:<20} {}", scenario.id, scenario.hazard);
        }
        return 2;
    };
    let mut stage = match Stage::new() {
        Ok(stage) => stage,
        Err(e) => {
            complain!("scenario: cannot write the observation: {e}");
            return 1;
        }
    };
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
