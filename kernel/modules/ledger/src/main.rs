//! The module `ledger`: one account for the memory of all heaps that keep their books here.
#![forbid(unsafe_code)]
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicUsize, Ordering};

use ledger_interface::Interface;
use sdk::{Errno, Result};

/// Bytes that may be booked at once.
const LIMIT: usize = 64 << 20;

static BOOKED: AtomicUsize = AtomicUsize::new(0);

fn charge(bytes: usize) -> Result<()> {
    let room = |now: usize| now.checked_add(bytes).filter(|&after| after <= LIMIT);
    BOOKED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).map(drop).map_err(|_| Errno::ENOMEM)
}

fn refund(bytes: usize) {
    BOOKED.fetch_sub(bytes, Ordering::Relaxed);
}

sdk::library! {
    name: "ledger",
    description: "one account for the memory of several heaps",
    exports: Interface {
        fn charge(bytes: usize) -> Result<()> = "ledger_charge";
        fn refund(bytes: usize) = "ledger_refund";
    },
}
