//! Framing and the line discipline.

use alloc::vec::Vec;
use std::sync::Mutex;

use super::frame::{Channel, Framer, Incoming, Unframer};
use super::termios::*;
use super::tty::{Reaction, Tty};

fn sent(framer: &mut Framer, channel: Channel, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    framer.send(channel, bytes, &mut |part| out.extend_from_slice(part));
    out
}

#[test]
fn channels_are_switched_only_when_they_change() {
    let mut framer = Framer::switched_anew(false);
    assert_eq!(sent(&mut framer, Channel::Kernel, b"a\x1eb"), b"a\x1eb");
    framer = Framer::switched_anew(true);
    assert_eq!(sent(&mut framer, Channel::Stdout, b"one"), b"\x1eoone");
    assert_eq!(sent(&mut framer, Channel::Stdout, b"two"), b"two");
    assert_eq!(sent(&mut framer, Channel::Stderr, b""), b"");
    assert_eq!(sent(&mut framer, Channel::Records, b"\x1e{}\x1e"), b"\x1er\x1e\x1e{}\x1e\x1e");
}

#[test]
fn keys_and_windows_are_told_apart() {
    let all = |framed: bool, bytes: &[u8]| {
        let mut frames = Unframer::new(framed);
        bytes.iter().filter_map(|&byte| frames.take(byte)).collect::<Vec<_>>()
    };
    let keys = |bytes: &[u8]| bytes.iter().map(|&byte| Incoming::Key(byte)).collect::<Vec<_>>();
    assert_eq!(all(false, b"a\x1ew"), keys(b"a\x1ew"));
    assert_eq!(all(true, b"a\x1e\x1eb"), keys(b"a\x1eb"));
    let window = [keys(b"a"), alloc::vec![Incoming::Window(40, 300)], keys(b"b")].concat();
    assert_eq!(all(true, b"a\x1ew\x28\0\x2c\x01b"), window);
    assert_eq!(all(true, b"\x1ew\x1e\x1e\x1e\x1e"), [Incoming::Window(0x1e1e, 0x1e1e)]);
    assert_eq!(all(true, b"\x1ezk"), keys(b"zk"));
}

/// Linux' own settings.
fn linux() -> Tty {
    let mut tty = Tty::new();
    tty.termios.c_iflag |= IXON;
    tty.termios.c_lflag |= IEXTEN;
    tty
}

fn typed(tty: &mut Tty, keys: &[u8]) -> (Vec<u8>, Vec<Reaction>) {
    let mut echo = Vec::new();
    let mut key = |key: u8| tty.key(key, &mut |bytes| echo.extend_from_slice(bytes));
    let reactions = keys.iter().map(|&byte| key(byte)).collect();
    (echo, reactions)
}

fn taken(tty: &mut Tty) -> Option<Vec<u8>> {
    let mut buf = [0; 5000];
    tty.take(&mut buf).map(|len| buf[..len].to_vec())
}

fn set(tty: &mut Tty, change: impl FnOnce(&mut Termios)) {
    let mut termios = tty.termios;
    change(&mut termios);
    tty.set(termios, &mut |_| {});
}

#[test]
fn lines_are_edited_and_read_one_at_a_time() {
    let mut tty = Tty::new();
    let (echo, reactions) = typed(&mut tty, b"lx\x7fs\rpwd");
    assert_eq!(echo, b"lx\x08 \x08s\npwd");
    assert!(reactions[4].wake && !reactions[3].wake);
    assert_eq!((tty.available(), taken(&mut tty).unwrap()), (3, b"ls\n".to_vec()));
    assert_eq!(taken(&mut tty), None);
    assert_eq!(typed(&mut tty, b"\x15").0, b"\x08 \x08".repeat(3));
    typed(&mut tty, b"next\nmore\n");
    assert_eq!(taken(&mut tty).unwrap(), b"next\n");
    assert_eq!(taken(&mut tty).unwrap(), b"more\n");
}

#[test]
fn a_line_longer_than_a_read_comes_in_parts() {
    let mut tty = Tty::new();
    typed(&mut tty, b"abcdef\nx\n");
    let mut buf = [0; 4];
    assert_eq!((tty.take(&mut buf), &buf), (Some(4), b"abcd"));
    assert_eq!((tty.take(&mut buf), &buf[..3]), (Some(3), &b"ef\n"[..]));
    assert_eq!(tty.take(&mut buf), Some(2));
}

