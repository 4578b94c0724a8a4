//! Page frames for buffers.
#![forbid(unsafe_code)]
