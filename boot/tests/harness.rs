//! The harness against QEMUs that are not there, fail, hang, lie or die: each is said, none is waited
//! for in vain. The QEMUs are shell scripts; what the real one runs is tested elsewhere.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lastref::records::Record;
use lastref::{End, Guest, Machine, Outcome};
use tempfile::TempDir;

/// Runs `script` as if it were QEMU.
fn run(script: &str) -> anyhow::Result<Outcome> {
    let directory = tempfile::tempdir()?;
    let guest = Guest { image: b"Image".to_vec(), ..Guest::default() };
    let limit = Some(Duration::from_millis(500));
    Machine::new(&guest).command(["/bin/lab", "H1"]).limit(limit).qemu(fake(&directory, script)).capture()
}

fn fake(directory: &TempDir, script: &str) -> PathBuf {
    let path = directory.path().join("qemu");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn failure(script: &str) -> String {
    format!("{:#}", run(script).unwrap_err())
}

#[test]
fn a_missing_qemu_is_an_error() {
    let guest = Guest::default();
    let error = Machine::new(&guest).qemu("/no/such/qemu").capture().unwrap_err();
    assert!(error.to_string().contains("no QEMU at /no/such/qemu"), "{error}");
}

#[test]
fn a_qemu_that_does_not_start_is_quoted() {
    assert_eq!(
        failure("echo 'qemu: unsupported machine' >&2; exit 1"),
        "QEMU did not start: qemu: unsupported machine"
    );
    assert!(failure("exit 1").contains("the kernel said nothing"));
}

#[test]
fn a_qemu_that_is_killed_is_an_error() {
    assert!(failure("echo booting; kill -SEGV $$").contains("signal 11"));
}

#[test]
fn a_qemu_that_hangs_is_killed() {
    for script in
        ["sleep 30", "echo booting; exec >&- 2>&-; sleep 30", "trap '' TERM INT; while :; do :; done"]
    {
        let start = Instant::now();
        let outcome = run(script).unwrap();
        assert!(outcome.timed_out() && outcome.status().is_none(), "{script}");
        assert!(start.elapsed() < Duration::from_secs(5), "{script}");
    }
}

#[test]
fn what_a_machine_says_is_told_apart() {
    let outcome = run(r#"
        printf 'boot\n\036oout\036eerr\036r{"done":1}\n{broken\n'
        printf '\036k====================\nBUG: x\n====================\nKernel panic: y\nlast words'
        exit 101"#)
    .unwrap();
    assert_eq!(outcome.end, End::Status(101));
    assert_eq!((outcome.stdout.as_slice(), outcome.stderr.as_slice()), (&b"out"[..], &b"err"[..]));
    assert_eq!(outcome.records, [Record::Done { done: 1 }]);
    assert!(outcome.log.starts_with("boot\n") && outcome.log.ends_with("last words\n"));
    assert!(outcome.reports.contains("unreadable record") && outcome.reports.contains("{broken"));
    assert!(outcome.reports.contains("BUG: x\n") && outcome.reports.contains("last words"));
    assert!(!outcome.reports.contains("boot"));
}

#[test]
fn the_machine_is_given_kernel_root_and_command_line() {
    let outcome = run(r#"
        echo "$@"
        for file; do case $file in */Image|*/initramfs.cpio) wc -c < "$file";; esac; done"#)
    .unwrap();
    assert!(outcome.log.contains("-append lastref.console=framed -- /bin/lab H1"), "{}", outcome.log);
    assert!(outcome.log.contains("\n5\n"), "{}", outcome.log);
}

#[test]
fn machines_leave_no_files_behind() {
    let outcome = run(r#"for file; do case $file in */Image) echo "$file";; esac; done"#).unwrap();
    let image = outcome.log.trim();
    assert!(image.ends_with("/Image") && !fs::exists(image).unwrap());
}
