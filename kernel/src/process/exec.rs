//! Replacing a process' program (Linux: `fs/exec.c`).
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use heaps::{Errno, Result};

use super::auxv::Strings;
use super::elf::{self, Parsed};
use super::exit::others;
use super::group::{COMM_LEN, Comm, Program};
use super::image::{self, Image, Interpreter};
use super::script::{self, FirstLine, HEAD};
use super::signal::{SIGCHLD, SignalStack};
use super::thread::Thread;
use super::tree;
use crate::arch::{self, FpState, TrapFrame};
use crate::mm::fallible;
use crate::mm::vma::MapSource;
use crate::sync::wait::Interruptible;
use crate::vfs::flags::O_RDONLY;
use crate::vfs::inode::Content;
use crate::vfs::path::PATH_MAX;
use crate::vfs::write_access::DenyWrite;
use crate::vfs::{Dentry, File, mount_flags, open};

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
    /// Whether its name leads nowhere once it runs: it is that of a descriptor that execve closes.
    pub loses_name: bool,
}

/// How many scripts may be run by scripts.
const MOST_SCRIPTS: usize = 5;

/// A program ready to run.
pub struct Loaded {
    image: Image,
    program: Program,
}

/// Opens a file to execute it. `EACCES` where nobody may, `ETXTBSY` where somebody may write to it, and what walking says.
pub fn open_program(dentry: &Arc<Dentry>) -> Result<Arc<File>> {
    let inode = dentry.inode();
    if inode.is_link() {
        return Err(Errno::ELOOP);
    }
    if !matches!(inode.content(), Content::Regular(_)) || inode.mode() & 0o111 == 0 {
        return Err(Errno::EACCES);
    }
    if mount_flags::has(inode.dev(), mount_flags::NOEXEC) {
        return Err(Errno::EACCES);
    }
    let file = open::open_dentry(dentry, O_RDONLY)?;
    // Of what runs, the program alone stays closed to writers.
    drop(DenyWrite::new(inode)?);
    Ok(file)
}

/// Who finds the interpreters that programs and scripts name: paths from the caller's root and directory.
pub type Open<'a> = &'a dyn Fn(&[u8]) -> Result<Arc<File>>;

/// Reads a program, or the one that runs a script, and builds its memory; nobody runs in it yet. `ENOEXEC`, `ENOMEM`,
/// `E2BIG`; `ELOOP` for scripts run by scripts run by scripts; what finding an interpreter says, and `ELIBBAD` for one
/// that is no program.
pub fn load(request: Request, open: Open<'_>) -> Result<Loaded> {
    let Request { path, file, mut argv, envp, loses_name } = request;
    if argv.count() == 0 {
        // Linux 5.18: a program may rely on having a name.
        argv.push(b"")?;
    }
    let (file, argv) = find_program(&path, file, argv, &|interpreter| {
        if loses_name { Err(Errno::ENOENT) } else { open(interpreter) }
    })?;
    let size = file.inode().size();
    let parsed = elf::read(&*file)?;
    let interpreter = interpreter(&parsed, &file, open)?;
    let program = parsed.program(size, elf::PIE_BASE)?;
    let exe = file.dentry().cloned();
    let denied = Some(Arc::new(DenyWrite::new(file.inode())?));
    let source: Arc<dyn MapSource> = file;
    let image = image::build((&program, &source), interpreter.as_ref(), &path, &argv, &envp)?;
    let (args, env) = (image.args.clone(), image.env.clone());
    let program = Program { comm: comm(&path), exe, denied, args, env };
    Ok(Loaded { image, program })
}

/// Follows scripts to the program that runs the last of them, and the arguments that gets (Linux: `exec_binprm`).
fn find_program(path: &[u8], file: Arc<File>, argv: Strings, open: Open<'_>) -> Result<(Arc<File>, Strings)> {
    let (mut path, mut file, mut argv) = (fallible::concat(&[path])?, file, argv);
    for _ in 0..=MOST_SCRIPTS {
        let mut head = [0; HEAD];
        elf::Read::read(&*file, 0, &mut head)?;
        let Some(FirstLine { interpreter, argument }) = script::first_line(&head)? else {
            return Ok((file, argv));
        };
        argv = match argument {
            Some(argument) => argv.with_first(&[interpreter, argument, &path])?,
            None => argv.with_first(&[interpreter, &path])?,
        };
        file = open(interpreter)?;
        path = fallible::concat(&[interpreter])?;
    }
    Err(Errno::ELOOP)
}

/// Opens the interpreter that a program asks for, if it does.
fn interpreter(parsed: &Parsed, file: &Arc<File>, open: Open<'_>) -> Result<Option<Interpreter>> {
    let Some((offset, len)) = parsed.interpreter() else { return Ok(None) };
    let mut name = [0; PATH_MAX];
    let Some(name) = name.get_mut(..len as usize).filter(|name| name.len() >= 2) else {
        return Err(Errno::ENOEXEC);
    };
    if elf::Read::read(&**file, offset, name)? != name.len() {
        return Err(Errno::EIO);
    }
    let Some((0, name)) = name.split_last() else { return Err(Errno::ENOEXEC) };
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    let file = open(&name[..end])?;
    let bad = |error| if error == Errno::ENOEXEC { Errno::ELIBBAD } else { error };
    let parsed = elf::read(&*file).map_err(bad)?;
    let size = file.inode().size();
    Ok(Some(Interpreter { parsed, file, size }))
}

/// A process' name for a path: its last part, cut.
fn comm(path: &[u8]) -> Comm {
    let name = path.rsplit(|&b| b == b'/').next().unwrap_or_default();
    name.iter().copied().take(COMM_LEN).collect()
}

impl Loaded {
    /// Its memory and description, for a first process.
    pub(super) fn into_parts(self) -> (Image, Program) {
        (self.image, self.program)
    }
}

/// Lets the calling process run what was loaded: its other threads end, what execve closes is closed. `EAGAIN` when
/// another thread does the same or the process ends; nothing has changed then.
pub fn enter(thread: &Thread, frame: &mut TrapFrame, loaded: Loaded) -> Result<()> {
    end_others(thread)?;
    thread.unshare_files()?;
    let Loaded { image, program } = loaded;
    let before = thread.replace_mm(Some(Arc::new(image.mm)));
    thread.complete_vfork();
    drop(before);

    let process = thread.process();
    process.timers.clear_posix();
    process.signals.lock().reset_handlers();
    *thread.alt_stack.lock() = SignalStack::default();
    thread.clear_tid.store(0, Ordering::Relaxed);
    thread.robust_list.store(0, Ordering::Relaxed);
    process.set_program(program);
    process.change_creds(|creds| {
        creds.execute();
        Ok(())
    })?;
    process.attributes().undumpable.store(0, Ordering::Relaxed);
    process.attributes().membarrier.store(0, Ordering::Relaxed);
    if let Some(node) = tree::lock().node_mut(process.pid()) {
        node.exit_signal = SIGCHLD;
    }
    thread.apply_limits();
    thread.files().close_on_exec();

    *frame = TrapFrame::user(image.entry, image.sp);
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
