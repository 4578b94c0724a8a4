//! What a descriptor of a buffer does, at its edges.

use std::boxed::Box;
use std::string::String;
use std::vec::Vec;

use super::*;
use crate::exporter::{CmaHeap, CmaRegion};
use crate::testing::{BASE, Fds, Machine, Memory, TestPlatform, registry, tee};
use crate::uapi::dma_buf::{DMA_BUF_IOCTL_EXPORT_SYNC_FILE, DMA_BUF_SYNC_END, DMA_BUF_SYNC_READ};
use crate::uapi::fcntl::SEEK_CUR;
use crate::{Discipline, PhysAddr, ProviderData, Run};

fn buffer(len: u64) -> DmaBuf<TestPlatform> {
    let registry = registry(Discipline::Lastref);
    core::mem::forget(registry.register(tee("heap", None).0).unwrap());
    Fds::new(1).allocate(&Machine::here().open("heap").unwrap().heap, len).unwrap()
}

fn text(write: impl Fn(&mut dyn fmt::Write) -> fmt::Result) -> String {
    let mut text = String::new();
    write(&mut text).unwrap();
    text
}

#[test]
fn sync_tells_right_from_wrong() {
    let buffer = buffer(1);
    let sync =
        |flags: u64| buffer.ioctl(DMA_BUF_IOCTL_SYNC, BASE, &Memory::of(&flags.to_le_bytes()), &&Fds::new(0));
    for flags in 1..=7 {
        let expected = if flags == DMA_BUF_SYNC_END { Err(Errno::EINVAL) } else { Ok(0) };
        assert_eq!(sync(flags), expected, "{flags}");
    }
    assert_eq!(sync(0), Err(Errno::EINVAL));
    assert_eq!(sync(8 | DMA_BUF_SYNC_READ), Err(Errno::EINVAL));
    assert_eq!(sync(1 << 63 | DMA_BUF_SYNC_READ), Err(Errno::EINVAL));
    assert_eq!(
        buffer.ioctl(DMA_BUF_IOCTL_SYNC, BASE, &Memory::of(&[1; 7]), &&Fds::new(0)),
        Err(Errno::EFAULT)
    );
}

#[test]
fn the_whole_command_counts() {
    let buffer = buffer(1);
    let memory = Memory::of(&[0; 64]);
    let sync = DMA_BUF_IOCTL_SYNC.raw();
    for raw in [
        sync ^ 1 << 30,
        sync ^ 1 << 16,
        sync ^ 1 << 8,
        sync + 9,
        DMA_BUF_IOCTL_EXPORT_SYNC_FILE.raw() ^ 1 << 31,
        0,
    ] {
        assert_eq!(
            buffer.ioctl(Command::from_raw(raw), BASE, &memory, &&Fds::new(0)),
            Err(Errno::ENOTTY),
            "{raw:#x}"
        );
    }
}

#[test]
fn a_name_is_shown() {
    let buffer = buffer(1);
    let fdinfo = || text(|out| buffer.fdinfo(out, 2));
    let link = || text(|out| buffer.link_text(out));
    assert_eq!(fdinfo(), "size:\t4096\ncount:\t2\nexp_name:\theap\n");
    assert_eq!(link(), "/dmabuf:");
    let name = |bytes: &[u8]| buffer.ioctl(DMA_BUF_SET_NAME_B, BASE, &Memory::of(bytes), &&Fds::new(0));
    assert_eq!(name(b"frame\0behind it"), Ok(0));
    assert_eq!(fdinfo(), "size:\t4096\ncount:\t2\nexp_name:\theap\nname:\tframe\n");
    assert_eq!(link(), "/dmabuf:frame");
    // Thirty-one bytes and a NUL fit; thirty-two do not, and change nothing; nor does a string cut off.
    assert_eq!(name(&[&[b'x'; 31][..], b"\0"].concat()), Ok(0));
    assert_eq!(name(&[b'y'; 33]), Err(Errno::EINVAL));
    assert_eq!(name(b"frame"), Err(Errno::EFAULT));
    assert_eq!(link().len(), "/dmabuf:".len() + 31);
    assert_eq!(buffer.ioctl(DMA_BUF_SET_NAME_A, BASE, &Memory::of(b"\xffa\0"), &&Fds::new(0)), Ok(0));
    assert_eq!(link(), "/dmabuf:\u{fffd}a");
    assert_eq!(name(b"\0"), Ok(0));
    assert_eq!(link(), "/dmabuf:");
}

#[test]
fn seeking_finds_the_size() {
    let buffer = buffer(5000);
    assert_eq!(buffer.lseek(0, SEEK_END), Ok(8192));
    assert_eq!(buffer.lseek(0, SEEK_SET), Ok(0));
    for (offset, whence) in [(1, SEEK_SET), (-1, SEEK_END), (0, SEEK_CUR), (0, 3), (0, 99)] {
        assert_eq!(buffer.lseek(offset, whence), Err(Errno::EINVAL));
    }
}

#[test]
fn a_mapping_lies_inside() {
    Machine::here().largest_order.store(0, core::sync::atomic::Ordering::Relaxed);
    let buffer = buffer(4 * 4096);
    let all = MapRequest { offset: 0, len: 4 * 4096, shared: true, write: true, file_writable: true };
    let runs: Vec<Run> = buffer.mmap(all).unwrap().collect();
    assert_eq!(runs, buffer.table().runs());
    let middle: Vec<Run> = buffer.mmap(MapRequest { offset: 4096, len: 4097, ..all }).unwrap().collect();
    assert_eq!(middle, runs[1..3]);
    for bad in [
        MapRequest { len: 4 * 4096 + 1, ..all },
        MapRequest { offset: 4096, ..all },
        MapRequest { offset: 1, len: 4096, ..all },
        MapRequest { len: 0, ..all },
        MapRequest { len: usize::MAX, ..all },
        MapRequest { offset: !4095, len: 4096, ..all },
        MapRequest { shared: false, ..all },
    ] {
        assert_eq!(buffer.mmap(bad).err(), Some(Errno::EINVAL), "{bad:?}");
    }
    let read_only = MapRequest { file_writable: false, ..all };
    assert_eq!(buffer.mmap(read_only).err(), Some(Errno::EACCES));
    assert!(buffer.mmap(MapRequest { write: false, ..read_only }).is_ok());
}

#[test]
fn what_is_protected_cannot_be_mapped() {
    type Heap = CmaHeap<TestPlatform, &'static CmaRegion<TestPlatform>>;
    let region = CmaRegion::<TestPlatform>::new(PhysAddr::from_pfn(0x1_0000), 16).unwrap();
    let region = &*Box::leak(Box::new(region));
    let registry = registry(Discipline::Lastref);
    let whole = MapRequest { offset: 0, len: 4096, shared: true, write: false, file_writable: true };
    for (heap, mapped) in [(Heap::carveout(region), true), (Heap::protected(region), false)] {
        let data = ProviderData::new("heap", heap, None).unwrap();
        let registration = registry.register(data).unwrap();
        let open = Machine::here().open("heap").unwrap();
        let buffer = Fds::new(1).allocate(&open.heap, 4096).unwrap();
        assert_eq!(buffer.mmap(whole).map(drop), if mapped { Ok(()) } else { Err(Errno::EINVAL) });
        drop((buffer, open));
        registration.unregister().unwrap().free();
    }
    assert_eq!(region.stats().free, 16);
}
