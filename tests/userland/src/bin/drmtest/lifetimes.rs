//! What keeps an object's memory: its handle, its mappings, the buffer that it is exported as or was imported from,
//! taken away in every order.

use alloc::vec::Vec;

use heaps::uapi::Errno;
use heaps::uapi::errno::Result;
use userland::guest::buffer::Buffer;
use userland::guest::drm::Drm;
use userland::guest::{oracle, read_text};
use userland::judge::{Counts, counts};
use userland::rt::arch::job;
use userland::rt::tap::Tap;
use userland::rt::{Mapping, Status, abi, file, process};

use super::{PAGE, RDWR, allocate, check};

/// Of an object: enough to tell it from the frames of page tables.
const PAGES: usize = 64;
const BYTES: usize = PAGES * PAGE;
/// What a buffer is called in bufinfo.
const NAME: &str = "drm-order";

pub fn checks(tap: &mut Tap) {
    for (kind, what) in [(Kind::Dumb, "an object of memory"), (Kind::Imported, "an import")] {
        let wrong: Vec<_> = orders().into_iter().filter_map(|order| play(kind, &order).err()).collect();
        tap.is(wrong, Vec::new(), format_args!("{what} goes with the last that holds it, in every order"));
    }
    tap.is(inherited(), Ok(Status::Exited(0)), "a child's copy of a mapping holds its object");
    tap.is(in_parts(), Ok((true, true, false)), "so does what is left of one");
    let refused = (Errno::EACCES, Errno::EINVAL);
    tap.is(
        handle_gone(),
        Ok(refused),
        "without a handle, an object is not mapped again; nor when it is gone",
    );
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Mapped through the node, and exported.
    Dumb,
    /// Mapped through its own descriptor.
    Imported,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    GemClose,
    Unmap,
    CloseBuffer,
    CloseNode,
}

/// All orders of the steps, and of those without `GEM_CLOSE`: a node that is closed takes no command.
fn orders() -> Vec<Vec<Step>> {
    let mut orders = Vec::new();
    extend(&mut orders, &mut Vec::new());
    orders
}

fn extend(orders: &mut Vec<Vec<Step>>, begun: &mut Vec<Step>) {
    if [Step::Unmap, Step::CloseBuffer, Step::CloseNode].iter().all(|step| begun.contains(step)) {
        orders.push(begun.clone());
        if begun.contains(&Step::GemClose) {
            return;
        }
    }
    for step in [Step::GemClose, Step::Unmap, Step::CloseBuffer, Step::CloseNode] {
        let too_late = step == Step::GemClose && begun.contains(&Step::CloseNode);
        if !too_late && !begun.contains(&step) {
            begun.push(step);
            extend(orders, begun);
            begun.pop();
        }
    }
}

/// What holds an object.
struct Holds {
    node: Option<Drm>,
    handle: Option<u32>,
    map: Option<Mapping>,
    buffer: Option<Buffer>,
}

impl Holds {
    fn new(kind: Kind) -> Result<Holds> {
        let node = Drm::card()?;
        let (handle, map, buffer) = match kind {
            Kind::Dumb => {
                let handle = node.create(PAGE as u32 / 4, PAGES as u32, 32)?.handle;
                let map = node.map(BYTES, abi::MAP_SHARED, node.offset(handle)?)?;
                (handle, map, Buffer::new(node.export(handle, RDWR)?, BYTES))
            }
            Kind::Imported => {
                let buffer = allocate("system", PAGES)?;
                (node.import(buffer.raw())?, buffer.map()?, buffer)
            }
        };
        buffer.set_name(NAME)?;
        map.put_word(BYTES - 8, 42);
        Ok(Holds { node: Some(node), handle: Some(handle), map: Some(map), buffer: Some(buffer) })
    }

    fn take(&mut self, step: Step) -> Result<()> {
        match step {
            Step::GemClose => {
                self.node.as_ref().zip(self.handle.take()).map_or(Ok(()), |(n, h)| n.close(h))?
            }
            Step::Unmap => self.map.take().map_or(Ok(()), Mapping::unmap)?,
            Step::CloseBuffer => self.buffer.take().map_or(Ok(()), Buffer::close)?,
            Step::CloseNode => drop(self.node.take()),
        }
        Ok(())
    }

