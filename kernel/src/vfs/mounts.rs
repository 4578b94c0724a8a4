//! What is mounted where, and the tree that process 1 starts in. Models `fs/namespace.c`.
//!
//! There is one namespace. The root of what is mounted takes the place of the directory it covers, which the table keeps.
//! A bind mount, and a second mount of a filesystem of the kernel's, is another dentry with the same entries: below it,
//! `..` and paths are those of the first place.
#![forbid(unsafe_code)]

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};

use heaps::{Errno, Result};

use super::dentry::Dentry;
use super::initramfs::{self, Malformed};
use super::mount_flags;
use super::mount_options::Options;
use super::quota::Quota;
use super::uses::{MAX_DEVS, is_used};
use super::write_access::is_written;
use super::{debugfs, devtmpfs, namespace, path, procfs, ramfs, sysfs};
use crate::mm::admit::admit;
use crate::mm::fallible::{self, Escaped};
use crate::sync::{Mutex, order};

const ROOT_DEV: u32 = 1;
/// The first number for a filesystem that user space makes.
const FIRST_DEV: u32 = 32;
/// Most mounts there may be.
const MAX_MOUNTS: usize = 1000;
/// Room made at first, so that the table's own memory hardly ever changes.
const ROOM: usize = 256;

/// The filesystems that can be mounted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// What the boot image was unpacked into.
    Rootfs,
    /// A new one in memory.
    Tmpfs,
    /// `/proc`.
    Proc,
    /// `/sys`.
    Sysfs,
    /// `/dev`.
    Devtmpfs,
    /// `/sys/kernel/debug`.
    Debugfs,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 6] =
        [Kind::Rootfs, Kind::Tmpfs, Kind::Proc, Kind::Sysfs, Kind::Devtmpfs, Kind::Debugfs];

    /// As `mount` names it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Rootfs => "rootfs",
            Kind::Tmpfs => "tmpfs",
            Kind::Proc => "proc",
            Kind::Sysfs => "sysfs",
            Kind::Devtmpfs => "devtmpfs",
            Kind::Debugfs => "debugfs",
        }
    }

    /// The kind called `name` that user space may mount. `ENODEV`.
    pub fn from_name(name: &[u8]) -> Result<Kind> {
        let kind = Kind::ALL.into_iter().find(|kind| kind.name().as_bytes() == name);
        kind.filter(|kind| *kind != Kind::Rootfs).ok_or(Errno::ENODEV)
    }

    /// A dentry that leads to the filesystem, new where it is a filesystem of its own. May sleep.
    fn root(self, options: &Options) -> Result<Arc<Dentry>> {
        // Paths are those of the first place: there it is the tree's own root.
        let first_or_alias = |root: &Arc<Dentry>| {
            let mounted = TABLE.lock().mounts.iter().any(|mount| Arc::ptr_eq(&mount.root, root));
            if mounted { Dentry::alias(root) } else { root.clone() }
        };
        Ok(match self {
            Kind::Rootfs => return Err(Errno::ENODEV),
            Kind::Tmpfs => new_tmpfs(options)?,
            Kind::Proc => Dentry::root(procfs::root().inode().clone()),
            Kind::Sysfs => first_or_alias(sysfs::root()?),
            Kind::Devtmpfs => first_or_alias(devtmpfs::root()),
            Kind::Debugfs => first_or_alias(debugfs::root()),
        })
    }
}

struct Mount {
    id: u64,
    kind: Kind,
    source: Vec<u8>,
    root: Arc<Dentry>,
    /// What it shows of its filesystem: the path of a directory, for a bind mount.
    shows: Vec<u8>,
    /// The directory it covers; none for the root of everything.
    covered: Option<Arc<Dentry>>,
    options: Options,
}

impl Mount {
    fn dev(&self) -> u32 {
        self.root.inode().dev()
    }

    /// What every filesystem shows after its access.
    fn plain(&self) -> String {
        let own = mount_flags::show(self.dev());
        if self.kind == Kind::Rootfs { own } else { own + ",relatime" }
    }

    fn is_bind(&self) -> bool {
        self.shows != b"/"
    }
}

struct Table {
    mounts: Vec<Mount>,
    /// The trees of filesystems that were unmounted, until nobody uses them.
    detached: Vec<Arc<Dentry>>,
}

impl Table {
    /// Whether a filesystem is mounted, other than at `root`.
    fn shows(&self, dev: u32, root: &Arc<Dentry>) -> bool {
        self.mounts.iter().any(|mount| mount.dev() == dev && !Arc::ptr_eq(&mount.root, root))
    }

