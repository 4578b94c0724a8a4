//! `/bin/scmtest`: files and credentials sent through unix sockets, and what becomes of files in flight. TAP.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::vec;
use alloc::vec::Vec;
use heaps::uapi::Errno;
use heaps::uapi::errno::Result;
use userland::guest::buffer::Buffer;
use userland::guest::heap::Heap;
use userland::guest::tidy;
use userland::rt::abi::*;
use userland::rt::socket::{Message, rights, rights_room};
use userland::rt::tap::Tap;
use userland::rt::{Args, Fd, Status, file, process, socket, time};

userland::program!(run);

/// How deep sockets are sent within sockets: far deeper than a stack of calls.
const DEEP: usize = 400;

fn run(_: Args) -> i32 {
    tidy::run(|tap| {
        passing(tap);
        refusals(tap);
        cut_short(tap);
        peeking(tap);
        in_streams(tap);
        credentials(tap);
        lost(tap);
        cycles(tap);
        listeners(tap);
        nested(tap);
        buffers(tap);
    })
}

fn pair(kind: u32) -> [Fd; 2] {
    // Where there is none, every check fails.
    socket::pair(kind).unwrap_or_else(|_| [Fd::from_raw(-1), Fd::from_raw(-1)])
}

fn receive(fd: &Fd, room: usize, flags: u32) -> Result<Message> {
    socket::receive_message(fd.raw(), &mut [0; 8], room, flags)
}

/// A file that can be told from others: an anonymous socket's inode number.
fn ino(fd: i32) -> u64 {
    file::stat(fd).map_or(0, |stat| stat.ino)
}

fn passing(tap: &mut Tap) {
    for (kind, name) in [(SOCK_STREAM, "stream"), (SOCK_DGRAM, "datagram"), (SOCK_SEQPACKET, "packet")] {
        let ([a, b], [c, d]) = (pair(kind), pair(SOCK_STREAM));
        tap.is(
            socket::send_files(a.raw(), &[c.raw(), d.raw()]),
            Ok(()),
            format_args!("two files in a {name}"),
        );
        let want = [ino(c.raw()), ino(d.raw())];
        drop((c, d));
        let message = receive(&b, rights_room(2), 0);
        let fds = message.as_ref().map(Message::fds).unwrap_or_default();
        tap.is(message.map(|m| (m.len, m.flags)), Ok((1, 0)), "arrive");
        let got: Vec<u64> = fds.iter().map(|fd| ino(fd.raw())).collect();
        tap.is(got, want.to_vec(), "as they were");
        let flags: Vec<_> = fds.iter().map(|fd| file::fcntl(fd.raw(), F_GETFD, 0)).collect();
        tap.is(flags, vec![Ok(0); 2], "to stay open over execve");
        let talk = fds.first().zip(fds.last()).map(|(c, d)| {
            let mut byte = [0];
            socket::send(c.raw(), b"!", 0).and_then(|_| socket::receive(d.raw(), &mut byte, 0)).map(|_| byte)
        });
        tap.is(talk, Some(Ok([b'!'])), "and work though their sender closed them");
    }
    let [a, b] = pair(SOCK_STREAM);
    let _ = socket::send_files(a.raw(), &[a.raw()]);
    let message = receive(&b, rights_room(1), MSG_CMSG_CLOEXEC);
    tap.is(message.as_ref().map(|m| m.flags), Ok(MSG_CMSG_CLOEXEC), "MSG_CMSG_CLOEXEC");
    let fds = message.map(|m| m.fds()).unwrap_or_default();
    let flags: Vec<_> = fds.iter().map(|fd| file::fcntl(fd.raw(), F_GETFD, 0)).collect();
    tap.is(flags, vec![Ok(FD_CLOEXEC)], "marks what is received");
}

