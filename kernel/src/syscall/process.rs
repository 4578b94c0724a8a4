//! Processes: making, replacing, ending and waiting for them; process groups and sessions.
#![forbid(unsafe_code)]

use alloc::format;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use heaps::{Errno, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::Ctx;
use super::ctx::user_path;
use super::time::Rusage;
use crate::arch::TrapFrame;
use crate::mm::{fallible, user};
use crate::process::Thread;
use crate::process::auxv::{MAX_STRING, Strings};
use crate::process::clone::{self, CloneFlags, Request};
use crate::process::exec;
use crate::process::exit;
use crate::process::pidfd;
use crate::process::signal::{SIGCHLD, SIGCONT};
use crate::process::stop::CONTINUED;
use crate::process::tree;
use crate::process::wait::{self, Changed, WCONTINUED, WEXITED, WNOHANG, WNOWAIT, WSTOPPED, Which};
use crate::vfs::flags::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_NONBLOCK};

/// The signal at the child's end, in `clone`'s flags.
const CSIGNAL: u64 = 0xff;

/// `clone`: flags, stack, where the parent finds the number, thread pointer, where the child does.
pub fn sys_clone(thread: &Thread, frame: &TrapFrame) -> Result<usize> {
    let [flags, stack, parent_tid, tls, child_tid] =
        [frame.x[0], frame.x[1], frame.x[2], frame.x[3], frame.x[4]];
    let known = CloneFlags::from_bits(flags & 0xffff_ffff & !CSIGNAL).ok_or(Errno::EINVAL)?;
    let exit_signal = (flags & CSIGNAL) as u32;
    // One address for two numbers.
    if known.contains(CloneFlags::PIDFD | CloneFlags::PARENT_SETTID) {
        return Err(Errno::EINVAL);
    }
    let pidfd = parent_tid;
    let request = Request { flags: known, stack, parent_tid, child_tid, pidfd, tls, exit_signal };
    clone::clone(thread, frame, &request).map(|tid| tid as usize)
}

/// `struct clone_args`, as far as it is understood.
#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
}

/// `clone3`. `E2BIG` for what is not understood, else as `clone`.
pub fn sys_clone3(thread: &Thread, frame: &TrapFrame, args_at: u64, size: u64) -> Result<usize> {
    let own = size_of::<CloneArgs>() as u64;
    if size < own || size > 4096 {
        return Err(if size < own { Errno::EINVAL } else { Errno::E2BIG });
    }
    let args: CloneArgs = user::read(args_at)?;
    for at in (own..size).step_by(8) {
        if user::read::<u64>(args_at + at)? != 0 {
            return Err(Errno::E2BIG);
        }
    }
    let flags = CloneFlags::from_bits(args.flags).ok_or(Errno::EINVAL)?;
    let bad_stack = (args.stack == 0) != (args.stack_size == 0);
    let no_parent = flags.intersects(CloneFlags::THREAD | CloneFlags::PARENT) && args.exit_signal != 0;
    if args.exit_signal > 64 || bad_stack || no_parent || flags.contains(CloneFlags::DETACHED) {
        return Err(Errno::EINVAL);
    }
    let request = Request {
        flags,
        stack: args.stack.checked_add(args.stack_size).ok_or(Errno::EINVAL)?,
        parent_tid: args.parent_tid,
        child_tid: args.child_tid,
        pidfd: args.pidfd,
        tls: args.tls,
        exit_signal: args.exit_signal as u32,
    };
    clone::clone(thread, frame, &request).map(|tid| tid as usize)
}

/// `execve`.
pub fn sys_execve(thread: &Thread, frame: &mut TrapFrame, path: u64, argv: u64, envp: u64) -> Result<usize> {
    execute(thread, frame, AT_FDCWD, path, [argv, envp], 0)
}

