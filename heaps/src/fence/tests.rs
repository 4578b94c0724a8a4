//! Fences by themselves, as sync files, and on buffers.

use std::string::String;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::vec;
use std::vec::Vec;

use alloc::boxed::Box;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::reservation::{Reservation, Usage};
use super::*;
use crate::Discipline;
use crate::testing::{BASE, Fds, Machine, Memory, TestBuffer, TestPlatform, fail_nth, registry, tee};
use crate::uapi::dma_buf::*;
use crate::uapi::ioctl::Command;
use crate::uapi::sw_sync::*;
use crate::uapi::sync_file::*;
use timeline::SwSync;

type Timeline = SwSync<TestPlatform>;
type TestFence = Fence<TestPlatform>;

/// Counts its calls, and that it was dropped.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl Callback for Count {
    fn signalled(self: Box<Self>, _: Signalled) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Count {
    fn calls(&self) -> usize {
        self.0.load(SeqCst)
    }
}

fn driver(context: Context, seqno: u64) -> (TestFence, Signaller<TestPlatform>) {
    Fence::new(context, seqno, "driver", "ring").unwrap()
}

/// Makes a fence of a timeline's.
fn create(timeline: &Timeline, fds: &Fds, value: u32) -> TestFence {
    let memory = Memory::of(CreateFence { value, ..CreateFence::new_zeroed() }.as_bytes());
    timeline.ioctl(SW_SYNC_IOC_CREATE_FENCE, BASE, &memory, &fds).unwrap();
    let made = CreateFence::read_from_bytes(&memory.0.borrow()).unwrap();
    fds.sync_file(made.fence).unwrap()
}

fn advance(timeline: &Timeline, by: u32) {
    let memory = Memory::of(&by.to_ne_bytes());
    timeline.ioctl(SW_SYNC_IOC_INC, BASE, &memory, &&Fds::new(0)).unwrap();
}

fn merge(fds: &Fds, one: i32, other: i32) -> Result<TestFence> {
    let memory = Memory::of(Merge { fd2: other, ..Merge::new_zeroed() }.as_bytes());
    fds.sync_ioctl(one, SYNC_IOC_MERGE, &memory)?;
    let merged = Merge::read_from_bytes(&memory.0.borrow()).unwrap();
    Ok(fds.sync_file(merged.fence).unwrap())
}

fn buffer() -> TestBuffer {
    let registry = registry(Discipline::Lastref);
    core::mem::forget(registry.register(tee("heap", None).0).unwrap());
    TestBuffer::of(Fds::new(1).allocate(&Machine::here().open("heap").unwrap().heap, 4096).unwrap())
}

fn lines(buffer: &TestBuffer) -> Vec<String> {
    let mut text = String::new();
    buffer.show_fences(&mut text).unwrap();
    text.lines().map(String::from).collect()
}

#[test]
fn a_fence_is_signalled_once() {
    let context = Context::new();
    let (fence, signaller) = driver(context, 7);
    let count = Count::default();
    let key = fence.add_callback(count.clone()).unwrap();
    fence.add_callback(count.clone()).unwrap();
    fence.remove_callback(key);
    assert_eq!((fence.status(), count.calls()), (0, 0));
    let other = signaller.fence().unwrap();
    assert!(other.same(&fence));
    signaller.signal(None);
    assert_eq!((fence.status(), count.calls()), (1, 1));
    let when = fence.signalled().unwrap().timestamp;
    assert!(when > 0);
    assert_eq!(fence.add_callback(count.clone()), Err(Errno::ENOENT));
    assert_eq!(fence.wait(), Ok(()));
    assert_eq!(std::format!("{fence}"), "driver ring seq 7 signalled");
    // Neither the key that was taken back nor the refused callback is kept.
    assert_eq!(Arc::strong_count(&count.0), 1);
}

#[test]
fn a_fence_that_is_dropped_is_an_error() {
    let (fence, signaller) = driver(Context::new(), 1);
    let count = Count::default();
    fence.add_callback(count.clone()).unwrap();
    drop(signaller);
    assert_eq!((fence.status(), count.calls()), (-(Errno::EDEADLK.get() as i32), 1));
    let (fence, signaller) = driver(Context::new(), 1);
    drop(fence);
    assert!(signaller.fence().is_none());
    let (fence, signaller) = driver(Context::new(), 1);
    signaller.signal(Some(Errno::EIO));
    assert_eq!(fence.status(), -(Errno::EIO.get() as i32));
}

