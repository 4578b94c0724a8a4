//! The module `heap_facts`: registers heaps, as many as it is told to and may. A page is to be had of them; whoever asks for
//! more waits until it is killed. (On Linux: `tests/c/conformance/module/heap_facts.c`, where no heap can be taken back, so
//! that a load that registered one must not fail.)
#![forbid(unsafe_code)]
#![no_std]
#![no_main]
extern crate alloc;

use alloc::boxed::Box;
use alloc::format;

use heaps::exporter::SystemHeap;
use heaps::fallible::try_box;
use heaps::{PAGE_SIZE, SgTable};
use sdk::exports::wait_killed;
use sdk::machine::Machine;
use sdk::{Errno, HeapOps, Module, Params, Resident, Result};

struct HeapFacts;

impl Resident for HeapFacts {
    fn start(module: Module, params: &Params<'_>) -> Result<HeapFacts> {
        let name = params.get("name");
        let works = params.get("allocate") != Some("none");
        let add = |name: Option<&str>| {
            let ops = works.then(|| try_box(Facts::new(module))).transpose()?;
            module.add(name, ops.map(|ops| ops as Box<dyn HeapOps>)).map(drop)
        };
        let count = params.number("count")?.unwrap_or(0);
        if count == 0 {
            return add(name).map(|()| HeapFacts);
        }
        let refused = (0..count).find_map(|n| {
            let name = name.map(|name| format!("{name}{n}"));
            Some((n, add(name.as_deref()).err()?))
        });
        if let Some((0, errno)) = refused {
            return Err(errno);
        }
        let (added, refusal) = refused.map_or((count, 0), |(added, errno)| (added, code(errno)));
        module.report("added", &format!("{added}"))?;
        module.report("refusal", &format!("{refusal}"))?;
        Ok(HeapFacts)
    }
}

/// As the kernel's calls return it.
fn code(errno: Errno) -> isize {
    errno.to_syscall()
}

/// A heap's operations.
struct Facts {
    module: Module,
    system: SystemHeap<Machine>,
}

impl Facts {
    const fn new(module: Module) -> Facts {
        Facts { module, system: SystemHeap::new() }
    }

    /// Has a parameter show what the system heap answers the calling task.
    fn ask_system_heap(&self, parameter: &str) -> Result<()> {
        let answer = self.system.allocate(PAGE_SIZE, 0).map(|table| self.system.release(table));
        self.module.report(parameter, &format!("{}", answer.map_or_else(code, |()| 0)))
    }

    fn wait_to_be_killed(&self) -> Result<()> {
        self.ask_system_heap("alive")?;
        self.module.report("waiting", "1")?;
        wait_killed();
        self.ask_system_heap("killed")
    }
}

impl HeapOps for Facts {
    fn kind(&self) -> &'static str {
        "heap to learn from"
    }

    fn allocate(&self, len: usize, flags: u64) -> Result<SgTable> {
        if len > PAGE_SIZE {
            self.wait_to_be_killed()?;
            return Err(Errno::EINTR);
        }
        ledger::charge(len)?;
        self.system.allocate(len, flags).inspect_err(|_| ledger::refund(len))
    }

    fn release(&self, table: SgTable) {
        ledger::refund(table.size());
        self.system.release(table);
    }
}

sdk::module! {
    resident: HeapFacts,
    name: "heap_facts",
    description: "heaps to learn the registry's rules from",
    parameters: [
        name: charp = "what the heap is called; of several, what their names begin with",
        count: ulong = "how many heaps; one unless told",
        allocate: charp = "none: the heaps have no such operation",
        added: ulong = "out: how many heaps were registered",
        refusal: ulong = "out: what the next one was refused with",
        waiting: ulong = "out: somebody waits to be killed",
        alive: ulong = "out: what the system heap said to it before",
        killed: ulong = "out: what the system heap said to it when it was"
    ],
    unloads: true,
}
