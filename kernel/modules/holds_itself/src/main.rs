//! The module `holds_itself`: holds a reference on itself as long as it is loaded, so that it is unloaded by force or never.
//! (On Linux: `tests/c/conformance/module/holds_itself.c`.)
#![forbid(unsafe_code)]
#![no_std]
#![no_main]

use sdk::{Held, Module, Params, Resident, Result};

struct HoldsItself {
    _reference: Held,
}

impl Resident for HoldsItself {
    fn start(module: Module, _: &Params<'_>) -> Result<HoldsItself> {
        Ok(HoldsItself { _reference: module.hold()? })
    }
}

sdk::module! {
    resident: HoldsItself,
    name: "holds_itself",
    description: "a module that is always in use",
    parameters: [],
    unloads: true,
}
