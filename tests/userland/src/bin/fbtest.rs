//! `/bin/fbtest`: a display scans buffers out, contiguous ones alone. TAP.
//!
//! With `pictures`: shows one of every heap there is, says so, and waits for the end of its input each time, as terminals
//! have it more than once, so that somebody can look. What programs cannot map is drawn by `edu`.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;

use heaps::uapi::Errno;
use heaps::uapi::dma_heap::DEV_DIR;
use heaps::uapi::errno::Result;
use heaps::uapi::ramfb::Picture;
use userland::guest::buffer::Buffer;
use userland::guest::edu::Edu;
use userland::guest::heap::Heap;
use userland::guest::ramfb::{self, Display, TEST_PICTURES, TestPicture};
use userland::guest::{names_in, read_text, tidy};
use userland::rt::tap::Tap;
use userland::rt::{Args, Status, abi, file, process};
use userland::say;

userland::program!(run);

const PAGE: usize = abi::PAGE;
const CONTIGUOUS: &str = "default_cma_region";

fn run(args: Args) -> i32 {
    match args.get(1) {
        Some("pictures") => tidy::run(pictures),
        _ => tidy::run(checks),
    }
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

fn pictures(tap: &mut Tap) {
    tap.is(unseen(), Ok(Vec::new()), "there is no other heap");
    for (nth, picture) in TEST_PICTURES.iter().enumerate() {
        let heap = picture.heap;
        if !picture.mapped {
            let mapped = Heap::open(heap).and_then(|heap| heap.allocate(PAGE)?.map());
            tap.is(mapped.map(drop), Err(Errno::EINVAL), format_args!("{heap}: no program draws there"));
        }
        let shown = show(nth, picture);
        tap.is(shown, Ok(()), format_args!("{heap}: picture {nth} was shown until somebody had looked"));
    }
}

/// The heaps that no picture is of. `reserved` is another name of the default region's.
fn unseen() -> Result<Vec<String>> {
    let seen = |name: &str| name == "reserved" || TEST_PICTURES.iter().any(|picture| picture.heap == name);
    Ok(names_in(DEV_DIR)?.into_iter().filter(|name| !seen(name)).collect())
}

fn show(nth: usize, picture: &TestPicture) -> Result<()> {
    let (display, heap) = (Display::open()?, Heap::open(picture.heap)?);
    // The system heap's may lie in several runs; it has others then.
    let mut scattered = Vec::new();
    let buffer = loop {
        let buffer = heap.allocate(picture.bytes())?;
        draw(nth, picture, &buffer)?;
        match display.show(ramfb::picture(buffer.raw(), picture.width, picture.height)) {
            Err(Errno::EINVAL) if picture.heap == "system" && scattered.len() < 8 => scattered.push(buffer),
            shown => break shown.map(|()| buffer)?,
        }
    };
    buffer.close()?;
    say!("# look {nth}");
    while file::read(0, &mut [0; 16])? > 0 {}
    display.blank()
}

/// Draws a picture; where programs cannot, on other pages, which the device carries over.
fn draw(nth: usize, picture: &TestPicture, buffer: &Buffer) -> Result<()> {
    if picture.mapped {
        let map = buffer.map()?;
        pixels(nth, picture, 0, |at, pixels| map.put_word(at, pixels), picture.bytes());
        return buffer.sync();
    }
    let (edu, page) = (Edu::open()?, Heap::open("system")?.allocate(PAGE)?);
    let (map, from, to) = (page.map()?, edu.import(page.raw())?, edu.import(buffer.raw())?);
    for first in (0..picture.bytes()).step_by(PAGE) {
        pixels(nth, picture, first, |at, pixels| map.put_word(at, pixels), PAGE);
        page.sync()?;
        edu.load(from, 0, PAGE)?;
        edu.store(to, first, PAGE)?;
    }
    Ok(())
}

/// Calls `put` with each two pixels of the `len` bytes from `first` on, and where they are, counted from there.
fn pixels(nth: usize, picture: &TestPicture, first: usize, put: impl Fn(usize, u64), len: usize) {
    for at in (0..len).step_by(8) {
        let pixel = ((first + at) / 4) as u32;
        let (x, y) = (pixel % picture.width, pixel / picture.width);
        let [one, other] = [x, x + 1].map(|x| u64::from(picture.shown(nth, x, y)));
        put(at, one | other << 32);
    }
}
