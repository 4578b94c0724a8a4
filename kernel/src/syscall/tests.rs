//! System calls about files, as a program would make them.

use alloc::sync::Arc;
use alloc::vec;

use heaps::Errno;

use super::copy::sys_sendfile;
use super::fd::*;
use super::names::*;
use super::rw::*;
use super::testing::{BUF, Process, at};
use super::{attr, ctx, poll};
use crate::arch::USER_ARENA;
use crate::mm::user;
use crate::vfs::flags::*;

#[test]
fn a_file_keeps_what_was_written() {
    let p = Process::new();
    let fd = p.open("/hello", O_CREAT | O_EXCL | O_RDWR).unwrap();
    assert_eq!(p.write(fd, b"hello, world"), Ok(12));
    assert_eq!(sys_lseek(&p.ctx(), fd, 7, 0), Ok(7));
    assert_eq!(p.read(fd, 100).unwrap(), b"world");
    assert_eq!(p.read(fd, 100).unwrap(), b"");
    assert_eq!(sys_lseek(&p.ctx(), fd, -5, 2), Ok(7));
    assert_eq!(sys_lseek(&p.ctx(), fd, -8, 1), Err(Errno::EINVAL));
    assert_eq!(p.open("/hello", O_CREAT | O_EXCL | O_RDWR), Err(Errno::EEXIST));
    assert_eq!(p.contents("hello").unwrap(), b"hello, world");
    let append = p.open("/hello", O_WRONLY | O_APPEND).unwrap();
    assert_eq!(p.write(append, b"!"), Ok(1));
    assert_eq!(p.stat("/hello").unwrap().2, 13);
    p.open("/hello", O_WRONLY | O_TRUNC).unwrap();
    assert_eq!(p.stat("/hello").unwrap().2, 0);
}

#[test]
fn access_modes_bind() {
    let p = Process::new();
    p.create("/f", b"abc");
    let reader = p.open("/f", O_RDONLY).unwrap();
    assert_eq!(p.write(reader, b"x"), Err(Errno::EBADF));
    let writer = p.open("/f", O_WRONLY).unwrap();
    assert_eq!(p.read(writer, 1), Err(Errno::EBADF));
    let neither = p.open("/f", O_ACCMODE).unwrap();
    assert_eq!(p.read(neither, 1), Err(Errno::EBADF));
    assert_eq!(p.write(neither, b"x"), Err(Errno::EBADF));
    let path = p.open("/f", O_PATH).unwrap();
    assert_eq!(p.read(path, 1), Err(Errno::EBADF));
    assert_eq!(sys_lseek(&p.ctx(), path, 0, 0), Err(Errno::EBADF));
    assert_eq!(sys_ioctl(&p.ctx(), path, 1, 0), Err(Errno::EBADF));
    assert_eq!(p.open("/", O_RDWR), Err(Errno::EISDIR));
}

#[test]
fn user_memory_that_is_not_there_is_efault() {
    let p = Process::new();
    p.create("/f", &[7; 9000]);
    let fd = p.open("/f", O_RDWR).unwrap();
    assert_eq!(sys_read(&p.ctx(), fd, 0, 5), Err(Errno::EFAULT));
    assert_eq!(sys_write(&p.ctx(), fd, u64::MAX - 2, 5), Err(Errno::EFAULT));
    assert_eq!(sys_openat(&p.ctx(), AT_FDCWD, 8, 0, 0), Err(Errno::EFAULT));
    assert_eq!(attr::sys_fstat(&p.ctx(), fd, 8), Err(Errno::EFAULT));
    // Where only the end is missing, what was carried over before counts.
    let end = USER_ARENA.0 + USER_ARENA.1 as u64;
    p.create("/big", &vec![7; 40_000]);
    let big = p.open("/big", O_RDONLY).unwrap();
    assert_eq!(sys_read(&p.ctx(), big, end - 20_000, 40_000), Ok(20_000));
}

