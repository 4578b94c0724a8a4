//! The stack a program starts on: argument count and pointers, environment, auxiliary vector, strings
//! (Linux: `fs/binfmt_elf.c`, `create_elf_tables`).
#![forbid(unsafe_code)]

use alloc::vec::Vec;
use core::ops::Range;

use heaps::{Errno, Result};

/// One string's most bytes, NUL included (Linux: `MAX_ARG_STRLEN`).
pub const MAX_STRING: usize = 128 << 10;
/// The most all strings and their pointers may take: a quarter of the stack's limit.
pub const MAX_TOTAL: usize = 2 << 20;

const AT_NULL: u64 = 0;
const AT_PHDR: u64 = 3;
const AT_PHENT: u64 = 4;
const AT_PHNUM: u64 = 5;
const AT_PAGESZ: u64 = 6;
const AT_BASE: u64 = 7;
const AT_FLAGS: u64 = 8;
const AT_ENTRY: u64 = 9;
const AT_UID: u64 = 11;
const AT_EUID: u64 = 12;
const AT_GID: u64 = 13;
const AT_EGID: u64 = 14;
const AT_PLATFORM: u64 = 15;
const AT_HWCAP: u64 = 16;
const AT_CLKTCK: u64 = 17;
const AT_SECURE: u64 = 23;
const AT_RANDOM: u64 = 25;
const AT_HWCAP2: u64 = 26;
const AT_EXECFN: u64 = 31;
const AT_MINSIGSTKSZ: u64 = 51;

/// What a signal's frame takes at most, in bytes, as Linux says it where there are no registers but these.
const SIGNAL_FRAME: u64 = 4720;

/// Floating point, SIMD, and the atomics of ARMv8.1: `HWCAP_FP`, `HWCAP_ASIMD`, `HWCAP_ATOMICS`. What a program must
/// not assume is left out, SVE above all, whose registers are not kept.
const HWCAP: u64 = 1 | 2 | 1 << 8;

/// Strings one after the other, each with its NUL.
#[derive(Clone, Default, Debug)]
pub struct Strings {
    bytes: Vec<u8>,
    count: usize,
}

impl Strings {
    /// Appends a string without NULs. `E2BIG`, `ENOMEM`.
    pub fn push(&mut self, text: &[u8]) -> Result<()> {
        let len = text.len() + 1;
        if len > MAX_STRING || self.cost() + len + 8 > MAX_TOTAL {
            return Err(Errno::E2BIG);
        }
        self.bytes.try_reserve(len).map_err(|_| Errno::ENOMEM)?;
        self.bytes.extend_from_slice(text);
        self.bytes.push(0);
        self.count += 1;
        Ok(())
    }

