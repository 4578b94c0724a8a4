//! `/bin/drmtest`: GEM objects and the dma-bufs they are imported from and exported as. TAP.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

mod lifetimes;

use heaps::uapi::Errno;
use heaps::uapi::drm::*;
use heaps::uapi::errno::Result;
use heaps::uapi::ioctl::{Command, READ, WRITE};
use userland::guest::buffer::Buffer;
use userland::guest::drm::Drm;
use userland::guest::heap::Heap;
use userland::guest::{read_text, tidy};
use userland::rt::tap::Tap;
use userland::rt::{Args, Fd, Mapping, Status, abi, process};

userland::program!(run);

const PAGE: usize = abi::PAGE;
const RDWR: u32 = abi::O_RDWR;

/// What displays there are: a device with displays has it.
const MODE_GETRESOURCES: Command = Command::new(READ | WRITE, KIND, 0xa0, 64);
/// A synchronisation object: a device that takes them has it.
const SYNCOBJ_CREATE: Command = Command::new(READ | WRITE, KIND, 0xbf, 8);

fn run(_: Args) -> i32 {
    tidy::run(checks)
}

fn checks(tap: &mut Tap) {
    version(tap);
    commands(tap);
    wrong_prime(tap);
    for heap in ["system", "default_cma_region"] {
        tap.is(
            imported(heap),
            Ok(()),
            format_args!("{heap}: an import outlives its descriptor, and comes out again"),
        );
    }
    tap.is(one_handle(), Ok((1, 1, 2, 1)), "a buffer has one handle; the lowest free one comes next");
    tap.is(attached(), Ok((1, 0)), "bufinfo names the importer while it is one");
    tap.is(dumb(), Ok(()), "an object of memory: mapped, exported, and mapped as a buffer");
    tap.is(read_only(), Ok(Errno::EACCES), "an export without DRM_RDWR is not written");
    tap.is(comes_home(), Ok(()), "an object comes home from its buffer, to another file too");
    lifetimes::checks(tap);
    wrong_dumb(tap);
    wrong_maps(tap);
    fences(tap);
    tap.is(late(), Ok(Errno::ETIMEDOUT), "a fence that nobody signals is signalled in the end");
    tap.is(exits(), Ok(Status::Exited(0)), "a process ends with handles and mappings");
}

fn version(tap: &mut Tap) {
    let asked = Mapping::anonymous(PAGE).and_then(|text| {
        let at = text.address() as u64;
        let mut version =
            Version { name: Text { len: 3, at }, desc: Text { len: 99, at: at + 8 }, ..Version::default() };
        Drm::render()?.send(DRM_IOCTL_VERSION, &mut version)?;
        let lengths = (version.name.len, version.date.len, version.desc.len);
        let bytes = [0, 1, 2, 3, 8, 27].map(|at| text.get(at));
        Ok((version.numbers, lengths, bytes))
    });
    let want = ([1, 0, 0], (4, 8, 20), [b'v', b'g', b'e', 0, b'V', b'r']);
    tap.is(asked, Ok(want), "the version, as much of its texts as there is room for, and their lengths");
    let mut bad = Version { name: Text { len: 9, at: 8 }, ..Version::default() };
    let sent = Drm::render().and_then(|drm| drm.send(DRM_IOCTL_VERSION, &mut bad));
    tap.is(sent, Err(Errno::EFAULT), "a text that nobody can write");
}

