//! `/bin/socktest`: unix sockets: streams, datagrams, names, connections, options, readiness. TAP.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use heaps::uapi::Errno;
use heaps::uapi::errno::Result;
use userland::guest::tidy;
use userland::rt::abi::*;
use userland::rt::tap::Tap;
use userland::rt::{Args, Fd, Status, file, process, socket, time};

userland::program!(run);

fn run(_: Args) -> i32 {
    tidy::run(|tap| {
        making(tap);
        streams(tap);
        limits(tap);
        ends(tap);
        datagrams(tap);
        packets(tap);
        names(tap);
        connections(tap);
        options(tap);
        readiness(tap);
        waiting(tap);
        waking(tap);
    })
}

/// What a socket has for a reader, or why it has nothing.
fn get(fd: &Fd, flags: u32) -> Result<Vec<u8>> {
    let mut bytes = vec![0; 64];
    let len = socket::receive(fd.raw(), &mut bytes, flags)?;
    bytes.truncate(len);
    Ok(bytes)
}

fn put(fd: &Fd, bytes: &[u8]) -> Result<usize> {
    socket::send(fd.raw(), bytes, 0)
}

fn pair(tap: &mut Tap, kind: u32) -> [Fd; 2] {
    match socket::pair(kind) {
        Ok(pair) => pair,
        Err(e) => {
            tap.ok(false, format_args!("socketpair: {e}"));
            [Fd::from_raw(-1), Fd::from_raw(-1)]
        }
    }
}

fn making(tap: &mut Tap) {
    let why = |family, kind, protocol| socket::open(family, kind, protocol).err();
    tap.is(why(AF_INET, SOCK_STREAM, 0), Some(Errno::EAFNOSUPPORT), "there is no network");
    tap.is(why(99, SOCK_STREAM, 0), Some(Errno::EAFNOSUPPORT), "nor a family 99");
    tap.is(why(AF_UNIX, 11, 0), Some(Errno::EINVAL), "nor a type 11");
    tap.is(why(AF_UNIX, 4, 0), Some(Errno::ESOCKTNOSUPPORT), "a type that unix sockets have not");
    tap.is(why(AF_UNIX, SOCK_STREAM, 7), Some(Errno::EPROTONOSUPPORT), "a protocol they have not");
    tap.is(why(AF_UNIX, SOCK_STREAM | 0x100, 0), Some(Errno::EINVAL), "a flag there is not");
    for (kind, is) in [(SOCK_STREAM, 1), (SOCK_DGRAM, 2), (SOCK_RAW, 2), (SOCK_SEQPACKET, 5)] {
        let made = socket::unix(kind).and_then(|fd| socket::option::<i32>(fd.raw(), SO_TYPE));
        tap.is(made, Ok(is), format_args!("a socket of type {kind} is of type {is}"));
    }
    let fd = socket::unix(SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC);
    let flags = fd.and_then(|fd| {
        Ok((file::fcntl(fd.raw(), F_GETFD, 0)?, file::fcntl(fd.raw(), F_GETFL, 0)? as u32 & O_NONBLOCK))
    });
    tap.is(flags, Ok((FD_CLOEXEC, O_NONBLOCK)), "SOCK_CLOEXEC and SOCK_NONBLOCK");
    let [a, _b] = pair(tap, SOCK_STREAM);
    tap.is(file::stat(a.raw()).map(|s| s.mode & S_IFMT), Ok(S_IFSOCK), "fstat says S_IFSOCK");
    let ino = file::stat(a.raw()).map_or(0, |s| s.ino);
    let path = format!("/proc/self/fd/{}", a.raw());
    let mut text = [0; 64];
    let link = file::read_link(&path, &mut text);
    tap.is(link, Ok(format!("socket:[{ino}]").as_bytes()), "its link says socket:[INO]");
    tap.is(Fd::open(&path, O_RDWR).err(), Some(Errno::ENXIO), "and cannot be opened: ENXIO");
    tap.is(file::seek(a.raw(), 0, SEEK_SET), Err(Errno::ESPIPE), "lseek: ESPIPE");
    tap.is(
        get(&Fd::from_raw(file::dup(1).unwrap_or(-1)), 0),
        Err(Errno::ENOTSOCK),
        "a console is none: ENOTSOCK",
    );
    tap.is(socket::receive(-1, &mut [0], 0), Err(Errno::EBADF), "nor is -1: EBADF");
}

