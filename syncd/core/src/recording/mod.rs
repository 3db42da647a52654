//! A replica's inputs and outputs as bytes, and their replay: what happened to a router in production happens again at
//! a desk. Possible only because inputs are values.
//!
//! Does no IO and knows no file: the daemon writes what [`Recorder`] hands over, `sim replay` reads it for [`Replay`].
//! Everything that is written for one version of syncd is read by the same version only; [`VERSION`] grows with every
//! change of what an entry holds.
//!
//! ```text
//! recording  "SYNCDREC", version (2 bytes), entries
//! entry      length (number), kind (1 byte), what it says
//! number     seven bits per byte, the low ones first; the high bit says that there is more
//!
//! Start      when, configuration, entropy, buffer size, who wrote it
//! Input      when (difference), one for each door of the replica
//! Turn       when (difference); then Outputs: a datagram's digest, a kernel request, an answer, a notice, and that
//!            there was no more room; TurnEnd: when the replica wants to be woken, a digest of everything so far
//! End        when; it was ended on purpose
//! ```
//! A recording that lacks its end (the daemon was killed) is good up to there.
//!
//! A new door, or a new variant of what goes through one, does not compile until it is written here: no `match` of this
//! room has a `_`. Driven by the daemon, the simulator and the fuzzer; tested in `tests.rs`, `tests/recording.rs` of the
//! crate, and end to end by the daemon.

mod decoder;
mod doors;
mod flow;
mod number;
mod rare;
mod recorder;
mod replay;
mod setup;
mod turn;
mod value;

#[cfg(test)]
mod tests;

pub use decoder::{Damage, Decoder, Scratch};
pub use doors::{Entry, Input, Output, Sent, Start, TurnEnd};
pub use recorder::Recorder;
pub use replay::{Difference, Played, Replay, Stop, replay};
pub use turn::turn;

/// How a recording begins.
pub const MAGIC: [u8; 8] = *b"SYNCDREC";

/// What the entries hold.
pub const VERSION: u16 = 5;
