//! `/bin/jobtest`: transfers of a device that nobody waits for: what they wait for, who waits for them, and whose the memory
//! is until they are done. TAP.
//!
//! With `iommu`, for a machine that has one: where memory is pulled out, a transfer ends in a fault.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::vec::Vec;

use heaps::uapi::Errno;
use heaps::uapi::edu::{EDU_SUBMIT, SUBMIT_IN_FENCE, SUBMIT_OUT_FENCE, Submit, Transfer};
use heaps::uapi::errno::Result;
use userland::guest::buffer::Buffer;
use userland::guest::edu::{self, Edu};
use userland::guest::fence::{self, Timeline};
use userland::guest::heap::Heap;
use userland::guest::provider::Provider;
use userland::guest::{oracle, read_text, tidy};
use userland::rt::tap::Tap;
use userland::rt::{Args, Fd, Mapping, Status, abi, file, process, socket, time};

userland::program!(run);

const PAGE: usize = abi::PAGE;
/// What a fence says that was signalled without an error, and with this one.
const DONE: i32 = 1;
const GONE: i32 = -(Errno::ENODEV.get() as i32);
const CANCELLED: i32 = -(Errno::ECANCELED.get() as i32);

fn run(args: Args) -> i32 {
    match args.get(1) {
        Some("iommu") => tidy::run(|tap| {
            checks(tap);
            tap.is(faults_when_unplugged(), Ok((GONE, true)), "pulled out memory: the transfer is a fault");
        }),
        _ => tidy::run(|tap| {
            checks(tap);
            tap.is(faults().err(), Some(Errno::ENOENT), "there is no IOMMU");
            tap.is(ends_before_unplugged(), Ok(true), "pulled out memory: the transfer ends before");
        }),
    }
}

fn checks(tap: &mut Tap) {
    tap.is(in_order(), Ok((DONE, true)), "jobs of a file are done in their order");
    tap.is(waits(), Ok((0, 0, DONE, true)), "a job waits for its fence, and the buffer's users for it");
    tap.is(after_another(), Ok((DONE, DONE, true)), "a job waits for another file's on the same buffer");
    tap.is(synchronous(), Ok(true), "a transfer waits for the jobs on its buffer");
    wrong(tap);
    tap.is(full(), Ok(Errno::EBUSY), "as many jobs as can wait");
    tap.is(
        cancelled(),
        Ok((CANCELLED, 0)),
        "what waits when its file is closed is cancelled, and nothing is left of it",
    );
    tap.is(behind(), Ok((CANCELLED, DONE, true)), "another file's job, which waited for that, is done");
    tap.is(
        one_file_of_two(),
        Ok((true, DONE)),
        "closing a file cancels its own jobs, all of them, and no other's",
    );
    tap.is(under_way(), Ok(DONE), "what is under way when all is closed is done");
    tap.is(killed(), Ok((Status::Killed(abi::SIGKILL), true)), "who is killed has nothing left");
    tap.is(unregistered(), Ok((Err(Errno::EAGAIN), DONE, Ok(()))), "a job keeps what its buffer is made by");
    tap.is(unplugged(), Ok((GONE, Ok(()))), "memory is pulled out while a job waits");
}

/// A buffer of one page, and it mapped.
fn buffer() -> Result<(Buffer, Mapping)> {
    let buffer = Heap::open("system")?.allocate(PAGE)?;
    let map = buffer.map()?;
    Ok((buffer, map))
}

/// What the device had last, it writes to the buffer that was imported as `handle`.
fn store(handle: u32) -> Transfer {
    edu::store(handle, 0, PAGE)
}

fn in_order() -> Result<(i32, bool)> {
    let edu = Edu::open()?;
    let ((from, source), (to, target)) = (buffer()?, buffer()?);
    (0..PAGE).step_by(8).for_each(|at| source.put_word(at, !(at as u64)));
    let (from, to) = (edu.import(from.raw())?, edu.import(to.raw())?);
    edu.submit(edu::load(from, 0, PAGE), None)?;
    let done = fence::wait(&edu.submit(store(to), None)?)?;
    Ok((done, (0..PAGE).step_by(8).all(|at| target.word(at) == !(at as u64))))
}

