//! What an inode says of itself besides its contents: mode, owner, links, times. Models the fields of `struct inode`.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};

use super::inode::{S_IFDIR, S_IFMT};
use crate::time::clock::Base;

const S_ISUID: u32 = 0o4000;
const S_ISGID: u32 = 0o2000;
const S_IXGRP: u32 = 0o010;
/// How old a time of access may be before a read renews it in any case, in nanoseconds.
const A_DAY: i64 = 24 * 3600 * 1_000_000_000;

/// Nanoseconds since 1970.
pub type Time = i64;

/// The time of day.
pub fn now() -> Time {
    i64::try_from(Base::Realtime.now()).unwrap_or(Time::MAX)
}

/// The attributes.
pub struct Attributes {
    mode: AtomicU32,
    nlink: AtomicU32,
    uid: AtomicU32,
    gid: AtomicU32,
    atime: AtomicI64,
    mtime: AtomicI64,
    ctime: AtomicI64,
    /// When it was made.
    pub btime: Time,
    /// Whether a file without a name may be given one.
    linkable: AtomicBool,
}

impl Attributes {
    /// Those of something made now: type and permissions, and one link.
    pub fn new(mode: u32) -> Attributes {
        let now = now();
        Attributes {
            mode: AtomicU32::new(mode),
            nlink: AtomicU32::new(if mode & S_IFMT == S_IFDIR { 2 } else { 1 }),
            uid: AtomicU32::new(0),
            gid: AtomicU32::new(0),
            atime: AtomicI64::new(now),
            mtime: AtomicI64::new(now),
            ctime: AtomicI64::new(now),
            btime: now,
            linkable: AtomicBool::new(false),
        }
    }

    /// Type and permission bits.
    pub fn mode(&self) -> u32 {
        self.mode.load(Ordering::Relaxed)
    }

    /// Sets the permission bits; the type stays.
    pub fn set_permissions(&self, bits: u32) {
        self.mode.store(self.mode() & S_IFMT | bits & 0o7777, Ordering::Relaxed);
        self.change();
    }

    /// Its owner and group.
    pub fn owner(&self) -> (u32, u32) {
        (self.uid.load(Ordering::Relaxed), self.gid.load(Ordering::Relaxed))
    }

    /// Sets the owner, the group, or both. What makes a program run as its owner goes.
    pub fn set_owner(&self, uid: Option<u32>, gid: Option<u32>) {
        if let Some(uid) = uid {
            self.uid.store(uid, Ordering::Relaxed);
        }
        if let Some(gid) = gid {
            self.gid.store(gid, Ordering::Relaxed);
        }
        let mode = self.mode();
        if mode & S_IFMT != S_IFDIR {
            let group = if mode & S_IXGRP != 0 { S_ISGID } else { 0 };
            self.mode.store(mode & !(S_ISUID | group), Ordering::Relaxed);
        }
        self.change();
    }

    /// Takes the group of the directory it is made in, where that says so by its set-group-ID bit.
    pub fn inherit(&self, dir: &Attributes) {
        if dir.mode() & S_ISGID == 0 {
            return;
        }
        self.gid.store(dir.owner().1, Ordering::Relaxed);
        if self.mode() & S_IFMT == S_IFDIR {
            self.mode.fetch_or(S_ISGID, Ordering::Relaxed);
        }
    }

    /// How many names it has.
    pub fn nlink(&self) -> u32 {
        self.nlink.load(Ordering::Relaxed)
    }

    /// Sets how many names it has; the namespace lock is held, or nobody else knows the inode.
    pub(super) fn set_nlink(&self, links: u32) {
        self.nlink.store(links, Ordering::Relaxed);
    }

    /// Whether it may be given a name though it has none.
    pub fn linkable(&self) -> bool {
        self.linkable.load(Ordering::Relaxed)
    }

    /// Says that it may.
    pub fn set_linkable(&self) {
        self.linkable.store(true, Ordering::Relaxed);
    }

    /// Times of access, of modification and of change.
    pub fn times(&self) -> [Time; 3] {
        [&self.atime, &self.mtime, &self.ctime].map(|time| time.load(Ordering::Relaxed))
    }

    /// Sets the times of access and of modification.
    pub fn set_times(&self, atime: Option<Time>, mtime: Option<Time>) {
        if let Some(time) = atime {
            self.atime.store(time, Ordering::Relaxed);
        }
        if let Some(time) = mtime {
            self.mtime.store(time, Ordering::Relaxed);
        }
        self.change();
    }

    /// Notes that its contents change now.
    pub fn touch(&self) {
        self.mtime.store(now(), Ordering::Relaxed);
        self.change();
    }

    /// Notes that its attributes change now.
    pub fn change(&self) {
        self.ctime.store(now(), Ordering::Relaxed);
    }

    /// Notes that it is read now, unless it was since it changed, a short while ago (`relatime`).
    pub fn access(&self) {
        let ([atime, mtime, ctime], now) = (self.times(), now());
        if atime <= mtime || atime <= ctime || now - atime >= A_DAY {
            self.atime.store(now, Ordering::Relaxed);
        }
    }
}
