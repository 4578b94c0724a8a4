//! `/bin/filetest [DIRECTORY]`: descriptors, files and directories in a file system in memory. TAP.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use heaps::uapi::Errno;
use userland::rt::tap::Tap;
use userland::rt::{Args, Fd, Mapping, Status, abi, file, process};

userland::program!(run);

fn run(args: Args) -> i32 {
    let base = args.get(1).unwrap_or("");
    let dir = format!("{base}/filetest");
    let mut tap = Tap::new();
    if !tap.is(file::mkdir(&dir), Ok(()), "mkdirat") {
        return tap.done();
    }
    opening(&mut tap, &dir);
    writing(&mut tap, &dir);
    seeking(&mut tap, &dir);
    descriptors(&mut tap, &dir);
    directories(&mut tap, &dir);
    unlinked(&mut tap, &dir);
    devices(&mut tap);
    mapped(&mut tap, &dir);
    tap.is(file::unlink(&dir, abi::AT_REMOVEDIR), Ok(()), "the directory goes when it is empty");
    tap.done()
}

/// A new empty file, open for reading and writing.
fn fresh(path: &str) -> Result<Fd, Errno> {
    Fd::open(path, abi::O_RDWR | abi::O_CREAT | abi::O_TRUNC)
}

fn opening(tap: &mut Tap, dir: &str) {
    let path = format!("{dir}/a");
    let open = |path: &str, flags| Fd::open(path, flags).err();
    tap.is(open(&path, abi::O_RDONLY), Some(Errno::ENOENT), "open of nothing: ENOENT");
    tap.is(open(&path, abi::O_RDWR | abi::O_CREAT | abi::O_EXCL), None, "O_CREAT makes it");
    tap.is(open(&path, abi::O_RDWR | abi::O_CREAT | abi::O_EXCL), Some(Errno::EEXIST), "O_EXCL: EEXIST");
    tap.is(open(&format!("{path}/b"), abi::O_RDONLY), Some(Errno::ENOTDIR), "a file's child: ENOTDIR");
    tap.is(
        open(&path, abi::O_RDONLY | abi::O_DIRECTORY),
        Some(Errno::ENOTDIR),
        "O_DIRECTORY of a file: ENOTDIR",
    );
    tap.is(open(dir, abi::O_RDWR), Some(Errno::EISDIR), "a directory for writing: EISDIR");
    tap.is(open(&format!("{dir}/./../{}/a", last(dir)), abi::O_RDONLY), None, "through . and ..");
    tap.is(open("", abi::O_RDONLY), Some(Errno::ENOENT), "the empty path: ENOENT");
    tap.is(file::read(9999, &mut [0]).err(), Some(Errno::EBADF), "read of no descriptor: EBADF");
    tap.is(file::close(-1), Err(Errno::EBADF), "close of -1: EBADF");
    tap.is(file::unlink(&path, 0), Ok(()), "unlinkat");
    tap.is(file::unlink(&path, 0), Err(Errno::ENOENT), "once");
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn writing(tap: &mut Tap, dir: &str) {
    let path = format!("{dir}/w");
    let Ok(fd) = fresh(&path) else {
        tap.ok(false, "a file to write");
        return;
    };
    // More than a page, in pieces that do not divide it.
    let data: Vec<u8> = (0..10_000u32).map(|i| (i * 7 % 251) as u8).collect();
    let wrote = data.chunks(777).all(|piece| file::write_all(fd.raw(), piece).is_ok());
    tap.ok(wrote, "10,000 bytes in pieces of 777");
    tap.is(file::stat(fd.raw()).map(|s| (s.size, s.mode & abi::S_IFMT)), Ok((10_000, abi::S_IFREG)), "fstat");
    let mut back = alloc::vec![0u8; 11_000];
    let read = Fd::open(&path, abi::O_RDONLY).and_then(|fd| file::read_full(fd.raw(), &mut back));
    tap.is(read, Ok(10_000), "all are read back, and then the end");
    tap.ok(back[..10_000] == data[..], "the same");
    let by_path = file::stat_at(abi::AT_FDCWD, &path, 0);
    tap.is(by_path.map(|s| s.ino), file::stat(fd.raw()).map(|s| s.ino), "newfstatat finds the same inode");
    let through = file::stat_at(fd.raw(), "", abi::AT_EMPTY_PATH);
    tap.is(through.map(|s| s.size), Ok(10_000), "newfstatat of a descriptor");
    let append = Fd::open(&path, abi::O_WRONLY | abi::O_APPEND).and_then(|fd| file::write(fd.raw(), b"end"));
    tap.is(append, Ok(3), "O_APPEND");
    tap.is(file::stat(fd.raw()).map(|s| s.size), Ok(10_003), "goes to the end");
    let reader = Fd::open(&path, abi::O_RDONLY);
    tap.is(reader.and_then(|fd| file::write(fd.raw(), b"x")), Err(Errno::EBADF), "write to a reader: EBADF");
    let writer = Fd::open(&path, abi::O_WRONLY);
    tap.is(
        writer.and_then(|fd| file::read(fd.raw(), &mut [0])),
        Err(Errno::EBADF),
        "read of a writer: EBADF",
    );
    drop(Fd::open(&path, abi::O_WRONLY | abi::O_TRUNC));
    tap.is(file::stat(fd.raw()).map(|s| s.size), Ok(0), "O_TRUNC empties it");
    tap.is(file::unlink(&path, 0), Ok(()), "unlinked");
}

fn seeking(tap: &mut Tap, dir: &str) {
    let path = format!("{dir}/s");
    let Ok(fd) = fresh(&path) else {
        tap.ok(false, "a file to seek in");
        return;
    };
    let raw = fd.raw();
    tap.is(file::write(raw, b"0123456789"), Ok(10), "ten bytes");
    tap.is(file::seek(raw, 4, abi::SEEK_SET), Ok(4), "SEEK_SET");
    tap.is(file::seek(raw, 2, abi::SEEK_CUR), Ok(6), "SEEK_CUR");
    let mut byte = [0];
    tap.is(file::read(raw, &mut byte).map(|_| byte[0]), Ok(b'6'), "reads from there");
    tap.is(file::seek(raw, -1, abi::SEEK_END), Ok(9), "SEEK_END");
    tap.is(file::seek(raw, -20, abi::SEEK_CUR), Err(Errno::EINVAL), "before the start: EINVAL");
    tap.is(file::seek(raw, 0, 77), Err(Errno::EINVAL), "from nowhere: EINVAL");
    tap.is(file::seek(raw, 5000, abi::SEEK_SET), Ok(5000), "past the end");
    tap.is(file::read(raw, &mut byte), Ok(0), "there is nothing");
    tap.is(file::write(raw, b"x"), Ok(1), "until it is written");
    let mut hole = [1u8; 100];
    tap.is(
        file::seek(raw, 4000, abi::SEEK_SET).and_then(|_| file::read(raw, &mut hole)),
        Ok(100),
        "the hole",
    );
    tap.ok(hole == [0; 100], "reads as zeros");
    tap.is(file::unlink(&path, 0), Ok(()), "unlinked");
}

fn descriptors(tap: &mut Tap, dir: &str) {
    let path = format!("{dir}/d");
    let Ok(fd) = fresh(&path) else {
        tap.ok(false, "a file for descriptors");
        return;
    };
    let raw = fd.raw();
    let _ = file::write(raw, b"abcdef");
    let Ok(second) = file::dup(raw).map(Fd::from_raw) else {
        tap.ok(false, "dup");
        return;
    };
    tap.ok(second.raw() > raw, "dup gives the next free number");
    let _ = file::seek(raw, 2, abi::SEEK_SET);
    tap.is(file::seek(second.raw(), 0, abi::SEEK_CUR), Ok(2), "both share the offset");
    tap.is(file::dup3(raw, 60, abi::O_CLOEXEC), Ok(60), "dup3 to a number");
    tap.is(file::fcntl(60, abi::F_GETFD, 0), Ok(abi::FD_CLOEXEC), "with close-on-exec");
    tap.is(file::fcntl(raw, abi::F_GETFD, 0), Ok(0), "which is the descriptor's own");
    tap.is(file::fcntl(60, abi::F_SETFD, 0).and_then(|_| file::fcntl(60, abi::F_GETFD, 0)), Ok(0), "F_SETFD");
    tap.is(file::dup3(raw, raw, 0), Err(Errno::EINVAL), "dup3 onto itself: EINVAL");
    tap.is(file::dup3(999, 61, 0), Err(Errno::EBADF), "dup3 of nothing: EBADF");
    tap.is(file::dup3(raw, 61, abi::O_APPEND), Err(Errno::EINVAL), "dup3 with strange flags: EINVAL");
    tap.is(file::fcntl(raw, abi::F_DUPFD_CLOEXEC, 70), Ok(70), "F_DUPFD_CLOEXEC from 70 on");
    tap.is(file::fcntl(raw, abi::F_DUPFD, 70), Ok(71), "F_DUPFD takes the next");
    tap.is(file::fcntl(raw, abi::F_GETFL, 0).map(|f| f as u32 & 3), Ok(abi::O_RDWR), "F_GETFL");
    for n in [60, 70, 71] {
        tap.is(file::close(n), Ok(()), format_args!("close {n}"));
    }
    drop(second);
    let shared = process::in_child(|| i32::from(file::seek(raw, 5, abi::SEEK_SET).is_err()));
    tap.is(
        (shared, file::seek(raw, 0, abi::SEEK_CUR)),
        (Ok(Status::Exited(0)), Ok(5)),
        "a child shares the offset",
    );
    let closed = process::in_child(|| i32::from(file::close(raw).is_err()));
    tap.is((closed, file::read(raw, &mut [0])), (Ok(Status::Exited(0)), Ok(1)), "but not the table");
    tap.is(file::unlink(&path, 0), Ok(()), "unlinked");
}

fn names(path: &str, buffer: usize) -> Result<Vec<String>, Errno> {
    let fd = Fd::open(path, abi::O_RDONLY | abi::O_DIRECTORY)?;
    let mut bytes = alloc::vec![0u8; buffer];
    let mut names = Vec::new();
    loop {
        match file::read_dir(fd.raw(), &mut bytes)? {
            0 => break,
            n => names.extend(file::entries(&bytes[..n]).map(|(name, _)| String::from(name))),
        }
    }
    names.sort();
    Ok(names)
}

fn directories(tap: &mut Tap, dir: &str) {
    let sub = format!("{dir}/sub");
    tap.is(file::mkdir(&sub), Ok(()), "a directory");
    tap.is(file::mkdir(&sub), Err(Errno::EEXIST), "once");
    let mut want: Vec<String> = (0..40).map(|i| format!("file-{i:02}")).collect();
    let made = want.iter().all(|name| fresh(&format!("{sub}/{name}")).is_ok());
    tap.ok(made, "40 files in it");
    want.insert(0, "..".into());
    want.insert(0, ".".into());
    tap.ok(names(&sub, 4096) == Ok(want.clone()), "getdents64 lists them, and . and ..");
    tap.ok(names(&sub, 100) == Ok(want), "in small pieces too");
    let tiny = Fd::open(&sub, abi::O_RDONLY).and_then(|fd| file::read_dir(fd.raw(), &mut [0; 8]));
    tap.is(tiny, Err(Errno::EINVAL), "too small for one: EINVAL");
    let inside =
        Fd::open(&sub, abi::O_RDONLY).and_then(|fd| file::open_at(fd.raw(), "file-07", abi::O_RDONLY));
    tap.is(inside.map(|fd| drop(Fd::from_raw(fd))), Ok(()), "openat within it");
    tap.is(file::unlink(&sub, abi::AT_REMOVEDIR), Err(Errno::ENOTEMPTY), "not removed while it holds files");
    tap.is(file::unlink(&sub, 0), Err(Errno::EISDIR), "nor as a file");
    let emptied = (0..40).all(|i| file::unlink(&format!("{sub}/file-{i:02}"), 0).is_ok());
    tap.ok(emptied, "emptied");
    tap.is(file::unlink(&sub, abi::AT_REMOVEDIR), Ok(()), "and removed");
}

fn unlinked(tap: &mut Tap, dir: &str) {
    let path = format!("{dir}/u");
    let Ok(fd) = fresh(&path) else {
        tap.ok(false, "a file to unlink");
        return;
    };
    tap.is(file::write(fd.raw(), b"still here"), Ok(10), "written");
    tap.is(file::unlink(&path, 0), Ok(()), "unlinked while open");
    let mut back = [0u8; 10];
    let read = file::seek(fd.raw(), 0, abi::SEEK_SET).and_then(|_| file::read(fd.raw(), &mut back));
    tap.is((read, &back), (Ok(10), b"still here"), "an open file outlives its name");
    let mut target = [0u8; 128];
    let link = file::read_link(&format!("/proc/self/fd/{}", fd.raw()), &mut target);
    let says = link.map(|t| t.starts_with(path.as_bytes()) || t.ends_with(b"(deleted)"));
    tap.is(says, Ok(true), "readlinkat of /proc/self/fd/N");
    tap.is(file::read_link(dir, &mut [0; 8]).err(), Some(Errno::EINVAL), "readlinkat of no link: EINVAL");
}

fn devices(tap: &mut Tap) {
    let mut bytes = [1u8; 64];
    let null = Fd::open("/dev/null", abi::O_RDWR);
    let null = null.and_then(|fd| Ok((file::write(fd.raw(), b"gone")?, file::read(fd.raw(), &mut bytes)?)));
    tap.is(null, Ok((4, 0)), "/dev/null takes all and gives nothing");
    let zero = Fd::open("/dev/zero", abi::O_RDWR).and_then(|fd| file::read(fd.raw(), &mut bytes));
    tap.is((zero, bytes), (Ok(64), [0; 64]), "/dev/zero gives zeros");
    let kind = Fd::open("/dev/null", abi::O_RDONLY).and_then(|fd| file::stat(fd.raw()));
    tap.is(
        kind.map(|s| (s.mode & abi::S_IFMT, s.rdev)),
        Ok((abi::S_IFCHR, 0x103)),
        "/dev/null is device 1:3",
    );
}

fn mapped(tap: &mut Tap, dir: &str) {
    let path = format!("{dir}/m");
    let Ok(fd) = fresh(&path) else {
        tap.ok(false, "a file to map");
        return;
    };
    let _ = file::write_all(fd.raw(), &[b'm'; 5000]);
    match Mapping::new(5000, abi::PROT_RW, abi::MAP_PRIVATE, fd.raw(), 0) {
        Ok(map) => {
            tap.is((map.get(0), map.get(4999)), (b'm', b'm'), "a private mapping shows the file");
            map.put(0, b'x');
            let mut first = [0];
            let read = file::seek(fd.raw(), 0, abi::SEEK_SET).and_then(|_| file::read(fd.raw(), &mut first));
            tap.is((read, first), (Ok(1), [b'm']), "and writing to it leaves the file alone");
        }
        Err(e) => {
            tap.ok(false, format_args!("mmap of a file: {e}"));
        }
    }
    tap.is(file::unlink(&path, 0), Ok(()), "unlinked");
}
