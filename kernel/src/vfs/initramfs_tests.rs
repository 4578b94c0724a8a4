//! Archives, good and hostile.

use alloc::format;
use alloc::vec;

use super::*;
use crate::vfs::inode::Content;
use crate::vfs::{path, ramfs};

fn member(name: &str, mode: u32, data: &[u8]) -> Vec<u8> {
    let mut out = format!(
        "070701{:08x}{mode:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}",
        1,
        0,
        0,
        1,
        0,
        data.len(),
        0,
        0,
        4,
        5,
        name.len() + 1,
        0
    )
    .into_bytes();
    assert_eq!(out.len(), HEADER);
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend_from_slice(data);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn archive(members: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut out: Vec<u8> = members.iter().flat_map(|(name, mode, data)| member(name, *mode, data)).collect();
    out.extend(member("TRAILER!!!", 0, b""));
    out
}

fn unpack_vec(image: Vec<u8>) -> (Arc<Dentry>, Result<(), Malformed>) {
    let root = ramfs::new(1);
    let outcome = unpack(&root, image.leak());
    (root, outcome)
}

fn text(root: &Arc<Dentry>, path: &str) -> Option<Vec<u8>> {
    let dentry = path::resolve(root, root, path.as_bytes(), true).ok()?;
    let Content::Regular(data) = dentry.inode().content() else { return None };
    let mut buf = vec![0; data.size() as usize];
    data.read_at(0, &mut buf);
    Some(buf)
}

#[test]
fn an_archive_becomes_a_tree() {
    let mut image = archive(&[
        (".", 0o040755, b""),
        ("bin", 0o040700, b""),
        ("bin/init", 0o100755, b"ELF"),
        ("bin/sh", 0o120777, b"init"),
        ("a/b/c", 0o100644, b"deep"),
        ("dev/null", 0o020666, b""),
    ]);
    image.extend([0; 300]);
    image.extend(archive(&[("/bin/init", 0o100700, b"later")]));
    let (root, outcome) = unpack_vec(image);
    assert_eq!(outcome, Ok(()));
    assert_eq!(text(&root, "/bin/sh").unwrap(), b"later");
    assert_eq!(text(&root, "/a/b/c").unwrap(), b"deep");
    let stat = |path: &[u8]| path::resolve(&root, &root, path, true).unwrap().inode().mode();
    assert_eq!((stat(b"/bin"), stat(b"/bin/init"), stat(b"/a")), (0o040700, 0o100700, 0o040755));
    let null = path::resolve(&root, &root, b"/dev/null", true).unwrap();
    assert_eq!(null.inode().char_node().unwrap().rdev, DevT::new(4, 5));
}

#[test]
fn what_is_no_archive_is_an_error_where_it_is() {
    let bad = |image: &[u8]| unpack_vec(image.to_vec()).1;
    let einval = |at| Err(Malformed { at, why: Errno::EINVAL });
    assert_eq!(bad(b""), Ok(()));
    assert_eq!(bad(b"\x7fELF"), einval(0));
    assert_eq!(bad(b"\x00\x00\x00\x00070701"), einval(4));
    let good = archive(&[("f", 0o100644, b"data")]);
    assert_eq!(bad(&good[..good.len() - 20]), einval(member("f", 0o100644, b"data").len()));
    for (name, mode) in [("../up", 0o100644), ("a/../../up", 0o040755), ("fifo", 0o010644), ("f", 0)] {
        assert_eq!(bad(&archive(&[(name, mode, b"")])), einval(0), "{name}");
    }
    assert_eq!(bad(&archive(&[("l", 0o120777, b"")])), einval(0));
    assert_eq!(
        bad(&archive(&[("f", 0o100644, b""), ("f/x", 0o100644, b"")])).map_err(|e| e.why),
        Err(Errno::EEXIST)
    );
    let mut huge = archive(&[("f", 0o100644, b"data")]);
    huge[54..62].copy_from_slice(b"ffffffff");
    assert_eq!(bad(&huge), einval(0));
    let mut nameless = archive(&[("f", 0o100644, b"data")]);
    nameless[94..102].copy_from_slice(b"00000000");
    assert_eq!(bad(&nameless), einval(0));
}

proptest::proptest! {
    /// Any bytes, and any damage to good ones: a tree or an error.
    #[test]
    fn damage_is_survived(noise: Vec<u8>, at in 0usize..600, byte: u8, cut in 0usize..700) {
        unpack_vec(noise.clone()).1.ok();
        let mut image = archive(&[("d", 0o040755, b""), ("d/f", 0o100644, b"data"), ("d/l", 0o120777, b"f")]);
        let at = at % image.len();
        image[at] = byte;
        image.truncate(cut);
        unpack_vec(image).1.ok();
    }
}
