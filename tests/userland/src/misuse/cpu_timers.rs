//! Timers that go by CPU time, in a process that has nothing else.

use crate::rt::Status;
use crate::rt::arch::expendable;
use crate::rt::process;
use crate::rt::tap::Tap;

const SIGALRM: u8 = 14;
const TIMER_CREATE: usize = 107;
const TIMER_SETTIME: usize = 110;
/// CLOCK_PROCESS_CPUTIME_ID and CLOCK_THREAD_CPUTIME_ID.
const CLOCKS: [usize; 2] = [2, 3];

pub fn run(tap: &mut Tap) {
    for clock in CLOCKS {
        for interval in [0, 1_000_000] {
            let ended = expendable::spawn(|token| {
                let mut id = 0u32;
                let made = [clock, 0, &raw mut id as usize, 0, 0, 0];
                // Its interval, and when it comes first: after five milliseconds.
                let setting = [0, interval, 0, 5_000_000usize];
                let set = [0, 0, setting.as_ptr() as usize, 0, 0, 0];
                if expendable::syscall(token, TIMER_CREATE, made).is_err()
                    || expendable::syscall(token, TIMER_SETTIME, set).is_err()
                {
                    return 1;
                }
                loop {
                    process::give_way();
                }
            });
            let status = ended.and_then(process::wait).map(|(_, status)| status);
            let what = format_args!("clock {clock}, every {interval} ns: killed when it has run");
            tap.is(status, Ok(Status::Killed(SIGALRM)), what);
        }
    }
}
