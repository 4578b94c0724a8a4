//! `/bin/heaptest`: what heaps and buffers offer beyond allocating: shares and limits, queries, buffers of memfds. TAP.
//!
//! With `regions`, for a machine that has a pool called `camera`, a carveout `vision` and a protected region `secret`.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::format;
use heaps::uapi::Errno;
use heaps::uapi::dma_heap::{
    DMA_HEAP_IOCTL_QUERY, HEAP_CACHEABLE, HEAP_CONTIGUOUS, HEAP_MAPPABLE, HEAP_PROTECTED, HEAP_SUITS,
    QUERY_PROTECTED, Query,
};
use heaps::uapi::errno::Result;
use heaps::uapi::udmabuf::{Create, UDMABUF_CREATE, UDMABUF_FLAGS_CLOEXEC};
use userland::guest::buffer::Buffer;
use userland::guest::drm::Drm;
use userland::guest::heap::Heap;
use userland::guest::{read_text, tidy, write_text};
use userland::rt::abi::*;
use userland::rt::tap::Tap;
use userland::rt::{Args, Fd, Status, file, process, socket};

userland::program!(run);

const LIMIT: &str = "/sys/module/dma_heap/parameters/user_limit_kb";
const USERS: &str = "/sys/kernel/debug/dma_buf/users";
const SIZE_LIMIT: &str = "/sys/module/udmabuf/parameters/size_limit_mb";
/// Somebody without privileges.
const SOMEBODY: u32 = 1000;
/// What he may hold, in bytes.
const SHARE: usize = 64 << 10;

fn run(args: Args) -> i32 {
    if let Some("regions") = args.get(1) {
        return tidy::run(regions);
    }
    tidy::run(|tap| {
        shown(tap);
        limited(tap);
        passed_on(tap);
        kept_otherwise(tap);
        objects(tap);
        queries(tap);
        listing(tap);
        memfds(tap);
    })
}

fn allocate(len: usize) -> Result<Buffer> {
    Heap::open("system")?.allocate(len)
}