#[test]
fn a_waiter_goes_on_when_the_fence_is_signalled() {
    let (fence, signaller) = driver(Context::new(), 1);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| fence.wait());
        signaller.signal(None);
        assert_eq!(waiter.join().unwrap(), Ok(()));
    });
    let (fence, _signaller) = driver(Context::new(), 2);
    Machine::here().killed.store(true, SeqCst);
    assert_eq!(fence.wait(), Err(Errno::EINTR));
}

#[test]
fn a_timeline_signals_what_it_comes_to() {
    let (timeline, fds) = (Timeline::open(b"test").unwrap(), Fds::new(16));
    let [one, two, far] = [1, 2, i32::MAX as u32].map(|value| create(&timeline, &fds, value));
    let [zero, past] = [0, 1 << 31].map(|value| create(&timeline, &fds, value));
    assert_eq!([&one, &two, &far, &zero, &past].map(Fence::status), [0, 0, 0, 1, 1]);
    assert!(create(&timeline, &fds, 2).same(&two));
    advance(&timeline, 1);
    assert_eq!([&one, &two, &far].map(Fence::status), [1, 0, 0]);
    advance(&timeline, u32::MAX);
    assert_eq!([&one, &two, &far].map(Fence::status), [1, 1, 1]);
    let wrapped = create(&timeline, &fds, 3);
    drop(timeline);
    assert_eq!(wrapped.status(), -(Errno::ENOENT.get() as i32));
    assert_eq!(wrapped.timeline_name(), b"test");
}

#[test]
fn a_timeline_forgets_fences_that_nobody_holds() {
    let (timeline, fds) = (Timeline::open(b"test").unwrap(), Fds::new(16));
    let one = create(&timeline, &fds, 5);
    let count = Count::default();
    one.add_callback(count.clone()).unwrap();
    fds.open.borrow_mut().clear();
    drop(one);
    assert_eq!((Arc::strong_count(&count.0), count.calls()), (1, 0));
    // Another with the number is another.
    let again = create(&timeline, &fds, 5);
    advance(&timeline, 5);
    assert_eq!(again.status(), 1);
}

#[test]
fn a_merge_is_the_latest_of_each_context() {
    let (one, two, fds) = (Timeline::open(b"a").unwrap(), Timeline::open(b"b").unwrap(), Fds::new(32));
    let fd = |timeline: &Timeline, value| fds.add(create(timeline, &fds, value));
    let (a1, a5, b1) = (fd(&one, 1), fd(&one, 5), fd(&two, 1));
    let fence = |fd| fds.sync_file(fd).unwrap();
    assert!(merge(&fds, a1, a5).unwrap().same(&fence(a5)) && merge(&fds, a5, a1).unwrap().same(&fence(a5)));
    let both = fds.add(merge(&fds, b1, a1).unwrap());
    let all = merge(&fds, both, a5).unwrap();
    let numbers = |fence: &TestFence| fence.parts().iter().map(Fence::seqno).collect::<Vec<_>>();
    assert_eq!((numbers(&fence(both)), numbers(&all)), (vec![1, 1], vec![5, 1]));
    assert_eq!((all.driver_name(), all.timeline_name()), ("dma_fence_array", &b"unbound"[..]));
    advance(&one, 1);
    assert!(merge(&fds, a1, b1).unwrap().same(&fence(b1)));
    assert_eq!((fence(both).status(), all.status()), (0, 0));
    advance(&two, 1);
    assert_eq!((fence(both).status(), all.status()), (1, 0));
    let done = merge(&fds, a1, b1).unwrap();
    let last = fence(b1).signalled().unwrap();
    assert_eq!((done.status(), done.signalled(), done.driver_name()), (1, Some(last), "stub"));
}

#[test]
fn an_array_passes_errors_on_to_who_waited() {
    let (one, fds) = (Timeline::open(b"a").unwrap(), Fds::new(32));
    let a = fds.add(create(&one, &fds, 1));
    for waits in [false, true] {
        let two = Timeline::open(b"b").unwrap();
        let both = merge(&fds, a, fds.add(create(&two, &fds, 1))).unwrap();
        if waits {
            both.poll_queue();
        }
        drop(two);
        assert_eq!(both.status(), 0);
        let three = Timeline::open(b"c").unwrap();
        let (c, d) = (create(&three, &fds, 1), create(&one, &fds, 2));
        let last = array::of_all(vec![c, d]).unwrap().unwrap();
        let count = Count::default();
        last.add_callback(count.clone()).unwrap();
        drop(last);
        // Its parts do not keep it, nor it them.
        assert_eq!((Arc::strong_count(&count.0), count.calls()), (1, 0));
        if waits {
            advance(&one, 1);
            assert_eq!(both.status(), -(Errno::ENOENT.get() as i32));
            assert_eq!(both.0.poll.0.load(SeqCst), 1);
        }
    }
}

