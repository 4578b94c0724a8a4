//! What the module `ledger` offers to others.
#![forbid(unsafe_code)]
#![no_std]

use sdk::Result;

sdk::interface! {
    /// Books `bytes` more. `ENOMEM` when that is more than there may be, and nothing is booked.
    fn charge(bytes: usize) -> Result<()> = "ledger_charge";
    /// Takes `bytes` that were booked back.
    fn refund(bytes: usize) = "ledger_refund";
}
