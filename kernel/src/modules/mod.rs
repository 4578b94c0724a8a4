//! Modules: loading, linking and unloading of relocatable objects (Linux: `kernel/module`).
//!
//! * [`file`](mod@file), [`layout`], [`link`], [`relocate`]: from a file that anybody wrote to bytes that can be run
//! * [`places`]: the addresses of modules, and of those that have gone
//! * [`exports`], [`heaps`](mod@heaps): what modules call
//! * [`loaded`], [`module`], [`params`]: a module that is loaded, how many hold it, what it was told
//!
//! Loading, init, exit and unloading run under one lock, so a name is loaded or not; the list itself can be read
//! meanwhile.
#![forbid(unsafe_code)]

mod exports;
pub mod file;
mod heaps;
pub mod layout;
pub mod link;
pub mod loaded;
pub mod module;
mod params;
pub mod places;
pub mod relocate;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ::heaps::fallible::try_push;
use ::heaps::{Errno, Result};
use sdk::Params;

use crate::mm::module::Memory;
use crate::sync::{Mutex, SpinLock, order};
use crate::vfs::File as OpenFile;
use crate::vfs::flags::O_TRUNC;
use crate::vfs::io::KernelSink;
use crate::vfs::write_access::DenyWrite;
use file::File;
use layout::Layout;
use loaded::Loaded;
pub use module::{Module, ModuleRef, State, references};
use places::Claim;

/// Longest module file, in bytes.
pub const MAX_FILE: usize = 8 << 20;
/// Room made at first for the list, so that its own memory hardly ever changes.
const ROOM: usize = 160;

static OPERATIONS: Mutex<(), { order::MODULES }> = Mutex::new(());
static LIST: SpinLock<Vec<Arc<Loaded>>, { order::HEAP_STATE }> = SpinLock::new(Vec::new());

/// The loaded module of this name.
pub fn find(name: &str) -> Option<Arc<Loaded>> {
    LIST.lock().iter().find(|loaded| loaded.module.name() == name).cloned()
}

/// The loaded module that has this address.
fn containing(address: usize) -> Option<Arc<Loaded>> {
    LIST.lock().iter().find(|loaded| loaded.contains(address)).cloned()
}

