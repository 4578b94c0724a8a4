//! The machine as QEMU is told about it: its command line, and what its exit means.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

use anyhow::{Result, bail, ensure};

use crate::regions::Region;

/// The least memory the kernel boots with, in MiB.
pub const LEAST_MEMORY: u32 = 64;

/// The most memory the machine can have, in MiB.
pub const MOST_MEMORY: u32 = 255 << 10;

/// The most CPUs the kernel drives.
pub const MOST_CPUS: u32 = 16;

/// A device that a machine can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Device {
    /// QEMU's educational PCI device, which does DMA to and from buffers: /dev/edu
    Edu,
    /// A display that scans a contiguous buffer out: /dev/ramfb
    Ramfb,
}

impl Device {
    /// What `-device` takes. The DMA unit of `edu` has 28 address lines unless told otherwise, which reach no memory
    /// of this machine.
    fn option(self) -> &'static str {
        match self {
            Device::Edu => "edu,dma_mask=0xffffffffffffffff",
            Device::Ramfb => "ramfb",
        }
    }

    /// What the kernel has to be told of it, if anything.
    pub fn kernel_argument(self) -> Option<&'static str> {
        match self {
            Device::Edu => Some("edu.dma_bits=64"),
            Device::Ramfb => None,
        }
    }
}

/// What the machine is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hardware {
    /// How many CPUs.
    pub cpus: u32,
    /// How much memory, in MiB.
    pub memory: u32,
    /// Whether time is counted in instructions: one is one nanosecond.
    pub icount: bool,
    /// Whether memory has tags.
    pub tags: bool,
    /// Whether an IOMMU stands between PCI devices and memory.
    pub iommu: bool,
    /// Devices beyond the board's.
    pub devices: Vec<Device>,
    /// Memory set aside for heaps.
    pub regions: Vec<Region>,
    /// The TCP port to wait on for a debugger, before the first instruction.
    pub debugger: Option<u16>,
    /// Whether user space can end the machine, rather than the kernel alone.
    pub user_exit: bool,
}

impl Default for Hardware {
    fn default() -> Hardware {
        Hardware {
            cpus: 1,
            memory: 512,
            icount: false,
            tags: true,
            iommu: false,
            devices: Vec::new(),
            regions: Vec::new(),
            debugger: None,
            user_exit: false,
        }
    }
}

impl Hardware {
    /// QEMU's arguments for the board alone: what decides its device tree.
    pub fn board(&self) -> Vec<OsString> {
        let (cpus, memory) = (self.cpus.to_string(), format!("{}M", self.memory));
        let mut machine = String::from("virt,gic-version=3");
        machine.extend(self.tags.then_some(",mte=on"));
        machine.extend(self.iommu.then_some(",iommu=smmuv3"));
        let arguments = [
            ["-machine", &machine],
            ["-cpu", "max"],
            ["-smp", &cpus],
            ["-m", &memory],
            ["-display", "none"],
            ["-monitor", "none"],
            ["-nic", "none"],
        ];
        arguments.as_flattened().iter().map(OsString::from).collect()
    }

    /// QEMU's arguments for a machine of this hardware.
    pub fn arguments(&self, kernel: &Path, initramfs: &Path, command_line: &str) -> Vec<OsString> {
        let mut arguments = self.board();
        let semihosting = match self.user_exit {
            false => "enable=on,target=native",
            true => "enable=on,target=native,userspace=on",
        };
        let boot = [["-serial", "stdio"], ["-semihosting-config", semihosting], ["-append", command_line]];
        arguments.extend(boot.as_flattened().iter().map(OsString::from));
        arguments.extend(["-no-reboot".into(), "-kernel".into(), kernel.into()]);
        arguments.extend(["-initrd".into(), initramfs.into()]);
        for device in &self.devices {
            arguments.extend(["-device".into(), device.option().into()]);
        }
        if self.icount {
            arguments.extend(["-icount", "shift=0,sleep=off"].map(OsString::from));
        }
        if let Some(port) = self.debugger {
            arguments.extend(["-S".into(), "-gdb".into(), format!("tcp:127.0.0.1:{port}").into()]);
        }
        arguments
    }
}