/// A job with a fence before it: how its own stands, what poll says of the buffer, how it ends, and whether the device saw
/// what was written meanwhile.
fn waits() -> Result<(i32, u16, i32, bool)> {
    let (edu, timeline) = (Edu::open()?, Timeline::open()?);
    let ((from, source), (to, target)) = (buffer()?, buffer()?);
    let (loads, stores) = (edu.import(from.raw())?, edu.import(to.raw())?);
    let loaded = edu.submit(edu::load(loads, 0, PAGE), Some(&timeline.fence(1)?))?;
    let stored = edu.submit(store(stores), None)?;
    let busy = (fence::status(&loaded)?, socket::poll(to.raw(), abi::POLLIN)?);
    source.put_word(0, 4711);
    timeline.step()?;
    Ok((busy.0, busy.1, fence::wait(&stored)?, target.word(0) == 4711))
}

/// One file's job writes a buffer, another's reads it: the second is done after the first, though nothing else keeps it.
fn after_another() -> Result<(i32, i32, bool)> {
    let (one, other, timeline) = (Edu::open()?, Edu::open()?, Timeline::open()?);
    let ((shared, map), (to, target)) = (buffer()?, buffer()?);
    map.put_word(0, 815);
    one.load(one.import(shared.raw())?, 0, PAGE)?;
    map.put_word(0, 0);
    let written = one.submit(store(one.import(shared.raw())?), Some(&timeline.fence(1)?))?;
    let read = other.submit(edu::load(other.import(shared.raw())?, 0, PAGE), None)?;
    let early = fence::status(&read)? != 0;
    timeline.step()?;
    let ends = (fence::wait(&written)?, fence::wait(&read)?);
    other.store(other.import(to.raw())?, 0, PAGE)?;
    Ok((ends.0, ends.1, !early && target.word(0) == 815))
}

fn synchronous() -> Result<bool> {
    let (edu, (buffer, map), timeline) = (Edu::open()?, buffer()?, Timeline::open()?);
    let handle = edu.import(buffer.raw())?;
    let job = edu.submit(store(handle), Some(&timeline.fence(1)?))?;
    let loads = process::spawn(|| i32::from(edu.load(handle, 0, 8).is_err()))?;
    map.put_word(0, 7);
    let early = process::poll(loads)?.is_some();
    timeline.step()?;
    let status = process::wait(loads)?.1;
    Ok(!early && status == Status::Exited(0) && fence::status(&job)? == DONE)
}

fn wrong(tap: &mut Tap) {
    let imported = Edu::open().and_then(|edu| {
        let (buffer, _) = buffer()?;
        edu.import(buffer.raw()).map(|handle| (edu, handle))
    });
    let Ok((edu, handle)) = imported else {
        tap.is(imported.map(drop), Ok(()), "an import");
        return;
    };
    let transfer = store(handle);
    let good = Submit { transfer, flags: SUBMIT_OUT_FENCE, ..Submit::default() };
    for (submit, errno, what) in [
        (Submit { flags: 4, ..good }, Errno::EINVAL, "a flag there is not"),
        (Submit { pad: 1, ..good }, Errno::EINVAL, "a field that is to be 0"),
        (Submit { flags: SUBMIT_IN_FENCE, in_fence: -1, ..good }, Errno::EINVAL, "no descriptor for a fence"),
        (
            Submit { flags: SUBMIT_IN_FENCE, in_fence: edu.raw(), ..good },
            Errno::EINVAL,
            "one that is no fence",
        ),
        (Submit { transfer: Transfer { len: 0, ..transfer }, ..good }, Errno::EINVAL, "no bytes"),
        (Submit { transfer: Transfer { at: 8, ..transfer }, ..good }, Errno::EINVAL, "past the device's end"),
        (Submit { transfer: Transfer { offset: 8, ..transfer }, ..good }, Errno::EINVAL, "past the buffer's"),
        (Submit { transfer: store(handle + 1), ..good }, Errno::ENOENT, "another's import"),
    ] {
        let got = file::ioctl(edu.raw(), EDU_SUBMIT, &mut { submit });
        tap.is(got.map(drop), Err(errno), format_args!("a job: {what}"));
    }
    let mut silent = Submit { transfer, in_fence: -1, out_fence: -7, ..Submit::default() };
    let got = file::ioctl(edu.raw(), EDU_SUBMIT, &mut silent).map(|_| silent.out_fence);
    tap.is(got, Ok(-7), "a job whose end nobody wants to know");
}

