//! `exec --strace`: what it prints of programs whose calls are known, and what the log says of calls that are not there.

use anyhow::{Context, Result, ensure};
use lastref::{Machine, build};
use libtest_mimic::Trial;

use crate::launcher::{self, Ran};
use crate::{transcript, trial};

/// A name, the program and its arguments, the status, and lines that have to stand on standard error in this order. A
/// `#` stands for any number, spaces before it or not, a `*` at the end for anything.
type Case = (&'static str, &'static [&'static str], i32, &'static [&'static str]);

const CASES: [Case; 6] = [
    (
        "true",
        &["guest:/bin/true"],
        0,
        &[
            "execve(\"/bin/true\", [\"/bin/true\"], # /* 0 vars */) = 0",
            "exit_group(0)                           = ?",
            "+++ exited with 0 +++",
        ],
    ),
    (
        "heap",
        &["guest:/bin/scenario", "H10-mmap"],
        0,
        &[
            "openat(AT_FDCWD, \"/dev/dma_heap/*",
            "ioctl(#, DMA_HEAP_IOCTL_ALLOC, {len=#, fd=#, fd_flags=O_RDWR|O_CLOEXEC, heap_flags=0}) = 0",
            "mmap(NULL, #, PROT_READ|PROT_WRITE, MAP_SHARED, #, 0) = #",
            "munmap(#, #)           = 0",
            "delete_module(\"tee_heap\", O_NONBLOCK)   = 0",
            "+++ exited with 0 +++",
        ],
    ),
    (
        "buffer",
        &["guest:/bin/scenario", "H10-dup"],
        0,
        &[
            "ioctl(#, DMA_BUF_IOCTL_SYNC, {flags=DMA_BUF_SYNC_START|DMA_BUF_SYNC_RW}) = 0",
            "ioctl(#, DMA_BUF_IOCTL_SYNC, {flags=DMA_BUF_SYNC_END|DMA_BUF_SYNC_RW}) = 0",
            "ioctl(#, DMA_BUF_SET_NAME_B, \"outliver\") = 0",
            "+++ exited with 0 +++",
        ],
    ),
    (
        "refused",
        &["guest:/bin/scenario", "H1"],
        0,
        &[
            "ioctl(#, DMA_HEAP_IOCTL_ALLOC, {len=#, fd_flags=O_RDWR|O_CLOEXEC, heap_flags=0}) = -1 ENODEV (No such device)",
            "+++ exited with 0 +++",
        ],
    ),
    (
        "children",
        &["guest:/bin/forktest"],
        0,
        &[
            "clone(SIGCHLD, NULL, NULL, NULL, NULL)  = #",
            "[pid #] wait4(#,  <unfinished ...>",
            "[pid #] execve(\"/no/such/program\", [\"x\"], # /* 0 vars */) = -1 ENOENT (No such file or directory)",
            "[pid #] exit_group(201)             = ?",
            "[pid #] +++ exited with 201 +++",
            "<... wait4 resumed>[{WIFEXITED(s) && WEXITSTATUS(s) == 201}], 0, NULL) = #",
            "+++ exited with 0 +++",
        ],
    ),
    (
        "killed",
        &["guest:/bin/scenario", "canary-crash"],
        139,
        &["--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=*", "+++ killed by SIGSEGV +++"],
    ),
];

/// One trial a program, and one for the log: `strace::heap`, `log::missing-calls`.
pub fn trials() -> Vec<Trial> {
    let cases = CASES.iter().map(|(name, command, status, lines)| {
        trial(format!("strace::{name}"), move || {
            let ran = launcher::run(["exec", "--strace"].iter().chain(*command))?;
            check(&ran, *status, lines).with_context(|| format!("it printed:\n{}", ran.stderr))
        })
    });
    cases.chain([trial("log::missing-calls", missing_calls)]).collect()
}

fn check(ran: &Ran, status: i32, lines: &[&str]) -> Result<()> {
    ensure!(ran.status == status, "the status is {}, not {status}", ran.status);
    let mut printed = ran.stderr.lines();
    for wanted in lines {
        ensure!(printed.any(|line| fits(line, wanted)), "there is no line, or not in its place: {wanted}");
    }
    Ok(())
}

/// Whether a line is as wanted.
fn fits(line: &str, wanted: &str) -> bool {
    let Some(first) = wanted.chars().next() else { return line.is_empty() };
    match first {
        '*' => true,
        '#' => {
            let line = line.trim_start_matches(' ');
            let end = line.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(line.len());
            end > 0 && line.as_bytes()[0].is_ascii_digit() && fits(&line[end..], &wanted[1..])
        }
        _ => line.strip_prefix(first).is_some_and(|rest| fits(rest, &wanted[first.len_utf8()..])),
    }
}

/// A call that is not there is named in the log, once, however often it is made.
fn missing_calls() -> Result<()> {
    let machine = Machine::new(build::guest()?).command(["/bin/misuse", "bad-arguments"]);
    let outcome = machine.capture()?;
    let of = |text: &str| outcome.log.lines().filter(|line| line.ends_with(text)).count();
    for line in ["system call 282 (userfaultfd) is not there", "system call 500 (unknown) is not there"] {
        ensure!(of(line) == 1, "{} lines, not one: {line}\n{}", of(line), transcript::of(&outcome));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_what_they_describe() {
        for (line, wanted, fit) in [
            ("close(3) = 0", "close(#) = 0", true),
            ("[pid    12] x", "[pid #] x", true),
            ("close(-1) = 0", "close(#) = 0", false),
            ("f(0xffff, 1)", "f(#, 1)", true),
            ("f(0xffff, 2)", "f(#, 1)", false),
            ("openat(\"/dev/x\") = 3", "openat(\"/dev*", true),
            ("openat(\"/dev", "openat(\"/dev/*", false),
            ("exit", "exit_group", false),
            ("exit_group", "exit", false),
        ] {
            assert_eq!(fits(line, wanted), fit, "{line} {wanted}");
        }
    }
}
