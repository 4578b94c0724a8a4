//! Builds Linux from Debian's source package, once; what is kept of it is the Image, the modules of the conformance
//! suite, and what both were built of.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail, ensure};

use super::directory;
use crate::build::Module;
use crate::install::{self, download};
use crate::{process, workspace};

/// The package with the source, and the release it is of.
const PACKAGE: (&str, &str) = ("linux-source-6.1", "bookworm");

/// What the kernel has besides allnoconfig.
const CONFIGURATION: &str = include_str!("linux.config");

/// What the modules' directory is called in the kernel's tree, below `drivers`.
const PLACE: &str = "lastref";

/// How many lines make prints between two signs of life.
const PROGRESS: usize = 100;

/// Where the modules' sources are, with what is built into the kernel for them.
const MODULES: &str = "tests/c/conformance/module";

/// The Image and the modules: those built before with the same configuration and of the same modules' sources, else
/// built now.
pub fn image_and_modules() -> Result<(Vec<u8>, Vec<Module>)> {
    let directory = directory();
    let sources = Sources::read()?;
    let (image, built_of) = (directory.join("Image"), directory.join("built-of"));
    let kept = fs::read_to_string(&built_of).is_ok_and(|kept| kept == sources.digest());
    if !(kept && image.is_file()) {
        ensure!(
            !install::is_forbidden(),
            "there is no reference kernel yet, and nothing is downloaded (--no-install)"
        );
        build(&directory, &sources).context("the reference kernel cannot be built")?;
        fs::write(&built_of, sources.digest())?;
    }
    let image = fs::read(&image).with_context(|| format!("cannot read {}", image.display()))?;
    let modules = sources.modules().map(|name| module(&directory, name)).collect::<Result<_>>()?;
    Ok((image, modules))
}

fn module(directory: &Path, name: &str) -> Result<Module> {
    let object = directory.join(format!("{name}.ko"));
    let file = fs::read(&object).with_context(|| format!("cannot read {}", object.display()))?;
    Ok(Module { name: name.to_owned(), object, file })
}

/// The files of the modules' directory: name and text, in order.
struct Sources(Vec<(String, String)>);

impl Sources {
    fn read() -> Result<Sources> {
        let directory = workspace::root().join(MODULES);
        let read = || -> Result<Vec<_>> {
            let mut files = Vec::new();
            for entry in fs::read_dir(&directory)? {
                let entry = entry?;
                files.push((
                    entry.file_name().to_string_lossy().into_owned(),
                    fs::read_to_string(entry.path())?,
                ));
            }
            files.sort();
            Ok(files)
        };
        read().map(Sources).with_context(|| format!("cannot read {}", directory.display()))
    }

    /// All that what is built depends on.
    fn digest(&self) -> String {
        let files = self.0.iter().map(|(name, text)| format!("==> {name}\n{text}"));
        CONFIGURATION.to_owned() + &files.collect::<String>()
    }

    /// The modules that are made of them: those of the makefile's `obj-m`.
    fn modules(&self) -> impl Iterator<Item = &str> {
        let makefile = self.0.iter().find(|(name, _)| name == "Makefile").map_or("", |(_, text)| text);
        let lines = makefile.lines().filter_map(|line| line.strip_prefix("obj-m +="));
        lines.flat_map(str::split_whitespace).filter_map(|object| object.strip_suffix(".o"))
    }

    /// Makes them part of the kernel's tree.
    fn plant(&self, tree: &Path) -> Result<()> {
        let directory = tree.join("drivers").join(PLACE);
        fs::create_dir_all(&directory)?;
        self.0.iter().try_for_each(|(name, text)| fs::write(directory.join(name), text))?;
        let mut makefile = fs::OpenOptions::new().append(true).open(tree.join("drivers/Makefile"))?;
        writeln!(makefile, "obj-y += {PLACE}/")?;
        Ok(())
    }
}

/// Downloads, unpacks, configures and builds; what that leaves behind besides the Image and the modules is removed.
fn build(directory: &Path, sources: &Sources) -> Result<()> {
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
    sources.plant(&make.source)?;
    make.configure()?;
    make.run("Image")?;
    make.run("modules")?;
    for name in sources.modules() {
        let file = format!("{name}.ko");
        let made = make.objects.join("drivers").join(PLACE).join(&file);
        fs::rename(made, directory.join(&file)).with_context(|| format!("make left no {file}"))?;
    }
    fs::rename(make.objects.join("arch/arm64/boot/Image"), directory.join("Image"))
        .context("make left no Image")
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

    #[test]
    fn modules_are_planted_in_the_kernels_tree_and_built_again_when_they_change() {
        let sources = Sources::read().unwrap();
        let modules: Vec<_> = sources.modules().collect();
        assert!(modules.contains(&"heap_facts"), "{modules:?}");
        let tree = tempfile::tempdir().unwrap();
        sources.plant(tree.path()).unwrap_err();
        fs::create_dir_all(tree.path().join("drivers")).unwrap();
        fs::write(tree.path().join("drivers/Makefile"), "obj-y += tty/\n").unwrap();
        sources.plant(tree.path()).unwrap();
        let makefile = fs::read_to_string(tree.path().join("drivers/Makefile")).unwrap();
        assert_eq!(makefile, "obj-y += tty/\nobj-y += lastref/\n");
        for module in modules {
            assert!(tree.path().join(format!("drivers/lastref/{module}.c")).is_file(), "{module}");
        }
        let mut other = Sources::read().unwrap();
        other.0[0].1 += "\n";
        assert_ne!(other.digest(), sources.digest());
    }
}