/// Reads an amount of memory: a number of MiB, or with a suffix K, M or G.
pub fn parse_memory(text: &str) -> Result<u32> {
    let (number, unit) = match text.trim_end_matches(['b', 'B', 'i']).char_indices().last() {
        Some((at, letter)) if letter.is_ascii_alphabetic() => (&text[..at], letter.to_ascii_uppercase()),
        _ => (text, 'M'),
    };
    let Ok(number) = number.parse::<u64>() else { bail!("write a number of MiB, as in 512M or 1G") };
    let mib = match unit {
        'K' => number / 1024,
        'M' => number,
        'G' => number.saturating_mul(1024),
        _ => bail!("write a number of MiB, as in 512M or 1G"),
    };
    ensure!(
        mib >= u64::from(LEAST_MEMORY),
        "{text} is too little: the kernel takes at least {LEAST_MEMORY}M"
    );
    ensure!(
        mib <= u64::from(MOST_MEMORY),
        "{text} is too much: the machine takes at most {}G",
        MOST_MEMORY >> 10
    );
    Ok(mib as u32)
}

/// The guest's status from QEMU's own, which is the same unless QEMU failed: it then says why on
/// `stderr`, and nothing came from the guest.
pub fn guest_status(status: ExitStatus, guest_spoke: bool, stderr: &str) -> Result<u8> {
    let stderr = stderr.trim();
    match status.code() {
        Some(code) if code == 0 || guest_spoke => Ok(code as u8),
        Some(code) if stderr.is_empty() => bail!("QEMU ended with status {code} and the kernel said nothing"),
        Some(_) => bail!("QEMU did not start: {stderr}"),
        None => bail!("QEMU was ended by signal {}: {stderr}", status.signal().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_parsed_within_bounds() {
        for (text, mib) in [("512M", 512), ("512", 512), ("1G", 1024), ("1GiB", 1024), ("524288K", 512)] {
            assert_eq!(parse_memory(text).unwrap(), mib, "{text}");
        }
        assert!(parse_memory("1M").unwrap_err().to_string().contains("at least 64M"));
        for wrong in ["", "M", "-5M", "12T", "1.5G", "99999999999999999999G", "300G", "é"] {
            assert!(parse_memory(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_command_line_follows_the_hardware() {
        let text = |hardware: &Hardware| {
            let arguments = hardware.arguments(Path::new("K"), Path::new("I"), "a=b -- x");
            arguments.iter().map(|a| a.to_string_lossy().into_owned()).collect::<Vec<_>>().join("|")
        };
        let plain = text(&Hardware::default());
        assert!(plain.contains("-smp|1|-m|512M|") && plain.contains("-append|a=b -- x|"));
        assert!(!plain.contains("-icount") && !plain.contains("-gdb") && !plain.contains("smmu"));
        let iommu = text(&Hardware { iommu: true, ..Hardware::default() });
        assert!(iommu.contains("-machine|virt,gic-version=3,mte=on,iommu=smmuv3|"));
        assert!(plain.contains("-semihosting-config|enable=on,target=native|"));
        let other = Hardware {
            cpus: 4,
            memory: 64,
            icount: true,
            devices: vec![Device::Edu],
            debugger: Some(1234),
            user_exit: true,
            ..Hardware::default()
        };
        let other = text(&other);
        assert!(other.contains("-semihosting-config|enable=on,target=native,userspace=on|"));
        assert!(other.contains("-smp|4|-m|64M|") && other.contains("-icount|shift=0,sleep=off"));
        assert!(!plain.contains("-device") && other.contains("-device|edu,dma_mask="));
        assert!(other.ends_with("-S|-gdb|tcp:127.0.0.1:1234"));
    }

    #[test]
    fn statuses_of_guest_and_qemu_are_told_apart() {
        let exit = |code: i32| ExitStatus::from_raw(code << 8);
        assert_eq!(guest_status(exit(42), true, "").unwrap(), 42);
        assert_eq!(guest_status(exit(0), false, "").unwrap(), 0);
        let failed = guest_status(exit(1), false, "qemu: no such machine\n").unwrap_err();
        assert_eq!(failed.to_string(), "QEMU did not start: qemu: no such machine");
        assert!(guest_status(exit(1), false, "").unwrap_err().to_string().contains("said nothing"));
        assert!(
            guest_status(ExitStatus::from_raw(11), true, "").unwrap_err().to_string().contains("signal 11")
        );
    }
}
