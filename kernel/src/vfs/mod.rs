//! The virtual filesystem: names, inodes, open files, and what is mounted where.
//!
//! * [`inode`] and its [`attributes`], [`dentry`], [`namespace`], [`path`], [`mounts`]: the tree and how it is walked
//!   and changed
//! * [`mod@file`], [`open`], [`fdtable`], [`fs_context`]: what a process holds of it
//! * [`locks`], [`write_access`]: who may keep whom from a file
//! * [`io`], [`dir`], [`stat`], [`mmap`], [`poll`]: how bytes, entries, attributes, mappings and readiness travel
//! * [`mount_options`], [`mount_flags`]: what a mount says of a filesystem
//! * [`ramfs`] and its [`quota`], [`memfd`], [`pipe`] and [`fifo`], [`initramfs`], [`devtmpfs`]: filesystems with contents
//! * [`anon`], [`eventfd`], [`epoll`]: files without a name
//! * [`dynamic`], [`text`], [`pseudo`], [`procfs`], [`sysfs`], [`debugfs`]: filesystems made up on demand
//!
//! Lock order within: a directory's change lock, then an open file's position, then a file's contents; the
//! spinning locks of a descriptor table, an inode's cached cdev and a directory's entries are leaves, and nothing
//! is dropped under them.
#![forbid(unsafe_code)]

pub mod anon;
pub mod attributes;
mod bitmap;
mod children;
pub mod debugfs;
pub mod dentry;
pub mod devtmpfs;
pub mod dir;
pub mod dynamic;
pub mod epoll;
pub mod eventfd;
pub mod fdtable;
pub mod fifo;
pub mod file;
pub mod flags;
pub mod fs_context;
pub mod initramfs;
pub mod inode;
pub mod io;
pub mod locks;
pub mod longest;
pub mod memfd;
pub mod mmap;
pub mod mount_flags;
pub mod mount_options;
pub mod mounts;
pub mod namespace;
pub mod open;
pub mod parameters;
pub mod path;
pub mod pipe;
pub mod poll;
pub mod procfs;
pub mod pseudo;
pub mod quota;
pub mod ramfs;
pub mod stat;
pub mod sysfs;
mod sysfs_class;
pub mod text;

mod uses;
pub mod write_access;

#[cfg(test)]
mod stress_tests;

pub use dentry::Dentry;
pub use fdtable::FdTable;
pub use file::{File, FileOps};
pub use fs_context::FsContext;
pub use inode::Inode;
