//! Size classes: objects up to 4 KiB are rounded up to one of a few sizes, so that freed memory fits the next.

/// The class of objects with a block of their own.
pub const LARGE_CLASS: u8 = SIZES.len() as u8;

const SIZES: [u32; 16] = [16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096];

/// How many classes there are.
pub const COUNT: usize = SIZES.len();

/// Class by size in units of 16 bytes.
static BY_UNITS: [u8; 257] = {
    let mut table = [0; 257];
    let (mut units, mut class) = (0, 0);
    while units <= 256 {
        if units as u32 * 16 > SIZES[class as usize] {
            class += 1;
        }
        table[units] = class;
        units += 1;
    }
    table
};

/// The class for an object of `size` bytes, and its rounded size.
#[inline]
pub fn of(size: usize) -> (u8, usize) {
    let units = size.div_ceil(16);
    match BY_UNITS.get(units) {
        Some(&class) => (class, SIZES[class as usize] as usize),
        None => (LARGE_CLASS, units * 16),
    }
}
