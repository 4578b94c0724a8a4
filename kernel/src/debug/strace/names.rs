//! Names of the bits and values that calls are given, with arm64's numbers (Linux: `include/uapi`).
#![forbid(unsafe_code)]

use core::fmt::Write;

use super::text::Text;

/// Values and what they are called.
pub type Names = &'static [(u64, &'static str)];

macro_rules! names {
    ($($(#[$doc:meta])* $table:ident { $($value:literal $name:literal)* })*) => {
        $($(#[$doc])* pub const $table: Names = &[$(($value, $name)),*];)*
    };
}

names! {
    /// The access modes of open; no bits.
    ACCESS_MODE { 0 "O_RDONLY" 1 "O_WRONLY" 2 "O_RDWR" 3 "O_ACCMODE" }
    /// What else open takes.
    OPEN {
        0o100 "O_CREAT" 0o200 "O_EXCL" 0o400 "O_NOCTTY" 0o1000 "O_TRUNC" 0o2000 "O_APPEND" 0o4000 "O_NONBLOCK"
        0o4010000 "O_SYNC" 0o10000 "O_DSYNC" 0o20000 "O_ASYNC" 0o20040000 "O_TMPFILE" 0o40000 "O_DIRECTORY"
        0o100000 "O_NOFOLLOW" 0o200000 "O_DIRECT" 0o400000 "O_LARGEFILE" 0o1000000 "O_NOATIME"
        0o2000000 "O_CLOEXEC" 0o10000000 "O_PATH"
    }
    /// AT_*.
    AT {
        0x100 "AT_SYMLINK_NOFOLLOW" 0x200 "AT_REMOVEDIR" 0x400 "AT_SYMLINK_FOLLOW" 0x800 "AT_NO_AUTOMOUNT"
        0x1000 "AT_EMPTY_PATH" 0x2000 "AT_STATX_FORCE_SYNC" 0x4000 "AT_STATX_DONT_SYNC"
    }
    /// PROT_*.
    PROT {
        0 "PROT_NONE" 1 "PROT_READ" 2 "PROT_WRITE" 4 "PROT_EXEC" 8 "PROT_SEM" 0x10 "PROT_BTI" 0x20 "PROT_MTE"
        0x1000000 "PROT_GROWSDOWN" 0x2000000 "PROT_GROWSUP"
    }
    /// MAP_*.
    MAP {
        3 "MAP_SHARED_VALIDATE" 1 "MAP_SHARED" 2 "MAP_PRIVATE" 0x10 "MAP_FIXED" 0x20 "MAP_ANONYMOUS"
        0x100 "MAP_GROWSDOWN" 0x800 "MAP_DENYWRITE" 0x1000 "MAP_EXECUTABLE" 0x2000 "MAP_LOCKED"
        0x4000 "MAP_NORESERVE" 0x8000 "MAP_POPULATE" 0x10000 "MAP_NONBLOCK" 0x20000 "MAP_STACK"
        0x40000 "MAP_HUGETLB" 0x80000 "MAP_SYNC" 0x100000 "MAP_FIXED_NOREPLACE"
    }
    /// MREMAP_*.
    MREMAP { 1 "MREMAP_MAYMOVE" 2 "MREMAP_FIXED" 4 "MREMAP_DONTUNMAP" }
    /// MS_*.
    MSYNC { 1 "MS_ASYNC" 2 "MS_INVALIDATE" 4 "MS_SYNC" }
    /// MADV_*; values.
    MADVISE {
        0 "MADV_NORMAL" 1 "MADV_RANDOM" 2 "MADV_SEQUENTIAL" 3 "MADV_WILLNEED" 4 "MADV_DONTNEED" 8 "MADV_FREE"
        9 "MADV_REMOVE" 10 "MADV_DONTFORK" 11 "MADV_DOFORK" 12 "MADV_MERGEABLE" 13 "MADV_UNMERGEABLE"
        14 "MADV_HUGEPAGE" 15 "MADV_NOHUGEPAGE" 16 "MADV_DONTDUMP" 17 "MADV_DODUMP" 18 "MADV_WIPEONFORK"
        20 "MADV_COLD" 21 "MADV_PAGEOUT"
    }
    /// CLONE_*.
    CLONE {
        0x100 "CLONE_VM" 0x200 "CLONE_FS" 0x400 "CLONE_FILES" 0x800 "CLONE_SIGHAND" 0x1000 "CLONE_PIDFD"
        0x2000 "CLONE_PTRACE" 0x4000 "CLONE_VFORK" 0x8000 "CLONE_PARENT" 0x10000 "CLONE_THREAD"
        0x20000 "CLONE_NEWNS" 0x40000 "CLONE_SYSVSEM" 0x80000 "CLONE_SETTLS" 0x100000 "CLONE_PARENT_SETTID"
        0x200000 "CLONE_CHILD_CLEARTID" 0x400000 "CLONE_DETACHED" 0x800000 "CLONE_UNTRACED"
        0x1000000 "CLONE_CHILD_SETTID" 0x80000000 "CLONE_IO" 0x100000000 "CLONE_CLEAR_SIGHAND"
    }
    /// wait4's options.
    WAIT {
        1 "WNOHANG" 2 "WSTOPPED" 4 "WEXITED" 8 "WCONTINUED" 0x1000000 "WNOWAIT" 0x20000000 "__WNOTHREAD"
        0x40000000 "__WALL" 0x80000000 "__WCLONE"
    }
    /// waitid's kinds; values.
    ID { 0 "P_ALL" 1 "P_PID" 2 "P_PGID" 3 "P_PIDFD" }
    /// lseek's; values.
    WHENCE { 0 "SEEK_SET" 1 "SEEK_CUR" 2 "SEEK_END" 3 "SEEK_DATA" 4 "SEEK_HOLE" }
    /// Access modes of faccessat.
    ACCESS { 0 "F_OK" 4 "R_OK" 2 "W_OK" 1 "X_OK" }
    /// fcntl's commands; values.
    FCNTL {
        0 "F_DUPFD" 1 "F_GETFD" 2 "F_SETFD" 3 "F_GETFL" 4 "F_SETFL" 5 "F_GETLK" 6 "F_SETLK" 7 "F_SETLKW"
        8 "F_SETOWN" 9 "F_GETOWN" 10 "F_SETSIG" 11 "F_GETSIG" 1030 "F_DUPFD_CLOEXEC" 1031 "F_SETPIPE_SZ"
        1032 "F_GETPIPE_SZ" 1033 "F_ADD_SEALS" 1034 "F_GET_SEALS"
    }
    /// fcntl's seals.
    SEALS {
        1 "F_SEAL_SEAL" 2 "F_SEAL_SHRINK" 4 "F_SEAL_GROW" 8 "F_SEAL_WRITE" 0x10 "F_SEAL_FUTURE_WRITE"
    }
    /// memfd_create's.
    MEMFD { 1 "MFD_CLOEXEC" 2 "MFD_ALLOW_SEALING" 4 "MFD_HUGETLB" }
    /// eventfd2's.
    EVENTFD { 1 "EFD_SEMAPHORE" 0o4000 "EFD_NONBLOCK" 0o2000000 "EFD_CLOEXEC" }
    /// epoll_create1's.
    EPOLL_CREATE { 0o2000000 "EPOLL_CLOEXEC" }
    /// epoll_ctl's; values.
    EPOLL_CTL { 1 "EPOLL_CTL_ADD" 2 "EPOLL_CTL_DEL" 3 "EPOLL_CTL_MOD" }
    /// epoll's events.
    EPOLL {
        1 "EPOLLIN" 2 "EPOLLPRI" 4 "EPOLLOUT" 8 "EPOLLERR" 0x10 "EPOLLHUP" 0x2000 "EPOLLRDHUP"
        0x10000000 "EPOLLEXCLUSIVE" 0x20000000 "EPOLLWAKEUP" 0x40000000 "EPOLLONESHOT" 0x80000000 "EPOLLET"
    }
    /// poll's events.
    POLL {
        1 "POLLIN" 2 "POLLPRI" 4 "POLLOUT" 8 "POLLERR" 0x10 "POLLHUP" 0x20 "POLLNVAL" 0x40 "POLLRDNORM"
        0x80 "POLLRDBAND" 0x100 "POLLWRNORM" 0x200 "POLLWRBAND" 0x2000 "POLLRDHUP"
    }
    /// futex' operations, without the bits; values.
    FUTEX {
        0 "FUTEX_WAIT" 1 "FUTEX_WAKE" 2 "FUTEX_FD" 3 "FUTEX_REQUEUE" 4 "FUTEX_CMP_REQUEUE" 5 "FUTEX_WAKE_OP"
        6 "FUTEX_LOCK_PI" 7 "FUTEX_UNLOCK_PI" 8 "FUTEX_TRYLOCK_PI" 9 "FUTEX_WAIT_BITSET" 10 "FUTEX_WAKE_BITSET"
    }
    /// Clocks; values.
    CLOCK {
        0 "CLOCK_REALTIME" 1 "CLOCK_MONOTONIC" 2 "CLOCK_PROCESS_CPUTIME_ID" 3 "CLOCK_THREAD_CPUTIME_ID"
        4 "CLOCK_MONOTONIC_RAW" 5 "CLOCK_REALTIME_COARSE" 6 "CLOCK_MONOTONIC_COARSE" 7 "CLOCK_BOOTTIME"
        8 "CLOCK_REALTIME_ALARM" 9 "CLOCK_BOOTTIME_ALARM" 11 "CLOCK_TAI"
    }
    /// Timers' flags.
    TIMER { 1 "TIMER_ABSTIME" }
    /// timerfd's flags.
    TIMERFD { 1 "TFD_TIMER_ABSTIME" 2 "TFD_TIMER_CANCEL_ON_SET" }
    /// timerfd_create's flags.
    TIMERFD_CREATE { 0o4000 "TFD_NONBLOCK" 0o2000000 "TFD_CLOEXEC" }
    /// signalfd4's flags.
    SIGNALFD { 0o4000 "SFD_NONBLOCK" 0o2000000 "SFD_CLOEXEC" }
    /// setitimer's timers; values.
    ITIMER { 0 "ITIMER_REAL" 1 "ITIMER_VIRTUAL" 2 "ITIMER_PROF" }
    /// rt_sigprocmask's; values.
    MASK { 0 "SIG_BLOCK" 1 "SIG_UNBLOCK" 2 "SIG_SETMASK" }
    /// sigaction's flags.
    ACTION {
        1 "SA_NOCLDSTOP" 2 "SA_NOCLDWAIT" 4 "SA_SIGINFO" 0x4000000 "SA_RESTORER" 0x8000000 "SA_ONSTACK"
        0x10000000 "SA_RESTART" 0x40000000 "SA_NODEFER" 0x80000000 "SA_RESETHAND"
    }
    /// sigaltstack's flags.
    STACK { 1 "SS_ONSTACK" 2 "SS_DISABLE" }
    /// Limits; values.
    LIMIT {
        0 "RLIMIT_CPU" 1 "RLIMIT_FSIZE" 2 "RLIMIT_DATA" 3 "RLIMIT_STACK" 4 "RLIMIT_CORE" 5 "RLIMIT_RSS"
        6 "RLIMIT_NPROC" 7 "RLIMIT_NOFILE" 8 "RLIMIT_MEMLOCK" 9 "RLIMIT_AS" 10 "RLIMIT_LOCKS"
        11 "RLIMIT_SIGPENDING" 12 "RLIMIT_MSGQUEUE" 13 "RLIMIT_NICE" 14 "RLIMIT_RTPRIO" 15 "RLIMIT_RTTIME"
    }
    /// getrusage's; values.
    USAGE { 0 "RUSAGE_SELF" 0xffffffff "RUSAGE_CHILDREN" 1 "RUSAGE_THREAD" }
    /// prctl's; values.
    PRCTL {
        1 "PR_SET_PDEATHSIG" 3 "PR_GET_DUMPABLE" 4 "PR_SET_DUMPABLE" 15 "PR_SET_NAME" 16 "PR_GET_NAME"
        36 "PR_SET_CHILD_SUBREAPER" 37 "PR_GET_CHILD_SUBREAPER" 38 "PR_SET_NO_NEW_PRIVS" 0x53564d41 "PR_SET_VMA"
    }
    /// getrandom's.
    RANDOM { 1 "GRND_NONBLOCK" 2 "GRND_RANDOM" 4 "GRND_INSECURE" }
    /// renameat2's.
    RENAME { 1 "RENAME_NOREPLACE" 2 "RENAME_EXCHANGE" 4 "RENAME_WHITEOUT" }
    /// fallocate's.
    FALLOCATE {
        1 "FALLOC_FL_KEEP_SIZE" 2 "FALLOC_FL_PUNCH_HOLE" 8 "FALLOC_FL_COLLAPSE_RANGE" 0x10 "FALLOC_FL_ZERO_RANGE"
    }
    /// close_range's.
    CLOSE_RANGE { 2 "CLOSE_RANGE_UNSHARE" 4 "CLOSE_RANGE_CLOEXEC" }
    /// delete_module's share of open's flags.
    DELETE { 0o1000 "O_TRUNC" 0o4000 "O_NONBLOCK" }
    /// DMA_BUF_IOCTL_SYNC's; the direction may be none.
    SYNC { 4 "DMA_BUF_SYNC_END" 3 "DMA_BUF_SYNC_RW" 1 "DMA_BUF_SYNC_READ" 2 "DMA_BUF_SYNC_WRITE" }
    /// What a file is; values of the mode's upper bits.
    FORMAT {
        0o010000 "S_IFIFO" 0o020000 "S_IFCHR" 0o040000 "S_IFDIR" 0o060000 "S_IFBLK" 0o100000 "S_IFREG"
        0o120000 "S_IFLNK" 0o140000 "S_IFSOCK"
    }
}

/// A signal's name, or its number.
pub fn signal(text: &mut Text, number: u32) {
    match SIGNALS.get(number as usize) {
        Some(name) if number > 0 => text.put(format_args!("SIG{name}")),
        _ if (32..=64).contains(&number) => text.put(format_args!("SIGRT_{}", number - 32)),
        _ => text.put(format_args!("{number}")),
    }
}

/// Signals 0 to 31.
pub const SIGNALS: [&str; 32] = [
    "0", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// The name of a value, or the value.
pub fn value(text: &mut Text, names: Names, value: u64) {
    match names.iter().find(|(known, _)| *known == value) {
        Some((_, name)) => text.push(name),
        None => text.put(format_args!("{value:#x}")),
    }
}

/// The names of bits, and what has none.
pub fn bits(text: &mut Text, names: Names, value: u64) {
    if let Some((_, name)) = names.iter().find(|(known, _)| *known == value) {
        return text.push(name);
    }
    let (mut rest, mut first) = (value, true);
    for (known, name) in names.iter().filter(|(known, _)| *known != 0) {
        if rest & known == *known {
            let _ = write!(text, "{}{name}", if first { "" } else { "|" });
            (rest, first) = (rest & !known, false);
        }
    }
    match (rest, first) {
        (0, true) => text.push("0"),
        (0, false) => {}
        (_, true) => text.put(format_args!("{rest:#x}")),
        (_, false) => text.put(format_args!("|{rest:#x}")),
    }
}

/// open's flags: an access mode and bits.
pub fn open_flags(text: &mut Text, flags: u64) {
    value(text, ACCESS_MODE, flags & 3);
    if flags & !3 != 0 {
        text.push("|");
        bits(text, OPEN, flags & !3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(f: impl FnOnce(&mut Text)) -> alloc::string::String {
        let mut text = Text::default();
        f(&mut text);
        alloc::string::String::from_utf8(text.bytes().to_vec()).unwrap()
    }

    #[test]
    fn bits_are_named_and_the_rest_is_shown() {
        assert_eq!(shown(|t| bits(t, PROT, 0)), "PROT_NONE");
        assert_eq!(shown(|t| bits(t, PROT, 3)), "PROT_READ|PROT_WRITE");
        assert_eq!(shown(|t| bits(t, MAP, 0x22)), "MAP_PRIVATE|MAP_ANONYMOUS");
        assert_eq!(shown(|t| bits(t, AT, 0)), "0");
        assert_eq!(shown(|t| bits(t, AT, 0x80)), "0x80");
        assert_eq!(shown(|t| bits(t, AT, 0x180)), "AT_SYMLINK_NOFOLLOW|0x80");
        assert_eq!(shown(|t| open_flags(t, 0o2000002)), "O_RDWR|O_CLOEXEC");
        assert_eq!(shown(|t| open_flags(t, 0)), "O_RDONLY");
        assert_eq!(shown(|t| open_flags(t, 0o20040001)), "O_WRONLY|O_TMPFILE");
        assert_eq!(shown(|t| value(t, WHENCE, 9)), "0x9");
        assert_eq!(shown(|t| signal(t, 11)), "SIGSEGV");
        assert_eq!(shown(|t| signal(t, 34)), "SIGRT_2");
    }
}
