//! Chance from a seed: the only source of it, so that a campaign of the same seed throws the same bytes.

/// A stream of numbers that look random (SplitMix64, Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The stream `name` of a seed.
    #[must_use]
    pub fn new(seed: u64, name: &str) -> Self {
        let mut chance = Self(seed);
        for byte in name.bytes() {
            chance.0 = chance.next() ^ u64::from(byte);
        }
        chance
    }

    /// Any number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Any byte.
    pub const fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    /// A number below `bound`; zero when `bound` is.
    pub const fn below(&mut self, bound: usize) -> usize {
        // Lossless: usize is 64 bits wherever this is built for, and the remainder is below a usize anyway.
        if bound == 0 { 0 } else { (self.next() % bound as u64) as usize }
    }

    /// A length: mostly short, now and then long, below `bound`.
    pub const fn length(&mut self, bound: usize) -> usize {
        let bits = self.below(u64::BITS as usize);
        let most = if bits >= 32 { 8 } else { 1 << (bits / 2) };
        self.below(if most < bound { most } else { bound })
    }

    /// True once in `times`.
    pub const fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of the elements.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<'a, T>(&mut self, elements: &'a [T]) -> &'a T {
        &elements[self.below(elements.len())]
    }
}