fn streams(tap: &mut Tap) {
    let [a, b] = pair(tap, SOCK_STREAM);
    tap.is(put(&a, b"hello "), Ok(6), "send to a stream");
    tap.is(file::write(a.raw(), b"world"), Ok(5), "write to it");
    tap.is(socket::readable(b.raw()), Ok(11), "FIONREAD counts both");
    tap.is(get(&b, MSG_PEEK), Ok(b"hello world".to_vec()), "MSG_PEEK sees both");
    let mut four = [0; 4];
    tap.is((file::read(b.raw(), &mut four), &four), (Ok(4), b"hell"), "read takes some");
    tap.is(get(&b, 0), Ok(b"o world".to_vec()), "recv the rest, over the boundary");
    tap.is(get(&b, MSG_DONTWAIT), Err(Errno::EAGAIN), "then there is nothing: EAGAIN");
    tap.is(file::read(b.raw(), &mut []), Ok(0), "a read of nothing does not wait");
    tap.is(put(&b, b"back"), Ok(4), "the other way");
    tap.is(get(&a, MSG_TRUNC), Ok(b"back".to_vec()), "MSG_TRUNC means nothing to a stream");
    tap.is(socket::send(a.raw(), b"x", MSG_OOB), Err(Errno::EOPNOTSUPP), "there is no urgent data");
    tap.is(
        socket::send_to(a.raw(), b"x", 0, &socket::address(b"/x")),
        Err(Errno::EISCONN),
        "nor another address",
    );
    let lonely = socket::unix(SOCK_STREAM);
    tap.is(lonely.and_then(|fd| put(&fd, b"x")), Err(Errno::ENOTCONN), "send without a connection: ENOTCONN");
    let lonely = socket::unix(SOCK_STREAM);
    tap.is(lonely.and_then(|fd| get(&fd, 0)), Err(Errno::EINVAL), "recv without one: EINVAL");
    let data: Vec<u8> = (0..150_000u32).map(|i| (i * 7 % 251) as u8).collect();
    let child = process::spawn(|| i32::from(file::write_all(a.raw(), &data).is_err()));
    let mut back = vec![0; data.len()];
    let got = socket::receive(b.raw(), &mut back, MSG_WAITALL);
    tap.is((got, back == data), (Ok(150_000), true), "MSG_WAITALL waits for 150,000 bytes of a child's");
    tap.is(child.and_then(process::wait).map(|w| w.1), Ok(Status::Exited(0)), "which wrote them all");
}

/// How much goes in before it would block, in pieces.
fn capacity(kind: u32, piece: usize) -> Result<usize> {
    let [a, _b] = socket::pair(kind | SOCK_NONBLOCK)?;
    let bytes = vec![0; piece];
    let mut total = 0;
    loop {
        match file::write(a.raw(), &bytes) {
            Ok(n) => total += n,
            Err(Errno::EAGAIN) => return Ok(total),
            Err(e) => return Err(e),
        }
    }
}

fn limits(tap: &mut Tap) {
    // Linux 6.1's figures.
    tap.is(capacity(SOCK_STREAM, 1), Ok(278), "a stream takes 278 writes of a byte");
    tap.is(capacity(SOCK_STREAM, 1 << 20), Ok(219_264), "or 219,264 bytes at once");
    tap.is(capacity(SOCK_DGRAM, 1), Ok(278), "a pair of datagram sockets as many");
    let [a, b] = pair(tap, SOCK_DGRAM);
    let datagram = vec![7; 212_961];
    tap.is(put(&a, &datagram), Err(Errno::EMSGSIZE), "a datagram too long: EMSGSIZE");
    tap.is(put(&a, &datagram[1..]), Ok(212_960), "a byte less is not");
    let mut back = vec![0; 212_960];
    tap.is(
        (socket::receive(b.raw(), &mut back, 0), back == datagram[1..]),
        (Ok(212_960), true),
        "and arrives",
    );
}

