//! Numbers and structures of the socket calls (`linux/socket.h`, `asm-generic/socket.h`, `linux/un.h`).
#![forbid(unsafe_code)]

use zerocopy::{FromBytes, Immutable, IntoBytes};

macro_rules! numbers {
    ($type:ty: $($name:ident = $value:expr, $text:literal;)*) => {
        $(#[doc = $text] pub const $name: $type = $value;)*
    };
}

numbers! { u32:
    AF_UNSPEC = 0, "No family: connecting to it disconnects.";
    AF_UNIX = 1, "The family of sockets within one machine.";
    AF_MAX = 46, "Families end here.";
    SOCK_STREAM = 1, "A stream of bytes.";
    SOCK_DGRAM = 2, "Datagrams.";
    SOCK_RAW = 3, "What BSD took for datagrams.";
    SOCK_SEQPACKET = 5, "Datagrams over a connection.";
    SOCK_MAX = 11, "Types end here.";
    SOCK_TYPE_MASK = 0xf, "The type's bits; the others are flags.";
    SOCK_NONBLOCK = 0o4000, "The new file does not block.";
    SOCK_CLOEXEC = 0o2000000, "The new descriptor is closed at execve.";

    MSG_OOB = 1, "Urgent data.";
    MSG_PEEK = 2, "Look, and take nothing.";
    MSG_CTRUNC = 8, "Control messages did not fit.";
    MSG_TRUNC = 0x20, "A datagram did not fit; asked for: return its full length.";
    MSG_DONTWAIT = 0x40, "Do not block.";
    MSG_EOR = 0x80, "End of a record.";
    MSG_WAITALL = 0x100, "Wait for all that was asked for.";
    MSG_NOSIGNAL = 0x4000, "No SIGPIPE.";
    MSG_WAITFORONE = 0x10000, "Do not block after the first message.";
    MSG_CMSG_CLOEXEC = 0x4000_0000, "Received descriptors are closed at execve.";

    SOL_SOCKET = 1, "Options and control messages of sockets in general.";
    SCM_RIGHTS = 1, "A control message of descriptors.";
    SCM_CREDENTIALS = 2, "A control message that says who sent.";

    SO_DEBUG = 1, "Stored.";
    SO_REUSEADDR = 2, "Stored.";
    SO_TYPE = 3, "The type.";
    SO_ERROR = 4, "The pending error, taken.";
    SO_DONTROUTE = 5, "Stored.";
    SO_BROADCAST = 6, "Stored.";
    SO_SNDBUF = 7, "How much may be sent and not received, in bytes with overhead.";
    SO_RCVBUF = 8, "Stored: what is sent counts on the sender's side.";
    SO_KEEPALIVE = 9, "Stored.";
    SO_OOBINLINE = 10, "Stored.";
    SO_PASSCRED = 16, "Receive the sender's credentials.";
    SO_PEERCRED = 17, "Who connected, or listens.";
    SO_RCVLOWAT = 18, "How many bytes a stream waits for.";
    SO_SNDLOWAT = 19, "Always 1.";
    SO_RCVTIMEO = 20, "How long receiving and accepting may block.";
    SO_SNDTIMEO = 21, "How long sending and connecting may block.";
    SO_ACCEPTCONN = 30, "Whether it listens.";
    SO_SNDBUFFORCE = 32, "SO_SNDBUF without its limit.";
    SO_RCVBUFFORCE = 33, "SO_RCVBUF without its limit.";
    SO_PROTOCOL = 38, "The protocol.";
    SO_DOMAIN = 39, "The family.";
    SO_RCVTIMEO_NEW = 66, "As SO_RCVTIMEO.";
    SO_SNDTIMEO_NEW = 67, "As SO_SNDTIMEO.";

    FIONREAD = 0x541b, "How many bytes are there to read (also SIOCINQ).";
    TIOCOUTQ = 0x5411, "How many bytes sent are not received, with overhead (also SIOCOUTQ).";
}

/// Most descriptors in one message (`SCM_MAX_FD`).
pub const SCM_MAX_FD: usize = 253;
/// Longest queue of connections (`net.core.somaxconn`).
pub const SOMAXCONN: usize = 4096;
/// Length of `sun_path`, in bytes.
pub const SUN_PATH_LEN: usize = 108;
/// Longest address of any family, in bytes (`struct sockaddr_storage`).
pub const ADDRESS_MAX: usize = 128;

/// Who sends (`struct ucred`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Cred {
    /// The process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

impl Cred {
    /// Of a message whose sender was not asked who it is: nobody.
    pub const UNKNOWN: Cred = Cred { pid: 0, uid: 65534, gid: 65534 };
    /// Of a socket that has no peer.
    pub const NONE: Cred = Cred { pid: 0, uid: u32::MAX, gid: u32::MAX };
}

#[cfg(test)]
mod tests {
    use linux_raw_sys::net as linux;

    #[test]
    fn the_numbers_are_linux_s() {
        assert_eq!(super::SOCK_SEQPACKET, linux::SOCK_SEQPACKET);
        assert_eq!(super::AF_UNIX, linux::AF_UNIX);
        assert_eq!(super::MSG_CMSG_CLOEXEC, linux::MSG_CMSG_CLOEXEC);
        assert_eq!(super::SO_PEERCRED, linux::SO_PEERCRED);
        assert_eq!(super::SO_DOMAIN, linux::SO_DOMAIN);
        assert_eq!(super::SO_SNDTIMEO_NEW, linux::SO_SNDTIMEO_NEW);
        assert_eq!(super::SO_ACCEPTCONN, linux::SO_ACCEPTCONN);
    }
}
