//! `/bin/fencetest`: fences on buffers and in sync files: who keeps whom, who is woken, and what stays. TAP.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::format;
use alloc::vec::Vec;
use heaps::uapi::Errno;
use heaps::uapi::dma_buf::{
    DMA_BUF_IOCTL_EXPORT_SYNC_FILE, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, DMA_BUF_IOCTL_SYNC, DMA_BUF_SYNC_READ,
    DMA_BUF_SYNC_RW, DMA_BUF_SYNC_WRITE, ExportSyncFile, ImportSyncFile, Sync,
};
use heaps::uapi::errno::Result;
use heaps::uapi::sw_sync::{CreateFence, SW_SYNC_IOC_CREATE_FENCE, SW_SYNC_IOC_INC};
use heaps::uapi::sync_file::{FileInfo, Merge, SYNC_IOC_FILE_INFO, SYNC_IOC_MERGE};
use userland::guest::buffer::Buffer;
use userland::guest::heap::Heap;
use userland::guest::{read_text, tidy};
use userland::rt::abi::{self, nr};
use userland::rt::tap::Tap;
use userland::rt::{Arg, Args, Fd, Scratch, file, process, syscall};

userland::program!(run);

const READ: u32 = DMA_BUF_SYNC_READ as u32;
const WRITE: u32 = DMA_BUF_SYNC_WRITE as u32;
const IN: u64 = 1;
const OUT: u64 = 4;
const EDGE: u64 = 1 << 31;
const SIZE: usize = 23 * 4096;
const FAILED: i32 = -(Errno::ENOENT.get() as i32);

fn run(_: Args) -> i32 {
    tidy::run(|tap| {
        if let Err(errno) = play(tap) {
            tap.ok(false, format!("a call that cannot fail: {errno}"));
        }
    })
}

fn play(tap: &mut Tap) -> Result<()> {
    counting(tap)?;
    closing_orders(tap)?;
    merging(tap)?;
    watching(tap)?;
    blocking(tap)?;
    listing(tap)?;
    racing(tap)
}

/// A timeline that user space counts on.
struct Timeline(Fd);

impl Timeline {
    fn open() -> Result<Timeline> {
        Fd::open("/sys/kernel/debug/sync/sw_sync", abi::O_RDWR).map(Timeline)
    }

    fn fence(&self, value: u32) -> Result<Fd> {
        let mut data = CreateFence { value, ..CreateFence::default() };
        file::ioctl(self.0.raw(), SW_SYNC_IOC_CREATE_FENCE, &mut data)?;
        Ok(Fd::from_raw(data.fence))
    }

    fn count(&self, mut by: u32) -> Result<()> {
        file::ioctl(self.0.raw(), SW_SYNC_IOC_INC, &mut by).map(drop)
    }
}

fn buffer() -> Result<Buffer> {
    Heap::open("system")?.allocate(SIZE)
}

fn merge(one: &Fd, other: &Fd) -> Result<Fd> {
    let mut data = Merge { fd2: other.raw(), ..Merge::default() };
    file::ioctl(one.raw(), SYNC_IOC_MERGE, &mut data)?;
    Ok(Fd::from_raw(data.fence))
}

fn import(buffer: &Buffer, flags: u32, fence: &Fd) -> Result<()> {
    let mut data = ImportSyncFile { flags, fd: fence.raw() };
    file::ioctl(buffer.raw(), DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &mut data).map(drop)
}

fn export(buffer: &Buffer, flags: u32) -> Result<Fd> {
    let mut data = ExportSyncFile { flags, fd: -1 };
    file::ioctl(buffer.raw(), DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &mut data)?;
    Ok(Fd::from_raw(data.fd))
}

fn info(fence: &Fd) -> Result<FileInfo> {
    let mut info = FileInfo::default();
    file::ioctl(fence.raw(), SYNC_IOC_FILE_INFO, &mut info)?;
    Ok(info)
}

fn status(fence: &Fd) -> Result<i32> {
    info(fence).map(|info| info.status)
}

fn epoll() -> Result<Fd> {
    syscall(nr::EPOLL_CREATE1, &[Arg::Int(0)]).map(|fd| Fd::from_raw(fd as i32))
}

fn watch(page: &Scratch, epoll: &Fd, fd: i32, events: u64) -> Result<()> {
    let args =
        [Arg::Int(epoll.raw().into()), Arg::Int(1), Arg::Int(fd.into()), page.put(16, &[events, events])];
    page.call(nr::EPOLL_CTL, &args).map(drop)
}