#[test]
fn the_end_key_ends_a_line_or_the_input() {
    let mut tty = Tty::new();
    typed(&mut tty, b"part\x04");
    assert_eq!(tty.available(), 4);
    assert_eq!(taken(&mut tty).unwrap(), b"part");
    assert_eq!(taken(&mut tty), None);
    typed(&mut tty, b"\x04");
    assert!(tty.has_input(1) && tty.available() == 0);
    assert_eq!(taken(&mut tty).unwrap(), b"");
    assert_eq!(taken(&mut tty), None);
    typed(&mut tty, b"four\x04five\n");
    let mut buf = [0; 4];
    assert_eq!(tty.take(&mut buf), Some(4));
    assert_eq!(taken(&mut tty).unwrap(), b"five\n", "the end key went with the line it ended");
}

#[test]
fn the_interrupt_key_sends_a_signal_and_drops_the_line() {
    let mut tty = Tty::new();
    let (echo, reactions) = typed(&mut tty, b"ab\x03");
    assert_eq!((reactions[2].signal, &echo[..]), (Some(2), &b"ab^C"[..]));
    typed(&mut tty, b"c\n");
    assert_eq!(taken(&mut tty).unwrap(), b"c\n");
    tty.termios.c_lflag |= NOFLSH;
    typed(&mut tty, b"d\x1ae\n");
    assert_eq!(taken(&mut tty).unwrap(), b"de\n");
    tty.termios.c_lflag &= !ISIG;
    typed(&mut tty, b"\x03\n");
    assert_eq!(taken(&mut tty).unwrap(), b"\x03\n");
}

#[test]
fn words_are_erased_lines_shown_again_and_keys_taken_as_they_are() {
    let mut tty = linux();
    assert_eq!(
        typed(&mut tty, b"one two_2  \x17").0,
        [b"one two_2  ".to_vec(), b"\x08 \x08".repeat(7)].concat()
    );
    assert_eq!(typed(&mut tty, b"\x12").0, b"^R\none ");
    assert_eq!(typed(&mut tty, b"\x16\x03").0, b"^\x08^C");
    assert_eq!(typed(&mut tty, b"\x16\x16\n").0, b"^\x08^V\n");
    assert_eq!(taken(&mut tty).unwrap(), b"one \x03\x16\n");
    typed(&mut tty, b"a\x16\nb\n");
    assert_eq!(taken(&mut tty).unwrap(), b"a\nb\n");
    tty.termios.c_lflag &= !IEXTEN;
    typed(&mut tty, b"x\x17\n");
    assert_eq!(taken(&mut tty).unwrap(), b"x\x17\n");
}

#[test]
fn tabs_are_erased_to_where_they_began() {
    let mut tty = Tty::new();
    tty.echo.follow(&Termios::new(), b"$ ");
    typed(&mut tty, b"abc\t");
    assert_eq!(typed(&mut tty, b"\x7f").0, b"\x08\x08\x08");
    assert_eq!(typed(&mut tty, b"\x7f").0, b"\x08 \x08");
    typed(&mut tty, b"\x01\t");
    assert_eq!(typed(&mut tty, b"\x7f\x7f").0, b"\x08\x08\x08 \x08\x08 \x08");
}

#[test]
fn output_is_stopped_and_started_by_keys() {
    let mut tty = linux();
    let (echo, _) = typed(&mut tty, b"a\x13bc");
    assert_eq!((tty.is_stopped(), &echo[..]), (true, &b"a"[..]));
    let (echo, reactions) = typed(&mut tty, b"\x11d\n");
    assert_eq!((reactions[0].started, &echo[..]), (true, &b"bcd\n"[..]));
    assert_eq!(taken(&mut tty).unwrap(), b"abcd\n");
    assert!(typed(&mut tty, b"\x13\x03").1[1].started && !tty.is_stopped());
    typed(&mut tty, b"\x13");
    set(&mut tty, |termios| termios.c_iflag &= !IXON);
    assert!(!tty.is_stopped());
    typed(&mut tty, b"\x13\n");
    assert_eq!(taken(&mut tty).unwrap(), b"\x13\n");
    tty.termios.c_iflag |= IXON | IXANY;
    assert!(typed(&mut tty, b"\x13x").1[1].started);
}

