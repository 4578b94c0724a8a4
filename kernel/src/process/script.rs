//! Scripts: `#!` and who runs them (Linux: `fs/binfmt_script.c`).
#![forbid(unsafe_code)]

use heaps::{Errno, Result};

/// How much of a file is looked at (Linux: `BINPRM_BUF_SIZE`).
pub const HEAD: usize = 256;

/// A script's first line: its interpreter, and at most one argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FirstLine<'a> {
    /// The interpreter's path.
    pub interpreter: &'a [u8],
    /// All that stands behind it.
    pub argument: Option<&'a [u8]>,
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Reads the first line of a file that starts with `head`, zeroes where the file is shorter; `None` when it is no
/// script. `ENOEXEC` when it names nobody, or when the name may go on past `head`; `EACCES` for the empty name, which
/// Linux takes for the current directory.
pub fn first_line(head: &[u8; HEAD]) -> Result<Option<FirstLine<'_>>> {
    let Some(line) = head.strip_prefix(b"#!") else { return Ok(None) };
    let start = line.iter().position(|byte| !is_blank(byte)).ok_or(Errno::ENOEXEC)?;
    let line = match line.iter().position(|&byte| byte == b'\n') {
        Some(end) => &line[start.min(end)..end],
        // Without an end of line the name at least has to end.
        None if !line[start..].iter().any(|byte| is_blank(byte) || *byte == 0) => return Err(Errno::ENOEXEC),
        None => &line[start..HEAD - 3],
    };
    let end = line.iter().rposition(|byte| !is_blank(byte)).map_or(0, |last| last + 1);
    let line = &line[..end];
    let name_end = line.iter().position(|byte| is_blank(byte) || *byte == 0).unwrap_or(line.len());
    let (interpreter, rest) = line.split_at(name_end);
    if interpreter.is_empty() {
        return Err(if line.is_empty() { Errno::ENOEXEC } else { Errno::EACCES });
    }
    let argument = match rest.first() {
        None | Some(0) => None,
        Some(_) => rest.iter().position(|byte| !is_blank(byte)).map(|at| &rest[at..]),
    };
    let until_nul = |text: &'_ [u8]| text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
    let argument = argument.map(|text| &text[..until_nul(text)]).filter(|text| !text.is_empty());
    Ok(Some(FirstLine { interpreter, argument }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An interpreter and its argument.
    type Names = (std::vec::Vec<u8>, Option<std::vec::Vec<u8>>);

    fn parsed(text: &[u8]) -> Result<Option<Names>> {
        let mut head = [0; HEAD];
        let len = text.len().min(HEAD);
        head[..len].copy_from_slice(&text[..len]);
        let line = first_line(&head)?;
        Ok(line.map(|line| (line.interpreter.to_vec(), line.argument.map(<[u8]>::to_vec))))
    }

    fn names(name: &str, argument: Option<&str>) -> Result<Option<Names>> {
        Ok(Some((name.into(), argument.map(Into::into))))
    }

    #[test]
    fn interpreter_and_one_argument() {
        assert_eq!(parsed(b"#!/bin/sh\necho"), names("/bin/sh", None));
        assert_eq!(parsed(b"#! \t/bin/sh  -e -x \t\n"), names("/bin/sh", Some("-e -x")));
        assert_eq!(parsed(b"#!/bin/sh"), names("/bin/sh", None));
        assert_eq!(parsed(b"#!/bin/sh -x"), names("/bin/sh", Some("-x")));
        assert_eq!(parsed(b"#!/bin/sh\0junk\n"), names("/bin/sh", None));
    }

    #[test]
    fn what_is_no_script_or_names_nobody() {
        assert_eq!(parsed(b"\x7fELF"), Ok(None));
        assert_eq!(parsed(b"# comment\n"), Ok(None));
        for nobody in [&b"#!\n"[..], b"#!  \t \nx"] {
            assert_eq!(parsed(nobody), Err(Errno::ENOEXEC), "{nobody:?}");
        }
        for nothing in [&b"#!"[..], b"#!   ", b"#!\0/bin/sh\n"] {
            assert_eq!(parsed(nothing), Err(Errno::EACCES), "{nothing:?}");
        }
    }

    #[test]
    fn a_name_that_may_go_on_is_not_taken_and_an_argument_is_cut() {
        let long = [b"#!/", &[b'x'; 300][..]].concat();
        assert_eq!(parsed(&long), Err(Errno::ENOEXEC));
        let blanks = [b"#!", &[b' '; 300][..]].concat();
        assert_eq!(parsed(&blanks), Err(Errno::ENOEXEC));
        let argument = [b"#!/i ", &[b'y'; 300][..]].concat();
        let (_, kept) = parsed(&argument).unwrap().unwrap();
        assert_eq!(kept.unwrap().len(), HEAD - 1 - 5);
    }
}