fn ends(tap: &mut Tap) {
    let [a, b] = pair(tap, SOCK_STREAM);
    let _ = put(&a, b"last");
    drop(a);
    tap.is(get(&b, 0), Ok(b"last".to_vec()), "what was sent before the end is received");
    tap.is(get(&b, 0), Ok(vec![]), "then there is the end");
    tap.is(socket::send(b.raw(), b"x", MSG_NOSIGNAL), Err(Errno::EPIPE), "send to nobody: EPIPE");
    let killed = process::in_child(|| i32::from(put(&b, b"x").is_ok()));
    tap.is(killed, Ok(Status::Killed(SIGPIPE)), "and SIGPIPE");
    let [a, b] = pair(tap, SOCK_STREAM);
    let _ = put(&b, b"unread");
    drop(a);
    tap.is(get(&b, 0), Err(Errno::ECONNRESET), "an end with data unread: ECONNRESET");
    tap.is(get(&b, 0), Ok(vec![]), "said once");
    let [a, b] = pair(tap, SOCK_STREAM);
    tap.is(socket::shutdown(a.raw(), 3), Err(Errno::EINVAL), "shutdown of nothing: EINVAL");
    tap.is(socket::shutdown(a.raw(), 1), Ok(()), "shutdown of sending");
    tap.is(socket::send(a.raw(), b"x", MSG_NOSIGNAL), Err(Errno::EPIPE), "no more sending");
    tap.is(get(&b, 0), Ok(vec![]), "the peer is at its end");
    tap.is(put(&b, b"still"), Ok(5), "but can send");
    tap.is(get(&a, 0), Ok(b"still".to_vec()), "and is heard");
    tap.is(socket::shutdown(a.raw(), 0), Ok(()), "shutdown of receiving");
    tap.is(socket::send(b.raw(), b"x", MSG_NOSIGNAL), Err(Errno::EPIPE), "ends that, too");
    let lonely = socket::unix(SOCK_STREAM);
    tap.is(lonely.and_then(|fd| socket::shutdown(fd.raw(), 2)), Ok(()), "shutdown needs no connection");
}

fn datagrams(tap: &mut Tap) {
    let [a, b] = pair(tap, SOCK_DGRAM);
    for part in [&b"one"[..], b"", b"three"] {
        tap.is(put(&a, part), Ok(part.len()), format_args!("a datagram of {}", part.len()));
    }
    tap.is(socket::readable(b.raw()), Ok(3), "FIONREAD counts the first");
    let mut two = [0; 2];
    tap.is(socket::receive(b.raw(), &mut two, MSG_PEEK | MSG_TRUNC), Ok(3), "MSG_TRUNC gives its length");
    tap.is((socket::receive(b.raw(), &mut two, 0), &two), (Ok(2), b"on"), "and what does not fit is lost");
    tap.is(get(&b, 0), Ok(vec![]), "an empty one is one, too");
    let message = socket::receive_message(b.raw(), &mut two, 0, 0);
    tap.is(message.map(|m| (m.len, m.flags)), Ok((2, MSG_TRUNC)), "recvmsg says MSG_TRUNC");
    tap.is(get(&b, MSG_DONTWAIT), Err(Errno::EAGAIN), "then there is nothing: EAGAIN");
    drop(b);
    tap.is(put(&a, b"x"), Err(Errno::ECONNREFUSED), "send to one that is gone: ECONNREFUSED");
    tap.is(put(&a, b"x"), Err(Errno::ENOTCONN), "from then on: ENOTCONN");
    let name = socket::address(b"\0socktest-d");
    let (Ok(server), Ok(client), Ok(other)) =
        (socket::unix(SOCK_DGRAM), socket::unix(SOCK_DGRAM), socket::unix(SOCK_DGRAM))
    else {
        tap.ok(false, "three sockets");
        return;
    };
    tap.is(socket::send_to(client.raw(), b"x", 0, &name), Err(Errno::ECONNREFUSED), "nobody has the name");
    tap.is(socket::bind(server.raw(), &name), Ok(()), "bind to it");
    tap.is(
        socket::bind(client.raw(), &socket::address(b"\0socktest-c")),
        Ok(()),
        "and the client to another",
    );
    tap.is(socket::send_to(client.raw(), b"to you", 0, &name), Ok(6), "sendto");
    let mut bytes = [0; 16];
    let message = socket::receive_message(server.raw(), &mut bytes, 0, 0);
    tap.is(
        message.map(|m| (m.len, m.from)),
        Ok((6, socket::address(b"\0socktest-c"))),
        "arrives with its sender's name",
    );
    tap.is(
        socket::connect(server.raw(), &socket::address(b"\0socktest-c")),
        Ok(()),
        "the server connects back",
    );
    tap.is(socket::send_to(other.raw(), b"x", 0, &name), Err(Errno::EPERM), "to a third it is closed: EPERM");
    tap.is(socket::connect(server.raw(), &[0, 0]), Ok(()), "AF_UNSPEC disconnects");
    tap.is(put(&server, b"x"), Err(Errno::ENOTCONN), "it has no peer");
    let mut count = 0;
    while socket::send_to(other.raw(), b"x", MSG_DONTWAIT, &name).is_ok() {
        count += 1;
    }
    tap.is(count, 11, "eleven datagrams wait in a socket");
}

