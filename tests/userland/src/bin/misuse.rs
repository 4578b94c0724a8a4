//! `/bin/misuse CASE|all`: wrong use of the kernel, and what it answers. TAP; exits with 0 when every check
//! held, 2 for an unknown case.
#![cfg_attr(target_os = "none", no_std, no_main)]

use userland::misuse::CASES;
use userland::rt::Args;
use userland::{complain, say};

userland::program!(run);

fn run(args: Args) -> i32 {
    let name = args.get(1).unwrap_or("");
    if let Some(case) = CASES.iter().find(|case| case.name == name) {
        return case.run();
    }
    if name == "all" {
        return CASES
            .iter()
            .map(|case| {
                say!("# {}: {}", case.name, case.what);
                case.run()
            })
            .fold(0, i32::max);
    }
    complain!("usage: misuse CASE, where CASE is `all` or one of:");
    for case in &CASES {
        complain!("  {:<16} {}", case.name, case.what);
    }
    2
}
