//! What other systems have programs for, as much of it as it takes to look around. They run in processes of their own.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use heaps::uapi::Errno;
use heaps::uapi::errno::Result;

use super::read_file;
use crate::rt::file::{self, Fd};
use crate::rt::{abi, job, module, process, time};
use crate::{complain, say};

type Tool = fn(&[String]) -> Result<()>;

const TOOLS: [(&str, Tool); 14] = [
    ("cat", cat),
    ("dmesg", |_| file::write_all(1, &without_priorities(&job::kernel_log()?))),
    ("env", |_| file::write_all(1, read_file("/proc/self/environ")?.replace('\0', "\n").as_bytes())),
    ("grep", grep),
    ("insmod", insmod),
    ("ls", ls),
    ("lsmod", |_| copy("/proc/modules")),
    ("mkdir", |args| args.iter().try_for_each(|path| file::mkdir(path))),
    ("mount", |_| copy("/proc/mounts")),
    ("ps", ps),
    ("rm", |args| args.iter().try_for_each(|path| file::unlink(path, 0))),
    ("rmmod", |args| args.iter().try_for_each(|name| module::delete(name, abi::O_NONBLOCK))),
    ("sleep", sleep),
    ("wc", wc),
];

/// Runs the tool that `fields` name; its status, if there is one.
pub fn run(fields: &[String]) -> Option<i32> {
    let (name, tool) = TOOLS.iter().find(|(name, _)| *name == fields[0])?;
    Some(match tool(&fields[1..]) {
        Ok(()) => 0,
        // Nobody reads any more.
        Err(Errno::EPIPE) => 1,
        Err(why) => {
            complain!("{name}: {}", why.text().unwrap_or("unknown error"));
            1
        }
    })
}

fn open(path: &str) -> Result<Fd> {
    Fd::open(path, abi::O_RDONLY | abi::O_CLOEXEC)
}

fn copy_fd(from: i32) -> Result<()> {
    let mut part = [0; 4096];
    loop {
        match file::read(from, &mut part)? {
            0 => return Ok(()),
            len => file::write_all(1, &part[..len])?,
        }
    }
}

fn copy(path: &str) -> Result<()> {
    copy_fd(open(path)?.raw())
}

fn cat(args: &[String]) -> Result<()> {
    if args.is_empty() { copy_fd(0) } else { args.iter().try_for_each(|path| copy(path)) }
}

/// Standard input, or the files that are named, as text.
fn input(args: &[String]) -> Result<String> {
    if args.is_empty() {
        read_file("/proc/self/fd/0").or_else(|_| read_rest())
    } else {
        args.iter().map(|path| read_file(path)).collect()
    }
}

fn read_rest() -> Result<String> {
    let mut text = Vec::new();
    let mut part = [0; 4096];
    loop {
        match file::read(0, &mut part)? {
            0 => return Ok(String::from_utf8_lossy(&text).into_owned()),
            len => text.extend_from_slice(&part[..len]),
        }
    }
}

/// Without a match it is not done, but nothing is wrong either.
fn grep(args: &[String]) -> Result<()> {
    let (pattern, files) = args.split_first().ok_or(Errno::EINVAL)?;
    let text = input(files)?;
    let mut matches = 0;
    for line in text.lines().filter(|line| line.contains(pattern.as_str())) {
        say!("{line}");
        matches += 1;
    }
    if matches > 0 { Ok(()) } else { process::exit_group(1) }
}

fn wc(args: &[String]) -> Result<()> {
    let lines_only = args.first().is_some_and(|arg| arg == "-l");
    let text = input(&args[usize::from(lines_only)..])?;
    let lines = text.matches('\n').count();
    match lines_only {
        true => say!("{lines}"),
        false => say!("{lines} {} {}", text.split_whitespace().count(), text.len()),
    }
    Ok(())
}

fn insmod(args: &[String]) -> Result<()> {
    let (path, params) = args.split_first().ok_or(Errno::EINVAL)?;
    module::init_file(open(path)?.raw(), &params.join(" "))
}

fn sleep(args: &[String]) -> Result<()> {
    let seconds: u64 = args.first().and_then(|arg| arg.parse().ok()).ok_or(Errno::EINVAL)?;
    time::sleep(seconds * 1000 * time::MS)
}