#[test]
fn without_lines_each_byte_counts_at_once() {
    let mut tty = linux();
    tty.termios.c_lflag &= !(ICANON | ECHO);
    let (echo, reactions) = typed(&mut tty, b"\x7f\x04");
    assert!(echo.is_empty() && reactions[0].wake);
    assert_eq!(taken(&mut tty).unwrap(), b"\x7f\x04");
    tty.termios.c_cc[VMIN] = 3;
    assert_eq!(tty.least_to_poll(), 3);
    tty.termios.c_cc[VTIME] = 1;
    assert_eq!(tty.least_to_poll(), 1);
}

#[test]
fn a_line_that_is_not_ended_is_there_without_lines_and_with_them_again() {
    let mut tty = Tty::new();
    typed(&mut tty, b"ls -");
    assert_eq!(taken(&mut tty), None);
    set(&mut tty, |raw| raw.c_lflag &= !ICANON);
    typed(&mut tty, b"l");
    assert_eq!(tty.available(), 5);
    set(&mut tty, |lines| lines.c_lflag |= ICANON);
    assert_eq!(taken(&mut tty).unwrap(), b"ls -l");
    assert_eq!(taken(&mut tty), None);
    typed(&mut tty, b"x\n");
    assert_eq!(taken(&mut tty).unwrap(), b"x\n");
}

#[test]
fn control_characters_are_shown_as_two_and_erased_as_two() {
    let mut tty = Tty::new();
    assert_eq!(typed(&mut tty, b"\x01\x7f").0, b"^A\x08 \x08\x08 \x08");
    let e_acute = "\u{e9}\x7f".as_bytes();
    assert_eq!(typed(&mut tty, e_acute).0, b"\xc3\xa9\x08 \x08");
    assert_eq!(typed(&mut tty, b"\x7f").0, b"\x08 \x08", "a byte of it was left");
    tty.termios.c_iflag |= IUTF8;
    assert_eq!(typed(&mut tty, e_acute).0, b"\xc3\xa9\x08 \x08");
    assert_eq!(typed(&mut tty, b"\x7f").0, b"");
    typed(&mut tty, b"ok\n");
    assert_eq!(taken(&mut tty).unwrap(), b"ok\n");
}

#[test]
fn a_line_that_is_too_long_keeps_its_end_and_loses_the_rest() {
    let mut tty = Tty::new();
    tty.termios.c_lflag &= !ECHO;
    (0..5000).for_each(|_| {
        assert!(tty.has_room());
        typed(&mut tty, b"x");
    });
    typed(&mut tty, b"\n");
    let line = taken(&mut tty).unwrap();
    assert_eq!((line.len(), line[4094], line[4095]), (4096, b'x', b'\n'));
}

#[test]
fn without_room_keys_wait_on_the_wire() {
    let mut tty = Tty::new();
    tty.termios.c_lflag &= !(ICANON | ECHO);
    let fits = (0..10_000).take_while(|_| tty.has_room() && typed(&mut tty, b"k").1[0].wake).count();
    assert_eq!(fits, 4095);
    assert!(tty.throttle() && !tty.throttle() && !tty.unthrottle());
    assert_eq!(tty.take(&mut [0; 10]), Some(10));
    assert!(tty.unthrottle() && !tty.unthrottle());
    tty.termios.c_lflag |= ICANON;
    let mut lines = Tty::new();
    lines.termios.c_lflag &= !ECHO;
    typed(&mut lines, b"line\n");
    (0..4090).for_each(|_| drop(typed(&mut lines, b"x")));
    assert!(!lines.has_room(), "there is a line to be read first");
}

/// The wire of unit tests: what is typed on it, by all tests there are.
struct TestWire(Mutex<std::collections::VecDeque<u8>>);

static WIRE: TestWire = TestWire(Mutex::new(std::collections::VecDeque::new()));

impl super::Wire for TestWire {
    fn put(&self, _: &[u8]) {}

    fn take(&self) -> Option<u8> {
        self.0.lock().unwrap().pop_front()
    }
}

/// Types keys at the console.
pub fn type_keys(keys: &[u8]) {
    super::set_wire(&WIRE, false);
    WIRE.0.lock().unwrap().extend(keys);
    super::input();
}
