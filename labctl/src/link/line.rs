//! One direction of a link that carries only so many bits per second: frames wait for their turn in a finite queue.
//!
//! Pure: never reads a clock and never holds a frame. The carrier asks it when a frame that has survived the weather may
//! leave. Tested in `tests/arithmetic.rs`.

use std::time::{Duration, Instant};

/// A direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Line {
    /// When it will have carried all that it has taken.
    free: Option<Instant>,
}

impl Line {
    /// Takes a frame of so many bytes at a moment: how long until its last bit has left; None when the queue is full.
    pub(super) fn take(
        &mut self,
        now: Instant,
        length: usize,
        bits_per_second: u32,
        queue_bytes: u64,
    ) -> Option<Duration> {
        if bits_per_second == 0 {
            return Some(Duration::ZERO);
        }
        let time = |bytes: u64| {
            Duration::from_nanos(bytes.saturating_mul(8_000_000_000) / u64::from(bits_per_second))
        };
        let free = self.free.map_or(now, |free| free.max(now));
        // What waits is what the line will be busy with.
        if free.duration_since(now) > time(queue_bytes) {
            return None;
        }
        let leaves = free + time(length as u64);
        self.free = Some(leaves);
        Some(leaves.duration_since(now))
    }
}
