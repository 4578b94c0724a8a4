//! Heaps from the outside: modules, nodes, ioctls, descriptors and `/proc`, as a program meets them.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use std::sync::{Mutex, MutexGuard, Once};

use heaps::uapi::dma_heap::{AllocationData, DMA_HEAP_IOCTL_ALLOC};
use heaps::{Discipline, Errno, Result};

use super::HEAPS;
use crate::arch::USER_ARENA;
use crate::dt::{Purpose, Reserved};
use crate::mm::{module, user};
use crate::modules::testing;
use crate::syscall::attr::sys_fstat;
use crate::syscall::fd::{sys_close, sys_ioctl};
use crate::syscall::module::{sys_delete_module, sys_finit_module, sys_init_module};
use crate::syscall::names::sys_openat;
use crate::syscall::rw::sys_lseek;
use crate::syscall::testing::{Process, at};
use crate::vfs::flags::*;
use crate::vfs::mmap::{Mmap, MmapRequest};
use crate::vfs::procfs::tests::as_process;
use crate::vfs::{FdTable, FsContext, mounts};

const ARG: u64 = USER_ARENA.0 + 0x9000;

/// A process on the one machine these tests share, and the machine to itself.
fn machine() -> (Process, MutexGuard<'static, ()>) {
    static ALONE: Mutex<()> = Mutex::new(());
    static BOOT: Once = Once::new();
    static ROOT: spin::Once<Arc<crate::vfs::Dentry>> = spin::Once::new();
    let alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    BOOT.call_once(|| {
        ROOT.call_once(|| mounts::boot(b"").unwrap());
        crate::drivers::mem::init().unwrap();
        crate::drivers::console::init().unwrap();
        let (range, purpose) = (0x8000_0000..0x8040_0000, Purpose::Pool { default: true });
        super::regions::init(&[Reserved { range, purpose, name: "reserved" }], true).unwrap();
    });
    let root = ROOT.get().unwrap().clone();
    let process = Process { files: FdTable::new(), fs: FsContext::new(root) };
    as_process(&process.files, &process.fs.root());
    (process, alone)
}

fn load(image: &[u8], params: &str) -> Result<usize> {
    let (image_at, params_at) = (USER_ARENA.0 + 0x20000, at(3, params));
    user::write_bytes(image_at, image).unwrap();
    sys_init_module(image_at, image.len(), params_at)
}

fn tee(params: &str) -> Result<usize> {
    load(&testing::tee("tee_heap"), params)
}

/// A copy of the module under another name.
fn tee_b(params: &str) -> Result<usize> {
    load(&testing::tee("tee_heap_b"), params)
}

fn unload(name: &str) -> Result<usize> {
    sys_delete_module(at(2, name), 0)
}

fn alloc(p: &Process, heap: i32, len: u64) -> Result<i32> {
    let data = AllocationData { len, fd_flags: O_RDWR | O_CLOEXEC, ..AllocationData::default() };
    user::write(ARG, &data)?;
    sys_ioctl(&p.ctx(), heap, DMA_HEAP_IOCTL_ALLOC.raw(), ARG)?;
    Ok(user::read::<AllocationData>(ARG)?.fd as i32)
}

fn echo(p: &Process, text: &str, path: &str) -> Result<usize> {
    let fd = p.open(path, O_WRONLY)?;
    let outcome = p.write(fd, text.as_bytes());
    sys_close(&p.ctx(), fd).unwrap();
    outcome
}

fn cat(p: &Process, path: &str) -> String {
    String::from_utf8(p.contents(path).unwrap()).unwrap()
}

#[test]
fn a_heap_comes_and_goes_with_its_module() {
    let (p, _alone) = machine();
    assert_eq!(tee("name=one"), Ok(0));
    assert_eq!(tee("name=one"), Err(Errno::EEXIST));
    assert_eq!(tee_b("name=two"), Ok(0));
    assert_eq!(p.list("/dev/dma_heap"), [".", "..", "two", "one"]);
    assert_eq!(p.list("/sys/module"), [".", "..", "tee_heap_b", "tee_heap", "dma_heap", "udmabuf"]);
    let modules = cat(&p, "/proc/modules");
    assert!(modules.contains("tee_heap_b 12288 0 - Live 0xffff80008"), "{modules}");
    assert_eq!(unload("tee_heap_b"), Ok(0));
    assert_eq!(unload("tee_heap_b"), Err(Errno::ENOENT));
    assert_eq!(unload("tee_heap"), Ok(0));
    assert_eq!(p.stat("/dev/dma_heap"), Err(Errno::ENOENT));
    assert_eq!(HEAPS.counts(), heaps::Counts::default());
}

