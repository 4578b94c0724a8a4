//! `/bin/mmaptest`: files in memory give back what they took, whoever lets go of them last. TAP.
//!
//! Each check is played in a child twice: what the first time changes for good, the second time does not change again,
//! so that the kernel's counts agree before and after.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::format;

use heaps::uapi::Errno;
use userland::guest::oracle;
use userland::judge::counts;
use userland::rt::tap::Tap;
use userland::rt::{Args, Fd, Mapping, Status, abi, file, process};

userland::program!(run);

const PAGE: usize = abi::PAGE;
const FILE: &str = "/tmp/mmaptest";
const DIRECTORY: &str = "/tmp/mmaptest-dir";

type Outcome = Result<bool, Errno>;

fn run(_args: Args) -> i32 {
    let mut tap = Tap::new();
    oracle::warm_up();
    // What this program itself grows by while it counts is not to be counted.
    gives_back(&mut Tap::rehearsal(), "a rehearsal", mapped);
    gives_back(&mut tap, "a file that is mapped, written, cut and unlinked", mapped);
    gives_back(&mut tap, "a mapping that outlives its file", outlives);
    gives_back(&mut tap, "private copies, in a child too", copies);
    gives_back(&mut tap, "a memfd, sealed", memfd);
    gives_back(&mut tap, "a FIFO, and a lock that nobody gives up", fifo);
    gives_back(&mut tap, "a tmpfs with files and directories", mounted);
    gives_back(&mut tap, "a tmpfs that is unmounted while it is used", detached);
    tap.done()
}

/// What a child says of what it did.
fn play(what: fn() -> Outcome) -> Result<Status, Errno> {
    process::in_child(|| match what() {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(_) => 2,
    })
}

fn gives_back(tap: &mut Tap, name: &str, what: fn() -> Outcome) {
    let rehearsed = play(what);
    let before = oracle::settled_counts();
    let played = play(what);
    let after = oracle::settled_counts();
    tap.is(
        (rehearsed, played),
        (Ok(Status::Exited(0)), Ok(Status::Exited(0))),
        format_args!("{name}: works"),
    );
    match (before, after) {
        (Ok(before), Ok(after)) => {
            let delta = counts::delta(&before, &after);
            tap.is(delta, counts::Counts::new(), format_args!("{name}: leaves nothing"));
        }
        _ => {
            tap.ok(false, "the kernel's counts");
        }
    }
}

fn fresh(pages: usize) -> Result<Fd, Errno> {
    let fd = Fd::open(FILE, abi::O_RDWR | abi::O_CREAT | abi::O_TRUNC)?;
    file::truncate(fd.raw(), (pages * PAGE) as u64)?;
    Ok(fd)
}

fn mapped() -> Outcome {
    let fd = fresh(40)?;
    let map = Mapping::shared(fd.raw(), 40 * PAGE)?;
    map.touch();
    file::truncate(fd.raw(), 7 * PAGE as u64 + 1)?;
    let first = map.get(0) == 1;
    drop(map);
    file::unlink(FILE, 0)?;
    Ok(first)
}

fn outlives() -> Outcome {
    let fd = fresh(9)?;
    let map = Mapping::shared(fd.raw(), 9 * PAGE)?;
    map.touch();
    file::unlink(FILE, 0)?;
    fd.close()?;
    // The mapping goes with the process.
    let kept = map.get(8 * PAGE) == 1;
    core::mem::forget(map);
    Ok(kept)
}

fn copies() -> Outcome {
    let fd = fresh(9)?;
    let map = Mapping::new(9 * PAGE, abi::PROT_RW, abi::MAP_PRIVATE, fd.raw(), 0)?;
    let read = (0..9).all(|page| map.get(page * PAGE) == 0);
    map.put(PAGE, 5);
    let child = process::in_child(|| {
        map.touch();
        i32::from(map.get(PAGE) != 1)
    });
    file::truncate(fd.raw(), 3 * PAGE as u64)?;
    file::unlink(FILE, 0)?;
    Ok(read && child == Ok(Status::Exited(0)) && map.get(PAGE) == 5)
}

fn memfd() -> Outcome {
    let fd = file::memfd("mmaptest", abi::MFD_ALLOW_SEALING)?;
    file::truncate(fd.raw(), 5 * PAGE as u64)?;
    let map = Mapping::shared(fd.raw(), 5 * PAGE)?;
    map.touch();
    let busy = file::fcntl(fd.raw(), abi::F_ADD_SEALS, abi::F_SEAL_WRITE) == Err(Errno::EBUSY);
    drop(map);
    file::fcntl(fd.raw(), abi::F_ADD_SEALS, abi::F_SEAL_WRITE)?;
    let refused = Mapping::shared(fd.raw(), PAGE).err() == Some(Errno::EPERM);
    Ok(busy && refused)
}

fn fifo() -> Outcome {
    let path = format!("{FILE}.fifo");
    file::make_fifo(&path)?;
    let both = Fd::open(&path, abi::O_RDWR)?;
    file::write_all(both.raw(), &[1; 3000])?;
    file::flock(both.raw(), abi::LOCK_EX)?;
    file::unlink(&path, 0)?;
    core::mem::forget(both);
    Ok(true)
}

fn fill() -> Result<Fd, Errno> {
    file::mkdir(DIRECTORY)?;
    file::mount_tmpfs(DIRECTORY, "size=1m")?;
    file::mkdir(&format!("{DIRECTORY}/a"))?;
    file::mkdir(&format!("{DIRECTORY}/a/b"))?;
    for n in 0..20 {
        let fd = Fd::open(&format!("{DIRECTORY}/a/b/{n}"), abi::O_RDWR | abi::O_CREAT)?;
        file::write_all(fd.raw(), &[n; 5000])?;
    }
    Fd::open(&format!("{DIRECTORY}/a/b/7"), abi::O_RDONLY)
}

fn mounted() -> Outcome {
    let fd = fill()?;
    let busy = file::unmount(DIRECTORY, 0) == Err(Errno::EBUSY);
    fd.close()?;
    file::unmount(DIRECTORY, 0)?;
    file::unlink(DIRECTORY, abi::AT_REMOVEDIR)?;
    Ok(busy)
}

fn detached() -> Outcome {
    let fd = fill()?;
    file::unmount(DIRECTORY, abi::MNT_DETACH)?;
    file::unlink(DIRECTORY, abi::AT_REMOVEDIR)?;
    let mut byte = [0];
    let read = file::read(fd.raw(), &mut byte);
    Ok(read == Ok(1) && byte == [7])
}
