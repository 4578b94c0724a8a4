//! ioctls: their numbers, and structures that could be right for them.

use crate::rt::rng::Rng;
use alloc::vec::Vec;
use heaps::uapi::dma_buf::{
    DMA_BUF_IOCTL_EXPORT_SYNC_FILE, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, DMA_BUF_IOCTL_SYNC, DMA_BUF_SET_NAME_A,
    DMA_BUF_SET_NAME_B,
};
use heaps::uapi::dma_heap::DMA_HEAP_IOCTL_ALLOC;

/// Terminals, files and sockets; a memfd's buffer. None takes the console: it is the watcher's, whom it would hang up.
const OTHERS: [u32; 16] = [
    0x5401,
    0x5402,
    0x5403,
    0x5404,
    0x540b,
    0x540f,
    0x5411,
    0x5413,
    0x5414,
    0x541b,
    0x5421,
    0x5422,
    0x5450,
    0x5451,
    0x4018_7542,
    0x4008_7543,
];

/// An ioctl's number and what its argument may point to.
pub fn make(rng: &mut Rng) -> (u32, Vec<u64>) {
    let (number, words) = match rng.below(8) {
        0..3 => (DMA_HEAP_IOCTL_ALLOC.raw(), allocation(rng)),
        3 => (DMA_BUF_IOCTL_SYNC.raw(), alloc::vec![rng.below(10)]),
        4 => {
            let number = [DMA_BUF_SET_NAME_A, DMA_BUF_SET_NAME_B][rng.below(2) as usize].raw();
            (number, alloc::vec![0x6566_6162, rng.below(2), 0, rng.below(2) * u64::MAX])
        }
        5 => {
            let number =
                [DMA_BUF_IOCTL_EXPORT_SYNC_FILE, DMA_BUF_IOCTL_IMPORT_SYNC_FILE][rng.below(2) as usize].raw();
            (number, alloc::vec![rng.below(8) | rng.below(40) << 32])
        }
        _ => {
            let number = OTHERS[rng.below(OTHERS.len() as u64) as usize];
            (number, (0..5).map(|_| rng.below(2) * rng.next_u64()).collect())
        }
    };
    let number = match rng.below(24) {
        // Another direction, size, type or number.
        0 => number ^ 1 << rng.below(32),
        1 => rng.next_u64() as u32,
        _ => number,
    };
    (number, words)
}

fn allocation(rng: &mut Rng) -> Vec<u64> {
    let length = match rng.below(12) {
        0 => 0,
        1 => rng.next_u64(),
        2 => 1 << rng.below(64),
        3 => 1 << 20,
        _ => 1 + rng.below(16 * 4096),
    };
    let flags = match rng.below(8) {
        0 => 1 << rng.below(32),
        1 => 0,
        _ => 0o2000002,
    };
    // The descriptor has to be zero.
    let fd = u64::from(rng.below(16) == 0);
    alloc::vec![length, fd | flags << 32, u64::from(rng.below(16) == 0)]
}
