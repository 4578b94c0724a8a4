//! Contents against plain vectors, and mappers against what they may see.

use super::*;
use crate::mm::frames;
use alloc::vec;
use alloc::vec::Vec;

fn plain(image: &'static [u8]) -> Data {
    Data::new(image, None)
}

fn contents(data: &Data) -> Vec<u8> {
    let mut buf = vec![0xaa; data.size() as usize];
    assert_eq!(data.read_at(0, &mut buf), buf.len());
    buf
}

#[test]
fn an_image_is_copied_when_written_to() {
    let data = plain(b"hello, world");
    data.write(&mut &b"J"[..], Some(0)).unwrap();
    assert_eq!(contents(&data), b"Jello, world");
    data.truncate(5).unwrap();
    data.truncate(7).unwrap();
    assert_eq!(contents(&data), b"Jello\0\0");
}

#[test]
fn what_truncation_cut_off_stays_zero() {
    let data = plain(b"hello, world");
    data.truncate(2).unwrap();
    data.truncate(12).unwrap();
    assert_eq!(contents(&data), b"he\0\0\0\0\0\0\0\0\0\0");
}

#[test]
fn a_hole_reads_as_zeros() {
    let data = plain(b"");
    assert_eq!(data.write(&mut &b"end"[..], Some(10_000)).unwrap(), (3, 10_003));
    let all = contents(&data);
    assert!(all[..10_000].iter().all(|&b| b == 0));
    assert_eq!(&all[10_000..], b"end");
    assert_eq!(data.read_at(20_000, &mut [0; 4]), 0);
}

#[test]
fn appending_ignores_where_the_writer_stood() {
    let data = plain(b"ab");
    assert_eq!(data.write(&mut &b"cd"[..], None).unwrap(), (2, 4));
    assert_eq!(contents(&data), b"abcd");
}

#[test]
fn beyond_the_largest_size_is_efbig() {
    let data = plain(b"");
    assert_eq!(data.write(&mut &b"x"[..], Some(MAX_SIZE)), Err(Errno::EFBIG));
    assert_eq!(data.write(&mut &b"x"[..], Some(u64::MAX)), Err(Errno::EFBIG));
    assert_eq!(data.truncate(MAX_SIZE + 1), Err(Errno::EFBIG));
    assert_eq!(data.write(&mut &b"xy"[..], Some(MAX_SIZE - 1)), Ok((1, MAX_SIZE)));
    assert_eq!((data.size(), data.blocks()), (MAX_SIZE, 8), "a size is no memory");
    assert_eq!(data.allocate(1, MAX_SIZE, false), Err(Errno::EFBIG));
}

#[test]
fn memory_comes_back_and_a_quota_is_kept() {
    let before = frames::free_count();
    let quota = Quota::new(2);
    let data = Data::new(b"", Some(quota.clone()));
    assert_eq!(data.write(&mut &vec![1; 3 * 4096][..], Some(0)), Ok((8192, 8192)));
    assert_eq!(data.write(&mut &b"x"[..], None), Err(Errno::ENOSPC));
    assert_eq!((quota.used(), before - frames::free_count()), (2, 2));
    data.truncate(4096).unwrap();
    assert_eq!((quota.used(), before - frames::free_count()), (1, 1));
    assert_eq!(data.allocate(0, 4 * 4096, false), Err(Errno::ENOSPC));
    assert_eq!((quota.used(), data.size()), (1, 4096), "nothing is left of what failed");
    data.allocate(4096, 1, true).unwrap();
    assert_eq!((quota.used(), data.size()), (2, 4096));
    drop(data);
    assert_eq!((quota.used(), frames::free_count()), (0, before));
    assert_eq!(quota.set_limit(0), Ok(()));
    assert_eq!(quota.charge(), Err(Errno::ENOSPC));
}

#[test]
fn holes_are_found_and_punched() {
    static IMAGE: [u8; 5000] = [7; 5000];
    let data = plain(&IMAGE);
    data.write(&mut &b"x"[..], Some(5 * 4096)).unwrap();
    assert_eq!((data.seek(1, true), data.seek(1, false)), (Ok(1), Ok(8192)));
    assert_eq!((data.seek(9000, true), data.seek(9000, false)), (Ok(5 * 4096), Ok(9000)));
    let size = data.size();
    assert_eq!((data.seek(size, true), data.seek(size - 1, false)), (Err(Errno::ENXIO), Ok(size)));
    data.punch_hole(100, 4096).unwrap();
    let all = contents(&data);
    assert_eq!((all[99], all[100], all[4195], all[4196]), (7, 0, 0, 7));
    data.punch_hole(8192, 1 << 40).unwrap();
    assert_eq!((data.seek(5000, true), data.size()), (Ok(5000), size));
    assert_eq!(data.seek(8192, true), Err(Errno::ENXIO));
}

