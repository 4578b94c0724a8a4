//! A small generator for tests: repeatable from its seed, never for secrets.

/// A xorshift generator with 64 bits of state.
#[derive(Clone)]
pub struct Rng(u64);

impl Rng {
    /// The generator of this seed; zero is replaced, since it would stay zero.
    pub fn new(seed: u64) -> Rng {
        Rng(if seed == 0 { 0x9e37_79b9_7f4a_7c15 } else { seed })
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `n`, which is not zero. Slightly biased, as is good enough for choosing what to do.
    pub fn below(&mut self, n: u64) -> u64 {
        (self.next_u64() >> 16) % n
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn a_seed_repeats_and_zero_works() {
        let (mut a, mut b) = (Rng::new(7), Rng::new(7));
        assert!((0..100).all(|_| a.next_u64() == b.next_u64()));
        let mut zero = Rng::new(0);
        assert_ne!(zero.next_u64(), zero.next_u64());
    }

    #[test]
    fn below_stays_below_and_reaches_all() {
        let mut rng = Rng::new(1);
        let mut seen = [false; 8];
        for _ in 0..1000 {
            seen[rng.below(8) as usize] = true;
        }
        assert_eq!(seen, [true; 8]);
    }
}
