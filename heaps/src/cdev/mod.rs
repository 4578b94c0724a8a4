//! Character devices as Linux's VFS keeps them (`fs/char_dev.c`): the hazards of closing and reopening live here.
//!
//! A [`Cdev`] is counted, and embedded in whatever it is the device of. The map of devices and the inodes that
//! cache it hold [`CdevPtr`]s, which count for nothing; what is open holds a [`CdevRef`]. When the last
//! reference goes, every cache that points to it is purged, and its parent, if it has one, is put. So no pointer
//! outlives its cdev, *as long as the memory it is embedded in lives until its count is zero*. A parent sees to
//! that. The disciplines that embed a cdev in an object with a count of its own do not, and their cdev may be
//! touched after it was freed: that is what they are here to show.
//!
//! How a VFS uses it. Open: under the inode's cache lock take the cached pointer, or else look the number up
//! under the map's lock, and [`CdevPtr::get`] it before that lock is dropped; cache it with
//! [`CdevRef::remember`]; then [`CdevRef::open`] with no lock held. Last close: the file's own release first,
//! then the [`CdevRef`], then the module reference of the operations.
#![allow(unsafe_code)]

mod devt;
#[cfg(all(test, not(feature = "loom")))]
mod tests;

pub use devt::DevT;

use alloc::boxed::Box;
use alloc::sync::Weak;
use alloc::vec::Vec;
use core::fmt;
use core::ptr::NonNull;

use lock_api::Mutex;

use crate::fallible::{try_box, try_push};
use crate::kref::{Counted, ErasedRef, Kref, Ref};
use crate::platform::{Event, Module, ModuleRef, Platform};
use crate::{Errno, Result};

/// What a character device does when opened (Linux: the `open` and `owner` of `struct file_operations`).
pub trait CdevOps<P: Platform>: Sync + 'static {
    /// Opens the device with the flags given to `openat`. Called without locks; may sleep.
    fn open(&self, cdev: &CdevRef<P>, flags: u32) -> Result<P::File>;

    /// The module that has this code, pinned while a file is open; `None` for the kernel itself.
    fn owner(&self) -> Option<P::Module> {
        None
    }
}

/// The module that has an open file's operations, kept loaded; `None` for the kernel itself.
pub type FopsModule<P> = Option<ModuleRef<<P as Platform>::Module>>;

/// Something that caches a [`CdevPtr`]: an inode (Linux: `inode->i_cdev`).
pub trait CdevCache: Send + Sync {
    /// Forgets the pointer, under the lock it is used under. Called without locks; must not sleep.
    fn forget(&self);
}

/// A character device (Linux: `struct cdev`), at rest in the object it belongs to.
pub struct Cdev<P: Platform> {
    kref: Kref,
    devt: DevT,
    owner: Option<P::Module>,
    ops: &'static dyn CdevOps<P>,
    links: Mutex<P::CdevLock, Links>,
}

#[derive(Default)]
struct Links {
    added: bool,
    parent: Option<ErasedRef>,
    caches: Vec<Weak<dyn CdevCache>>,
}

impl Links {
    fn take(&mut self) -> (Option<ErasedRef>, Vec<Weak<dyn CdevCache>>) {
        (self.parent.take(), core::mem::take(&mut self.caches))
    }
}

/// An object with a cdev embedded, that the cdev keeps alive.
pub trait HasCdev: Counted {
    /// The cdev: a field of `self`, and not of something it points to.
    fn cdev(&self) -> &Cdev<Self::Platform>;
}

impl<P: Platform> Cdev<P> {
    /// A cdev with one reference, its maker's, and not open to anybody yet. `owner` is pinned by every
    /// [`CdevRef`].
    pub fn new(devt: DevT, ops: &'static dyn CdevOps<P>, owner: Option<P::Module>) -> Cdev<P> {
        Cdev { kref: Kref::new(), devt, owner, ops, links: Mutex::new(Links::default()) }
    }

    /// A device that is never removed, such as `/dev/null`. `ENOMEM`.
    pub fn immortal(devt: DevT, ops: &'static dyn CdevOps<P>) -> Result<CdevPtr<P>> {
        let cdev = Box::leak(try_box(Cdev::new(devt, ops, None))?);
        P::name_object((&raw const *cdev).cast(), "cdev");
        Ok(CdevPtr(NonNull::from(cdev)))
    }

    /// Makes `parent` the parent of the cdev embedded in it, and hands out the cdev's first reference. `EBUSY`
    /// when that was done before; `EINVAL` when the cdev it names is not its own.
    pub fn adopt<T: HasCdev<Platform = P>>(parent: &Ref<T>) -> Result<OwnCdev<P>> {
        let cdev = parent.cdev();
        if !parent.contains(cdev) {
            return Err(Errno::EINVAL);
        }
        let mut links = cdev.links.lock();
        if links.added {
            return Err(Errno::EBUSY);
        }
        links.added = true;
        links.parent = Some(ErasedRef::new(parent.clone()));
        Ok(OwnCdev(CdevPtr(NonNull::from(cdev))))
    }
}

/// A cdev's first reference, its registration's. Dropping it is Linux's `cdev_del`, once unmapped.
pub struct OwnCdev<P: Platform>(CdevPtr<P>);

