//! Weather: what the dedicated link does to frames, drawn from a seed.

/// Which directions carry nothing at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cut {
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

/// What the link does to frames. Shares are from 0.0 (never) to 1.0 (always).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weather {
    /// Share of frames that vanish.
    pub loss: f64,
    /// Share of frames that arrive twice.
    pub duplicate: f64,
    /// Share of frames that are held back so that later ones overtake.
    pub reorder: f64,
    /// Share of frames that arrive with one byte of their payload changed.
    pub corrupt: f64,
    /// Every frame's delay.
    pub delay_ms: u32,
    /// Added to the delay: evenly drawn from zero to this.
    pub jitter_ms: u32,
    /// Silent directions.
    pub cut: Cut,
    /// Seed of all draws.
    pub seed: u64,
}