#[test]
fn a_faulting_pipe_call_leaves_no_descriptor() {
    let p = Process::new();
    assert_eq!(sys_pipe2(&p.ctx(), 4, 0), Err(Errno::EFAULT));
    assert_eq!(p.open("/", O_RDONLY), Ok(0));
}

#[test]
fn pipes_carry_bytes_and_end() {
    let p = Process::new();
    sys_pipe2(&p.ctx(), BUF, O_NONBLOCK).unwrap();
    assert_eq!(p.read(0, 5), Err(Errno::EAGAIN));
    assert_eq!(p.write(1, b"through"), Ok(7));
    assert_eq!(p.read(0, 3).unwrap(), b"thr");
    sys_close(&p.ctx(), 1).unwrap();
    assert_eq!(p.read(0, 9).unwrap(), b"ough");
    assert_eq!(p.read(0, 9).unwrap(), b"");
    sys_pipe2(&p.ctx(), BUF, 0).unwrap();
    assert_eq!(sys_lseek(&p.ctx(), 1, 0, 0), Err(Errno::ESPIPE));
    sys_close(&p.ctx(), 1).unwrap();
    assert_eq!(p.write(2, b"x"), Err(Errno::EPIPE));
}

#[test]
fn directories_list_the_youngest_first_and_survive_removal_meanwhile() {
    let p = Process::new();
    p.mkdir("/d").unwrap();
    for n in 0..20 {
        p.create(&alloc::format!("/d/file{n}"), b"");
    }
    let all = p.list("/d");
    assert_eq!(all[..3], [".", "..", "file19"]);
    assert_eq!(all.len(), 22);
    let fd = p.open("/d", O_RDONLY).unwrap();
    let mut seen = 0;
    while sys_getdents64(&p.ctx(), fd, BUF, 32).unwrap() > 0 {
        seen += 1;
        if seen > 2 {
            p.unlink(&alloc::format!("/d/file{}", 22 - seen)).unwrap();
        }
    }
    assert_eq!(seen, 22);
    assert_eq!(p.list("/d"), [".", ".."]);
    assert_eq!(sys_getdents64(&p.ctx(), p.open("/d", 0).unwrap(), BUF, 8), Err(Errno::EINVAL));
}

#[test]
fn paths_are_walked_as_linux_walks_them() {
    let p = Process::new();
    p.mkdir("/a").unwrap();
    p.mkdir("/a/b").unwrap();
    p.create("/a/f", b"f");
    for (path, outcome) in [
        ("", Err(Errno::ENOENT)),
        ("/", Ok(())),
        ("//a///b/", Ok(())),
        ("/a/./b/../f", Ok(())),
        ("/../../a", Ok(())),
        ("/a/f/", Err(Errno::ENOTDIR)),
        ("/a/f/.", Err(Errno::ENOTDIR)),
        ("/a/f/..", Err(Errno::ENOTDIR)),
        ("/a/f/x", Err(Errno::ENOTDIR)),
        ("/none", Err(Errno::ENOENT)),
        ("/none/", Err(Errno::ENOENT)),
        ("/none/x", Err(Errno::ENOENT)),
    ] {
        assert_eq!(p.open(path, O_RDONLY).map(drop), outcome, "{path:?}");
    }
    let long = "x".repeat(256);
    assert_eq!(p.open(&long, O_RDONLY), Err(Errno::ENAMETOOLONG));
    assert_eq!(p.mkdir(&long), Err(Errno::ENAMETOOLONG));
    assert_eq!(p.mkdir(&"x".repeat(255)), Ok(0));
    assert_eq!(p.open(&"/".repeat(4096), O_RDONLY), Err(Errno::ENAMETOOLONG));
    assert_eq!(p.open(&"/".repeat(4095), O_RDONLY).map(drop), Ok(()));
    assert_eq!(p.open("/new/", O_CREAT | O_RDWR), Err(Errno::EISDIR));
    assert_eq!(p.open("/a", O_CREAT | O_RDONLY), Err(Errno::EISDIR));
    assert_eq!(p.open("/a/f", O_DIRECTORY), Err(Errno::ENOTDIR));
    assert_eq!(p.open("/a/..", O_CREAT | O_EXCL), Err(Errno::EEXIST));
}

