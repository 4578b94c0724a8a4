//! Detection reports: what was seen, where, by whom.

use crate::sync::order::{self, Rank};

/// A lock of `rank` is being taken while one of rank `held` (the highest held) is.
pub fn lock_order(rank: Rank, held: Rank) {
    panic!("lock order: {} taken under {}", order::name(rank), order::name(held));
}
