//! The module `no_exit`: started, and with nothing that would end it. (On Linux: `tests/c/conformance/module/no_exit.c`.)
#![forbid(unsafe_code)]
#![no_std]
#![no_main]

use sdk::{Module, Params, Resident, Result};

struct NoExit;

impl Resident for NoExit {
    fn start(_: Module, _: &Params<'_>) -> Result<NoExit> {
        Ok(NoExit)
    }
}

sdk::module! {
    resident: NoExit,
    name: "no_exit",
    description: "a module that cannot be ended",
    parameters: [],
    unloads: false,
}