#[test]
fn symbolic_links_are_followed_up_to_forty_times() {
    let p = Process::new();
    p.mkdir("/d").unwrap();
    p.create("/d/f", b"target");
    p.symlink("d/f", "/rel").unwrap();
    p.symlink("/d", "/dir").unwrap();
    p.symlink("../d/f", "/d/up").unwrap();
    p.symlink("loop", "/loop").unwrap();
    p.symlink("/made", "/dangling").unwrap();
    assert_eq!(p.contents("/rel").unwrap(), b"target");
    assert_eq!(p.contents("/dir/up").unwrap(), b"target");
    assert_eq!(p.open("/loop", O_RDONLY), Err(Errno::ELOOP));
    assert_eq!(p.open("/rel", O_NOFOLLOW), Err(Errno::ELOOP));
    assert_eq!(p.open("/rel/", O_RDONLY), Err(Errno::ENOTDIR));
    assert_eq!(p.open("/dangling", O_RDONLY), Err(Errno::ENOENT));
    assert_eq!(p.open("/dangling", O_CREAT | O_EXCL | O_RDWR), Err(Errno::EEXIST));
    p.open("/dangling", O_CREAT | O_RDWR).unwrap();
    assert!(p.stat("/made").is_ok());
    assert_eq!(p.readlink("/rel").unwrap(), "d/f");
    assert_eq!(p.readlink("/d"), Err(Errno::EINVAL));
    assert_eq!(p.stat("/rel").unwrap().1 & 0o170000, 0o120000);
    assert_eq!(p.symlink("", "/empty"), Err(Errno::ENOENT));
    p.symlink("/d/f", "/c0").unwrap();
    for n in 1..41 {
        p.symlink(&alloc::format!("/c{}", n - 1), &alloc::format!("/c{n}")).unwrap();
    }
    assert_eq!(p.contents("/c39").unwrap(), b"target");
    assert_eq!(p.contents("/c40"), Err(Errno::ELOOP));
}

#[test]
fn names_are_removed_and_moved() {
    let p = Process::new();
    p.mkdir("/d").unwrap();
    p.mkdir("/e").unwrap();
    p.create("/d/f", b"f");
    p.create("/g", b"g");
    assert_eq!(p.rmdir("/d"), Err(Errno::ENOTEMPTY));
    assert_eq!(p.unlink("/d"), Err(Errno::EISDIR));
    assert_eq!(p.rmdir("/g"), Err(Errno::ENOTDIR));
    assert_eq!(p.rmdir("/"), Err(Errno::EBUSY));
    assert_eq!(p.rmdir("/e/."), Err(Errno::EINVAL));
    assert_eq!(p.unlink("/g/"), Err(Errno::ENOTDIR));
    assert_eq!(p.rename("/d", "/d/inside"), Err(Errno::EINVAL));
    assert_eq!(p.rename("/g", "/d"), Err(Errno::EISDIR));
    assert_eq!(p.rename("/e", "/g"), Err(Errno::ENOTDIR));
    assert_eq!(p.rename("/e", "/d"), Err(Errno::ENOTEMPTY));
    assert_eq!(p.rename("/none", "/x"), Err(Errno::ENOENT));
    assert_eq!(p.rename("/g", "/d/f"), Ok(0));
    assert_eq!(p.contents("/d/f").unwrap(), b"g");
    assert_eq!(p.rename("/d", "/e/d"), Ok(0));
    assert_eq!(p.contents("/e/d/f").unwrap(), b"g");
    assert_eq!(p.stat("/d"), Err(Errno::ENOENT));
}

