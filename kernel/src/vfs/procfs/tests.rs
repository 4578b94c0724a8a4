//! `/proc` with processes that tests make up: each test thread is one.

use alloc::collections::BTreeMap;
use core::cell::Cell;
use core::sync::atomic::{AtomicI32, Ordering};
use std::sync::Mutex;

use super::*;
use crate::syscall::fd::sys_close;
use crate::syscall::testing::Process as Caller;
use crate::vfs::flags::*;
use crate::vfs::namespace;

struct Made {
    pid: i32,
    files: Arc<FdTable>,
    exe: Arc<Dentry>,
}

struct All;

static MADE: Mutex<BTreeMap<i32, Arc<Made>>> = Mutex::new(BTreeMap::new());

std::thread_local! {
    static CURRENT: Cell<i32> = const { Cell::new(0) };
    static ADJ: Cell<i32> = const { Cell::new(0) };
}

impl Processes for All {
    fn current(&self) -> i32 {
        CURRENT.get()
    }

    fn current_thread(&self) -> i32 {
        CURRENT.get()
    }

    fn find(&self, pid: i32) -> Option<Arc<dyn Process>> {
        MADE.lock().unwrap().get(&pid).cloned().map(|made| made as _)
    }

    fn next(&self, pid: i32) -> Option<i32> {
        MADE.lock().unwrap().range(pid..).next().map(|(pid, _)| *pid)
    }
}

impl Process for Made {
    fn files(&self) -> Option<Arc<FdTable>> {
        Some(self.files.clone())
    }

    fn exe(&self) -> Option<Arc<Dentry>> {
        Some(self.exe.clone())
    }

    fn cwd(&self) -> Option<Arc<Dentry>> {
        None
    }

    fn root(&self) -> Option<Arc<Dentry>> {
        None
    }

    fn buffer_bytes(&self) -> heaps::Result<usize> {
        Ok(8192)
    }

    fn comm(&self) -> String {
        "made up".into()
    }

    fn cmdline(&self) -> Result<Vec<u8>> {
        Ok(b"made\0up\0".to_vec())
    }

    fn environ(&self) -> Result<Vec<u8>> {
        Ok(b"HOME=/\0".to_vec())
    }

    fn limits(&self) -> [(u64, u64); 16] {
        [(0, u64::MAX); 16]
    }

    fn next_thread(&self, tid: i32) -> Option<i32> {
        (tid <= self.pid).then_some(self.pid)
    }

    fn oom_score(&self) -> i64 {
        667
    }

    fn oom_score_adj(&self) -> i32 {
        ADJ.get()
    }

    fn set_oom_score_adj(&self, adj: i32) -> Result<()> {
        ADJ.set(adj);
        Ok(())
    }

    fn maps(&self) -> Result<String> {
        Ok("00400000-00401000 r-xp 00000000 00:01 1 /prog\n".into())
    }

    fn figures(&self) -> Figures {
        let (vm_bytes, rss_bytes) = (8192, 4096);
        Figures {
            state: 'R',
            ppid: 1,
            pgrp: 1,
            session: 1,
            threads: 1,
            vm_bytes,
            rss_bytes,
            ..Default::default()
        }
    }
}

/// Makes the calling thread a process with these descriptors, and returns its number.
pub fn as_process(files: &Arc<FdTable>, exe: &Arc<Dentry>) -> i32 {
    static NEXT: AtomicI32 = AtomicI32::new(100);
    set_processes(&All);
    let pid = NEXT.fetch_add(1, Ordering::Relaxed);
    CURRENT.set(pid);
    MADE.lock().unwrap().insert(pid, Arc::new(Made { pid, files: files.clone(), exe: exe.clone() }));
    pid
}

/// A process in a tree with `/proc`, and its number. The tree is the test's own, `/proc` everyone's.
fn process() -> (Caller, i32) {
    let p = Caller::new();
    // Everyone's root cannot be mounted twice; a link to it will do.
    let proc = Dentry::root(root().inode().clone());
    let at = namespace::ensure_dir(&p.fs.root(), b"proc", 0o755).unwrap();
    namespace::cover(&at, &proc).unwrap();
    p.create("/prog", b"ELF");
    let exe = p.ctx().resolve(AT_FDCWD, b"/prog", true).unwrap();
    let pid = as_process(&p.files, &exe);
    (p, pid)
}

