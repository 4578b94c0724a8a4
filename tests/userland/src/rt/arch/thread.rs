//! Threads of one process: clone with everything shared, a mapped stack with a guard page, join by futex.

use super::lock::futex_wait;
use super::memory::Mapping;
use super::{machine, plain_call};
use crate::rt::abi::{self, nr};
use alloc::boxed::Box;
use core::sync::atomic::{AtomicU32, Ordering};
use heaps::uapi::Errno;
use heaps::uapi::errno::Result;

/// Bytes of a thread's stack, guard page included.
const STACK: usize = 64 * 1024;

const FLAGS: usize = abi::CLONE_VM
    | abi::CLONE_FS
    | abi::CLONE_FILES
    | abi::CLONE_SIGHAND
    | abi::CLONE_THREAD
    | abi::CLONE_SYSVSEM
    | abi::CLONE_SETTLS
    | abi::CLONE_CHILD_CLEARTID;

/// A running thread. Dropping it waits for its end, since its stack goes with it.
pub struct Thread {
    control: Box<Control>,
    id: i32,
    _stack: Mapping,
}

/// What a thread and its starter share; also what the thread pointer points at.
struct Control {
    /// 1 while the thread runs; the kernel clears it and wakes who waits.
    running: AtomicU32,
    /// The thread's own word, to tell threads apart through the thread pointer alone.
    local: usize,
}

/// What a new thread starts with.
pub struct Start {
    body: Box<dyn FnOnce() + Send>,
}

impl Thread {
    /// Starts `body` in a new thread whose thread-local word is `local`.
    pub fn spawn(local: usize, body: impl FnOnce() + Send + 'static) -> Result<Thread> {
        let stack = Mapping::anonymous(STACK)?;
        stack.protect(0, abi::PAGE, abi::PROT_NONE)?;
        let control = Box::new(Control { running: AtomicU32::new(1), local });
        let start = Box::into_raw(Box::new(Start { body: Box::new(body) }));
        let top = STACK - 16;
        stack.put_word(top, start as u64);
        let tls = &raw const *control as usize;
        let ctid = control.running.as_ptr() as usize;
        // SAFETY: the stack and the control block live in the `Thread`, which is not dropped before the
        // kernel cleared `running`.
        let ret = unsafe { machine::clone_thread(FLAGS, stack.address() + top, tls, ctid) };
        match Errno::from_syscall(ret) {
            Ok(id) => Ok(Thread { control, id: id as i32, _stack: stack }),
            Err(e) => {
                // SAFETY: no thread took it.
                drop(unsafe { Box::from_raw(start) });
                Err(e)
            }
        }
    }

    /// Its id, as gettid says in the thread.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// Waits for its end.
    pub fn join(self) {}
}

impl Drop for Thread {
    fn drop(&mut self) {
        while self.control.running.load(Ordering::Acquire) != 0 {
            futex_wait(&self.control.running, 1);
        }
    }
}

/// Where a new thread begins, on its own stack.
///
/// # Safety
/// `start` is what `Thread::spawn` made, and nobody else takes it.
pub unsafe extern "C" fn first_step(start: *mut Start) -> ! {
    // SAFETY: the caller's promise.
    let Start { body } = *unsafe { Box::from_raw(start) };
    body();
    let _ = plain_call!(nr::EXIT, 0);
    unreachable!("exit came back")
}

/// The word this thread was spawned with, read through the thread pointer. Only in spawned threads: the
/// first one has no block, and gets `None`.
pub fn local() -> Option<usize> {
    let pointer = machine::thread_pointer();
    // SAFETY: the thread pointer is zero or what `spawn` set, which outlives the thread.
    (pointer != 0).then(|| unsafe { (*(pointer as *const Control)).local })
}
