//! The dedicated link: datagrams through seeded weather.
//!
//! It says when a datagram arrives, or that it never does; it holds none itself. Words as labctl's. Driven by the
//! world; loss and narrowness end with the safety phase.

use std::num::NonZero;

use syncd_core::time::{Duration, Instant};

use crate::chance::Chance;
use crate::options::Options;
use crate::trace::Side;

/// A datagram that would wait for longer before it gets onto a narrow link is lost.
const QUEUE: Duration = Duration::from_millis(500);

/// Of each datagram besides its payload: Ethernet, IPv4 and UDP.
const HEADERS: u64 = 14 + 20 + 8;

/// The link.
#[derive(Debug)]
pub struct Network {
    chance: Chance,
    loss: u32,
    duplicate: u32,
    reorder: u32,
    delay: u32,
    /// Bytes per second, unless it carries whatever comes.
    rate: Option<NonZero<u64>>,
    /// When what has set out from each side is on the link.
    free: [Instant; 2],
    cut: [bool; 2],
    /// When the newest datagram from each side arrives: without reordering none comes before it.
    latest: [Instant; 2],
}

/// When the copies of one datagram arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Journey {
    /// The first copy, unless it was lost.
    pub first: Option<Instant>,
    /// A second one.
    pub second: Option<Instant>,
}

impl Network {
    /// The link of a run.
    #[must_use]
    pub fn new(seed: u64, options: &Options) -> Self {
        Self {
            chance: Chance::new(seed, "network"),
            loss: options.loss,
            duplicate: options.duplicate,
            reorder: options.reorder,
            delay: options.delay,
            rate: NonZero::new(options.rate.into()),
            free: [Instant::PAST; 2],
            cut: [false; 2],
            latest: [Instant::PAST; 2],
        }
    }

    /// Nothing from `side` arrives any more, or everything does again.
    pub const fn cut(&mut self, side: Side, cut: bool) {
        self.cut[side.index()] = cut;
    }

    /// The weather is fine from now on.
    pub const fn heal(&mut self) {
        (self.loss, self.duplicate, self.reorder, self.rate) = (0, 0, 0, None);
        self.cut = [false; 2];
    }

    /// A datagram of so many bytes sets out from `side`.
    pub fn send(&mut self, now: Instant, side: Side, bytes: usize) -> Journey {
        if self.cut[side.index()] || self.chance.permille(self.loss) {
            return Journey::default();
        }
        let Some(out) = self.through(now, side, bytes) else { return Journey::default() };
        let first = self.arrival(out, side);
        let second = self.chance.permille(self.duplicate).then(|| self.arrival(out, side));
        Journey { first: Some(first), second }
    }

    /// When all of it is on the link, if there is room in the queue.
    fn through(&mut self, now: Instant, side: Side, bytes: usize) -> Option<Instant> {
        let Some(rate) = self.rate else { return Some(now) };
        let free = &mut self.free[side.index()];
        let begin = now.max(*free);
        if begin.since(now) > QUEUE {
            return None;
        }
        *free = begin + Duration::from_nanos((bytes as u64 + HEADERS) * 1_000_000_000 / rate);
        Some(*free)
    }

    fn arrival(&mut self, now: Instant, side: Side) -> Instant {
        let base = u64::from(self.delay);
        let micros = self.chance.between(base, base + base / 4);
        let arrival = now + Duration::from_micros(micros);
        if self.chance.permille(self.reorder) {
            let late = self.chance.pick(&[200, 2_000, 30_000, 300_000]);
            return arrival + Duration::from_micros(self.chance.below(late));
        }
        let latest = &mut self.latest[side.index()];
        *latest = arrival.max(*latest);
        *latest
    }
}