impl<P: Platform> OwnCdev<P> {
    /// The pointer to publish.
    pub fn ptr(&self) -> CdevPtr<P> {
        self.0
    }
}

impl<P: Platform> Drop for OwnCdev<P> {
    fn drop(&mut self) {
        // SAFETY: this value is one of the references counted.
        unsafe { put(self.0) }
    }
}

/// An uncounted pointer to a cdev, as the device map and the inodes hold it.
///
/// It is good for as long as its holder has not been told to forget it; see the [module](self) for who breaks
/// that promise.
pub struct CdevPtr<P: Platform>(NonNull<Cdev<P>>);

impl<P: Platform> Clone for CdevPtr<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: Platform> Copy for CdevPtr<P> {}

impl<P: Platform> PartialEq for CdevPtr<P> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<P: Platform> fmt::Debug for CdevPtr<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cdev {:p}", self.0)
    }
}

// SAFETY: it is an address until `get`, which demands what a shared reference demands, and a Cdev is Sync: its
// fields are a count, a lock, and values that are Sync themselves.
unsafe impl<P: Platform> Send for CdevPtr<P> {}
// SAFETY: as above.
unsafe impl<P: Platform> Sync for CdevPtr<P> {}

impl<P: Platform> CdevPtr<P> {
    /// A pointer to a cdev inside an object whose lifetime is not the cdev's to decide.
    pub(crate) fn embedded(cdev: NonNull<Cdev<P>>) -> CdevPtr<P> {
        CdevPtr(cdev)
    }

    /// A reference, unless the cdev is dying or its module going (Linux: `cdev_get`). The caller holds the lock
    /// of the map or the cache it found the pointer in.
    pub fn get(self) -> Option<CdevRef<P>> {
        // SAFETY: the pointer has not been purged from where it was found, so the cdev is there (see the
        // module's promise, and who breaks it).
        let cdev = unsafe { self.0.as_ref() };
        let owner = ModuleRef::pin(cdev.owner.as_ref()).ok()?;
        if !cdev.kref.get_unless_zero::<P>() {
            return None;
        }
        core::mem::forget(owner);
        Some(CdevRef(self))
    }
}

/// A counted reference to a cdev, which also pins the cdev's module. What the VFS holds while a file is open.
pub struct CdevRef<P: Platform>(CdevPtr<P>);

impl<P: Platform> CdevRef<P> {
    fn cdev(&self) -> &Cdev<P> {
        // SAFETY: this value is one of the references counted.
        unsafe { self.0.0.as_ref() }
    }

    /// The pointer to cache; see [`CdevRef::remember`].
    pub fn ptr(&self) -> CdevPtr<P> {
        self.0
    }

    /// The device number.
    pub fn devt(&self) -> DevT {
        self.cdev().devt
    }

    /// Promises that `cache`, which is about to hold [`CdevRef::ptr`], will be told to forget it in time.
    /// `ENOMEM`: then it must not hold it. May be called under the cache's lock.
    pub fn remember(&self, cache: Weak<dyn CdevCache>) -> Result<()> {
        let mut links = self.cdev().links.lock();
        if links.caches.len() == links.caches.capacity() {
            links.caches.retain(|cache| cache.strong_count() > 0);
        }
        try_push(&mut links.caches, cache)
    }

    /// Opens the device: its file, and the pinned module of the operations, which the VFS puts after the file is
    /// released and this reference dropped. `ENXIO` when that module is going, otherwise what the device says.
    /// May sleep.
    #[inline]
    pub fn open(&self, flags: u32) -> Result<(P::File, FopsModule<P>)> {
        let ops = self.cdev().ops;
        let module = ModuleRef::pin(ops.owner().as_ref()).map_err(|_| Errno::ENXIO)?;
        Ok((ops.open(self, flags)?, module))
    }

    /// A reference to the object the cdev is embedded in, if it has a parent and that is a `T`.
    pub(crate) fn parent<T: Counted<Platform = P>>(&self) -> Option<Ref<T>> {
        self.cdev().links.lock().parent.as_ref()?.get()
    }
}

impl<P: Platform> Drop for CdevRef<P> {
    /// Linux: `cdev_put`. The module is read before the put, which may free the cdev, and put after it.
    fn drop(&mut self) {
        P::trace(Event::CdevPut);
        // SAFETY: this value is one of the references counted; the borrow ends before the count is given back.
        let owner = unsafe { self.0.0.as_ref() }.owner.clone();
        // SAFETY: as above.
        unsafe { put(self.0) };
        if let Some(module) = owner {
            module.put();
        }
    }
}

/// Gives back a reference; the last purges the caches and puts the parent.
///
/// # Safety
/// The caller owns one of the references counted, and gives it up.
pub(crate) unsafe fn put<P: Platform>(ptr: CdevPtr<P>) {
    // SAFETY: the caller's reference keeps the cdev until the count is taken down, and the last reference's
    // parent keeps it until the parent is put, which is the last thing done.
    let cdev = unsafe { ptr.0.as_ref() };
    if !cdev.kref.put::<P>() {
        return;
    }
    P::trace(Event::CdevRelease { devt: cdev.devt });
    let (parent, caches) = cdev.links.lock().take();
    for cache in &caches {
        if let Some(cache) = cache.upgrade() {
            cache.forget();
        }
    }
    drop(caches);
    drop(parent);
}
