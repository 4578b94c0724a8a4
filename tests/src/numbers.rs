//! Numbers and sizes that `heaps::uapi` spells out, held to the headers that C programs are compiled with. What
//! `linux-raw-sys` has is held to that by unit tests beside it; it lacks DRM's headers, and the newer ioctls of dma-bufs.

use std::fmt::Write;
use std::fs;
use std::mem::size_of;

use anyhow::Result;
use heaps::uapi::{dma_buf, dma_heap, drm, sync_file, udmabuf};
use lastref::reference;
use libtest_mimic::Trial;

use crate::trial;

/// What C programs call it, and what it is here.
type Constant = (&'static str, u64);

const HEADERS: [&str; 7] = [
    "linux/dma-buf.h",
    "linux/dma-heap.h",
    "linux/sync_file.h",
    "linux/udmabuf.h",
    "drm/drm.h",
    "drm/drm_mode.h",
    "drm/vgem_drm.h",
];

/// ioctls, by the modules they are in.
macro_rules! commands {
    ($($module:ident::{$($name:ident),*};)*) => {
        [$($((stringify!($name), $module::$name.raw() as u64)),*),*]
    };
}

const COMMANDS: [Constant; 20] = commands! {
    dma_heap::{DMA_HEAP_IOCTL_ALLOC};
    dma_buf::{
        DMA_BUF_IOCTL_SYNC, DMA_BUF_SET_NAME_A, DMA_BUF_SET_NAME_B, DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
        DMA_BUF_IOCTL_IMPORT_SYNC_FILE
    };
    sync_file::{SYNC_IOC_MERGE, SYNC_IOC_FILE_INFO};
    udmabuf::{UDMABUF_CREATE, UDMABUF_CREATE_LIST};
    drm::{
        DRM_IOCTL_VERSION, DRM_IOCTL_GEM_CLOSE, DRM_IOCTL_GET_CAP, DRM_IOCTL_PRIME_HANDLE_TO_FD,
        DRM_IOCTL_PRIME_FD_TO_HANDLE, DRM_IOCTL_MODE_CREATE_DUMB, DRM_IOCTL_MODE_MAP_DUMB,
        DRM_IOCTL_MODE_DESTROY_DUMB, DRM_IOCTL_VGEM_FENCE_ATTACH, DRM_IOCTL_VGEM_FENCE_SIGNAL
    };
};

const OTHERS: [Constant; 13] = [
    ("DRM_CAP_PRIME", drm::DRM_CAP_PRIME),
    ("DRM_CAP_TIMESTAMP_MONOTONIC", drm::DRM_CAP_TIMESTAMP_MONOTONIC),
    ("DRM_CAP_SYNCOBJ", drm::DRM_CAP_SYNCOBJ),
    ("DRM_CAP_SYNCOBJ_TIMELINE", drm::DRM_CAP_SYNCOBJ_TIMELINE),
    ("DRM_PRIME_CAP_IMPORT", drm::DRM_PRIME_CAP_IMPORT),
    ("DRM_PRIME_CAP_EXPORT", drm::DRM_PRIME_CAP_EXPORT),
    ("VGEM_FENCE_WRITE", drm::VGEM_FENCE_WRITE as u64),
    ("DMA_BUF_SYNC_RW", dma_buf::DMA_BUF_SYNC_RW),
    ("DMA_BUF_SYNC_END", dma_buf::DMA_BUF_SYNC_END),
    ("UDMABUF_FLAGS_CLOEXEC", udmabuf::UDMABUF_FLAGS_CLOEXEC as u64),
    ("DMA_HEAP_VALID_FD_FLAGS", dma_heap::VALID_FD_FLAGS as u64),
    ("sizeof(struct udmabuf_create_item)", size_of::<udmabuf::CreateItem>() as u64),
    ("sizeof(struct sync_fence_info)", size_of::<sync_file::FenceInfo>() as u64),
];

/// `c::numbers`.
pub fn trials() -> Vec<Trial> {
    vec![trial("c::numbers", judge)]
}

/// A program that compiles only if all are what they are here.
fn program(constants: impl Iterator<Item = Constant>) -> String {
    let mut text = String::from("#define _GNU_SOURCE\n#include <fcntl.h>\n#include <stdint.h>\n");
    for header in HEADERS {
        let _ = writeln!(text, "#include <{header}>");
    }
    for (name, value) in constants {
        let _ = writeln!(text, "_Static_assert({name} == {value:#x}, \"{name}\");");
    }
    text + "int main(void) { return 0; }\n"
}

fn compile(constants: impl Iterator<Item = Constant>) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let source = directory.path().join("numbers.c");
    fs::write(&source, program(constants))?;
    reference::compile_static(&source).map(drop)
}

fn judge() -> Result<()> {
    compile(COMMANDS.into_iter().chain(OTHERS))?;
    // A compiler that takes anything proves nothing.
    let (name, value) = COMMANDS[0];
    let refusal = compile(std::iter::once((name, value + 1))).err().map(|error| format!("{error:#}"));
    anyhow::ensure!(refusal.as_ref().is_some_and(|said| said.contains(name)), "{refusal:?}");
    Ok(())
}
