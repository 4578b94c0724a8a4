//! What stands in for the machine on the host: there is no kernel of ours to ask.

use heaps::uapi::Errno;

/// Answers `ENOSYS`.
///
/// # Safety
/// None needed; the signature is the guest's.
pub unsafe fn svc(_nr: usize, _args: [usize; 6]) -> isize {
    Errno::ENOSYS.to_syscall()
}

/// Answers `ENOSYS`.
///
/// # Safety
/// None needed; the signature is the guest's.
pub unsafe fn clone_thread(_flags: usize, _stack: usize, _tls: usize, _ctid: usize) -> isize {
    // The guest enters a thread here; naming it keeps the host's lints to the same code.
    let _: unsafe extern "C" fn(*mut super::thread::Start) -> ! = super::thread::first_step;
    Errno::ENOSYS.to_syscall()
}

/// There is no thread pointer to read.
pub fn thread_pointer() -> usize {
    0
}

/// Answers `ENOSYS`.
///
/// # Safety
/// None needed; the signature is the guest's.
pub unsafe fn clone_and_exit(_number: usize, _args: [usize; 6]) -> isize {
    Errno::ENOSYS.to_syscall()
}

/// Does nothing.
///
/// # Safety
/// None needed; the signature is the guest's.
pub unsafe fn sigreturn(_stack: usize) {}

/// There is no handler.
pub fn empty_handler() -> (usize, usize) {
    (0, 0)
}
