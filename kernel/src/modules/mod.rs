//! Modules: loading and unloading the heap providers that are built in.
//!
//! A module's image is one line of text naming the provider. Init and exit run under one lock, so a name is loaded
//! or not; the list itself can be read meanwhile. Models `kernel/module/main.c`.
#![forbid(unsafe_code)]

mod image;
pub mod module;
mod params;
mod providers;
mod tee;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use heaps::{Errno, Result};

use crate::sync::{Mutex, SpinLock, order};
use crate::vfs::flags::O_TRUNC;
use alloc::sync::Arc;

pub use module::{Module, ModuleRef, State, references};
use params::Params;
pub use providers::Provider;

/// Longest module image and parameter text, in bytes.
pub const MAX_IMAGE: usize = 1 << 20;
/// What `/proc/modules` says a module's size is: they are built in.
const SIZE: usize = 4096;
/// Room made at first for the list, so that its own memory hardly ever changes.
const ROOM: usize = 160;

static OPERATIONS: Mutex<(), { order::MODULES }> = Mutex::new(());
static LIST: SpinLock<Vec<Arc<Loaded>>, { order::HEAP_STATE }> = SpinLock::new(Vec::new());

struct Loaded {
    module: Module,
    provider: SpinLock<Option<Arc<dyn Provider>>, { order::HEAP_STATE }>,
}

fn find(name: &str) -> Option<Arc<Loaded>> {
    LIST.lock().iter().find(|loaded| loaded.module.name() == name).cloned()
}

fn enlist(loaded: &Arc<Loaded>) -> Result<()> {
    let mut list = LIST.lock();
    let more = if list.capacity() == 0 { ROOM } else { 1 };
    list.try_reserve(more).map_err(|_| Errno::ENOMEM)?;
    list.push(loaded.clone());
    Ok(())
}

fn unlist(name: &str) {
    let mut list = LIST.lock();
    let at = list.iter().position(|loaded| loaded.module.name() == name);
    let gone = at.map(|at| list.remove(at));
    drop(list);
    drop(gone);
}

/// Loads the module in `image` (Linux: `init_module`). `ENOEXEC` for what is none, `EEXIST` when it is loaded,
/// `EINVAL` for its parameters, and what its init says. A failed init leaves nothing behind. May sleep.
pub fn init(image: &[u8], params: &str) -> Result<()> {
    load(image::builtin_name(image)?, params)
}

/// Loads a provider by name. As [`init`]; `ENOEXEC` for an unknown name. May sleep.
pub fn load(builtin: &str, params: &str) -> Result<()> {
    let params = Params::parse(params)?;
    let init = providers::by_name(builtin).ok_or(Errno::ENOEXEC)?;
    let name = params.instance().map_or_else(|| builtin.into(), |i| format!("{builtin}_{i}"));
    let _order = OPERATIONS.lock();
    if find(&name).is_some() {
        return Err(Errno::EEXIST);
    }
    let module = Module::new(&name);
    let loaded = Arc::new(Loaded { module: module.clone(), provider: SpinLock::new(None) });
    enlist(&loaded)?;
    match init(&params, &module) {
        Ok(provider) => {
            *loaded.provider.lock() = Some(provider);
            module.set_state(State::Live);
            Ok(())
        }
        Err(e) => {
            unlist(&name);
            Err(e)
        }
    }
}

/// Unloads a module (Linux: `delete_module`). `ENOENT` when it is not loaded, `EWOULDBLOCK` while somebody holds it,
/// unless `O_TRUNC` forces, `EBUSY` when its exit refuses. May sleep.
pub fn delete(name: &str, flags: u32) -> Result<()> {
    let _order = OPERATIONS.lock();
    let loaded = find(name).ok_or(Errno::ENOENT)?;
    let provider = loaded.provider.lock().clone().ok_or(Errno::EBUSY)?;
    if !loaded.module.stop(flags & O_TRUNC != 0) {
        return Err(Errno::EAGAIN);
    }
    if let Err(e) = provider.unbind() {
        loaded.module.restart();
        return Err(e);
    }
    unlist(name);
    Ok(())
}

/// Ends the device of a loaded module, whoever holds the module (sysfs `unbind`). `ENODEV` when there is no such
/// device bound, `EBUSY` when the discipline refuses. May sleep.
pub fn unbind(name: &str) -> Result<()> {
    let _order = OPERATIONS.lock();
    bound_device(name)?.unbind()
}

/// The same when the device has gone, and its memory with it (hot unplug).
pub fn unplug(name: &str) -> Result<()> {
    let _order = OPERATIONS.lock();
    bound_device(name)?.unplug()
}

fn bound_device(name: &str) -> Result<Arc<dyn Provider>> {
    let provider = device(name)?;
    if provider.is_bound() { Ok(provider) } else { Err(Errno::ENODEV) }
}

/// Starts the device of a loaded module again (sysfs `bind`). `ENODEV`, `EBUSY` when it is bound, and what
/// registering says. May sleep.
pub fn bind(name: &str) -> Result<()> {
    let _order = OPERATIONS.lock();
    let provider = device(name)?;
    if provider.is_bound() {
        return Err(Errno::EBUSY);
    }
    provider.bind()
}

fn device(name: &str) -> Result<Arc<dyn Provider>> {
    let loaded = find(name).ok_or(Errno::ENODEV)?;
    let provider = loaded.provider.lock().clone().ok_or(Errno::ENODEV)?;
    if provider.unbindable() { Ok(provider) } else { Err(Errno::ENODEV) }
}

/// How many hold a module; `None` when it is not loaded.
pub fn refcount(name: &str) -> Option<u32> {
    find(name).map(|loaded| loaded.module.refcount())
}

/// The names of the loaded modules, the youngest first.
pub fn names() -> Vec<Box<str>> {
    LIST.lock().iter().rev().map(|loaded| loaded.module.name().into()).collect()
}

/// The text of `/proc/modules`.
pub fn proc_modules() -> String {
    let modules: Vec<Module> = LIST.lock().iter().rev().map(|loaded| loaded.module.clone()).collect();
    let line =
        |m: &Module| format!("{} {SIZE} {} - {:?} 0x0000000000000000\n", m.name(), m.refcount(), m.state());
    modules.iter().map(line).collect()
}