/// `execveat`.
pub fn sys_execveat(thread: &Thread, frame: &mut TrapFrame) -> Result<usize> {
    let [dirfd, path, argv, envp, flags] = [frame.x[0], frame.x[1], frame.x[2], frame.x[3], frame.x[4]];
    if flags & !u64::from(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0 {
        return Err(Errno::EINVAL);
    }
    execute(thread, frame, dirfd as i32, path, [argv, envp], flags as u32)
}

fn execute(
    thread: &Thread,
    frame: &mut TrapFrame,
    dirfd: i32,
    path: u64,
    [argv, envp]: [u64; 2],
    flags: u32,
) -> Result<usize> {
    let path = user_path(path)?;
    // Before anything is looked up.
    let (argv, envp) = (strings(argv)?, strings(envp)?);
    let ctx = Ctx { files: thread.files(), fs: thread.fs(), pid: thread.process().pid() as i32 };
    let dentry = match path.is_empty() && flags & AT_EMPTY_PATH != 0 {
        true => ctx.file(dirfd)?.dentry().cloned().ok_or(Errno::EACCES)?,
        false => ctx.resolve(dirfd, &path, flags & AT_SYMLINK_NOFOLLOW == 0)?,
    };
    let file = exec::open_program(&dentry)?;
    drop(dentry);
    let name = name(dirfd, &path)?;
    let loses_name = name.starts_with(b"/dev/fd/") && ctx.files.cloexec(dirfd).unwrap_or(false);
    let request = exec::Request { path: name, file, argv, envp, loses_name };
    let find = |path: &[u8]| exec::open_program(&ctx.resolve(AT_FDCWD, path, true)?);
    let loaded = exec::load(request, &find)?;
    exec::enter(thread, frame, loaded).map(|()| 0)
}

/// What a program is called by that was asked for as `path` from `dirfd`. `ENOMEM`.
fn name(dirfd: i32, path: &[u8]) -> Result<Vec<u8>> {
    match (dirfd, path) {
        (AT_FDCWD, _) | (_, [b'/', ..]) => fallible::concat(&[path]),
        (fd, []) => Ok(format!("/dev/fd/{fd}").into_bytes()),
        (fd, _) => fallible::concat(&[format!("/dev/fd/{fd}/").as_bytes(), path]),
    }
}

/// Reads a vector of strings that a null pointer ends; a null vector is empty. `EFAULT`, `E2BIG`, `ENOMEM`.
fn strings(vector: u64) -> Result<Strings> {
    let mut strings = Strings::default();
    let mut at = vector;
    while at != 0 {
        let text: u64 = user::read(at)?;
        if text == 0 {
            break;
        }
        let too_big = |e| if e == Errno::ENAMETOOLONG { Errno::E2BIG } else { e };
        strings.push(&user::read_cstr(text, MAX_STRING - 1).map_err(too_big)?)?;
        at = at.checked_add(8).ok_or(Errno::EFAULT)?;
    }
    Ok(strings)
}

/// `unshare`: of descriptors and directories. `EINVAL` for memory, dispositions and the process itself where it has
/// several threads, and for namespaces; `ENOMEM`. May sleep.
pub fn sys_unshare(thread: &Thread, flags: u64) -> Result<usize> {
    let alone = CloneFlags::THREAD | CloneFlags::SIGHAND | CloneFlags::VM;
    let known = alone | CloneFlags::FS | CloneFlags::FILES | CloneFlags::SYSVSEM;
    let flags = CloneFlags::from_bits(flags).filter(|&flags| known.contains(flags)).ok_or(Errno::EINVAL)?;
    if flags.intersects(alone) && !exit::others(thread).is_empty() {
        return Err(Errno::EINVAL);
    }
    if flags.contains(CloneFlags::FS) {
        thread.unshare_fs()?;
    }
    if flags.contains(CloneFlags::FILES) {
        thread.unshare_files()?;
    }
    Ok(0)
}

/// `exit`: the thread ends on its way back.
pub fn sys_exit(thread: &Thread, code: u32) -> Result<usize> {
    thread.end(exit::exited(code));
    thread.kick();
    Ok(0)
}

/// `exit_group`: so do all threads of the process.
pub fn sys_exit_group(thread: &Thread, code: u32) -> Result<usize> {
    let status = exit::end_group(thread, exit::exited(code));
    thread.end(status);
    thread.kick();
    Ok(0)
}

/// `wait4`.
pub fn sys_wait4(thread: &Thread, pid: i32, status_at: u64, options: u32, usage_at: u64) -> Result<usize> {
    // __WNOTHREAD, __WALL, __WCLONE besides.
    if options & !(WNOHANG | WSTOPPED | WCONTINUED | 0x2000_0000 | 0x4000_0000 | 0x8000_0000) != 0 {
        return Err(Errno::EINVAL);
    }
    let which = match pid {
        -1 => Which::Any,
        0 => Which::Group(group_of(thread.process().pid())?),
        i32::MIN => return Err(Errno::ESRCH),
        -0x7fff_ffff..-1 => Which::Group(-pid as u32),
        1.. => Which::Pid(pid as u32),
    };
    let Some(Changed { pid, status, usage }) = wait::wait(thread, which, options | WEXITED)? else {
        return Ok(0);
    };
    if status_at != 0 {
        user::write(status_at, &status)?;
    }
    if usage_at != 0 {
        user::write(usage_at, &Rusage::new(&usage, usage.split()))?;
    }
    Ok(pid as usize)
}

/// `siginfo_t` for a child, as far as it says something.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct ChildInfo {
    signo: i32,
    errno: i32,
    code: i32,
    pad: i32,
    pid: i32,
    uid: i32,
    status: i32,
    rest: [i32; 25],
}

