//! `/bin/linktest`: what becomes of modules' files: damaged ones, ones that need others, ones that are held. TAP.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::format;
use alloc::string::String;
use heaps::uapi::Errno;
use heaps::uapi::errno::Result;
use userland::guest::heap::Heap;
use userland::guest::ko::{Image, header, path, rela, section};
use userland::guest::provider::{Provider, load_module};
use userland::guest::{names_in, read_text, tidy};
use userland::rt::tap::Tap;
use userland::rt::{Args, Fd, abi, file, module};

userland::program!(run);

fn run(_: Args) -> i32 {
    tidy::run(|tap| {
        damaged(tap);
        cut_off(tap);
        files(tap);
        depending(tap);
        parameters(tap);
        held(tap);
        moved(tap);
    })
}

/// What of a module there is in `/proc/modules`, behind its name and size.
fn listed(name: &str) -> Option<String> {
    let modules = read_text("/proc/modules").ok()?;
    let line = modules.lines().find(|line| line.split(' ').next() == Some(name))?;
    Some(line.split(' ').skip(2).take(3).collect::<alloc::vec::Vec<_>>().join(" "))
}

fn known_of(name: &str, what: &str) -> Result<String> {
    read_text(&format!("/sys/module/{name}/{what}")).map(|text| text.trim_end().into())
}

fn unload(name: &str, flags: u32) -> Result<()> {
    module::delete(name, abi::O_NONBLOCK | flags)
}

/// A damage: `None` where the file is not as it has to be for that.
type Damage = fn(&mut Image) -> Option<()>;

const ALL: u64 = u64::MAX;
const TEXT: &str = ".text";
const THIS_MODULE: &str = ".gnu.linkonce.this_module";
const RELA_THIS: &str = ".rela.gnu.linkonce.this_module";
/// Where the init is in the descriptor.
const INIT: usize = 56;

const DAMAGES: [(&str, Damage, Errno); 30] = [
    ("no ELF", |i| i.put(0, b"\x7fELG"), Errno::ENOEXEC),
    ("of 32 bits", |i| i.put(header::CLASS, &[1]), Errno::ENOEXEC),
    ("big endian", |i| i.put(header::DATA, &[2]), Errno::ENOEXEC),
    ("an executable", |i| i.put(header::TYPE, &[2]), Errno::ENOEXEC),
    ("for x86-64", |i| i.put(header::MACHINE, &[62, 0]), Errno::ENOEXEC),
    ("section headers past the end", |i| i.put(header::SHOFF, &(ALL - 63).to_le_bytes()), Errno::ENOEXEC),
    ("section headers of another size", |i| i.put(header::SHENTSIZE, &[40]), Errno::ENOEXEC),
    ("more sections than there are", |i| i.put(header::SHNUM, &[0xff, 0xfe]), Errno::ENOEXEC),
    ("no section with names", |i| i.put(header::SHSTRNDX, &[0xfe]), Errno::ENOEXEC),
    ("another version magic", |i| i.replace(b"vermagic=lastref-", b"vermagic=another-"), Errno::ENOEXEC),
    ("no version magic", |i| i.replace(b"vermagic=", b"vermajor="), Errno::ENOEXEC),
    ("no modinfo", |i| in_header(i, ".modinfo", section::SIZE, &[0; 8]), Errno::ENOEXEC),
    ("text that can be written", |i| in_header(i, TEXT, section::FLAGS, &[7]), Errno::ENOEXEC),
    ("text that is nowhere", |i| in_header(i, TEXT, section::OFFSET, &ALL.to_le_bytes()), Errno::ENOEXEC),
    ("too much text", |i| in_header(i, TEXT, section::SIZE, &ALL.to_le_bytes()), Errno::ENOEXEC),
    ("data larger than memory", huge_data, Errno::ENOEXEC),
    ("text aligned to a gigabyte", |i| in_header(i, TEXT, section::ALIGN, &[0, 0, 0, 64]), Errno::ENOEXEC),
    ("text aligned to three", |i| in_header(i, TEXT, section::ALIGN, &[3]), Errno::ENOEXEC),
    ("symbols without names", |i| in_header(i, ".symtab", section::LINK, &[0xff]), Errno::ENOEXEC),
    ("symbols of no size", |i| in_header(i, ".symtab", section::ENTSIZE, &[0]), Errno::ENOEXEC),
    ("no descriptor", |i| in_header(i, THIS_MODULE, section::FLAGS, &[0]), Errno::ENOEXEC),
    ("relocations of nothing", |i| in_header(i, RELA_THIS, section::INFO, &[0xff]), Errno::ENOEXEC),
    ("relocations without addend", |i| in_header(i, RELA_THIS, section::TYPE, &[9]), Errno::ENOEXEC),
    ("a relocation of no known type", |i| relocation(i, rela::TYPE, &[0x7f, 0x7f]), Errno::ENOEXEC),
    ("a relocation with no symbol", |i| relocation(i, rela::SYMBOL, &[0; 4]), Errno::ENOEXEC),
    ("a relocation with no such symbol", |i| relocation(i, rela::SYMBOL, &[0xff; 4]), Errno::ENOEXEC),
    ("a relocation past the end", |i| relocation(i, 0, &ALL.to_le_bytes()), Errno::ENOEXEC),
    ("an init outside of the text", |i| relocation(i, rela::ADDEND, &[0, 0, 0, 1]), Errno::ENOEXEC),
    ("a name that is none", |i| i.replace(b"tee_heap\0\0\0\0", b"tee/heap\0\0\0\0"), Errno::ENOEXEC),
    ("a symbol nobody has", |i| i.replace(b"lastref_register_heap", b"lastref_register_hoax"), Errno::ENOENT),
];