    /// What is mounted right over a mount.
    fn over(&self, root: &Arc<Dentry>) -> Option<Arc<Dentry>> {
        let covers =
            |mount: &&Mount| mount.covered.as_ref().is_some_and(|covered| Arc::ptr_eq(covered, root));
        self.mounts.iter().find(covers).map(|mount| mount.root.clone())
    }

    /// A number that no filesystem has.
    fn free_dev(&self) -> Option<u32> {
        let roots = || self.mounts.iter().map(|mount| &mount.root).chain(&self.detached);
        (FIRST_DEV..MAX_DEVS as u32).find(|&dev| roots().all(|root| root.inode().dev() != dev))
    }
}

static TABLE: Mutex<Table, { order::MOUNTS }> =
    Mutex::new(Table { mounts: Vec::new(), detached: Vec::new() });
static ANY_DETACHED: AtomicBool = AtomicBool::new(false);

fn new_tmpfs(options: &Options) -> Result<Arc<Dentry>> {
    let dev = TABLE.lock().free_dev();
    let quota = match options.size {
        Some(0) => Quota::new(usize::MAX),
        Some(bytes) => Quota::new(usize::try_from(bytes.div_ceil(4096)).unwrap_or(usize::MAX)),
        None => Quota::half_of_memory(),
    };
    let inode = namespace::dir_inode(dev.ok_or(Errno::ENOSPC)?, options.mode.unwrap_or(0o1777), Some(quota));
    inode.set_owner(options.uid, options.gid);
    Ok(Dentry::root(inode))
}

/// Mounts a filesystem with flags of [`mount_flags`] on `at`. `ENOTDIR`, `EBUSY` where it is mounted already and for the root of everything, `EINVAL`
/// where names are made up, `ENOSPC`, `ENOMEM`. May sleep.
pub fn mount(at: &Arc<Dentry>, kind: Kind, source: Vec<u8>, options: Options, flags: u32) -> Result<()> {
    // Of these there is one; of the others, each mount has its own.
    let one = matches!(kind, Kind::Sysfs | Kind::Devtmpfs | Kind::Debugfs);
    let again = |mount: &Mount| Arc::ptr_eq(&mount.root, at) && mount.kind == kind && one;
    if TABLE.lock().mounts.iter().any(again) {
        return Err(Errno::EBUSY);
    }
    let root = kind.root(&options)?;
    let dev = root.inode().dev();
    let again = TABLE.lock().shows(dev, &root);
    attach(at, Mount { id: 0, kind, source, root, shows: b"/".to_vec(), covered: None, options })?;
    // Another mount of what is mounted already has the flags that has.
    if !again {
        mount_flags::set(dev, flags);
    }
    Ok(())
}

/// Lets `at` show what `of` shows. As [`mount`]; `ENOTDIR` also where one is a directory and the other is none.
pub fn bind(at: &Arc<Dentry>, of: &Arc<Dentry>) -> Result<()> {
    let (kind, source, options) = {
        let table = TABLE.lock();
        let from = table.mounts.iter().find(|mount| mount.dev() == of.inode().dev()).ok_or(Errno::EINVAL)?;
        (from.kind, from.source.clone(), from.options)
    };
    if matches!(of.inode().content(), super::inode::Content::Dynamic(_)) && !of.is_mount() {
        return Err(Errno::EINVAL);
    }
    let mount =
        Mount { id: 0, kind, source, root: Dentry::alias(of), shows: of.path()?, covered: None, options };
    attach(at, mount)
}

fn attach(at: &Arc<Dentry>, mut mount: Mount) -> Result<()> {
    admit()?;
    let dev = u64::from(mount.dev());
    let _order = namespace::order();
    let mut table = TABLE.lock();
    let mounts = &mut table.mounts;
    let taken = mounts.iter().any(|other| other.id == dev);
    let last = mounts.iter().map(|other| other.id).max().unwrap_or(0).max(MAX_DEVS as u64);
    mount.id = if taken { last + 1 } else { dev };
    if mounts.len() >= MAX_MOUNTS {
        return Err(Errno::ENOSPC);
    }
    let room = ROOM.max(mounts.len() + 1) - mounts.len();
    mounts.try_reserve(room).map_err(|_| Errno::ENOMEM)?;
    mount.covered = Some(namespace::cover(at, &mount.root)?);
    mounts.push(mount);
    Ok(())
}

