//! ioctls: heaps', buffers' and terminals'.
#![forbid(unsafe_code)]

use heaps::uapi::dma_buf::{
    DMA_BUF_IOCTL_EXPORT_SYNC_FILE, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, DMA_BUF_IOCTL_SYNC, DMA_BUF_SET_NAME_A,
    DMA_BUF_SET_NAME_B,
};
use heaps::uapi::dma_heap::{AllocationData, DMA_HEAP_IOCTL_ALLOC};
use heaps::uapi::udmabuf::{UDMABUF_CREATE, UDMABUF_CREATE_LIST};

use super::names::{self, Names};
use super::text::Text;
use crate::mm::user;

const ALLOC: u32 = DMA_HEAP_IOCTL_ALLOC.raw();
const SYNC: u32 = DMA_BUF_IOCTL_SYNC.raw();
const SET_NAME_A: u32 = DMA_BUF_SET_NAME_A.raw();
const SET_NAME_B: u32 = DMA_BUF_SET_NAME_B.raw();
const EXPORT: u32 = DMA_BUF_IOCTL_EXPORT_SYNC_FILE.raw();
const IMPORT: u32 = DMA_BUF_IOCTL_IMPORT_SYNC_FILE.raw();

const KNOWN: Names = &[
    (ALLOC as u64, "DMA_HEAP_IOCTL_ALLOC"),
    (SYNC as u64, "DMA_BUF_IOCTL_SYNC"),
    (SET_NAME_A as u64, "DMA_BUF_SET_NAME_A"),
    (SET_NAME_B as u64, "DMA_BUF_SET_NAME_B"),
    (EXPORT as u64, "DMA_BUF_IOCTL_EXPORT_SYNC_FILE"),
    (IMPORT as u64, "DMA_BUF_IOCTL_IMPORT_SYNC_FILE"),
    (UDMABUF_CREATE.raw() as u64, "UDMABUF_CREATE"),
    (UDMABUF_CREATE_LIST.raw() as u64, "UDMABUF_CREATE_LIST"),
    (0x5401, "TCGETS"),
    (0x5402, "TCSETS"),
    (0x5403, "TCSETSW"),
    (0x5404, "TCSETSF"),
    (0x540e, "TIOCSCTTY"),
    (0x540f, "TIOCGPGRP"),
    (0x5410, "TIOCSPGRP"),
    (0x5413, "TIOCGWINSZ"),
    (0x5414, "TIOCSWINSZ"),
    (0x541b, "FIONREAD"),
    (0x5421, "FIONBIO"),
    (0x5422, "TIOCNOTTY"),
    (0x5429, "TIOCGSID"),
    (0x5450, "FIONCLEX"),
    (0x5451, "FIOCLEX"),
];

/// An ioctl's name, or its parts.
pub fn number(text: &mut Text, command: u32) {
    if let Some((_, name)) = KNOWN.iter().find(|(known, _)| *known == u64::from(command)) {
        return text.push(name);
    }
    let direction = ["_IOC_NONE", "_IOC_WRITE", "_IOC_READ", "_IOC_READ|_IOC_WRITE"][command as usize >> 30];
    let (kind, number, size) = (command >> 8 & 0xff, command & 0xff, command >> 16 & 0x3fff);
    text.put(format_args!("_IOC({direction}, {kind:#x}, {number:#x}, {size:#x})"));
}

/// What comes with it, after the call came back with `result`.
pub fn argument(text: &mut Text, command: u32, addr: u64, result: i64) {
    let shown = match command {
        ALLOC => allocation(text, addr, result),
        SYNC => sync(text, addr),
        SET_NAME_A | SET_NAME_B => {
            text.string(addr);
            Some(())
        }
        EXPORT | IMPORT => fence(text, addr),
        _ => None,
    };
    if shown.is_none() {
        text.address(addr);
    }
}

fn allocation(text: &mut Text, addr: u64, result: i64) -> Option<()> {
    let data: AllocationData = user::read(addr).ok()?;
    text.put(format_args!("{{len={}", data.len));
    if result >= 0 || data.fd != 0 {
        text.put(format_args!(", fd={}", data.fd as i32));
    }
    text.push(", fd_flags=");
    names::open_flags(text, u64::from(data.fd_flags));
    text.push(", heap_flags=");
    names::bits(text, &[], data.heap_flags);
    text.push("}");
    Some(())
}

fn sync(text: &mut Text, addr: u64) -> Option<()> {
    let flags: u64 = user::read(addr).ok()?;
    text.push(if flags & 4 == 0 { "{flags=DMA_BUF_SYNC_START" } else { "{flags=" });
    if flags != 0 {
        text.push(if flags & 4 == 0 { "|" } else { "" });
        names::bits(text, names::SYNC, flags);
    }
    text.push("}");
    Some(())
}

fn fence(text: &mut Text, addr: u64) -> Option<()> {
    let [flags, fd] = user::read::<[u32; 2]>(addr).ok()?;
    text.push("{flags=");
    names::bits(text, names::SYNC, u64::from(flags));
    text.put(format_args!(", fd={}}}", fd as i32));
    Some(())
}
