//! Module parameters: `name=value` words, held to what the module declares (Linux: `kernel/params.c`).
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::vec::Vec;

use heaps::fallible::{try_push, try_str};
use heaps::{Errno, Result};

use sdk::abi::number;

use super::file::File;

/// Longest value of a text, in bytes.
const MAX_TEXT: usize = 1024;

/// A declared parameter, and its value where one was given.
#[derive(Debug, PartialEq, Eq)]
pub struct Param {
    /// The name.
    pub name: Box<str>,
    /// The value.
    pub value: Option<Box<str>>,
}

/// Reads `text` for the module in `file`. What the module does not declare is logged and left out. `EINVAL` for a value
/// that is missing or of another type, `ENOSPC` for one that is too long, `ENOMEM`.
pub fn parse(file: &File<'_>, text: &str) -> Result<Vec<Param>> {
    let mut params = Vec::new();
    for (name, _) in declared(file) {
        try_push(&mut params, Param { name: try_str(name)?, value: None })?;
    }
    let mut rest = text.trim_ascii_start();
    while !rest.is_empty() {
        let (name, value, after) = next(rest);
        rest = after.trim_ascii_start();
        let known = declared(file).position(|(known, _)| same(known, name));
        match known.and_then(|at| Some((params.get_mut(at)?, declared(file).nth(at)?))) {
            Some((param, (_, kind))) => param.value = Some(checked(kind, value)?),
            None => log::warn!("{}: unknown parameter '{name}' ignored", file.name()),
        }
    }
    Ok(params)
}

/// Names and types of the parameters that a module declares: `parmtype=NAME:TYPE`.
fn declared<'a>(file: &File<'a>) -> impl Iterator<Item = (&'a str, &'a str)> {
    file.modinfo("parmtype").filter_map(|entry| entry.split_once(':'))
}

/// The first word: name and value, which may be quoted as a whole or in part, and what follows.
fn next(text: &str) -> (&str, Option<&str>, &str) {
    let mut quoted = false;
    let end = text.find(|c: char| {
        quoted ^= c == '"';
        c.is_ascii_whitespace() && !quoted
    });
    let (word, after) = text.split_at(end.unwrap_or(text.len()));
    let word = unquoted(word);
    match word.split_once('=') {
        Some((name, value)) => (name, Some(unquoted(value)), after),
        None => (word, None, after),
    }
}

fn unquoted(text: &str) -> &str {
    let Some(inner) = text.strip_prefix('"') else { return text };
    inner.strip_suffix('"').unwrap_or(inner)
}

/// Whether two names are one: dashes are underscores.
fn same(a: &str, b: &str) -> bool {
    let plain = |c: u8| if c == b'-' { b'_' } else { c };
    a.bytes().map(plain).eq(b.bytes().map(plain))
}

fn checked(kind: &str, value: Option<&str>) -> Result<Box<str>> {
    let value = value.ok_or(Errno::EINVAL)?;
    match kind {
        "charp" if value.len() > MAX_TEXT => Err(Errno::ENOSPC),
        "charp" => try_str(value),
        "ulong" if number(value).is_some() => try_str(value),
        _ => Err(Errno::EINVAL),
    }
}
