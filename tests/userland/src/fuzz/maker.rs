//! Makes arguments up: mostly such as could be right, with one thing wrong here and there.

use super::arena::Arena;
use super::kind::Kind;
use super::names;
use super::requests;
use crate::rt::rng::Rng;
use alloc::string::String;
use alloc::vec::Vec;

/// Numbers at which something ends.
const EDGES: [u64; 24] = [
    0,
    1,
    2,
    7,
    8,
    63,
    64,
    65,
    127,
    4095,
    4096,
    4097,
    0xffff,
    1 << 20,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    1 << 47,
    (1 << 48) - 4096,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX - 4095,
    u64::MAX,
];

/// What makes the arguments of one thread's calls.
pub struct Maker {
    /// Where everything is drawn from.
    pub rng: Rng,
    arena: Arena,
    /// Processes and threads that may come to harm, this one first.
    victims: Vec<i32>,
}

impl Maker {
    /// One that draws from `rng`; `me` is the first process that may come to harm.
    pub fn new(mut rng: Rng, me: i32) -> heaps::uapi::errno::Result<Maker> {
        let arena = Arena::new(&mut rng)?;
        Ok(Maker { rng, arena, victims: alloc::vec![me] })
    }

    /// One more process or thread that may come to harm.
    pub fn add_victim(&mut self, id: i32) {
        if self.victims.len() < 16 {
            self.victims.push(id);
        }
    }

    /// Values for all arguments. Those that the call does not have are zero, or anything.
    pub fn arguments(&mut self, kinds: &[Kind]) -> [usize; 6] {
        let mut values = [0; 6];
        for (i, value) in values.iter_mut().enumerate() {
            *value = match kinds.get(i) {
                Some(kind) => self.value(*kind) as usize,
                None if self.rng.below(16) == 0 => self.rng.next_u64() as usize,
                None => 0,
            };
        }
        if let Some(at) = kinds.iter().position(|kind| matches!(kind, Kind::Ioctl)) {
            let (number, words) = requests::make(&mut self.rng);
            values[at] = number as usize;
            values[at + 1] = match self.rng.below(8) {
                0 => self.arena.memory(&mut self.rng),
                _ => self.arena.place(&mut self.rng, &words),
            };
        }
        values
    }

    /// A stack for rt_sigreturn, with a frame that may be one.
    pub fn signal_frame(&mut self) -> usize {
        // siginfo, ucontext: flags, link, stack, mask and its room; then fault address, registers, sp, pc, pstate.
        let mut words = [0; 16 + 5 + 16 + 1 + 31 + 3 + 2 + 70];
        let registers = 16 + 5 + 16 + 1;
        words[registers + 31] = self.arena.memory(&mut self.rng) as u64;
        words[registers + 32] = [0, 8, u64::MAX, self.rng.next_u64()][self.rng.below(4) as usize];
        words[registers + 33] = match self.rng.below(4) {
            0 => 1 << self.rng.below(64),
            1 => self.rng.next_u64(),
            _ => 0,
        };
        // FPSIMD_MAGIC and its size.
        words[registers + 36] = 0x0210_4650_8001;
        if self.rng.below(4) == 0 {
            words[registers + 36] = (self.rng.next_u64() & 0xff) << 32 | 0x4650_8001;
        }
        self.arena.place(&mut self.rng, &words) & !15
    }

    fn value(&mut self, kind: Kind) -> u64 {
        let unlikely = self.rng.below(64) == 0;
        match kind {
            Kind::Pid => self.victim(),
            Kind::Signals => self.signals(),
            Kind::Name => self.text(names::own),
            Kind::Openable => self.text(names::openable),
            Kind::Program => self.text(names::program),
            Kind::Target => self.text(names::target),
            Kind::Text(texts) => texts[self.rng.below(texts.len() as u64) as usize].as_ptr() as u64,
            _ if unlikely => self.edge(),
            Kind::Fd => self.descriptor(),
            Kind::Dir => match self.rng.below(4) {
                0 => self.descriptor(),
                _ => -100i64 as u64,
            },
            Kind::Path => self.text(names::path),
            Kind::Memory => self.arena.memory(&mut self.rng) as u64,
            Kind::Length => match self.rng.below(8) {
                0 => self.edge(),
                1 => self.rng.below(1 << 16),
                _ => self.rng.below(512),
            },
            Kind::Small => self.rng.below(12).wrapping_sub(u64::from(self.rng.below(16) == 0) * 13),
            Kind::Any => match self.rng.below(4) {
                0 => self.rng.next_u64(),
                1 => self.arena.memory(&mut self.rng) as u64,
                2 => self.rng.below(64),
                _ => self.edge(),
            },
            Kind::Flags(bits) => self.flags(bits),
            Kind::OneOf(values) => values[self.rng.below(values.len() as u64) as usize],
            Kind::Signal => match self.rng.below(4) {
                0 => self.rng.below(70),
                _ => self.rng.below(34),
            },
            Kind::Offset => match self.rng.below(4) {
                0 => self.edge(),
                1 => self.rng.below(16) * 4096,
                _ => self.rng.below(1 << 14),
            },
            Kind::Address => self.arena.page(&mut self.rng) as u64,
            Kind::Extent => match self.rng.below(256) {
                0 => self.edge(),
                1 => self.rng.below(1 << 22),
                2..10 => self.rng.below(1 << 16),
                _ => (1 + self.rng.below(24)) * 4096,
            },
            Kind::Ioctl => 0,
            Kind::Vectors | Kind::Time | Kind::Struct(_) | Kind::Strings | Kind::Header => {
                self.structure(kind)
            }
        }
    }

