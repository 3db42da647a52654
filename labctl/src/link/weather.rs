//! Weather: what the dedicated link does to frames, drawn from a seed.
//!
//! Pure: never carries a frame, never reads a clock. The same seed, weather and sequence of frame lengths give the same
//! fates. The carrier asks it for every frame that enters. Tested in `tests.rs`.

use std::time::Duration;

use super::chance::Chance;

/// How much later a frame arrives that is held back for reordering: at least this, at most twice this.
const HOLD: Duration = Duration::from_millis(5);

/// Bytes of an Ethernet header, which corruption leaves alone: a frame with a broken target address would be lost
/// silently instead of arriving damaged.
const ETHERNET_HEADER: u64 = 14;

/// Which directions carry nothing at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Both directions carry.
    #[default]
    None,
    /// Neither carries.
    Both,
    /// Frames that enter at a are dropped.
    AToB,
    /// Frames that enter at b are dropped.
    BToA,
}

/// What the link does to frames. Shares are from 0.0 (never) to 1.0 (always). The default is a perfect cable.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Weather {
    /// Share of frames that vanish.
    pub(crate) loss: f64,
    /// Share of frames that arrive twice.
    pub(crate) duplicate: f64,
    /// Share of frames that are held back 5 to 10 ms so that later ones overtake.
    pub(crate) reorder: f64,
    /// Share of frames that arrive with one byte behind their Ethernet header changed.
    pub(crate) corrupt: f64,
    /// Every frame's delay.
    pub(crate) delay_ms: u32,
    /// Added to the delay: evenly drawn from zero to this. Frames overtake each other within it.
    pub(crate) jitter_ms: u32,
    /// Silent directions.
    pub(crate) cut: Cut,
    /// Bits that each direction carries in a second; 0 for no limit.
    pub(crate) bits_per_second: u32,
    /// Bytes that may wait for a direction with a limit; what comes when they do is dropped.
    pub(crate) queue_bytes: u64,
    /// Seed of all draws.
    pub(crate) seed: u64,
}

/// The direction of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Entered at end a.
    AToB,
    /// Entered at end b.
    BToA,
}

/// What becomes of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The direction is cut.
    Cut,
    /// Vanished.
    Lost,
    /// Arrives.
    Carried {
        /// After this time.
        delay: Duration,
        /// Whether the delay was lengthened for reordering.
        held: bool,
        /// A second copy arrives after this time.
        again: Option<Duration>,
        /// The byte at this position is changed by exclusive or with this (never zero).
        damage: Option<(usize, u8)>,
    },
}

/// The weather of one direction, with its own draws: what happens to a frame does not depend on the other direction.
#[derive(Clone, Debug)]
pub(super) struct Sky {
    direction: Direction,
    weather: Weather,
    chance: Chance,
}

impl Sky {
    pub(super) fn new(direction: Direction, weather: Weather) -> Self {
        Self { direction, weather, chance: Self::chance(direction, weather.seed) }
    }

    fn chance(direction: Direction, seed: u64) -> Chance {
        let mut root = Chance::new(seed);
        let (a_to_b, b_to_a) = (root.bits(), root.bits());
        Chance::new(match direction {
            Direction::AToB => a_to_b,
            Direction::BToA => b_to_a,
        })
    }

    /// What the direction can carry: bits per second, and bytes that may wait.
    pub(super) const fn line(&self) -> (u32, u64) {
        (self.weather.bits_per_second, self.weather.queue_bytes)
    }

    /// From now on this weather; a new seed starts the draws anew.
    pub(super) fn change(&mut self, weather: Weather) {
        if weather.seed != self.weather.seed {
            self.chance = Self::chance(self.direction, weather.seed);
        }
        self.weather = weather;
    }

    /// The fate of the next frame. Every frame takes the same number of draws, so that a changed share changes the
    /// fates it is about and no others.
    pub(super) fn decide(&mut self, length: usize) -> Fate {
        let weather = self.weather;
        let lost = self.chance.happens(weather.loss);
        let twice = self.chance.happens(weather.duplicate);
        let held = self.chance.happens(weather.reorder);
        let damaged = self.chance.happens(weather.corrupt);
        let hold = HOLD + self.nanoseconds_below(HOLD);
        let jitter = Duration::from_millis(weather.jitter_ms.into());
        let (delay, delay_again) = (self.nanoseconds_below(jitter), self.nanoseconds_below(jitter));
        let room = (length as u64).saturating_sub(ETHERNET_HEADER);
        let position = ETHERNET_HEADER + self.chance.below(room);
        let change = 1 + self.chance.below(255);

        let cut = match weather.cut {
            Cut::None => false,
            Cut::Both => true,
            Cut::AToB => self.direction == Direction::AToB,
            Cut::BToA => self.direction == Direction::BToA,
        };
        if cut {
            return Fate::Cut;
        }
        if lost {
            return Fate::Lost;
        }
        let base = Duration::from_millis(weather.delay_ms.into());
        let damage =
            usize::try_from(position).ok().zip(u8::try_from(change).ok()).filter(|_| damaged && room > 0);
        Fate::Carried {
            delay: base + delay + if held { hold } else { Duration::ZERO },
            held,
            again: twice.then_some(base + delay_again),
            damage,
        }
    }

    fn nanoseconds_below(&mut self, end: Duration) -> Duration {
        Duration::from_nanos(self.chance.below(u64::try_from(end.as_nanos()).unwrap_or(u64::MAX)))
    }
}