/// The events of one file, 0 for none; a timeout in milliseconds.
fn wait(page: &Scratch, epoll: &Fd, timeout: i64) -> Result<u64> {
    page.put(64, &[0; 2]);
    let epoll = Arg::Int(epoll.raw().into());
    let args = [epoll, page.at(64), Arg::Int(1), Arg::Int(timeout), Arg::Int(0), Arg::Int(8)];
    page.call(nr::EPOLL_PWAIT, &args)?;
    Ok(page.get::<1>(64)[0] & 0xffff_ffff)
}

fn counting(tap: &mut Tap) -> Result<()> {
    let timeline = Timeline::open()?;
    let (one, two, same) = (timeline.fence(1)?, timeline.fence(2)?, timeline.fence(2)?);
    tap.is([status(&one)?, status(&two)?], [0, 0], "fences to come");
    timeline.count(1)?;
    tap.is([status(&one)?, status(&two)?], [1, 0], "one has come");
    drop(two);
    tap.is(status(&same)?, 0, "its other descriptor keeps a fence");
    drop(timeline);
    tap.is([status(&one)?, status(&same)?], [1, FAILED], "a timeline that ends fails the rest");
    Ok(())
}

/// A fence, a buffer that has it, and its timeline are closed in every order.
fn closing_orders(tap: &mut Tap) -> Result<()> {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let (timeline, buffer) = (Timeline::open()?, buffer()?);
        let fence = timeline.fence(1)?;
        import(&buffer, WRITE, &fence)?;
        let (mut fence, mut buffer, mut timeline) = (Some(fence), Some(buffer), Some(timeline));
        for which in order {
            match which {
                0 => drop(fence.take()),
                1 => drop(buffer.take()),
                _ => drop(timeline.take()),
            }
            let seen = [
                fence.as_ref().map(status).transpose()?,
                buffer
                    .as_ref()
                    .map(|buffer| export(buffer, READ).and_then(|fence| status(&fence)))
                    .transpose()?,
            ];
            let pending = if timeline.is_some() { 0 } else { FAILED };
            // What failed is no longer waited for.
            let left = if timeline.is_some() { 0 } else { 1 };
            let want = [fence.is_some().then_some(pending), buffer.is_some().then_some(left)];
            tap.is(seen, want, format!("after closing {which} of {order:?}"));
        }
    }
    Ok(())
}

fn merging(tap: &mut Tap) -> Result<()> {
    let timelines = [Timeline::open()?, Timeline::open()?, Timeline::open()?];
    let mut all = timelines[0].fence(1)?;
    for timeline in &timelines[1..] {
        all = merge(&all, &timeline.fence(1)?)?;
    }
    let buffer = buffer()?;
    import(&buffer, READ, &all)?;
    let writer = export(&buffer, WRITE)?;
    tap.is([info(&all)?.num_fences, info(&writer)?.num_fences], [3, 3], "three fences as one");
    for (at, timeline) in timelines.iter().enumerate() {
        tap.is([status(&all)?, status(&writer)?], [0, 0], format!("{at} of three"));
        timeline.count(1)?;
    }
    tap.is([status(&all)?, status(&writer)?], [1, 1], "all three");
    let forgotten = merge(&timelines[0].fence(9)?, &timelines[1].fence(9)?)?;
    drop(forgotten);
    tap.ok(true, "a merge that nobody waits for any more");
    Ok(())
}

fn watching(tap: &mut Tap) -> Result<()> {
    let (page, epoll, buffer, timeline) = (Scratch::new()?, epoll()?, buffer()?, Timeline::open()?);
    import(&buffer, WRITE, &timeline.fence(1)?)?;
    import(&buffer, READ, &timeline.fence(2)?)?;
    let fence = timeline.fence(3)?;
    watch(&page, &epoll, buffer.raw(), IN | OUT)?;
    tap.is(wait(&page, &epoll, 0)?, 0, "a busy buffer");
    let child = process::spawn(|| i32::from(timeline.count(1).is_err()));
    tap.is(wait(&page, &epoll, -1)?, IN, "a reader is woken when the writer is done");
    tap.is(child.and_then(process::wait).map(|(_, status)| status.code()), Ok(0), "by a child");
    timeline.count(1)?;
    tap.is(wait(&page, &epoll, -1)?, IN | OUT, "a writer when the reader is");
    let edges = self::epoll()?;
    watch(&page, &edges, fence.raw(), IN | EDGE)?;
    tap.is(wait(&page, &edges, 0)?, 0, "a fence to come");
    let child = process::spawn(|| i32::from(timeline.count(1).is_err()));
    tap.is(wait(&page, &edges, -1)?, IN, "is readable when it comes");
    tap.is(wait(&page, &edges, 0)?, 0, "once, by its edge");
    let _ = child.and_then(process::wait);
    let both = merge(&timeline.fence(4)?, &Timeline::open()?.fence(1)?)?;
    let other = merge(&timeline.fence(4)?, &timeline.fence(5)?)?;
    watch(&page, &edges, both.raw(), IN)?;
    watch(&page, &edges, other.raw(), IN)?;
    timeline.count(1)?;
    tap.is(wait(&page, &edges, 0)?, IN, "a merge wakes too");
    drop((both, other));
    Ok(())
}

