//! From the kernel's entry to `main`, and the way out when a program panics.

use crate::rt::Args;
use core::ffi::{CStr, c_char};

/// The words the kernel left on the stack: argc, argv, envp, auxiliary vector (`fs/binfmt_elf.c`).
#[derive(Clone, Copy)]
pub struct InitialStack(*const usize);

impl InitialStack {
    /// Word `i`.
    ///
    /// # Safety
    /// `i` is within what the kernel wrote.
    unsafe fn word(self, i: usize) -> usize {
        // SAFETY: the kernel wrote the words and nothing overwrites them: the stack grows away from them.
        unsafe { *self.0.add(i) }
    }

    /// Number of arguments.
    pub fn argc(self) -> usize {
        // SAFETY: the first word is always there.
        unsafe { self.word(0) }
    }

    /// Argument `i`; `None` past the end and where it is not UTF-8.
    pub fn argument(self, i: usize) -> Option<&'static str> {
        if i >= self.argc() {
            return None;
        }
        // SAFETY: argv has argc entries, each the address of a C string that lives as long as the program.
        let text = unsafe { CStr::from_ptr(self.word(1 + i) as *const c_char) };
        text.to_str().ok()
    }

    /// Variable `i` of the environment, with its name; `None` past the end and where it is not UTF-8.
    pub fn variable(self, i: usize) -> Option<&'static str> {
        let first = self.argc() + 2;
        // SAFETY: envp follows the null word behind argv and ends with one itself; it is not walked past that.
        let text = unsafe {
            if (first..=first + i).any(|at| self.word(at) == 0) {
                return None;
            }
            CStr::from_ptr(self.word(first + i) as *const c_char)
        };
        text.to_str().ok()
    }

    /// The value of auxiliary vector entry `kind`.
    pub fn aux(self, kind: usize) -> Option<usize> {
        let mut at = self.argc() + 2;
        // SAFETY: envp ends with a null word, the auxiliary vector with a pair whose first word is zero;
        // neither is walked past its end.
        unsafe {
            while self.word(at) != 0 {
                at += 1;
            }
            at += 1;
            while self.word(at) != 0 {
                if self.word(at) == kind {
                    return Some(self.word(at + 1));
                }
                at += 2;
            }
        }
        None
    }
}

/// Where `_start` goes, with the address of the initial stack.
///
/// # Safety
/// `stack` is what the kernel left in the stack pointer.
#[cfg(target_os = "none")]
pub unsafe extern "C" fn entry(stack: *const usize) -> ! {
    unsafe extern "Rust" {
        safe fn lastref_main(args: Args) -> i32;
    }
    super::process::exit_group(lastref_main(Args::new(InitialStack(stack))))
}

/// On the host nothing enters; the arguments' constructor is named so that it is compiled there too.
#[cfg(not(target_os = "none"))]
const _: fn(InitialStack) -> Args = Args::new;
#[cfg(not(target_os = "none"))]
const _: fn(*const usize) -> InitialStack = InitialStack;

/// A panic ends the process with its message on standard error and status 101.
#[cfg(target_os = "none")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    crate::complain!("{info}");
    super::process::exit_group(101)
}