fn packets(tap: &mut Tap) {
    let [a, b] = pair(tap, SOCK_SEQPACKET);
    tap.is((put(&a, b"one"), put(&a, b"two")), (Ok(3), Ok(3)), "two packets");
    tap.is((get(&b, 0), get(&b, 0)), (Ok(b"one".to_vec()), Ok(b"two".to_vec())), "arrive as two");
    drop(a);
    tap.is(get(&b, 0), Ok(vec![]), "the end of a connection");
    let status = process::in_child(|| i32::from(put(&b, b"x") != Err(Errno::EPIPE)));
    tap.is(status, Ok(Status::Exited(0)), "send after it: EPIPE, and no signal");
    let lonely = socket::unix(SOCK_SEQPACKET);
    let both = lonely.map(|fd| (put(&fd, b"x"), get(&fd, 0)));
    tap.is(both, Ok((Err(Errno::ENOTCONN), Err(Errno::ENOTCONN))), "without a connection: ENOTCONN");
}

fn names(tap: &mut Tap) {
    let (Ok(a), Ok(b)) = (socket::unix(SOCK_STREAM), socket::unix(SOCK_STREAM)) else {
        tap.ok(false, "two sockets");
        return;
    };
    tap.is(socket::own_name(a.raw()), Ok(vec![1, 0]), "no name is a family alone");
    tap.is(socket::bind(a.raw(), b"\x02\0/x"), Err(Errno::EINVAL), "another family's name: EINVAL");
    tap.is(socket::bind(a.raw(), &[1; 111]), Err(Errno::EINVAL), "too long a name: EINVAL");
    let path = socket::address(b"/tmp/socktest");
    tap.is(socket::bind(a.raw(), &socket::address(b"/no/where")), Err(Errno::ENOENT), "no such directory");
    tap.is(socket::bind(a.raw(), &path), Ok(()), "bind to a path");
    tap.is(socket::own_name(a.raw()), Ok(path.clone()), "getsockname says it");
    let made = file::stat_at(AT_FDCWD, "/tmp/socktest", 0);
    tap.is(made.map(|s| s.mode), Ok(S_IFSOCK | 0o755), "there is a socket there, less the umask");
    tap.is(Fd::open("/tmp/socktest", O_RDWR).err(), Some(Errno::ENXIO), "that cannot be opened: ENXIO");
    tap.is(socket::bind(b.raw(), &path), Err(Errno::EADDRINUSE), "nor bound to again: EADDRINUSE");
    tap.is(
        socket::bind(a.raw(), &socket::address(b"\0socktest-2")),
        Err(Errno::EINVAL),
        "one name each: EINVAL",
    );
    tap.is(socket::connect(b.raw(), &path), Err(Errno::ECONNREFUSED), "nobody listens: ECONNREFUSED");
    tap.is(
        socket::connect(b.raw(), &socket::address(b"/")),
        Err(Errno::ECONNREFUSED),
        "a directory: ECONNREFUSED",
    );
    tap.is(socket::connect(b.raw(), &socket::address(b"/none")), Err(Errno::ENOENT), "nothing there: ENOENT");
    let datagram = socket::unix(SOCK_DGRAM).and_then(|fd| socket::connect(fd.raw(), &path));
    tap.is(datagram, Err(Errno::EPROTOTYPE), "another type: EPROTOTYPE");
    drop(a);
    tap.is(socket::connect(b.raw(), &path), Err(Errno::ECONNREFUSED), "the file outlives the socket");
    tap.is(file::unlink("/tmp/socktest", 0), Ok(()), "and is unlinked");
    tap.is(socket::bind(b.raw(), &[1, 0]), Ok(()), "bind to any name");
    let any = socket::own_name(b.raw())
        .map(|name| (name.len(), name[2], name[3..].iter().all(u8::is_ascii_hexdigit)));
    tap.is(any, Ok((8, 0, true)), "which is five hexadecimal digits");
    let name = socket::own_name(b.raw()).unwrap_or_default();
    let second = |kind| socket::unix(kind).and_then(|fd| socket::bind(fd.raw(), &name));
    tap.is(second(SOCK_STREAM), Err(Errno::EADDRINUSE), "and taken: EADDRINUSE");
    tap.is(second(SOCK_DGRAM), Ok(()), "though not for another type");
    drop(b);
    tap.is(second(SOCK_STREAM), Ok(()), "and free when its socket goes");
}

