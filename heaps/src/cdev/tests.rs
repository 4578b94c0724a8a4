//! Cdevs by themselves: what the VFS relies on.

use std::sync::Arc;

use super::*;
use crate::testing::{Inode, TestModule, TestPlatform};

type P = TestPlatform;

/// A device that cannot be opened.
struct Shut;

impl CdevOps<P> for Shut {
    fn open(&self, _cdev: &CdevRef<P>, flags: u32) -> Result<HeapFileOfNothing> {
        Err(Errno::new(flags as u16).unwrap())
    }
}

type HeapFileOfNothing = crate::HeapFile<P>;

struct Parent {
    cdev: Cdev<P>,
    gone: Arc<std::sync::atomic::AtomicBool>,
}

impl Counted for Parent {
    type Platform = P;
    const KIND: &'static str = "parent";
}

impl HasCdev for Parent {
    fn cdev(&self) -> &Cdev<P> {
        &self.cdev
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        self.gone.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

fn parent(owner: Option<TestModule>) -> (Ref<Parent>, Arc<std::sync::atomic::AtomicBool>) {
    let gone = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let cdev = Cdev::new(DevT::new(10, 1), &Shut, owner);
    (Ref::try_new(Parent { cdev, gone: gone.clone() }).unwrap(), gone)
}

fn is_gone(gone: &std::sync::atomic::AtomicBool) -> bool {
    gone.load(std::sync::atomic::Ordering::SeqCst)
}

#[test]
fn an_immortal_cdev_is_always_there() {
    let ptr = Cdev::<P>::immortal(DevT::new(1, 3), &Shut).unwrap();
    for _ in 0..3 {
        let cdev = ptr.get().unwrap();
        assert_eq!(cdev.devt(), DevT::new(1, 3));
        assert_eq!(cdev.open(13).err(), Some(Errno::EACCES));
        assert!(cdev.parent::<Parent>().is_none());
    }
}

#[test]
fn the_last_reference_takes_the_parent_with_it() {
    let (parent, gone) = parent(None);
    let own = Cdev::adopt(&parent).unwrap();
    assert!(Cdev::adopt(&parent).is_err());
    let open = own.ptr().get().unwrap();
    assert!(open.parent::<Parent>().unwrap().same(&parent));
    assert!(open.parent::<crate::discipline::lastref::Shell<P>>().is_none());
    drop(parent);
    drop(own);
    assert!(!is_gone(&gone));
    drop(open);
    assert!(is_gone(&gone));
}

#[test]
fn a_dying_cdev_is_not_revived_and_is_forgotten() {
    let (parent, _) = parent(None);
    let own = Cdev::adopt(&parent).unwrap();
    let ptr = own.ptr();
    let inode = Inode::new(DevT::new(10, 1));
    inode.cache(&ptr.get().unwrap()).unwrap();
    assert!(inode.caches_cdev());
    drop(own);
    assert!(!inode.caches_cdev());
    // The memory is there, thanks to `parent`; the cdev is not.
    assert!(ptr.get().is_none());
    assert!(Cdev::adopt(&parent).is_err());
}

#[test]
fn a_reference_pins_the_owner() {
    let module = TestModule::default();
    let (parent, _) = parent(Some(module.clone()));
    let own = Cdev::adopt(&parent).unwrap();
    let open = own.ptr().get().unwrap();
    assert_eq!(module.references(), 1);
    module.going();
    assert!(own.ptr().get().is_none());
    drop(own);
    assert_eq!(module.references(), 1);
    drop(open);
    assert_eq!(module.references(), 0);
}

#[test]
fn caches_that_are_gone_do_not_pile_up() {
    let (parent, _) = parent(None);
    let own = Cdev::adopt(&parent).unwrap();
    let open = own.ptr().get().unwrap();
    for _ in 0..1000 {
        Inode::new(DevT::new(10, 1)).cache(&open).unwrap();
    }
    assert!(parent.cdev.links.lock().caches.capacity() < 10);
}

#[test]
fn a_cdev_has_no_other_parent() {
    struct Impostor(Ref<Parent>);
    impl Counted for Impostor {
        type Platform = P;
        const KIND: &'static str = "impostor";
    }
    impl HasCdev for Impostor {
        fn cdev(&self) -> &Cdev<P> {
            &self.0.cdev
        }
    }
    let impostor = Ref::try_new(Impostor(parent(None).0)).unwrap();
    assert_eq!(Cdev::adopt(&impostor).err(), Some(Errno::EINVAL));
}
