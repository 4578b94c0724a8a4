//! Sockets. The one family is `AF_UNIX`: there is no network to reach.
//!
//! * [`uapi`]: the numbers and structures of the calls
//! * [`unix`]: the sockets themselves
//!
//! Names in the file tree, message headers and control messages are the business of
//! [`syscall`](crate::syscall::socket); here they are parsed already.
#![forbid(unsafe_code)]

pub mod uapi;
pub mod unix;

pub use unix::Socket;
