//! The reader that all who read by syslog(2) or `/proc/kmsg` have in common (Linux: `do_syslog`).
#![forbid(unsafe_code)]

use heaps::{Errno, Result};

use super::{Cursor, Line};
use crate::sync::{Mutex, order};
use crate::vfs::io::Sink;

/// What it has not read yet, and what `dmesg` does not show any more.
struct Common {
    next: Cursor,
    /// Bytes it has of the record at `next`.
    partly: usize,
    cleared: Cursor,
    /// The console's level while messages are kept off it.
    saved_level: Option<u32>,
}

/// User memory may be touched under it.
static COMMON: Mutex<Common, { order::FILE_POS }> =
    Mutex::new(Common { next: Cursor::START, partly: 0, cleared: Cursor::START, saved_level: None });

/// Whether there is something to read. Does not sleep, and says yes while somebody reads.
pub fn has_unread() -> bool {
    COMMON.try_lock().is_none_or(|common| super::has(&common.next))
}

/// How many bytes there are to read. May sleep.
pub fn unread() -> usize {
    let common = COMMON.lock();
    let (next, partly) = (common.next, common.partly);
    drop(common);
    records(next).map(|(_, bytes)| bytes).sum::<usize>().saturating_sub(partly)
}

/// Reads on where the last call stopped, once there is something: `EAGAIN` where it may not wait, `EINTR`, `EFAULT`.
pub fn read(to: &mut dyn Sink, may_wait: bool) -> Result<usize> {
    if to.room() == 0 {
        return Ok(0);
    }
    loop {
        let mut common = COMMON.lock();
        let done = common.read(to)?;
        if done > 0 {
            return Ok(done);
        }
        let next = common.next;
        drop(common);
        if !may_wait {
            return Err(Errno::EAGAIN);
        }
        super::wait(&next)?;
    }
}

impl Common {
    fn read(&mut self, to: &mut dyn Sink) -> Result<usize> {
        let mut line = Line::new();
        let mut done = 0;
        while to.room() > 0 {
            if super::is_lost(&self.next) {
                self.partly = 0;
            }
            let mut after = self.next;
            let Some(record) = super::next(&mut after) else { break };
            super::plain(&record, &mut line);
            let left = line.get(self.partly..).unwrap_or_default();
            let part = &left[..left.len().min(to.room())];
            if let Err(error) = to.put(part) {
                return if done == 0 { Err(error) } else { Ok(done) };
            }
            done += part.len();
            match part.len() == left.len() {
                true => (self.next, self.partly) = (after, 0),
                false => self.partly += part.len(),
            }
        }
        Ok(done)
    }
}

/// Reads the last records that fit and were not cleared, and clears them if so told. `EFAULT`. May sleep.
pub fn read_all(to: &mut dyn Sink, clear: bool) -> Result<usize> {
    let mut cursor = COMMON.lock().cleared;
    let end = super::end();
    let mut excess = records(cursor).map(|(_, bytes)| bytes).sum::<usize>().saturating_sub(to.room());
    for (after, bytes) in records(cursor) {
        if excess == 0 {
            break;
        }
        excess = excess.saturating_sub(bytes);
        cursor = after;
    }
    let mut line = Line::new();
    let mut done = 0;
    while cursor.seq() < end.seq()
        && let Some(record) = super::next(&mut cursor)
    {
        super::plain(&record, &mut line);
        if line.len() > to.room() {
            break;
        }
        to.put(&line)?;
        done += line.len();
    }
    if clear {
        COMMON.lock().cleared = end;
    }
    Ok(done)
}

/// Lets `dmesg` show only what comes from now on. May sleep.
pub fn clear() {
    COMMON.lock().cleared = super::end();
}

/// Keeps all but the worst off the console, or lets it show what it did before. May sleep.
pub fn set_console_off(off: bool) {
    let mut common = COMMON.lock();
    if off {
        let before = super::set_console_level(MINIMUM_LEVEL);
        common.saved_level.get_or_insert(before);
    } else if let Some(level) = common.saved_level.take() {
        super::set_console_level(level);
    }
}

/// Lets messages less severe than `level` stay off the console: `EINVAL` unless it is 1 to 8. May sleep.
pub fn set_console_level(level: u32) -> Result<()> {
    if !(MINIMUM_LEVEL..=8).contains(&level) {
        return Err(Errno::EINVAL);
    }
    let mut common = COMMON.lock();
    common.saved_level = None;
    super::set_console_level(level);
    Ok(())
}

/// The worst are always shown.
const MINIMUM_LEVEL: u32 = 1;

/// The places behind the records there are from `cursor` on, and how long each is as text.
fn records(mut cursor: Cursor) -> impl Iterator<Item = (Cursor, usize)> {
    let end = super::end();
    core::iter::from_fn(move || {
        let record = (cursor.seq() < end.seq()).then(|| super::next(&mut cursor)).flatten()?;
        Some((cursor, super::text::plain_len(&record)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::io::KernelSink;

    fn all(room: usize) -> std::string::String {
        let mut bytes = std::vec![0; room];
        let len = read_all(&mut KernelSink::new(&mut bytes), false).unwrap();
        std::string::String::from_utf8_lossy(&bytes[..len]).into_owned()
    }

    // One test, for there is one log and one common reader.
    #[test]
    fn the_last_records_that_fit_are_shown_until_they_are_cleared() {
        clear();
        for n in 0..3 {
            super::super::log(6, std::format!("message {n}").as_bytes());
        }
        let shown = all(4096);
        assert!(shown.contains("message 0\n") && shown.ends_with("message 2\n"), "{shown}");
        let last = shown.lines().last().unwrap().len() + 1;
        assert!(all(last).ends_with("message 2\n") && !all(last).contains("message 1"));
        assert_eq!(all(last - 1), "");
        clear();
        assert!(!all(4096).contains("message"));

        while let Ok(1..) = read(&mut KernelSink::new(&mut [0; 512]), false) {}
        super::super::log(6, b"in parts");
        let mut bytes = [0; 64];
        let first = read(&mut KernelSink::new(&mut bytes[..10]), false).unwrap();
        assert_eq!((first, has_unread()), (10, true));
        let more = unread();
        let second = read(&mut KernelSink::new(&mut bytes[10..]), false).unwrap();
        assert_eq!(second, more);
        assert!(bytes[..10 + second].ends_with(b"in parts\n"));
        assert_eq!(set_console_level(9), Err(Errno::EINVAL));
    }
}
