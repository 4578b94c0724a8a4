//! `/bin/modtest`: loading, listing, unbinding and unloading of providers, and what is refused. TAP.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::string::String;
use heaps::uapi::Errno;
use userland::guest::heap::Heap;
use userland::guest::ko::{Image, rela};
use userland::guest::provider::{Provider, TEE_MODULE, load_module};
use userland::guest::read_text;
use userland::rt::tap::Tap;
use userland::rt::{Args, Fd, abi, module};

/// Where the exit is in a module's descriptor.
const EXIT: usize = 64;

userland::program!(run);

fn run(_args: Args) -> i32 {
    let mut tap = Tap::new();
    refusals(&mut tap);
    life(&mut tap);
    instances(&mut tap);
    from_file(&mut tap);
    without_exit(&mut tap);
    tap.done()
}

fn listed(name: &str) -> bool {
    let modules = read_text("/proc/modules").unwrap_or_else(|_| String::new());
    modules.lines().any(|line| line.split(' ').next() == Some(name))
}

fn refusals(tap: &mut Tap) {
    for (what, image) in [("an empty image", &b""[..]), ("an image of nothing known", &[7; 100])] {
        tap.is(module::init(image, "name=x"), Err(Errno::ENOEXEC), format_args!("{what}: ENOEXEC"));
    }
    tap.is(load_module(TEE_MODULE, ""), Err(Errno::EINVAL), "no name for the heap: EINVAL");
    tap.is(load_module(TEE_MODULE, "name="), Err(Errno::EINVAL), "an empty name: EINVAL");
    tap.ok(!listed("tee_heap"), "nothing refused is listed");
    tap.is(
        module::delete("tee_heap", abi::O_NONBLOCK),
        Err(Errno::ENOENT),
        "unloading what is not loaded: ENOENT",
    );
    let unbound = Provider { module: "tee_heap_9".into(), heap: "x".into() }.unbind();
    tap.is(unbound, Err(Errno::ENODEV), "unbinding what is not there: ENODEV");
}

fn life(tap: &mut Tap) {
    let Ok(provider) = Provider::load("modtest") else {
        tap.ok(false, "load");
        return;
    };
    tap.ok(listed("tee_heap"), "a loaded module is listed");
    tap.is(Heap::open("modtest").map(drop), Ok(()), "its heap can be opened");
    tap.is(Provider::load("other").err(), Some(Errno::EEXIST), "loading it again: EEXIST");
    tap.is(provider.unbind(), Ok(()), "unbind");
    tap.is(Heap::open("modtest").err(), Some(Errno::ENOENT), "the heap is gone");
    tap.is(provider.unbind(), Err(Errno::ENODEV), "unbound once");
    tap.ok(listed("tee_heap"), "the module is still there");
    tap.is(provider.unload(), Ok(()), "unload");
    tap.ok(!listed("tee_heap"), "and is not any more");
}

fn instances(tap: &mut Tap) {
    let (Ok(one), Ok(two)) = (Provider::load_instance("mod-1", 1), Provider::load_instance("mod-2", 2))
    else {
        tap.ok(false, "two instances");
        return;
    };
    let third = Provider::load_instance("mod-1", 3);
    let taken = [Some(Errno::EEXIST), Some(Errno::EINVAL)];
    tap.ok(taken.contains(&third.err()), "a third of the first's name is refused");
    tap.ok(!listed("tee_heap_3"), "and it does not stay loaded");
    tap.is(one.unload(), Ok(()), "the first goes without being unbound");
    tap.is(Heap::open("mod-1").err(), Some(Errno::ENOENT), "with its heap");
    tap.is(Heap::open("mod-2").map(drop), Ok(()), "the second stays");
    tap.is(two.unload(), Ok(()), "and goes");
}

fn from_file(tap: &mut Tap) {
    let Ok(image) = Fd::open("/lib/modules/tee_heap.ko", abi::O_RDONLY) else {
        tap.skip("finit_module", "no /lib/modules/tee_heap.ko");
        return;
    };
    tap.is(module::init_file(image.raw(), "name=mod-file"), Ok(()), "finit_module");
    tap.is(Heap::open("mod-file").map(drop), Ok(()), "its heap can be opened");
    tap.is(module::delete("tee_heap", abi::O_NONBLOCK), Ok(()), "unload");
    tap.is(module::init_file(-1, "name=mod-file"), Err(Errno::EBADF), "finit_module of no descriptor: EBADF");
}

/// What it keeps for itself is lost with it, for nobody asked it to give that back.
fn without_exit(tap: &mut Tap) {
    let image = Image::read("tee_heap").ok().and_then(|mut image| {
        let at = image.relocation(".rela.gnu.linkonce.this_module", EXIT)?;
        image.put(at + rela::TYPE, &[0; 4])?;
        Some(image)
    });
    let loaded = image.map(|image| module::init(image.bytes(), "name=mod-stays"));
    tap.is(loaded, Some(Ok(())), "a module without exit");
    let unload = |flags| module::delete("tee_heap", abi::O_NONBLOCK | flags);
    tap.is(unload(0), Err(Errno::EBUSY), "cannot be unloaded: EBUSY");
    tap.is(Heap::open("mod-stays").map(drop), Ok(()), "its heap is still there");
    tap.is(unload(abi::O_TRUNC), Ok(()), "but by force");
    tap.is(Heap::open("mod-stays").err(), Some(Errno::ENOENT), "and with it what it had registered");
    tap.ok(!listed("tee_heap"), "it is not listed any more");
}