fn in_header(image: &mut Image, name: &str, field: usize, bytes: &[u8]) -> Option<()> {
    image.put(image.header_of(name)? + field, bytes)
}

/// Changes the relocation of the descriptor's init.
fn relocation(image: &mut Image, field: usize, bytes: &[u8]) -> Option<()> {
    image.put(image.relocation(RELA_THIS, INIT)? + field, bytes)
}

fn huge_data(image: &mut Image) -> Option<()> {
    let data = image.header_of(".data")?;
    image.put(data + section::TYPE, &[8])?; // zeroes, which take no room in the file
    image.put(data + section::SIZE, &(1u64 << 40).to_le_bytes())
}

fn damaged(tap: &mut Tap) {
    let Ok(sound) = Image::read("tee_heap") else {
        tap.ok(false, "the module's file can be read");
        return;
    };
    for (what, damage, errno) in DAMAGES {
        let mut image = sound.clone();
        tap.ok(damage(&mut image).is_some(), format_args!("to be damaged: {what}"));
        tap.is(module::init(image.bytes(), "name=link"), Err(errno), format_args!("{what}: {errno}"));
    }
    tap.is(listed("tee_heap"), None, "none of them is loaded");
    tap.is(Heap::open("link").err(), Some(Errno::ENOENT), "nor is there a heap");
}

fn cut_off(tap: &mut Tap) {
    const PARTS: usize = 97;
    let Ok(image) = Image::read("tee_heap") else {
        tap.ok(false, "the module's file can be read");
        return;
    };
    let whole = image.bytes();
    let shorter = (0..PARTS).map(|part| whole.len() * part / PARTS).chain([63, 64, whole.len() - 1]);
    let odd = shorter.filter(|&len| module::init(&whole[..len], "name=link") != Err(Errno::ENOEXEC)).count();
    tap.is(odd, 0, "files that were cut off are refused: ENOEXEC");
}

fn files(tap: &mut Tap) {
    let with = |fd: &Fd| module::init_file(fd.raw(), "name=link");
    let flags = abi::O_WRONLY | abi::O_CREAT | abi::O_TRUNC;
    for (file, flags, errno) in [
        ("/lib/modules", abi::O_RDONLY, Errno::EINVAL),
        ("/dev/null", abi::O_RDONLY, Errno::EINVAL),
        ("/tmp/empty.ko", flags, Errno::EBADF),
        ("/tmp/empty.ko", abi::O_RDONLY, Errno::EINVAL),
        ("/bin/true", abi::O_RDONLY, Errno::ENOEXEC),
    ] {
        let got = Fd::open(file, flags).and_then(|fd| with(&fd));
        tap.is(got, Err(errno), format_args!("{file}: {errno}"));
    }
    tap.is(file::unlink("/tmp/empty.ko", 0), Ok(()), "and the empty one can go");
}

