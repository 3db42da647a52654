//! Moments in which the machine stood still: a processor on which nobody was let run for so long that VRRP moves.
//!
//! Each processor has a thread that wants it again and again for an instant; one that gets it too late has seen a stall.
//! Never judges. Driven by the timeline; tested below.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use super::locked;
use crate::poll;

/// keepalived gives another router up 0.34 to 0.36 s after its last word, and speaks every 0.1 s.
const STALL: Duration = Duration::from_millis(250);

/// What the processors have seen.
#[derive(Debug, Default)]
pub(super) struct Stalls {
    /// When one ended, and how long it lasted; those that nobody has asked for yet.
    seen: Mutex<Vec<(Instant, Duration)>>,
    over: AtomicBool,
}

impl Stalls {
    /// Every processor that we may use.
    pub(super) fn processors() -> impl Iterator<Item = usize> {
        let ours = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
        (0..CpuSet::count()).filter(move |processor| ours.is_set(*processor).unwrap_or(false))
    }

    /// Wants a processor again and again, until the end.
    pub(super) fn watch(&self, processor: usize) {
        let mut only = CpuSet::new();
        // Where it may not choose it sees less, but nothing wrong.
        let _chosen = only.set(processor).and_then(|()| sched_setaffinity(Pid::from_raw(0), &only));
        while !self.over.load(Ordering::Relaxed) {
            let slept = Instant::now();
            poll::pause(poll::INTERVAL);
            self.note(slept, Instant::now());
        }
    }

    fn note(&self, slept: Instant, woke: Instant) {
        let late = woke.duration_since(slept).saturating_sub(poll::INTERVAL);
        if late >= STALL {
            locked(&self.seen).push((woke, late));
        }
    }

    /// Those since the last time, in any order.
    pub(super) fn take(&self) -> Vec<(Instant, Duration)> {
        std::mem::take(&mut *locked(&self.seen))
    }

    /// Ends the threads that watch.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{STALL, Stalls};
    use crate::poll;
    use std::time::{Duration, Instant};

    #[test]
    fn who_wakes_late_has_seen_a_stall_and_who_wakes_in_time_has_not() {
        let (stalls, slept) = (Stalls::default(), Instant::now());
        let almost = STALL - Duration::from_millis(1);
        stalls.note(slept, slept + poll::INTERVAL + almost);
        assert_eq!(stalls.take(), []);
        let woke = slept + poll::INTERVAL + STALL;
        stalls.note(slept, woke);
        assert_eq!(stalls.take(), [(woke, STALL)]);
        assert_eq!(stalls.take(), []);
        assert!(Stalls::processors().count() > 0);
    }
}
