//! Replacing a process' program (Linux: `fs/exec.c`).
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use heaps::{Errno, Result};

use super::auxv::Strings;
use super::elf;
use super::exit::others;
use super::group::{COMM_LEN, Comm, Program};
use super::image::{self, Image};
use super::signal::SignalStack;
use super::thread::Thread;
use super::tree;
use crate::arch::{self, FpState, TrapFrame};
use crate::mm::vma::MapSource;
use crate::sync::wait::Interruptible;
use crate::vfs::flags::O_RDONLY;
use crate::vfs::inode::Content;
use crate::vfs::{Dentry, File, open};

impl elf::Read for File {
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        while done < into.len() {
            match self.read_content(offset.saturating_add(done as u64), &mut into[done..])? {
                0 => break,
                got => done += got,
            }
        }
        Ok(done)
    }
}

/// What to run.
pub struct Request {
    /// Its name, as it was asked for.
    pub path: Vec<u8>,
    /// Its file.
    pub file: Arc<File>,
    /// Its arguments.
    pub argv: Strings,
    /// Its environment.
    pub envp: Strings,
}

/// A program ready to run.
pub struct Loaded {
    image: Image,
    entry: u64,
    program: Program,
}

/// Opens a file to execute it. `EACCES` where nobody may, and what walking says.
pub fn open_program(dentry: &Arc<Dentry>) -> Result<Arc<File>> {
    let inode = dentry.inode();
    if inode.is_link() {
        return Err(Errno::ELOOP);
    }
    if !matches!(inode.content(), Content::Regular(_)) || inode.mode() & 0o111 == 0 {
        return Err(Errno::EACCES);
    }
    open::open_dentry(dentry, O_RDONLY)
}

/// Reads a program and builds its memory; nobody runs in it yet. `ENOEXEC`, `ENOMEM`, `E2BIG`.
pub fn load(request: Request) -> Result<Loaded> {
    let Request { path, file, mut argv, envp } = request;
    let size = file.inode().size();
    let parsed = elf::parse(&*file, size)?;
    if argv.count() == 0 {
        // Linux 5.18: a program may rely on having a name.
        argv.push(b"")?;
    }
    let exe = file.dentry().cloned();
    let source: Arc<dyn MapSource> = file;
    let image = image::build(&parsed, &source, &path, &argv, &envp)?;
    let (args, env) = (image.args.clone(), image.env.clone());
    let program = Program { comm: comm(&path), exe, args, env };
    Ok(Loaded { image, entry: parsed.entry, program })
}

/// A process' name for a path: its last part, cut.
fn comm(path: &[u8]) -> Comm {
    let name = path.rsplit(|&b| b == b'/').next().unwrap_or_default();
    name.iter().copied().take(COMM_LEN).collect()
}

impl Loaded {
    /// Its memory, frame and description, for a first process.
    pub(super) fn into_parts(self) -> (Image, u64, Program) {
        (self.image, self.entry, self.program)
    }
}

/// Lets the calling process run what was loaded: its other threads end, what execve closes is closed. `EAGAIN` when
/// another thread does the same or the process ends; nothing has changed then.
pub fn enter(thread: &Thread, frame: &mut TrapFrame, loaded: Loaded) -> Result<()> {
    end_others(thread)?;
    let Loaded { image, entry, program } = loaded;
    let before = thread.replace_mm(Some(Arc::new(image.mm)));
    thread.complete_vfork();
    drop(before);

    let process = thread.process();
    process.signals.lock().reset_handlers();
    *thread.alt_stack.lock() = SignalStack::default();
    thread.clear_tid.store(0, Ordering::Relaxed);
    thread.robust_list.store(0, Ordering::Relaxed);
    process.set_program(program);
    thread.apply_limits();
    thread.files().table().close_on_exec();

    *frame = TrapFrame::user(entry, image.sp);
    arch::fp_load_current(&FpState::default());
    arch::set_current_tls(0);
    Ok(())
}

/// Ends the other threads of the process and takes its number.
fn end_others(thread: &Thread) -> Result<()> {
    let process = thread.process();
    let _turn = process.begin_exec().ok_or(Errno::EAGAIN)?;
    let alone = || {
        let others = others(thread);
        for other in &others {
            other.end(0);
            other.kick();
        }
        others.is_empty().then_some(())
    };
    process.threads.wait_interruptible(Interruptible::Killable, alone).map_err(|_| Errno::EAGAIN)?;
    let (tid, pid) = (thread.tid(), process.pid());
    if tid != pid {
        tree::lock().rename_thread(tid, pid);
        thread.become_leader();
    }
    Ok(())
}
