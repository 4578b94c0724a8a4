//! From a trap to a function: numbers, arguments, results (Linux: `arch/arm64/kernel/syscall.c`).
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};

use heaps::{Errno, Result};

use super::{
    Ctx, attr, copy, creds, event, fd, futex, known, locks, membarrier, memfd, memory, message, misc, module,
    mount, names, nr, pidfd, poll, prctl, process, rw, sched, setattr, signal, socket, sockopt, space,
    syslog, time, timer,
};
use crate::arch::TrapFrame;
use crate::net::unix::flight;
use crate::net::unix::option::Way;
use crate::process::creds::Kind;
use crate::process::signal::deliver::Restart;
use crate::process::{Thread, with_current};

/// Serves the system call that `frame` describes: X8 its number, X0 to X5 its arguments, X0 its result. Called with
/// interrupts on and no lock held; may sleep.
pub fn dispatch(frame: &mut TrapFrame) {
    let outcome = with_current(|thread| {
        let (first, number) = (frame.x[0], frame.x[8]);
        let result = call(thread, frame);
        if result == Err(Errno::EINTR) {
            note_restart(thread, number, first, frame.x[3]);
        }
        result
    });
    frame.x[0] = match outcome.unwrap_or(Err(Errno::ENOSYS)) {
        Ok(value) => value as u64,
        Err(error) => error.to_syscall() as u64,
    };
}

/// Lets an interrupted call that may be made again be made again, where the signal's action allows it.
#[cold]
fn note_restart(thread: &Thread, number: u64, first: u64, fourth: u64) {
    if is_timed(thread, number, first) {
        return;
    }
    let when = match number {
        nr::FUTEX if fourth == 0 => Restart::Always,
        nr::READ | nr::WRITE | nr::READV | nr::WRITEV | nr::IOCTL | nr::OPENAT => Restart::Always,
        nr::FCNTL | nr::FLOCK | nr::SYSLOG => Restart::Always,
        nr::ACCEPT | nr::ACCEPT4 | nr::CONNECT | nr::SENDTO | nr::SENDMSG | nr::SENDMMSG => Restart::Always,
        nr::RECVFROM | nr::RECVMSG | nr::RECVMMSG => Restart::Always,
        nr::WAIT4 | nr::WAITID | nr::GETRANDOM | nr::PREAD64 | nr::PWRITE64 | nr::SENDFILE => Restart::Always,
        nr::NANOSLEEP | nr::CLOCK_NANOSLEEP | nr::FUTEX | nr::RESTART_SYSCALL
            if thread.has_restart_block() =>
        {
            Restart::Block
        }
        nr::PPOLL | nr::PSELECT6 | nr::RT_SIGSUSPEND | nr::CLOCK_NANOSLEEP => Restart::NoHandler,
        _ => return,
    };
    thread.note_restart(number, first, when);
}

/// Whether the call is about a socket that it would not have waited for any longer than a while: then a signal ends it.
#[cold]
fn is_timed(thread: &Thread, number: u64, fd: u64) -> bool {
    let way = match number {
        nr::READ | nr::READV | nr::RECVFROM | nr::RECVMSG | nr::RECVMMSG | nr::ACCEPT | nr::ACCEPT4 => {
            Way::In
        }
        nr::WRITE | nr::WRITEV | nr::SENDTO | nr::SENDMSG | nr::SENDMMSG | nr::CONNECT => Way::Out,
        _ => return false,
    };
    let file = thread.files().get(fd as i32);
    file.is_ok_and(|file| flight::socket_of(&file).is_some_and(|s| s.options.patience(way).is_some()))
}

