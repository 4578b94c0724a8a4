//! Buffers that come from no heap (Linux: `dma_buf_export`, with `struct dma_buf_ops`).

use alloc::boxed::Box;
use core::any::Any;

use super::DmaBuf;
use crate::Result;
use crate::discipline::Hold;
use crate::platform::Platform;
use crate::registry::Registry;
use crate::sg::SgTable;

/// Whoever made a buffer of pages that are its own. Dropped after it released them.
pub trait Exporter: Any + Send + Sync + 'static {
    /// What `exp_name` says.
    fn name(&self) -> &str;

    /// Gives up the buffer's pages. May sleep.
    fn release(&self, table: SgTable);

    /// Whether somebody is charged for the pages already, for as long as they are there: nobody is for the buffer then.
    fn is_charged(&self) -> bool {
        false
    }

    /// Lets the CPU at the pages: what devices wrote can be seen. May sleep.
    fn begin_cpu_access(&self) -> Result<()> {
        Ok(())
    }

    /// Lets devices at the pages: what the CPU wrote can be seen. May sleep.
    fn end_cpu_access(&self) -> Result<()> {
        Ok(())
    }
}

impl<P: Platform> DmaBuf<P> {
    /// A buffer of the pages in `table`, which are `exporter`'s to release: here already, where it fails. `registry`
    /// counts it, the calling task is charged for it unless somebody [is](Exporter::is_charged), and user space may map
    /// it. `EDQUOT`, `ENOMEM`. May sleep.
    pub fn export(
        registry: &'static Registry<P>,
        exporter: Box<dyn Exporter>,
        table: SgTable,
    ) -> Result<DmaBuf<P>> {
        let is_charged = exporter.is_charged();
        let buffer = DmaBuf::new(registry, Hold::Exporter(exporter), table);
        if is_charged {
            return Ok(buffer);
        }
        let charge = P::charge(buffer.size())?;
        Ok(buffer.charged(charge))
    }

    /// Who made it, if it comes from no heap: to know one's own again.
    pub fn exporter(&self) -> Option<&dyn Exporter> {
        self.hold.exporter()
    }
}

#[cfg(all(test, not(feature = "loom")))]
#[path = "export_tests.rs"]
mod tests;
