//! The user-visible ABI: error numbers, ioctl numbers and structures, as Linux/arm64 defines them; of heaps and buffers,
//! and of the devices that buffers are handed to.
//!
//! Userland depends on this module alone.

pub mod dma_buf;
pub mod dma_heap;
pub mod drm;
pub mod edu;
pub mod errno;
pub mod fcntl;
pub mod ioctl;
pub mod ramfb;
pub mod sw_sync;
pub mod sync_file;
pub mod udmabuf;

pub use errno::Errno;
