//! `doctor`: shows what building and booting takes, and installs what is missing.

use crate::host::{Host, version_of};
use crate::install;
use crate::terminal::say;
use crate::toolchain::Core;
use anyhow::Result;

/// Shows what there is; the status is 0 when nothing is missing any more.
pub fn run() -> Result<u8> {
    if let Err(missing) = Host::survey() {
        missing.iter().try_for_each(|thing| say(&format!("missing    {}\n", thing.describe())))?;
    }
    let Host { toolchain, qemu } = install::ready()?;
    let core = match toolchain.core {
        Core::Prebuilt => "core library installed",
        Core::FromSource => "core library built from source",
    };
    say(&format!("toolchain  {} in {}, {core}\n", toolchain.version, toolchain.sysroot.display()))?;
    for (what, program) in [("linker", &toolchain.linker), ("qemu", qemu)] {
        let version = version_of(program).unwrap_or_else(|| "does not say its version".into());
        say(&format!("{what:10} {version} at {}\n", program.display()))?;
    }
    say("everything is there\n")?;
    Ok(0)
}
