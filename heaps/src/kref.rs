//! Counted references: a count embedded in an object, and the owned pointers that keep it above zero.
//!
//! [`Kref`] is Linux's: an object that embeds one decides itself what the last put does. [`Ref`] is what safe
//! code uses: clone is get, drop is put, and the object is dropped by the last. (`Arc` would do, were its
//! allocation fallible and its misuse reported.)
#![allow(unsafe_code)]

use core::any::TypeId;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use alloc::boxed::Box;

use crate::Result;
use crate::fallible::try_box_with;
use crate::platform::Platform;
use crate::refcount::Refcount;

/// A count embedded in an object (Linux: `struct kref`). Misuse is told to the platform and saturates.
#[derive(Debug)]
pub struct Kref(Refcount);

impl Kref {
    /// The count of a new object: its maker's one reference.
    pub fn new() -> Kref {
        Kref(Refcount::new(1))
    }

    /// One more reference; the caller has one (Linux: `kref_get`).
    pub fn get<P: Platform>(&self) {
        self.0.inc().unwrap_or_else(|fault| P::refcount_fault(fault, self.address()));
        P::counted(self.address(), true);
    }

    /// A reference, unless the last has gone (Linux: `kref_get_unless_zero`). The caller knows by a lock, or
    /// another reference, that the count's memory is still there.
    #[must_use]
    pub fn get_unless_zero<P: Platform>(&self) -> bool {
        let got = self.0.inc_not_zero().unwrap_or_else(|fault| {
            P::refcount_fault(fault, self.address());
            true
        });
        if got {
            P::counted(self.address(), true);
        }
        got
    }

    /// One reference fewer; whether it was the last, so that the caller releases the object (Linux:
    /// `kref_put`). Otherwise the caller must not touch the object again.
    #[must_use]
    pub fn put<P: Platform>(&self) -> bool {
        P::counted(self.address(), false);
        self.0.dec_and_test().unwrap_or_else(|fault| {
            P::refcount_fault(fault, self.address());
            false
        })
    }

    /// What the platform knows the count by.
    fn address(&self) -> *const u8 {
        core::ptr::from_ref(self).cast()
    }
}

impl Default for Kref {
    fn default() -> Kref {
        Kref::new()
    }
}

/// What [`Ref`] can point to.
pub trait Counted: Send + Sync + Sized + 'static {
    /// Who hears about misuse.
    type Platform: Platform;
    /// What reports call the object.
    const KIND: &'static str;
}

struct Inner<T> {
    kref: Kref,
    value: T,
}

/// A counted reference to a `T` on the heap.
///
/// # Invariants
/// `inner` came from a leaked box, and one count of its kref belongs to this value.
pub struct Ref<T: Counted> {
    inner: NonNull<Inner<T>>,
    owns: PhantomData<Inner<T>>,
}

// SAFETY: a reference gives shared access and, to the last one, ownership; `Counted` demands Send and Sync.
unsafe impl<T: Counted> Send for Ref<T> {}
// SAFETY: as above.
unsafe impl<T: Counted> Sync for Ref<T> {}

impl<T: Counted> Ref<T> {
    /// Moves `value` to the heap; `ENOMEM` drops it.
    pub fn try_new(value: T) -> Result<Ref<T>> {
        Ref::try_new_with(|| Ok(value))
    }

    /// Makes a value for which there is room on the heap already; `ENOMEM`, or what `make` says.
    pub fn try_new_with(make: impl FnOnce() -> Result<T>) -> Result<Ref<T>> {
        let inner = Box::leak(try_box_with(|| Ok(Inner { kref: Kref::new(), value: make()? }))?);
        let inner = NonNull::from(inner);
        T::Platform::name_object(inner.as_ptr().cast(), T::KIND);
        Ok(Ref { inner, owns: PhantomData })
    }

    /// Whether both point to the same object.
    pub fn same(&self, other: &Ref<T>) -> bool {
        self.inner == other.inner
    }

    /// Whether `part` lies within the object, and so lives as long as it.
    pub(crate) fn contains<U>(&self, part: &U) -> bool {
        let object = core::ptr::from_ref(&**self).addr();
        let part = core::ptr::from_ref(part).addr();
        object <= part && part + size_of::<U>() <= object + size_of::<T>()
    }

