//! A module that is loaded: its memory, its entries, and what it uses and offers.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use heaps::fallible::{try_push, try_str};
use heaps::{Errno, Result};
use sdk::Params;

use super::file::File;
use super::heaps::Heaps;
use super::layout::Layout;
use super::link::{self, Entries};
use super::module::{Module, ModuleRef, State};
use super::params::Param;
use super::places;
use crate::mm::module::{self, Memory};
use crate::sync::{SpinLock, order};

/// A module that is loaded, or on its way in or out.
pub struct Loaded {
    /// Its name and count.
    pub module: Module,
    /// Its parameters.
    pub params: Vec<Param>,
    pub(super) heaps: Heaps,
    base: usize,
    size: usize,
    entries: Entries,
    uses: Vec<Module>,
    exports: Vec<Export>,
    /// What parameters, by their places, show instead of what they were given.
    reports: SpinLock<Vec<(usize, Box<str>)>, { order::HEAP_STATE }>,
    /// What goes when it is unloaded, whoever still looks at this: its memory, and its hold on others.
    holds: SpinLock<Option<(Memory, Vec<ModuleRef>)>, { order::HEAP_STATE }>,
}

/// The most symbols that a module exports to others: each is looked for among all that it has.
const MAX_EXPORTS: usize = 256;

/// A symbol that a module exports, and its address.
type Export = (Box<str>, u64);

/// The symbols that the module in `file` exports to others: `export=SYMBOL`. `ENOEXEC` for one that it does not have, or
/// for too many.
pub fn exports(file: &File<'_>, layout: &Layout, base: usize) -> Result<Vec<Export>> {
    let mut exports = Vec::new();
    for name in file.modinfo("export") {
        if exports.len() == MAX_EXPORTS {
            return Err(Errno::ENOEXEC);
        }
        let address = link::export(file, layout, base, name).ok_or(Errno::ENOEXEC)?;
        try_push(&mut exports, (try_str(name)?, address))?;
    }
    Ok(exports)
}

impl Loaded {
    /// A module about to be started, holding those that it uses. `ENOMEM`; `ENODEV` when one of them is going.
    pub(super) fn new(
        name: &str,
        size: usize,
        memory: Memory,
        entries: Entries,
        uses: Vec<Module>,
        exports: Vec<Export>,
        params: Vec<Param>,
    ) -> Result<Loaded> {
        let mut references = Vec::new();
        for used in &uses {
            if let Some(reference) = ModuleRef::pin(Some(used))? {
                try_push(&mut references, reference)?;
            }
        }
        let base = memory.base();
        let holds = SpinLock::new(Some((memory, references)));
        let (module, heaps, reports) = (Module::new(name), Heaps::new(), SpinLock::new(Vec::new()));
        places::set_count(base, module.count());
        Ok(Loaded { module, params, heaps, base, size, entries, uses, exports, reports, holds })
    }

    /// Has the parameter `name` show `value` from now on. `EINVAL` for one that it does not declare, `ENOMEM`.
    pub(super) fn report(&self, name: &str, value: &str) -> Result<()> {
        let at = self.params.iter().position(|param| *param.name == *name).ok_or(Errno::EINVAL)?;
        let value = try_str(value)?;
        let mut reports = self.reports.lock();
        let before = match reports.iter_mut().find(|(of, _)| *of == at) {
            Some((_, shown)) => core::mem::replace(shown, value),
            None => return try_push(&mut reports, (at, value)),
        };
        drop(reports);
        drop(before);
        Ok(())
    }

    /// What its parameter at this place shows: a line.
    pub fn shown(&self, at: usize) -> String {
        let reports = self.reports.lock();
        let reported = reports.iter().find(|(of, _)| *of == at).map(|(_, value)| &**value);
        let given = || self.params.get(at).and_then(|param| param.value.as_deref());
        format!("{}\n", reported.or_else(given).unwrap_or("(null)"))
    }

    /// Whether this address is in its memory.
    pub fn contains(&self, address: usize) -> bool {
        address.wrapping_sub(self.base) < self.size
    }

    /// Whether it uses the module `name`.
    pub fn uses(&self, name: &str) -> bool {
        self.uses.iter().any(|used| used.name() == name)
    }

    /// The address of a symbol that it exports, while it is in use.
    pub fn export(&self, name: &str) -> Option<u64> {
        let live = self.module.state() == State::Live;
        self.exports.iter().find(|(known, _)| live && **known == *name).map(|(_, address)| *address)
    }

    /// Where it is in memory.
    pub fn base(&self) -> usize {
        self.base
    }

    /// Bytes it has in memory.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether it can be unloaded without force.
    pub(super) fn can_exit(&self) -> bool {
        self.entries.init.is_none() || self.entries.exit.is_some()
    }

    pub(super) fn init(&self, params: &Params<'_>) -> Result<()> {
        self.entries.init.map_or(Ok(()), |entry| module::init(entry, params))
    }

    /// Runs its exit, and unregisters what that left behind.
    pub(super) fn exit(&self) -> Result<()> {
        self.entries.exit.map_or(Ok(()), module::call)?;
        self.heaps.unregister_all()
    }

    pub(super) fn probe(&self) -> Result<()> {
        self.entries.probe.map_or(Err(Errno::ENODEV), module::call)
    }

    pub(super) fn remove(&self) -> Result<()> {
        self.entries.remove.map_or(Err(Errno::ENODEV), module::call)
    }

    pub(super) fn unplug(&self) -> Result<()> {
        self.entries.unplug.map_or(Err(Errno::ENODEV), module::call)
    }

    /// Unregisters what an init that failed left behind, unmaps the memory, and lets go of the modules used.
    pub(super) fn end(&self) {
        if let Err(errno) = self.heaps.unregister_all() {
            log::warn!("{}: a heap stays behind: {errno}", self.module.name());
        }
        let holds = self.holds.lock().take();
        drop(holds);
    }

    /// Its line in `/proc/modules`: name, size, count, users and whether it can be unloaded, state, address.
    pub fn line(&self, users: &str) -> String {
        let Loaded { module, base, size, .. } = self;
        let permanent = if self.can_exit() { "" } else { "[permanent]," };
        let none = if self.can_exit() && users.is_empty() { "-" } else { "" };
        let (name, count, state) = (module.name(), module.refcount(), module.state());
        format!("{name} {size} {count} {users}{permanent}{none} {state:?} {base:#018x}\n")
    }
}
