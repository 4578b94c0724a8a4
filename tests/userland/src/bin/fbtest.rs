//! `/bin/fbtest`: a display scans buffers out, contiguous ones alone. TAP.
//!
//! With `picture`: shows one, says so, and waits for the end of its input, so that somebody can look.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use heaps::uapi::Errno;
use heaps::uapi::errno::Result;
use heaps::uapi::ramfb::Picture;
use userland::guest::heap::Heap;
use userland::guest::ramfb::{self, Display, TEST_SIZE, test_pixel};
use userland::guest::{read_text, tidy};
use userland::rt::tap::Tap;
use userland::rt::{Args, Status, abi, file, process};
use userland::say;

userland::program!(run);

const PAGE: usize = abi::PAGE;
const CONTIGUOUS: &str = "default_cma_region";

fn run(args: Args) -> i32 {
    if args.get(1) == Some("picture") {
        let mut tap = Tap::new();
        tap.is(picture(), Ok(()), "a picture was shown until somebody had looked");
        return tap.done();
    }
    tidy::run(checks)
}

fn checks(tap: &mut Tap) {
    let listed = read_text("/sys/class/dma_device/ramfb/heaps").unwrap_or_default();
    let lists = |heap: &str| listed.lines().any(|line| line == heap);
    tap.is(
        (lists(CONTIGUOUS), lists("system")),
        (true, false),
        "it can use heaps of contiguous memory alone",
    );
    wrong(tap);
    tap.is(in_turn(), Ok(()), "two pictures in turn, and none");
    tap.is(scattered(), Ok(Some(Errno::EINVAL)), "a buffer whose pages are scattered");
    tap.is(outlives(), Ok(()), "a picture outlives its descriptor and its heap's");
    tap.is(left_showing(), Ok(Status::Exited(0)), "a process ends while its picture is shown");
}

fn wrong(tap: &mut Tap) {
    let display = Display::open();
    let buffer = Heap::open(CONTIGUOUS).and_then(|heap| heap.allocate(16 * PAGE));
    let (Ok(display), Ok(buffer)) = (display, buffer) else {
        tap.ok(false, "a display and a buffer");
        return;
    };
    let good = ramfb::picture(buffer.raw(), 64, 64);
    for (wrong, errno, what) in [
        (Picture { fd: -1, ..good }, Errno::EBADF, "no descriptor"),
        (Picture { fd: 1, ..good }, Errno::EINVAL, "a descriptor of no buffer"),
        (Picture { fourcc: 0, ..good }, Errno::EINVAL, "pixels of no kind"),
        (Picture { width: 0, ..good }, Errno::EINVAL, "no width"),
        (Picture { height: 0, ..good }, Errno::EINVAL, "no height"),
        (Picture { height: u32::MAX, ..good }, Errno::EINVAL, "all lines there are"),
        (Picture { stride: 255, ..good }, Errno::EINVAL, "lines that overlap"),
        (Picture { stride: u32::MAX, ..good }, Errno::EINVAL, "lines far apart"),
        (Picture { offset: 2, ..good }, Errno::EINVAL, "pixels out of line"),
        (Picture { offset: 16 * PAGE as u32, ..good }, Errno::EINVAL, "a picture past the buffer's end"),
        (Picture { height: 257, ..good }, Errno::EINVAL, "a line too many"),
    ] {
        tap.is(display.show(wrong), Err(errno), what);
    }
    tap.is(display.show(Picture { height: 256, ..good }), Ok(()), "all of a buffer");
    tap.is(display.blank(), Ok(()), "nothing");
    tap.is(display.blank(), Ok(()), "nothing, again");
}

fn in_turn() -> Result<()> {
    let (display, heap) = (Display::open()?, Heap::open(CONTIGUOUS)?);
    let (first, second) = (heap.allocate(PAGE)?, heap.allocate(PAGE)?);
    display.show(ramfb::picture(first.raw(), 32, 32))?;
    display.show(ramfb::picture(second.raw(), 32, 32))?;
    // Another's display, which shows nothing, blanks nothing of ours.
    Display::open()?.blank()?;
    display.show(ramfb::picture(first.raw(), 32, 32))?;
    display.blank()
}

/// More than the largest run of the system heap, three times: were all three contiguous by chance, each would be shown.
fn scattered() -> Result<Option<Errno>> {
    let (display, heap) = (Display::open()?, Heap::open("system")?);
    for _ in 0..3 {
        let buffer = heap.allocate(5 << 20)?;
        if let Err(errno) = display.show(ramfb::picture(buffer.raw(), 1024, 1280)) {
            return Ok(Some(errno));
        }
    }
    Ok(None)
}

fn outlives() -> Result<()> {
    let (display, heap) = (Display::open()?, Heap::open(CONTIGUOUS)?);
    let buffer = heap.allocate(PAGE)?;
    display.show(ramfb::picture(buffer.raw(), 32, 32))?;
    buffer.close()?;
    heap.close()?;
    display.blank()
}

fn left_showing() -> Result<Status> {
    process::in_child(|| {
        let shown = Display::open().and_then(|display| {
            let buffer = Heap::open(CONTIGUOUS)?.allocate(PAGE)?;
            display.show(ramfb::picture(buffer.raw(), 32, 32))?;
            core::mem::forget((display, buffer));
            Ok(())
        });
        i32::from(shown.is_err())
    })
}

fn picture() -> Result<()> {
    let (width, height) = TEST_SIZE;
    let length = (4 * width * height) as usize;
    let display = Display::open()?;
    let buffer = Heap::open(CONTIGUOUS)?.allocate(length.next_multiple_of(PAGE))?;
    let map = buffer.map()?;
    for (at, (x, y)) in
        (0..length).step_by(8).zip((0..height).flat_map(|y| (0..width).step_by(2).map(move |x| (x, y))))
    {
        map.put_word(at, u64::from(test_pixel(x, y)) | u64::from(test_pixel(x + 1, y)) << 32);
    }
    buffer.sync()?;
    display.show(ramfb::picture(buffer.raw(), width, height))?;
    map.unmap()?;
    buffer.close()?;
    say!("# look");
    let mut bytes = [0; 16];
    while file::read(0, &mut bytes)? > 0 {}
    display.blank()
}