#[test]
fn a_failed_init_leaves_nothing() {
    let (p, _alone) = machine();
    assert_eq!(tee(""), Err(Errno::EINVAL));
    assert_eq!(tee("name="), Err(Errno::EINVAL));
    assert_eq!(tee("name=a/b"), Err(Errno::EINVAL));
    assert_eq!(tee("name=same"), Ok(0));
    assert_eq!(tee_b("name=same"), Err(Errno::EEXIST));
    assert_eq!(cat(&p, "/proc/modules").lines().count(), 1);
    assert_eq!(unload("tee_heap"), Ok(0));
    for image in [&b""[..], b"#!/bin/sh", &[0; 64], &[7; 5000]] {
        assert_eq!(load(image, ""), Err(Errno::ENOEXEC), "{image:?}");
    }
    assert_eq!(sys_init_module(8, 8, at(3, "")), Err(Errno::ENOEXEC));
    assert_eq!(sys_init_module(8, 64, at(3, "")), Err(Errno::EFAULT));
    assert_eq!(sys_init_module(at(2, ""), usize::MAX, at(3, "")), Err(Errno::ENOMEM));
    assert_eq!(module::mapped(), 0);
    assert_eq!(HEAPS.counts(), heaps::Counts::default());
}

#[test]
fn a_module_is_loaded_from_a_file() {
    let (p, _alone) = machine();
    p.create("/cma.ko", &testing::cma());
    let fd = p.open("/cma.ko", O_RDONLY).unwrap();
    for (flags, errno) in [(8, Errno::EINVAL), (4, Errno::EOPNOTSUPP), (2, Errno::ENOEXEC)] {
        assert_eq!(sys_finit_module(&p.ctx(), fd, at(3, ""), flags), Err(errno), "flags {flags}");
    }
    p.create("/empty.ko", b"");
    let (empty, write) = (p.open("/empty.ko", O_RDONLY).unwrap(), p.open("/cma.ko", O_WRONLY).unwrap());
    let null = p.open("/dev/null", O_RDONLY).unwrap();
    for (fd, errno) in
        [(empty, Errno::EINVAL), (write, Errno::EBADF), (null, Errno::EINVAL), (-1, Errno::EBADF)]
    {
        assert_eq!(sys_finit_module(&p.ctx(), fd, at(3, ""), 0), Err(errno), "descriptor {fd}");
    }
    assert_eq!(sys_finit_module(&p.ctx(), fd, at(3, ""), 0), Err(Errno::ETXTBSY));
    assert_eq!(sys_close(&p.ctx(), write), Ok(0));
    assert_eq!(sys_finit_module(&p.ctx(), fd, at(3, ""), 0), Ok(0));
    let heap = p.open("/dev/dma_heap/default_cma_region", O_RDONLY).unwrap();
    let buffer = alloc(&p, heap, 5000).unwrap();
    assert_eq!(sys_lseek(&p.ctx(), buffer, 0, 2), Ok(8192));
    for fd in [buffer, heap] {
        sys_close(&p.ctx(), fd).unwrap();
    }
    assert_eq!(unload("cma_heap"), Ok(0));
}

