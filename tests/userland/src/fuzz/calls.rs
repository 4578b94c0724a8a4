//! The calls that are made, and what their arguments are (`include/linux/syscalls.h`).
//!
//! All that the kernel serves; a trial's test holds this to its numbers. reboot is never asked to end the machine, syslog
//! never to be silent, and only a few directories are mounted at.

use super::kind::Call;
use super::kind::Kind::{self, *};
use core::ffi::CStr;

/// O_*: access modes, and what openat, pipe2, dup3 and others make of them.
const OPEN: Kind = Flags(&[
    1,
    2,
    0o100,
    0o200,
    0o400,
    0o1000,
    0o2000,
    0o4000,
    0o10000,
    0o20000,
    0o40000,
    0o100000,
    0o200000,
    0o400000,
    0o1000000,
    0o2000000,
    0o4000000,
    0o10000000,
    0o20000000,
    1 << 31,
]);
const AT: Kind = Flags(&[0x100, 0x200, 0x400, 0x800, 0x1000, 0x2000, 0x4000, 1 << 31]);
const PROT: Kind = Flags(&[1, 2, 4, 8, 0x10, 0x20, 0x0100_0000, 0x0200_0000]);
const MAP: Kind = Flags(&[
    1, 2, 3, 0x10, 0x20, 0x20, 0x20, 0x100, 0x800, 0x1000, 0x2000, 0x4000, 0x8000, 0x10000, 0x20000, 0x40000,
    0x80000, 0x100000,
]);
const CLONE: Kind = Flags(&[
    0x11,
    0x100,
    0x200,
    0x400,
    0x800,
    0x1000,
    0x2000,
    0x4000,
    0x8000,
    0x10000,
    0x20000,
    0x40000,
    0x80000,
    0x100000,
    0x200000,
    0x400000,
    0x800000,
    0x1000000,
    0x2000000,
    0x4000000,
    0x8000000,
    0x10000000,
    0x20000000,
    0x40000000,
    0x80000000,
    0x100000000,
    0x200000000,
]);
const WAIT: Kind = Flags(&[1, 2, 4, 8, 0x01000000, 0x20000000, 0x40000000, 0x80000000]);
/// Two words of seconds and nanoseconds.
const TIMES: Kind = Struct(&[Time, Time]);
const CLOCK: Kind = OneOf(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, u64::MAX]);
const MODE: Kind = Flags(&[1, 2, 4, 0o10, 0o20, 0o40, 0o100, 0o200, 0o400, 0o4000, 0o40000, 0o100000]);
const SET_SIZE: Kind = OneOf(&[8, 8, 8, 8, 8, 8, 0, 16]);

const EVENTS: Kind = Flags(&[1, 4, 8, 0x10, 0x2000, 1 << 28, 1 << 29, 1 << 30, 1 << 31]);
/// Milliseconds.
const WAITING: Kind = OneOf(&[0, 1, 5, u64::MAX]);
const INTERVAL: Kind = Struct(&[Time, Time, Time, Time]);
/// Stream, datagram and others, with SOCK_NONBLOCK and SOCK_CLOEXEC.
const SOCKET: Kind = Flags(&[1, 1, 2, 3, 5, 0o4000, 0o2000000]);
/// A family and the beginning of a path: fz3, nothing, an abstract name; another family.
const SOCKET_NAME: Kind = Struct(&[OneOf(&[0x337a_660001, 0x1, 0x6566_0000_0001, 0x2]), OneOf(&[0]), Any]);
const NAME_LENGTH: Kind = OneOf(&[2, 6, 6, 6, 7, 8, 16, 110, 111, 0, 1]);
const MESSAGE: Kind = Flags(&[1, 2, 4, 0x20, 0x40, 0x80, 0x100, 0x4000, 0x4000_0000]);
/// Where children mount: nobody gives these names to anything else, so that a link never leads to what others need.
pub const MOUNT_POINTS: [&CStr; 3] = [c"/tmp/fz/fzm0", c"/tmp/fz/fzm1", c"/tmp/fz/fzm2"];
const MOUNT_POINT: Kind = Text(&MOUNT_POINTS);
/// Nothing is moved or mounted anew with other flags: what was there before would be, too.
const MOUNTED: Kind =
    Text(&[c"tmpfs", c"/tmp/fz", c"/tmp/fz/fzm1", c"fz1", c"/dev", c"/proc/self/fd", c"/", c"/dev/null"]);