#[test]
fn an_unlinked_file_lives_on_and_a_removed_directory_stays_empty() {
    let p = Process::new();
    p.create("/f", b"still");
    let fd = p.open("/f", O_RDONLY).unwrap();
    p.unlink("/f").unwrap();
    assert_eq!(p.read(fd, 9).unwrap(), b"still");
    assert_eq!(p.files.get(fd).unwrap().link_text().unwrap(), b"/f (deleted)");
    p.mkdir("/d").unwrap();
    sys_chdir(&p.ctx(), at(0, "/d")).unwrap();
    assert_eq!(sys_getcwd(&p.ctx(), BUF, 3), Ok(3));
    assert_eq!(sys_getcwd(&p.ctx(), BUF, 2), Err(Errno::ERANGE));
    p.rmdir("/d").unwrap();
    assert_eq!(sys_getcwd(&p.ctx(), BUF, 100), Err(Errno::ENOENT));
    assert_eq!(p.open("x", O_CREAT | O_RDWR), Err(Errno::ENOENT));
    assert_eq!(p.open("..", O_RDONLY).map(drop), Ok(()));
}

#[test]
fn a_long_chain_of_removed_directories_is_let_go_without_deep_recursion() {
    let p = Process::new();
    for _ in 0..20_000 {
        p.mkdir("d").unwrap();
        let next = p.ctx().resolve(AT_FDCWD, b"d", true).unwrap();
        p.fs.set_cwd(next).unwrap();
    }
    let deepest = p.fs.cwd();
    assert_eq!(deepest.path().unwrap().len(), 40_000);
    assert_eq!(sys_getcwd(&p.ctx(), BUF, 100_000), Err(Errno::ENAMETOOLONG));
    let inodes = crate::vfs::inode::live();
    let mut at = deepest.clone();
    while let Some(parent) = at.parent() {
        p.fs.set_cwd(parent.clone()).unwrap();
        p.rmdir("d").unwrap();
        at = parent;
    }
    assert!(crate::vfs::inode::live() > inodes - 1000);
    drop(deepest);
    assert!(crate::vfs::inode::live() < inodes - 19_000);
}

#[test]
fn relative_paths_start_at_the_directory_named() {
    let p = Process::new();
    p.mkdir("/d").unwrap();
    p.create("/d/f", b"f");
    let dir = p.open("/d", O_PATH | O_DIRECTORY).unwrap();
    assert!(sys_openat(&p.ctx(), dir, at(0, "f"), O_RDONLY, 0).is_ok());
    let file = p.open("/d/f", O_RDONLY).unwrap();
    assert_eq!(sys_openat(&p.ctx(), file, at(0, "f"), O_RDONLY, 0), Err(Errno::ENOTDIR));
    assert_eq!(sys_openat(&p.ctx(), 99, at(0, "f"), O_RDONLY, 0), Err(Errno::EBADF));
    assert!(sys_openat(&p.ctx(), 99, at(0, "/d/f"), O_RDONLY, 0).is_ok());
}

#[test]
fn descriptors_run_out_and_come_back() {
    let p = Process::new();
    p.files.set_limit(4);
    for fd in 0..4 {
        assert_eq!(p.open("/", O_RDONLY), Ok(fd));
    }
    assert_eq!(p.open("/", O_RDONLY), Err(Errno::EMFILE));
    assert_eq!(p.open("/made", O_CREAT | O_RDWR), Err(Errno::EMFILE));
    assert_eq!(p.stat("/made"), Err(Errno::ENOENT));
    assert_eq!(sys_dup(&p.ctx(), 0), Err(Errno::EMFILE));
    assert_eq!(sys_close(&p.ctx(), 2), Ok(0));
    assert_eq!(sys_close(&p.ctx(), 2), Err(Errno::EBADF));
    assert_eq!(p.open("/", O_RDONLY), Ok(2));
    assert_eq!(sys_close(&p.ctx(), -1), Err(Errno::EBADF));
}

