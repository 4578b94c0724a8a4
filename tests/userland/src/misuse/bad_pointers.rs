//! Addresses that are not the program's, in every place where a system call takes one: EFAULT.

use crate::guest::oracle;
use crate::guest::tidy::nothing_left;
use crate::rt::abi::{self, PAGE, nr};
use crate::rt::arch::wild::{Arg, syscall};
use crate::rt::tap::Tap;
use crate::rt::{Fd, Mapping, file, process};
use heaps::uapi::Errno;
use heaps::uapi::errno::Result;

const AT_CWD: Arg<'static> = Arg::Int(abi::AT_FDCWD as i64);

/// Descriptors of what the calls work on, and a page that starts with the path of a file.
struct World {
    zero: Fd,
    file: Fd,
    dir: Fd,
    page: Mapping,
}

/// A file that calls may name and write to.
const FILE: &str = "/misuse-file";

impl World {
    fn new() -> Result<World> {
        // It may be executed, so that execve gets as far as the arguments.
        file::write_program(FILE, b"no program\n")?;
        let file = Fd::open(FILE, abi::O_RDWR)?;
        let page = Mapping::anonymous(PAGE)?;
        for (i, byte) in FILE.bytes().enumerate() {
            page.put(i, byte);
        }
        Ok(World {
            zero: Fd::open("/dev/zero", abi::O_RDONLY)?,
            file,
            dir: Fd::open("/", abi::O_RDONLY)?,
            page,
        })
    }
}

fn fd(fd: &Fd) -> Arg<'static> {
    Arg::Int(fd.raw().into())
}