#[test]
fn an_open_heap_only_takes_ioctls() {
    let (p, _alone) = machine();
    tee("name=heap").unwrap();
    for mode in [O_RDONLY, O_WRONLY, O_RDWR, O_ACCMODE] {
        let heap = p.open("/dev/dma_heap/heap", mode).unwrap();
        let buffer = alloc(&p, heap, 1).unwrap();
        assert_eq!(p.files.cloexec(buffer), Ok(true));
        sys_close(&p.ctx(), buffer).unwrap();
        sys_close(&p.ctx(), heap).unwrap();
    }
    let heap = p.open("/dev/dma_heap/heap", O_RDWR).unwrap();
    assert_eq!(p.read(heap, 1), Err(Errno::EINVAL));
    assert_eq!(p.write(heap, b"x"), Err(Errno::EINVAL));
    assert_eq!(sys_lseek(&p.ctx(), heap, 0, 0), Err(Errno::ESPIPE));
    let file = p.files.get(heap).unwrap();
    let request = MmapRequest { offset: 0, len: 4096, shared: true, write: true };
    assert_eq!(file.ops().mmap(&file, &request).map(drop), Err(Errno::ENODEV));
    assert_eq!(alloc(&p, heap, 0), Err(Errno::EINVAL));
    assert_eq!(sys_ioctl(&p.ctx(), heap, 0x4801, ARG), Err(Errno::EINVAL));
    assert_eq!(sys_ioctl(&p.ctx(), heap, DMA_HEAP_IOCTL_ALLOC.raw(), 8), Err(Errno::EFAULT));
    // The number that a failed copy-out would have used is free again.
    assert_eq!(p.files.next_open(heap as usize + 1), None);
    drop(file);
    sys_close(&p.ctx(), heap).unwrap();
    assert_eq!(unload("tee_heap"), Ok(0));
}

#[test]
fn a_buffer_s_descriptor_says_what_it_is() {
    let (p, _alone) = machine();
    tee("name=heap").unwrap();
    let heap = p.open("/dev/dma_heap/heap", O_RDONLY).unwrap();
    let fd = alloc(&p, heap, 3 * 4096).unwrap();
    let info = cat(&p, &format!("/proc/self/fdinfo/{fd}"));
    assert!(info.starts_with("pos:\t0\nflags:\t02000002\n"), "{info}");
    assert!(info.contains("size:\t12288\ncount:\t1\nexp_name:\theap\n"), "{info}");
    assert_eq!(p.readlink(&format!("/proc/self/fd/{fd}")).unwrap(), "/dmabuf:");
    assert_eq!(p.open(&format!("/proc/self/fd/{fd}"), O_RDWR), Err(Errno::ENXIO));
    sys_fstat(&p.ctx(), fd, ARG).unwrap();
    assert_eq!(user::read::<i64>(ARG + 48), Ok(12288));
    let file = p.files.get(fd).unwrap();
    let map = |offset, len| file.ops().mmap(&file, &MmapRequest { offset, len, shared: true, write: true });
    assert!(matches!(map(4096, 8192), Ok(Mmap::Runs)));
    assert_eq!(map(4096, 12288).map(drop), Err(Errno::EINVAL));
    let mut pages = 0;
    file.ops()
        .map_runs(1, 2, &mut |_, n| {
            pages += n;
            Ok(())
        })
        .unwrap();
    assert_eq!(pages, 2);
    drop(file);
    sys_close(&p.ctx(), fd).unwrap();
    sys_close(&p.ctx(), heap).unwrap();
    assert_eq!(HEAPS.counts().buffers, 0);
    assert_eq!(unload("tee_heap"), Ok(0));
}

#[test]
fn a_held_module_stays_but_its_device_can_be_unbound() {
    let (p, _alone) = machine();
    tee("name=heap").unwrap();
    let unbind = "/sys/bus/platform/drivers/tee_heap/unbind";
    let heap = p.open("/dev/dma_heap/heap", O_RDONLY).unwrap();
    let buffer = alloc(&p, heap, 4096).unwrap();
    assert_ne!(cat(&p, "/sys/module/tee_heap/refcnt"), "0\n");
    assert_eq!(unload("tee_heap"), Err(Errno::EAGAIN));
    assert_eq!(echo(&p, "no_such\n", unbind), Err(Errno::ENODEV));
    assert_eq!(echo(&p, "tee_heap\n", unbind), Ok(9));
    assert_eq!(echo(&p, "tee_heap\n", unbind), Err(Errno::ENODEV));
    assert_eq!(p.open("/dev/dma_heap/heap", O_RDONLY), Err(Errno::ENOENT));
    assert_eq!(alloc(&p, heap, 4096), Err(Errno::ENODEV));
    assert_eq!(p.open(&format!("/proc/self/fd/{heap}"), O_RDONLY), Err(Errno::ENODEV));
    // The name is free at once, and the old descriptor does not become the new heap's.
    assert_eq!(echo(&p, "tee_heap", "/sys/bus/platform/drivers/tee_heap/bind"), Ok(8));
    assert_eq!(alloc(&p, heap, 4096), Err(Errno::ENODEV));
    assert_eq!(p.open(&format!("/proc/self/fd/{heap}"), O_RDONLY), Err(Errno::ENODEV));
    assert_eq!(sys_lseek(&p.ctx(), buffer, 0, 2), Ok(4096));
    sys_close(&p.ctx(), buffer).unwrap();
    sys_close(&p.ctx(), heap).unwrap();
    assert_eq!(unload("tee_heap"), Ok(0));
    assert_eq!(HEAPS.counts(), heaps::Counts::default());
}

