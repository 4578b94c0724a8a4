//! Threads against each other: the lock order is checked at every step, and nothing may be left at the end.

use alloc::boxed::Box;
use alloc::format;
use std::thread;

use heaps::{CdevOps, Errno, Result};

use crate::chrdev::{self, CdevRef, DevT};
use crate::drivers::dma_heap::Kernel;
use crate::syscall::fd::*;
use crate::syscall::testing::{BUF, Process};
use crate::syscall::{Ctx, rw};
use crate::vfs::flags::*;
use crate::vfs::namespace::{self, By};
use crate::vfs::{FileOps, devtmpfs};

const ROUNDS: u32 = 2000;

struct Quiet;

impl CdevOps<Kernel> for Quiet {
    fn open(&self, _: &CdevRef, _: u32) -> Result<Box<dyn FileOps>> {
        Ok(Box::new(Quiet))
    }
}

impl FileOps for Quiet {}

#[test]
fn threads_share_descriptors_and_names() {
    let p = Process::new();
    p.mkdir("/d").unwrap();
    thread::scope(|scope| {
        for n in 0..4 {
            let (files, fs) = (p.files.clone(), p.fs.clone());
            scope.spawn(move || {
                let p = Process { files, fs };
                for round in 0..ROUNDS {
                    let (mine, other) = (format!("/d/{n}"), format!("/d/{}", (n + round) % 4));
                    let fd = p.open(&mine, O_CREAT | O_RDWR).unwrap();
                    p.write(fd, b"mine").unwrap();
                    let ctx: Ctx<'_> = p.ctx();
                    if let Ok(dup) = sys_dup(&ctx, fd) {
                        sys_close(&ctx, dup as i32).unwrap();
                    }
                    match p.open(&other, O_RDONLY) {
                        Ok(fd) => drop(sys_close(&ctx, fd)),
                        Err(e) => assert_eq!(e, Errno::ENOENT),
                    }
                    let _ = p.rename(&other, &format!("/d/moved{n}"));
                    let dir = p.open("/d", O_RDONLY | O_DIRECTORY).unwrap();
                    rw::sys_getdents64(&ctx, dir, BUF, 500).unwrap();
                    sys_close(&ctx, dir).unwrap();
                    let _ = p.unlink(&mine);
                    sys_close(&ctx, fd).unwrap();
                }
            });
        }
    });
    assert_eq!(p.files.next_open(0), None);
    for n in 0..4 {
        let _ = p.unlink(&format!("/d/{n}"));
        let _ = p.unlink(&format!("/d/moved{n}"));
    }
    assert_eq!(p.rmdir("/d"), Ok(0));
}

#[test]
fn nodes_come_and_go_under_those_who_open_them() {
    let p = Process::new();
    chrdev::register("stress", DevT::new(201, 0), 0o600, &Quiet).unwrap();
    let inode = || devtmpfs::node_inode(1, 0o600, DevT::new(201, 0));
    thread::scope(|scope| {
        for _ in 0..3 {
            let (files, fs) = (p.files.clone(), p.fs.clone());
            scope.spawn(move || {
                let p = Process { files, fs };
                for _ in 0..ROUNDS {
                    match p.open("/node", O_RDWR) {
                        Ok(fd) => drop(sys_close(&p.ctx(), fd).unwrap()),
                        Err(e) => assert_eq!(e, Errno::ENOENT),
                    }
                }
            });
        }
        for _ in 0..ROUNDS {
            namespace::add(By::Kernel, &p.fs.root(), b"node", inode()).unwrap();
            namespace::unlink(By::Kernel, &p.fs.root(), b"node").unwrap();
        }
    });
    devtmpfs::device_destroy(DevT::new(201, 0));
    assert!(devtmpfs::root().child(b"stress").is_none());
}