/// `waitid`.
pub fn sys_waitid(
    thread: &Thread,
    kind: u32,
    id: u32,
    info_at: u64,
    options: u32,
    usage_at: u64,
) -> Result<usize> {
    const CHANGES: u32 = WEXITED | WSTOPPED | WCONTINUED;
    const MAX_ID: u32 = i32::MAX as u32;
    // __WNOTHREAD, __WALL, __WCLONE besides.
    if options & !(WNOHANG | WNOWAIT | CHANGES | 0xe000_0000) != 0 || options & CHANGES == 0 {
        return Err(Errno::EINVAL);
    }
    let mut no_wait = false;
    let which = match (kind, id) {
        (0, _) => Which::Any,
        // Numbers are signed.
        (1, 1..=MAX_ID) => Which::Pid(id),
        (2, 0) => Which::Group(group_of(thread.process().pid())?),
        (2, 1..=MAX_ID) => Which::Group(id),
        (3, 0..=MAX_ID) => {
            let file = thread.files().get(id as i32)?;
            let process = pidfd::process_of(&file)?;
            if !pidfd::is_there(&process) {
                return Err(Errno::ECHILD);
            }
            no_wait = file.flags() & O_NONBLOCK != 0;
            Which::Pid(process.pid())
        }
        _ => return Err(Errno::EINVAL),
    };
    let waits = if no_wait { options | WNOHANG } else { options };
    let changed = wait::wait(thread, which, waits)?;
    // Whoever did not say so in the call is told.
    if changed.is_none() && options & WNOHANG == 0 {
        return Err(Errno::EAGAIN);
    }
    let mut info =
        ChildInfo { signo: 0, errno: 0, code: 0, pad: 0, pid: 0, uid: 0, status: 0, rest: [0; 25] };
    if let Some(Changed { pid, status, usage }) = changed {
        if usage_at != 0 {
            user::write(usage_at, &Rusage::new(&usage, usage.split()))?;
        }
        (info.signo, info.pid) = (SIGCHLD as i32, pid as i32);
        // CLD_CONTINUED, CLD_EXITED, CLD_STOPPED, CLD_KILLED.
        let (code, detail) = match status & 0x7f {
            _ if status == CONTINUED => (6, SIGCONT),
            0 => (1, status >> 8 & 0xff),
            0x7f => (5, status >> 8 & 0xff),
            signal => (2, signal),
        };
        (info.code, info.status) = (code, detail as i32);
    }
    if info_at != 0 {
        user::write(info_at, &info)?;
    }
    Ok(0)
}

