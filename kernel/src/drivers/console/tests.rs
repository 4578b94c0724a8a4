//! Framing and the line discipline.

use alloc::vec::Vec;

use super::frame::{Channel, Framer};
use super::termios::{ECHO, ICANON, VMIN};
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

fn typed(tty: &mut Tty, keys: &[u8]) -> (Vec<u8>, Vec<Reaction>) {
    let reactions: Vec<Reaction> = keys.iter().map(|&key| tty.key(key)).collect();
    (reactions.iter().flat_map(|r| r.echo.clone()).collect(), reactions)
}

fn taken(tty: &mut Tty) -> Option<Vec<u8>> {
    let mut buf = [0; 100];
    tty.take(&mut buf).map(|len| buf[..len].to_vec())
}

#[test]
fn lines_are_edited_and_read_one_at_a_time() {
    let mut tty = Tty::new();
    let (echo, reactions) = typed(&mut tty, b"lx\x7fs\rpwd");
    assert_eq!(echo, b"lx\x08 \x08s\npwd");
    assert!(reactions[4].wake && !reactions[3].wake);
    assert_eq!(taken(&mut tty).unwrap(), b"ls\n");
    assert_eq!(taken(&mut tty), None);
    typed(&mut tty, b"\x15next\nmore\n");
    assert_eq!(taken(&mut tty).unwrap(), b"next\n");
    assert_eq!(taken(&mut tty).unwrap(), b"more\n");
}

#[test]
fn the_end_key_ends_a_line_or_the_input() {
    let mut tty = Tty::new();
    typed(&mut tty, b"part\x04");
    assert_eq!(taken(&mut tty).unwrap(), b"part");
    assert_eq!(taken(&mut tty), None);
    typed(&mut tty, b"\x04");
    assert!(tty.has_input());
    assert_eq!(taken(&mut tty).unwrap(), b"");
    assert_eq!(taken(&mut tty), None);
}

#[test]
fn the_interrupt_key_sends_a_signal_and_drops_the_line() {
    let mut tty = Tty::new();
    let (echo, reactions) = typed(&mut tty, b"ab\x03");
    assert_eq!((reactions[2].signal, &echo[..]), (Some(2), &b"ab^C"[..]));
    typed(&mut tty, b"c\n");
    assert_eq!(taken(&mut tty).unwrap(), b"c\n");
}

#[test]
fn without_lines_each_byte_counts_at_once() {
    let mut tty = Tty::new();
    tty.termios.c_lflag &= !(ICANON | ECHO);
    let (echo, reactions) = typed(&mut tty, b"\x7f\x04");
    assert!(echo.is_empty() && reactions[0].wake);
    assert_eq!(taken(&mut tty).unwrap(), b"\x7f\x04");
}

#[test]
fn a_line_that_is_not_ended_is_there_without_lines() {
    let mut tty = Tty::new();
    typed(&mut tty, b"ls -");
    assert_eq!(taken(&mut tty), None);
    let mut raw = tty.termios;
    raw.c_lflag &= !ICANON;
    tty.set(raw);
    typed(&mut tty, b"l");
    assert_eq!(tty.available(), 5);
    assert_eq!(taken(&mut tty).unwrap(), b"ls -l");
}

#[test]
fn a_read_that_waits_for_nothing_finds_nothing() {
    let mut tty = Tty::new();
    let mut raw = tty.termios;
    raw.c_lflag &= !ICANON;
    raw.c_cc[VMIN] = 0;
    tty.set(raw);
    assert_eq!(taken(&mut tty).unwrap(), b"");
    typed(&mut tty, b"k");
    assert_eq!(taken(&mut tty).unwrap(), b"k");
}

#[test]
fn control_characters_are_shown_as_two_and_erased_as_two() {
    let mut tty = Tty::new();
    assert_eq!(typed(&mut tty, b"\x01\x7f").0, b"^A\x08 \x08\x08 \x08");
    assert_eq!(typed(&mut tty, "\u{e9}\x7f".as_bytes()).0, b"\xc3\xa9\x08 \x08");
    typed(&mut tty, b"ok\n");
    assert_eq!(taken(&mut tty).unwrap(), b"ok\n");
}

#[test]
fn more_than_fits_is_dropped_not_mixed_up() {
    let mut tty = Tty::new();
    tty.termios.c_lflag &= !ICANON;
    (0..10_000u32).for_each(|n| drop(tty.key(b'a' + (n % 3) as u8)));
    let mut all = Vec::new();
    while let Some(part) = taken(&mut tty) {
        all.extend(part);
    }
    assert_eq!(all.len(), 4096);
    assert!(all.iter().enumerate().all(|(n, &b)| b == b'a' + (n % 3) as u8));
}
