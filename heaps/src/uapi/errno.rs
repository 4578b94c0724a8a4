//! Error numbers as Linux/arm64 returns them (`asm-generic/errno-base.h`, `errno.h`).

use core::fmt;
use core::num::NonZeroU16;

/// An error number: a value between 1 and 4095, returned to user space negated.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(NonZeroU16);

/// What a fallible operation of the kernel returns.
pub type Result<T, E = Errno> = core::result::Result<T, E>;

macro_rules! errnos {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        impl Errno {
            $(
                #[doc = $text]
                pub const $name: Errno = Errno(NonZeroU16::new($value).unwrap());
            )*

            /// The symbolic name (`"EINVAL"`), or `None` for a number without one here.
            pub const fn name(self) -> Option<&'static str> {
                match self.0.get() {
                    $($value => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            /// What the C library would print for it, or `None` for a number without a name here.
            pub const fn text(self) -> Option<&'static str> {
                match self.0.get() {
                    $($value => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

errnos! {
    EPERM = 1, "Operation not permitted";
    ENOENT = 2, "No such file or directory";
    ESRCH = 3, "No such process";
    EINTR = 4, "Interrupted system call";
    EIO = 5, "I/O error";
    ENXIO = 6, "No such device or address";
    E2BIG = 7, "Argument list too long";
    ENOEXEC = 8, "Exec format error";
    EBADF = 9, "Bad file descriptor";
    ECHILD = 10, "No child processes";
    EAGAIN = 11, "Try again";
    ENOMEM = 12, "Out of memory";
    EACCES = 13, "Permission denied";
    EFAULT = 14, "Bad address";
    ENOTBLK = 15, "Block device required";
    EBUSY = 16, "Device or resource busy";
    EEXIST = 17, "File exists";
    EXDEV = 18, "Cross-device link";
    ENODEV = 19, "No such device";
    ENOTDIR = 20, "Not a directory";
    EISDIR = 21, "Is a directory";
    EINVAL = 22, "Invalid argument";
    ENFILE = 23, "File table overflow";
    EMFILE = 24, "Too many open files";
    ENOTTY = 25, "Not a typewriter";
    ETXTBSY = 26, "Text file busy";
    EFBIG = 27, "File too large";
    ENOSPC = 28, "No space left on device";
    ESPIPE = 29, "Illegal seek";
    EROFS = 30, "Read-only file system";
    EMLINK = 31, "Too many links";
    EPIPE = 32, "Broken pipe";
    EDOM = 33, "Argument out of domain";
    ERANGE = 34, "Result not representable";
    EDEADLK = 35, "Resource deadlock would occur";
    ENAMETOOLONG = 36, "File name too long";
    ENOLCK = 37, "No record locks available";
    ENOSYS = 38, "Function not implemented";
    ENOTEMPTY = 39, "Directory not empty";
    ELOOP = 40, "Too many symbolic links";
    EOVERFLOW = 75, "Value too large";
    EBADFD = 77, "File descriptor in bad state";
    ELIBBAD = 80, "Accessing a corrupted shared library";
    ENOTSOCK = 88, "Not a socket";
    EMSGSIZE = 90, "Message too large";
    EPROTOTYPE = 91, "Protocol wrong type for socket";
    ENOPROTOOPT = 92, "Protocol not available";
    EPROTONOSUPPORT = 93, "Protocol not supported";
    ESOCKTNOSUPPORT = 94, "Socket type not supported";
    EOPNOTSUPP = 95, "Operation not supported";
    EAFNOSUPPORT = 97, "Address family not supported by protocol";
    EADDRINUSE = 98, "Address already in use";
    ECONNABORTED = 103, "Connection aborted";
    ECONNRESET = 104, "Connection reset by peer";
    ENOBUFS = 105, "No buffer space available";
    EISCONN = 106, "Socket is connected";
    ENOTCONN = 107, "Socket not connected";
    ETIMEDOUT = 110, "Connection timed out";
    ECONNREFUSED = 111, "Connection refused";
    EALREADY = 114, "Operation already in progress";
    ESTALE = 116, "Stale file handle";
    EDQUOT = 122, "Quota exceeded";
    ECANCELED = 125, "Operation cancelled";
}

impl Errno {
    /// The error with this number, if it is one that a system call may return (1..=4095).
    pub const fn new(value: u16) -> Option<Errno> {
        match NonZeroU16::new(value) {
            Some(v) if value <= 4095 => Some(Errno(v)),
            _ => None,
        }
    }

    /// The positive number.
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// What a system call returns for it: the number, negated.
    pub const fn to_syscall(self) -> isize {
        -(self.0.get() as isize)
    }

    /// Reads a system call's return value: `-4095..=-1` are errors.
    pub const fn from_syscall(ret: isize) -> Result<usize> {
        if ret < 0 && ret >= -4095 {
            match Errno::new(-ret as u16) {
                Some(e) => Err(e),
                None => Ok(ret as usize),
            }
        } else {
            Ok(ret as usize)
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl core::error::Error for Errno {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_the_round_trip() {
        assert_eq!(Errno::from_syscall(Errno::EINVAL.to_syscall()), Err(Errno::EINVAL));
        assert_eq!(Errno::from_syscall(-4096), Ok(-4096isize as usize));
        assert_eq!(Errno::from_syscall(0), Ok(0));
        assert_eq!(Errno::new(0), None);
        assert_eq!(Errno::new(4096), None);
    }
}
