//! Processes made to be thrown away, and what only they may do: any call with any arguments.

use super::process;
use super::{call, machine};
use crate::rt::abi::nr;
use heaps::uapi::errno::Result;

/// Shows that this process may come to any harm: nobody relies on its memory, and it ends soon.
#[derive(Clone, Copy)]
pub struct Expendable(());

/// Runs `f` in a child that may do itself any harm, and gives its id. Its end may come in any way.
pub fn spawn(f: impl FnOnce(Expendable) -> i32) -> Result<i32> {
    process::spawn(|| f(Expendable(())))
}

/// Any system call but those that come back twice or not at all (clone, clone3, rt_sigreturn).
///
/// # Panics
/// For those.
pub fn syscall(_: Expendable, number: usize, args: [usize; 6]) -> Result<usize> {
    assert!(![nr::CLONE, nr::CLONE3, nr::RT_SIGRETURN].contains(&number));
    // SAFETY: what it breaks is this process, which is there to be broken.
    unsafe { call(number, args) }
}

/// clone or clone3 with any arguments: the child ends at once and touches no memory, whatever it shares.
///
/// # Panics
/// For any other call.
pub fn clone(_: Expendable, number: usize, args: [usize; 6]) -> Result<usize> {
    assert!([nr::CLONE, nr::CLONE3].contains(&number));
    // SAFETY: the child uses registers alone; what it breaks by them is this process.
    heaps::uapi::Errno::from_syscall(unsafe { machine::clone_and_exit(number, args) })
}

/// rt_sigreturn with the stack pointer at `stack`: to wherever what lies there leads, if anywhere.
pub fn sigreturn(_: Expendable, stack: usize) {
    // SAFETY: where it goes on, only this process is broken by it.
    unsafe { machine::sigreturn(stack) }
}

/// Lets `signal` interrupt what a thread does, and do nothing else.
pub fn let_interrupt(_: Expendable, signal: u8) -> Result<()> {
    // struct sigaction: handler, flags (SA_RESTORER), restorer, mask.
    let (handler, restorer) = machine::empty_handler();
    let action = [handler, 0x0400_0000, restorer, 0];
    // SAFETY: the kernel reads four words.
    unsafe { call(nr::RT_SIGACTION, [signal.into(), action.as_ptr() as usize, 0, 8, 0, 0]) }.map(drop)
}
