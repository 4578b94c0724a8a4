//! Numbers that mean nothing: calls, descriptors, flags, clocks, times.

use crate::rt::Mapping;
use crate::rt::abi::{self, PAGE, nr};
use crate::rt::arch::wild::{Arg, syscall};
use crate::rt::tap::Tap;
use heaps::uapi::Errno;

use Arg::Int;

pub fn run(tap: &mut Tap) {
    // userfaultfd, twice: it is named once.
    for number in [282, 282, 500, 500, 4096, 1 << 20, usize::MAX] {
        tap.is(syscall(number, &[]), Err(Errno::ENOSYS), format_args!("system call {number:#x}: ENOSYS"));
    }
    let Ok(page) = Mapping::anonymous(PAGE) else {
        tap.ok(false, "mmap");
        return;
    };
    page.put(0, b'x');
    descriptors(tap, &page);
    flags(tap, &page);
    times(tap, &page);
    match syscall(nr::REBOOT, &[Int(0), Int(0), Int(0)]) {
        Err(Errno::EPERM) => tap.skip("reboot without its magic numbers", "not permitted here"),
        got => drop(tap.is(got, Err(Errno::EINVAL), "reboot without its magic numbers: EINVAL")),
    }
}

fn descriptors(tap: &mut Tap, page: &Mapping) {
    let somewhere = Arg::At(page, 64);
    for fd in [-1, 777, -4096] {
        let calls: [(&str, usize, &[Arg<'_>]); 8] = [
            ("read", nr::READ, &[Int(fd), somewhere, Int(1)]),
            ("write", nr::WRITE, &[Int(fd), somewhere, Int(1)]),
            ("lseek", nr::LSEEK, &[Int(fd), Int(0), Int(0)]),
            ("fstat", nr::FSTAT, &[Int(fd), somewhere]),
            ("ioctl", nr::IOCTL, &[Int(fd), Arg::Command(0xC018_4800), somewhere]),
            ("getdents64", nr::GETDENTS64, &[Int(fd), somewhere, Int(512)]),
            ("dup", nr::DUP, &[Int(fd)]),
            ("openat of a relative path", nr::OPENAT, &[Int(fd), Arg::At(page, 0), Int(0)]),
        ];
        for (name, number, args) in calls {
            tap.is(
                syscall(number, args),
                Err(Errno::EBADF),
                format_args!("{name} of descriptor {fd}: EBADF"),
            );
        }
    }
}

fn flags(tap: &mut Tap, page: &Mapping) {
    let cwd = Int(abi::AT_FDCWD.into());
    let path = Arg::At(page, 0);
    let calls: [(&str, usize, &[Arg<'_>], Errno); 6] = [
        ("unlinkat", nr::UNLINKAT, &[cwd, path, Int(1)], Errno::EINVAL),
        ("newfstatat", nr::NEWFSTATAT, &[cwd, path, Arg::At(page, 64), Int(1)], Errno::EINVAL),
        ("wait4", nr::WAIT4, &[Int(-1), Int(0), Int(0x40), Int(0)], Errno::EINVAL),
        ("futex", nr::FUTEX, &[Arg::At(page, 64), Int(77), Int(0), Int(0)], Errno::ENOSYS),
        ("fcntl", nr::FCNTL, &[Int(0), Int(777), Int(0)], Errno::EINVAL),
        ("delete_module of nothing", nr::DELETE_MODULE, &[path, Int(0)], Errno::ENOENT),
    ];
    for (name, number, args, want) in calls {
        match syscall(number, args) {
            Err(Errno::EPERM) => tap.skip(name, "not permitted here"),
            got => drop(tap.is(got, Err(want), format_args!("{name}: {want}"))),
        }
    }
}

fn times(tap: &mut Tap, page: &Mapping) {
    let clock = syscall(nr::CLOCK_GETTIME, &[Int(99), Arg::At(page, 64)]);
    tap.is(clock, Err(Errno::EINVAL), "clock 99: EINVAL");
    for (seconds, nanoseconds) in [(0, 1_000_000_000), (u64::MAX, 0), (0, u64::MAX)] {
        page.put_word(64, seconds);
        page.put_word(72, nanoseconds);
        let slept = syscall(nr::NANOSLEEP, &[Arg::At(page, 64), Int(0)]);
        tap.is(slept, Err(Errno::EINVAL), format_args!("sleeping {seconds} s {nanoseconds} ns: EINVAL"));
    }
    let offset = syscall(nr::FUTEX, &[Arg::At(page, 66), Int(0), Int(0), Int(0)]);
    tap.is(offset, Err(Errno::EINVAL), "a futex off its boundary: EINVAL");
}