#[test]
fn file_info_says_what_there_is() {
    let (one, two, fds) = (Timeline::open(b"sync").unwrap(), Timeline::open(b"other").unwrap(), Fds::new(32));
    let (a, b) = (fds.add(create(&one, &fds, 3)), fds.add(create(&two, &fds, 4)));
    let both = fds.add(merge(&fds, a, b).unwrap());
    let ask = |fd, num_fences, room: usize| {
        let at = BASE + size_of::<FileInfo>();
        let info = FileInfo { num_fences, sync_fence_info: at as u64, ..FileInfo::new_zeroed() };
        let mut bytes = info.as_bytes().to_vec();
        bytes.resize(size_of::<FileInfo>() + room * size_of::<FenceInfo>(), 0);
        let memory = Memory::of(&bytes);
        fds.sync_ioctl(fd, SYNC_IOC_FILE_INFO, &memory)?;
        let bytes = memory.0.into_inner();
        let (info, rest) = FileInfo::read_from_prefix(&bytes).unwrap();
        let rows = rest.chunks(80).map(|row| FenceInfo::read_from_bytes(row).unwrap()).collect::<Vec<_>>();
        Ok((info, rows))
    };
    let text = |name: &[u8]| String::from_utf8(name.split(|&b| b == 0).next().unwrap().to_vec()).unwrap();
    let (info, rows) = ask(a, 1, 1).unwrap();
    let context = fds.sync_file(a).unwrap().context().number();
    assert_eq!(text(&info.name), std::format!("sw_sync-sync{context}-3"));
    assert_eq!((info.status, info.num_fences, rows[0].status, rows[0].timestamp_ns), (0, 1, 0, 0));
    assert_eq!((text(&rows[0].obj_name), text(&rows[0].driver_name)), ("sync".into(), "sw_sync".into()));
    assert_eq!(ask(both, 0, 0).unwrap().0.num_fences, 2);
    assert_eq!(ask(both, 1, 1).err(), Some(Errno::EINVAL));
    assert_eq!(ask(both, 2, 1).err(), Some(Errno::EFAULT));
    advance(&one, 3);
    let (info, rows) = ask(both, 9, 9).unwrap();
    assert_eq!((info.status, info.num_fences, rows[0].status, rows[1].status), (0, 2, 1, 0));
    assert!(rows[0].timestamp_ns > 0 && text(&info.name).starts_with("dma_fence_array-unbound"));
}

#[test]
fn what_is_wrong_about_a_sync_file_s_call_is_told() {
    let (timeline, fds) = (Timeline::open(b"test").unwrap(), Fds::new(8));
    let fd = fds.add(create(&timeline, &fds, 1));
    let merge = |data: Merge| fds.sync_ioctl(fd, SYNC_IOC_MERGE, &Memory::of(data.as_bytes()));
    let good = Merge { fd2: fd, ..Merge::new_zeroed() };
    let open = fds.open.borrow().len();
    assert_eq!(merge(Merge { flags: 1, ..good }), Err(Errno::EINVAL));
    assert_eq!(merge(Merge { pad: 1, ..good }), Err(Errno::EINVAL));
    for fd2 in [-1, 99] {
        assert_eq!(merge(Merge { fd2, ..good }), Err(Errno::ENOENT));
    }
    for (command, size) in [(SYNC_IOC_MERGE, 47), (SYNC_IOC_FILE_INFO, 55)] {
        assert_eq!(fds.sync_ioctl(fd, command, &Memory::of(&vec![0; size])), Err(Errno::EFAULT));
        let other = Command::from_raw(command.raw() ^ 1 << 16);
        assert_eq!(fds.sync_ioctl(fd, other, &Memory::of(&[0; 80])), Err(Errno::ENOTTY));
    }
    let short = Memory::of(&[0; 39]);
    assert_eq!(timeline.ioctl(SW_SYNC_IOC_CREATE_FENCE, BASE, &short, &&fds), Err(Errno::EFAULT));
    assert_eq!(timeline.ioctl(SW_SYNC_IOC_INC, 8, &short, &&fds), Err(Errno::EFAULT));
    assert_eq!(timeline.ioctl(SYNC_IOC_MERGE, BASE, &short, &&fds), Err(Errno::ENOTTY));
    assert_eq!(timeline.ioctl(SW_SYNC_IOC_CREATE_FENCE, 8, &short, &&Fds::new(0)), Err(Errno::EMFILE));
    assert_eq!((fds.open.borrow().len(), fds.reserved.get()), (open, 0));
}

