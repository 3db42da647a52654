//! The trace: one line per event, and a hash over all of them. The same seed gives the same hash.
//!
//! The hash is always computed, over numbers; a line of text is made only when somebody reads it.
//!
//! ```text
//!     time     host  role  door       what                      tx  rs  int  ext
//!  12.004117s  r1    P .   flow       new  tcp 10.0.0.1:5→:80    1   0  118    0
//! ```

use std::fmt::Display;

use syncd_core::replica::{Replica, Role};
use syncd_core::time::Instant;

/// One of the two places in the pair. The machine in it may be replaced by another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Where r1 is in the beginning; VRRP prefers it.
    First,
    /// Where r2 is in the beginning.
    Second,
}

impl Side {
    /// Both of them.
    pub const BOTH: [Self; 2] = [Self::First, Self::Second];

    /// The other router.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    /// Its place in an array of two.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name of the machine that has this place in the beginning.
    #[must_use]
    pub const fn first_name(self) -> &'static str {
        match self {
            Self::First => "r1",
            Self::Second => "r2",
        }
    }
}

/// The state of a router's replica as far as the trace shows it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Glance {
    role: Option<Role>,
    counts: [u32; 4],
}

impl Glance {
    /// Of a running replica.
    #[must_use]
    pub fn of(replica: &Replica, now: Instant) -> Self {
        let status = replica.status(now);
        let counts = [status.queued, status.in_flight, status.internal, status.external];
        Self { role: Some(status.role), counts }
    }

    /// Flows waiting to be sent or unacknowledged.
    #[must_use]
    pub const fn unsettled(&self) -> u32 {
        self.counts[0] + self.counts[1]
    }

    /// Flows waiting to be sent.
    #[must_use]
    pub const fn queued(&self) -> u32 {
        self.counts[0]
    }

    const fn letter(self) -> char {
        match self.role {
            None => '-',
            Some(Role::Unknown) => '?',
            Some(Role::Primary) => 'P',
            Some(Role::Backup) => 'B',
            Some(Role::Fault) => 'F',
        }
    }
}

/// What happened so far.
#[derive(Debug)]
pub struct Trace {
    names: [&'static str; 2],
    hash: u64,
    events: u64,
    printing: bool,
}

impl Trace {
    /// An empty trace; `printing` says whether lines go to standard output.
    #[must_use]
    pub const fn new(printing: bool) -> Self {
        Self { names: ["r1", "r2"], hash: 0xcbf2_9ce4_8422_2325, events: 0, printing }
    }

    /// Another machine has taken this place.
    pub const fn rename(&mut self, side: Side, name: &'static str) {
        self.names[side.index()] = name;
    }

    /// The hash of everything so far.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// How many events there were.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// Notes one event.
    pub fn note(
        &mut self,
        now: Instant,
        side: Option<Side>,
        glance: Glance,
        door: &str,
        what: impl FnOnce() -> String,
    ) {
        self.events += 1;
        self.mix(now.as_nanos());
        self.mix(side.map_or(9, |side| side.index() as u64));
        self.mix(u64::from(glance.letter()));
        for count in glance.counts {
            self.mix(u64::from(count));
        }
        for byte in door.bytes() {
            self.mix(u64::from(byte));
        }
        if self.printing {
            let [tx, rs, int, ext] = glance.counts;
            line(
                now,
                side.map_or("net", |side| self.names[side.index()]),
                glance.letter(),
                door,
                &what(),
                [tx, rs, int, ext],
            );
        }
    }

    /// Takes bytes (a datagram) into the hash.
    pub fn mix_bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    const fn mix(&mut self, word: u64) {
        self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    }
}

fn line(now: Instant, host: &str, role: char, door: &str, what: &impl Display, counts: [u32; 4]) {
    use std::io::Write as _;
    let seconds = now.as_nanos() / 1_000_000_000;
    let micros = now.as_nanos() / 1000 % 1_000_000;
    let [tx, rs, int, ext] = counts;
    let mut out = std::io::stdout().lock();
    // A reader that went away (`| head`) is no failure of the run.
    let _ = writeln!(
        out,
        "{seconds:>4}.{micros:06}s  {host:<4} {role}  {door:<10} {what:<70} {tx:>4} {rs:>4} {int:>5} {ext:>5}"
    );
}
