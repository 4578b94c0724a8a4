//! The discipline `lastref`: one shell for device, cdev and heap; files are revoked, buffers are pinned.
//!
//! The shell is the cdev's parent. A file holds the shell and, through the VFS, the cdev, whose reference is
//! dropped after the file's release: so the shell is there for the VFS's very last touch. Open finds the shell
//! through the cdev it came by, never by number; the number is held until the shell ends, so that it cannot come
//! to mean another heap while an inode remembers it. The name is free as soon as the heap is unregistered.
//!
//! What a file needs of the provider it gets under the guard, and not at all once that is empty. What a buffer
//! needs it holds: it may live for as long as it likes, and nobody waits for it.

use lock_api::RwLock;

use crate::attributes::Attributes;
use crate::cdev::{Cdev, DevT, HasCdev, OwnCdev};
use crate::dma_buf::DmaBuf;
use crate::kref::{Counted, Ref};
use crate::platform::{Event, ModuleRef, Platform, Point};
use crate::provider::Provider;
use crate::registry::{MinorClaim, NameClaim, Registry};
use crate::{Errno, Result};

use super::Hold;

/// Device, cdev and heap in one. It ends when registration, files and buffers all have let it go.
pub(crate) struct Shell<P: Platform> {
    registry: &'static Registry<P>,
    /// The provider while registered. Held for reading across every call of its operations.
    live: RwLock<P::HeapGuard, Option<Ref<Provider<P>>>>,
    cdev: Cdev<P>,
    minor: MinorClaim<P>,
}

impl<P: Platform> Counted for Shell<P> {
    type Platform = P;
    const KIND: &'static str = "heap shell";
}

impl<P: Platform> HasCdev for Shell<P> {
    fn cdev(&self) -> &Cdev<P> {
        &self.cdev
    }
}

impl<P: Platform> Drop for Shell<P> {
    fn drop(&mut self) {
        self.registry.heap_freed();
        P::trace(Event::HeapFree { minor: self.minor.number() as u32 });
    }
}

/// A registered shell: the registry's reference, the cdev's first, and the name.
pub(crate) struct Registered<P: Platform> {
    shell: Ref<Shell<P>>,
    cdev: OwnCdev<P>,
    name: NameClaim<P>,
    devt: DevT,
}

impl<P: Platform> Registered<P> {
    /// Builds a shell for a claimed minor and name, and publishes it last.
    ///
    /// The guard is held until nothing can fail any more: who opens the device before that waits for the outcome
    /// and finds either a heap, or one that never was.
    pub(crate) fn register(
        registry: &'static Registry<P>,
        (minor, name): (MinorClaim<P>, NameClaim<P>),
        provider: &Ref<Provider<P>>,
    ) -> Result<Registered<P>> {
        let devt = registry.devt(minor.number());
        registry.heap_made();
        let cdev = Cdev::new(devt, registry, None);
        let shell = Ref::try_new(Shell { registry, live: RwLock::new(None), cdev, minor })?;
        let cdev = Cdev::adopt(&shell)?;
        P::trace(Event::HeapAdd { minor: devt.minor() });
        let mut live = shell.live.write();
        P::cdev_map(devt, cdev.ptr())?;
        P::meet(Point::Live, devt.minor());
        if let Err(errno) = P::device_create(provider.name(), devt) {
            P::cdev_unmap(devt);
            return Err(errno);
        }
        *live = Some(provider.clone());
        drop(live);
        name.lead_to(&shell);
        Ok(Registered { shell, cdev, name, devt })
    }

    /// Off the list, unpublished, revoked, let go. Waits for calls in flight alone.
    pub(crate) fn unregister(self) {
        let Registered { shell, cdev, name, devt } = self;
        let minor = devt.minor();
        P::trace(Event::HeapUnregister { minor });
        drop(name);
        P::device_destroy(devt);
        P::cdev_unmap(devt);
        drop(cdev);
        let provider = shell.live.write().take();
        P::trace(Event::HeapDrained { minor });
        drop(provider);
        drop(shell);
        if P::traces_puts() {
            P::trace(Event::HeapPut { minor });
        }
    }
}

/// An open file's hold: the shell, not the provider.
pub(crate) struct File<P: Platform>(Ref<Shell<P>>);

impl<P: Platform> File<P> {
    /// Opens a heap found through its cdev; `ENODEV` once it is unregistered.
    pub(crate) fn open(shell: Ref<Shell<P>>) -> Result<File<P>> {
        let minor = shell.minor.number() as u32;
        P::meet(Point::Found, minor);
        if shell.live.read().is_none() {
            return Err(Errno::ENODEV);
        }
        P::trace(Event::HeapOpen { minor });
        Ok(File(shell))
    }

    /// Opens a heap found by name. Only the heap that is wanted is touched, and nothing is put under the lock.
    pub(crate) fn find(registry: &Registry<P>, name: &str) -> Result<File<P>> {
        let tables = registry.tables();
        let is_named = |(listed, shell): &(&str, &Ref<Shell<P>>)| {
            let same = *listed == name;
            if !same {
                P::meet(Point::Compared, shell.minor.number() as u32);
            }
            same
        };
        let shell = tables.shells().find(is_named).map(|(_, shell)| shell.clone());
        drop(tables);
        File::open(shell.ok_or(Errno::ENOENT)?)
    }

    /// Allocates a buffer; `ENODEV` once the heap is unregistered.
    pub(crate) fn allocate(&self, len: usize, flags: u64) -> Result<DmaBuf<P>> {
        let shell = &self.0;
        let live = shell.live.read();
        let provider = live.as_ref().ok_or(Errno::ENODEV)?;
        let pins =
            Pins { _module: provider.pin_module()?, provider: provider.clone(), _shell: shell.clone() };
        let table = provider.ops().allocate(len, flags)?;
        Ok(DmaBuf::new(shell.registry, Hold::Pins(pins), table))
    }
}

impl<P: Platform> File<P> {
    /// What the buffers are like; `ENODEV` once the heap is unregistered.
    pub(crate) fn attributes(&self) -> Result<Attributes> {
        let live = self.0.live.read();
        Ok(live.as_ref().ok_or(Errno::ENODEV)?.ops().attributes())
    }
}

/// A buffer's hold. The provider comes first: its end runs the module's code.
pub(crate) struct Pins<P: Platform> {
    provider: Ref<Provider<P>>,
    _module: Option<ModuleRef<P::Module>>,
    _shell: Ref<Shell<P>>,
}

impl<P: Platform> Pins<P> {
    pub(crate) fn provider(&self) -> &Provider<P> {
        &self.provider
    }
}