fn commands(tap: &mut Tap) {
    let (Ok(card), Ok(render)) = (Drm::card(), Drm::render()) else {
        tap.ok(false, "the nodes");
        return;
    };
    tap.is(
        [DRM_CAP_PRIME, DRM_CAP_TIMESTAMP_MONOTONIC, DRM_CAP_SYNCOBJ].map(|cap| render.cap(cap)),
        [Ok(3), Ok(1), Ok(0)],
        "PRIME both ways, one clock, no syncobjs",
    );
    tap.is(card.cap(1), Err(Errno::EOPNOTSUPP), "what only displays have");
    let sent = |drm: &Drm, command| drm.send(command, &mut [0u64; 16]);
    tap.is(sent(&card, MODE_GETRESOURCES), Err(Errno::EOPNOTSUPP), "a display's command");
    tap.is(sent(&render, MODE_GETRESOURCES), Err(Errno::EACCES), "a display's command, to the render node");
    tap.is(sent(&render, SYNCOBJ_CREATE), Err(Errno::EOPNOTSUPP), "synchronisation objects");
    for nr in [0x40, 0x9f, 0xce, 0xff] {
        let unknown = Command::new(READ | WRITE, KIND, nr, 8);
        tap.is(sent(&card, unknown), Err(Errno::EINVAL), format_args!("command {nr:#x}, which there is not"));
    }
    tap.is(render.create(8, 8, 32).map(drop), Err(Errno::EACCES), "objects of memory, from the render node");
    let stranger = render.send(Command::new(READ | WRITE, b'x', 0x0c, 16), &mut [5u64, 0]);
    tap.is(stranger, Err(Errno::ENOTTY), "another kind of device's command");
    tap.is(
        [0xa8, 0xa9].map(|nr| card.send(Command::new(READ | WRITE, KIND, nr, 8), &mut 0u64)),
        [Ok(()); 2],
        "commands that do nothing",
    );
    let mut long = [5u64, 0, 7, 7];
    let sent = render.send(Command::new(READ | WRITE, KIND, 0x0c, 32), &mut long);
    tap.is((sent, long), (Ok(()), [5, 3, 7, 7]), "a structure with a tail");
    let mut short = [5u64, 9];
    let sent = render.send(Command::new(READ | WRITE, KIND, 0x0c, 8), &mut short);
    tap.is((sent, short), (Ok(()), [5, 9]), "a structure that is too short");
}

fn wrong_prime(tap: &mut Tap) {
    let Ok(drm) = Drm::render() else {
        tap.ok(false, "the render node");
        return;
    };
    tap.is(drm.import(-1), Err(Errno::EBADF), "importing no descriptor");
    tap.is(drm.import(1), Err(Errno::EINVAL), "importing a terminal");
    tap.is(drm.close(0), Err(Errno::EINVAL), "closing handle 0");
    tap.is(drm.close(1), Err(Errno::EINVAL), "closing a handle there is not");
    tap.is(drm.export(1, 0).map(drop), Err(Errno::ENOENT), "exporting a handle there is not");
    for flag in (0..32).map(|bit| 1u32 << bit).filter(|flag| flag & (abi::O_CLOEXEC | RDWR) == 0) {
        if drm.export(1, flag).map(drop) != Err(Errno::EINVAL) {
            tap.ok(false, format_args!("exporting with flag {flag:#x}"));
        }
    }
    let mut prime = Prime { handle: 1, flags: 1, fd: -1 };
    tap.is(
        drm.send(DRM_IOCTL_PRIME_HANDLE_TO_FD, &mut prime),
        Err(Errno::EINVAL),
        "flags come before handles",
    );
}

fn allocate(heap: &str, pages: usize) -> Result<Buffer> {
    Heap::open(heap)?.allocate(pages * PAGE)
}

fn check(held: bool) -> Result<()> {
    if held { Ok(()) } else { Err(Errno::EIO) }
}

fn imported(heap: &str) -> Result<()> {
    let drm = Drm::render()?;
    let buffer = allocate(heap, 3)?;
    let map = buffer.map()?;
    map.put_word(2 * PAGE, 77);
    map.unmap()?;
    let handle = drm.import(buffer.raw())?;
    buffer.close()?;
    let again = Buffer::new(drm.export(handle, RDWR | abi::O_CLOEXEC)?, 3 * PAGE);
    drm.close(handle)?;
    let map = again.map()?;
    check(map.word(2 * PAGE) == 77 && again.size()? == 3 * PAGE as u64)?;
    check(again.fdinfo()?.contains(heap))
}

fn one_handle() -> Result<(u32, u32, u32, u32)> {
    let drm = Drm::render()?;
    let (first, second) = (allocate("system", 1)?, allocate("system", 1)?);
    let handles =
        (drm.import(first.raw())?, drm.import(first.duplicate()?.raw())?, drm.import(second.raw())?);
    drm.close(handles.0)?;
    let next = drm.import(allocate("system", 1)?.raw())?;
    Ok((handles.0, handles.1, handles.2, next))
}

