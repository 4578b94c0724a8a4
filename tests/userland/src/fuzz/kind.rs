//! What a call's argument means, so that a value that means something can be made up for it.

use core::ffi::CStr;

/// What one argument is.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A descriptor.
    Fd,
    /// A directory's descriptor, or AT_FDCWD.
    Dir,
    /// A path to look at.
    Path,
    /// A path to open.
    Openable,
    /// A path to execute.
    Program,
    /// What a symbolic link says.
    Target,
    /// A path that may be made, changed and removed.
    Name,
    /// One of these texts, where nobody can overwrite it.
    Text(&'static [&'static CStr]),
    /// Memory the kernel reads or writes.
    Memory,
    /// How much of it.
    Length,
    /// A small number.
    Small,
    /// Any number.
    Any,
    /// Any of these bits.
    Flags(&'static [u64]),
    /// One of these values.
    OneOf(&'static [u64]),
    /// A process, a thread or a group that the caller may harm.
    Pid,
    /// A signal.
    Signal,
    /// A place in a file.
    Offset,
    /// An address to map, unmap or protect.
    Address,
    /// How many bytes from there on.
    Extent,
    /// A vector of buffers.
    Vectors,
    /// A time that is soon over.
    Time,
    /// A set of signals, which never blocks SIGUSR1.
    Signals,
    /// A structure of these words, each made up for its own kind.
    Struct(&'static [Kind]),
    /// A message's header, with descriptors on their way.
    Header,
    /// An ioctl's number; what follows it is made up for it.
    Ioctl,
    /// A vector of strings.
    Strings,
}

/// A call: its name, its number, what its arguments are.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// As manuals have it.
    pub name: &'static str,
    /// As arm64 has it.
    pub number: usize,
    /// Up to six.
    pub arguments: &'static [Kind],
}
