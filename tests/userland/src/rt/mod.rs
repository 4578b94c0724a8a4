//! The runtime: what an EL0 program needs between the kernel's entry and its own `main`.
//!
//! Everything `unsafe` stands in [`arch`]; what is re-exported from there is safe to call.

pub mod abi;
pub mod arch;
mod args;
pub mod out;
pub mod rng;
pub mod scratch;
pub mod tap;

pub use arch::file::{self, Fd, Stat};
pub use arch::job;
pub use arch::lock::Lock;
pub use arch::memory::Mapping;
pub use arch::process::{self, Status};
pub use arch::thread::{self, Thread};
pub use arch::wild::{Arg, syscall};
pub use arch::{module, signal, socket, time};
pub use args::Args;
pub use scratch::Scratch;

/// Makes `fn run(args: Args) -> i32` (by whatever name) the program: entered by the kernel on the guest, by `std` on the
/// host (where every system call says `ENOSYS`). The value returned is the exit status.
#[macro_export]
macro_rules! program {
    ($main:path) => {
        #[cfg(target_os = "none")]
        #[unsafe(no_mangle)]
        fn lastref_main(args: $crate::rt::Args) -> i32 {
            $main(args)
        }

        #[cfg(not(target_os = "none"))]
        fn main() {
            let _: fn($crate::rt::Args) -> i32 = $main;
            eprintln!("this program runs on the guest; try `cargo run -- exec`");
            std::process::exit(1);
        }
    };
}
