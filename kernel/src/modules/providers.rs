//! The heap providers that modules can name.
#![forbid(unsafe_code)]

use alloc::string::String;
use alloc::sync::Arc;

use heaps::exporter::{CmaHeap, SystemHeap};
use heaps::registry::Refused;
use heaps::{Errno, ProviderData, Registration, Result};

use super::module::Module;
use super::params::Params;
use super::tee::{Exit, Memory, TeeHeap};
use crate::drivers::dma_heap::{self, Kernel};
use crate::sync::{SpinLock, order};

/// A loaded provider. Its functions are called under the module lock, and may sleep.
pub trait Provider: Send + Sync {
    /// Whether its device exists.
    fn is_bound(&self) -> bool;

    /// Registers its heap.
    fn bind(&self) -> Result<()>;

    /// Unregisters its heap, if it is there, and frees what it passed at registration. `EBUSY` when refused.
    fn unbind(&self) -> Result<()>;

    /// The same, for a device that has gone with its memory.
    fn unplug(&self) -> Result<()>;

    /// Whether sysfs can bind and unbind it.
    fn unbindable(&self) -> bool;
}

/// A provider's init.
pub type Init = fn(&Params, &Module) -> Result<Arc<dyn Provider>>;

/// The provider called `name`.
pub fn by_name(name: &str) -> Option<Init> {
    match name {
        "system_heap" => Some(system),
        "cma_heap" => Some(cma),
        "tee_heap" => Some(tee),
        _ => None,
    }
}

fn system(_: &Params, module: &Module) -> Result<Arc<dyn Provider>> {
    let make = |name: &str, module| ProviderData::new(name, SystemHeap::<Kernel>::new(), Some(module));
    Device::start("system", module, false, make)
}

/// What the heap over the default region is called, where no `name=` says so. Linux 6.1 takes its region's name, which
/// is `reserved` for one that the command line asked for.
const DEFAULT_REGION: &str = "default_cma_region";

fn cma(params: &Params, module: &Module) -> Result<Arc<dyn Provider>> {
    let region = dma_heap::regions::default_pool().ok_or(Errno::ENODEV)?;
    let make = move |name: &str, module| ProviderData::new(name, CmaHeap::new(region), Some(module));
    Device::start(params.name().unwrap_or(DEFAULT_REGION), module, false, make)
}

fn tee(params: &Params, module: &Module) -> Result<Arc<dyn Provider>> {
    let name = params.name().ok_or(Errno::EINVAL)?;
    let exit = Exit::parse(params.exit())?;
    let memory = Memory::parse(params.memory())?;
    let make = move |name: &str, module| ProviderData::new(name, TeeHeap::new(exit, memory)?, Some(module));
    Device::start(name, module, true, make)
}

/// What comes of ending a registration.
type Ended = Result<ProviderData<Kernel>, Refused<Kernel>>;

/// A provider with one heap.
struct Device<M> {
    name: String,
    module: Module,
    unbindable: bool,
    make: M,
    registration: SpinLock<Option<Registration<Kernel>>, { order::HEAP_STATE }>,
}

impl<M> Device<M>
where
    M: Fn(&str, Module) -> Result<ProviderData<Kernel>> + Send + Sync + 'static,
{
    fn start(name: &str, module: &Module, unbindable: bool, make: M) -> Result<Arc<dyn Provider>> {
        let registration = SpinLock::new(None);
        let device = Device { name: name.into(), module: module.clone(), unbindable, make, registration };
        device.bind()?;
        Ok(Arc::new(device))
    }

    /// Ends the registration, if there is one, by `end`, and frees what was passed for it.
    fn end(&self, end: fn(Registration<Kernel>) -> Ended) -> Result<()> {
        let Some(registration) = self.registration.lock().take() else {
            return Ok(());
        };
        match end(registration) {
            Ok(data) => {
                data.free();
                Ok(())
            }
            Err(refused) => {
                *self.registration.lock() = Some(refused.registration);
                Err(refused.errno)
            }
        }
    }
}

impl<M> Provider for Device<M>
where
    M: Fn(&str, Module) -> Result<ProviderData<Kernel>> + Send + Sync + 'static,
{
    fn is_bound(&self) -> bool {
        self.registration.lock().is_some()
    }

    fn bind(&self) -> Result<()> {
        let data = (self.make)(&self.name, self.module.clone())?;
        let registration = dma_heap::HEAPS.register(data)?;
        *self.registration.lock() = Some(registration);
        Ok(())
    }

    fn unbind(&self) -> Result<()> {
        self.end(Registration::unregister)
    }

    fn unplug(&self) -> Result<()> {
        self.end(Registration::unplug)
    }

    fn unbindable(&self) -> bool {
        self.unbindable
    }
}