/// Jobs that wait until there is no room for another; none of them is done.
fn full() -> Result<Errno> {
    let (edu, (buffer, _map), timeline) = (Edu::open()?, buffer()?, Timeline::open()?);
    let handle = edu.import(buffer.raw())?;
    let revoked = Provider::load_with("jobtest", "memory=own")?;
    let memory = Heap::open("jobtest")?.allocate(PAGE)?;
    let gone = edu.import(memory.raw())?;
    let fence = timeline.fence(1)?;
    // They are refused one and all when their turn comes, rather than done one after the other.
    let submit = |handle| {
        let flags = SUBMIT_IN_FENCE;
        let mut submit =
            Submit { transfer: store(handle), flags, in_fence: fence.raw(), ..Submit::default() };
        file::ioctl(edu.raw(), EDU_SUBMIT, &mut submit).map(drop)
    };
    let refused = (0..1000).find_map(|_| submit(gone).err());
    let also = edu.submit(store(handle), None).map(drop);
    memory.close()?;
    revoked.unplug()?;
    timeline.step()?;
    drop(edu);
    oracle::settled_counts()?;
    revoked.unload()?;
    match refused {
        Some(errno) if also == Err(errno) => Ok(errno),
        _ => Err(Errno::EIO),
    }
}

/// Makes and drops buffers until `done`: what is free is used.
fn churn(mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let heap = Heap::open("system")?;
    while !done()? {
        let buffers = (0..8).map(|_| heap.allocate(16 * PAGE)).collect::<Result<Vec<_>>>()?;
        drop(buffers);
    }
    Ok(())
}

/// Everything but the fence is closed while the job waits for what never comes: how it ends, and how many buffers there are
/// more.
fn cancelled() -> Result<(i32, i64)> {
    let before = buffers()?;
    let (edu, (buffer, map), timeline) = (Edu::open()?, buffer()?, Timeline::open()?);
    let job = edu.submit(store(edu.import(buffer.raw())?), Some(&timeline.fence(1)?))?;
    drop((buffer, map));
    drop(edu);
    Ok((fence::status(&job)?, buffers()? - before))
}

/// A job that waits for what never comes has another's wait for it, on the same buffer: how both end when the first one's
/// file is closed, and whether neither did before.
fn behind() -> Result<(i32, i32, bool)> {
    let (one, other, timeline) = (Edu::open()?, Edu::open()?, Timeline::open()?);
    let (buffer, _map) = buffer()?;
    let first = one.submit(store(one.import(buffer.raw())?), Some(&timeline.fence(1)?))?;
    let second = other.submit(edu::load(other.import(buffer.raw())?, 0, PAGE), None)?;
    let early = (fence::status(&first)?, fence::status(&second)?);
    drop(one);
    Ok((fence::status(&first)?, fence::wait(&second)?, early == (0, 0)))
}

/// Two files have jobs that wait for the same fence: whether those of the one that is closed are cancelled, and how the
/// other's ends.
fn one_file_of_two() -> Result<(bool, i32)> {
    let (one, other, timeline) = (Edu::open()?, Edu::open()?, Timeline::open()?);
    let fence = timeline.fence(1)?;
    let job = |edu: &Edu| {
        let (buffer, _) = buffer()?;
        edu.submit(store(edu.import(buffer.raw())?), Some(&fence))
    };
    let (first, kept, second) = (job(&one)?, job(&other)?, job(&one)?);
    drop(one);
    let gone = [&first, &second].map(fence::status) == [Ok(CANCELLED); 2] && fence::status(&kept)? == 0;
    timeline.step()?;
    Ok((gone, fence::wait(&kept)?))
}

/// Everything but the fence is closed while the job is under way: how it ends. It takes a tenth of a second, and begins when
/// the kernel comes to it: where that was too late, it was cancelled, and another is tried.
fn under_way() -> Result<i32> {
    for _ in 0..100 {
        let (edu, (buffer, map)) = (Edu::open()?, buffer()?);
        let job = edu.submit(store(edu.import(buffer.raw())?), None)?;
        time::sleep(5_000_000)?;
        let early = fence::status(&job)? != 0;
        drop((edu, buffer, map));
        churn(|| fence::status(&job).map(|status| status != 0))?;
        let end = fence::status(&job)?;
        if !early && end != CANCELLED {
            return Ok(end);
        }
    }
    Err(Errno::ETIMEDOUT)
}

fn churn_a_little() -> Result<()> {
    let mut rounds = 0..20;
    churn(|| Ok(rounds.next().is_none()))
}

/// How many buffers there are.
fn buffers() -> Result<i64> {
    let counts = oracle::settled_counts()?;
    counts.iter().find(|(name, _)| name == "buffers").map(|&(_, count)| count).ok_or(Errno::EIO)
}