#[test]
fn a_reservation_keeps_the_latest() {
    let list = Reservation::<TestPlatform>::new();
    let (mine, other) = (Context::new(), Context::new());
    let add = |context, seqno, usage| {
        let (fence, signaller) = driver(context, seqno);
        list.add(&[fence], usage, Count::default).unwrap();
        signaller
    };
    let shown = || {
        let mut text = String::new();
        list.describe(&mut text).unwrap();
        text.replace("\tread fence:driver ring seq ", "r").replace("\twrite fence:driver ring seq ", "w")
    };
    let _one = add(mine, 1, Usage::Read);
    let two = add(mine, 2, Usage::Write);
    assert_eq!(shown(), "w2 unsignalled\n");
    // A reader does not replace a writer, nor the past the future, nor one context another.
    let three = add(mine, 3, Usage::Read);
    let (_old, _other) = (add(mine, 1, Usage::Read), add(other, 9, Usage::Read));
    assert_eq!(shown(), "w2 unsignalled\nr3 unsignalled\nr1 unsignalled\nr9 unsignalled\n");
    assert_eq!([Usage::Write, Usage::Read].map(|usage| list.is_signalled(usage)), [false; 2]);
    two.signal(None);
    three.signal(None);
    assert_eq!([Usage::Write, Usage::Read].map(|usage| list.is_signalled(usage)), [true, false]);
    let _four = add(other, 1, Usage::Read);
    assert_eq!(shown(), "r1 unsignalled\nr3 signalled\nr1 unsignalled\nr9 unsignalled\n");
    assert_eq!(list.singleton(Usage::Read).unwrap().unwrap().parts().len(), 3);
    assert!(list.singleton(Usage::Write).unwrap().is_none());
    let many: Vec<_> = (0..12).map(|seqno| add(Context::new(), seqno, Usage::Read)).collect();
    // A longer list is made without what is signalled.
    assert!(!shown().contains(" signalled") && shown().lines().count() == 15, "{}", shown());
    drop(many);
    list.clear();
    assert_eq!(list.wait(Usage::Read), Ok(()));
}

#[test]
fn fences_go_in_and_out_of_buffers() {
    let (buffer, timeline, fds) = (buffer(), Timeline::open(b"test").unwrap(), Fds::new(32));
    let export = |flags| {
        let memory = Memory::of(ExportSyncFile { flags, fd: -1 }.as_bytes());
        buffer.ioctl(DMA_BUF_IOCTL_EXPORT_SYNC_FILE, BASE, &memory, &&fds)?;
        let out = ExportSyncFile::read_from_bytes(&memory.0.borrow()).unwrap();
        Ok(fds.sync_file(out.fd).unwrap())
    };
    let import = |flags, fd| {
        let memory = Memory::of(ImportSyncFile { flags, fd }.as_bytes());
        buffer.ioctl(DMA_BUF_IOCTL_IMPORT_SYNC_FILE, BASE, &memory, &&fds)
    };
    let (read, write) = (DMA_BUF_SYNC_READ as u32, DMA_BUF_SYNC_WRITE as u32);
    assert_eq!((export(read).unwrap().status(), buffer.is_idle()), (1, (true, true)));
    let (one, two) = (create(&timeline, &fds, 1), create(&timeline, &fds, 2));
    for (flags, fd, errno) in [
        (0, fds.add(one.clone()), Errno::EINVAL),
        (4, fds.add(one.clone()), Errno::EINVAL),
        (1 << 31 | 1, fds.add(one.clone()), Errno::EINVAL),
        (read, -1, Errno::EINVAL),
        (read, 31, Errno::EINVAL),
    ] {
        assert_eq!(import(flags, fd), Err(errno));
    }
    assert_eq!([0, 4, 8 | read].map(|flags| export(flags).err()), [Some(Errno::EINVAL); 3]);
    import(read, fds.add(two.clone())).unwrap();
    assert_eq!(buffer.is_idle(), (true, false));
    import(write, fds.add(one.clone())).unwrap();
    assert_eq!(buffer.is_idle(), (false, false));
    assert!(export(read).unwrap().same(&one));
    assert_eq!(export(write).unwrap().parts().len(), 2);
    let listed =
        ["\tread fence:sw_sync test seq 2 unsignalled", "\twrite fence:sw_sync test seq 1 unsignalled"];
    assert_eq!(lines(&buffer), listed);
    let told = || buffer.poll_queue().unwrap().0.load(SeqCst);
    advance(&timeline, 1);
    assert_eq!((buffer.is_idle(), told()), ((true, false), 1));
    advance(&timeline, 1);
    assert_eq!((buffer.is_idle(), told()), ((true, true), 2));
}

