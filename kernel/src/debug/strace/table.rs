//! What the calls' arguments are (Linux: `include/linux/syscalls.h`).
#![forbid(unsafe_code)]

use super::kind::Kind::{self, *};
use super::names::*;
use crate::syscall::nr;

/// The kinds of a call's arguments; `None` for a call that is not known here.
#[rustfmt::skip]
pub fn arguments(number: u64) -> Option<&'static [Kind]> {
    Some(match number {
        nr::READ => &[Int, Out, Size],
        nr::WRITE => &[Int, In, Size],
        nr::PREAD64 => &[Int, Out, Size, Long],
        nr::PWRITE64 => &[Int, In, Size, Long],
        nr::READV => &[Int, VectorOut, Size],
        nr::WRITEV => &[Int, VectorIn, Size],
        nr::PREADV => &[Int, VectorOut, Size, Long],
        nr::PWRITEV => &[Int, VectorIn, Size, Long],
        nr::PREADV2 => &[Int, VectorOut, Size, Long, Hidden, Hex],
        nr::PWRITEV2 => &[Int, VectorIn, Size, Long, Hidden, Hex],
        nr::SENDFILE => &[Int, Int, WordOut, Size],
        nr::COPY_FILE_RANGE => &[Int, WordOut, Int, WordOut, Size, Hex],
        nr::LSEEK => &[Int, Long, Value(WHENCE)],
        nr::GETDENTS64 => &[Int, Entries, Size],
        nr::TRUNCATE => &[Path, Long],
        nr::FTRUNCATE => &[Int, Long],
        nr::FALLOCATE => &[Int, Bits(FALLOCATE), Long, Long],
        nr::FADVISE64 => &[Int, Long, Long, Int],
        nr::READAHEAD => &[Int, Long, Size],
        nr::SYNC_FILE_RANGE => &[Int, Long, Long, Hex],
        nr::FSYNC | nr::FDATASYNC | nr::SYNCFS | nr::CLOSE | nr::DUP | nr::FCHDIR => &[Int],

        nr::CLOSE_RANGE => &[Uint, Uint, Bits(CLOSE_RANGE)],
        nr::DUP3 => &[Int, Int, Open],
        nr::FCNTL => &[Int, Value(FCNTL), FcntlArgument],
        nr::IOCTL => &[Int, Command, CommandArgument],
        nr::PIPE2 => &[Pair, Open],
        nr::MEMFD_CREATE => &[Path, Bits(MEMFD)],
        nr::EVENTFD2 => &[Uint, Bits(EVENTFD)],
        nr::EPOLL_CREATE1 => &[Bits(EPOLL_CREATE)],
        nr::EPOLL_CTL => &[Int, Value(EPOLL_CTL), Int, Event],
        nr::EPOLL_PWAIT => &[Int, Events, Int, Int, SetIn, Size],
        nr::EPOLL_PWAIT2 => &[Int, Events, Int, TimeIn, SetIn, Size],

        nr::OPENAT => &[Dir, Path, Open, CreateMode],
        nr::MKDIRAT => &[Dir, Path, Mode],
        nr::MKNODAT => &[Dir, Path, FileMode, Hex],
        nr::SYMLINKAT => &[Path, Dir, Path],
        nr::LINKAT => &[Dir, Path, Dir, Path, Bits(AT)],
        nr::UNLINKAT => &[Dir, Path, Bits(AT)],
        nr::RENAMEAT => &[Dir, Path, Dir, Path],
        nr::RENAMEAT2 => &[Dir, Path, Dir, Path, Bits(RENAME)],
        nr::READLINKAT => &[Dir, Path, Out, Size],
        nr::CHDIR => &[Path],
        nr::GETCWD => &[TextOut, Size],
        nr::UMASK => &[Mode],
        nr::FCHMOD => &[Int, Mode],
        nr::FCHMODAT => &[Dir, Path, Mode],
        nr::FCHOWN => &[Int, Int, Int],
        nr::FCHOWNAT => &[Dir, Path, Int, Int, Bits(AT)],
        nr::UTIMENSAT => &[Dir, Path, TimesIn, Bits(AT)],
        nr::FSTAT => &[Int, Stat],
        nr::NEWFSTATAT => &[Dir, Path, Stat, Bits(AT)],
        nr::STATX => &[Dir, Path, Bits(AT), Hex, Pointer],
        nr::STATFS => &[Path, Pointer],
        nr::FSTATFS => &[Int, Pointer],
        nr::FACCESSAT => &[Dir, Path, Bits(ACCESS)],
        nr::FACCESSAT2 => &[Dir, Path, Bits(ACCESS), Bits(AT)],
        nr::PPOLL => &[Polled, Uint, TimeIn, SetIn, Size],
        nr::PSELECT6 => &[Int, WordOut, WordOut, WordOut, TimeIn, Pointer],

        nr::FLOCK => &[Int, Int],
        nr::MOUNT => &[Path, Path, Path, Hex, Pointer],
        nr::UMOUNT2 => &[Path, Hex],

        nr::SOCKET => &[Int, Hex, Int],
        nr::SOCKETPAIR => &[Int, Hex, Int, Pair],
        nr::BIND | nr::CONNECT => &[Int, Pointer, Int],
        nr::LISTEN | nr::SHUTDOWN => &[Int, Int],
        nr::ACCEPT | nr::GETSOCKNAME | nr::GETPEERNAME => &[Int, Pointer, IntOut],
        nr::ACCEPT4 => &[Int, Pointer, IntOut, Hex],
        nr::SENDTO => &[Int, In, Size, Hex, Pointer, Int],
        nr::RECVFROM => &[Int, Out, Size, Hex, Pointer, IntOut],
        nr::SENDMSG | nr::RECVMSG => &[Int, Pointer, Hex],
        nr::SENDMMSG => &[Int, Pointer, Uint, Hex],
        nr::RECVMMSG => &[Int, Pointer, Uint, Hex, TimeIn],
        nr::SETSOCKOPT => &[Int, Int, Int, Pointer, Int],
        nr::GETSOCKOPT => &[Int, Int, Int, Pointer, IntOut],

        nr::INIT_MODULE => &[Pointer, Size, Path],
        nr::FINIT_MODULE => &[Int, Path, Hex],
        nr::DELETE_MODULE => &[Path, Bits(DELETE)],

        nr::MMAP => &[Pointer, Size, Bits(PROT), Bits(MAP), Int, Hex],
        nr::MUNMAP => &[Pointer, Size],
        nr::MPROTECT => &[Pointer, Size, Bits(PROT)],
        nr::MREMAP => &[Pointer, Size, Size, Bits(MREMAP), Pointer],
        nr::MADVISE => &[Pointer, Size, Value(MADVISE)],
        nr::MSYNC => &[Pointer, Size, Bits(MSYNC)],
        nr::MINCORE => &[Pointer, Size, Pointer],
        nr::MLOCK2 => &[Pointer, Size, Hex],
        nr::CHROOT => &[Path],
        nr::PIDFD_OPEN => &[Int, Hex],
        nr::PIDFD_SEND_SIGNAL => &[Int, Int, Pointer, Hex],
        nr::PIDFD_GETFD => &[Int, Int, Hex],
        nr::MEMBARRIER => &[Hex, Hex],
        nr::MLOCK | nr::MUNLOCK => &[Pointer, Size],
        nr::BRK => &[Pointer],

        nr::CLONE => &[Clone, Pointer, Pointer, Pointer, Pointer],
        nr::CLONE3 => &[CloneArguments, Size],
        nr::EXECVE => &[Path, Arguments, Environment],
        nr::EXECVEAT => &[Dir, Path, Arguments, Environment, Bits(AT)],
        nr::EXIT | nr::EXIT_GROUP => &[Int],
        nr::WAIT4 => &[Int, Status, Bits(WAIT), Pointer],
        nr::WAITID => &[Value(ID), Int, Pointer, Bits(WAIT), Pointer],
        nr::SET_TID_ADDRESS => &[Pointer],
        nr::SET_ROBUST_LIST => &[Pointer, Size],
        nr::GET_ROBUST_LIST => &[Int, Pointer, Pointer],
        nr::RSEQ => &[Pointer, Size, Hex, Hex],
        nr::SETPGID => &[Int, Int],
        nr::GETPGID | nr::GETSID => &[Int],
        nr::PRCTL => &[Value(PRCTL), PrctlArgument],
        nr::FUTEX => &[Pointer, Futex, Uint, FutexTime, Pointer, Hex],

        nr::SCHED_SETAFFINITY => &[Int, Size, WordIn],
        nr::SCHED_GETAFFINITY => &[Int, Size, WordOut],
        nr::GETCPU => &[Pointer, Pointer, Pointer],
        nr::SCHED_GETSCHEDULER | nr::SCHED_GET_PRIORITY_MAX | nr::SCHED_GET_PRIORITY_MIN => &[Int],
        nr::GETPRIORITY => &[Int, Int],

        nr::KILL | nr::TKILL => &[Int, Signal],
        nr::TGKILL => &[Int, Int, Signal],
        nr::RT_SIGQUEUEINFO => &[Int, Signal, Pointer],
        nr::RT_TGSIGQUEUEINFO => &[Int, Int, Signal, Pointer],
        nr::RT_SIGACTION => &[Signal, ActionIn, ActionOut, Size],
        nr::RT_SIGPROCMASK => &[Value(MASK), SetIn, SetOut, Size],
        nr::RT_SIGPENDING => &[SetOut, Size],
        nr::RT_SIGSUSPEND => &[SetIn, Size],
        nr::RT_SIGTIMEDWAIT => &[SetIn, Pointer, TimeIn, Size],
        nr::SIGALTSTACK => &[StackIn, StackOut],
        nr::SIGNALFD4 => &[Int, SetIn, Size, Bits(SIGNALFD)],

        nr::NANOSLEEP => &[TimeIn, Pointer],
        nr::CLOCK_NANOSLEEP => &[Value(CLOCK), Bits(TIMER), TimeIn, Pointer],
        nr::CLOCK_GETTIME | nr::CLOCK_GETRES => &[Value(CLOCK), TimeOut],
        nr::CLOCK_SETTIME => &[Value(CLOCK), TimeIn],
        nr::GETTIMEOFDAY => &[TimevalOut, Pointer],
        nr::SETTIMEOFDAY => &[TimevalIn, Pointer],
        nr::TIMES => &[Pointer],
        nr::GETITIMER => &[Value(ITIMER), IntervalvalOut],
        nr::SETITIMER => &[Value(ITIMER), IntervalvalIn, IntervalvalOut],
        nr::TIMER_CREATE => &[Value(CLOCK), Pointer, IntOut],
        nr::TIMER_SETTIME => &[Int, Bits(TIMER), IntervalIn, IntervalOut],
        nr::TIMER_GETTIME => &[Int, IntervalOut],
        nr::TIMER_GETOVERRUN | nr::TIMER_DELETE => &[Int],
        nr::TIMERFD_CREATE => &[Value(CLOCK), Bits(TIMERFD_CREATE)],
        nr::TIMERFD_SETTIME => &[Int, Bits(TIMERFD), IntervalIn, IntervalOut],
        nr::TIMERFD_GETTIME => &[Int, IntervalOut],

        nr::SETUID | nr::SETGID => &[Int],
        nr::SETREUID | nr::SETREGID => &[Int, Int],
        nr::SETRESUID | nr::SETRESGID => &[Int, Int, Int],
        nr::GETRESUID | nr::GETRESGID => &[IntOut, IntOut, IntOut],
        nr::GETGROUPS | nr::SETGROUPS => &[Int, Pointer],
        nr::SETFSUID | nr::SETFSGID => &[Int],
        nr::CAPGET | nr::CAPSET => &[Pointer, Pointer],
        nr::SETHOSTNAME | nr::SETDOMAINNAME => &[In, Size],
        nr::UNSHARE => &[Hex],
        nr::SYSLOG => &[Int, Out, Size],
        nr::PRLIMIT64 => &[Int, Value(LIMIT), LimitIn, LimitOut],
        nr::GETRLIMIT => &[Value(LIMIT), LimitOut],
        nr::SETRLIMIT => &[Value(LIMIT), LimitIn],
        nr::GETRUSAGE => &[Value(USAGE), Pointer],
        nr::UNAME | nr::SYSINFO => &[Pointer],
        nr::GETRANDOM => &[Out, Size, Bits(RANDOM)],
        nr::PERSONALITY => &[Hex],
        nr::REBOOT => &[Hex, Hex, Hex],
        nr::GETPID | nr::GETTID | nr::GETPPID | nr::SETSID | nr::GETUID | nr::GETEUID | nr::GETGID | nr::GETEGID
        | nr::SCHED_YIELD | nr::SYNC | nr::RT_SIGRETURN | nr::RESTART_SYSCALL => &[],
        _ => return None,
    })
}

/// Whether a call's result is an address.
pub fn returns_address(number: u64) -> bool {
    matches!(number, nr::MMAP | nr::MREMAP | nr::BRK)
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn every_call_that_is_served_is_known() {
        // Served by an error, or by nothing that takes arguments worth showing.
        let bare = [nr::SCHED_SETSCHEDULER, nr::SCHED_SETPARAM, nr::SCHED_GETPARAM, nr::SETPRIORITY];
        let bare = [&bare[..], &[nr::MLOCKALL, nr::MUNLOCKALL]].concat();
        let unknown = |(_, number): &&(&str, u64)| arguments(*number).is_none() && !bare.contains(number);
        let unknown: Vec<_> = nr::ALL.iter().filter(unknown).collect();
        assert!(unknown.is_empty(), "{unknown:?} are not in the table");
        assert!(nr::ALL.iter().filter_map(|(_, number)| arguments(*number)).all(|kinds| kinds.len() <= 6));
    }
}
