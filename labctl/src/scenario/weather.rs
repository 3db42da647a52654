//! The weather of the dedicated link, as a scenario's words.
//!
//! Never makes weather; `link` does. Checked by its types; tested in `tests.rs`.

use serde::Deserialize;

use super::units::{Bytes, Rate, Share, Span};
use crate::link::{Cut, Weather};

/// What the dedicated link does to frames from now on. What is not named does not happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct WeatherText {
    loss: Share,
    duplicate: Share,
    reorder: Share,
    corrupt: Share,
    delay: Span,
    jitter: Span,
    cut: CutText,
    /// Bits per second of each direction.
    rate: Option<Rate>,
    /// What may wait for a line with a rate.
    queue: Option<Bytes>,
    seed: u64,
}

/// Directions of the dedicated link that carry nothing; a is the router that comes first in the topology.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum CutText {
    #[default]
    None,
    Both,
    AToB,
    BToA,
}

/// What may wait for a line with a rate where a scenario does not say: a few dozen full frames.
const QUEUE: u64 = 64 * 1024;

impl WeatherText {
    /// The link's own words.
    #[must_use]
    pub(crate) fn weather(self) -> Weather {
        let milliseconds = |span: Span| u32::try_from(span.0.as_millis()).unwrap_or(u32::MAX);
        Weather {
            loss: self.loss.fraction(),
            duplicate: self.duplicate.fraction(),
            reorder: self.reorder.fraction(),
            corrupt: self.corrupt.fraction(),
            delay_ms: milliseconds(self.delay),
            jitter_ms: milliseconds(self.jitter),
            cut: match self.cut {
                CutText::None => Cut::None,
                CutText::Both => Cut::Both,
                CutText::AToB => Cut::AToB,
                CutText::BToA => Cut::BToA,
            },
            bits_per_second: self.rate.map_or(0, |rate| rate.0),
            queue_bytes: self.queue.map_or(QUEUE, |queue| queue.0),
            seed: self.seed,
        }
    }
}
