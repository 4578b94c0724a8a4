//! A module that provides a heap: the trait it implements, and the glue between that and the kernel's calls.

use alloc::boxed::Box;

use heaps::fallible::try_box;
use heaps::{Errno, HeapOps, Result};
use spin::Mutex;

use crate::abi::{Params, ThisModule};
use crate::exports;

/// A provider of one heap, on one device.
pub trait Provider: Sized + Send + 'static {
    /// Reads its parameters. `EINVAL`, `ENODEV` where the machine lacks what it takes, `ENOMEM`.
    fn new(params: &Params<'_>) -> Result<Self>;

    /// Registers the heap. Called when the module is loaded, and whenever its device is bound again.
    fn probe(&self, module: Module) -> Result<Heap>;
}

/// The module itself, as the kernel knows it.
#[derive(Clone, Copy)]
pub struct Module(usize);

impl Module {
    /// The module of this descriptor.
    pub fn new(this: &'static ThisModule) -> Module {
        Module((&raw const *this).addr())
    }

    /// Registers a heap called `name` that works by `ops`. `EINVAL` for a name that cannot be a file's; `EBUSY`,
    /// `EEXIST`, `ENOMEM`. May sleep.
    pub fn register<O: HeapOps>(self, name: &str, ops: O) -> Result<Heap> {
        self.add(Some(name), Some(try_box(ops)?))
    }

    /// The same where name or operations may be missing, which is `EINVAL` (Linux: `dma_heap_add`).
    pub fn add(self, name: Option<&str>, ops: Option<Box<dyn HeapOps>>) -> Result<Heap> {
        exports::register_heap(self.0, name, ops).map(|handle| Heap { module: self, handle })
    }

    /// Takes a reference on the module, which cannot be unloaded meanwhile but by force. `ENODEV` when it is going, `ENOMEM`.
    pub fn hold(self) -> Result<Held> {
        exports::hold_module(self.0).map(Held)
    }

    /// Has the parameter `name` show `value` from now on: how a module tells user space something. `EINVAL` for one that
    /// it does not declare, `ENOMEM`.
    pub fn report(self, name: &str, value: &str) -> Result<()> {
        exports::report(self.0, name, value)
    }
}

/// A module's reference on itself; dropping it gives it back (Linux: `__module_get(THIS_MODULE)`, `module_put`).
pub struct Held(#[expect(dead_code, reason = "it is there to be dropped")] Box<dyn Send>);

/// A registered heap. Dropping it changes nothing: the kernel unregisters what a module leaves behind.
pub struct Heap {
    module: Module,
    handle: u64,
}

impl Heap {
    fn unregister(&self) -> Result<()> {
        exports::unregister_heap(self.module.0, self.handle)
    }

    fn unplug(&self) -> Result<()> {
        exports::unplug_heap(self.module.0, self.handle)
    }
}

struct State<P> {
    provider: P,
    heap: Option<Heap>,
}

/// A module's state, in its data section, and what the kernel's calls do with it. The kernel makes them one at a time;
/// if it did not, the later one would get `EBUSY`.
pub struct Glue<P> {
    state: Mutex<Option<State<P>>>,
}

impl<P: Provider> Glue<P> {
    /// A module that is not started.
    #[expect(clippy::new_without_default, reason = "for a static")]
    pub const fn new() -> Glue<P> {
        Glue { state: Mutex::new(None) }
    }

    /// The module's init: makes the provider and registers its heap.
    pub fn init(&self, module: Module, params: &Params<'_>) -> Result<()> {
        let mut state = self.state.try_lock().ok_or(Errno::EBUSY)?;
        let provider = P::new(params)?;
        let heap = Some(provider.probe(module)?);
        *state = Some(State { provider, heap });
        Ok(())
    }

    /// The module's exit: unregisters the heap, if it is there, and ends the provider. `EBUSY` when refused.
    pub fn exit(&self) -> Result<()> {
        let mut state = self.state.try_lock().ok_or(Errno::EBUSY)?;
        if let Some(heap) = state.as_ref().and_then(|state| state.heap.as_ref()) {
            heap.unregister()?;
        }
        *state = None;
        Ok(())
    }

    /// Registers the heap again. `EBUSY` when it is there.
    pub fn probe(&self, module: Module) -> Result<()> {
        let mut state = self.state.try_lock().ok_or(Errno::EBUSY)?;
        let state = state.as_mut().ok_or(Errno::ENODEV)?;
        if state.heap.is_some() {
            return Err(Errno::EBUSY);
        }
        state.heap = Some(state.provider.probe(module)?);
        Ok(())
    }

    /// Unregisters the heap. `ENODEV` when it is not there, `EBUSY` when refused.
    pub fn remove(&self) -> Result<()> {
        self.end(Heap::unregister)
    }

    /// The same when the device has gone, and its memory with it.
    pub fn unplug(&self) -> Result<()> {
        self.end(Heap::unplug)
    }

    fn end(&self, end: fn(&Heap) -> Result<()>) -> Result<()> {
        let mut state = self.state.try_lock().ok_or(Errno::EBUSY)?;
        let heap = &mut state.as_mut().ok_or(Errno::ENODEV)?.heap;
        end(heap.as_ref().ok_or(Errno::ENODEV)?)?;
        *heap = None;
        Ok(())
    }
}
