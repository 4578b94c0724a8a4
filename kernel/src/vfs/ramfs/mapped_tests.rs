//! Files and the address spaces that map them.

use alloc::sync::Arc;

use heaps::{Errno, PAGE_SIZE, PhysAddr, Result};

use super::data::Data;
use super::seals;
use crate::mm::aspace::mappers::{FilePages, Mapped};
use crate::mm::aspace::{Access, FaultError, MapFlags, MapRequest};
use crate::mm::vma::{Backing, MapSource, Origin};
use crate::mm::{AddressSpace, Prot, frames};

const PAGE: u64 = PAGE_SIZE as u64;

struct File(Data);

impl MapSource for File {
    fn origin(&self) -> Result<Origin> {
        Ok(Origin { dev: 1, ino: 1, name: b"/f".to_vec() })
    }

    fn pages(&self) -> Option<&dyn FilePages> {
        Some(&self.0)
    }

    fn runs(&self, _: u64, _: u64, _: &mut dyn FnMut(PhysAddr, usize) -> Result<()>) -> Result<()> {
        Err(Errno::ENODEV)
    }
}

fn file(bytes: &[u8]) -> Arc<File> {
    let file = Arc::new(File(Data::sealed(b"", None, 0)));
    let mut from = bytes;
    file.0.write(&mut from, Some(0)).unwrap();
    file
}

fn map(mm: &AddressSpace, file: &Arc<File>, pages: u64, shared: bool) -> Result<u64> {
    let mapped = Mapped::new(file.clone(), &mm.space(), shared)?;
    let (backing, flags) = if shared {
        (Backing::File { file: mapped, first: 0 }, MapFlags::SHARED)
    } else {
        (Backing::Content { file: mapped, offset: 0, len: None }, MapFlags::PRIVATE)
    };
    let (prot, max_prot) = (Prot::READ | Prot::WRITE, Prot::all());
    mm.map(MapRequest { addr: 0, len: pages * PAGE, prot, max_prot, flags, backing: Some(backing) })
}

fn peek(mm: &AddressSpace, at: u64) -> u8 {
    let mut byte = [0];
    mm.read(at, &mut byte).unwrap();
    byte[0]
}

fn byte(file: &File, at: u64) -> u8 {
    let mut byte = [0xee];
    assert_eq!(file.0.read_at(at, &mut byte), 1);
    byte[0]
}

#[test]
fn stores_and_writes_meet_until_a_private_copy_is_made() {
    let before = frames::free_count();
    let file = file(&[1; 3 * PAGE_SIZE]);
    let mm = AddressSpace::new().unwrap();
    let (shared, private) = (map(&mm, &file, 3, true).unwrap(), map(&mm, &file, 3, false).unwrap());
    let child = mm.fork().unwrap();
    child.write(shared + PAGE, &[5]).unwrap();
    assert_eq!((byte(&file, PAGE), peek(&mm, shared + PAGE), peek(&mm, private + PAGE)), (5, 5, 5));
    file.0.write(&mut &[6u8][..], Some(PAGE)).unwrap();
    assert_eq!((peek(&child, shared + PAGE), peek(&child, private + PAGE)), (6, 6));
    child.write(private + PAGE, &[7]).unwrap();
    assert_eq!((byte(&file, PAGE), peek(&mm, private + PAGE), peek(&child, private + PAGE)), (6, 6, 7));
    let used = before - frames::free_count();
    assert_eq!(used, 4, "three pages of the file, and a copy");
    drop(mm);
    drop(file);
    assert_eq!(peek(&child, shared + PAGE), 6, "the mapping keeps the file");
    drop(child);
    assert_eq!(frames::free_count(), before);
}

#[test]
fn what_is_cut_off_is_gone_from_everywhere_and_its_frames_are_free() {
    let before = frames::free_count();
    let file = file(&[1; 3 * PAGE_SIZE]);
    let mm = AddressSpace::new().unwrap();
    let (shared, private) = (map(&mm, &file, 3, true).unwrap(), map(&mm, &file, 3, false).unwrap());
    mm.write(private + 2 * PAGE, &[9]).unwrap();
    mm.populate(shared, shared + 3 * PAGE);
    let child = mm.fork().unwrap();
    file.0.truncate(PAGE + 1).unwrap();
    assert_eq!(before - frames::free_count(), 2);
    for mm in [&mm, &child] {
        assert_eq!(mm.fault(shared + 2 * PAGE, Access::Read), Err(FaultError::NoPage));
        assert_eq!(mm.fault(private + 2 * PAGE, Access::Write), Err(FaultError::NoPage));
        assert_eq!((peek(mm, shared + PAGE), peek(mm, shared + PAGE + 1)), (1, 0));
    }
    file.0.truncate(3 * PAGE).unwrap();
    assert_eq!((peek(&mm, private + 2 * PAGE), peek(&child, shared + 2 * PAGE)), (0, 0));
    drop((mm, child, file));
    assert_eq!(frames::free_count(), before);
}

#[test]
fn a_hole_takes_pages_but_leaves_private_copies() {
    let file = file(&[1; 2 * PAGE_SIZE]);
    let mm = AddressSpace::new().unwrap();
    let (shared, private) = (map(&mm, &file, 2, true).unwrap(), map(&mm, &file, 2, false).unwrap());
    assert_eq!((peek(&mm, shared), peek(&mm, private)), (1, 1));
    mm.write(private + PAGE, &[2]).unwrap();
    file.0.punch_hole(0, 2 * PAGE).unwrap();
    assert_eq!([shared, private, shared + PAGE, private + PAGE].map(|at| peek(&mm, at)), [0, 0, 0, 2]);
}

#[test]
fn whoever_may_store_keeps_a_file_from_being_sealed() {
    let file = file(&[1]);
    let mm = AddressSpace::new().unwrap();
    let at = map(&mm, &file, 1, true).unwrap();
    let child = mm.fork().unwrap();
    mm.unmap(at, PAGE).unwrap();
    assert_eq!(file.0.add_seals(seals::WRITE), Err(Errno::EBUSY), "the child's is one more");
    drop(child);
    assert_eq!(file.0.add_seals(seals::WRITE), Ok(()));
    assert_eq!(map(&mm, &file, 1, true), Err(Errno::EPERM));
    assert!(map(&mm, &file, 1, false).is_ok());
}