fn connections(tap: &mut Tap) {
    let name = socket::address(b"\0socktest-l");
    let (Ok(server), Ok(client), Ok(second)) = (
        socket::unix(SOCK_STREAM),
        socket::unix(SOCK_STREAM | SOCK_NONBLOCK),
        socket::unix(SOCK_STREAM | SOCK_NONBLOCK),
    ) else {
        tap.ok(false, "three sockets");
        return;
    };
    tap.is(socket::listen(server.raw(), 0), Err(Errno::EINVAL), "listen without a name: EINVAL");
    let accepted = socket::accept(server.raw(), 0);
    tap.is(accepted.map(drop), Err(Errno::EINVAL), "accept without listening: EINVAL");
    let datagram = socket::unix(SOCK_DGRAM).and_then(|fd| socket::listen(fd.raw(), 0));
    tap.is(datagram, Err(Errno::EOPNOTSUPP), "datagram sockets do not listen");
    let _ = socket::bind(server.raw(), &name);
    tap.is(socket::listen(server.raw(), 0), Ok(()), "listen");
    tap.is(socket::connect(client.raw(), &name), Ok(()), "connect");
    tap.is(socket::connect(second.raw(), &name), Err(Errno::EAGAIN), "a full queue: EAGAIN");
    tap.is(put(&client, b"early"), Ok(5), "send before anybody accepts");
    tap.is(socket::accept(server.raw(), 0x100).map(drop), Err(Errno::EINVAL), "accept4 with strange flags");
    let Ok(accepted) = socket::accept(server.raw(), SOCK_NONBLOCK) else {
        tap.ok(false, "accept4");
        return;
    };
    tap.is(get(&accepted, 0), Ok(b"early".to_vec()), "and it arrives");
    tap.is(get(&accepted, 0), Err(Errno::EAGAIN), "SOCK_NONBLOCK holds");
    tap.is(socket::own_name(accepted.raw()), Ok(name.clone()), "the accepted socket has the listener's name");
    tap.is(socket::peer_name(client.raw()), Ok(name.clone()), "which is the client's peer's");
    tap.is(socket::peer_name(accepted.raw()), Ok(vec![1, 0]), "the client has none");
    tap.is(socket::peer_name(second.raw()), Err(Errno::ENOTCONN), "no peer: ENOTCONN");
    tap.is(socket::connect(client.raw(), &name), Err(Errno::EISCONN), "connect again: EISCONN");
    tap.is(socket::connect(second.raw(), &name), Ok(()), "there is room for the second now");
    let me = process::id() as u32;
    tap.is(socket::option(client.raw(), SO_PEERCRED), Ok([me, 0, 0]), "SO_PEERCRED of the client");
    tap.is(socket::option(accepted.raw(), SO_PEERCRED), Ok([me, 0, 0]), "and of the accepted");
    drop(accepted);
    drop(server);
    tap.is(get(&client, 0), Ok(vec![]), "a closed connection ends");
    tap.is(get(&second, 0), Err(Errno::ECONNRESET), "one never accepted is reset");
    let third = socket::unix(SOCK_STREAM).and_then(|fd| socket::connect(fd.raw(), &name));
    tap.is(third, Err(Errno::ECONNREFUSED), "and the name is nobody's");
}

