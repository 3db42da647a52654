//! Many seeds on all cores. A seed that fails is printed with its options and the one command that replays it.

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::options::{Options, Overrides};
use crate::world::{Outcome, Untold, World};

thread_local! {
    static SEED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// A seed that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The seed.
    pub seed: u64,
    /// What it drew.
    pub options: Options,
    /// What went wrong.
    pub why: String,
}

/// What a sweep came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Seeds that were run.
    pub seeds: u64,
    /// Events of all of them.
    pub events: u64,
    /// Acknowledged flows that survived a failover.
    pub kept: u64,
    /// Flows that were taken over from a peer that yielded.
    pub adopted: u64,
    /// Flows that a router which stood by had left over, and removed.
    pub leftovers: u64,
    /// Acknowledged expectations that survived a failover.
    pub expected: u64,
    /// Splits that healed without a word of VRRP, and their flows.
    pub untold: Untold,
    /// Milliseconds until the slowest had converged.
    pub slowest: u128,
    /// Those that failed.
    pub failed: Vec<Failed>,
}

/// Runs one seed.
#[must_use]
pub fn run(seed: u64, overrides: &Overrides, printing: bool) -> (Options, Outcome) {
    let options = Options::draw(seed).with(overrides);
    SEED.set(Some(seed));
    let outcome = World::new(seed, options, printing).run();
    SEED.set(None);
    (options, outcome)
}

/// The seed this thread is running: for a panic's message.
#[must_use]
pub fn running() -> Option<u64> {
    SEED.get()
}

/// Runs `count` seeds from `first` on; with `twice` each is run again and must leave the same trace.
#[must_use]
pub fn sweep(first: u64, count: u64, overrides: &Overrides, twice: bool, threads: usize) -> Swept {
    let (next, swept) = (AtomicU64::new(0), Mutex::new(Swept::default()));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        break;
                    }
                    let seed = first + index;
                    let (options, outcome) = run(seed, overrides, false);
                    let again = twice.then(|| run(seed, overrides, false).1);
                    let mut swept = swept.lock().expect("a panic in one thread ends the sweep");
                    swept.add(seed, options, outcome, again);
                }
            });
        }
    });
    let mut swept = swept.into_inner().expect("all threads have ended");
    swept.failed.sort_by_key(|failed| failed.seed);
    swept
}

impl Swept {
    fn add(&mut self, seed: u64, options: Options, outcome: Outcome, again: Option<Outcome>) {
        self.seeds += 1;
        self.events += outcome.events;
        self.kept += outcome.kept;
        self.adopted += outcome.adopted;
        self.leftovers += outcome.leftovers;
        self.expected += outcome.expected;
        self.untold.heals += outcome.untold.heals;
        self.untold.saved += outcome.untold.saved;
        self.untold.forsaken += outcome.untold.forsaken;
        self.slowest = self.slowest.max(outcome.converged_after.map_or(0, |after| after.as_millis()));
        let differs =
            again.is_some_and(|again| again != outcome).then(|| "two runs left two traces".to_owned());
        if let Some(why) = differs.or(outcome.failure) {
            self.failed.push(Failed { seed, options, why });
        }
    }
}
