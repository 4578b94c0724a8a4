//! Looks at a program of the host's before a machine is booted for it, so that what can never run is
//! refused with a reason.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use object::LittleEndian as LE;
use object::elf::{
    EM_386, EM_AARCH64, EM_ARM, EM_RISCV, EM_X86_64, ET_DYN, ET_EXEC, FileHeader64, PT_INTERP, PT_LOAD,
};
use object::read::elf::{FileHeader, ProgramHeader};

/// Reads a program and checks that it is a whole, static ELF file for 64-bit Arm.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let name = path.display();
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == ErrorKind::NotFound => bail!("{name}: there is no such file"),
        Err(error) => return Err(error).with_context(|| format!("cannot look at {name}")),
    };
    ensure!(!meta.is_dir(), "{name} is a directory, not a program");
    ensure!(meta.is_file(), "{name} is not a regular file");
    let bytes = fs::read(path).with_context(|| format!("cannot read {name}"))?;
    check(&bytes).with_context(|| format!("cannot run {name}"))?;
    Ok(bytes)
}

/// Checks that `elf` is a whole, static, little-endian ELF file for 64-bit Arm.
pub fn check(elf: &[u8]) -> Result<()> {
    const HOW: &str = "compile it with aarch64-linux-gnu-gcc -static";
    ensure!(elf.starts_with(b"\x7fELF"), "it is not an ELF file; {HOW}");
    ensure!(elf.len() >= 64, "the ELF file is truncated: {} bytes do not even hold its header", elf.len());
    // The machine's number stands at the same place in 32-bit files.
    let machine = u16::from_le_bytes([elf[18], elf[19]]);
    if elf[5] == 1 && machine != EM_AARCH64.0 {
        bail!("it is an ELF file for {}, not for aarch64; {HOW}", machine_name(machine));
    }
    let header = FileHeader64::<LE>::parse(elf).ok().context("it is not a 64-bit little-endian ELF file")?;
    let kind = header.e_type(LE);
    ensure!(kind == ET_EXEC || kind == ET_DYN, "it is not a linked program (an object file or a core dump)");
    let segments =
        header.program_headers(LE, elf).ok().context("the ELF file is truncated: no program headers")?;
    for segment in segments {
        ensure!(
            segment.p_type(LE) != PT_INTERP,
            "it is linked dynamically, and there is no dynamic linker on the guest; {HOW}"
        );
        let end = segment.p_offset(LE).checked_add(segment.p_filesz(LE));
        let length = elf.len() as u64;
        if segment.p_type(LE) == PT_LOAD && end.is_none_or(|end| end > length) {
            bail!("the ELF file is truncated: a segment reaches past its {length} bytes");
        }
    }
    ensure!(segments.iter().any(|segment| segment.p_type(LE) == PT_LOAD), "it has nothing to load");
    Ok(())
}

fn machine_name(machine: u16) -> String {
    match object::elf::Machine(machine) {
        EM_X86_64 => "x86-64".into(),
        EM_386 => "x86".into(),
        EM_ARM => "32-bit Arm".into(),
        EM_RISCV => "RISC-V".into(),
        _ => format!("machine {machine}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tests::elf;

    const AARCH64: u16 = 183;

    fn refusal(bytes: &[u8]) -> String {
        format!("{:#}", check(bytes).unwrap_err())
    }

    #[test]
    fn a_static_program_passes() {
        check(&elf(AARCH64, &[(PT_LOAD.0, 0, b"text")], b"")).unwrap();
    }

    #[test]
    fn each_unfit_file_is_refused_by_name() {
        let whole = elf(AARCH64, &[(PT_LOAD.0, 0, b"text")], b"");
        assert!(refusal(b"#!/bin/sh\n").contains("not an ELF file"));
        assert!(refusal(b"").contains("not an ELF file"));
        assert!(refusal(&elf(62, &[(PT_LOAD.0, 0, b"text")], b"")).contains("x86-64"));
        assert!(refusal(&elf(AARCH64, &[(PT_INTERP.0, 0, b"/lib/ld.so\0")], b"")).contains("dynamically"));
        assert!(refusal(&elf(AARCH64, &[], b"")).contains("nothing to load"));
        for length in 4..whole.len() {
            assert!(refusal(&whole[..length]).contains("truncated"), "{length} bytes");
        }
    }

    #[test]
    fn unfit_paths_are_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let missing = read(&directory.path().join("missing")).unwrap_err();
        assert!(missing.to_string().contains("no such file"));
        assert!(read(directory.path()).unwrap_err().to_string().contains("is a directory"));
        assert!(read(Path::new("/dev/null")).unwrap_err().to_string().contains("regular file"));
    }
}
