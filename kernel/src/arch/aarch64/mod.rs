//! The aarch64 machine, as QEMU's `virt` has it. The only place, with `mm`, that holds unsafe code.
//!
//! * [`head`], [`vectors`], [`exceptions`]: the first instructions, and the ways in and out
//! * [`layout`], [`table`], [`mmu`], [`pgtable`], [`tlb`], [`phys`], [`mem`], [`uaccess`]: memory
//! * [`context`], [`percpu`], [`smp`], [`hold`]: CPUs and what runs on them
//! * [`gic`], [`timer`], [`rtc`], [`uart`], [`power`], [`mte`], [`rng`]: devices and features
//! * [`detector`]: what keeps stale pointers from being used, [`mte`] or `kasan`, as the kernel was built
//! * [`mmio`], [`ecam`]: the registers of devices that drivers elsewhere know

pub mod backtrace;
pub mod cache;
pub mod context;
pub mod ecam;
pub mod exceptions;
pub mod gic;
pub mod head;
pub mod hold;
pub mod irq;
#[cfg(feature = "kasan")]
pub mod kasan;
pub mod layout;
pub mod mem;
pub mod mmio;
pub mod mmu;
pub mod mte;
pub mod percpu;
pub mod pgtable;
pub mod phys;
pub mod power;
pub mod rng;
pub mod rtc;
pub mod smp;
pub mod table;
pub mod timer;
pub mod tlb;
pub mod tls;
pub mod uaccess;
pub mod uart;
pub mod vectors;

pub use backtrace::backtrace_offsets;
pub use cache::publish_frames;
pub use context::{FpState, fp_load_current, fp_save_current};
pub use irq::{IrqFlags, irq_restore, irq_save};
#[cfg(feature = "kasan")]
pub use kasan as detector;
pub use layout::{IMAGE_BASE, MODULES_BASE, MODULES_SIZE, STACK_SIZE, STACKS_BASE, USER_END};
#[cfg(not(feature = "kasan"))]
pub use mte as detector;
pub use percpu::{MAX_CPUS, cpu_id, held_locks, set_held_locks};
pub use pgtable::{PageTable, UserRoot, deactivate};
pub use phys::{boot_image, copy_page, read_phys, write_phys, zero_pages};
pub use power::power_off;
pub use smp::barrier_everywhere;
pub use table::BLOCK_SIZE;
pub use timer::{counter_frequency, now_ns};
pub use tls::{current_tls, set_current_tls};
pub use uaccess::{Fault, copy_from_user, copy_to_user};
pub use vectors::TrapFrame;