#[test]
fn a_hole_of_many_pages_is_punched_to_its_last() {
    let data = plain(b"");
    data.allocate(0, 1000 * 4096, false).unwrap();
    data.punch_hole(4096, 998 * 4096).unwrap();
    assert_eq!((data.seek(0, false), data.seek(4096, true)), (Ok(4096), Ok(999 * 4096)));
}

#[test]
fn seals_refuse_what_they_name() {
    let data = Data::sealed(b"", None, 0);
    data.truncate(5000).unwrap();
    data.add_seals(seals::GROW).unwrap();
    assert_eq!(data.truncate(5001), Err(Errno::EPERM));
    assert_eq!(data.write(&mut &vec![1; 8192][..], Some(0)), Ok((4096, 4096)), "whole pages up to the end");
    assert_eq!(data.write(&mut &vec![1; 8192][..], Some(4096)), Err(Errno::EPERM));
    assert_eq!(data.write(&mut &b"ab"[..], Some(4998)), Ok((2, 5000)));
    assert_eq!(data.allocate(0, 5001, true), Err(Errno::EPERM));
    data.add_seals(seals::SHRINK).unwrap();
    assert_eq!(data.truncate(1), Err(Errno::EPERM));
    assert_eq!(data.add_seals(64), Err(Errno::EINVAL));
    data.add_seals(seals::WRITE).unwrap();
    assert_eq!(data.write(&mut &b"a"[..], Some(0)), Err(Errno::EPERM));
    assert_eq!(data.punch_hole(0, 1), Err(Errno::EPERM));
    data.add_seals(seals::SEAL | seals::WRITE).unwrap();
    assert_eq!(data.add_seals(seals::GROW), Err(Errno::EPERM));
    assert_eq!(plain(b"").add_seals(seals::GROW), Err(Errno::EPERM));
}

#[derive(Clone, Debug)]
enum Op {
    Write(u64, usize),
    Truncate(u64),
    Read(u64, usize),
    Punch(u64, u64),
    Allocate(u64, u64),
}

fn ops() -> impl proptest::strategy::Strategy<Value = Vec<Op>> {
    use proptest::prelude::*;
    let pos = 0u64..20_000;
    let op = prop_oneof![
        (pos.clone(), 0usize..9_000).prop_map(|(pos, len)| Op::Write(pos, len)),
        pos.clone().prop_map(Op::Truncate),
        (pos.clone(), 0usize..9_000).prop_map(|(pos, len)| Op::Read(pos, len)),
        (pos.clone(), 1u64..9_000).prop_map(|(pos, len)| Op::Punch(pos, len)),
        (pos, 1u64..9_000).prop_map(|(pos, len)| Op::Allocate(pos, len)),
    ];
    proptest::collection::vec(op, 1..20)
}

proptest::proptest! {
    /// Against a plain vector; and every frame comes back.
    #[test]
    fn behaves_as_a_vector(ops in ops()) {
        static IMAGE: [u8; 6000] = [0x5a; 6000];
        let before = frames::free_count();
        let data = plain(&IMAGE);
        let mut model = IMAGE.to_vec();
        for op in ops {
            match op {
                Op::Write(pos, len) => {
                    let bytes = vec![len as u8; len];
                    data.write(&mut &bytes[..], Some(pos)).unwrap();
                    if len > 0 {
                        model.resize(model.len().max(pos as usize + len), 0);
                        model[pos as usize..pos as usize + len].copy_from_slice(&bytes);
                    }
                }
                Op::Truncate(pos) => {
                    data.truncate(pos).unwrap();
                    model.resize(pos as usize, 0);
                }
                Op::Read(pos, len) => {
                    let mut buf = vec![0; len];
                    let got = data.read_at(pos, &mut buf);
                    let from = model.get(pos as usize..).unwrap_or(&[]);
                    proptest::prop_assert_eq!(&buf[..got], &from[..len.min(from.len())]);
                }
                Op::Punch(pos, len) => {
                    data.punch_hole(pos, len).unwrap();
                    let end = model.len().min((pos + len) as usize);
                    if let Some(hole) = model.get_mut(pos as usize..end) {
                        hole.fill(0);
                    }
                }
                Op::Allocate(pos, len) => {
                    data.allocate(pos, len, false).unwrap();
                    model.resize(model.len().max((pos + len) as usize), 0);
                }
            }
        }
        proptest::prop_assert_eq!(contents(&data), model);
        drop(data);
        proptest::prop_assert_eq!(frames::free_count(), before);
    }
}