/// The bytes in buffers that this process can reach, in KiB.
fn reached() -> usize {
    let status = read_text("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("DmaBuf:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    number.and_then(|number| number.trim().parse().ok()).unwrap_or(usize::MAX)
}

/// What a user holds: buffers and bytes, as the table says it.
fn held_by(user: u32) -> Option<alloc::string::String> {
    let table = read_text(USERS).ok()?;
    let mine = |line: &&str| line.split('\t').next().and_then(|name| name.parse().ok()) == Some(user);
    table.lines().find(mine).and_then(|line| line.split_once('\t')).map(|(_, rest)| rest.into())
}

/// What a child of somebody's comes to; 0 where it went well.
fn as_somebody(f: impl FnOnce() -> i32) -> Result<Status> {
    process::in_child(|| match process::set_users(SOMEBODY) {
        Ok(()) => f(),
        Err(_) => 99,
    })
}

/// Whether somebody could allocate his whole share now.
fn has_room() -> bool {
    as_somebody(|| i32::from(allocate(SHARE).is_err())) == Ok(Status::Exited(0))
}

fn shown(tap: &mut Tap) {
    tap.is(reached(), 0, "no buffer is reached at first");
    let Ok(buffer) = allocate(SHARE) else { return };
    tap.is(reached(), 64, "one is, by a descriptor");
    let second = buffer.duplicate();
    tap.is(reached(), 64, "by two, it counts once");
    let Ok(mapping) = buffer.map() else { return };
    tap.is(reached(), 64, "and by a mapping");
    drop((buffer, second));
    tap.is(reached(), 64, "which is enough");
    let in_child = process::in_child(|| i32::from(reached() != 64));
    tap.is(in_child, Ok(Status::Exited(0)), "a child's copy reaches it too");
    drop(mapping);
    tap.is(reached(), 0, "until it goes");
}

fn limited(tap: &mut Tap) {
    tap.is(read_text(LIMIT).as_deref(), Ok("-1\n"), "there is no limit at first");
    tap.is(write_text(LIMIT, "many"), Err(Errno::EINVAL), "nor is that one");
    tap.is(write_text(LIMIT, "64"), Ok(()), "a limit of 64 KiB");
    tap.is(allocate(4 * SHARE).map(drop), Ok(()), "root has none");
    let status = as_somebody(|| {
        let Ok(half) = allocate(SHARE / 2) else { return 1 };
        let Ok(rest) = allocate(SHARE / 2) else { return 2 };
        if allocate(1).err() != Some(Errno::EDQUOT) || allocate(2 * SHARE).err() != Some(Errno::EDQUOT) {
            return 3;
        }
        drop(half);
        let Ok(page) = allocate(1) else { return 4 };
        if allocate(SHARE / 2).err() != Some(Errno::EDQUOT) {
            return 5;
        }
        drop((page, rest));
        i32::from(allocate(SHARE).is_err()) * 6
    });
    tap.is(status, Ok(Status::Exited(0)), "somebody may hold so much and no more: EDQUOT");
    let status = as_somebody(|| {
        let Ok(_mine) = allocate(SHARE) else { return 1 };
        match process::in_child(|| i32::from(allocate(1).err() != Some(Errno::EDQUOT))) {
            Ok(Status::Exited(0)) => 0,
            _ => 2,
        }
    });
    tap.is(status, Ok(Status::Exited(0)), "a child of his has the same share");
    tap.is(held_by(SOMEBODY), None, "all is given back at the end");
    tap.is(write_text(LIMIT, "-1"), Ok(()), "no limit again");
}

/// A buffer of somebody's that he sent to us, who then ended.
fn sent_by_somebody() -> Result<[Fd; 2]> {
    let [ours, his] = socket::pair(SOCK_STREAM)?;
    let status = as_somebody(|| {
        let sent = allocate(SHARE).and_then(|buffer| socket::send_files(his.raw(), &[buffer.raw()]));
        i32::from(sent.is_err())
    });
    if status == Ok(Status::Exited(0)) { Ok([ours, his]) } else { Err(Errno::EIO) }
}

fn passed_on(tap: &mut Tap) {
    let _ = write_text(LIMIT, "64");
    let expected = format!("1\t{SHARE}");
    match sent_by_somebody() {
        Err(errno) => drop(tap.is(Err(errno), Ok(()), "somebody sends a buffer")),
        Ok([ours, his]) => {
            tap.is(held_by(SOMEBODY), Some(expected.clone()), "in flight it is charged to who had it made");
            tap.ok(!has_room(), "who has no room meanwhile");
            let received = socket::receive_file(ours.raw()).map(|fd| Buffer::new(fd, SHARE));
            tap.is(received.as_ref().map(drop).map_err(|e| *e), Ok(()), "it is received");
            drop((ours, his));
            tap.is(held_by(SOMEBODY), Some(expected.clone()), "and charged to him still");
            let mapping = received.and_then(|buffer| buffer.map());
            tap.is(held_by(SOMEBODY), Some(expected.clone()), "and so it is where only a mapping is left");
            drop(mapping);
            tap.is(held_by(SOMEBODY), None, "until the last of it goes");
            tap.ok(has_room(), "and he has his share again");
        }
    }
    match sent_by_somebody() {
        Err(errno) => drop(tap.is(Err(errno), Ok(()), "somebody sends another")),
        Ok(ends) => {
            drop(ends);
            tap.is(held_by(SOMEBODY), None, "what nobody ever received goes with the socket");
        }
    }
    let _ = write_text(LIMIT, "-1");
}

fn kept_otherwise(tap: &mut Tap) {
    let status = as_somebody(|| {
        let Ok(buffer) = allocate(4096) else { return 1 };
        // Nobody but who has the capability may become somebody else; the charge would not follow.
        if process::set_users(SOMEBODY + 1) != Err(Errno::EPERM) {
            return 2;
        }
        i32::from(buffer.size() != Ok(4096)) * 3
    });
    tap.is(status, Ok(Status::Exited(0)), "somebody stays who he is");
    let status = process::in_child(|| {
        let Ok(buffer) = allocate(4096) else { return 1 };
        if process::set_users(SOMEBODY) != Ok(()) {
            return 2;
        }
        // Root's, as it was made; and nothing of his own.
        if held_by(SOMEBODY).is_some() || held_by(0).is_none() {
            return 3;
        }
        i32::from(buffer.close().is_err()) * 4
    });
    tap.is(status, Ok(Status::Exited(0)), "what root had made stays root's when he becomes somebody");
    tap.is(held_by(0), None, "and goes");
}

/// A DRM object of so many bytes, whole pages.
fn object(card: &Drm, len: usize) -> Result<u32> {
    card.create(PAGE as u32 / 4, (len / PAGE) as u32, 32).map(|made| made.handle)
}

fn objects(tap: &mut Tap) {
    let _ = write_text(LIMIT, "64");
    let root = Drm::card().and_then(|card| object(&card, 4 * SHARE));
    tap.is(root.map(drop), Ok(()), "root has no limit for objects of memory");
    let table = |count, bytes| Some(format!("{count}\t{bytes}"));
    let status = as_somebody(|| {
        let Ok(card) = Drm::card() else { return 1 };
        let (Ok(first), Ok(_second)) = (object(&card, SHARE / 2), object(&card, SHARE / 2)) else { return 2 };
        if object(&card, PAGE) != Err(Errno::EDQUOT) || allocate(1).err() != Some(Errno::EDQUOT) {
            return 3;
        }
        // To be exported takes nothing of the share: there is nothing left of it.
        let Ok(buffer) = card.export(first, O_RDWR) else { return 4 };
        if held_by(SOMEBODY) != table(2, SHARE) || card.close(first) != Ok(()) {
            return 5;
        }
        if held_by(SOMEBODY) != table(2, SHARE) || object(&card, PAGE) != Err(Errno::EDQUOT) {
            return 6;
        }
        drop(buffer);
        if held_by(SOMEBODY) != table(1, SHARE / 2) || object(&card, SHARE) != Err(Errno::EDQUOT) {
            return 7;
        }
        let Ok(third) = object(&card, SHARE / 2) else { return 8 };
        let Ok(offset) = card.offset(third) else { return 9 };
        let Ok(map) = card.map(PAGE, MAP_SHARED, offset) else { return 10 };
        if card.close(third) != Ok(()) || held_by(SOMEBODY) != table(2, SHARE) {
            return 11;
        }
        drop(map);
        i32::from(held_by(SOMEBODY) != table(1, SHARE / 2)) * 12
    });
    tap.is(status, Ok(Status::Exited(0)), "somebody's objects are charged to him like buffers, each once");
    tap.is(held_by(SOMEBODY), None, "and go with their file");
    // An import is whose the buffer is.
    let imported = allocate(4096).and_then(|buffer| {
        as_somebody(|| {
            let Ok(card) = Drm::card() else { return 1 };
            let done = card.import(buffer.raw()).map(|_| held_by(SOMEBODY));
            i32::from(done != Ok(None)) * 2
        })
    });
    tap.is(imported, Ok(Status::Exited(0)), "who imports a buffer pays nothing");
    let _ = write_text(LIMIT, "-1");
}

fn query(heap: &Heap, asked: Query) -> Result<Query> {
    let mut query = Query { size: size_of::<Query>() as u32, ..asked };
    file::ioctl(heap.raw(), DMA_HEAP_IOCTL_QUERY, &mut query).map(|_| query)
}

fn queries(tap: &mut Tap) {
    let (Ok(system), Ok(cma)) = (Heap::open("system"), Heap::open("default_cma_region")) else {
        tap.ok(false, "two heaps");
        return;
    };
    let both = HEAP_CACHEABLE | HEAP_MAPPABLE;
    let any = Query::default();
    let (of_system, of_cma) = (query(&system, any), query(&cma, any));
    tap.is(of_system.map(|q| q.attributes), Ok(both | HEAP_SUITS), "the system heap's attributes");
    let attributes = Ok(both | HEAP_CONTIGUOUS | HEAP_SUITS);
    tap.is(of_cma.map(|q| q.attributes), attributes, "the contiguous heap's");
    if let (Ok(of_system), Ok(of_cma)) = (of_system, of_cma) {
        let inside =
            of_system.address_min <= of_cma.address_min && of_cma.address_max <= of_system.address_max;
        tap.ok(inside, "the region is part of memory");
        tap.is(of_cma.address_max - of_cma.address_min + 1, of_cma.size_max, "a buffer may be all of it");
        let base = read_text("/sys/kernel/debug/cma/reserved/base_pfn").unwrap_or_default();
        tap.is(base.trim().parse(), Ok(of_cma.address_min >> 12), "which is where debugfs says");
        let short = Query { dma_mask: of_cma.address_max - 1, ..any };
        let reaches = |heap: &Heap, asked: Query| query(heap, asked).map(|q| q.attributes & HEAP_SUITS != 0);
        tap.is(reaches(&cma, short), Ok(false), "a device that cannot drive the last address");
        tap.is(reaches(&cma, Query { dma_mask: of_cma.address_max, ..any }), Ok(true), "one that just can");
        let single = Query { segments_max: 1, ..any };
        tap.is(reaches(&system, single), Ok(false), "a device of one run and scattered buffers");
        tap.is(reaches(&cma, single), Ok(true), "and contiguous ones");
    }
    tap.is(query(&system, Query { flags: 2, ..any }), Err(Errno::EINVAL), "an unknown flag: EINVAL");
    let mut longer = [0u64; 9];
    longer[0] = 72;
    let longer = &mut longer;
    tap.is(file::ioctl(system.raw(), DMA_HEAP_IOCTL_QUERY, longer), Ok(0), "a longer query");
    tap.is(longer[0] as u32, 64, "is told what is known");
    (longer[0], longer[8]) = (72, 1);
    let refused = file::ioctl(system.raw(), DMA_HEAP_IOCTL_QUERY, longer);
    tap.is(refused, Err(Errno::E2BIG), "one that asks for what is not: E2BIG");
}

fn listing(tap: &mut Tap) {
    let read = |name: &str| read_text(&format!("/sys/class/dma_device/udmabuf/{name}")).unwrap_or_default();
    tap.is(read("dma_mask").trim(), "0xffffffffffffffff", "a device's mask");
    let heaps = read("heaps");
    let lists = |name: &str| heaps.lines().any(|line| line == name);
    tap.ok(lists("system") && lists("default_cma_region"), "and the heaps it can use");
}

fn memfds(tap: &mut Tap) {
    let Ok(memfd) = file::memfd("source", MFD_ALLOW_SEALING) else { return };
    let _ = file::truncate(memfd.raw(), 8192);
    tap.is(file::fcntl(memfd.raw(), F_ADD_SEALS, F_SEAL_SHRINK).map(drop), Ok(()), "a memfd, sealed");
    let Ok(device) = Fd::open("/dev/udmabuf", O_RDWR | O_CLOEXEC) else {
        tap.ok(false, "/dev/udmabuf");
        return;
    };
    let create = |size: u64| {
        let memfd = memfd.raw() as u32;
        let mut asked = Create { memfd, flags: UDMABUF_FLAGS_CLOEXEC, offset: 0, size };
        let fd = file::ioctl(device.raw(), UDMABUF_CREATE, &mut asked)?;
        Ok(Buffer::new(Fd::from_raw(fd as i32), size as usize))
    };
    let _ = write_text(SIZE_LIMIT, "0");
    tap.is(create(4096).map(drop), Err(Errno::EINVAL), "a limit of nothing: EINVAL");
    tap.is(write_text(SIZE_LIMIT, "64"), Ok(()), "and as it was");
    let Ok(buffer) = create(8192) else {
        tap.ok(false, "a buffer of it");
        return;
    };
    tap.is(reached(), 8, "its bytes count as a buffer's");
    let seal = || file::fcntl(memfd.raw(), F_ADD_SEALS, F_SEAL_WRITE).map(drop);
    tap.is(seal(), Err(Errno::EBUSY), "the memfd cannot be sealed against writing");
    let child = process::in_child(|| {
        let Ok(mapping) = buffer.map() else { return 1 };
        mapping.put_word(4096, 0xfeed);
        0
    });
    tap.is(child, Ok(Status::Exited(0)), "a child writes to the buffer");
    let _ = file::seek(memfd.raw(), 4096, SEEK_SET);
    let mut word = [0u8; 8];
    let read = file::read(memfd.raw(), &mut word).map(|_| u64::from_ne_bytes(word));
    tap.is(read, Ok(0xfeed), "and the memfd has it");
    drop(buffer);
    tap.is(seal(), Ok(()), "with the buffer gone it can be sealed");
    tap.is(create(4096).map(drop), Err(Errno::EINVAL), "and makes no more buffers");
}

fn regions(tap: &mut Tap) {
    let plain = HEAP_CONTIGUOUS | HEAP_CACHEABLE;
    let kinds = [
        ("reserved", plain | HEAP_MAPPABLE | HEAP_SUITS),
        ("camera", plain | HEAP_MAPPABLE | HEAP_SUITS),
        ("vision", plain | HEAP_MAPPABLE | HEAP_SUITS),
        ("secret", plain | HEAP_PROTECTED),
    ];
    for (name, attributes) in kinds {
        let Ok(heap) = Heap::open(name) else {
            tap.ok(false, format_args!("{name} is there"));
            continue;
        };
        let told = query(&heap, Query::default());
        tap.is(told.map(|q| q.attributes), Ok(attributes), format_args!("{name}: what it is like"));
        let size = told.map_or(0, |q| q.size_max as usize);
        let all = heap.allocate(size);
        let got = all.as_ref().map_err(|e| *e).and_then(Buffer::size);
        tap.is(got, Ok(size as u64), format_args!("{name}: all of it"));
        tap.is(heap.allocate(4096).map(drop), Err(Errno::ENOMEM), format_args!("{name}: and no more"));
        let mapped = all.and_then(|buffer| buffer.map().map(|mapping| mapping.word(size - 8)));
        let expected = if attributes & HEAP_MAPPABLE != 0 { Ok(0) } else { Err(Errno::EINVAL) };
        tap.is(mapped, expected, format_args!("{name}: mapped, if it may be"));
        tap.is(heap.allocate(size).map(drop), Ok(()), format_args!("{name}: all of it again"));
        let told = query(&heap, Query { flags: QUERY_PROTECTED, ..Query::default() });
        let suits = told.map(|q| q.attributes & HEAP_SUITS != 0);
        tap.is(suits, Ok(true), format_args!("{name}: a device that may see what is protected"));
    }
    let size =
        |name: &str| Heap::open(name).and_then(|heap| query(&heap, Query::default())).map(|q| q.size_max);
    let sizes = ["camera", "vision", "secret"].map(size);
    tap.is(sizes, [Ok(8 << 20), Ok(4 << 20), Ok(4 << 20)], "as large as they were asked for");
    tap.is(size("reserved"), size("default_cma_region"), "two names for one region");
    let lent = |name: &str| read_text(&format!("/sys/kernel/debug/cma/{name}/lent")).unwrap_or_default();
    tap.is(
        [lent("vision"), lent("secret")].map(|text| text == "0\n"),
        [true; 2],
        "what is carved out is not lent",
    );
}