#[rustfmt::skip]
fn call(thread: &Thread, frame: &mut TrapFrame) -> Result<usize> {
    let [a, b, c, d, e, f] = [frame.x[0], frame.x[1], frame.x[2], frame.x[3], frame.x[4], frame.x[5]];
    let ctx = &Ctx { files: thread.files(), fs: thread.fs(), pid: thread.process().pid() as i32 };
    match frame.x[8] {
        nr::READ => rw::sys_read(ctx, a as i32, b, c as usize),
        nr::WRITE => rw::sys_write(ctx, a as i32, b, c as usize),
        nr::READV => rw::sys_readv(ctx, a as i32, b, c as usize),
        nr::WRITEV => rw::sys_writev(ctx, a as i32, b, c as usize),
        nr::PREAD64 => rw::sys_pread64(ctx, a as i32, b, c as usize, d as i64),
        nr::PWRITE64 => rw::sys_pwrite64(ctx, a as i32, b, c as usize, d as i64),
        nr::PREADV => rw::sys_preadv(ctx, a as i32, b, c as usize, d as i64),
        nr::PWRITEV => rw::sys_pwritev(ctx, a as i32, b, c as usize, d as i64),
        nr::PREADV2 => rw::sys_preadv2(ctx, a as i32, b, c as usize, d as i64, f as u32),
        nr::PWRITEV2 => rw::sys_pwritev2(ctx, a as i32, b, c as usize, d as i64, f as u32),
        nr::SENDFILE => copy::sys_sendfile(ctx, a as i32, b as i32, c, d as usize),
        nr::COPY_FILE_RANGE => copy::sys_copy_file_range(ctx, (a as i32, b), (c as i32, d), e as usize, f as u32),
        nr::LSEEK => rw::sys_lseek(ctx, a as i32, b as i64, c as u32),
        nr::GETDENTS64 => rw::sys_getdents64(ctx, a as i32, b, c as usize),
        nr::TRUNCATE => space::sys_truncate(ctx, a, b as i64),
        nr::FTRUNCATE => space::sys_ftruncate(ctx, a as i32, b as i64),
        nr::FALLOCATE => space::sys_fallocate(ctx, a as i32, b as u32, c as i64, d as i64),
        nr::FADVISE64 => space::sys_fadvise64(ctx, a as i32, c as i64, d as u32),
        nr::READAHEAD => space::sys_readahead(ctx, a as i32),
        nr::FSYNC | nr::FDATASYNC => space::sys_fsync(ctx, a as i32),
        nr::SYNCFS => space::sys_syncfs(ctx, a as i32),
        nr::SYNC_FILE_RANGE => space::sys_sync_file_range(ctx, a as i32, b as i64, c as i64, d as u32),
        nr::MEMFD_CREATE => memfd::sys_memfd_create(ctx, a, b as u32),

        nr::CLOSE => fd::sys_close(ctx, a as i32),
        nr::CLOSE_RANGE => fd::sys_close_range(ctx, a as u32, b as u32, c as u32),
        nr::DUP => fd::sys_dup(ctx, a as i32),
        nr::DUP3 => fd::sys_dup3(ctx, a as i32, b as i32, c as u32),
        nr::FLOCK => locks::sys_flock(ctx, a as i32, b as u32),
        nr::FCNTL => fd::sys_fcntl(ctx, a as i32, b as u32, c),
        nr::IOCTL => fd::sys_ioctl(ctx, a as i32, b as u32, c),
        nr::PIPE2 => fd::sys_pipe2(ctx, a, b as u32),

        nr::OPENAT => names::sys_openat(ctx, a as i32, b, c as u32, d as u32),
        nr::MKDIRAT => names::sys_mkdirat(ctx, a as i32, b, c as u32),
        nr::MKNODAT => names::sys_mknodat(ctx, a as i32, b, c as u32, d as u32),
        nr::SYMLINKAT => names::sys_symlinkat(ctx, a, b as i32, c),
        nr::LINKAT => names::sys_linkat(ctx, a as i32, b, c as i32, d, e as u32),
        nr::UNLINKAT => names::sys_unlinkat(ctx, a as i32, b, c as u32),
        nr::RENAMEAT => names::sys_renameat2(ctx, a as i32, b, c as i32, d, 0),
        nr::RENAMEAT2 => names::sys_renameat2(ctx, a as i32, b, c as i32, d, e as u32),
        nr::READLINKAT => names::sys_readlinkat(ctx, a as i32, b, c, d as usize),
        nr::MOUNT => mount::sys_mount(ctx, a, b, c, d as u32, e),
        nr::UMOUNT2 => mount::sys_umount2(ctx, a, b as u32),
        nr::CHDIR => names::sys_chdir(ctx, a),
        nr::FCHDIR => names::sys_fchdir(ctx, a as i32),
        nr::CHROOT => names::sys_chroot(ctx, a),
        nr::GETCWD => names::sys_getcwd(ctx, a, b as usize),
        nr::UMASK => names::sys_umask(ctx, a as u32),
        nr::FCHMOD => setattr::sys_fchmod(ctx, a as i32, b as u32),
        nr::FCHMODAT => setattr::sys_fchmodat(ctx, a as i32, b, c as u32),
        nr::FCHOWN => setattr::sys_fchown(ctx, a as i32, b as u32, c as u32),
        nr::FCHOWNAT => setattr::sys_fchownat(ctx, a as i32, b, c as u32, d as u32, e as u32),
        nr::UTIMENSAT => setattr::sys_utimensat(ctx, a as i32, b, c, d as u32),

        nr::PPOLL => signal::under_mask(thread, d, e, || poll::sys_ppoll(ctx, a, b as usize, c)),
        nr::PSELECT6 => signal::under_packed_mask(thread, f, || poll::sys_pselect6(ctx, a as i32, [b, c, d], e)),
        nr::EVENTFD2 => event::sys_eventfd2(ctx, a as u32, b as u32),
        nr::EPOLL_CREATE1 => event::sys_epoll_create1(ctx, a as u32),
        nr::EPOLL_CTL => event::sys_epoll_ctl(ctx, a as i32, b as u32, c as i32, d),
        nr::EPOLL_PWAIT => signal::under_mask(thread, e, f, || event::sys_epoll_wait(ctx, a as i32, b, c as i32, d as i32)),
        nr::EPOLL_PWAIT2 => signal::under_mask(thread, e, f, || event::sys_epoll_wait2(ctx, a as i32, b, c as i32, d)),

        nr::SOCKET => socket::sys_socket(ctx, a as u32, b as u32, c as u32),
        nr::SOCKETPAIR => socket::sys_socketpair(ctx, a as u32, b as u32, c as u32, d),
        nr::BIND => socket::sys_bind(ctx, a as i32, b, c as i32),
        nr::LISTEN => socket::sys_listen(ctx, a as i32, b as i32),
        nr::ACCEPT => socket::sys_accept4(ctx, a as i32, b, c, 0),
        nr::ACCEPT4 => socket::sys_accept4(ctx, a as i32, b, c, d as u32),
        nr::CONNECT => socket::sys_connect(ctx, a as i32, b, c as i32),
        nr::GETSOCKNAME => socket::sys_getsockname(ctx, a as i32, b, c),
        nr::GETPEERNAME => socket::sys_getpeername(ctx, a as i32, b, c),
        nr::SHUTDOWN => socket::sys_shutdown(ctx, a as i32, b as u32),
        nr::SETSOCKOPT => sockopt::sys_setsockopt(ctx, a as i32, b as u32, c as u32, d, e as i32),
        nr::GETSOCKOPT => sockopt::sys_getsockopt(ctx, a as i32, b as u32, c as u32, d, e),
        nr::SENDTO => message::sys_sendto(ctx, a as i32, b, c as usize, d as u32, e, f as i32),
        nr::RECVFROM => message::sys_recvfrom(ctx, a as i32, b, c as usize, d as u32, e, f),
        nr::SENDMSG => message::sys_sendmsg(ctx, a as i32, b, c as u32),
        nr::RECVMSG => message::sys_recvmsg(ctx, a as i32, b, c as u32),
        nr::SENDMMSG => message::sys_sendmmsg(ctx, a as i32, b, c as usize, d as u32),
        nr::RECVMMSG => message::sys_recvmmsg(ctx, a as i32, b, c as usize, d as u32, e),

        nr::FSTAT => attr::sys_fstat(ctx, a as i32, b),
        nr::NEWFSTATAT => attr::sys_newfstatat(ctx, a as i32, b, c, d as u32),
        nr::STATX => attr::sys_statx(ctx, a as i32, b, c as u32, d as u32, e),
        nr::STATFS => attr::sys_statfs(ctx, a, b),
        nr::FSTATFS => attr::sys_fstatfs(ctx, a as i32, b),
        nr::FACCESSAT => attr::sys_faccessat2(ctx, a as i32, b, c as u32, 0),
        nr::FACCESSAT2 => attr::sys_faccessat2(ctx, a as i32, b, c as u32, d as u32),

        nr::INIT_MODULE => module::sys_init_module(a, b as usize, c),
        nr::FINIT_MODULE => module::sys_finit_module(ctx, a as i32, b, c as u32),
        nr::DELETE_MODULE => module::sys_delete_module(a, b as u32),

        nr::MMAP => memory::sys_mmap(thread, a, b, c as u32, d as u32, e as i32, f),
        nr::MUNMAP => memory::sys_munmap(thread, a, b),
        nr::MPROTECT => memory::sys_mprotect(thread, a, b, c as u32),
        nr::MREMAP => memory::sys_mremap(thread, a, b, c, d as u32, e),
        nr::MADVISE => memory::sys_madvise(thread, a, b, c as u32),
        nr::MSYNC => memory::sys_msync(thread, a, b, c as u32),
        nr::MINCORE => memory::sys_mincore(thread, a, b, c),
        nr::MLOCK2 => memory::sys_mlock2(thread, a, b, c as u32),
        nr::MLOCK | nr::MUNLOCK => memory::sys_mlock(thread, a, b),
        nr::MLOCKALL => memory::sys_mlockall(thread, a as u32),
        nr::MUNLOCKALL => Ok(0),
        nr::BRK => memory::sys_brk(thread, a),

        nr::CLONE => process::sys_clone(thread, frame),
        nr::CLONE3 => process::sys_clone3(thread, frame, a, b),
        nr::UNSHARE => process::sys_unshare(thread, a),
        nr::EXECVE => process::sys_execve(thread, frame, a, b, c),
        nr::EXECVEAT => process::sys_execveat(thread, frame),
        nr::EXIT => process::sys_exit(thread, a as u32),
        nr::EXIT_GROUP => process::sys_exit_group(thread, a as u32),
        nr::WAIT4 => process::sys_wait4(thread, a as i32, b, c as u32, d),
        nr::WAITID => process::sys_waitid(thread, a as u32, b as u32, c, d as u32, e),
        nr::SET_TID_ADDRESS => process::sys_set_tid_address(thread, a),
        nr::SET_ROBUST_LIST => process::sys_set_robust_list(thread, a, b),
        nr::GET_ROBUST_LIST => process::sys_get_robust_list(thread, a as u32, b, c),
        nr::GETPID => Ok(thread.process().pid() as usize),
        nr::GETTID => Ok(thread.tid() as usize),
        nr::GETPPID => process::sys_getppid(thread),
        nr::SETPGID => process::sys_setpgid(thread, a as u32, b as u32),
        nr::GETPGID => process::sys_getpgid(thread, a as u32),
        nr::GETSID => process::sys_getsid(thread, a as u32),
        nr::SETSID => process::sys_setsid(thread),
        nr::PIDFD_OPEN => pidfd::sys_pidfd_open(ctx, a as i32, b as u32),
        nr::PIDFD_SEND_SIGNAL => pidfd::sys_pidfd_send_signal(thread, ctx, a as i32, b as u32, c, d as u32),
        nr::PIDFD_GETFD => pidfd::sys_pidfd_getfd(ctx, a as i32, b as i32, c as u32),
        nr::MEMBARRIER => membarrier::sys_membarrier(thread, a as u32, b as u32),
        nr::PRCTL => prctl::sys_prctl(thread, a as u32, [b, c, d, e]),

        nr::FUTEX => futex::sys_futex(thread, a, b as u32, c as u32, d, e, f as u32),

        nr::SCHED_YIELD => sched::sys_sched_yield(),
        nr::SCHED_SETAFFINITY => sched::sys_sched_setaffinity(thread, a as u32, b as usize, c),
        nr::SCHED_GETAFFINITY => sched::sys_sched_getaffinity(thread, a as u32, b as usize, c),
        nr::GETCPU => sched::sys_getcpu(a, b),
        nr::SCHED_SETSCHEDULER => sched::sys_sched_setscheduler(thread, a as i32, b as i32, c),
        nr::SCHED_SETPARAM => sched::sys_sched_setparam(thread, a as i32, b),
        nr::SCHED_GETSCHEDULER => sched::sys_sched_getscheduler(thread, a as i32),
        nr::SCHED_GETPARAM => sched::sys_sched_getparam(thread, a as i32, b),
        nr::SETPRIORITY => sched::sys_setpriority(thread, a as u32, b as i32, c as i32),
        nr::GETPRIORITY => sched::sys_getpriority(thread, a as u32, b as i32),
        nr::SCHED_GET_PRIORITY_MAX => sched::sys_priority_bound(a as u32, 99),
        nr::SCHED_GET_PRIORITY_MIN => sched::sys_priority_bound(a as u32, 1),

        nr::KILL => signal::sys_kill(thread, a as i32, b as u32),
        nr::TKILL => signal::sys_tgkill(thread, None, a as i32, b as u32),
        nr::TGKILL => signal::sys_tgkill(thread, Some(a as i32), b as i32, c as u32),
        nr::RT_SIGQUEUEINFO => signal::sys_rt_sigqueueinfo(thread, a as i32, b as u32, c),
        nr::RT_TGSIGQUEUEINFO => signal::sys_rt_tgsigqueueinfo(thread, a as i32, b as i32, c as u32, d),
        nr::RT_SIGACTION => signal::sys_rt_sigaction(thread, a as u32, b, c, d),
        nr::RT_SIGPROCMASK => signal::sys_rt_sigprocmask(thread, a as u32, b, c, d),
        nr::RT_SIGPENDING => signal::sys_rt_sigpending(thread, a, b),
        nr::RT_SIGSUSPEND => signal::sys_rt_sigsuspend(thread, a, b),
        nr::RT_SIGTIMEDWAIT => signal::sys_rt_sigtimedwait(thread, a, b, c, d),
        nr::RT_SIGRETURN => signal::sys_rt_sigreturn(thread, frame),
        nr::SIGALTSTACK => signal::sys_sigaltstack(thread, a, b, frame.sp),

        nr::RESTART_SYSCALL => time::sys_restart_syscall(thread),
        nr::NANOSLEEP => time::sys_nanosleep(thread, a, b),
        nr::CLOCK_NANOSLEEP => time::sys_clock_nanosleep(thread, a as u32, b as u32, c, d),
        nr::CLOCK_GETTIME => time::sys_clock_gettime(thread, a as u32, b),
        nr::CLOCK_GETRES => time::sys_clock_getres(thread, a as u32, b),
        nr::CLOCK_SETTIME => time::sys_clock_settime(thread, a as u32, b),
        nr::GETTIMEOFDAY => time::sys_gettimeofday(a, b),
        nr::SETTIMEOFDAY => time::sys_settimeofday(a, b),
        nr::GETITIMER => timer::sys_getitimer(thread, a as u32, b),
        nr::SETITIMER => timer::sys_setitimer(thread, a as u32, b, c),
        nr::TIMER_CREATE => timer::sys_timer_create(thread, a as u32, b, c),
        nr::TIMER_GETTIME => timer::sys_timer_gettime(thread, a as u32, b),
        nr::TIMER_GETOVERRUN => timer::sys_timer_getoverrun(thread, a as u32),
        nr::TIMER_SETTIME => timer::sys_timer_settime(thread, a as u32, b as u32, c, d),
        nr::TIMER_DELETE => timer::sys_timer_delete(thread, a as u32),
        nr::TIMERFD_CREATE => timer::sys_timerfd_create(ctx, a as u32, b as u32),
        nr::TIMERFD_SETTIME => timer::sys_timerfd_settime(ctx, a as i32, b as u32, c, d),
        nr::TIMERFD_GETTIME => timer::sys_timerfd_gettime(ctx, a as i32, b),
        nr::SIGNALFD4 => timer::sys_signalfd4(ctx, a as i32, b, c, d as u32),
        nr::TIMES => time::sys_times(thread, a),
        nr::GETRUSAGE => time::sys_getrusage(thread, a as i32, b),

        nr::SYNC => Ok(0),
        nr::GETUID | nr::GETEUID | nr::GETGID | nr::GETEGID => creds::sys_get_id(thread, frame.x[8]),
        nr::SETUID | nr::SETGID | nr::SETREUID | nr::SETREGID | nr::SETRESUID | nr::SETRESGID => creds::sys_set_id(thread, frame.x[8], [a, b, c]),
        nr::GETRESUID => creds::sys_getresid(thread, Kind::User, [a, b, c]),
        nr::GETRESGID => creds::sys_getresid(thread, Kind::Group, [a, b, c]),
        nr::SETFSUID => creds::sys_set_fs_id(thread, Kind::User, a),
        nr::SETFSGID => creds::sys_set_fs_id(thread, Kind::Group, a),
        nr::GETGROUPS => creds::sys_getgroups(thread, a as i32, b),
        nr::SETGROUPS => creds::sys_setgroups(thread, a as i32, b),
        nr::CAPGET => creds::sys_capget(thread, a, b),
        nr::CAPSET => creds::sys_capset(thread, a, b),
        nr::PRLIMIT64 => misc::sys_prlimit64(thread, a as u32, b as u32, c, d),
        nr::GETRLIMIT => misc::sys_prlimit64(thread, 0, a as u32, 0, b),
        nr::SETRLIMIT => misc::sys_prlimit64(thread, 0, a as u32, b, 0),
        nr::SETHOSTNAME => misc::sys_set_name(false, a, b as i32),
        nr::SETDOMAINNAME => misc::sys_set_name(true, a, b as i32),
        nr::UNAME => misc::sys_uname(a),
        nr::SYSINFO => misc::sys_sysinfo(a),
        nr::GETRANDOM => misc::sys_getrandom(a, b as usize, c as u32),
        nr::SYSLOG => syslog::sys_syslog(a as u32, b, c as i32),
        nr::PERSONALITY => prctl::sys_personality(thread, a as u32),
        nr::REBOOT => misc::sys_reboot(a as u32, b as u32, c as u32),
        nr::RSEQ => Err(Errno::ENOSYS),
        unknown => Err(note_unknown(thread, unknown)),
    }
}

/// Numbers that were asked for in vain, one bit each; the last stands for all from there on.
static UNKNOWN: [AtomicU64; 8] = [const { AtomicU64::new(0) }; 8];

#[cold]
fn note_unknown(thread: &Thread, number: u64) -> Errno {
    let at = number.min(64 * UNKNOWN.len() as u64 - 1);
    let bit = 1 << (at % 64);
    if UNKNOWN[at as usize / 64].fetch_or(bit, Ordering::Relaxed) & bit == 0 {
        let (pid, name) = (thread.process().pid(), known::of(number).unwrap_or("unknown"));
        log::info!("pid {pid}: system call {number} ({name}) is not there");
    }
    Errno::ENOSYS
}
