//! A page that system calls read structures from and write them to, word by word.

use super::arch::memory::Mapping;
use super::arch::wild::{Arg, syscall};
use heaps::uapi::errno::Result;

/// The page.
pub struct Scratch(Mapping);

impl Scratch {
    /// A page of zeros.
    pub fn new() -> Result<Scratch> {
        Mapping::anonymous(super::abi::PAGE).map(Scratch)
    }

    /// The address of the word at `offset`.
    pub fn at(&self, offset: usize) -> Arg<'_> {
        Arg::At(&self.0, offset)
    }

    /// The same as a number, to be written somewhere.
    pub fn address(&self, offset: usize) -> u64 {
        (self.0.address() + offset) as u64
    }

    /// Writes words from `offset` on.
    pub fn put(&self, offset: usize, words: &[u64]) -> Arg<'_> {
        words.iter().enumerate().for_each(|(i, &word)| self.0.put_word(offset + i * 8, word));
        self.at(offset)
    }

    /// The words from `offset` on.
    pub fn get<const N: usize>(&self, offset: usize) -> [u64; N] {
        core::array::from_fn(|i| self.0.word(offset + i * 8))
    }

    /// Makes a call.
    pub fn call(&self, number: usize, args: &[Arg<'_>]) -> Result<usize> {
        syscall(number, args)
    }
}