    /// What is pointed to, or, for a time, itself.
    fn structure(&mut self, kind: Kind) -> u64 {
        let words: Vec<u64> = match kind {
            // Seconds and nanoseconds alike: one is too much for both, now and then.
            Kind::Time => {
                return match self.rng.below(8) {
                    0 => self.edge(),
                    1 => self.rng.below(20_000_000),
                    _ => 0,
                };
            }
            _ if self.rng.below(12) == 0 => {
                return self.rng.below(2) * self.arena.memory(&mut self.rng) as u64;
            }
            Kind::Vectors => (0..16)
                .map(|i| if i % 2 == 0 { self.value(Kind::Memory) } else { self.value(Kind::Length) })
                .collect(),
            Kind::Header => {
                let control = self.control();
                let vectors = self.value(Kind::Vectors);
                let flags = self.rng.below(2);
                alloc::vec![0, 0, vectors, self.rng.below(4), control.0, control.1, flags]
            }
            Kind::Struct(kinds) => kinds.iter().map(|&kind| self.value(kind)).collect(),
            _ => {
                let mut strings: Vec<u64> = (0..self.rng.below(6)).map(|_| self.value(Kind::Path)).collect();
                strings.push(0);
                strings
            }
        };
        self.arena.place(&mut self.rng, &words) as u64
    }

    /// Where a message's control data is, and how long: SCM_RIGHTS with some descriptors.
    fn control(&mut self) -> (u64, u64) {
        let count = self.rng.below(6);
        let length = match self.rng.below(8) {
            0 => self.edge(),
            _ => 16 + count * 4,
        };
        let kind = 1 | (1 + u64::from(self.rng.below(8) == 0)) << 32;
        let mut words = alloc::vec![length, kind];
        words.extend((0..3).map(|_| (self.descriptor() & 0xffff_ffff) | self.descriptor() << 32));
        let at = self.arena.place(&mut self.rng, &words) as u64;
        (at, [length.saturating_add(7) & !7, 40, 64][self.rng.below(3) as usize])
    }

    fn edge(&mut self) -> u64 {
        EDGES[self.rng.below(EDGES.len() as u64) as usize]
    }

    fn descriptor(&mut self) -> u64 {
        match self.rng.below(32) {
            0 => [u64::MAX, 0x7fff_ffff, 1023, 1024, 65535, 1 << 32][self.rng.below(6) as usize],
            1 => self.rng.below(1024),
            _ => self.rng.below(40),
        }
    }

    /// None of them, all, or each one or a few.
    fn flags(&mut self, bits: &[u64]) -> u64 {
        let mut some = 0;
        for _ in 0..self.rng.below(4) {
            some |= bits[self.rng.below(bits.len() as u64) as usize];
        }
        match self.rng.below(32) {
            0 => bits.iter().fold(0, |all, bit| all | bit),
            1 => some | 1 << self.rng.below(64),
            _ => some,
        }
    }

    /// Somebody of one's own, or nobody: never another child, the watching parent, init, or all.
    fn victim(&mut self) -> u64 {
        let own = self.victims[self.rng.below(self.victims.len() as u64) as usize];
        match self.rng.below(8) {
            0 => 32_769,
            1 => i32::MAX as u64,
            2 => i32::MIN as i64 as u64,
            _ => own as u64,
        }
    }

    /// A set placed somewhere, that leaves SIGUSR1 alone: it is how a thread is got out of its sleep.
    fn signals(&mut self) -> u64 {
        let set = match self.rng.below(4) {
            0 => 0,
            1 => 1 << self.rng.below(64),
            _ => self.rng.next_u64(),
        };
        match self.rng.below(12) {
            0 => 0,
            _ => self.arena.place(&mut self.rng, &[set & !(1 << 9)]) as u64,
        }
    }

    fn text(&mut self, make: fn(&mut Rng) -> String) -> u64 {
        let text = make(&mut self.rng);
        self.arena.text(&mut self.rng, &text) as u64
    }
}