#[test]
fn duplicates_share_a_position_and_flags_but_not_cloexec() {
    let p = Process::new();
    p.create("/f", b"abcdef");
    let fd = p.open("/f", O_RDONLY | O_CLOEXEC).unwrap();
    let dup = sys_dup(&p.ctx(), fd).unwrap() as i32;
    assert_eq!(p.read(fd, 2).unwrap(), b"ab");
    assert_eq!(p.read(dup, 2).unwrap(), b"cd");
    let fcntl = |fd, cmd, arg| sys_fcntl(&p.ctx(), fd, cmd, arg);
    assert_eq!((fcntl(fd, 1, 0), fcntl(dup, 1, 0)), (Ok(1), Ok(0)));
    assert_eq!(fcntl(fd, 4, u64::from(O_NONBLOCK | O_CREAT)), Ok(0));
    assert_eq!(fcntl(dup, 3, 0), Ok((O_NONBLOCK | O_LARGEFILE) as usize));
    assert_eq!(fcntl(fd, 0, 100), Ok(100));
    assert_eq!(fcntl(fd, 1030, 100), Ok(101));
    assert_eq!(fcntl(fd, 0, 5000), Err(Errno::EINVAL));
    assert_eq!(fcntl(fd, 77, 0), Err(Errno::EINVAL));
    assert_eq!(fcntl(-1, 1, 0), Err(Errno::EBADF));
    assert_eq!(sys_dup3(&p.ctx(), fd, fd, 0), Err(Errno::EINVAL));
    assert_eq!(sys_dup3(&p.ctx(), fd, 50, O_CLOEXEC), Ok(50));
    assert_eq!(sys_dup3(&p.ctx(), fd, 5000, 0), Err(Errno::EBADF));
    p.files.close_on_exec();
    assert_eq!([fd, dup, 50, 100, 101].map(|fd| p.files.get(fd).is_ok()), [false, true, false, true, false]);
    assert_eq!(sys_close_range(&p.ctx(), 2, u32::MAX, 0), Ok(0));
    assert_eq!(p.files.next_open(2), None);
}

#[test]
fn a_reservation_is_seen_by_nobody_and_given_back() {
    let p = Process::new();
    let slot = p.files.reserve(true).unwrap();
    assert_eq!(slot.fd(), 0);
    assert_eq!(p.files.get(0).map(drop), Err(Errno::EBADF));
    assert_eq!(sys_close(&p.ctx(), 0), Err(Errno::EBADF));
    assert_eq!(p.open("/", O_RDONLY), Ok(1));
    assert_eq!(sys_dup3(&p.ctx(), 1, 0, 0), Err(Errno::EBUSY));
    let child = p.files.fork().unwrap();
    drop(slot);
    assert_eq!(p.open("/", O_RDONLY), Ok(0));
    assert_eq!(p.files.cloexec(0), Ok(false));
    assert_eq!(child.reserve(false).unwrap().fd(), 0);
    assert!(Arc::ptr_eq(&child.get(1).unwrap(), &p.files.get(1).unwrap()));
}

#[test]
fn vectors_are_read_and_written_in_order() {
    let p = Process::new();
    let fd = p.open("/f", O_CREAT | O_RDWR).unwrap();
    user::write_bytes(BUF, b"abcdef").unwrap();
    let vec = BUF + 0x1000;
    user::write(vec, &[BUF + 3, 3, BUF, 0, BUF, 3]).unwrap();
    assert_eq!(sys_writev(&p.ctx(), fd, vec, 3), Ok(6));
    assert_eq!(p.contents("/f").unwrap(), b"defabc");
    assert_eq!(sys_preadv(&p.ctx(), fd, vec, 3, 3), Ok(3));
    assert_eq!(sys_readv(&p.ctx(), fd, vec, 1025), Err(Errno::EINVAL));
    user::write(vec + 8, &u64::MAX).unwrap();
    assert_eq!(sys_writev(&p.ctx(), fd, vec, 3), Err(Errno::EINVAL));
    assert_eq!(sys_pread64(&p.ctx(), fd, BUF, 1, -1), Err(Errno::EINVAL));
}