fn attached() -> Result<(usize, usize)> {
    let count = || {
        Ok(read_text("/sys/kernel/debug/dma_buf/bufinfo")?.lines().filter(|line| *line == "\tvgem").count())
    };
    let drm = Drm::render()?;
    let buffer = allocate("system", 1)?;
    let handle = drm.import(buffer.raw())?;
    let during = count()?;
    drm.close(handle)?;
    Ok((during, count()?))
}

fn dumb() -> Result<()> {
    let card = Drm::card()?;
    let CreateDumb { handle, pitch, size, .. } = card.create(100, 50, 32)?;
    check((handle, pitch, size) == (1, 400, 5 * PAGE as u64))?;
    let map = card.map(size as usize, abi::MAP_SHARED, card.offset(handle)?)?;
    check((0..size as usize).step_by(8).all(|at| map.word(at) == 0))?;
    map.put_word(4 * PAGE + 8, 99);
    let buffer = Buffer::new(card.export(handle, RDWR)?, size as usize);
    // The mapping and the buffer outlive the handle.
    card.close(handle)?;
    let other = buffer.map()?;
    check(other.word(4 * PAGE + 8) == 99)?;
    other.put_word(0, 11);
    check(map.word(0) == 11 && buffer.fdinfo()?.contains("exp_name:\tdrm"))
}

fn read_only() -> Result<Errno> {
    let card = Drm::card()?;
    let handle = card.create(32, 32, 32)?.handle;
    let buffer = Buffer::new(card.export(handle, 0)?, PAGE);
    buffer.map().map_or_else(Ok, |_| Err(Errno::EIO))
}

fn comes_home() -> Result<()> {
    let (card, other) = (Drm::card()?, Drm::card()?);
    let handle = card.create(32, 32, 32)?.handle;
    let fd: Fd = card.export(handle, RDWR)?;
    check(card.import(fd.raw())? == handle)?;
    // It is no import there either: it can be mapped.
    let there = other.import(fd.raw())?;
    let map = card.map(PAGE, abi::MAP_SHARED, card.offset(handle)?)?;
    let same = other.map(PAGE, abi::MAP_SHARED, other.offset(there)?)?;
    map.put_word(8, 5);
    check(same.word(8) == 5)
}

fn wrong_dumb(tap: &mut Tap) {
    let Ok(card) = Drm::card() else {
        tap.ok(false, "the primary node");
        return;
    };
    for (width, height, bpp) in [
        (0, 1, 8),
        (1, 0, 8),
        (1, 1, 0),
        (1, 1, u32::MAX),
        (u32::MAX, 1, 32),
        (65536, 65536, 8),
        (65535, 65537, 8),
    ] {
        let made = card.create(width, height, bpp).map(drop);
        tap.is(
            made,
            Err(Errno::EINVAL),
            format_args!("an object of {width} by {height} pixels of {bpp} bits"),
        );
    }
    tap.is(card.create(1 << 15, 1 << 14, 32).map(drop), Err(Errno::ENOMEM), "an object larger than memory");
    tap.is(card.offset(1), Err(Errno::ENOENT), "where what is not there is mapped");
    let foreign = allocate("system", 1).and_then(|buffer| card.offset(card.import(buffer.raw())?));
    tap.is(foreign, Err(Errno::EINVAL), "where an import is mapped");
}

fn wrong_maps(tap: &mut Tap) {
    let made = Drm::card().and_then(|card| {
        let handle = card.create(64, 32, 32)?.handle;
        card.offset(handle).map(|offset| (card, handle, offset))
    });
    let Ok((card, _, offset)) = made else {
        tap.ok(false, "an object");
        return;
    };
    let mapped = |length, flags, offset| card.map(length, flags, offset).map(drop);
    tap.is(mapped(3 * PAGE, abi::MAP_SHARED, offset), Err(Errno::EINVAL), "a mapping longer than its object");
    tap.is(
        mapped(PAGE, abi::MAP_SHARED, offset + PAGE as u64),
        Err(Errno::EINVAL),
        "a mapping from its middle",
    );
    tap.is(mapped(PAGE, abi::MAP_SHARED, 0), Err(Errno::EINVAL), "a mapping of nothing");
    tap.is(mapped(PAGE, abi::MAP_PRIVATE, offset), Err(Errno::EINVAL), "a private mapping");
    let stranger = Drm::card().and_then(|other| other.map(PAGE, abi::MAP_SHARED, offset));
    tap.is(stranger.map(drop), Err(Errno::EACCES), "a mapping of another file's object");
    tap.is(mapped(PAGE, abi::MAP_SHARED, offset), Ok(()), "a mapping of its first page");
}

