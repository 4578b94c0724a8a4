//! Attributes as user space sees them: arm64's `struct stat` and `struct statx`.
#![forbid(unsafe_code)]

use zerocopy::{Immutable, IntoBytes};

use super::attributes::Time;
use super::file::File;
use super::inode::Inode;

const NS_PER_S: i64 = 1_000_000_000;
/// The block size every filesystem says it has, in bytes.
pub const BLOCK_SIZE: u32 = 4096;

/// `struct stat` (`asm-generic/stat.h`).
#[derive(Clone, Copy, Debug, Default, IntoBytes, Immutable)]
#[repr(C)]
#[expect(missing_docs, reason = "the names are the standard's")]
pub struct Stat {
    pub st_dev: u64,
    pub st_ino: u64,
    pub st_mode: u32,
    pub st_nlink: u32,
    pub st_uid: u32,
    pub st_gid: u32,
    pub st_rdev: u64,
    pub pad1: u64,
    pub st_size: i64,
    pub st_blksize: i32,
    pub pad2: i32,
    pub st_blocks: i64,
    pub st_atime: i64,
    pub st_atime_nsec: u64,
    pub st_mtime: i64,
    pub st_mtime_nsec: u64,
    pub st_ctime: i64,
    pub st_ctime_nsec: u64,
    pub unused: [u32; 2],
}

/// A time of `struct statx`.
#[derive(Clone, Copy, Debug, Default, IntoBytes, Immutable)]
#[repr(C)]
#[expect(missing_docs, reason = "the names are the standard's")]
pub struct StatxTime {
    pub tv_sec: i64,
    pub tv_nsec: u32,
    pub pad: i32,
}

/// `struct statx` (`linux/stat.h`).
#[derive(Clone, Copy, Debug, Default, IntoBytes, Immutable)]
#[repr(C)]
#[expect(missing_docs, reason = "the names are the standard's")]
pub struct Statx {
    pub stx_mask: u32,
    pub stx_blksize: u32,
    pub stx_attributes: u64,
    pub stx_nlink: u32,
    pub stx_uid: u32,
    pub stx_gid: u32,
    pub stx_mode: u16,
    pub pad1: u16,
    pub stx_ino: u64,
    pub stx_size: u64,
    pub stx_blocks: u64,
    pub stx_attributes_mask: u64,
    pub stx_atime: StatxTime,
    pub stx_btime: StatxTime,
    pub stx_ctime: StatxTime,
    pub stx_mtime: StatxTime,
    pub stx_rdev_major: u32,
    pub stx_rdev_minor: u32,
    pub stx_dev_major: u32,
    pub stx_dev_minor: u32,
    pub stx_mnt_id: u64,
    pub spare: [u64; 13],
}

/// The fields of `struct statx` that are always filled in: `STATX_BASIC_STATS`, `STATX_MNT_ID`.
const STATX_FILLED: u32 = 0x7ff | 0x1000;
const STATX_ATTR_MOUNT_ROOT: u64 = 0x2000;

impl Stat {
    /// The attributes of an inode. May sleep.
    pub fn of(inode: &Inode) -> Stat {
        let [atime, mtime, ctime] = inode.times();
        let (uid, gid) = inode.owner();
        let (seconds, nanos) =
            (|ns: Time| ns.div_euclid(NS_PER_S), |ns: Time| ns.rem_euclid(NS_PER_S) as u64);
        Stat {
            st_dev: inode.dev().into(),
            st_ino: inode.ino(),
            st_mode: inode.mode(),
            st_nlink: inode.nlink(),
            st_uid: uid,
            st_gid: gid,
            st_rdev: inode.rdev().map_or(0, |rdev| rdev.encode().into()),
            st_size: inode.size() as i64,
            st_blksize: BLOCK_SIZE as i32,
            st_blocks: inode.blocks() as i64,
            st_atime: seconds(atime),
            st_atime_nsec: nanos(atime),
            st_mtime: seconds(mtime),
            st_mtime_nsec: nanos(mtime),
            st_ctime: seconds(ctime),
            st_ctime_nsec: nanos(ctime),
            ..Stat::default()
        }
    }

    /// The attributes of an open file. May sleep.
    pub fn of_file(file: &File) -> Stat {
        let mut stat = Stat::of(file.inode());
        if let Some(size) = file.ops().size() {
            stat.st_size = size as i64;
        }
        stat
    }
}

impl Statx {
    /// The same attributes in the larger structure; `mount_root` for the root of a filesystem.
    pub fn new(stat: &Stat, mount_root: bool) -> Statx {
        let time = |tv_sec, nsec: u64| StatxTime { tv_sec, tv_nsec: nsec as u32, pad: 0 };
        let rdev = heaps::DevT::decode(stat.st_rdev as u32);
        Statx {
            stx_mask: STATX_FILLED,
            stx_blksize: BLOCK_SIZE,
            stx_attributes: if mount_root { STATX_ATTR_MOUNT_ROOT } else { 0 },
            stx_attributes_mask: STATX_ATTR_MOUNT_ROOT,
            stx_nlink: stat.st_nlink,
            stx_uid: stat.st_uid,
            stx_gid: stat.st_gid,
            stx_mode: stat.st_mode as u16,
            stx_ino: stat.st_ino,
            stx_size: stat.st_size as u64,
            stx_blocks: stat.st_blocks as u64,
            stx_atime: time(stat.st_atime, stat.st_atime_nsec),
            stx_ctime: time(stat.st_ctime, stat.st_ctime_nsec),
            stx_mtime: time(stat.st_mtime, stat.st_mtime_nsec),
            stx_rdev_major: rdev.major(),
            stx_rdev_minor: rdev.minor(),
            stx_dev_minor: stat.st_dev as u32,
            stx_mnt_id: stat.st_dev,
            ..Statx::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layouts_are_arm64_s() {
        assert_eq!(size_of::<Stat>(), 128);
        assert_eq!(core::mem::offset_of!(Stat, st_size), 48);
        assert_eq!(core::mem::offset_of!(Stat, st_mtime), 88);
        assert_eq!(size_of::<Statx>(), 256);
        assert_eq!(core::mem::offset_of!(Statx, stx_mtime), 112);
        assert_eq!(core::mem::offset_of!(Statx, stx_rdev_major), 128);
    }
}