/// `<6>` and the like stand before each line of the log.
fn without_priorities(log: &[u8]) -> Vec<u8> {
    let line = |line: &[u8]| match line.iter().position(|&byte| byte == b'>') {
        Some(end) if line.starts_with(b"<") => line[end + 1..].to_vec(),
        _ => line.to_vec(),
    };
    log.split_inclusive(|&byte| byte == b'\n').flat_map(line).collect()
}

fn names(path: &str) -> Result<Vec<String>> {
    let fd = Fd::open(path, abi::O_RDONLY | abi::O_DIRECTORY | abi::O_CLOEXEC)?;
    let mut names = Vec::new();
    let mut part = [0; 4096];
    loop {
        match file::read_dir(fd.raw(), &mut part)? {
            0 => break,
            len => names.extend(file::entries(&part[..len]).map(|(name, _)| String::from(name))),
        }
    }
    names.retain(|name| !name.starts_with('.'));
    names.sort_unstable();
    Ok(names)
}

fn ls(args: &[String]) -> Result<()> {
    let long = args.iter().any(|arg| arg == "-l");
    let paths: Vec<&str> = args.iter().map(String::as_str).filter(|arg| *arg != "-l").collect();
    for path in if paths.is_empty() { &["."][..] } else { &paths } {
        match names(path) {
            Ok(names) => names.iter().try_for_each(|name| show(&format!("{path}/{name}"), name, long))?,
            Err(Errno::ENOTDIR) => show(path, path, long)?,
            Err(why) => return Err(why),
        }
    }
    Ok(())
}

fn show(path: &str, name: &str, long: bool) -> Result<()> {
    /// `AT_SYMLINK_NOFOLLOW`.
    const NOFOLLOW: u32 = 0x100;
    if !long {
        say!("{name}");
        return Ok(());
    }
    let stat = file::stat_at(abi::AT_FDCWD, path, NOFOLLOW)?;
    let size = match stat.mode & abi::S_IFMT {
        abi::S_IFCHR => {
            format!("{}, {}", stat.rdev >> 8 & 0xfff, stat.rdev & 0xff | stat.rdev >> 12 & 0xfff00)
        }
        _ => format!("{}", stat.size),
    };
    let mut target = [0; 256];
    let link = match stat.mode & abi::S_IFMT {
        0o120000 => {
            file::read_link(path, &mut target).map(|text| format!(" -> {}", String::from_utf8_lossy(text)))
        }
        _ => Ok(String::new()),
    };
    say!(
        "{} {:3} {:4} {:4} {size:>10} {name}{}",
        mode(stat.mode),
        stat.nlink,
        stat.uid,
        stat.gid,
        link.unwrap_or_default()
    );
    Ok(())
}

/// As `-rwxr-xr-x`.
fn mode(mode: u32) -> String {
    let kind = match mode & abi::S_IFMT {
        0o040000 => 'd',
        0o020000 => 'c',
        0o120000 => 'l',
        0o010000 => 'p',
        0o140000 => 's',
        _ => '-',
    };
    let bits = (0..9).map(|n| if mode >> (8 - n) & 1 == 1 { ['r', 'w', 'x'][n % 3] } else { '-' });
    core::iter::once(kind).chain(bits).collect()
}

fn ps(_: &[String]) -> Result<()> {
    say!("  PID  PPID S COMMAND");
    for pid in names("/proc")?.iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
        // It may be gone by now.
        let (Ok(stat), Ok(line)) =
            (read_file(&format!("/proc/{pid}/stat")), read_file(&format!("/proc/{pid}/cmdline")))
        else {
            continue;
        };
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let command = line.trim_end_matches('\0').replace('\0', " ");
        say!("{pid:>5} {:>5} {} {command}", fields.get(1).unwrap_or(&""), fields.first().unwrap_or(&""));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_and_logs_read_as_elsewhere() {
        assert_eq!(mode(0o100644), "-rw-r--r--");
        assert_eq!(mode(0o020600), "crw-------");
        assert_eq!(mode(0o041777), "drwxrwxrwx");
        assert_eq!(without_priorities(b"<6>[ 0.1] up\n<12>x\n"), b"[ 0.1] up\nx\n");
    }
}
