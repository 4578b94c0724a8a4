//! Which commands there are, who may give them, and how their structures go in and out. Models `drm_ioctl.c`.
//!
//! Only a command's number counts: a shorter structure than ours is extended by zeroes, a longer one's tail ignored.
#![forbid(unsafe_code)]

use alloc::vec::Vec;

use heaps::uapi::drm::*;
use heaps::uapi::ioctl::{Command, READ, WRITE};
use heaps::{Errno, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{Node, OpenNode, dumb, fences, prime};
use crate::mm::user;
use crate::vfs::file::Ioctl;

/// What a command is answered.
enum Answer {
    /// By render nodes, too.
    Everywhere(Command, fn(&OpenNode, &Ioctl<'_>, &mut [u8]) -> Result<()>),
    /// By the primary node alone.
    Primary(Command, fn(&OpenNode, &Ioctl<'_>, &mut [u8]) -> Result<()>),
    /// It does nothing, and is not for render nodes.
    Nothing,
    /// It is for devices with displays.
    NoDisplay,
    /// The same, with another word for it.
    NoFramebuffer,
    /// It is for devices with synchronisation objects.
    NoSync,
    /// It is none.
    Unknown,
}

/// `ENOTTY` for what is another kind of device's, `EINVAL` for what is no command, `EACCES` for one that this node
/// does not take, `EOPNOTSUPP` for what another kind of device does; `EFAULT`, and what the command says. The
/// structure goes out whatever became of the command.
pub fn dispatch(node: &OpenNode, call: &Ioctl<'_>) -> Result<usize> {
    let given = Command::from_raw(call.cmd);
    if given.kind() != KIND {
        return Err(Errno::ENOTTY);
    }
    let answer = answer(given.nr());
    let (command, work, render) = match answer {
        Answer::Everywhere(command, work) => (command, work, true),
        Answer::Primary(command, work) => (command, work, false),
        Answer::Nothing | Answer::NoDisplay | Answer::NoFramebuffer if node.node == Node::Render => {
            return Err(Errno::EACCES);
        }
        Answer::Nothing => return Ok(0),
        Answer::NoDisplay | Answer::NoSync => return Err(Errno::EOPNOTSUPP),
        Answer::NoFramebuffer | Answer::Unknown => return Err(Errno::EINVAL),
    };
    let size_if = |dir| if given.dir() & command.dir() & dir != 0 { given.size() } else { 0 };
    let (in_size, out_size) = (size_if(WRITE), size_if(READ));
    let size = in_size.max(out_size).max(command.size());
    let mut data = Vec::new();
    data.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
    data.resize(size, 0);
    user::read_bytes(call.arg, &mut data[..in_size])?;
    let done = match node.node {
        Node::Render if !render => Err(Errno::EACCES),
        _ => work(node, call, &mut data[..command.size()]),
    };
    user::write_bytes(call.arg, &data[..out_size])?;
    done.map(|()| 0)
}

fn answer(nr: u8) -> Answer {
    use Answer::{Everywhere, Primary};
    const VERSION: u8 = DRM_IOCTL_VERSION.nr();
    const GEM_CLOSE: u8 = DRM_IOCTL_GEM_CLOSE.nr();
    const GET_CAP: u8 = DRM_IOCTL_GET_CAP.nr();
    const HANDLE_TO_FD: u8 = DRM_IOCTL_PRIME_HANDLE_TO_FD.nr();
    const FD_TO_HANDLE: u8 = DRM_IOCTL_PRIME_FD_TO_HANDLE.nr();
    const CREATE_DUMB: u8 = DRM_IOCTL_MODE_CREATE_DUMB.nr();
    const MAP_DUMB: u8 = DRM_IOCTL_MODE_MAP_DUMB.nr();
    const DESTROY_DUMB: u8 = DRM_IOCTL_MODE_DESTROY_DUMB.nr();
    const FENCE_ATTACH: u8 = DRM_IOCTL_VGEM_FENCE_ATTACH.nr();
    const FENCE_SIGNAL: u8 = DRM_IOCTL_VGEM_FENCE_SIGNAL.nr();
    match nr {
        VERSION => Everywhere(DRM_IOCTL_VERSION, |_, _, data| with(data, version)),
        GEM_CLOSE => Everywhere(DRM_IOCTL_GEM_CLOSE, |node, _, data| {
            with(data, |close: &mut GemClose| node.handles.remove(close.handle).map(drop))
        }),
        GET_CAP => Everywhere(DRM_IOCTL_GET_CAP, |_, _, data| with(data, capability)),
        HANDLE_TO_FD => Everywhere(DRM_IOCTL_PRIME_HANDLE_TO_FD, |node, call, data| {
            with(data, |prime| prime::handle_to_fd(node, call, prime))
        }),
        FD_TO_HANDLE => Everywhere(DRM_IOCTL_PRIME_FD_TO_HANDLE, |node, call, data| {
            with(data, |prime| prime::fd_to_handle(node, call, prime))
        }),
        CREATE_DUMB => {
            Primary(DRM_IOCTL_MODE_CREATE_DUMB, |node, _, data| with(data, |args| dumb::create(node, args)))
        }
        MAP_DUMB => {
            Primary(DRM_IOCTL_MODE_MAP_DUMB, |node, _, data| with(data, |args| dumb::offset(node, args)))
        }
        DESTROY_DUMB => Primary(DRM_IOCTL_MODE_DESTROY_DUMB, |node, _, data| {
            with(data, |handle: &mut u32| node.handles.remove(*handle).map(drop))
        }),
        FENCE_ATTACH => Everywhere(DRM_IOCTL_VGEM_FENCE_ATTACH, |node, _, data| {
            with(data, |args| fences::attach(node, args))
        }),
        FENCE_SIGNAL => Everywhere(DRM_IOCTL_VGEM_FENCE_SIGNAL, |node, _, data| {
            with(data, |args| fences::signal(node, args))
        }),
        0xbf..=0xc5 | 0xca..=0xcd => Answer::NoSync,
        0xa8 | 0xa9 => Answer::Nothing,
        0xa0..=0xbe | 0xc6..=0xc9 => Answer::NoDisplay,
        0xce => Answer::NoFramebuffer,
        _ => Answer::Unknown,
    }
}

/// Does something with the structure in `data`, which is as long, and puts it back.
fn with<T: FromBytes + IntoBytes + Immutable>(
    data: &mut [u8],
    work: impl FnOnce(&mut T) -> Result<()>,
) -> Result<()> {
    let mut value = T::read_from_bytes(data).map_err(|_| Errno::EINVAL)?;
    let done = work(&mut value);
    data.copy_from_slice(value.as_bytes());
    done
}

fn version(version: &mut Version) -> Result<()> {
    version.numbers = [1, 0, 0];
    put(&mut version.name, "vgem")?;
    put(&mut version.date, "20120112")?;
    put(&mut version.desc, "Virtual GEM provider")
}

/// Writes as much of a text as there is room for, and says how long it is.
fn put(to: &mut Text, text: &str) -> Result<()> {
    let len = text.len().min(usize::try_from(to.len).unwrap_or(usize::MAX));
    to.len = text.len() as u64;
    if len > 0 && to.at != 0 { user::write_bytes(to.at, &text.as_bytes()[..len]) } else { Ok(()) }
}

fn capability(cap: &mut GetCap) -> Result<()> {
    cap.value = match cap.capability {
        DRM_CAP_TIMESTAMP_MONOTONIC => 1,
        DRM_CAP_PRIME => DRM_PRIME_CAP_IMPORT | DRM_PRIME_CAP_EXPORT,
        DRM_CAP_SYNCOBJ | DRM_CAP_SYNCOBJ_TIMELINE => 0,
        // All others are of devices with displays.
        _ => {
            cap.value = 0;
            return Err(Errno::EOPNOTSUPP);
        }
    };
    Ok(())
}
