//! What implements a heap: operations, private data, and the name it is registered under.
//!
//! Models `struct dma_heap_export_info` and what a heap driver allocates around it. The private data and the
//! name belong to the *provider*, which frees them once unregistering has returned; the disciplines differ in
//! whether anything keeps them until then unused.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::attributes::Attributes;
use crate::dma_buf::DmaBuf;
use crate::fallible::{try_box, try_str};
use crate::kref::{Counted, Ref};
use crate::platform::{Event, ModuleRef, Platform};
use crate::sg::SgTable;
use crate::{Errno, Result};

/// A heap's operations; the private data they work on is the implementing value.
pub trait HeapOps: Send + Sync + 'static {
    /// What reports call the private data.
    fn kind(&self) -> &'static str;

    /// Allocates `len` bytes (whole pages, not 0) of zeroed memory; `flags` are valid heap flags. May sleep.
    /// `ENOMEM`; `EINTR` when the task was killed meanwhile. On an error nothing stays allocated.
    fn allocate(&self, len: usize, flags: u64) -> Result<SgTable>;

    /// Gives back what `allocate` gave. May sleep.
    fn release(&self, table: SgTable);

    /// The device has gone, and memory that was its own goes with it, now, whatever of it is handed out: `release` only
    /// counts from here on. For providers whose memory is not the machine's. May sleep.
    fn unplug(&self) {}

    /// What the buffers are like. Asked whenever somebody wants to know, and when a buffer is made, for whose life it
    /// then holds whether user space may map it.
    fn attributes(&self) -> Attributes {
        Attributes::SYSTEM
    }
}

/// A provider's pieces, as one counted object. What pins the provider holds one of these.
pub(crate) struct Provider<P: Platform> {
    ops: Box<dyn HeapOps>,
    name: Box<str>,
    module: Option<P::Module>,
    /// Its memory was taken away, under `lastref`; buffers that hold the provider look here.
    revoked: AtomicBool,
}

impl<P: Platform> Provider<P> {
    /// Takes the memory of every buffer away from whoever maps it, programs and devices. May sleep.
    pub(crate) fn revoke(&self) {
        self.revoked.store(true, Ordering::SeqCst);
        P::unmap_revoked();
        P::each_buffer(&mut DmaBuf::detach_revoked);
    }

    pub(crate) fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::SeqCst)
    }

    pub(crate) fn ops(&self) -> &dyn HeapOps {
        &*self.ops
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn pin_module(&self) -> Result<Option<ModuleRef<P::Module>>> {
        ModuleRef::pin(self.module.as_ref())
    }
}

impl<P: Platform> Drop for Provider<P> {
    fn drop(&mut self) {
        P::trace(Event::ProviderFree);
    }
}

impl<P: Platform> Counted for Provider<P> {
    type Platform = P;
    const KIND: &'static str = "heap provider";
}

/// A provider's own hold on its operations, private data and name. A heap driver makes one, hands it to
/// [`Registry::register`](crate::Registry::register), gets it back when unregistered, and [frees](Self::free) it.
pub struct ProviderData<P: Platform>(pub(crate) Ref<Provider<P>>);

impl<P: Platform> ProviderData<P> {
    /// Allocates private data (`ops`) and a copy of `name`. `module` is what a discipline pins, where it pins
    /// anything. `EINVAL` for a name that cannot be a file's, `ENOMEM`.
    pub fn new<O: HeapOps>(name: &str, ops: O, module: Option<P::Module>) -> Result<ProviderData<P>> {
        let ops = try_box(ops)?;
        let kind = ops.kind();
        ProviderData::boxed(Some(name), Some(ops), kind, module)
    }

    /// The same from private data that was allocated already; an error frees it. Reports call it `kind`, which has to
    /// outlive the module that `ops` come from.
    ///
    /// Either of name and operations may be missing, as in Linux's structure, for who passes on what others left out:
    /// that is `EINVAL`, whatever else is wrong. (Operations without `allocate` are none: a type has the whole trait or
    /// does not implement it.)
    pub fn boxed(
        name: Option<&str>,
        ops: Option<Box<dyn HeapOps>>,
        kind: &'static str,
        module: Option<P::Module>,
    ) -> Result<ProviderData<P>> {
        let (Some(name), Some(ops)) = (name, ops) else { return Err(Errno::EINVAL) };
        if name.is_empty() || name.len() > 255 || name == "." || name == ".." || name.contains(['/', '\0']) {
            return Err(Errno::EINVAL);
        }
        let name = try_str(name)?;
        P::name_object(name.as_ptr(), "heap name");
        if size_of_val(&*ops) != 0 {
            P::name_object((&raw const *ops).cast(), kind);
        }
        Ok(ProviderData(Ref::try_new(Provider { ops, name, module, revoked: AtomicBool::new(false) })?))
    }

    /// The name the heap is, or will be, registered under.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// What a provider's exit does: frees private data and name, or, where the discipline pins them, leaves
    /// that to whoever still holds them.
    pub fn free(self) {
        drop(self);
        P::trace(Event::ProviderPut);
    }
}
