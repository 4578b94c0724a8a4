//! The memory a program starts with: its segments, its stack, the page that signal handlers return through.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use core::ops::Range;

use heaps::{Errno, PAGE_SIZE, Result};
use spin::Once;

use super::auxv::{self, Facts, Stack, Strings};
use super::elf::{Parsed, Program, Segment};
use super::random;
use crate::mm::aspace::USER_END;
use crate::mm::aspace::mappers::Mapped;
use crate::mm::aspace::shared::SharedPages;
use crate::mm::vma::{Backing, MapSource, VmFlags, Vma};
use crate::mm::{AddressSpace, Prot, frames};

/// Where the stack ends.
pub const STACK_TOP: u64 = USER_END - 0x1_0000;
/// What a stack has at first, below its first contents.
const STACK_FIRST: u64 = 128 << 10;
/// The page that handlers return through.
pub const SIGNAL_PAGE: u64 = USER_END - 0x8000;
/// `mov x8, #139` (rt_sigreturn); `svc #0`.
const SIGRETURN: [u32; 2] = [0xd280_1168, 0xd400_0001];

static SIGNAL_CODE: Once<Arc<SharedPages>> = Once::new();

/// What a program starts with.
pub struct Image {
    /// Its memory.
    pub mm: AddressSpace,
    /// Its first stack pointer.
    pub sp: u64,
    /// Where it starts.
    pub entry: u64,
    /// Where its arguments are.
    pub args: Range<u64>,
    /// Where its environment is.
    pub env: Range<u64>,
}

/// Makes the page that handlers return through. At boot; `ENOMEM`.
pub fn init() -> Result<()> {
    let pages = SharedPages::new();
    let page = pages.page(0)?;
    for (i, word) in SIGRETURN.iter().enumerate() {
        frames::write(page, i * 4, &word.to_le_bytes());
    }
    frames::unshare(page);
    SIGNAL_CODE.call_once(|| Arc::new(pages));
    Ok(())
}

/// What loads the rest of a program, and starts it.
pub struct Interpreter {
    /// Its headers.
    pub parsed: Parsed,
    /// Its file.
    pub file: Arc<dyn MapSource>,
    /// The file's size, in bytes.
    pub size: u64,
}

impl Interpreter {
    /// Puts it where there is room, and returns how far that is from where it was linked to be, and its entry.
    fn place(&self, mm: &AddressSpace) -> Result<(u64, u64)> {
        let span = self.parsed.span().ok_or(Errno::EINVAL)?;
        let program = self.parsed.program(self.size, mm.find_free(span)?)?;
        let file = Mapped::new(self.file.clone(), &mm.space(), false)?;
        program.segments.iter().try_for_each(|segment| place(mm, segment, &file))?;
        Ok((program.bias, program.entry))
    }
}

/// Puts a program from its file, known as `path`, into memory, and its interpreter if it has one. `ENOMEM`, `E2BIG`,
/// `ENOEXEC`.
pub fn build(
    (program, file): (&Program, &Arc<dyn MapSource>),
    interpreter: Option<&Interpreter>,
    path: &[u8],
    argv: &Strings,
    envp: &Strings,
) -> Result<Image> {
    let mm = AddressSpace::new()?;
    let file = Mapped::new(file.clone(), &mm.space(), false)?;
    for segment in &program.segments {
        place(&mm, segment, &file)?;
    }
    mm.set_brk_start(program.segments.last().map_or(0, |segment| segment.end));
    if let Some(code) = SIGNAL_CODE.get() {
        place_signal_page(&mm, code)?;
    }
    let (base, entry) = interpreter.map_or(Ok((0, program.entry)), |it| it.place(&mm))?;
    let Program { phdr, phnum, entry: program_entry, .. } = *program;
    let mut facts = Facts { phdr, phnum: phnum.into(), entry: program_entry, base, ..Facts::default() };
    random::fill(&mut facts.random);
    let Stack { sp, bytes, args, env } = auxv::build(STACK_TOP, path, argv, envp, &facts)?;
    let start = (sp - STACK_FIRST) & !(PAGE_SIZE as u64 - 1);
    mm.place(Vma::anonymous(start, STACK_TOP, Prot::READ | Prot::WRITE, VmFlags::GROWSDOWN))?;
    mm.write(sp, &bytes)?;
    Ok(Image { mm, sp, entry, args, env })
}

fn place(mm: &AddressSpace, segment: &Segment, file: &Arc<Mapped>) -> Result<()> {
    let &Segment { start, file_end, end, offset, len, prot } = segment;
    if start < file_end {
        let backing = Backing::Content { file: file.clone(), offset, len: Some(len) };
        let max_prot = Prot::all();
        mm.place(Vma { start, end: file_end, prot, max_prot, flags: VmFlags::empty(), backing })?;
    }
    if file_end < end {
        mm.place(Vma::anonymous(file_end, end, prot, VmFlags::empty()))?;
    }
    Ok(())
}

fn place_signal_page(mm: &AddressSpace, code: &Arc<SharedPages>) -> Result<()> {
    let prot = Prot::READ | Prot::EXEC;
    mm.place(Vma {
        start: SIGNAL_PAGE,
        end: SIGNAL_PAGE + PAGE_SIZE as u64,
        prot,
        max_prot: prot,
        flags: VmFlags::SIGPAGE,
        backing: Backing::Shared { pages: code.clone(), first: 0 },
    })
}
