//! Which faults of a device are reported: one that goes wrong for ever must not fill the log.
#![forbid(unsafe_code)]

/// How many are reported in full.
const FULL: u64 = 8;

/// Whether a fault is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reported {
    /// With all that is known of it.
    InFull,
    /// In short, and how many there were since the last that was.
    Counted {
        /// So many.
        unseen: u64,
    },
    /// Not at all.
    No,
}

impl Reported {
    /// The device's `nth` fault, counted from 1: the first few in full, then each time there were twice as many.
    pub fn of(nth: u64) -> Reported {
        match nth {
            0..=FULL => Reported::InFull,
            _ if nth.is_power_of_two() => Reported::Counted { unseen: nth / 2 - 1 },
            _ => Reported::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_faults_for_ever_is_mentioned_ever_less() {
        let seen = |all: u64| (1..=all).filter(|&nth| Reported::of(nth) != Reported::No).count();
        assert_eq!([1, 8, 15, 16, 1000, 1 << 16].map(seen), [1, 8, 8, 9, 14, 21]);
        assert_eq!(Reported::of(16), Reported::Counted { unseen: 7 });
        assert_eq!(Reported::of(32), Reported::Counted { unseen: 15 });
        let unseen: u64 = (1..=1024)
            .map(|nth| match Reported::of(nth) {
                Reported::Counted { unseen } => unseen,
                _ => 0,
            })
            .sum();
        assert_eq!(unseen + seen(1024) as u64, 1024, "each is shown, or counted");
    }
}