/// Unmounts what is mounted at `root`, or topmost over it. `EINVAL` where nothing is, `EBUSY` for what is in use, unless
/// `detach`: then it goes when it is not used any more; for what has other mounts in it, and for the root of everything.
/// May sleep.
pub fn unmount(root: &Arc<Dentry>, detach: bool) -> Result<()> {
    let order = namespace::order();
    let mut table = TABLE.lock();
    // What a descriptor led to, or was looked up a while ago, may have another mount over it.
    let topmost = core::iter::successors(table.over(root), |top| table.over(top)).last();
    let root = topmost.as_ref().unwrap_or(root);
    let at = table.mounts.iter().rposition(|mount| Arc::ptr_eq(&mount.root, root)).ok_or(Errno::EINVAL)?;
    let mount = &table.mounts[at];
    let (dev, own) = (mount.dev(), mount.kind == Kind::Tmpfs && !mount.is_bind());
    let covered = mount.covered.clone().ok_or(Errno::EBUSY)?;
    // Who uses a filesystem is not known by mount: where there is another mount of it, it may be that one.
    if !mount.is_bind() && !table.shows(dev, root) {
        let inside =
            |other: &Mount| other.covered.as_ref().is_some_and(|covered| covered.inode().dev() == dev);
        if table.mounts.iter().any(inside) || (is_used(dev) && !detach) {
            return Err(Errno::EBUSY);
        }
    }
    if own {
        table.detached.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        table.detached.push(root.clone());
        ANY_DETACHED.store(true, Ordering::Release);
    }
    namespace::uncover(root, &covered);
    let gone = table.mounts.remove(at);
    drop(table);
    drop(order);
    drop(gone);
    reap();
    Ok(())
}

/// The last use of a filesystem has gone. Does not sleep: where somebody is mounting, they take down what is left, or
/// whoever comes next.
pub(super) fn unused() {
    if ANY_DETACHED.load(Ordering::Acquire) {
        reap();
    }
}

/// Takes down the filesystems that are neither mounted nor used.
fn reap() {
    while let Some(mut table) = TABLE.try_lock() {
        let gone = |root: &Arc<Dentry>| {
            let dev = root.inode().dev();
            !is_used(dev) && !table.mounts.iter().any(|mount| mount.dev() == dev)
        };
        let at = table.detached.iter().position(gone);
        let root = at.map(|at| table.detached.swap_remove(at));
        if table.detached.is_empty() {
            table.detached = Vec::new();
            ANY_DETACHED.store(false, Ordering::Release);
        }
        drop(table);
        match root {
            Some(root) => namespace::take_down(&root),
            None => return,
        }
    }
}

/// Lets what is mounted at `root` be mounted at `at` instead. `EINVAL` where nothing is, for the root of everything, and
/// where one is a directory and the other is none; `ELOOP` below itself. May sleep.
pub fn relocate(root: &Arc<Dentry>, at: &Arc<Dentry>) -> Result<()> {
    let order = namespace::order();
    let mut table = TABLE.lock();
    let mount = table.mounts.iter_mut().rfind(|mount| Arc::ptr_eq(&mount.root, root)).ok_or(Errno::EINVAL)?;
    let covered = mount.covered.clone().ok_or(Errno::EINVAL)?;
    if at.inode().is_dir() != root.inode().is_dir() {
        return Err(Errno::EINVAL);
    }
    if at.is_below(root) {
        return Err(Errno::ELOOP);
    }
    mount.covered = Some(namespace::recover(root, at, &covered)?);
    drop(table);
    drop(order);
    Ok(())
}

/// Replaces the flags of what is mounted at `root`, as [`remount`]; of a filesystem that is mounted elsewhere, too, they
/// are not this mount's alone: `EINVAL`. May sleep.
pub fn change_flags(root: &Arc<Dentry>, flags: u32) -> Result<()> {
    let table = TABLE.lock();
    let mount = table.mounts.iter().rfind(|mount| Arc::ptr_eq(&mount.root, root)).ok_or(Errno::EINVAL)?;
    if mount.is_bind() || table.shows(mount.dev(), root) {
        return Err(Errno::EINVAL);
    }
    set_flags(mount.dev(), flags)
}

/// `EBUSY` where somebody writes to what is to be read-only.
fn set_flags(dev: u32, flags: u32) -> Result<()> {
    let before = mount_flags::of(dev);
    // From here on nobody starts.
    mount_flags::set(dev, flags);
    if flags & mount_flags::RDONLY != 0 && is_written(dev) {
        mount_flags::set(dev, before);
        return Err(Errno::EBUSY);
    }
    Ok(())
}