#[test]
fn sendfile_copies_from_a_position_of_its_own() {
    let p = Process::new();
    p.create("/from", &[b'x'; 20_000]);
    let (from, to) = (p.open("/from", O_RDONLY).unwrap(), p.open("/to", O_CREAT | O_WRONLY).unwrap());
    user::write(BUF, &10_000u64).unwrap();
    assert_eq!(sys_sendfile(&p.ctx(), to, from, BUF, 1 << 30), Ok(10_000));
    assert_eq!(user::read::<u64>(BUF), Ok(20_000));
    assert_eq!(sys_sendfile(&p.ctx(), to, from, 0, 5), Ok(5));
    assert_eq!(p.stat("/to").unwrap().2, 10_005);
    assert_eq!(sys_lseek(&p.ctx(), from, 0, 1), Ok(5));
}

#[test]
fn a_path_is_read_up_to_its_end_and_no_further() {
    user::write_bytes(USER_ARENA.0, &[b'a'; 5000]).unwrap();
    assert_eq!(ctx::user_path(USER_ARENA.0).err(), Some(Errno::ENAMETOOLONG));
    user::write_bytes(USER_ARENA.0 + 200, b"\0").unwrap();
    assert_eq!(ctx::user_path(USER_ARENA.0).map(|path| path.len()), Ok(200));
    assert_eq!(ctx::user_path(USER_ARENA.0 + 100).map(|path| path.len()), Ok(100));
    let end = USER_ARENA.0 + USER_ARENA.1 as u64;
    user::write_bytes(end - 3, b"ab\0").unwrap();
    assert_eq!(ctx::user_path(end - 3).map(|path| path.len()), Ok(2));
    user::write_bytes(end - 1, b"x").unwrap();
    assert_eq!(ctx::user_path(end - 3).err(), Some(Errno::EFAULT));
}

#[test]
fn polling_says_what_would_not_block() {
    let p = Process::new();
    sys_pipe2(&p.ctx(), BUF, 0).unwrap();
    let now = BUF + 0x100;
    user::write(now, &[0u64, 0]).unwrap();
    let poll = |entries: &[[i16; 4]], timeout| {
        entries.iter().enumerate().for_each(|(i, entry)| user::write(BUF + i as u64 * 8, entry).unwrap());
        let ready = poll::sys_ppoll(&p.ctx(), BUF, entries.len(), timeout)?;
        let revents = |i| user::read::<u16>(BUF + i as u64 * 8 + 6).unwrap();
        Ok((ready, (0..entries.len()).map(revents).collect::<alloc::vec::Vec<_>>()))
    };
    assert_eq!(
        poll(&[[0, 0, 1, 0], [1, 0, 4, 0], [-1, -1, 1, 9], [9, 0, 1, 0]], now),
        Ok((2, vec![0, 4, 0, 0x20]))
    );
    assert_eq!(poll(&[[0, 0, 1, 0]], now), Ok((0, vec![0])));
    p.write(1, b"x").unwrap();
    assert_eq!(poll(&[[0, 0, 1, 0]], 0), Ok((1, vec![1])));
    user::write(BUF, &[0b11u64, 0b10]).unwrap();
    assert_eq!(poll::sys_pselect6(&p.ctx(), 2, [BUF, BUF + 8, 0], now), Ok(2));
    assert_eq!(user::read(BUF), Ok([0b01u64, 0b10]));
    user::write(BUF, &0b1000u64).unwrap();
    assert_eq!(poll::sys_pselect6(&p.ctx(), 4, [BUF, 0, 0], now), Err(Errno::EBADF));
    sys_close(&p.ctx(), 1).unwrap();
    assert_eq!(poll(&[[0, 0, 0, 0]], 0), Ok((1, vec![0x10])));
    user::write(now, &[0i64, -1]).unwrap();
    assert_eq!(poll(&[], now), Err(Errno::EINVAL));
}

#[test]
fn a_poller_is_woken_by_a_writer() {
    let p = Process::new();
    sys_pipe2(&p.ctx(), BUF, 0).unwrap();
    let writer = p.files.get(1).unwrap();
    let later = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(20));
        writer.write(&mut &b"x"[..]).unwrap();
    });
    user::write(BUF, &[0i16, 0, 1, 0]).unwrap();
    assert_eq!(poll::sys_ppoll(&p.ctx(), BUF, 1, 0), Ok(1));
    later.join().unwrap();
}
