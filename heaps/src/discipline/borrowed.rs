//! A provider's pieces as most disciplines have them: pointers, and trust that the provider is still there.
//!
//! Under `upstream` it always is. Under the others every access here may touch freed memory, which is hazards H1,
//! H2 and H10. Nothing else in the crate refers to a provider without counting.
#![allow(unsafe_code)]

use crate::kref::Ref;
use crate::platform::Platform;
use crate::provider::{HeapOps, Provider};

/// Uncounted pointers to a provider's operations with their private data, and to its name.
#[derive(Clone, Copy)]
pub(crate) struct Borrowed {
    ops: *const dyn HeapOps,
    name: *const str,
}

// SAFETY: what is pointed to is Sync, and is freed, if at all, without regard to this pointer whichever thread
// has it.
unsafe impl Send for Borrowed {}
// SAFETY: as above.
unsafe impl Sync for Borrowed {}

impl Borrowed {
    pub(crate) fn from<P: Platform>(provider: &Ref<Provider<P>>) -> Borrowed {
        Borrowed { ops: provider.ops(), name: provider.name() }
    }

    /// The operations, on private data that may have been freed.
    pub(crate) fn ops(&self) -> &dyn HeapOps {
        // SAFETY: not proven, which is the discipline's flaw: the provider frees its private data when
        // unregistering has returned, and nothing here keeps it.
        unsafe { &*self.ops }
    }

    /// The name, which may have been freed.
    pub(crate) fn name(&self) -> &str {
        // SAFETY: not proven; as above.
        unsafe { &*self.name }
    }

    /// Whether the name is `other`, byte by byte from the first on, as `strcmp` reads it. (Comparing lengths
    /// first would touch nothing most of the time, and hide that the string is gone.)
    pub(crate) fn is_named(&self, other: &str) -> bool {
        let bytes = self.name as *const [u8];
        for (at, &theirs) in other.as_bytes().iter().enumerate().take(bytes.len()) {
            // SAFETY: not proven; as above. `at` is below the length.
            if unsafe { bytes.cast::<u8>().add(at).read_volatile() } != theirs {
                return false;
            }
        }
        bytes.len() == other.len()
    }
}
