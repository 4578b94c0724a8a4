//! What the SMMU reads in memory: its stream table, the context of a stream, and commands, in words of 64 bits (Arm IHI
//! 0070, chapters 4 and 5).
#![forbid(unsafe_code)]

use heaps::PhysAddr;

use crate::drivers::iommu::table::ADDRESS_BITS;

/// Words of an entry of the stream table, and of a context descriptor.
pub const ENTRY_WORDS: usize = 8;
/// Words of a command.
pub const COMMAND_WORDS: usize = 2;

/// Set in the first word of either that means something.
const STREAM_VALID: u64 = 1;
const CONTEXT_VALID: u64 = 1 << 31;

/// Write-back, allocating; inner shareable: as the CPUs access memory.
const WRITE_BACK: u64 = 1;
const INNER_SHAREABLE: u64 = 3;

/// A stream's entry: the first stage alone translates, by the context descriptor at `context`.
pub fn stream(context: PhysAddr) -> [u64; ENTRY_WORDS] {
    const FIRST_STAGE: u64 = 0b101 << 1;
    // How the context is read, and that accesses are as shareable as they say they are.
    const ATTRIBUTES: u64 = WRITE_BACK << 2 | WRITE_BACK << 4 | INNER_SHAREABLE << 6;
    const SHAREABLE_AS_COMES: u64 = 1 << 44;
    let mut words = [0; ENTRY_WORDS];
    words[0] = STREAM_VALID | FIRST_STAGE | context.get();
    words[1] = ATTRIBUTES | SHAREABLE_AS_COMES;
    words
}

/// A context descriptor: the table at `table`, whose translations are remembered under `asid`. `physical_bits` is the
/// SMMU's own code for how long its addresses are. What cannot be translated is aborted and recorded.
pub fn context(table: PhysAddr, asid: u16, physical_bits: u64) -> [u64; ENTRY_WORDS] {
    const ATTRIBUTES: u64 = WRITE_BACK << 8 | WRITE_BACK << 10 | INNER_SHAREABLE << 12;
    const NO_UPPER_TABLE: u64 = 1 << 30;
    const AARCH64: u64 = 1 << 41;
    const RECORD: u64 = 1 << 45;
    const ABORT: u64 = 1 << 46;
    const OWN_ASIDS: u64 = 1 << 47;
    /// The memory that the page table's attribute 0 means: normal, write-back, allocating.
    const MEMORY: u64 = 0xff;
    let how = ATTRIBUTES | NO_UPPER_TABLE | AARCH64 | RECORD | ABORT | OWN_ASIDS;
    let mut words = [0; ENTRY_WORDS];
    words[0] =
        CONTEXT_VALID | u64::from(64 - ADDRESS_BITS) | how | physical_bits << 32 | u64::from(asid) << 48;
    words[1] = table.get();
    words[3] = MEMORY;
    words
}

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Forget what was read of a stream's entry.
    ForgetStream(u32),
    /// Forget what was read of a stream's contexts.
    ForgetContexts(u32),
    /// Forget all that is remembered of anything.
    ForgetAllStreams,
    /// Forget all translations.
    ForgetAllTranslations,
    /// Forget the translations under a number.
    ForgetTranslations(u16),
    /// Have done all before: what used a translation that was forgotten has ended.
    Sync,
}

impl Command {
    /// As the SMMU reads it.
    pub fn words(self) -> [u64; COMMAND_WORDS] {
        const LEAF: u64 = 1;
        const ALL: u64 = 31;
        match self {
            Command::ForgetStream(stream) => [0x03 | u64::from(stream) << 32, LEAF],
            Command::ForgetAllStreams => [0x04, ALL],
            Command::ForgetContexts(stream) => [0x06 | u64::from(stream) << 32, 0],
            Command::ForgetTranslations(asid) => [0x11 | u64::from(asid) << 48, 0],
            Command::ForgetAllTranslations => [0x30, 0],
            Command::Sync => [0x46, 0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_as_the_architecture_has_them() {
        let entry = stream(PhysAddr::new(0x4567_89c0));
        assert_eq!(entry[0], 0x4567_89cb, "valid, first stage, where the context is");
        assert_eq!(entry[1], 0x1000_0000_00d4);
        let context = context(PhysAddr::new(0x8765_4000), 7, 5);
        assert_eq!(context[0], 0x0007_e205_c000_3519);
        assert_eq!((context[1], context[3]), (0x8765_4000, 0xff));
        assert_eq!(Command::ForgetStream(8).words(), [0x8_0000_0003, 1]);
        assert_eq!(Command::ForgetTranslations(7).words(), [0x7_0000_0000_0011, 0]);
        assert_eq!(Command::Sync.words(), [0x46, 0]);
    }
}