fn options(tap: &mut Tap) {
    let [a, _b] = pair(tap, SOCK_STREAM);
    let get = |option| socket::option::<i32>(a.raw(), option);
    tap.is([get(SO_DOMAIN), get(SO_PROTOCOL), get(SO_ACCEPTCONN)], [Ok(1), Ok(0), Ok(0)], "what it is");
    tap.is([get(SO_SNDBUF), get(SO_RCVBUF)], [Ok(212_992); 2], "its limits");
    let set = |option, value: i32| socket::set_option(a.raw(), option, &value);
    tap.is((set(SO_SNDBUF, 10_000), get(SO_SNDBUF)), (Ok(()), Ok(20_000)), "SO_SNDBUF is doubled");
    tap.is((set(SO_SNDBUF, 0), get(SO_SNDBUF)), (Ok(()), Ok(4608)), "and has a least");
    tap.is((set(SO_PASSCRED, 7), get(SO_PASSCRED)), (Ok(()), Ok(1)), "SO_PASSCRED is on or off");
    tap.is(set(SO_TYPE, 1), Err(Errno::ENOPROTOOPT), "SO_TYPE is not to be set");
    tap.is(get(999), Err(Errno::ENOPROTOOPT), "nor is there an option 999");
    tap.is(socket::set_option(a.raw(), SO_SNDBUF, &1u8), Err(Errno::EINVAL), "too short a value: EINVAL");
    tap.is(get(SO_ERROR), Ok(0), "there is no error");
    let time = |time: [i64; 2]| socket::set_option(a.raw(), SO_RCVTIMEO, &time);
    tap.is(time([0, 1_000_000]), Err(Errno::EDOM), "a time that is none: EDOM");
    tap.is(time([0, 20_000]), Ok(()), "SO_RCVTIMEO");
    tap.is(socket::option(a.raw(), SO_RCVTIMEO), Ok([0i64, 20_000]), "is what was set");
    tap.is(socket::receive(a.raw(), &mut [0], 0), Err(Errno::EAGAIN), "and ends a wait: EAGAIN");
}

fn readiness(tap: &mut Tap) {
    const ALL: u16 = POLLIN | POLLOUT | POLLRDHUP;
    let poll = |fd: &Fd| socket::poll(fd.raw(), ALL);
    let [a, b] = pair(tap, SOCK_STREAM);
    tap.is(poll(&a), Ok(POLLOUT), "poll: room to write");
    let _ = put(&b, b"x");
    tap.is(poll(&a), Ok(POLLIN | POLLOUT), "and something to read");
    let _ = socket::shutdown(b.raw(), 1);
    tap.is(poll(&a), Ok(POLLIN | POLLOUT | POLLRDHUP), "the peer sends no more: POLLRDHUP");
    drop(b);
    tap.is(poll(&a), Ok(ALL | POLLHUP), "nor receives: POLLHUP");
    let [a, b] = pair(tap, SOCK_STREAM);
    let _ = put(&b, b"x");
    drop(a);
    tap.is(poll(&b), Ok(ALL | POLLHUP | POLLERR), "POLLERR for a reset");
    let lonely = socket::unix(SOCK_STREAM).and_then(|fd| poll(&fd));
    tap.is(lonely, Ok(POLLOUT | POLLHUP), "an unconnected stream: POLLHUP");
    let [a, b] = pair(tap, SOCK_STREAM | SOCK_NONBLOCK);
    while put(&a, &[0; 4096]).is_ok() {}
    tap.is(poll(&a), Ok(0), "a full one is not writable");
    let mut part = vec![0; 4096];
    let _ = socket::receive(b.raw(), &mut part, 0);
    tap.is(poll(&a), Ok(0), "nor when little has been read");
    while socket::receive(b.raw(), &mut part, 0).is_ok() {}
    tap.is(poll(&a), Ok(POLLOUT), "but when all has");
}

