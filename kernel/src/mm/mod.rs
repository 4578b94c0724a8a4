//! Memory: page frames, the kernel object heap, address spaces, and the way to user memory.

pub mod user;