#[test]
fn devices_of_the_machine_do_what_they_are_named_for() {
    let (p, _alone) = machine();
    let open = |path: &str| sys_openat(&p.ctx(), AT_FDCWD, at(0, path), O_RDWR, 0).unwrap() as i32;
    let (null, zero, full) = (open("/dev/null"), open("/dev/zero"), open("/dev/full"));
    assert_eq!((p.read(null, 9).unwrap().len(), p.read(zero, 5000).unwrap()), (0, alloc::vec![0; 5000]));
    assert_eq!((p.write(null, b"gone"), p.write(full, b"no")), (Ok(4), Err(Errno::ENOSPC)));
    assert_eq!(p.stat("/dev/null").unwrap().1, 0o020666);
}

#[test]
fn the_discipline_is_changed_only_while_there_are_no_heaps() {
    let (p, _alone) = machine();
    tee("name=heap").unwrap();
    assert_eq!(HEAPS.set_discipline(Discipline::Upstream), Err(Errno::EBUSY));
    unload("tee_heap").unwrap();
    assert_eq!(HEAPS.set_discipline(Discipline::KrefFull), Ok(()));
    tee("name=heap").unwrap();
    let heap = p.open("/dev/dma_heap/heap", O_RDONLY).unwrap();
    let buffer = alloc(&p, heap, 4096).unwrap();
    assert_eq!(unload("tee_heap"), Err(Errno::EAGAIN));
    assert_eq!(echo(&p, "tee_heap", "/sys/bus/platform/drivers/tee_heap/unbind"), Ok(8));
    sys_close(&p.ctx(), heap).unwrap();
    assert_eq!(HEAPS.set_discipline(Discipline::Lastref), Err(Errno::EBUSY));
    sys_close(&p.ctx(), buffer).unwrap();
    assert_eq!(unload("tee_heap"), Ok(0));
    assert_eq!(HEAPS.set_discipline(Discipline::Lastref), Ok(()));
}

#[test]
fn the_console_s_nodes_print_and_know_their_settings() {
    let (p, _alone) = machine();
    for node in ["/dev/console", "/dev/console_err", "/dev/tty", "/dev/lab_records"] {
        let fd = p.open(node, O_RDWR).unwrap();
        assert_eq!(p.write(fd, b"text"), Ok(4));
        let terminal = sys_ioctl(&p.ctx(), fd, 0x5401, ARG);
        assert_eq!(terminal, if node == "/dev/lab_records" { Err(Errno::ENOTTY) } else { Ok(0) });
        sys_close(&p.ctx(), fd).unwrap();
    }
    let fd = p.open("/dev/tty", O_RDWR | O_NONBLOCK).unwrap();
    assert_eq!(p.read(fd, 10), Err(Errno::EAGAIN));
    crate::drivers::console::tests::type_keys(b"hi\r");
    assert_eq!(p.read(fd, 10).unwrap(), b"hi\n");
}

#[test]
fn a_region_can_be_looked_into() {
    let (p, _alone) = machine();
    let read = |name: &str| cat(&p, &format!("/sys/kernel/debug/cma/reserved/{name}"));
    assert_eq!((read("count"), read("base_pfn")), ("1024\n".into(), "524288\n".into()));
    assert_eq!((read("used"), read("maxchunk")), ("0\n".into(), "1024\n".into()));
    assert!(read("map").starts_with("1 pages a character\n       0 ......"), "{}", read("map"));
}
