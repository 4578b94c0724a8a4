//! The order of a last close, and what becomes of an inode's cached cdev.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::RefCell;

use heaps::cdev::{HasCdev, OwnCdev};
use heaps::kref::{Counted, Ref};
use heaps::{CdevOps, Errno, Result};

use super::*;
use crate::modules::Module;
use crate::vfs::devtmpfs::node_inode;
use crate::vfs::open::open_dentry;
use crate::vfs::{Dentry, File, FileOps};

std::thread_local! {
    static EVENTS: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

fn note(event: &'static str) {
    EVENTS.with_borrow_mut(|events| events.push(event));
}

fn events() -> Vec<&'static str> {
    EVENTS.take()
}

/// A device whose end is noted.
struct Device(Cdev);

impl Counted for Device {
    type Platform = Kernel;
    const KIND: &'static str = "mock device";
}

impl HasCdev for Device {
    fn cdev(&self) -> &Cdev {
        &self.0
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        note("cdev_put");
    }
}

struct Ops;

impl CdevOps<Kernel> for Ops {
    fn open(&self, _: &CdevRef, flags: u32) -> Result<Box<dyn FileOps>> {
        if flags & crate::vfs::flags::O_APPEND != 0 {
            return Err(Errno::EPERM);
        }
        note("open");
        Ok(Box::new(Open))
    }
}

/// The same operations, out of a module.
struct OfModule;

fn code() -> &'static Module {
    static CODE: spin::Once<Module> = spin::Once::new();
    CODE.call_once(|| Module::new("code"))
}

impl CdevOps<Kernel> for OfModule {
    fn open(&self, cdev: &CdevRef, flags: u32) -> Result<Box<dyn FileOps>> {
        Ops.open(cdev, flags)
    }

    fn owner(&self) -> Option<Module> {
        Some(code().clone())
    }
}

struct Open;

impl FileOps for Open {}

impl Drop for Open {
    fn drop(&mut self) {
        note("release");
    }
}

/// A device with a number of its own, its first reference, and a node leading to it.
fn device(minor: u32, owner: Option<Module>) -> (OwnCdev<Kernel>, Arc<Dentry>) {
    device_with(&Ops, minor, owner)
}

fn device_with(
    ops: &'static dyn CdevOps<Kernel>,
    minor: u32,
    owner: Option<Module>,
) -> (OwnCdev<Kernel>, Arc<Dentry>) {
    let devt = DevT::new(200, minor);
    let device = Ref::try_new(Device(Cdev::new(devt, ops, owner))).unwrap();
    let own = Cdev::adopt(&device).unwrap();
    map(devt, own.ptr()).unwrap();
    (own, Dentry::anonymous(b"node", node_inode(1, 0o600, devt)))
}

fn cached(node: &Dentry) -> bool {
    node.inode().char_node().unwrap().i_cdev.cached().is_some()
}