/// Changes the options and flags of what is mounted at `root`. `EINVAL` where nothing is, and for a size that is less than
/// what is taken; `EBUSY` where it is written to and shall not be. May sleep.
pub fn remount(root: &Arc<Dentry>, options: Options, flags: u32) -> Result<()> {
    let mut table = TABLE.lock();
    let mount = table.mounts.iter_mut().rfind(|mount| Arc::ptr_eq(&mount.root, root)).ok_or(Errno::EINVAL)?;
    if let (Some(size), Some(quota)) = (options.size, root.inode().quota()) {
        let pages =
            if size == 0 { usize::MAX } else { usize::try_from(size.div_ceil(4096)).unwrap_or(usize::MAX) };
        quota.set_limit(pages)?;
        mount.options.size = Some(size);
    }
    set_flags(root.inode().dev(), flags)
}

/// What counts the files of a mounted filesystem. May sleep.
pub fn quota(dev: u32) -> Option<Arc<Quota>> {
    let table = TABLE.lock();
    let mount = table.mounts.iter().find(|mount| mount.dev() == dev && mount.root.inode().is_dir())?;
    mount.root.inode().quota().cloned()
}

/// The text of `/proc/mounts`. `ENOMEM`. May sleep.
pub fn proc_mounts() -> Result<String> {
    let line = |out: &mut dyn Write, mount: &Mount| {
        let at = mount.root.path().map_err(|_| fmt::Error)?;
        let (source, at) = (escaped(&mount.source), escaped(&at));
        let (kind, own) = (mount.kind.name(), mount.options.show());
        let (access, plain) = (mount_flags::access(mount.dev()), mount.plain());
        writeln!(out, "{source} {at} {kind} {access}{plain}{own} 0 0")
    };
    let table = TABLE.lock();
    fallible::text(|out| table.mounts.iter().try_for_each(|mount| line(out, mount)))
}

/// The text of `/proc/PID/mountinfo`. `ENOMEM`. May sleep.
pub fn mountinfo() -> Result<String> {
    let mounts = &TABLE.lock().mounts;
    let parent_of = |mount: &Mount| {
        let at = mount.covered.as_ref().map_or(ROOT_DEV, |covered| covered.inode().dev());
        mounts.iter().find(|other| other.dev() == at).map_or(mount.id, |other| other.id)
    };
    let line = |out: &mut dyn Write, mount: &Mount| {
        let (id, dev, parent, kind) = (mount.id, mount.dev(), parent_of(mount), mount.kind.name());
        let at = mount.root.path().map_err(|_| fmt::Error)?;
        let (source, at) = (escaped(&mount.source), escaped(&at));
        let (shows, own) = (escaped(&mount.shows), mount.options.show());
        let (access, plain) = (mount_flags::access(dev), mount.plain());
        writeln!(out, "{id} {parent} 0:{dev} {shows} {at} {access}{plain} - {kind} {source} {access}{own}")
    };
    fallible::text(|out| mounts.iter().try_for_each(|mount| line(out, mount)))
}

/// A path with what separates fields written as numbers.
fn escaped(path: &[u8]) -> Escaped<'_> {
    Escaped { bytes: path, special: &['\\', ' ', '\t', '\n'] }
}

fn at_boot(root: &Arc<Dentry>, at: &str, kind: Kind) -> Result<()> {
    let mut dir = root.clone();
    for name in at.split('/').filter(|name| !name.is_empty()) {
        dir = match path::lookup(&dir, name.as_bytes()) {
            Ok(there) => there,
            Err(_) => namespace::ensure_dir(&dir, name.as_bytes(), 0o755)?,
        };
    }
    mount(&dir, kind, kind.name().into(), Options::default(), 0)
}

/// The root of everything: `image` unpacked, and the kernel's own filesystems mounted. Called once, at boot; devices
/// may be registered before and after. May sleep.
pub fn boot(image: &'static [u8]) -> Result<Arc<Dentry>, Malformed> {
    super::anon::init();
    let root = ramfs::new(ROOT_DEV);
    TABLE.lock().mounts.push(Mount {
        id: u64::from(ROOT_DEV),
        kind: Kind::Rootfs,
        source: b"rootfs".to_vec(),
        root: root.clone(),
        shows: b"/".to_vec(),
        covered: None,
        options: Options::default(),
    });
    initramfs::unpack(&root, image)?;
    mount_all(&root).map_err(|why| Malformed { at: image.len(), why })?;
    Ok(root)
}

fn mount_all(root: &Arc<Dentry>) -> Result<()> {
    at_boot(root, "/dev", Kind::Devtmpfs)?;
    at_boot(root, "/proc", Kind::Proc)?;
    at_boot(root, "/sys", Kind::Sysfs)?;
    at_boot(root, "/sys/kernel/debug", Kind::Debugfs)?;
    for name in ["tmp", "run"] {
        namespace::ensure_dir(root, name.as_bytes(), 0o1777)?;
    }
    Ok(())
}