fn refusals(tap: &mut Tap) {
    let [a, b] = pair(SOCK_STREAM);
    let send = |control: &[u8]| socket::send_message(a.raw(), b"x", control, 0);
    tap.is(send(&rights(&[a.raw(), -1])), Err(Errno::EBADF), "one bad descriptor among them: EBADF");
    tap.is(send(&rights(&[1; 254])), Err(Errno::EINVAL), "254 files: EINVAL");
    let two = [rights(&[1; 200]), rights(&[1; 54])].concat();
    tap.is(send(&two), Err(Errno::EINVAL), "and in two messages, too");
    tap.is(
        send(&socket::control(SOL_SOCKET, 99, &[])),
        Err(Errno::EINVAL),
        "no such control message: EINVAL",
    );
    let mut long = rights(&[1]);
    long[0] = 100;
    tap.is(send(&long), Err(Errno::EINVAL), "one longer than all of them: EINVAL");
    long[0] = 8;
    tap.is(send(&long), Err(Errno::EINVAL), "one shorter than its head: EINVAL");
    tap.is(socket::receive(b.raw(), &mut [0], MSG_DONTWAIT), Err(Errno::EAGAIN), "nothing of it was sent");
    tap.is(send(&socket::control(99, 99, &[1])), Ok(1), "another level's is nobody's business");
    tap.is(send(&rights(&[])), Ok(1), "no files are no files");
    tap.is(receive(&b, 64, 0).map(|m| (m.len, m.control.len())), Ok((2, 0)), "and both arrive without");
    tap.is(send(&rights(&[1; 253])), Ok(1), "253 files");
    let message = receive(&b, rights_room(253), 0);
    tap.is(message.map(|m| (m.flags, m.fds().len())), Ok((0, 253)), "all arrive");
}

fn cut_short(tap: &mut Tap) {
    let [a, b] = pair(SOCK_DGRAM);
    // Three, as much as there is room for: in the buffer, and in the table.
    for (room, fit) in [(0, 0), (8, 0), (16, 0), (19, 0), (20, 1), (24, 2), (28, 3)] {
        let _ = socket::send_files(a.raw(), &[0, 1, 2]);
        let message = receive(&b, room, 0);
        let flags = if fit < 3 { MSG_CTRUNC } else { 0 };
        let got = message.map(|m| (m.flags, m.fds().len()));
        tap.is(got, Ok((flags, fit)), format_args!("{fit} of 3 files fit into {room} bytes"));
    }
    let _ = socket::send_files(a.raw(), &[0, 1, 2]);
    let mut byte = [0];
    tap.is(file::read(b.raw(), &mut byte), Ok(1), "a read takes the byte, and drops the files");
    let _ = socket::send_files(a.raw(), &[0, 1, 2]);
    let child = process::in_child(|| {
        // Room for one descriptor more in the table, once this is closed.
        let Ok(last) = file::dup(0) else { return 1 };
        while file::dup(0).is_ok() {}
        let _ = file::close(last);
        let message = receive(&b, rights_room(3), 0);
        let fds = message.as_ref().map(|m| m.fds().iter().map(Fd::raw).collect::<Vec<_>>());
        i32::from(!(fds == Ok(vec![last]) && message.is_ok_and(|m| m.flags == MSG_CTRUNC))) * 2
    });
    tap.is(child, Ok(Status::Exited(0)), "as many as the table has room for: MSG_CTRUNC for the others");
}

fn peeking(tap: &mut Tap) {
    let ([a, b], [c, d]) = (pair(SOCK_STREAM), pair(SOCK_STREAM));
    let want = ino(c.raw());
    let _ = socket::send_files(a.raw(), &[c.raw()]);
    drop(c);
    for flags in [MSG_PEEK, MSG_PEEK, 0] {
        let fds = receive(&b, rights_room(1), flags).map(|m| m.fds()).unwrap_or_default();
        let got: Vec<u64> = fds.iter().map(|fd| ino(fd.raw())).collect();
        tap.is(got, vec![want], format_args!("flags {flags}: the file, again with MSG_PEEK"));
    }
    let mut byte = [0];
    tap.is(socket::receive(d.raw(), &mut byte, 0), Ok(0), "and all of them closed is closed");
}

fn in_streams(tap: &mut Tap) {
    let [a, b] = pair(SOCK_STREAM);
    let send = |bytes: &[u8]| socket::send(a.raw(), bytes, 0);
    let _ =
        (send(b"aa"), socket::send_files(a.raw(), &[0]), socket::send_files(a.raw(), &[0, 0]), send(b"zz"));
    let mut got = Vec::new();
    while let Ok(message) = receive(&b, rights_room(4), MSG_DONTWAIT) {
        got.push((message.len, message.fds().len()));
    }
    tap.is(got, vec![(3, 1), (1, 2), (2, 0)], "a part with files ends what one recvmsg gives");
    tap.is(socket::send_message(a.raw(), b"", &rights(&[0]), 0), Ok(0), "files without a byte");
    tap.is(receive(&b, rights_room(1), MSG_DONTWAIT).err(), Some(Errno::EAGAIN), "are not sent");
    let _ = socket::send_message(a.raw(), b"abcd", &rights(&[0]), 0);
    let first = socket::receive_message(b.raw(), &mut [0; 2], rights_room(1), 0);
    tap.is(first.map(|m| (m.len, m.fds().len())), Ok((2, 1)), "files come with the first byte of a part");
    tap.is(receive(&b, rights_room(1), 0).map(|m| (m.len, m.fds().len())), Ok((2, 0)), "and not again");
}

