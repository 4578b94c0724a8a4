//! What is built in and has parameters that can be changed: `/sys/module/NAME/parameters` (Linux: `kernel/params.c`).
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicI32, Ordering};

use heaps::{Errno, Result};

use super::dynamic::{DynDir, DynEntry};
use super::inode::{Inode, S_IFDIR, S_IFREG};
use super::pseudo;
use crate::cmdline::CommandLine;
use crate::drivers::{dma_heap, udmabuf};

/// A number that root may change.
pub struct Parameter {
    /// What it is called.
    pub name: &'static str,
    /// Where it is kept.
    pub value: &'static AtomicI32,
}

/// Something with parameters.
struct BuiltIn {
    name: &'static str,
    parameters: &'static [Parameter],
}

static BUILT_IN: [BuiltIn; 2] = [
    BuiltIn { name: "dma_heap", parameters: &dma_heap::accounts::PARAMETERS },
    BuiltIn { name: "udmabuf", parameters: &udmabuf::PARAMETERS },
];

/// Sets what the command line says, as `NAME.PARAMETER=VALUE`.
pub fn set_all(args: &CommandLine<'_>) {
    for built_in in &BUILT_IN {
        for parameter in built_in.parameters {
            let name = format!("{}.{}", built_in.name, parameter.name);
            if let Some(value) = args.value(&name)
                && parameter.store(value).is_err()
            {
                log::warn!("{name}={value}: not a number");
            }
        }
    }
}

impl Parameter {
    /// Sets it. `EINVAL` for what is no number.
    fn store(&self, text: &str) -> Result<()> {
        self.value.store(text.trim().parse().map_err(|_| Errno::EINVAL)?, Ordering::Relaxed);
        Ok(())
    }
}

/// The directory under `/sys/module` of what is called `name`; `ENOENT` where that has no parameters.
pub fn lookup(dev: u32, name: &[u8]) -> Result<Arc<Inode>> {
    let found = BUILT_IN.iter().find(|built_in| built_in.name.as_bytes() == name).ok_or(Errno::ENOENT)?;
    Ok(pseudo::dynamic_inode(dev, 0o755, Box::new(Dir { dev, of: found })))
}

/// The names of such directories.
pub fn names<'a>() -> impl Iterator<Item = &'a str> {
    BUILT_IN.iter().map(|built_in| built_in.name)
}

/// `/sys/module/NAME`.
struct Dir {
    dev: u32,
    of: &'static BuiltIn,
}

impl DynDir for Dir {
    fn lookup(&self, name: &[u8]) -> Result<Arc<Inode>> {
        if name != b"parameters" {
            return Err(Errno::ENOENT);
        }
        let dir = Parameters { dev: self.dev, of: self.of.parameters };
        Ok(pseudo::dynamic_inode(self.dev, 0o755, Box::new(dir)))
    }

    fn next(&self, from: u64) -> Option<DynEntry> {
        (from <= 2).then(|| DynEntry { cookie: 2, name: b"parameters".to_vec(), kind: S_IFDIR })
    }
}

/// `/sys/module/NAME/parameters`.
struct Parameters {
    dev: u32,
    of: &'static [Parameter],
}

impl DynDir for Parameters {
    fn lookup(&self, name: &[u8]) -> Result<Arc<Inode>> {
        let found = self.of.iter().find(|parameter| parameter.name.as_bytes() == name);
        let parameter = found.ok_or(Errno::ENOENT)?;
        let show = || Ok(format!("{}\n", parameter.value.load(Ordering::Relaxed)));
        let file = pseudo::read_write(show, |text: &str| parameter.store(text));
        Ok(pseudo::text_inode(self.dev, 0o644, file))
    }

    fn next(&self, from: u64) -> Option<DynEntry> {
        let cookie = from.max(2);
        let parameter = self.of.get(usize::try_from(cookie - 2).ok()?)?;
        Some(DynEntry { cookie, name: parameter.name.as_bytes().to_vec(), kind: S_IFREG })
    }
}
