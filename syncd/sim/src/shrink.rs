//! A failing seed made small: options and faults are left out one by one for as long as it fails in the same way.
//!
//! It knows options, not the world: whether a run fails is asked of whoever calls it, which may run it in a process of
//! its own, since an assertion of the core aborts. Driven by `sim shrink`; tested below.

use crate::options::{Dial, Options};

/// What is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// The smallest options that still fail.
    pub options: Options,
    /// How they fail.
    pub why: String,
    /// How many runs it took.
    pub runs: u32,
}

/// Leaves out what the failure does not need. `planned` are the numbers of the faults there are with some options,
/// `fails` runs them and says what went wrong, if anything did. `None` when the options do not fail to begin with.
pub fn shrink(
    options: Options,
    planned: impl Fn(&Options) -> Vec<u32>,
    mut fails: impl FnMut(&Options) -> Option<String>,
) -> Option<Shrunk> {
    let why = fails(&options)?;
    let mut shrinking = Shrinking { kind: kind(&why), best: Shrunk { options, why, runs: 1 }, fails };
    loop {
        let before = shrinking.best.options;
        shrinking.dials(|dial| dial.neutral);
        shrinking.dials(|dial| weaker(dial, *dial.value / 2));
        shrinking.dials(|dial| weaker(dial, dial.value.saturating_sub(1)));
        if shrinking.best.options != before {
            continue;
        }
        for number in planned(&shrinking.best.options) {
            let mut candidate = shrinking.best.options;
            candidate.without = candidate.without.and(number);
            shrinking.try_out(candidate);
        }
        if shrinking.best.options == before {
            return Some(shrinking.best);
        }
    }
}

/// A value that disturbs less: a `smaller` one, or twice as much of what is scarce.
fn weaker(dial: &Dial<'_>, smaller: u32) -> Option<u32> {
    let neutral = dial.neutral.unwrap_or(0);
    if dial.is_scarce {
        let larger = dial.value.checked_mul(2).filter(|_| *dial.value != neutral);
        return larger.map(|larger| if neutral > 0 { larger.min(neutral) } else { larger });
    }
    (smaller > 0 && neutral == 0).then_some(smaller)
}

/// What kind of failure a sentence tells of: its words without times, routers, flows and numbers.
#[must_use]
pub fn kind(why: &str) -> String {
    let sentence =
        why.split_once("s: ").filter(|(at, _)| at.starts_with("at ")).map_or(why, |(_, rest)| rest);
    let words = sentence.split_whitespace().map(|word| word.trim_end_matches(':'));
    let plain = |word: &&str| word.chars().all(|c| c.is_ascii_alphabetic() || ",'-".contains(c));
    words.filter(plain).take(5).collect::<Vec<_>>().join(" ")
}

struct Shrinking<F> {
    kind: String,
    best: Shrunk,
    fails: F,
}

impl<F: FnMut(&Options) -> Option<String>> Shrinking<F> {
    /// Tries another value for each option.
    fn dials(&mut self, other: impl Fn(&Dial<'_>) -> Option<u32>) {
        let count = self.best.options.dials().len();
        for index in 0..count {
            let mut candidate = self.best.options;
            let mut dials = candidate.dials();
            let dial = &mut dials[index];
            if let Some(value) = other(dial) {
                *dial.value = value;
                self.try_out(candidate);
            }
        }
    }

    fn try_out(&mut self, candidate: Options) {
        if candidate == self.best.options {
            return;
        }
        self.best.runs += 1;
        if let Some(why) = (self.fails)(&candidate).filter(|why| kind(why) == self.kind) {
            self.best.options = candidate;
            self.best.why = why;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{kind, shrink};
    use crate::faults;
    use crate::options::{Options, Overrides, Without};

    #[test]
    fn only_what_the_failure_needs_is_left() {
        let scarce = Options { rate: 3000, internal_limit: 40, ..Options::draw(7) };
        let options = Options { loss: 120, cuts: 3, traffic: 100, seconds: 20, ..scarce };
        let planned = |options: &Options| {
            let mut numbers: Vec<u32> =
                faults::plan(1, options).iter().map(|planned| planned.number).collect();
            numbers.dedup();
            numbers
        };
        // Fails with any loss, as long as the second cut (number 1) is there, a little time, a narrow link and a small cache.
        let fails = |options: &Options| {
            let cut = options.cuts > 1 && !options.without.leaves_out(1);
            let scarce = (1..20_000).contains(&options.rate) && options.internal_limit < 100;
            (options.loss > 0 && cut && options.seconds > 4 && scarce)
                .then(|| format!("at {}s: r1: lost", options.loss))
        };
        let shrunk = shrink(options, planned, fails).expect("it fails");
        let smallest = Options {
            loss: 1,
            cuts: 2,
            seconds: 5,
            traffic: 1,
            pool: 1,
            ends: 1,
            rate: 12_000,
            internal_limit: 80,
            without: Without::NOTHING.and(0),
            ..options.with(&Overrides::calm())
        };
        assert_eq!(shrunk.options, smallest, "{} instead of {smallest}", shrunk.options);
        assert_eq!(shrink(options.with(&Overrides::calm()), planned, fails), None);
    }

    #[test]
    fn failures_of_a_kind_differ_in_their_particulars() {
        let one = "at 12.3s: r1 acknowledged and does not hold Name { bucket: 7 }";
        assert_eq!(kind(one), kind("at 0.7s: r2 acknowledged and does not hold Name { bucket: 9 }"));
        assert_ne!(kind(one), kind("at 12.3s: r1: a cache exceeds its limit"));
    }
}