fn credentials(tap: &mut Tap) {
    let [a, b] = pair(SOCK_STREAM);
    let me = process::id() as u32;
    let _ = socket::send(a.raw(), b"x", 0);
    let _ = socket::set_option(b.raw(), SO_PASSCRED, &1i32);
    let cred = receive(&b, 64, 0).map(|m| m.cred());
    tap.is(cred, Ok(Some([0, 65534, 65534])), "sent before anybody asked: nobody");
    let child = process::in_child(|| i32::from(socket::send(a.raw(), b"y", 0).is_err()));
    let _ = socket::send(a.raw(), b"z", 0);
    tap.is(child, Ok(Status::Exited(0)), "two senders");
    let (first, second) = (receive(&b, 64, 0), receive(&b, 64, 0));
    let who = |message: Result<Message>| message.map(|m| (m.len, m.cred().map(|c| c[0] == me)));
    tap.is(who(first), Ok((1, Some(false))), "are not mixed in one recvmsg");
    tap.is(who(second), Ok((1, Some(true))), "and each is known");
    let as_who = |cred: [u32; 3]| {
        let data: Vec<u8> = cred.iter().flat_map(|n| n.to_ne_bytes()).collect();
        socket::send_message(a.raw(), b"x", &socket::control(SOL_SOCKET, SCM_CREDENTIALS, &data), 0)
    };
    tap.is(as_who([1, 5, 6]), Ok(1), "root may say it is another");
    tap.is(receive(&b, 64, 0).map(|m| m.cred()), Ok(Some([1, 5, 6])), "and is believed");
    tap.is(as_who([0x3f_ffff, 0, 0]), Err(Errno::ESRCH), "but nobody that is not: ESRCH");
    let short = socket::control(SOL_SOCKET, SCM_CREDENTIALS, &[0; 8]);
    tap.is(socket::send_message(a.raw(), b"x", &short, 0), Err(Errno::EINVAL), "half of it: EINVAL");
    let _ = socket::send(a.raw(), b"x", 0);
    let cut = receive(&b, 20, 0).map(|m| (m.flags, m.control.len()));
    tap.is(cut, Ok((MSG_CTRUNC, 20)), "credentials cut short: MSG_CTRUNC");
}

/// Whether the other end of `fd` is gone.
fn is_alone(fd: &Fd) -> bool {
    socket::poll(fd.raw(), POLLRDHUP).is_ok_and(|events| events & POLLHUP != 0)
}

fn lost(tap: &mut Tap) {
    let ([a, b], [c, d]) = (pair(SOCK_STREAM), pair(SOCK_STREAM));
    let _ = socket::send_files(a.raw(), &[c.raw()]);
    drop(c);
    tap.ok(!is_alone(&d), "a file in flight is open");
    drop(b);
    tap.ok(is_alone(&d), "until the socket goes that it waits in");
    drop(a);
    let ([a, b], [c, d]) = (pair(SOCK_DGRAM), pair(SOCK_STREAM));
    let child = process::in_child(|| i32::from(socket::send_files(a.raw(), &[c.raw()]).is_err()));
    drop(c);
    tap.is(child, Ok(Status::Exited(0)), "a sender that is gone");
    tap.ok(!is_alone(&d), "leaves its files in flight");
    tap.is(receive(&b, rights_room(1), 0).map(|m| m.fds().len()), Ok(1), "for the receiver");
    tap.ok(is_alone(&d), "who closes them");
}

/// A stream whose one end goes into flight with what `f` does to it, and tells by its other end whether it lives.
fn witness(f: impl FnOnce(&Fd)) -> Fd {
    let [inside, outside] = pair(SOCK_STREAM);
    f(&inside);
    outside
}

/// Sends files; what is not sent, a later check misses.
fn send(to: &Fd, files: &[&Fd]) {
    let files: Vec<i32> = files.iter().map(|fd| fd.raw()).collect();
    let _ = socket::send_files(to.raw(), &files);
}

/// The last close of any socket looks for garbage.
fn close_something() {
    drop(pair(SOCK_STREAM));
}