const FILESYSTEM: Kind =
    Text(&[c"tmpfs", c"tmpfs", c"proc", c"sysfs", c"devtmpfs", c"ramfs", c"debugfs", c"fznothing", c""]);
const MOUNT_OPTIONS: Kind = Text(&[
    c"",
    c"size=64k",
    c"size=0,mode=700",
    c"nr_inodes=3,uid=1,gid=2",
    c"size=50%",
    c"size=k",
    c"mode=9",
    c"fznothing=1",
]);
const CAPABILITIES: Kind = Struct(&[OneOf(&[0x2008_0522, 0x2008_0522, 0x2007_1026, 0x1998_0330, 0])]);
/// Who sent a signal, from user space or not.
const SENT: Kind = Struct(&[Signal, OneOf(&[u64::MAX, 0xffff_fffa, 0xffff_ffff, 0, 0x80]), Any, Any, Any]);
/// A lock on a file: its type and what it starts from, where and how long, whose.
const FILE_LOCK: Kind =
    Struct(&[OneOf(&[0, 1, 2, 3, 0x1_0000, 0x1_0001, 0x2_0000, 0x9_0000]), Offset, Offset, OneOf(&[0, 1])]);
/// Users and groups: root, others, none.
const ID: Kind = OneOf(&[0, 0, 0, 1, 7, 65534, u64::MAX, 0xffff_ffff]);
const OPTION: Kind = OneOf(&[1, 2, 3, 4, 7, 8, 9, 13, 16, 17, 20, 21, 32, 33, 38, 39, 59, 76]);

macro_rules! calls {
    ($($name:ident = $number:literal ($($kind:expr),*);)*) => {
        /// All of them.
        pub const CALLS: &[Call] = &[
            $(Call { name: stringify!($name), number: $number, arguments: &[$($kind),*] },)*
        ];
    };
}