    /// Whether there has to be memory, and a buffer: a handle goes with the node's file, which a mapping of the node's
    /// holds.
    fn expected(&self, kind: Kind) -> (bool, bool) {
        let open = self.node.is_some() || (kind == Kind::Dumb && self.map.is_some());
        let memory = (open && self.handle.is_some()) || self.map.is_some() || self.buffer.is_some();
        (memory, if kind == Kind::Dumb { self.buffer.is_some() } else { memory })
    }
}

/// After which steps an order went wrong, and whether there was memory, and a buffer, then.
type Wrong = (Vec<Step>, Result<(bool, bool)>);

fn play(kind: Kind, order: &[Step]) -> core::result::Result<(), Wrong> {
    let wrong = |done: usize, seen| Err((order[..done].to_vec(), seen));
    let Ok(before) = oracle::settled_counts() else { return wrong(0, Err(Errno::EIO)) };
    let mut holds = match Holds::new(kind) {
        Ok(holds) => holds,
        Err(errno) => return wrong(0, Err(errno)),
    };
    for done in 0..=order.len() {
        if done > 0
            && let Err(errno) = holds.take(order[done - 1])
        {
            return wrong(done, Err(errno));
        }
        let seen = held_since(&before).and_then(|memory| Ok((memory, listed()?)));
        let kept = holds.map.as_ref().is_none_or(|map| map.word(BYTES - 8) == 42);
        if seen != Ok(holds.expected(kind)) || !kept {
            return wrong(done, seen);
        }
    }
    Ok(())
}

/// Whether an object's frames are taken that were free then.
fn held_since(before: &Counts) -> Result<bool> {
    let now = counts::delta(before, &oracle::settled_counts()?);
    Ok(counts::of(&now, "free_frames") <= -(PAGES as i64))
}

fn listed() -> Result<bool> {
    Ok(read_text("/sys/kernel/debug/dma_buf/bufinfo")?.lines().any(|line| line.ends_with(NAME)))
}

/// A mapped object whose handle is gone, and its node with it.
fn mapping_alone() -> Result<Mapping> {
    let mut holds = Holds::new(Kind::Dumb)?;
    [Step::CloseBuffer, Step::GemClose, Step::CloseNode].into_iter().try_for_each(|step| holds.take(step))?;
    holds.map.ok_or(Errno::EIO)
}

fn inherited() -> Result<Status> {
    let before = oracle::settled_counts()?;
    let map = mapping_alone()?;
    let (from, to) = job::pipe()?;
    let child = process::spawn(|| {
        let _ = file::read(from.raw(), &mut [0]);
        i32::from(map.word(BYTES - 8) != 42)
    })?;
    map.unmap()?;
    let held = held_since(&before);
    file::write_all(to.raw(), b"!")?;
    let status = process::wait(child)?.1;
    check(held? && !held_since(&before)?)?;
    Ok(status)
}

/// Whether it is held with half of the mapping, from the other end without a page, and without any.
fn in_parts() -> Result<(bool, bool, bool)> {
    let before = oracle::settled_counts()?;
    let map = mapping_alone()?;
    map.punch(0, BYTES / 2)?;
    let half = held_since(&before)? && map.word(BYTES - 8) == 42;
    map.punch(BYTES - PAGE, PAGE)?;
    let middle = held_since(&before)? && map.word(BYTES / 2) == 0;
    map.unmap()?;
    Ok((half, middle, held_since(&before)?))
}

/// What mapping an object is answered once its handle is gone: while it is there, and then.
fn handle_gone() -> Result<(Errno, Errno)> {
    let node = Drm::card()?;
    let handle = node.create(8, 8, 32)?.handle;
    let offset = node.offset(handle)?;
    let map = node.map(PAGE, abi::MAP_SHARED, offset)?;
    node.close(handle)?;
    let again = || node.map(PAGE, abi::MAP_SHARED, offset).map_or_else(Ok, |_| Err(Errno::EIO));
    let there = again()?;
    map.unmap()?;
    Ok((there, again()?))
}