/// A process has two jobs, one under way or about to be and one that waits for what never comes, and is killed: how it ended,
/// and whether its buffers were let go.
fn killed() -> Result<(Status, bool)> {
    let timeline = Timeline::open()?;
    let fence = timeline.fence(1)?;
    let before = buffers()?;
    let child = process::spawn(|| {
        let submitted = Edu::open().and_then(|edu| {
            let ((one, _), (other, _)) = (buffer()?, buffer()?);
            let (now, later) = (edu.import(one.raw())?, edu.import(other.raw())?);
            edu.submit(store(now), None)?;
            edu.submit(store(later), Some(&fence))?;
            process::kill(process::id(), abi::SIGKILL)
        });
        i32::from(submitted.is_err())
    })?;
    let status = process::wait(child)?.1;
    let end = time::now() + 60_000_000_000;
    while buffers()? > before && time::now() < end {}
    Ok((status, buffers()? == before))
}

/// A heap is unregistered while a job has its buffer: what unloading its module says before the job is done, and after.
fn unregistered() -> Result<(Result<()>, i32, Result<()>)> {
    let (provider, timeline) = (Provider::load("jobtest")?, Timeline::open()?);
    let edu = Edu::open()?;
    let job = {
        let buffer = Heap::open("jobtest")?.allocate(PAGE)?;
        let handle = edu.import(buffer.raw())?;
        let job = edu.submit(store(handle), Some(&timeline.fence(1)?))?;
        // From here on nothing but the job has the buffer.
        edu.forget(handle)?;
        job
    };
    provider.unbind()?;
    let early = provider.unload();
    churn_a_little()?;
    timeline.step()?;
    let done = fence::wait(&job)?;
    oracle::settled_counts()?;
    Ok((early, done, provider.unload()))
}

/// A buffer's memory is pulled out while a job waits: how the job ends.
fn unplugged() -> Result<(i32, Result<()>)> {
    let (provider, timeline) = (Provider::load_with("jobtest", "memory=own")?, Timeline::open()?);
    let (edu, buffer) = (Edu::open()?, Heap::open("jobtest")?.allocate(PAGE)?);
    let job = edu.submit(store(edu.import(buffer.raw())?), Some(&timeline.fence(1)?))?;
    provider.unplug()?;
    churn_a_little()?;
    timeline.step()?;
    let done = fence::wait(&job)?;
    drop((edu, buffer));
    oracle::settled_counts()?;
    Ok((done, provider.unload()))
}

/// What the device did that it may not, so far.
fn faults() -> Result<u64> {
    let text = read_text("/sys/kernel/debug/iommu/devices")?;
    let edu = text.lines().find(|line| line.starts_with("edu ")).ok_or(Errno::ENXIO)?;
    edu.split(' ').next_back().and_then(|number| number.parse().ok()).ok_or(Errno::EINVAL)
}

/// Memory is pulled out while a job writes it, or is about to: how the job ends. Whoever has the memory next has it alone.
fn pulled_out() -> Result<(i32, bool)> {
    let provider = Provider::load_with("jobtest", "memory=own")?;
    let edu = Edu::open()?;
    let (full, map) = buffer()?;
    (0..PAGE).step_by(8).for_each(|at| map.put_word(at, !0));
    edu.load(edu.import(full.raw())?, 0, PAGE)?;
    let memory = Heap::open("jobtest")?.allocate(PAGE)?;
    let handle = edu.import(memory.raw())?;
    // So that there is something to be forgotten of where the memory is.
    edu.store(handle, 0, 8)?;
    let job: Fd = edu.submit(store(handle), None)?;
    // It takes a tenth of a second, from when it began.
    time::sleep(20_000_000)?;
    provider.unplug()?;
    let heap = Heap::open("system")?;
    let next = (0..32).map(|_| heap.allocate(16 * PAGE)).collect::<Result<Vec<_>>>()?;
    let maps = next.iter().map(Buffer::map).collect::<Result<Vec<_>>>()?;
    let end = fence::wait(&job)?;
    let clean = maps.iter().all(|map| (0..16 * PAGE).step_by(PAGE).all(|at| map.word(at) == 0));
    drop((edu, memory, job));
    oracle::settled_counts()?;
    provider.unload()?;
    Ok((end, clean))
}

/// Without an IOMMU: whether it was either done, or never began.
fn ends_before_unplugged() -> Result<bool> {
    let (end, clean) = pulled_out()?;
    Ok(clean && (end == DONE || end == GONE))
}

/// With one: until the device was at it, and was kept from it. Whether nothing was overwritten.
fn faults_when_unplugged() -> Result<(i32, bool)> {
    for _ in 0..30 {
        let before = faults()?;
        let (end, clean) = pulled_out()?;
        if faults()? != before || !clean {
            return Ok((end, clean));
        }
    }
    Err(Errno::ETIMEDOUT)
}