#[test]
fn the_last_close_releases_then_puts_the_cdev_then_the_module() {
    struct Watch(Module);
    impl Drop for Watch {
        fn drop(&mut self) {
            let still = self.0.refcount() == 1;
            note(if still { "module is held" } else { "module is free" });
        }
    }
    struct Watched(Cdev, #[expect(dead_code, reason = "dropped after the device")] Watch);
    impl Counted for Watched {
        type Platform = Kernel;
        const KIND: &'static str = "mock device";
    }
    impl HasCdev for Watched {
        fn cdev(&self) -> &Cdev {
            &self.0
        }
    }
    impl Drop for Watched {
        fn drop(&mut self) {
            note("cdev_put");
        }
    }

    let owner = Module::new("mock");
    let devt = DevT::new(200, 1);
    let cdev = Cdev::new(devt, &Ops, Some(owner.clone()));
    let parent = Ref::try_new(Watched(cdev, Watch(owner.clone()))).unwrap();
    let own = Cdev::adopt(&parent).unwrap();
    drop(parent);
    map(devt, own.ptr()).unwrap();
    let node = Dentry::anonymous(b"node", node_inode(1, 0o600, devt));
    let file = open_dentry(&node, 0).unwrap();
    unmap(devt);
    drop(own);
    assert_eq!(events(), ["open"]);
    assert_eq!(owner.refcount(), 1);
    drop(file);
    assert_eq!(events(), ["release", "cdev_put", "module is held"]);
    assert_eq!(owner.refcount(), 0);
}

#[test]
fn an_inode_caches_its_cdev_until_that_is_gone() {
    let (own, node) = device(2, None);
    assert!(!cached(&node));
    let file = open_dentry(&node, 0).unwrap();
    assert!(cached(&node));
    drop(file);
    assert!(cached(&node));
    // The number leads nowhere any more, but the inode still knows where it led.
    unmap(DevT::new(200, 2));
    let again = open_dentry(&node, 0).unwrap();
    drop(own);
    assert!(cached(&node));
    drop(again);
    assert!(!cached(&node));
    assert_eq!(open_dentry(&node, 0).map(drop), Err(Errno::ENXIO));
    assert_eq!(events(), ["open", "release", "open", "release", "cdev_put"]);
}

#[test]
fn an_inode_goes_on_to_a_number_s_next_device_only_after_the_last_one_s_end() {
    let (first, node) = device(3, None);
    let file = open_dentry(&node, 0).unwrap();
    unmap(DevT::new(200, 3));
    drop(first);
    let (second, _) = device(3, None);
    let slot = || node.inode().char_node().unwrap().i_cdev.cached();
    let before = slot();
    drop(open_dentry(&node, 0).unwrap());
    assert_eq!(slot(), before);
    drop(file);
    drop(open_dentry(&node, 0).unwrap());
    assert_eq!(slot(), Some(second.ptr()));
}

#[test]
fn a_failed_open_keeps_nothing() {
    let owner = Module::new("mock");
    let (own, node) = device(4, Some(owner.clone()));
    assert_eq!(open_dentry(&node, crate::vfs::flags::O_APPEND).map(drop), Err(Errno::EPERM));
    assert_eq!(owner.refcount(), 0);
    unmap(DevT::new(200, 4));
    drop(own);
    assert!(events().ends_with(&["cdev_put"]));
}

#[test]
fn the_module_of_the_operations_is_pinned_by_what_is_open_alone() {
    let (own, node) = device_with(&OfModule, 7, None);
    assert_eq!(open_dentry(&node, crate::vfs::flags::O_APPEND).map(drop), Err(Errno::EPERM));
    assert_eq!(code().refcount(), 0);
    let file = open_dentry(&node, 0).unwrap();
    assert_eq!(code().refcount(), 1);
    drop(file);
    assert_eq!(code().refcount(), 0);
    unmap(DevT::new(200, 7));
    drop(own);
}

#[test]
fn a_dying_device_cannot_be_opened() {
    let owner = Module::new("mock");
    let (_own, node) = device(5, Some(owner.clone()));
    assert!(owner.stop(false));
    assert_eq!(open_dentry(&node, 0).map(drop), Err(Errno::ENXIO));
    unmap(DevT::new(200, 5));
}

#[test]
fn a_number_leads_to_one_device() {
    let (own, _) = device(6, None);
    assert_eq!(map(DevT::new(200, 6), own.ptr()), Err(Errno::EBUSY));
    unmap(DevT::new(200, 6));
    assert_eq!(map(DevT::new(200, 6), own.ptr()), Ok(()));
    unmap(DevT::new(200, 6));
}

#[test]
fn the_count_of_files_is_bounded_and_exact() {
    let inode = node_inode(1, 0o600, DevT::new(9, 9));
    let file = File::anonymous(inode, 0, Box::new(Open)).unwrap();
    assert!(crate::vfs::file::live() > 0);
    drop(file);
    assert_eq!(events(), ["release"]);
}
