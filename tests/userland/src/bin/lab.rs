//! `/bin/lab CELL...`: runs cells and writes a record for each to /dev/lab_records.
//!
//! Exits with 0 when every record that could be written was: whether the verdicts please is the reader's
//! business. 1 when the lab itself could not work, 2 for no cells.
#![cfg_attr(target_os = "none", no_std, no_main)]

use userland::complain;
use userland::lab::Lab;
use userland::rt::Args;

userland::program!(run);

fn run(args: Args) -> i32 {
    if args.count() < 2 {
        complain!("usage: lab CELL...");
        return 2;
    }
    match Lab::open().and_then(|mut lab| lab.run(args.rest())) {
        Ok(()) => 0,
        Err(e) => {
            complain!("lab: {e} ({})", e.text().unwrap_or("unknown error"));
            1
        }
    }
}