/// Every call with a pointer, `bad` in its place. Calls that take no null pointer for one are left out for it.
fn all(tap: &mut Tap, w: &World, bad: Arg<'_>, null: bool) {
    let int = Arg::Int;
    let path = Arg::At(&w.page, 0);
    let calls: [(&str, usize, &[Arg<'_>]); 23] = [
        ("read", nr::READ, &[fd(&w.zero), bad, int(16)]),
        ("write", nr::WRITE, &[fd(&w.file), bad, int(16)]),
        ("writev", nr::WRITEV, &[fd(&w.file), bad, int(1)]),
        ("openat", nr::OPENAT, &[AT_CWD, bad, int(0)]),
        ("mkdirat", nr::MKDIRAT, &[AT_CWD, bad, int(0)]),
        ("unlinkat", nr::UNLINKAT, &[AT_CWD, bad, int(0)]),
        ("fstat", nr::FSTAT, &[fd(&w.file), bad]),
        ("newfstatat, path", nr::NEWFSTATAT, &[AT_CWD, bad, Arg::At(&w.page, 1024), int(0)]),
        ("newfstatat, result", nr::NEWFSTATAT, &[AT_CWD, path, bad, int(0)]),
        ("getdents64", nr::GETDENTS64, &[fd(&w.dir), bad, int(1024)]),
        ("readlinkat", nr::READLINKAT, &[AT_CWD, bad, Arg::At(&w.page, 1024), int(16)]),
        ("nanosleep", nr::NANOSLEEP, &[bad, int(0)]),
        ("clock_gettime", nr::CLOCK_GETTIME, &[int(1), bad]),
        ("futex", nr::FUTEX, &[bad, int(0), int(0), int(0)]),
        ("execve, path", nr::EXECVE, &[bad, int(0), int(0)]),
        ("init_module", nr::INIT_MODULE, &[bad, int(64), path]),
        ("delete_module", nr::DELETE_MODULE, &[bad, int(0)]),
        ("sched_setaffinity", nr::SCHED_SETAFFINITY, &[int(0), int(8), bad]),
        ("sched_getaffinity", nr::SCHED_GETAFFINITY, &[int(0), int(128), bad]),
        ("getrandom", nr::GETRANDOM, &[bad, int(16), int(0)]),
        ("uname", nr::UNAME, &[bad]),
        ("execve, arguments", nr::EXECVE, &[path, bad, int(0)]),
        ("prlimit64", nr::PRLIMIT64, &[int(0), int(7), int(0), bad]),
    ];
    let optional = 2;
    for (name, number, args) in &calls[..calls.len() - if null { optional } else { 0 }] {
        match syscall(*number, args) {
            Err(Errno::EPERM) => tap.skip(name, "not permitted here"),
            Err(Errno::ENOSYS) => tap.skip(name, "this kernel does not have it"),
            got => {
                tap.is(got, Err(Errno::EFAULT), name);
            }
        }
    }
}

/// Null, the first page, the kernel's half from end to end, and between the halves.
pub fn everywhere(tap: &mut Tap) {
    let Ok(w) = World::new() else {
        tap.ok(false, "files to work on");
        return;
    };
    let before = oracle::settled_counts();
    let places = [
        0,
        8,
        0xffff_0000_0000_0000,
        0xffff_8000_8000_0000,
        0xffff_ffff_ffff_f000,
        usize::MAX - 7,
        0x0080_0000_0000_0000,
    ];
    for place in places {
        crate::say!("# address {place:#x}");
        all(tap, &w, Arg::Bad(place), place == 0);
        if place != 0 {
            wait_with(tap, place);
        }
    }
    nothing_left(tap, before, "no refused call left anything behind");
    clean(w);
}

fn clean(w: World) {
    drop(w);
    let _ = file::unlink(FILE, 0);
}

/// wait4 finds a child before it finds that it cannot tell of it.
fn wait_with(tap: &mut Tap, place: usize) {
    let Ok(pid) = process::spawn(|| 0) else {
        tap.ok(false, "fork");
        return;
    };
    let got = syscall(nr::WAIT4, &[Arg::Int(-1), Arg::Bad(place), Arg::Int(0), Arg::Int(0)]);
    tap.is(got, Err(Errno::EFAULT), "wait4");
    // Linux has reaped it by then; a kernel that has not still owes it.
    let _ = process::wait(pid);
}

/// Memory that ends inside the structure or the string, and memory that can only be read.
pub fn edges(tap: &mut Tap) {
    let (Ok(w), Ok(pages)) = (World::new(), Mapping::anonymous(2 * PAGE)) else {
        tap.ok(false, "files and pages to work on");
        return;
    };
    for at in 0..PAGE {
        pages.put(at, b'/');
    }
    if !tap.is(pages.protect(PAGE, PAGE, abi::PROT_NONE), Ok(()), "a page with nothing behind") {
        return;
    }
    for short in [1, 4, 7] {
        let edge = Arg::At(&pages, PAGE - short);
        crate::say!("# {short} bytes before the end");
        let calls: [(&str, usize, &[Arg<'_>]); 6] = [
            ("openat, path without end", nr::OPENAT, &[AT_CWD, edge, Arg::Int(0)]),
            ("fstat", nr::FSTAT, &[fd(&w.file), edge]),
            ("clock_gettime", nr::CLOCK_GETTIME, &[Arg::Int(1), edge]),
            ("nanosleep", nr::NANOSLEEP, &[edge, Arg::Int(0)]),
            ("execve, path without end", nr::EXECVE, &[edge, Arg::Int(0), Arg::Int(0)]),
            ("writev", nr::WRITEV, &[fd(&w.file), edge, Arg::Int(1)]),
        ];
        for (name, number, args) in calls {
            tap.is(syscall(number, args), Err(Errno::EFAULT), name);
        }
    }
    // A transfer may be cut short at the edge, but must not report more than there was room for.
    let read = syscall(nr::READ, &[fd(&w.zero), Arg::At(&pages, PAGE - 16), Arg::Int(64)]);
    tap.ok(matches!(read, Ok(..=16) | Err(Errno::EFAULT)), "a read across the edge is short or refused");
    let write = syscall(nr::WRITE, &[fd(&w.file), Arg::At(&pages, PAGE - 16), Arg::Int(64)]);
    tap.ok(matches!(write, Ok(..=16) | Err(Errno::EFAULT)), "and so is a write");
    tap.is(pages.protect(0, PAGE, abi::PROT_READ), Ok(()), "a page that can only be read");
    let read = syscall(nr::READ, &[fd(&w.zero), Arg::At(&pages, 0), Arg::Int(16)]);
    tap.is(read, Err(Errno::EFAULT), "is not read into");
    let stat = syscall(nr::FSTAT, &[fd(&w.file), Arg::At(&pages, 0)]);
    tap.is(stat, Err(Errno::EFAULT), "nor taken for a result");
    tap.ok((0..PAGE - 16).all(|at| pages.get(at) == b'/'), "and it was not written");
    clean(w);
}