calls! {
    getcwd = 17 (Memory, Length);
    eventfd2 = 19 (Small, OPEN);
    epoll_create1 = 20 (OPEN);
    epoll_ctl = 21 (Fd, OneOf(&[1, 1, 1, 2, 3, 4]), Fd, Struct(&[EVENTS, Any]));
    epoll_pwait = 22 (Fd, Memory, Small, WAITING, Signals, SET_SIZE);
    dup = 23 (Fd);
    dup3 = 24 (Fd, Fd, OPEN);
    fcntl = 25 (Fd, OneOf(&[1033, 1033]), Flags(&[1, 2, 4, 8, 16]));
    fcntl = 25 (Fd, OneOf(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1024, 1030, 1031, 1032, 1033, 1034]), Any);
    fcntl = 25 (Fd, OneOf(&[5, 6, 7, 36, 37, 38]), FILE_LOCK);
    ioctl = 29 (Fd, Ioctl, Any);
    flock = 32 (Fd, Flags(&[1, 2, 4, 8]));
    mknodat = 33 (Dir, Name, MODE, Small);
    mkdirat = 34 (Dir, Name, MODE);
    unlinkat = 35 (Dir, Name, AT);
    symlinkat = 36 (Target, Dir, Name);
    linkat = 37 (Dir, Name, Dir, Name, AT);
    renameat = 38 (Dir, Name, Dir, Name);
    umount2 = 39 (MOUNT_POINT, OneOf(&[0, 0, 1, 2, 2, 4, 8]));
    umount2 = 39 (MOUNT_POINT, OneOf(&[0, 2]));
    mount = 40 (MOUNTED, MOUNT_POINT, FILESYSTEM, Flags(&[0x1000, 0x1000, 1, 2, 4, 8, 0x4000, 0x8000, 0x20000, 0x40000, 0x100000]), MOUNT_OPTIONS);
    statfs = 43 (Path, Memory);
    fstatfs = 44 (Fd, Memory);
    truncate = 45 (Name, Offset);
    ftruncate = 46 (Fd, Offset);
    fallocate = 47 (Fd, Small, Offset, Offset);
    faccessat = 48 (Dir, Path, Small);
    chdir = 49 (Path);
    fchdir = 50 (Fd);
    chroot = 51 (Path);
    fchmod = 52 (Fd, MODE);
    fchmodat = 53 (Dir, Name, MODE);
    fchownat = 54 (Dir, Name, Small, Small, AT);
    fchown = 55 (Fd, Small, Small);
    openat = 56 (Dir, Openable, OPEN, MODE);
    openat = 56 (Dir, Openable, Flags(&[2, 2, 0o2000000]), MODE);
    openat = 56 (Dir, Name, OPEN, MODE);
    close = 57 (Fd);
    pipe2 = 59 (Memory, OPEN);
    getdents64 = 61 (Fd, Memory, Length);
    lseek = 62 (Fd, Offset, OneOf(&[0, 1, 2, 3, 4, 5]));
    read = 63 (Fd, Memory, Length);
    write = 64 (Fd, Memory, Length);
    readv = 65 (Fd, Vectors, Small);
    writev = 66 (Fd, Vectors, Small);
    pread64 = 67 (Fd, Memory, Length, Offset);
    pwrite64 = 68 (Fd, Memory, Length, Offset);
    preadv = 69 (Fd, Vectors, Small, Offset);
    pwritev = 70 (Fd, Vectors, Small, Offset);
    sendfile = 71 (Fd, Fd, Memory, Length);
    pselect6 = 72 (Small, Memory, Memory, Memory, TIMES, Struct(&[Memory, SET_SIZE]));
    ppoll = 73 (Struct(&[Small, Small, Small, Small]), Small, TIMES, Signals, SET_SIZE);
    signalfd4 = 74 (Fd, Signals, SET_SIZE, OPEN);
    readlinkat = 78 (Dir, Path, Memory, Length);
    newfstatat = 79 (Dir, Path, Memory, AT);
    fstat = 80 (Fd, Memory);
    sync = 81 ();
    fsync = 82 (Fd);
    fdatasync = 83 (Fd);
    sync_file_range = 84 (Fd, Offset, Offset, Flags(&[1, 2, 4, 8]));
    timerfd_create = 85 (CLOCK, OPEN);
    timerfd_settime = 86 (Fd, Flags(&[1, 2, 4]), INTERVAL, Memory);
    timerfd_gettime = 87 (Fd, Memory);
    utimensat = 88 (Dir, Name, Struct(&[Time, Time, Time, Time]), AT);
    capget = 90 (CAPABILITIES, Memory);
    capset = 91 (CAPABILITIES, Struct(&[Any, Any, Any]));
    personality = 92 (Any);
    exit = 93 (Small);
    exit_group = 94 (Small);
    waitid = 95 (OneOf(&[0, 1, 2, 3]), Pid, Memory, WAIT, Memory);
    set_tid_address = 96 (Memory);
    unshare = 97 (CLONE);
    futex = 98 (
        Memory,
        OneOf(&[0, 1, 3, 4, 5, 6, 9, 10, 128, 129, 131, 132, 133, 137, 138, 256, 384, 393, 265]),
        Small, TIMES, Memory, Any
    );
    set_robust_list = 99 (Struct(&[Memory, Small, Memory]), OneOf(&[24, 24, 24, 0, 12]));
    get_robust_list = 100 (Pid, Memory, Memory);
    nanosleep = 101 (TIMES, Memory);
    getitimer = 102 (OneOf(&[0, 1, 2, 3]), Memory);
    setitimer = 103 (OneOf(&[0, 1, 2, 3]), INTERVAL, Memory);
    init_module = 105 (Memory, Length, Path);
    delete_module = 106 (Path, OPEN);
    timer_create = 107 (CLOCK, Struct(&[Any, Signal, Pid, Any]), Memory);
    timer_gettime = 108 (Small, Memory);
    timer_getoverrun = 109 (Small);
    timer_settime = 110 (Small, Flags(&[1, 2]), INTERVAL, Memory);
    timer_delete = 111 (Small);
    clock_settime = 112 (CLOCK, TIMES);
    clock_gettime = 113 (CLOCK, Memory);
    clock_getres = 114 (CLOCK, Memory);
    clock_nanosleep = 115 (CLOCK, Small, TIMES, Memory);
    syslog = 116 (OneOf(&[0, 1, 2, 3, 4, 5, 7, 9, 10, 11]), Memory, Length);
    sched_setparam = 118 (Pid, Struct(&[Small]));
    sched_setscheduler = 119 (Pid, Small, Memory);
    sched_getscheduler = 120 (Pid);
    sched_getparam = 121 (Pid, Memory);
    sched_setaffinity = 122 (Pid, Length, Struct(&[Small]));
    sched_getaffinity = 123 (Pid, Length, Memory);
    sched_yield = 124 ();
    sched_get_priority_max = 125 (Small);
    sched_get_priority_min = 126 (Small);
    restart_syscall = 128 ();
    kill = 129 (Pid, Signal);
    tkill = 130 (Pid, Signal);
    tgkill = 131 (Pid, Pid, Signal);
    sigaltstack = 132 (Struct(&[Memory, Small, Length]), Memory);
    rt_sigsuspend = 133 (Signals, SET_SIZE);
    rt_sigaction = 134 (Signal, Struct(&[Any, Any, Any, Any]), Memory, SET_SIZE);
    rt_sigprocmask = 135 (Small, Signals, Memory, SET_SIZE);
    rt_sigpending = 136 (Memory, SET_SIZE);
    rt_sigtimedwait = 137 (Signals, Memory, TIMES, SET_SIZE);
    rt_sigqueueinfo = 138 (Pid, Signal, SENT);
    rt_sigreturn = 139 ();
    setpriority = 140 (Small, Pid, Small);
    getpriority = 141 (Small, Pid);
    reboot = 142 (OneOf(&[0xfee1_dead, 0xfee1_dead, 0]), OneOf(&[672_274_793, 85_072_278, 0]), OneOf(&[0, 0x89ab_cdef, 1]), Memory);
    setregid = 143 (ID, ID);
    setgid = 144 (ID);
    setreuid = 145 (ID, ID);
    setuid = 146 (ID);
    setresuid = 147 (ID, ID, ID);
    getresuid = 148 (Memory, Memory, Memory);
    setresgid = 149 (ID, ID, ID);
    getresgid = 150 (Memory, Memory, Memory);
    setfsuid = 151 (ID);
    setfsgid = 152 (ID);
    times = 153 (Memory);
    setpgid = 154 (Pid, Pid);
    getpgid = 155 (Pid);
    getsid = 156 (Pid);
    setsid = 157 ();
    getgroups = 158 (Small, Memory);
    setgroups = 159 (Small, Memory);
    uname = 160 (Memory);
    sethostname = 161 (Memory, Small);
    setdomainname = 162 (Memory, Small);
    getrlimit = 163 (Small, Memory);
    setrlimit = 164 (OneOf(&[0, 3, 4, 6, 8, 16]), Struct(&[Any, Any]));
    getrusage = 165 (Small, Memory);
    umask = 166 (MODE);
    prctl = 167 (OneOf(&[1, 2, 3, 4, 15, 16, 22, 36, 37, 38, 39, 53, 54]), Any, Any, Any, Any);
    getcpu = 168 (Memory, Memory, Memory);
    gettimeofday = 169 (Memory, Memory);
    settimeofday = 170 (TIMES, Memory);
    getpid = 172 ();
    getppid = 173 ();
    getuid = 174 ();
    geteuid = 175 ();
    getgid = 176 ();
    getegid = 177 ();
    gettid = 178 ();
    sysinfo = 179 (Memory);
    socket = 198 (Small, Small, Small);
    socketpair = 199 (OneOf(&[1, 1, 1, 2, 16]), SOCKET, Small, Memory);
    bind = 200 (Fd, SOCKET_NAME, NAME_LENGTH);
    listen = 201 (Fd, Small);
    accept = 202 (Fd, Memory, Memory);
    connect = 203 (Fd, SOCKET_NAME, NAME_LENGTH);
    getsockname = 204 (Fd, Memory, Memory);
    getpeername = 205 (Fd, Memory, Memory);
    sendto = 206 (Fd, Memory, Length, MESSAGE, SOCKET_NAME, NAME_LENGTH);
    recvfrom = 207 (Fd, Memory, Length, MESSAGE, Memory, Memory);
    setsockopt = 208 (Fd, OneOf(&[1, 1, 0, 6]), OPTION, Memory, Small);
    getsockopt = 209 (Fd, OneOf(&[1, 1, 0, 6]), OPTION, Memory, Memory);
    shutdown = 210 (Fd, Small);
    sendmsg = 211 (Fd, Header, MESSAGE);
    recvmsg = 212 (Fd, Header, MESSAGE);
    readahead = 213 (Fd, Offset, Length);
    brk = 214 (Any);
    munmap = 215 (Address, Extent);
    mremap = 216 (Address, Extent, Extent, Flags(&[1, 2, 4, 8]), Address);
    clone = 220 (CLONE, Memory, Memory, Memory, Memory);
    execve = 221 (Program, Strings, Strings);
    mmap = 222 (Address, Extent, PROT, MAP, Fd, Offset);
    mmap = 222 (Address, Extent, PROT, OneOf(&[0x22, 0x21, 0x32, 0x31, 0x4022, 0x8022, 0x8021]), Fd, Small);
    fadvise64 = 223 (Fd, Offset, Offset, Small);
    mprotect = 226 (Address, Extent, PROT);
    msync = 227 (Address, Extent, Flags(&[1, 2, 4, 8]));
    mlock = 228 (Address, Extent);
    munlock = 229 (Address, Extent);
    mlockall = 230 (Flags(&[1, 2, 4]));
    munlockall = 231 ();
    mincore = 232 (Address, Extent, Memory);
    madvise = 233 (Address, Extent, OneOf(&[0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 14, 16, 17, 18, 20, 21, 22, 23]));
    rt_tgsigqueueinfo = 240 (Pid, Pid, Signal, SENT);
    accept4 = 242 (Fd, Memory, Memory, OPEN);
    recvmmsg = 243 (Fd, Header, Small, MESSAGE, TIMES);
    wait4 = 260 (Pid, Memory, WAIT, Memory);
    prlimit64 = 261 (Pid, OneOf(&[0, 3, 4, 6, 7, 8, 16]), Struct(&[Any, Any]), Memory);
    syncfs = 267 (Fd);
    sendmmsg = 269 (Fd, Header, Small, MESSAGE);
    finit_module = 273 (Fd, Path, Small);
    renameat2 = 276 (Dir, Name, Dir, Name, Flags(&[1, 2, 4, 8]));
    getrandom = 278 (Memory, Length, Flags(&[1, 2, 4, 8]));
    memfd_create = 279 (Path, Flags(&[1, 2, 2, 4, 8]));
    execveat = 281 (Dir, Program, Strings, Strings, AT);
    copy_file_range = 285 (Fd, Memory, Fd, Memory, Length, Small);
    preadv2 = 286 (Fd, Vectors, Small, Offset, Small, Flags(&[1, 2, 4, 8, 16]));
    pwritev2 = 287 (Fd, Vectors, Small, Offset, Small, Flags(&[1, 2, 4, 8, 16]));
    membarrier = 283 (Flags(&[1, 2, 4, 8, 16, 32, 64, 128]), Small, Small);
    mlock2 = 284 (Address, Extent, Flags(&[1, 2]));
    statx = 291 (Dir, Path, AT, Any, Memory);
    rseq = 293 (Memory, Small, Small, Small);
    pidfd_send_signal = 424 (Fd, Signal, SENT, Small);
    pidfd_open = 434 (Pid, OPEN);
    clone3 = 435 (
        Struct(&[CLONE, Memory, Memory, Memory, Signal, Memory, Length, Memory, Small, Small, Small]),
        OneOf(&[64, 80, 88, 64, 63, 4096, 4097])
    );
    close_range = 436 (Fd, Fd, Flags(&[2, 4, 1, 8]));
    pidfd_getfd = 438 (Fd, Fd, Small);
    faccessat2 = 439 (Dir, Path, Small, AT);
    epoll_pwait2 = 441 (Fd, Memory, Small, TIMES, Signals, SET_SIZE);
}