fn sync(buffer: &Buffer, flags: u64) -> Result<usize> {
    file::ioctl(buffer.raw(), DMA_BUF_IOCTL_SYNC, &mut Sync { flags })
}

fn blocking(tap: &mut Tap) -> Result<()> {
    let (buffer, timeline) = (buffer()?, Timeline::open()?);
    import(&buffer, WRITE, &timeline.fence(1)?)?;
    let waiter = process::spawn(|| sync(&buffer, DMA_BUF_SYNC_RW).map_or(1, |_| 0))?;
    process::give_way();
    tap.is(process::poll(waiter)?.is_none(), true, "SYNC waits");
    timeline.count(1)?;
    tap.is(process::wait(waiter)?.1.code(), 0, "until the fence comes");
    import(&buffer, WRITE, &timeline.fence(2)?)?;
    let waiter = process::spawn(|| sync(&buffer, DMA_BUF_SYNC_READ).map_or(1, |_| 0))?;
    process::give_way();
    process::kill(waiter, 9)?;
    tap.is(process::wait(waiter)?.1.code(), 128 + 9, "who waits can be killed");
    let waiter = process::spawn(|| sync(&buffer, DMA_BUF_SYNC_READ).map_or(1, |_| 0))?;
    process::give_way();
    drop(buffer);
    drop(timeline);
    tap.is(process::kill(waiter, 9), Ok(()), "and so can who has the last descriptors");
    let _ = process::wait(waiter);
    Ok(())
}

fn listing(tap: &mut Tap) -> Result<()> {
    let (buffer, timeline) = (buffer()?, Timeline::open()?);
    buffer.set_name("listed")?;
    import(&buffer, READ, &timeline.fence(7)?)?;
    let text = read_text("/sys/kernel/debug/dma_buf/bufinfo")?;
    let from = text.lines().position(|line| line.starts_with(&format!("{SIZE:08}\t")));
    let lines: Vec<_> = text.lines().skip(from.unwrap_or(0)).take(4).collect();
    let first: Vec<_> = lines[0].split('\t').collect();
    tap.is(
        (first[1], first[3], first[4]),
        ("00000002", "00000001", "system"),
        "bufinfo: flags, count, exporter",
    );
    tap.is(first.last().copied(), Some("listed"), "its name");
    tap.is(lines[1].ends_with("seq 7 unsignalled"), true, "its fence");
    tap.is(&lines[2..], &["\tAttached Devices:", "Total 0 devices attached"], "nobody is attached");
    Ok(())
}

/// Fences come and go while somebody counts.
fn racing(tap: &mut Tap) -> Result<()> {
    let (buffer, timeline) = (buffer()?, Timeline::open()?);
    let children: Vec<_> = (0..3).map(|child| process::spawn(|| race(child, &buffer, &timeline))).collect();
    for _ in 0..400 {
        timeline.count(1)?;
        process::give_way();
    }
    for child in children {
        tap.is(child.and_then(process::wait).map(|(_, status)| status.code()), Ok(0), "a child of the race");
    }
    timeline.count(u32::MAX >> 1)?;
    tap.is(sync(&buffer, DMA_BUF_SYNC_RW), Ok(0), "nothing is left to wait for");
    Ok(())
}

fn race(child: u32, buffer: &Buffer, timeline: &Timeline) -> i32 {
    let round = |n: u32| {
        let (soon, late) = (timeline.fence(n * 2)?, timeline.fence(n * 2 + 3)?);
        let own = Timeline::open()?;
        let all = merge(&merge(&soon, &own.fence(1)?)?, &late)?;
        import(buffer, if n % 2 == child % 2 { READ } else { WRITE }, &all)?;
        let writer = export(buffer, WRITE)?;
        let page = Scratch::new()?;
        let epoll = epoll()?;
        watch(&page, &epoll, writer.raw(), IN)?;
        watch(&page, &epoll, buffer.raw(), IN | OUT)?;
        wait(&page, &epoll, 0).map(drop)
    };
    i32::from(!(0..150).map(round).all(|outcome| outcome.is_ok()))
}
