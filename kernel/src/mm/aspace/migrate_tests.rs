//! Pages moved from under address spaces that share them, or do not.

use super::*;
use crate::mm::Prot;
use crate::mm::aspace::{AddressSpace, MapFlags, MapRequest};

/// As many anonymous pages, each starting with its number.
fn filled(pages: u64) -> (AddressSpace, u64) {
    let mm = AddressSpace::new().unwrap();
    let prot = Prot::READ | Prot::WRITE;
    let flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS;
    let request =
        MapRequest { addr: 0, len: pages * PAGE, prot, max_prot: Prot::all(), flags, backing: None };
    let at = mm.map(request).unwrap();
    (0..pages).for_each(|page| mm.write(at + page * PAGE, &[(page as u8).wrapping_add(1)]).unwrap());
    (mm, at)
}

fn frame(mm: &AddressSpace, at: u64) -> PhysAddr {
    mm.lock().table.lookup(at).unwrap().0
}

fn byte(mm: &AddressSpace, at: u64) -> u8 {
    let mut byte = [0];
    mm.read(at, &mut byte).unwrap();
    byte[0]
}

/// What other tests have in between stays where it is.
fn move_away(mm: &AddressSpace, frames: &Range<PhysAddr>) -> Result<()> {
    mm.lock().move_away(frames, &mut Batch::new().unwrap(), &mut Moves::default())
}

fn just(frame: PhysAddr) -> Range<PhysAddr> {
    frame..frame.add_pages(1)
}

#[test]
fn a_page_keeps_its_contents_and_its_old_frame_is_free() {
    let (mm, at) = filled(3);
    let (before, old) = (frames::free_count(), frame(&mm, at + PAGE));
    assert_eq!(evict(&just(old)), Ok(()));
    assert_ne!(frame(&mm, at + PAGE), old);
    assert_eq!([0, 1, 2].map(|page| byte(&mm, at + page * PAGE)), [1, 2, 3]);
    assert_eq!(frames::free_count(), before);
    // Still its own to write to.
    let new = frame(&mm, at + PAGE);
    mm.write(at + PAGE, &[9]).unwrap();
    assert_eq!((frame(&mm, at + PAGE), byte(&mm, at + PAGE)), (new, 9));
}

#[test]
fn what_is_shared_is_moved_once_and_stays_shared() {
    let (mm, at) = filled(1);
    let before = frames::free_count();
    let (child, grandchild) = (mm.fork().unwrap(), mm.fork().unwrap());
    let old = frame(&mm, at);
    assert_eq!(evict(&just(old)), Ok(()));
    let new = frame(&mm, at);
    assert_ne!(new, old);
    assert_eq!((frame(&child, at), frame(&grandchild, at), frames::shares(new)), (new, new, 2));
    // And a store is nobody else's to see.
    child.write(at, &[7]).unwrap();
    assert_eq!([&mm, &child, &grandchild].map(|space| byte(space, at)), [1, 7, 1]);
    drop((child, grandchild));
    mm.write(at, &[8]).unwrap();
    assert_eq!((frame(&mm, at), byte(&mm, at)), (new, 8));
    assert_eq!(frames::free_count(), before);
}

#[test]
fn a_pinned_page_stays_and_the_others_go() {
    let (mm, at) = filled(3);
    let frames_of = |mm: &AddressSpace| [0, 1, 2].map(|page| frame(mm, at + page * PAGE));
    let old = frames_of(&mm);
    frames::pin(old[1]);
    let all = *old.iter().min().unwrap()..old.iter().max().unwrap().add_pages(1);
    assert_eq!(move_away(&mm, &all), Err(Errno::EBUSY));
    let new = frames_of(&mm);
    assert_eq!([0, 1, 2].map(|page| new[page] == old[page]), [false, true, false]);
    frames::unpin(old[1]);
    assert_eq!(evict(&just(old[1])), Ok(()));
    assert_ne!(frame(&mm, at + PAGE), old[1]);
    assert_eq!([0, 1, 2].map(|page| byte(&mm, at + page * PAGE)), [1, 2, 3]);
}

/// The stand-in for page tables refuses to have code executed that was not published since it was put there.
#[test]
fn code_that_moves_is_what_is_fetched() {
    let (mm, at) = filled(2);
    mm.protect(at, PAGE, Prot::READ | Prot::EXEC).unwrap();
    let old = [0, 1].map(|page| frame(&mm, at + page * PAGE));
    let all = *old.iter().min().unwrap()..old.iter().max().unwrap().add_pages(1);
    assert_eq!(move_away(&mm, &all), Ok(()));
    assert!([0, 1].map(|page| frame(&mm, at + page * PAGE)).iter().all(|new| !old.contains(new)));
    assert_eq!((byte(&mm, at), byte(&mm, at + PAGE)), (1, 2));
    // One that became executable after it moved.
    mm.protect(at + PAGE, PAGE, Prot::READ | Prot::EXEC).unwrap();
    assert_eq!(evict(&just(frame(&mm, at + PAGE))), Ok(()));
}

#[test]
fn without_memory_what_is_left_stays_where_it_is() {
    let (mm, at) = filled(BATCH as u64 + 40);
    let frames_of = || (0..BATCH as u64 + 40).map(|page| frame(&mm, at + page * PAGE)).collect::<Vec<_>>();
    let old = frames_of();
    let all = *old.iter().min().unwrap()..old.iter().max().unwrap().add_pages(1);
    // Room for twenty: what they leave is nobody's to move to.
    let mut taken = Vec::new();
    while let Ok(frame) = commit::page() {
        taken.push(frame);
    }
    taken.truncate(taken.len() - 20);
    let outcome = move_away(&mm, &all);
    let moved = frames_of().iter().zip(&old).filter(|(new, old)| new != old).count();
    assert_eq!((outcome, moved), (Err(Errno::ENOMEM), 20));
    assert!((0..old.len() as u64).all(|page| byte(&mm, at + page * PAGE) == (page as u8).wrapping_add(1)));
    drop(taken);
    assert_eq!(move_away(&mm, &all), Ok(()));
    assert_eq!(mm.lock().find_private_mapping(&all), None);
}

#[test]
fn more_pages_than_are_looked_for_at_a_time_are_all_moved() {
    let (mm, at) = filled(BATCH as u64 + 3);
    let old: Vec<_> = (0..BATCH as u64 + 3).map(|page| frame(&mm, at + page * PAGE)).collect();
    let all = *old.iter().min().unwrap()..old.iter().max().unwrap().add_pages(1);
    assert_eq!(move_away(&mm, &all), Ok(()));
    assert_eq!(mm.lock().find_private_mapping(&all), None);
    assert!((0..old.len() as u64).all(|page| byte(&mm, at + page * PAGE) == (page as u8).wrapping_add(1)));
}
