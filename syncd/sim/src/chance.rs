//! Chance from a seed: the only source of it. Never reads a clock or the system's randomness.
//!
//! Each room draws from a stream of its own, so that taking one fault away with an override does not change what
//! the others do. Driven by everything that draws; tested by the sweep, which runs seeds twice.

/// A stream of numbers that look random (SplitMix64, Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The stream `name` of a seed.
    #[must_use]
    pub fn new(seed: u64, name: &str) -> Self {
        let mut state = Self(seed ^ 0x5851_f42d_4c95_7f2d);
        for byte in name.bytes() {
            state.0 = state.next() ^ u64::from(byte);
        }
        state
    }

    /// Any number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..bound`; zero when `bound` is.
    pub const fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }

    /// A number in `from..=to`.
    pub const fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    /// True in so many of a thousand cases.
    pub fn permille(&mut self, permille: u32) -> bool {
        self.below(1000) < u64::from(permille)
    }

    /// One of the elements.
    pub fn pick<T: Copy>(&mut self, elements: &[T]) -> T {
        let index = self.below(elements.len() as u64);
        elements[usize::try_from(index).expect("below a length")]
    }

    /// 32 bytes of entropy for a replica.
    pub fn entropy(&mut self) -> [u8; 32] {
        let words = [self.next(), self.next(), self.next(), self.next()];
        let mut bytes = [0; 32];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(words) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}