    /// The same with `first` in place of the first one. `E2BIG`, `ENOMEM`.
    pub fn with_first(&self, first: &[&[u8]]) -> Result<Strings> {
        let mut all = Strings::default();
        first.iter().try_for_each(|text| all.push(text))?;
        let rest = self.bytes.split_inclusive(|&b| b == 0).skip(1);
        rest.map(|text| &text[..text.len() - 1]).try_for_each(|text| all.push(text))?;
        Ok(all)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// What they take on a stack, pointers included, in bytes.
    pub fn cost(&self) -> usize {
        self.bytes.len() + self.count * 8
    }

    /// Appends the addresses they have when they start at `base`.
    fn pointers(&self, base: u64, to: &mut Vec<u64>) {
        let mut at = base;
        for text in self.bytes.split_inclusive(|&b| b == 0) {
            to.push(at);
            at += text.len() as u64;
        }
        to.push(0);
    }
}

/// What the vector says besides the strings.
#[derive(Clone, Copy, Default, Debug)]
pub struct Facts {
    /// Where the program headers are.
    pub phdr: u64,
    /// How many.
    pub phnum: u64,
    /// Where the program starts.
    pub entry: u64,
    /// Where its interpreter is, or 0.
    pub base: u64,
    /// Bytes nobody can guess.
    pub random: [u8; 16],
}

/// What a stack holds at first.
#[derive(Debug)]
pub struct Stack {
    /// The address it starts at: the first stack pointer.
    pub sp: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Where the arguments' strings are.
    pub args: Range<u64>,
    /// Where the environment's are.
    pub env: Range<u64>,
}

/// The stack's contents up to `top` (16-byte aligned). `E2BIG`, `ENOMEM`.
pub fn build(top: u64, path: &[u8], argv: &Strings, envp: &Strings, facts: &Facts) -> Result<Stack> {
    if argv.cost() + envp.cost() > MAX_TOTAL {
        return Err(Errno::E2BIG);
    }
    let mut texts = Vec::new();
    let room = argv.bytes.len() + envp.bytes.len() + path.len() + 64;
    texts.try_reserve_exact(room).map_err(|_| Errno::ENOMEM)?;
    let random = put(&mut texts, &facts.random);
    let platform = put(&mut texts, b"aarch64\0");
    let args = put(&mut texts, &argv.bytes);
    let env = put(&mut texts, &envp.bytes);
    let name = put(&mut texts, path);
    put(&mut texts, &[0; 9]);
    let base = (top - texts.len() as u64) & !15;

    let mut words = Vec::new();
    words.try_reserve_exact(argv.count + envp.count + 64).map_err(|_| Errno::ENOMEM)?;
    words.push(argv.count as u64);
    argv.pointers(base + args, &mut words);
    envp.pointers(base + env, &mut words);
    words.extend([
        AT_HWCAP,
        HWCAP,
        AT_PAGESZ,
        4096,
        AT_CLKTCK,
        100,
        AT_PHDR,
        facts.phdr,
        AT_PHENT,
        56,
        AT_PHNUM,
        facts.phnum,
    ]);
    words.extend([
        AT_BASE,
        facts.base,
        AT_FLAGS,
        0,
        AT_ENTRY,
        facts.entry,
        AT_UID,
        0,
        AT_EUID,
        0,
        AT_GID,
        0,
        AT_EGID,
        0,
    ]);
    words.extend([AT_SECURE, 0, AT_RANDOM, base + random, AT_HWCAP2, 0, AT_EXECFN, base + name]);
    words.extend([AT_MINSIGSTKSZ, SIGNAL_FRAME]);
    words.extend([AT_PLATFORM, base + platform, AT_NULL, 0]);

    let sp = (base - words.len() as u64 * 8) & !15;
    let mut bytes = Vec::new();
    let len = (base - sp) as usize + texts.len();
    bytes.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
    words.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
    bytes.resize((base - sp) as usize, 0);
    bytes.extend(texts);
    let (args, env) = (base + args, base + env);
    Ok(Stack {
        sp,
        bytes,
        args: args..args + argv.bytes.len() as u64,
        env: env..env + envp.bytes.len() as u64,
    })
}

fn put(texts: &mut Vec<u8>, bytes: &[u8]) -> u64 {
    let at = texts.len() as u64;
    texts.extend_from_slice(bytes);
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: u64 = 0x7fff_0000;

    struct Seen(u64, Vec<u8>);

    impl Seen {
        fn word(&self, at: u64) -> u64 {
            let from = (at - self.0) as usize;
            u64::from_le_bytes(self.1[from..from + 8].try_into().unwrap())
        }

        fn text(&self, at: u64) -> &[u8] {
            let bytes = &self.1[(at - self.0) as usize..];
            &bytes[..bytes.iter().position(|&b| b == 0).unwrap()]
        }
    }

    fn strings(all: &[&[u8]]) -> Strings {
        let mut strings = Strings::default();
        all.iter().for_each(|text| strings.push(text).unwrap());
        strings
    }

    #[test]
    fn a_program_finds_what_it_looks_for() {
        let (argv, envp) = (strings(&[b"prog", b"", b"x y"]), strings(&[b"A=1"]));
        let facts = Facts { phdr: 0x40_0040, phnum: 3, entry: 0x40_1000, base: 0x7000, random: [7; 16] };
        let Stack { sp, bytes, args, env } = build(TOP, b"/bin/prog", &argv, &envp, &facts).unwrap();
        let stack = Seen(sp, bytes);
        assert_eq!((args.start, args.end - args.start), (stack.word(sp + 8), 10));
        assert_eq!((env.start, env.end - env.start), (stack.word(sp + 40), 4));
        assert!(sp % 16 == 0 && sp + stack.1.len() as u64 <= TOP);
        assert_eq!(stack.word(sp), 3);
        let arg = |i: u64| stack.text(stack.word(sp + 8 + i * 8));
        assert_eq!((arg(0), arg(1), arg(2)), (&b"prog"[..], &b""[..], &b"x y"[..]));
        assert_eq!((stack.word(sp + 32), stack.text(stack.word(sp + 40))), (0, &b"A=1"[..]));
        assert_eq!(stack.word(sp + 48), 0);
        let mut at = sp + 56;
        let mut aux = std::collections::BTreeMap::new();
        while stack.word(at) != AT_NULL {
            assert!(aux.insert(stack.word(at), stack.word(at + 8)).is_none());
            at += 16;
        }
        assert_eq!((aux[&AT_PHDR], aux[&AT_PHNUM], aux[&AT_ENTRY]), (0x40_0040, 3, 0x40_1000));
        assert_eq!(aux[&AT_BASE], 0x7000);
        assert_eq!((aux[&AT_PAGESZ], aux[&AT_CLKTCK], aux[&AT_SECURE]), (4096, 100, 0));
        assert_eq!(stack.text(aux[&AT_EXECFN]), b"/bin/prog");
        assert_eq!(stack.text(aux[&AT_PLATFORM]), b"aarch64");
        assert_eq!(stack.word(aux[&AT_RANDOM]), 0x0707_0707_0707_0707);
    }

    #[test]
    fn the_first_is_replaced_by_others() {
        let argv = strings(&[b"script", b"a", b""]).with_first(&[b"/i", b"-x", b"/script"]).unwrap();
        assert_eq!((argv.count(), &argv.bytes[..]), (5, &b"/i\0-x\0/script\0a\0\0"[..]));
        assert_eq!(strings(&[]).with_first(&[b"/i"]).unwrap().count(), 1);
    }

    #[test]
    fn no_arguments_at_all() {
        let none = Strings::default();
        let Stack { sp, bytes, .. } = build(TOP, b"/x", &none, &none, &Facts::default()).unwrap();
        let stack = Seen(sp, bytes);
        assert_eq!((stack.word(sp), stack.word(sp + 8), stack.word(sp + 16)), (0, 0, 0));
    }

    #[test]
    fn too_much_is_too_big() {
        let mut strings = Strings::default();
        assert_eq!(strings.push(&[b'x'; MAX_STRING]), Err(Errno::E2BIG));
        strings.push(&[b'x'; MAX_STRING - 1]).unwrap();
        let more = (0..32).try_for_each(|_| strings.push(&[b'x'; MAX_STRING - 1]));
        assert_eq!(more, Err(Errno::E2BIG));
        let built = build(TOP, b"/x", &strings, &strings.clone(), &Facts::default());
        assert_eq!(built.err(), Some(Errno::E2BIG));
    }
}