#[test]
fn sync_waits_for_fences() {
    let (buffer, timeline, fds) = (buffer(), Timeline::open(b"test").unwrap(), Fds::new(32));
    let (reads, writes) = (create(&timeline, &fds, 2), create(&timeline, &fds, 1));
    buffer.add_fence(&writes, Usage::Write).unwrap();
    buffer.add_fence(&reads, Usage::Read).unwrap();
    let sync =
        |flags: u64| buffer.ioctl(DMA_BUF_IOCTL_SYNC, BASE, &Memory::of(&flags.to_ne_bytes()), &&Fds::new(0));
    // With a signal pending, waiting is an error; so it can be seen who would wait.
    Machine::here().killed.store(true, SeqCst);
    let waits = || [DMA_BUF_SYNC_READ, DMA_BUF_SYNC_WRITE, DMA_BUF_SYNC_RW].map(|flags| sync(flags).is_err());
    assert_eq!(waits(), [true, true, true]);
    assert_eq!(sync(DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END), Ok(0));
    advance(&timeline, 1);
    assert_eq!((waits(), sync(DMA_BUF_SYNC_WRITE)), ([false, true, true], Err(Errno::EINTR)));
    advance(&timeline, 1);
    assert_eq!(waits(), [false; 3]);
}

#[test]
fn a_buffer_and_its_fences_do_not_keep_each_other() {
    let (timeline, fds) = (Timeline::open(b"test").unwrap(), Fds::new(32));
    let buffer = buffer();
    let fence = create(&timeline, &fds, 1);
    fds.open.borrow_mut().clear();
    buffer.add_fence(&fence, Usage::Write).unwrap();
    drop(buffer);
    assert_eq!(Machine::here().frames_used(), 0);
    // The fence calls nobody, and its end leaves the timeline without it.
    advance(&timeline, 1);
    assert_eq!(fence.status(), 1);
}

#[test]
fn running_out_of_memory_at_any_step_leaves_fences_alone() {
    let (one, two, fds) = (Timeline::open(b"a").unwrap(), Timeline::open(b"b").unwrap(), Fds::new(999));
    let (a, b) = (create(&one, &fds, 1), create(&two, &fds, 1));
    let mut steps = 0;
    for n in 0.. {
        Machine::fresh().enter();
        let buffer = buffer();
        let count = Count::default();
        let work = || {
            let both = array::merge(&a, &b)?;
            both.add_callback(count.clone())?;
            buffer.add_fence(&both, Usage::Write)?;
            buffer.poll_queue()?;
            Fence::<TestPlatform>::signalled_at(1).map(|_| both)
        };
        let (result, refused) = fail_nth(n, work);
        if !refused {
            assert_eq!(result.unwrap().parts().len(), 2);
            break;
        }
        assert_eq!(result.err(), Some(Errno::ENOMEM));
        assert_eq!((Arc::strong_count(&count.0), lines(&buffer).len() % 2), (1, 0));
        steps += 1;
    }
    assert!(steps >= 8, "{steps}");
}

#[test]
fn counting_races_with_dropping() {
    let timeline = Arc::new(Timeline::open(b"race").unwrap());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let fds = Fds::new(9999);
                for value in 1..2000 {
                    let fence = create(&timeline, &fds, value);
                    let other = create(&timeline, &fds, value + 7);
                    let _ = fence.add_callback(Count::default());
                    fds.open.borrow_mut().clear();
                    drop((fence, other));
                }
            });
        }
        scope.spawn(|| (0..3000).for_each(|_| advance(&timeline, 1)));
    });
}
