//! Control messages: files and credentials that go with a message. Models `net/core/scm.c`.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::{Errno, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::Ctx;
use crate::mm::user;
use crate::net::uapi::*;
use crate::net::unix::Rights;
use crate::process::tree;
use crate::vfs::{FdTable, File};

/// `struct cmsghdr`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Header {
    len: u64,
    level: u32,
    kind: u32,
}

const HEADER: usize = size_of::<Header>();
const FD: usize = size_of::<i32>();
/// Control messages a sender gives are at most so long, in bytes (less than `net.core.optmem_max`).
const SENT_MAX: usize = 20480;

/// Reads the control messages of a sender. `ENOBUFS` when they are too long, `EFAULT`.
pub(super) fn read(addr: u64, len: u64) -> Result<Vec<u8>> {
    let len = usize::try_from(len).ok().filter(|&len| len < SENT_MAX).ok_or(Errno::ENOBUFS)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| Errno::ENOBUFS)?;
    bytes.resize(len, 0);
    user::read_bytes(addr, &mut bytes)?;
    Ok(bytes)
}

/// What control messages say.
#[derive(Default)]
pub(super) struct Control {
    pub rights: Option<Rights>,
    pub cred: Option<Cred>,
}

impl Control {
    /// Makes sense of a sender's control messages. `EINVAL`, `EBADF`, `ESRCH`, `ENOMEM`.
    pub fn parse(ctx: &Ctx, mut bytes: &[u8]) -> Result<Control> {
        let mut control = Control::default();
        while let Ok((header, rest)) = Header::read_from_prefix(bytes) {
            let len = usize::try_from(header.len).unwrap_or(usize::MAX);
            let data = len.checked_sub(HEADER).and_then(|len| rest.get(..len)).ok_or(Errno::EINVAL)?;
            match (header.level, header.kind) {
                (SOL_SOCKET, SCM_RIGHTS) => control.add_files(ctx, data)?,
                (SOL_SOCKET, SCM_CREDENTIALS) => control.cred = Some(checked_cred(data)?),
                (SOL_SOCKET, _) => return Err(Errno::EINVAL),
                _ => {}
            }
            bytes = bytes.get(len.next_multiple_of(8)..).unwrap_or(&[]);
        }
        Ok(control)
    }

    fn add_files(&mut self, ctx: &Ctx, data: &[u8]) -> Result<()> {
        let count = data.len() / FD;
        if count == 0 {
            return Ok(());
        }
        let files = &mut self.rights.get_or_insert_with(|| Rights(Vec::new())).0;
        if files.len() + count > SCM_MAX_FD {
            return Err(Errno::EINVAL);
        }
        files.try_reserve(count).map_err(|_| Errno::ENOMEM)?;
        for fd in data.chunks_exact(FD) {
            let fd = i32::read_from_bytes(fd).map_err(|_| Errno::EINVAL)?;
            files.push(ctx.file(fd)?);
        }
        Ok(())
    }
}

/// The credentials somebody sends with: the one user may say any process it is, if there is one.
fn checked_cred(data: &[u8]) -> Result<Cred> {
    let cred = Cred::read_from_bytes(data).map_err(|_| Errno::EINVAL)?;
    if tree::lock().node(cred.pid).is_none() {
        return Err(Errno::ESRCH);
    }
    if cred.uid == u32::MAX || cred.gid == u32::MAX { Err(Errno::EINVAL) } else { Ok(cred) }
}

/// Where a receiver wants its control messages.
pub(super) struct Room {
    at: u64,
    left: u64,
    /// `MSG_CTRUNC` where it was not enough.
    pub flags: u32,
}

impl Room {
    /// `left` bytes at user address `at`, which may be null.
    pub fn new(at: u64, left: u64) -> Room {
        Room { at, left, flags: 0 }
    }

    /// How much of it is left.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Whether the receiver gave none: then what it would have got is gone.
    pub fn is_none(&self) -> bool {
        self.at == 0
    }

    fn advance(&mut self, data: usize) {
        let len = ((HEADER + data).next_multiple_of(8) as u64).min(self.left);
        self.at += len;
        self.left -= len;
    }

    fn write_header(&self, kind: u32, len: u64) -> Result<()> {
        user::write(self.at, &Header { len, level: SOL_SOCKET, kind })
    }

    /// Puts a control message there, as much of it as fits. A buffer that is not there gets nothing.
    pub fn put(&mut self, kind: u32, data: &[u8]) {
        if self.at == 0 || self.left < HEADER as u64 {
            self.flags |= MSG_CTRUNC;
            return;
        }
        let len = (HEADER + data.len()).min(self.left as usize);
        if len < HEADER + data.len() {
            self.flags |= MSG_CTRUNC;
        }
        let put = self.write_header(kind, len as u64);
        if put.and_then(|()| user::write_bytes(self.at + HEADER as u64, &data[..len - HEADER])).is_ok() {
            self.advance(data.len());
        }
    }

    /// Puts descriptors of the files there: as many as fit, into the buffer and into the caller's table. The others are
    /// dropped. Each number is reserved, copied out, and only then leads to its file.
    pub fn put_files(&mut self, files: &Arc<FdTable>, rights: Rights, cloexec: bool) {
        let count = rights.0.len();
        let fit = (self.left.saturating_sub(HEADER as u64) as usize / FD).min(count);
        let data = self.at + HEADER as u64;
        let installed = rights.0[..fit]
            .iter()
            .enumerate()
            .map_while(|(i, file)| install(files, file, data + (i * FD) as u64, cloexec).ok());
        let done = installed.count();
        if done > 0 && self.write_header(SCM_RIGHTS, (HEADER + done * FD) as u64).is_ok() {
            self.advance(done * FD);
        }
        if done < count {
            self.flags |= MSG_CTRUNC;
        }
    }
}

fn install(files: &Arc<FdTable>, file: &Arc<File>, at: u64, cloexec: bool) -> Result<()> {
    let slot = files.reserve(cloexec)?;
    user::write(at, &(slot.fd() as i32))?;
    slot.install(file.clone());
    Ok(())
}
