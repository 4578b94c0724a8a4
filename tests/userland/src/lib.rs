//! The tiny runtime EL0 programs stand on.
#![no_std]
