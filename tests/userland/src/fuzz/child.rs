//! One child: threads that make call after call, until enough were made or one was the end of them.

use super::board::{Board, Lane};
use super::calls::CALLS;
use super::maker::Maker;
use super::names::{COPY, HOME, PREFIX};
use crate::guest::provider::Provider;
use crate::rt::abi::{self, nr};
use crate::rt::arch::expendable::{self, Expendable};
use crate::rt::rng::Rng;
use crate::rt::{Fd, Thread, file, module, process};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use heaps::uapi::dma_heap::DEV_DIR;

/// Calls of a child that was forked by a child.
const OFFSPRING_CALLS: u64 = 40;
/// How many of those a thread may make.
const OFFSPRING: u32 = 3;

/// What a child is to do; everything else follows from the seed.
#[derive(Clone, Copy)]
pub struct Orders {
    /// Where its threads' generators start.
    pub seed: u64,
    /// Its place on the board, which is also its directory's name.
    pub slot: usize,
    /// Calls of each of its threads.
    pub calls: u64,
    /// Whether it may take heaps away from under the others.
    pub providers: bool,
}

/// Does it all; the child's status.
pub fn run(token: Expendable, board: Arc<Board>, orders: Orders) -> i32 {
    let mut rng = Rng::new(orders.seed);
    for _ in 0..4 {
        rng.next_u64();
    }
    set_up(token, &orders);
    let threads = [1, 1, 2, 4][rng.below(4) as usize];
    let mut others = Vec::new();
    for i in 1..threads {
        let (board, rng) = (board.clone(), Rng::new(rng.next_u64()));
        others.push(Thread::spawn(i, move || {
            let _ = Caller::new(token, &board, i, &orders, rng).map(Caller::work);
        }));
    }
    if let Ok(mut caller) = Caller::new(token, &board, 0, &orders, rng) {
        others.iter().flatten().for_each(|thread| caller.maker.add_victim(thread.id()));
        caller.work();
    }
    // The other threads end in the middle of whatever they do.
    process::exit_group(0)
}

/// Descriptors of many kinds, a directory of its own. What cannot be had is not there.
fn set_up(token: Expendable, orders: &Orders) {
    // The console is the watcher's: a session of one's own has none to hang up, and no way to open it.
    let _ = expendable::syscall(token, 157, [0; 6]);
    let _ = expendable::let_interrupt(token, abi::SIGUSR1);
    let home = format!("{HOME}/{PREFIX}{}", orders.slot);
    let _ = file::mkdir(&home);
    let path = format!("{home}\0");
    let _ = expendable::syscall(token, 49, [path.as_ptr() as usize, 0, 0, 0, 0, 0]);
    let open = |path: &str, flags: u32| {
        let _ = Fd::open(path, flags).map(Fd::into_raw);
    };
    for standard in 0..3 {
        if let Ok(null) = Fd::open("/dev/null", abi::O_RDWR) {
            let _ = file::dup3(null.raw(), standard, 0);
        }
    }
    for heap in ["system", "default_cma_region", "reserved", "fz0"] {
        if let Ok(heap) = crate::guest::heap::Heap::open(heap) {
            for pages in [1, 4, 16] {
                core::mem::forget(heap.allocate(pages * abi::PAGE));
            }
            core::mem::forget(heap);
        }
    }
    open(DEV_DIR, abi::O_RDONLY);
    open(".", abi::O_RDONLY);
    open("/proc/self", abi::O_RDONLY);
    open("/proc/self/fd", abi::O_RDONLY);
    open("/proc/self/maps", abi::O_RDONLY);
    open("fz1", abi::O_RDWR | abi::O_CREAT);
    if orders.seed.is_multiple_of(4)
        && let Ok(image) = crate::guest::read_bytes("/bin/true")
    {
        let _ = file::unlink(COPY, 0);
        let _ = file::write_program(COPY, &image);
    }
    let mut pipe = [0u32; 2];
    let _ = expendable::syscall(token, 59, [pipe.as_mut_ptr() as usize, 0, 0, 0, 0, 0]);
}

/// One thread of a child.
struct Caller<'a> {
    token: Expendable,
    board: &'a Board,
    lane: Lane,
    orders: Orders,
    maker: Maker,
    offspring: u32,
}

impl<'a> Caller<'a> {
    fn new(
        token: Expendable,
        board: &'a Board,
        thread: usize,
        orders: &Orders,
        rng: Rng,
    ) -> heaps::uapi::errno::Result<Caller<'a>> {
        let lane = Board::lane(orders.slot, thread);
        let me = process::thread_id();
        board.enter(lane, me);
        let maker = Maker::new(rng, me)?;
        Ok(Caller { token, board, lane, orders: *orders, maker, offspring: OFFSPRING })
    }

    fn work(mut self) {
        let mut made = 0;
        while made < self.orders.calls {
            made += 1;
            match self.maker.rng.below(256) {
                0 if self.offspring > 0 => self.multiply(&mut made),
                1 if self.orders.providers => self.reload(),
                _ => self.call(),
            }
        }
    }

    fn call(&mut self) {
        let call = &CALLS[self.maker.rng.below(CALLS.len() as u64) as usize];
        let arguments = self.maker.arguments(call.arguments);
        // What ends a child at once is tried less often.
        let rare = match call.number {
            nr::EXIT | nr::EXIT_GROUP | nr::RT_SIGRETURN | nr::EXECVE | nr::EXECVEAT => 32,
            nr::KILL | nr::TKILL | nr::TGKILL => 32,
            _ => 1,
        };
        if self.maker.rng.below(rare) != 0 {
            return;
        }
        self.board.begin(self.lane, call.number, &arguments);
        match call.number {
            nr::RT_SIGRETURN => expendable::sigreturn(self.token, self.maker.signal_frame()),
            nr::CLONE | nr::CLONE3 => {
                if let Ok(child) = expendable::clone(self.token, call.number, arguments) {
                    self.maker.add_victim(child as i32);
                }
            }
            _ => drop(expendable::syscall(self.token, call.number, arguments)),
        }
        self.board.end(self.lane);
    }

    /// Forks a child that does the same for a while, with the same descriptors and a copy of the memory.
    fn multiply(&mut self, made: &mut u64) {
        self.offspring -= 1;
        match process::fork() {
            Ok(Some(child)) => self.maker.add_victim(child),
            Ok(None) => {
                self.offspring = 0;
                self.lane = self.board.nobodys();
                *made = self.orders.calls.saturating_sub(OFFSPRING_CALLS);
                self.maker.rng = Rng::new(self.orders.seed ^ u64::from(self.offspring) ^ *made);
                self.maker.add_victim(process::id());
            }
            Err(_) => {}
        }
    }

    /// Loads a provider of a heap, or takes one away.
    fn reload(&mut self) {
        let instance = self.maker.rng.below(3);
        let _ = match self.maker.rng.below(3) {
            0 => Provider::load_instance(&format!("fz{instance}"), instance as u32).map(drop),
            1 => module::delete(&format!("tee_heap_{instance}"), abi::O_NONBLOCK),
            _ => crate::guest::write_text(
                "/sys/bus/platform/drivers/tee_heap/unbind",
                &format!("tee_heap_{instance}"),
            ),
        };
    }
}
