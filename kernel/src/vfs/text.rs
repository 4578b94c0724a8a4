//! Open text files: the text is made at the first read and kept until the file is closed or rewound.
#![forbid(unsafe_code)]

use alloc::string::String;

use heaps::{Errno, Result};

use super::dynamic::TextFile;
use super::file::{File, FileOps, Position, Whence, seek_within};
use super::inode::Content;
use super::io::{Sink, Source, put_slice, take_all};
use crate::mm::admit::admit;
use crate::sync::{Mutex, order};

/// Longest command written at once, in bytes.
const MAX_COMMAND: usize = 4096;

/// An open text file.
pub struct TextOps {
    text: Mutex<Option<String>, { order::FILE_DATA }>,
}

impl TextOps {
    /// Nothing made yet.
    pub fn new() -> TextOps {
        TextOps { text: Mutex::new(None) }
    }
}

impl Default for TextOps {
    fn default() -> Self {
        Self::new()
    }
}

fn source(file: &File) -> Result<&dyn TextFile> {
    match file.inode().content() {
        Content::Text(text) => Ok(&**text),
        _ => Err(Errno::EIO),
    }
}

impl FileOps for TextOps {
    fn read_at(&self, file: &File, to: &mut dyn Sink, pos: u64) -> Result<usize> {
        let kept = self.text.lock().take();
        let text = match kept {
            Some(text) if pos != 0 => text,
            // It stays until the file is closed: many files, many texts.
            _ => admit().and_then(|()| source(file)?.show())?,
        };
        let outcome = put_slice(to, text.as_bytes(), pos);
        *self.text.lock() = Some(text);
        outcome
    }

    fn write_at(&self, file: &File, from: &mut dyn Source, pos: u64) -> Result<(usize, u64)> {
        let bytes = take_all(from, MAX_COMMAND)?;
        let text = core::str::from_utf8(&bytes).map_err(|_| Errno::EINVAL)?;
        source(file)?.store(text.strip_suffix('\n').unwrap_or(text))?;
        Ok((bytes.len(), pos + bytes.len() as u64))
    }

    fn position(&self) -> Position {
        Position::Shared
    }

    fn llseek(&self, file: &File, offset: i64, whence: Whence) -> Result<u64> {
        match whence {
            Whence::End | Whence::Data | Whence::Hole => Err(Errno::EINVAL),
            _ => seek_within(file, 0, offset, whence),
        }
    }
}