/// The loaded modules, the youngest first. `ENOMEM`.
pub fn all() -> Result<Vec<Arc<Loaded>>> {
    let mut all = Vec::new();
    let list = LIST.lock();
    all.try_reserve_exact(list.len()).map_err(|_| Errno::ENOMEM)?;
    all.extend(list.iter().rev().cloned());
    Ok(all)
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

/// Loads the module that `file` reads (Linux: `init_module`). `EEXIST` when its name is loaded, `ENOENT` for a symbol
/// nobody exports, `ENOEXEC` for what cannot be linked, `EINVAL` or `ENOSPC` for its parameters, `ENOMEM`, and what its
/// init says. A load that fails leaves nothing behind. May sleep.
pub fn load(file: &File<'_>, params: &str) -> Result<()> {
    let _order = OPERATIONS.lock();
    if find(file.name()).is_some() {
        return Err(Errno::EEXIST);
    }
    let layout = Layout::of(file)?;
    let claim = Claim::new(file.name(), layout.size())?;
    let base = claim.base();
    let mut uses = Vec::new();
    let mut missing = None;
    let mut resolve = |name: &str| exports::find(name).or_else(|| imported(name, &mut uses, &mut missing));
    let linked = link::link(file, &layout, base, &mut resolve);
    if let Some(errno) = missing {
        return Err(errno);
    }
    let (bytes, entries) = linked?;
    let params = params::parse(file, params)?;
    let exports = loaded::exports(file, &layout, base)?;
    let memory = Memory::new(claim, &bytes, &layout)?;
    let loaded = Loaded::new(file.name(), layout.size(), memory, entries, uses, exports, params)?;
    let loaded = Arc::new(loaded);
    enlist(&loaded)?;
    let started = start(&loaded);
    if let Err(errno) = started {
        unlist(file.name());
        loaded.end();
        return Err(errno);
    }
    loaded.module.set_state(State::Live);
    log::info!("module {} at {base:#x}", file.name());
    Ok(())
}

/// A symbol of another module, which is noted in `uses` to be held.
fn imported(name: &str, uses: &mut Vec<Module>, missing: &mut Option<Errno>) -> Option<u64> {
    let owner = LIST.lock().iter().find(|loaded| loaded.export(name).is_some()).cloned()?;
    if uses.iter().all(|used| used.name() != owner.module.name())
        && let Err(errno) = try_push(uses, owner.module.clone())
    {
        *missing = Some(errno);
    }
    owner.export(name)
}

fn start(loaded: &Loaded) -> Result<()> {
    let given = loaded.params.iter().filter_map(|param| Some((&*param.name, param.value.as_deref()?)));
    let mut list = Vec::new();
    list.try_reserve_exact(loaded.params.len()).map_err(|_| Errno::ENOMEM)?;
    list.extend(given);
    loaded.init(&Params(&list))
}

/// Loads the module in an open file (Linux: `finit_module`). As [`read`], [`File::parse`] and [`load`]. May sleep.
pub fn load_file(file: &OpenFile, params: &str) -> Result<()> {
    load(&File::parse(&read(file)?)?, params)
}

/// A whole file. `EINVAL` for what is no regular file or is empty, `ETXTBSY` while somebody may write to it, `EFBIG`,
/// `ENOMEM`. May sleep.
pub fn read(file: &OpenFile) -> Result<Vec<u8>> {
    let inode = file.inode();
    if !inode.is_regular() {
        return Err(Errno::EINVAL);
    }
    let _as_it_is = DenyWrite::new(inode)?;
    let size = usize::try_from(inode.size()).map_err(|_| Errno::EFBIG)?;
    if size == 0 {
        return Err(Errno::EINVAL);
    }
    let mut image = buffer(size)?;
    let got = file.pread(&mut KernelSink::new(&mut image), 0)?;
    image.truncate(got);
    Ok(image)
}

/// Room for a module's file. `EFBIG` when it is longer than any, `ENOMEM`.
pub fn buffer(len: usize) -> Result<Vec<u8>> {
    if len > MAX_FILE {
        return Err(Errno::EFBIG);
    }
    let mut image = Vec::new();
    image.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
    image.resize(len, 0);
    Ok(image)
}

/// Unloads a module (Linux: `delete_module`). `ENOENT` when it is not loaded; `EWOULDBLOCK` while another module uses
/// it, or somebody holds it, unless `O_TRUNC` forces; `EBUSY` when it has no exit, unless forced, or its exit refuses.
/// May sleep.
pub fn delete(name: &str, flags: u32) -> Result<()> {
    let force = flags & O_TRUNC != 0;
    let _order = OPERATIONS.lock();
    let loaded = find(name).ok_or(Errno::ENOENT)?;
    if users(&loaded)?.next().is_some() {
        return Err(Errno::EAGAIN);
    }
    if !loaded.can_exit() && !force {
        return Err(Errno::EBUSY);
    }
    if !loaded.module.stop(force) {
        return Err(Errno::EAGAIN);
    }
    if let Err(errno) = loaded.exit() {
        loaded.module.restart();
        return Err(errno);
    }
    unlist(name);
    loaded.end();
    Ok(())
}

/// The modules that use `loaded`.
pub fn users(loaded: &Loaded) -> Result<impl Iterator<Item = Arc<Loaded>>> {
    let name: Box<str> = ::heaps::fallible::try_str(loaded.module.name())?;
    Ok(all()?.into_iter().filter(move |other| other.uses(&name)))
}

/// Ends the device of a loaded module, whoever holds the module (sysfs `unbind`). `ENODEV` when there is no such
/// device bound, `EBUSY` when the discipline refuses. May sleep.
pub fn unbind(name: &str) -> Result<()> {
    let _order = OPERATIONS.lock();
    find(name).ok_or(Errno::ENODEV)?.remove()
}

/// The same when the device has gone, and its memory with it (hot unplug).
pub fn unplug(name: &str) -> Result<()> {
    let _order = OPERATIONS.lock();
    find(name).ok_or(Errno::ENODEV)?.unplug()
}

/// Starts the device of a loaded module again (sysfs `bind`). `ENODEV`, `EBUSY` when it is bound, and what
/// registering says. May sleep.
pub fn bind(name: &str) -> Result<()> {
    let _order = OPERATIONS.lock();
    find(name).ok_or(Errno::ENODEV)?.probe()
}
