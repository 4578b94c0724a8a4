//! `/bin/iommutest`: what a device behind an IOMMU sees of buffers: one row of addresses each, wherever the pages are, and
//! nothing once they are let go. TAP.
//!
//! With `narrow`, for a device that drives 28 address lines, on a machine without memory there.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::vec::Vec;

use heaps::uapi::Errno;
use heaps::uapi::errno::Result;
use userland::guest::buffer::Buffer;
use userland::guest::edu::{Edu, MEMORY};
use userland::guest::heap::Heap;
use userland::guest::{read_text, tidy};
use userland::rt::tap::Tap;
use userland::rt::{Args, abi};

userland::program!(run);

const PAGE: usize = abi::PAGE;
/// The system heap makes it of three runs, one of each of its orders.
const SCATTERED: usize = (1 << 20) + (64 << 10) + PAGE;
/// Where the second and the third begin.
const JOINS: [usize; 2] = [1 << 20, (1 << 20) + (64 << 10)];

fn run(args: Args) -> i32 {
    match args.get(1) {
        Some("narrow") => tidy::run(|tap| {
            let last = Edu::open().and_then(|edu| edu.info()).map(|info| info.last_address);
            tap.is(last, Ok((1 << 28) - 1), "the device has 28 address lines");
            checks(tap);
        }),
        _ => tidy::run(checks),
    }
}

fn checks(tap: &mut Tap) {
    tap.is(mapped(), Ok(0), "nothing is mapped for the device");
    tap.is(suited(), Ok(2), "it can use every heap, wherever its memory is");
    tap.is(in_a_row(), Ok((1, true)), "a scattered buffer is in a row, at an address that it drives");
    for join in JOINS {
        tap.is(across(join), Ok(true), format_args!("bytes across a join at {join:#x}"));
    }
    tap.is(
        counted(),
        Ok([SCATTERED / PAGE, 2 * (SCATTERED / PAGE), SCATTERED / PAGE, 0]),
        "pages are mapped by import",
    );
    tap.is(apart(), Ok(true), "no two imports have an address in common, nor touch");
    tap.is(again(), Ok(true), "addresses that were let go are given again");
    tap.is(contiguous(), Ok(true), "a contiguous buffer");
    tap.is(mapped(), Ok(0), "nothing stays mapped");
}

/// How many pages are mapped for the device.
fn mapped() -> Result<usize> {
    let text = read_text("/sys/kernel/debug/iommu/devices")?;
    let edu = text.lines().find(|line| line.starts_with("edu stream ")).ok_or(Errno::ENXIO)?;
    let (_, pages) = edu.split_once(" pages ").ok_or(Errno::EINVAL)?;
    pages.split(' ').next().and_then(|number| number.parse().ok()).ok_or(Errno::EINVAL)
}

/// How many heaps the kernel says that the device can use.
fn suited() -> Result<usize> {
    let listed = read_text("/sys/class/dma_device/edu/heaps")?;
    Ok(["system", "default_cma_region"]
        .iter()
        .filter(|heap| listed.lines().any(|line| line == **heap))
        .count())
}

fn scattered() -> Result<Buffer> {
    Heap::open("system")?.allocate(SCATTERED)
}

fn in_a_row() -> Result<(u32, bool)> {
    let (edu, buffer) = (Edu::open()?, scattered()?);
    let place = edu.place(edu.import(buffer.raw())?)?;
    let end = place.address.checked_add(SCATTERED as u64 - 1);
    let last = edu.info()?.last_address;
    Ok((place.runs, place.address != 0 && end.is_some_and(|end| end <= last)))
}

/// What is written around a join of two runs comes to the device, and back elsewhere.
fn across(join: usize) -> Result<bool> {
    let (edu, buffer) = (Edu::open()?, scattered()?);
    let (map, from, to) = (buffer.map()?, join - MEMORY / 2, 0);
    (0..MEMORY).step_by(8).for_each(|at| map.put_word(from + at, (join + at) as u64));
    let handle = edu.import(buffer.raw())?;
    edu.load(handle, from, MEMORY)?;
    edu.store(handle, to, MEMORY)?;
    let there = (0..MEMORY).step_by(8).all(|at| map.word(to + at) == (join + at) as u64);
    edu.store(handle, from - 8, MEMORY)?;
    let moved = (0..MEMORY).step_by(8).all(|at| map.word(from - 8 + at) == (join + at) as u64);
    Ok(there && moved)
}

/// Pages with one import, with two of the same buffer, when the first is forgotten, and when the file is closed.
fn counted() -> Result<[usize; 4]> {
    let (edu, buffer) = (Edu::open()?, scattered()?);
    let first = edu.import(buffer.raw())?;
    let one = mapped()?;
    edu.import(buffer.raw())?;
    let two = mapped()?;
    edu.forget(first)?;
    let left = mapped()?;
    drop(edu);
    Ok([one, two, left, mapped()?])
}

fn apart() -> Result<bool> {
    let edu = Edu::open()?;
    let heap = Heap::open("system")?;
    let mut places = Vec::new();
    for pages in 1..=16usize {
        let buffer = heap.allocate(pages * PAGE)?;
        let place = edu.place(edu.import(buffer.raw())?)?;
        places.push((place.address, place.address + (pages * PAGE) as u64));
    }
    places.sort_unstable();
    Ok(places.windows(2).all(|pair| pair[0].1 < pair[1].0))
}

fn again() -> Result<bool> {
    let (edu, buffer) = (Edu::open()?, scattered()?);
    let first = edu.import(buffer.raw())?;
    let before = edu.place(first)?.address;
    edu.forget(first)?;
    let second = edu.import(buffer.raw())?;
    Ok(edu.place(second)?.address == before)
}

fn contiguous() -> Result<bool> {
    let edu = Edu::open()?;
    let buffer = Heap::open("default_cma_region")?.allocate(3 * PAGE)?;
    let map = buffer.map()?;
    map.put_word(2 * PAGE, 42);
    let handle = edu.import(buffer.raw())?;
    edu.load(handle, 2 * PAGE, 8)?;
    edu.store(handle, PAGE - 8, 8)?;
    Ok(map.word(PAGE - 8) == 42)
}