fn fences(tap: &mut Tap) {
    let made = Drm::render().and_then(|drm| {
        let buffer = allocate("system", 1)?;
        drm.import(buffer.raw()).map(|handle| (drm, buffer, handle))
    });
    let Ok((drm, buffer, handle)) = made else {
        tap.ok(false, "an import");
        return;
    };
    tap.is(drm.fence(handle, 2), Err(Errno::EINVAL), "a fence with a flag there is not");
    let mut padded = FenceAttach { handle, pad: 1, ..FenceAttach::default() };
    tap.is(drm.send(DRM_IOCTL_VGEM_FENCE_ATTACH, &mut padded), Err(Errno::EINVAL), "a fence with padding");
    tap.is(drm.fence(handle + 1, 0), Err(Errno::ENOENT), "a fence on nothing");
    tap.is([0, 1].map(|fence| drm.signal(fence)), [Err(Errno::ENOENT); 2], "signalling what is not there");
    tap.is(
        drm.send(DRM_IOCTL_VGEM_FENCE_SIGNAL, &mut FenceSignal { fence: 1, flags: 1 }),
        Err(Errno::EINVAL),
        "signalling with a flag",
    );
    let readers = (drm.fence(handle, 0), drm.fence(handle, 0));
    tap.is(readers, (Ok(1), Ok(2)), "two readers' fences");
    tap.is(drm.fence(handle, VGEM_FENCE_WRITE), Err(Errno::EBUSY), "a writer's beside them");
    tap.is(
        [1, 2, 2].map(|fence| drm.signal(fence)),
        [Ok(()), Ok(()), Err(Errno::ENOENT)],
        "each is signalled once",
    );
    tap.is(drm.fence(handle, VGEM_FENCE_WRITE), Ok(3), "a writer's fence");
    tap.is(drm.fence(handle, 0), Err(Errno::EBUSY), "a reader's beside it");
    // Another file's, on the same buffer, once this one is closed.
    let other = Drm::card().and_then(|card| {
        let there = card.import(buffer.raw())?;
        let before = card.fence(there, VGEM_FENCE_WRITE);
        drop(drm);
        Ok((before, card.fence(there, VGEM_FENCE_WRITE)))
    });
    tap.is(other, Ok((Err(Errno::EBUSY), Ok(1))), "closing the file signals its fences");
    let own = Drm::card().and_then(|card| {
        let handle = card.create(8, 8, 32)?.handle;
        Ok((
            card.fence(handle, VGEM_FENCE_WRITE)?,
            card.fence(handle, VGEM_FENCE_WRITE),
            card.signal(1),
            card.fence(handle, VGEM_FENCE_WRITE)?,
        ))
    });
    tap.is(own, Ok((1, Err(Errno::EBUSY), Ok(()), 2)), "fences on an object of memory");
}

/// Whoever begins CPU access waits as long.
fn late() -> Result<Errno> {
    let drm = Drm::render()?;
    let buffer = allocate("system", 1)?;
    let fence = drm.fence(drm.import(buffer.raw())?, VGEM_FENCE_WRITE)?;
    buffer.sync()?;
    drm.signal(fence).map_or_else(Ok, |()| Err(Errno::EIO))
}

fn exits() -> Result<Status> {
    process::in_child(|| {
        let done = Drm::card().and_then(|card| {
            let handle = card.create(32, 32, 32)?.handle;
            let map = card.map(PAGE, abi::MAP_SHARED, card.offset(handle)?)?;
            map.touch();
            let buffer = allocate("system", 2)?;
            card.import(buffer.raw())?;
            core::mem::forget((card.export(handle, RDWR)?, map, buffer));
            core::mem::forget(card);
            Ok(())
        });
        i32::from(done.is_err())
    })
}
