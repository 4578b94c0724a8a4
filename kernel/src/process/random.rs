//! Numbers for programs that ask for random ones. Unpredictable from inside a program, not for cryptography:
//! xoshiro256** over the counter and whatever the device tree seeds it with.
#![forbid(unsafe_code)]

use crate::arch;
use crate::sync::{IrqLock, order};

static STATE: IrqLock<[u64; 4], { order::LOG }> =
    IrqLock::new([0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb, 1]);

/// Mixes in bytes that differ from boot to boot.
pub fn seed(bytes: &[u8]) {
    let mut state = STATE.lock();
    for (i, &byte) in bytes.iter().enumerate() {
        state[i % 3] = state[i % 3].rotate_left(8) ^ u64::from(byte);
        step(&mut state);
    }
}

/// Fills `into`.
pub fn fill(into: &mut [u8]) {
    let mut state = STATE.lock();
    state[0] ^= arch::now_ns();
    for chunk in into.chunks_mut(8) {
        let bytes = step(&mut state).to_ne_bytes();
        chunk.copy_from_slice(&bytes[..chunk.len()]);
    }
}

fn step(s: &mut [u64; 4]) -> u64 {
    let result = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
    let t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = s[3].rotate_left(45);
    result
}
