//! H10-fork `buffer-outlives-heap`: the process that allocated the buffer has closed it, its child holds it.
//!
//! After the heap has gone the child reads and writes through the mapping it inherited, uses the descriptor (SYNC,
//! SET_NAME, fdinfo), and ends: that frees the buffer.

use super::h10::{self, Outliver};
use super::stage::must;
use super::{Scenario, Stage, Stop};
use crate::guest::buffer::Buffer;
use crate::rt::{Fd, Mapping, Status, abi, process, socket};
use alloc::format;

pub const SCENARIO: Scenario = Scenario {
    id: "H10-fork",
    hazard: "buffer-outlives-heap (fork)",
    play,
    expected: h10::EXPECTED,
    race: h10::racing(|s| h10::race(s, "h10-fork", race)),
};

fn play(s: &mut Stage) -> Result<(), Stop> {
    let Outliver { provider, buffer, mapping } = h10::prepare(s, "h10-fork")?;
    let [tell, told] = must("socketpair", socket::pair(abi::SOCK_STREAM))?;
    let child = match must("fork", process::fork())? {
        Some(child) => child,
        None => {
            drop(tell);
            process::exit_group(outlive(s, &told, &buffer, &mapping))
        }
    };
    s.note(format_args!("fork"), format_args!("pid {child}"));
    drop(told);
    s.unmap(mapping)?;
    s.close_buffer(buffer)?;
    let gone = h10::heap_goes(s, &provider);
    if gone {
        must("send", socket::send(tell.raw(), b"!", abi::MSG_NOSIGNAL))?;
    }
    // Without a word, this is the word to end.
    drop(tell);
    let (_, status) = must("wait4", s.taken(format_args!("wait4 {child}"), || process::wait(child)))?;
    s.note(format_args!("the child"), status);
    match status {
        _ if !gone => Ok(()),
        Status::Exited(0) => h10::finish(s, &provider),
        _ => Err(Stop(format!("the child that held the buffer ended with {status}"))),
    }
}

/// The child's part, once it is told that the heap has gone. Its exit status.
fn outlive(s: &Stage, told: &Fd, buffer: &Buffer, mapping: &Mapping) -> i32 {
    if socket::receive(told.raw(), &mut [0], 0) != Ok(1) {
        return 0;
    }
    let used = h10::memory_works(s, mapping).and_then(|()| s.use_buffer(buffer));
    if let Err(Stop(why)) = &used {
        s.note(format_args!("the child stops"), why);
    }
    i32::from(used.is_err())
}

fn race(s: &Stage, buffer: Buffer, mapping: Mapping) -> Result<(), Stop> {
    let child = process::spawn(|| {
        s.start();
        let used = h10::memory_works(s, &mapping).and_then(|()| s.use_buffer(&buffer));
        i32::from(used.is_err())
    });
    let child = must("fork", child)?;
    s.unmap(mapping)?;
    s.close_buffer(buffer)?;
    match must("wait4", process::wait(child))? {
        (_, Status::Exited(0)) => Ok(()),
        (_, status) => Err(Stop(format!("the child that held the buffer ended with {status}"))),
    }
}