fn depending(tap: &mut Tap) {
    let metered = || load_module(&path("metered_heap"), "name=metered");
    tap.is(metered(), Err(Errno::ENOENT), "a module without the one it uses: ENOENT");
    tap.is(load_module(&path("ledger"), ""), Ok(()), "a module that offers functions");
    tap.is(listed("ledger").as_deref(), Some("0 - Live"), "nobody uses it");
    tap.is(metered(), Ok(()), "one that uses them");
    tap.is(listed("ledger").as_deref(), Some("1 metered_heap, Live"), "the first is used by the second");
    tap.is(known_of("ledger", "refcnt").as_deref(), Ok("1"), "and its count says so");
    for flags in [0, abi::O_TRUNC] {
        tap.is(unload("ledger", flags), Err(Errno::EAGAIN), format_args!("unloading it, {flags:#o}: EAGAIN"));
    }
    let heap = Heap::open("metered");
    let large = heap.as_ref().map_err(|e| *e).and_then(|heap| heap.allocate(65 << 20));
    tap.is(large.err(), Some(Errno::ENOMEM), "more than the ledger has room for: ENOMEM");
    let small = heap.as_ref().map_err(|e| *e).and_then(|heap| heap.allocate(4096));
    tap.is(small.as_ref().err(), None, "and less");
    tap.is(known_of("metered_heap", "refcnt").as_deref(), Ok("1"), "a buffer holds its module");
    tap.is(unload("metered_heap", 0), Err(Errno::EAGAIN), "which cannot be unloaded: EAGAIN");
    drop((small, heap));
    tap.is(unload("metered_heap", 0), Ok(()), "until it is closed");
    tap.is(listed("ledger").as_deref(), Some("0 - Live"), "nobody uses the first any more");
    tap.is(unload("ledger", 0), Ok(()), "and it goes");
}

fn parameters(tap: &mut Tap) {
    let provider = Provider::load_with("link", "limit=0x2000 colour=blue");
    tap.is(provider.as_ref().err(), None, "a parameter nobody declared is no reason not to load");
    let names = names_in("/sys/module/tee_heap/parameters").map(|mut names| {
        names.sort();
        names.join(" ")
    });
    tap.is(names.as_deref(), Ok("exit limit memory name"), "those that are declared are listed");
    tap.is(known_of("tee_heap", "parameters/name").as_deref(), Ok("link"), "with the text");
    tap.is(known_of("tee_heap", "parameters/limit").as_deref(), Ok("0x2000"), "and the number");
    tap.is(known_of("tee_heap", "initstate").as_deref(), Ok("live"), "the module is live");
    let refused = Heap::open("link").and_then(|heap| heap.allocate(0x3000));
    tap.is(refused.err(), Some(Errno::ENOMEM), "and keeps to its limit: ENOMEM");
    tap.is(unload("tee_heap", 0), Ok(()), "unload");
    for wrong in ["limit=many", "limit", "exit=never", "memory=none"] {
        tap.is(
            Provider::load_with("link", wrong).err(),
            Some(Errno::EINVAL),
            format_args!("{wrong}: EINVAL"),
        );
    }
    tap.is(Provider::load("system").err(), Some(Errno::EEXIST), "a heap's name that is taken: EEXIST");
    tap.is(listed("tee_heap"), None, "what was refused is not loaded");
}

fn held(tap: &mut Tap) {
    let provider = Provider::load("link");
    tap.is(provider.as_ref().err(), None, "load");
    let heap = Heap::open("link");
    let buffer = heap.as_ref().map_err(|e| *e).and_then(|heap| heap.allocate(8192));
    drop(heap);
    let mapping = buffer.as_ref().map_err(|e| *e).and_then(|buffer| buffer.map());
    drop(buffer);
    tap.is(mapping.as_ref().err(), None, "a mapping is left of all that was there");
    tap.is(unload("tee_heap", 0), Err(Errno::EAGAIN), "its module stays: EAGAIN");
    tap.is(listed("tee_heap").as_deref(), Some("1 - Live"), "as it was");
    tap.is(Heap::open("link").err(), None, "with its heap");
    drop(mapping);
    tap.is(unload("tee_heap", 0), Ok(()), "unmapped, it goes");
    tap.is(unload("tee_heap", 0), Err(Errno::ENOENT), "once: ENOENT");
}

/// Loaded many times over, it is somewhere else each time, and nothing is left where it was.
fn moved(tap: &mut Tap) {
    const TIMES: usize = 200;
    let went = (0..TIMES).filter(|_| Provider::load("link").is_ok_and(|provider| provider.unload().is_ok()));
    tap.is(went.count(), TIMES, "loaded and unloaded many times");
}
