//! Builds Linux from Debian's source package, once; what is kept of it is the Image and the configuration it was
//! built with.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail, ensure};

use super::directory;
use crate::install::{self, download};
use crate::process;

/// The package with the source, and the release it is of.
const PACKAGE: (&str, &str) = ("linux-source-6.1", "bookworm");

/// What the kernel has besides allnoconfig.
const CONFIGURATION: &str = include_str!("linux.config");

/// How many lines make prints between two signs of life.
const PROGRESS: usize = 100;

/// The Image: the one built before with the same configuration, else one built now.
pub fn image() -> Result<Vec<u8>> {
    let directory = directory();
    let (image, configuration) = (directory.join("Image"), directory.join("linux.config"));
    let kept = fs::read_to_string(&configuration).is_ok_and(|kept| kept == CONFIGURATION);
    if !(kept && image.is_file()) {
        ensure!(
            !install::is_forbidden(),
            "there is no reference kernel yet, and nothing is downloaded (--no-install)"
        );
        build(&directory, &image).context("the reference kernel cannot be built")?;
        fs::write(&configuration, CONFIGURATION)?;
    }
    fs::read(&image).with_context(|| format!("cannot read {}", image.display()))
}

/// Downloads, unpacks, configures and builds; what that leaves behind besides the Image is removed.
fn build(directory: &Path, image: &Path) -> Result<()> {
    let compiler = install::c_compiler()?;
    install::kernel_tools()?;
    let package = download::unpacked(PACKAGE.0, Some(PACKAGE.1), directory)?;
    let scratch = tempfile::Builder::new().prefix("linux-").tempdir_in(directory)?;
    eprintln!("lastref: unpacking the source of Linux");
    let archive = package.path().join(format!("usr/src/{}.tar.xz", PACKAGE.0));
    let mut unpack = Command::new("tar");
    unpack.arg("-xf").arg(archive).arg("-C").arg(scratch.path());
    ensure!(process::succeeds(unpack, None), "the source cannot be unpacked");
    drop(package);

    let make = Make { source: scratch.path().join(PACKAGE.0), objects: scratch.path().join("o"), compiler };
    make.configure()?;
    make.run("Image")?;
    fs::rename(make.objects.join("arch/arm64/boot/Image"), image).context("make left no Image")
}

/// Linux's makefiles, told where and for what.
struct Make {
    source: PathBuf,
    objects: PathBuf,
    compiler: PathBuf,
}

impl Make {
    /// Makes the configuration, and checks that every line asked for is in it.
    fn configure(&self) -> Result<()> {
        fs::create_dir_all(&self.objects)?;
        let wanted = self.objects.join("wanted");
        fs::write(&wanted, CONFIGURATION)?;
        self.run("allnoconfig")?;
        let made = fs::read_to_string(self.objects.join(".config"))?;
        match refused(CONFIGURATION, &made).as_slice() {
            [] => Ok(()),
            lines => bail!("the source has no {}", lines.join(", ")),
        }
    }

    /// Makes one target, with a line of progress now and then. It goes when the launcher does.
    fn run(&self, target: &str) -> Result<()> {
        let compiler = self.compiler.display().to_string();
        let jobs = thread::available_parallelism().map_or(1, usize::from);
        let mut make = process::leashed("make".as_ref());
        make.current_dir(&self.source)
            .arg(format!("-j{jobs}"))
            .arg(format!("O={}", self.objects.display()))
            .args(["ARCH=arm64", &format!("CROSS_COMPILE={}", compiler.trim_end_matches("gcc"))])
            .arg(format!("KCONFIG_ALLCONFIG={}", self.objects.join("wanted").display()))
            .arg(target)
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = make.spawn().context("cannot run make")?;
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        for (number, line) in (1..).zip(lines) {
            let line = line?;
            if number % PROGRESS == 0 {
                eprintln!("lastref: building Linux, {number} steps: {}", line.trim());
            }
        }
        ensure!(child.wait()?.success(), "make {target} failed: see its message above");
        Ok(())
    }
}

/// The lines of `wanted` that `made` has not.
fn refused<'a>(wanted: &'a str, made: &str) -> Vec<&'a str> {
    let settings = wanted.lines().filter(|line| line.starts_with("CONFIG_"));
    settings.filter(|wanted| made.lines().all(|line| line != *wanted)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_did_not_come_out_is_told() {
        let wanted = "# comment\nCONFIG_A=y\nCONFIG_B=y\nCONFIG_N=64\n";
        let made = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_N=64\nCONFIG_C=y\n";
        assert_eq!(refused(wanted, made), ["CONFIG_B=y"]);
        assert!(refused(CONFIGURATION, CONFIGURATION).is_empty());
        assert!(refused(CONFIGURATION, "").len() > 30);
    }
}
