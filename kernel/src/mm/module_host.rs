//! A stand-in for modules' memory where unit tests run. Nothing written for another machine can run here: an entry's
//! first eight bytes are taken for the address of a function of the test's own.
#![allow(unsafe_code)]

use core::cell::Cell;
use core::mem::transmute;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use heaps::{Errno, Result};
use sdk::abi::{Entry, Init, Params};

use crate::modules::layout::Layout;
use crate::modules::places::Claim;

static MEMORIES: Mutex<BTreeMap<usize, Vec<u8>>> = Mutex::new(BTreeMap::new());

fn memories() -> MutexGuard<'static, BTreeMap<usize, Vec<u8>>> {
    MEMORIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A module's memory.
pub struct Memory {
    claim: Claim,
}

impl Memory {
    /// Keeps the bytes at the claim's address.
    pub fn new(claim: Claim, bytes: &[u8], _: &Layout) -> Result<Memory> {
        memories().insert(claim.base(), bytes.to_vec());
        Ok(Memory { claim })
    }

    /// The first address.
    pub fn base(&self) -> usize {
        self.claim.base()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        memories().remove(&self.base());
    }
}

/// Modules that are mapped.
pub fn mapped() -> usize {
    memories().len()
}

std::thread_local! {
    static RUNNING: Cell<usize> = const { Cell::new(0) };
}

/// The entry that this thread runs, or ran last: an address in the module.
pub fn running() -> usize {
    RUNNING.get()
}

/// The word at an entry, which is about to be run.
fn word(at: usize) -> Result<usize> {
    RUNNING.set(at);
    let memories = memories();
    let (base, bytes) = memories.range(..=at).next_back().ok_or(Errno::EFAULT)?;
    let word = bytes.get(at - base..).and_then(|bytes| bytes.first_chunk()).ok_or(Errno::EFAULT)?;
    Ok(usize::from_ne_bytes(*word))
}

/// Runs a module's init.
pub fn init(entry: usize, params: &Params<'_>) -> Result<()> {
    let function = word(entry)?;
    // SAFETY: tests put the address of an `Init` there.
    let init: Init = unsafe { transmute(function) };
    init(params)
}

/// Runs another of a module's entries.
pub fn call(entry: usize) -> Result<()> {
    let function = word(entry)?;
    // SAFETY: tests put the address of an `Entry` there.
    let call: Entry = unsafe { transmute(function) };
    call()
}

/// Modules' code, which would call this, does not run here.
pub fn allocate(_: usize, _: usize) -> *mut u8 {
    core::ptr::null_mut()
}

/// As above.
pub fn deallocate(_: *mut u8) {}
