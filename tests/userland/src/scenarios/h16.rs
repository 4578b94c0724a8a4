//! H16 `module-text`: a process keeps a buffer, the heap's module is unloaded, and the buffer is closed.
//!
//! Releasing a buffer is its exporter's business: the last close calls the operations of the module that it came from.
//! Unloading unmaps a module, its text and the table of operations with it. Where nothing holds the module for the
//! buffer's sake, that call has nowhere to go. It faults when it reads the table, before it could jump; had the
//! pages been given to another module meanwhile, it would have run whatever is there now.
//!
//! Where buffers hold the module (point 3, `lastref`), unloading is refused with EAGAIN (that is EWOULDBLOCK) for as
//! long as there is one. The device can be unbound meanwhile, which cannot be refused; the text has to stay.

use super::stage::must;
use super::{Expected, Scenario, Stage, Stop, h10};
use crate::judge::Conclusion;
use alloc::format;
use heaps::uapi::Errno;

pub const SCENARIO: Scenario = Scenario {
    id: "H16",
    hazard: "module-text",
    play,
    expected: Expected {
        // The module's exit has to unregister the heap, and cannot.
        upstream: "refused(EBUSY)",
        kref: "use-after-unload",
        // The heap that open leaked is still there; its module is not.
        kref_open: "use-after-unload",
        kref_open_close: "use-after-unload",
        kref_full: "ok",
        // What was revoked are the heap's operations, not the buffer's.
        revoke_rwlock: "use-after-unload",
        revoke_rcu: "use-after-unload",
        lastref: "ok",
    },
};

fn play(s: &mut Stage) -> Result<(), Stop> {
    let h10::Outliver { provider, buffer, mapping } = h10::prepare(s, "h16")?;
    match s.unload(&provider) {
        Ok(()) => {
            s.conclude(Conclusion::Ok("the buffer was released without its module".into()));
            s.unmap(mapping)?;
            s.close_buffer(buffer)
        }
        Err(Errno::EAGAIN) => {
            must("unbind", s.unbind(&provider))?;
            h10::memory_works(s, &mapping)?;
            s.unmap(mapping)?;
            s.close_buffer(buffer)?;
            must("delete_module", s.unload(&provider))?;
            s.conclude(Conclusion::Ok("the module stayed until the buffer was released".into()));
            Ok(())
        }
        Err(e) => {
            s.conclude(Conclusion::Refused(format!("{e}")));
            s.unmap(mapping)?;
            s.close_buffer(buffer)
        }
    }
}