/// A poll that waits is told of what another process does: within the minute, not at its end.
fn waking(tap: &mut Tap) {
    let [a, b] = pair(tap, SOCK_STREAM);
    let mut waits = |fd: &Fd, events, want, what, f: &dyn Fn() -> bool| {
        let child = meanwhile(f);
        tap.is(socket::poll_for(fd.raw(), events, 60), Ok(want), what);
        tap.is(child.and_then(process::wait).map(|w| w.1), Ok(Status::Exited(0)), "by another process");
    };
    waits(&a, POLLIN, POLLIN, "a poll is told of data", &|| put(&b, b"x").is_ok());
    let _ = get(&a, 0);
    while socket::send(a.raw(), &[0; 4096], MSG_DONTWAIT).is_ok() {}
    let drain = || {
        let mut part = vec![0; 4096];
        while socket::receive(b.raw(), &mut part, MSG_DONTWAIT).is_ok() {}
        true
    };
    waits(&a, POLLOUT, POLLOUT, "of room", &drain);
    waits(&a, POLLRDHUP, POLLRDHUP, "of a shutdown", &|| socket::shutdown(b.raw(), 1).is_ok());
    let name = socket::address(b"\0socktest-p");
    let (Ok(server), Ok(client)) = (socket::unix(SOCK_DGRAM), socket::unix(SOCK_DGRAM)) else { return };
    let ready = socket::bind(server.raw(), &name).and_then(|()| socket::connect(client.raw(), &name));
    while socket::send(client.raw(), b"x", MSG_DONTWAIT).is_ok() {}
    waits(&client, POLLOUT, POLLOUT, "of room for a datagram", &|| ready.is_ok() && get(&server, 0).is_ok());
}

/// Does `f` in a child while this process waits for what it does.
fn meanwhile(f: impl FnOnce() -> bool) -> Result<i32> {
    process::spawn(|| {
        let _ = time::sleep(20 * time::MS);
        i32::from(!f())
    })
}

fn waiting(tap: &mut Tap) {
    let [a, b] = pair(tap, SOCK_STREAM);
    let child = meanwhile(|| put(&a, b"late").is_ok());
    tap.is(get(&b, 0), Ok(b"late".to_vec()), "a reader waits for a writer");
    tap.is(child.and_then(process::wait).map(|w| w.1), Ok(Status::Exited(0)), "of another process");
    let name = socket::address(b"\0socktest-w");
    let server = socket::unix(SOCK_STREAM);
    let Ok(server) = server.and_then(|fd| {
        socket::bind(fd.raw(), &name)?;
        socket::listen(fd.raw(), 0)?;
        Ok(fd)
    }) else {
        tap.ok(false, "a listener");
        return;
    };
    let child =
        meanwhile(|| socket::unix(SOCK_STREAM).is_ok_and(|fd| socket::connect(fd.raw(), &name).is_ok()));
    tap.is(socket::accept(server.raw(), 0).map(drop), Ok(()), "accept waits for a connection");
    tap.is(child.and_then(process::wait).map(|w| w.1), Ok(Status::Exited(0)), "of another process");
    let child = meanwhile(|| socket::shutdown(b.raw(), 2).is_ok());
    tap.is(get(&a, 0), Ok(vec![]), "a shutdown ends a wait");
    tap.is(child.and_then(process::wait).map(|w| w.1), Ok(Status::Exited(0)), "of another process");
    let [a, _b] = pair(tap, SOCK_STREAM);
    let sleeper = process::spawn(|| i32::from(get(&a, 0).is_ok()));
    let status = sleeper.and_then(|pid| {
        time::sleep(10 * time::MS)?;
        process::kill(pid, SIGKILL)?;
        process::wait(pid)
    });
    tap.is(status.map(|s| s.1), Ok(Status::Killed(SIGKILL)), "SIGKILL ends one, too");
}