    fn inner(&self) -> &Inner<T> {
        // SAFETY: by the invariant the object lives as long as this value.
        unsafe { self.inner.as_ref() }
    }
}

impl<T: Counted> Clone for Ref<T> {
    fn clone(&self) -> Ref<T> {
        self.inner().kref.get::<T::Platform>();
        Ref { inner: self.inner, owns: PhantomData }
    }
}

impl<T: Counted> Deref for Ref<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner().value
    }
}

impl<T: Counted> Drop for Ref<T> {
    fn drop(&mut self) {
        if self.inner().kref.put::<T::Platform>() {
            // SAFETY: the count was the last, so nobody else can reach the object, and by the invariant it came
            // from a box.
            drop(unsafe { Box::from_raw(self.inner.as_ptr()) });
        }
    }
}

/// A reference that is made when it is first needed, and then stays. It takes one word until then.
///
/// # Invariants
/// The pointer is null, or came from a [`Ref`] whose count belongs to this value, and does not change any more.
pub(crate) struct OnceRef<T: Counted>(AtomicPtr<Inner<T>>, PhantomData<Ref<T>>);

impl<T: Counted> OnceRef<T> {
    /// None yet.
    pub(crate) const fn new() -> OnceRef<T> {
        OnceRef(AtomicPtr::new(ptr::null_mut()), PhantomData)
    }

    /// The object, if it has been made.
    pub(crate) fn get(&self) -> Option<&T> {
        // SAFETY: by the invariant the object lives as long as this value.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }.map(|inner| &inner.value)
    }

    /// Another reference to the object, which `make` makes unless somebody has. `ENOMEM`.
    pub(crate) fn get_or_make(&self, make: impl FnOnce() -> T) -> Result<Ref<T>> {
        let inner = match NonNull::new(self.0.load(Ordering::Acquire)) {
            Some(inner) => inner,
            None => self.offer(Ref::try_new(make())?),
        };
        // The count behind it is this value's, and is not given up here.
        let ours = ManuallyDrop::new(Ref { inner, owns: PhantomData });
        Ok(Ref::clone(&ours))
    }

    /// Keeps `new`, unless somebody was first, whose object stays then.
    fn offer(&self, new: Ref<T>) -> NonNull<Inner<T>> {
        let made = new.inner.as_ptr();
        let set = self.0.compare_exchange(ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire);
        let first = set.err().and_then(NonNull::new);
        first.unwrap_or_else(|| ManuallyDrop::new(new).inner)
    }
}

impl<T: Counted> Drop for OnceRef<T> {
    fn drop(&mut self) {
        if let Some(inner) = NonNull::new(*self.0.get_mut()) {
            drop(Ref { inner, owns: PhantomData });
        }
    }
}

/// The type-erased form of a [`Ref`], for an object that keeps its parent alive without knowing what it is
/// (Linux: `kobject.parent`).
pub(crate) struct ErasedRef {
    inner: NonNull<()>,
    class: &'static Class,
}

struct Class {
    kind: fn() -> TypeId,
    put: unsafe fn(NonNull<()>),
}

// SAFETY: it stands for a Ref, which is both.
unsafe impl Send for ErasedRef {}
// SAFETY: as above.
unsafe impl Sync for ErasedRef {}

impl ErasedRef {
    pub(crate) fn new<T: Counted>(of: Ref<T>) -> ErasedRef {
        let of = ManuallyDrop::new(of);
        ErasedRef { inner: of.inner.cast(), class: const { &Class { kind: TypeId::of::<T>, put: put::<T> } } }
    }

    /// Another reference to the object, if it is a `T`.
    pub(crate) fn get<T: Counted>(&self) -> Option<Ref<T>> {
        if (self.class.kind)() != TypeId::of::<T>() {
            return None;
        }
        let same = ManuallyDrop::new(Ref::<T> { inner: self.inner.cast(), owns: PhantomData });
        Some(Ref::clone(&same))
    }
}

impl Drop for ErasedRef {
    fn drop(&mut self) {
        // SAFETY: this value owns one count of the object, of the type its class was made for.
        unsafe { (self.class.put)(self.inner) }
    }
}

/// # Safety
/// `inner` comes from a `Ref<T>` whose count passes to this call.
unsafe fn put<T: Counted>(inner: NonNull<()>) {
    drop(Ref::<T> { inner: inner.cast(), owns: PhantomData });
}