fn cycles(tap: &mut Tap) {
    let [a, b] = pair(SOCK_STREAM);
    let seen = witness(|inside| send(&a, &[&b, inside]));
    close_something();
    tap.ok(!is_alone(&seen), "a socket in its own queue lives while somebody has it");
    drop(b);
    close_something();
    tap.ok(is_alone(&seen) && is_alone(&a), "and is collected when nobody has, though its peer is open");

    let ([a, b], [c, d]) = (pair(SOCK_DGRAM), pair(SOCK_DGRAM));
    let seen = witness(|inside| {
        send(&a, &[&d, inside]);
        send(&c, &[&b]);
    });
    drop(b);
    close_something();
    tap.ok(!is_alone(&seen), "two in each other's queues live while somebody has one");
    drop(d);
    close_something();
    tap.ok(is_alone(&seen), "and are collected when nobody has");
    drop((a, c));

    // A ring of many, one of which can be received from outside.
    let ring: Vec<[Fd; 2]> = (0..40).map(|_| pair(SOCK_DGRAM)).collect();
    let [way_in, way_out] = pair(SOCK_DGRAM);
    let seen = witness(|inside| {
        for (i, [to, _]) in ring.iter().enumerate() {
            send(to, &[&ring[(i + 1) % ring.len()][1], inside]);
        }
        send(&way_in, &[&ring[7][1]]);
    });
    drop(ring);
    close_something();
    tap.ok(!is_alone(&seen), "a ring of forty that one queue leads to lives");
    let inner = socket::receive_file(way_out.raw());
    tap.ok(inner.is_ok(), "that one is received");
    close_something();
    tap.ok(!is_alone(&seen), "and keeps the ring");
    let next = inner.as_ref().map(|fd| receive(fd, rights_room(2), 0).map(|m| m.fds().len()));
    tap.is(next, Ok(Ok(2)), "which can be unrolled");
    drop(inner);
    close_something();
    tap.ok(is_alone(&seen), "or given up");
}

fn listeners(tap: &mut Tap) {
    let name = socket::address(b"\0scmtest-l");
    let server = socket::unix(SOCK_STREAM).and_then(|fd| {
        socket::bind(fd.raw(), &name)?;
        socket::listen(fd.raw(), 5).map(|()| fd)
    });
    let client = socket::unix(SOCK_STREAM).and_then(|fd| socket::connect(fd.raw(), &name).map(|()| fd));
    let (Ok(server), Ok(client)) = (server, client) else {
        tap.ok(false, "a listener and its client");
        return;
    };
    let seen = witness(|inside| send(&client, &[&server, inside]));
    drop(server);
    close_something();
    tap.ok(is_alone(&seen), "a listener in a connection that waits in it is collected");
    tap.ok(is_alone(&client), "and the connection is reset");
    drop(client);
    let again = socket::unix(SOCK_STREAM).and_then(|fd| socket::bind(fd.raw(), &name));
    tap.is(again, Ok(()), "and its name is free");
}

fn nested(tap: &mut Tap) {
    // Each pair's end waits in the queue of the next one's.
    let seen = witness(|inside| {
        let mut held: Option<Fd> = None;
        for _ in 0..DEEP {
            let [to, end] = pair(SOCK_DGRAM);
            send(&to, &[held.as_ref().unwrap_or(inside)]);
            held = Some(end);
        }
    });
    tap.ok(is_alone(&seen), format_args!("{DEEP} sockets within each other end"));
}

fn buffers(tap: &mut Tap) {
    let Ok(buffer) = Heap::open("system").and_then(|heap| heap.allocate(8192)) else {
        tap.skip("a buffer that is passed on", "there is no heap called system");
        return;
    };
    let [a, b] = pair(SOCK_STREAM);
    let receiver = process::spawn(|| {
        let Ok(fd) = socket::receive_file(b.raw()) else { return 1 };
        // Its sender closes it meanwhile.
        let _ = time::sleep(20 * time::MS);
        let buffer = Buffer::new(fd, 8192);
        let Ok(mapping) = buffer.map() else { return 2 };
        let seen = mapping.word(4096) == 0xfeed;
        mapping.put_word(4096, 0xbeef);
        let synced = buffer.sync().is_ok() && buffer.size() == Ok(8192);
        // And back it goes.
        let back = socket::send_files(b.raw(), &[buffer.raw()]);
        i32::from(!(seen && synced && back.is_ok())) * 3
    });
    if let Ok(mapping) = buffer.map() {
        mapping.put_word(4096, 0xfeed);
    }
    tap.is(socket::send_files(a.raw(), &[buffer.raw()]), Ok(()), "a buffer is sent to another process");
    drop(buffer);
    let status = receiver.and_then(process::wait).map(|w| w.1);
    tap.is(status, Ok(Status::Exited(0)), "where it is mapped and written");
    let back = socket::receive_file(a.raw()).and_then(|fd| Buffer::new(fd, 8192).map());
    tap.is(back.map(|mapping| mapping.word(4096)), Ok(0xbeef), "and comes back with what was written");
}
