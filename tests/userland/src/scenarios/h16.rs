//! H16 `module-text`: a process keeps a buffer, the heap's module is unloaded, and the buffer is closed.
//!
//! Releasing a buffer is its exporter's business: the last close calls the operations of the module that it came from.
//! Unloading unmaps a module, its text and the table of operations with it. Where nothing holds the module for the
//! buffer's sake, that call has nowhere to go. It faults when it reads the table, before it could jump; had the
//! pages been given to another module meanwhile, it would have run whatever is there now.
//!
//! Where buffers hold the module (point 3, `lastref`), unloading is refused with EAGAIN (that is EWOULDBLOCK) for as
//! long as there is one. The device can be unbound meanwhile, which cannot be refused; the text has to stay.
//!
//! Racing: the user has a buffer and closes it, while the unloader unloads the module. Where nothing holds the module, the
//! release may also be in the module already when the private data goes (use-after-free), and then the text.

use super::actor::Now;
use super::race::well;
use super::stage::must;
use super::{Expected, Race, Scenario, Stage, Stop, h10};
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
    race: Race {
        play: race,
        finds: Expected {
            upstream: "refused(EBUSY)",
            kref_open: "use-after-unload|use-after-free|leak",
            kref_full: "ok",
            lastref: "ok",
            ..Expected::always("use-after-unload|use-after-free")
        },
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

fn race(s: &mut Stage) -> Result<(), Stop> {
    let provider = s.have("h16", "")?;
    let user = |s: &Stage| {
        let heap = s.try_open("h16")?;
        let buffer = s.try_allocate(&heap)?;
        s.taken(format_args!("close the heap"), || heap.close())?;
        s.start();
        s.taken(format_args!("close the buffer"), || buffer.close())
    };
    let unloader = |s: &Stage| {
        s.start();
        s.unload(&provider)
    };
    let [user, unloaded] = s.race([("user", &user), ("unloader", &unloader)])?;
    well("user", user, &[])?;
    match unloaded {
        Now::Done(None) => s.conclude(Conclusion::Ok("the buffer was released in time".into())),
        Now::Done(Some(Errno::EAGAIN)) => {
            s.conclude(Conclusion::Ok("the module stayed until the buffer was released".into()));
            must("delete_module", s.unload(&provider))?;
        }
        Now::Done(Some(e)) => s.conclude(Conclusion::Refused(format!("{e}"))),
        other => return Err(Stop(format!("unloader: {other}"))),
    }
    Ok(())
}
