//! The module `sg_probe`: attaches a device of its own to the dma-buf behind a descriptor of whoever loads it, maps it, and
//! tells what runs it consists of. (On Linux: `tests/c/conformance/module/sg_probe.c`.)
#![forbid(unsafe_code)]
#![no_std]
#![no_main]
extern crate alloc;

use alloc::format;
use alloc::string::String;

use sdk::exports::visit_dma_buf;
use sdk::{Errno, Module, Params, Resident, Result};

/// Bytes there is room for, as on Linux.
const ROOM: usize = 122;

struct Probe;

impl Resident for Probe {
    fn start(module: Module, params: &Params<'_>) -> Result<Probe> {
        let fd = params.number("fd")?.unwrap_or(0);
        module.report("runs", &runs(i32::try_from(fd).map_err(|_| Errno::EBADF)?)?)?;
        Ok(Probe)
    }
}

/// `PAGES*COUNT` for each stretch of runs of one length, in the buffer's order; `more` where there is no room for all.
fn runs(fd: i32) -> Result<String> {
    let (mut text, mut stretch) = (String::new(), (0, 0));
    let mut tell = |(pages, count): (usize, usize)| {
        if count > 0 {
            text += &format!("{pages}*{count} ");
        }
    };
    visit_dma_buf(fd, &mut |pages| {
        if stretch.0 == pages {
            stretch.1 += 1;
        } else {
            tell(stretch);
            stretch = (pages, 1);
        }
    })?;
    tell(stretch);
    if text.len() > ROOM {
        text.truncate(ROOM);
        text += " more";
    }
    Ok(String::from(text.trim_end()))
}

sdk::module! {
    resident: Probe,
    name: "sg_probe",
    description: "looks at a dma-buf as a device does",
    parameters: [
        fd: ulong = "the dma-buf's descriptor",
        runs: charp = "out: what runs it consists of"
    ],
    unloads: true,
}