#[test]
fn self_leads_to_the_caller() {
    let (p, pid) = process();
    assert_eq!(p.readlink("/proc/self").unwrap(), format!("{pid}"));
    assert_eq!(p.readlink("/proc/self/exe").unwrap(), "/prog");
    assert_eq!(p.contents("/proc/self/exe").unwrap(), b"ELF");
    assert_eq!(p.contents("/proc/self/comm").unwrap(), b"made up\n");
    assert!(p.contents("/proc/self/maps").unwrap().ends_with(b"/prog\n"));
    assert_eq!(p.contents("/proc/self/cmdline").unwrap(), b"made\0up\0");
    assert_eq!(p.contents("/proc/self/environ").unwrap(), b"HOME=/\0");
    assert_eq!(p.list("/proc/self/task"), [".", "..", &format!("{pid}")]);
    assert_eq!(p.contents(&format!("/proc/self/task/{pid}/statm")).unwrap(), b"2 1 0 0 0 0 0\n");
    assert!(p.open(&format!("/proc/self/task/{pid}/task"), O_RDONLY).is_err(), "threads have no threads");
    let limits = String::from_utf8(p.contents("/proc/self/limits").unwrap()).unwrap();
    assert!(
        limits
            .starts_with("Limit                     Soft Limit           Hard Limit           Units     \n")
    );
    assert!(
        limits.contains("\nMax open files            0                    unlimited            files     \n")
    );
    let stat = String::from_utf8(p.contents("/proc/self/stat").unwrap()).unwrap();
    assert_eq!(stat.replace("(made up)", "(x)").split(' ').count(), 52);
    assert!(
        String::from_utf8(p.contents("/proc/self/status").unwrap()).unwrap().contains("VmRSS:\t       4 kB")
    );
    for path in ["/proc/99999", "/proc/007", "/proc/-1", "/proc/self/none", "/proc/self/cwd", "/proc/"] {
        assert_eq!(p.open(path, O_RDONLY).is_ok(), path == "/proc/", "{path}");
    }
    assert_eq!(p.open("/proc/new", O_CREAT | O_RDWR), Err(Errno::ENOENT));
}

#[test]
fn who_is_killed_first_is_set_by_numbers_of_any_base() {
    let (p, _) = process();
    let path = "/proc/self/oom_score_adj";
    let set = |text: &[u8]| {
        let fd = p.open(path, O_WRONLY).unwrap();
        let written = p.write(fd, text);
        sys_close(&p.ctx(), fd).unwrap();
        written
    };
    for (text, value) in
        [("17", "17\n"), (" -1000\n", "-1000\n"), ("+0x10", "16\n"), ("010\n", "8\n"), ("0", "0\n")]
    {
        assert_eq!(set(text.as_bytes()), Ok(text.len()), "{text}");
        assert_eq!(p.contents(path).unwrap(), value.as_bytes());
    }
    for text in ["", "-", "x", "1 2", "08", "0x", "--1", "1.5"] {
        assert_eq!(set(text.as_bytes()), Err(Errno::EINVAL), "{text}");
    }
    assert_eq!(set(b"4294967296"), Err(Errno::ERANGE));
    assert_eq!(p.contents(path).unwrap(), b"0\n");
    assert_eq!(p.contents("/proc/self/oom_score").unwrap(), b"667\n");
}

#[test]
fn listings_name_what_can_be_looked_up() {
    let (p, pid) = process();
    let names = p.list("/proc");
    assert!(names.contains(&format!("{pid}")) && names.contains(&"self".into()));
    for name in p.list("/proc/self").iter().filter(|name| *name != "cwd") {
        assert!(p.stat(&format!("/proc/self/{name}")).is_ok(), "{name}");
    }
}

#[test]
fn a_descriptor_s_link_opens_the_file_again_even_without_a_name() {
    let (p, _) = process();
    p.create("/f", b"contents");
    let fd = p.open("/f", O_RDONLY).unwrap();
    assert_eq!(p.read(fd, 4).unwrap(), b"cont");
    p.unlink("/f").unwrap();
    let link = format!("/proc/self/fd/{fd}");
    assert_eq!(p.readlink(&link).unwrap(), "/f (deleted)");
    assert_eq!(p.contents(&link).unwrap(), b"contents");
    assert_eq!(p.list("/proc/self/fd"), [".", "..", "0", "1"]);
    let info = String::from_utf8(p.contents(&format!("/proc/self/fdinfo/{fd}")).unwrap()).unwrap();
    assert!(info.starts_with("pos:\t4\nflags:\t0400000\nmnt_id:\t1\nino:\t"), "{info}");
    sys_close(&p.ctx(), fd).unwrap();
    assert_eq!(p.open(&link, O_RDONLY), Err(Errno::ENOENT));
}

#[test]
fn a_pipe_s_link_has_text_and_opens_the_end_asked_for() {
    let (p, _) = process();
    crate::syscall::fd::sys_pipe2(&p.ctx(), crate::arch::USER_ARENA.0, 0).unwrap();
    assert!(p.readlink("/proc/self/fd/0").unwrap().starts_with("pipe:["));
    assert_eq!(p.open("/proc/self/fd/0", O_RDONLY), Ok(2));
}
