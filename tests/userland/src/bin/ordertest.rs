//! `/bin/ordertest`: of every heap, a buffer that all have who can have one: a descriptor, a mapping, the device that does
//! DMA, a DRM node, a fence, a display. They let go of it in every order. TAP.
//!
//! For a machine with both devices, and with regions `camera`, `vision` and, protected, `secret`.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::any::Any;

use heaps::uapi::Errno;
use heaps::uapi::errno::Result;
use userland::guest::buffer::Buffer;
use userland::guest::drm::Drm;
use userland::guest::edu::Edu;
use userland::guest::fence::{self, Timeline};
use userland::guest::heap::Heap;
use userland::guest::ramfb::{self, Display};
use userland::guest::tidy;
use userland::rt::tap::Tap;
use userland::rt::{Args, Fd, Mapping, abi};

userland::program!(run);

const PAGE: usize = abi::PAGE;

/// A heap, and who can have its buffers.
struct Kind {
    heap: &'static str,
    /// Programs map them.
    mapped: bool,
}

const KINDS: [Kind; 5] = [
    Kind { heap: "system", mapped: true },
    Kind { heap: "default_cma_region", mapped: true },
    Kind { heap: "camera", mapped: true },
    Kind { heap: "vision", mapped: true },
    Kind { heap: "secret", mapped: false },
];

fn run(_: Args) -> i32 {
    tidy::run(|tap| KINDS.iter().for_each(|kind| checks(tap, kind)))
}

fn checks(tap: &mut Tap, kind: &Kind) {
    let name = kind.heap;
    if kind.mapped {
        tap.is(
            round_trip(name),
            Ok(true),
            format_args!("{name}: the device reads what was written, and writes it"),
        );
    } else {
        let mapped = Heap::open(name).and_then(|heap| heap.allocate(PAGE)?.map());
        tap.is(
            mapped.map(drop),
            Err(Errno::EINVAL),
            format_args!("{name}: a protected buffer is not mapped"),
        );
    }
    let orders = Heap::open(name).and_then(|heap| {
        let all = holders(&heap, kind)?.len();
        (0..(1..=all).product()).try_for_each(|order| in_order(&heap, kind, order))?;
        Ok(all)
    });
    let all = if kind.mapped { 6 } else { 5 };
    tap.is(orders, Ok(all), format_args!("{name}: {all} let go in every order"));
}

/// What is written to one buffer comes, by way of the device, to be in another.
fn round_trip(name: &str) -> Result<bool> {
    let (heap, edu) = (Heap::open(name)?, Edu::open()?);
    let (from, to) = (heap.allocate(PAGE)?, heap.allocate(PAGE)?);
    let (source, target) = (from.map()?, to.map()?);
    from.sync()?;
    words(|at| source.put_word(at, mark(at)));
    edu.load(edu.import(from.raw())?, 0, PAGE)?;
    edu.store(edu.import(to.raw())?, 0, PAGE)?;
    to.sync()?;
    let mut same = true;
    words(|at| same &= target.word(at) == mark(at));
    Ok(same)
}

fn words(each: impl FnMut(usize)) {
    (0..PAGE).step_by(8).for_each(each);
}

fn mark(at: usize) -> u64 {
    (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Whoever has a buffer of the heap's, none of whom needs the others. Dropped, each lets go.
fn holders(heap: &Heap, kind: &Kind) -> Result<Vec<Box<dyn Any>>> {
    let mut all: Vec<Box<dyn Any>> = Vec::new();
    let buffer = heap.allocate(PAGE)?;
    if kind.mapped {
        all.push(Box::new(written(&buffer)?));
    }
    let (edu, drm) = (Edu::open()?, Drm::card()?);
    edu.import(buffer.raw())?;
    drm.import(buffer.raw())?;
    all.push(Box::new(edu));
    all.push(Box::new(drm));
    let display = Display::open()?;
    // All of a page: contiguous, whatever heap it is of.
    display.show(ramfb::picture(buffer.raw(), 32, 32))?;
    all.push(Box::new(display));
    all.push(Box::new(awaited(&buffer)?));
    all.push(Box::new(buffer));
    Ok(all)
}

fn written(buffer: &Buffer) -> Result<Mapping> {
    let mapping = buffer.map()?;
    mapping.put_word(0, mark(0));
    buffer.sync()?;
    Ok(mapping)
}

/// A fence that nobody has signalled, on the buffer and taken from it again; and its timeline.
fn awaited(buffer: &Buffer) -> Result<(Fd, Timeline)> {
    let timeline = Timeline::open()?;
    fence::put_on(buffer.raw(), &timeline.fence(1)?)?;
    Ok((fence::take_from(buffer.raw())?, timeline))
}

/// They let go in the order of that number.
fn in_order(heap: &Heap, kind: &Kind, mut order: usize) -> Result<()> {
    let mut all = holders(heap, kind)?;
    while !all.is_empty() {
        let next = order % all.len();
        order /= all.len();
        drop(all.remove(next));
    }
    Ok(())
}
