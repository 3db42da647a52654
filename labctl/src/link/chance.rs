//! Chance from a seed: `SplitMix64` (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014).
//!
//! Never reads entropy: the same seed gives the same numbers. Drives the weather and the pattern that traffic carries.
//! Tested in `tests.rs`.

/// A stream of numbers that a seed determines. Not for secrets.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// From a seed; any value is good.
    #[must_use]
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(crate) const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly from 0 up to and without `end`; 0 if `end` is 0. The bias of the multiplication is below 2^-32 for
    /// every `end` used here.
    pub(crate) const fn below(&mut self, end: u64) -> u64 {
        ((self.bits() as u128 * end as u128) >> 64) as u64
    }

    /// True in `share` of all draws: never at 0.0, always at 1.0.
    pub(crate) fn happens(&mut self, share: f64) -> bool {
        ((self.bits() >> 11) as f64) < share * (1u64 << 53) as f64
    }
}