/// `set_tid_address`.
pub fn sys_set_tid_address(thread: &Thread, addr: u64) -> Result<usize> {
    thread.clear_tid.store(addr, Ordering::Relaxed);
    Ok(thread.tid() as usize)
}

/// Size of a `struct robust_list_head`, in bytes.
const ROBUST_LIST_HEAD: u64 = 24;

/// `set_robust_list`.
pub fn sys_set_robust_list(thread: &Thread, head: u64, len: u64) -> Result<usize> {
    if len != ROBUST_LIST_HEAD {
        return Err(Errno::EINVAL);
    }
    thread.robust_list.store(head, Ordering::Relaxed);
    Ok(0)
}

/// `get_robust_list`. `ESRCH`, `EPERM`, `EFAULT`.
pub fn sys_get_robust_list(thread: &Thread, tid: u32, head: u64, len: u64) -> Result<usize> {
    let other = match tid {
        0 => thread.clone(),
        _ => tree::lock().thread(tid).cloned().ok_or(Errno::ESRCH)?,
    };
    let (mine, theirs) = (thread.process(), other.process());
    if mine.pid() != theirs.pid() && !mine.creds().may_inspect(&theirs.creds()) {
        return Err(Errno::EPERM);
    }
    user::write(len, &ROBUST_LIST_HEAD)?;
    user::write(head, &other.robust_list.load(Ordering::Relaxed))?;
    Ok(0)
}

/// `getppid`.
pub fn sys_getppid(thread: &Thread) -> Result<usize> {
    let tree = tree::lock();
    Ok(tree.node(thread.process().pid()).map_or(0, |node| node.parent) as usize)
}

fn pid_or_self(thread: &Thread, pid: u32) -> u32 {
    if pid == 0 { thread.process().pid() } else { pid }
}

fn group_of(pid: u32) -> Result<u32> {
    tree::lock().node(pid).map(|node| node.pgid).ok_or(Errno::ESRCH)
}

/// `getpgid`. `ESRCH`.
pub fn sys_getpgid(thread: &Thread, pid: u32) -> Result<usize> {
    group_of(pid_or_self(thread, pid)).map(|pgid| pgid as usize)
}

/// `getsid`. `ESRCH`.
pub fn sys_getsid(thread: &Thread, pid: u32) -> Result<usize> {
    let tree = tree::lock();
    tree.node(pid_or_self(thread, pid)).map(|node| node.sid as usize).ok_or(Errno::ESRCH)
}

/// `setpgid`: of oneself or a child, to a group of the session or a new one. `EINVAL`, `ESRCH`, `EPERM`.
pub fn sys_setpgid(thread: &Thread, pid: u32, pgid: u32) -> Result<usize> {
    let me = thread.process().pid();
    let pid = pid_or_self(thread, pid);
    let pgid = if pgid == 0 { pid } else { pgid };
    if pgid > i32::MAX as u32 {
        return Err(Errno::EINVAL);
    }
    let mut tree = tree::lock();
    let my_sid = tree.node(me).map_or(0, |node| node.sid);
    let known = pgid == pid || tree.nodes().any(|(_, node)| node.pgid == pgid && node.sid == my_sid);
    let node = tree.node_mut(pid).filter(|node| pid == me || node.parent == me).ok_or(Errno::ESRCH)?;
    if node.sid == pid || node.sid != my_sid || !known {
        return Err(Errno::EPERM);
    }
    node.pgid = pgid;
    Ok(0)
}

/// `setsid`. `EPERM` for a group's leader.
pub fn sys_setsid(thread: &Thread) -> Result<usize> {
    let pid = thread.process().pid();
    let mut tree = tree::lock();
    if tree.nodes().any(|(_, node)| node.pgid == pid) {
        return Err(Errno::EPERM);
    }
    if let Some(node) = tree.node_mut(pid) {
        (node.pgid, node.sid) = (pid, pid);
        node.process.attributes().gave_up_terminal.store(false, Ordering::Relaxed);
    }
    Ok(pid as usize)
}
