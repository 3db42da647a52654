//! One run under guard: whether it panics, and what it costs. Tested in `tests/judge.rs`.

use std::cell::RefCell;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::time::Duration;

use crate::allocator::{self, Usage};
use crate::seen::Seen;
use crate::stopwatch;
use crate::targets::Target;

/// What must not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It panicked.
    Panic {
        /// File and line.
        place: String,
        /// Its words.
        message: String,
    },
    /// It asked for more memory than it may.
    Memory(Usage),
    /// It took longer than it may.
    Slow(Duration),
}

impl Fault {
    /// Whether both are the same mistake, as far as can be told.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Panic { place, .. }, Self::Panic { place: other, .. }) => place == other,
            (Self::Memory(_), Self::Memory(_)) | (Self::Slow(_), Self::Slow(_)) => true,
            _ => false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic { place, message } => write!(f, "panicked at {place}: {message}"),
            Self::Memory(Usage { count, largest, peak }) => {
                write!(f, "{largest} bytes of memory in one go, {peak} at a time, in {count} requests")
            }
            Self::Slow(time) => write!(f, "{:.1} ms of processor time", time.as_secs_f64() * 1e3),
        }
    }
}

/// A run without a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// What it looked like, as a number.
    pub look: u64,
    /// The memory it took.
    pub usage: Usage,
    /// The processor time it took.
    pub time: Duration,
}

/// Runs `target` with `bytes`; `slack` times the time is granted to it.
///
/// # Errors
/// What must not be.
pub fn run(target: &Target, bytes: &[u8], slack: u32) -> Result<Run, Fault> {
    let mut seen = Seen::default();
    let work = AssertUnwindSafe(|| (target.run)(bytes, &mut seen));
    let ((done, usage), time) = stopwatch::measure(|| allocator::measure(|| quietly(work)));
    done?;
    let limits = &target.limits;
    if usage.largest > limits.largest || usage.peak > limits.peak {
        return Err(Fault::Memory(usage));
    }
    if time > limits.time * slack {
        return Err(Fault::Slow(time));
    }
    Ok(Run { look: seen.number(), usage, time })
}

thread_local! {
    /// While a run is under guard: the last panic's place and words.
    static LAST: RefCell<Option<Fault>> = const { RefCell::new(None) };
    static GUARDED: RefCell<bool> = const { RefCell::new(false) };
}

/// Does `work`; a panic is caught and nothing is printed.
fn quietly(work: impl FnOnce() + panic::UnwindSafe) -> Result<(), Fault> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.with_borrow(|guarded| *guarded) {
                return loud(info);
            }
            let place = info.location().map_or_else(String::new, |at| format!("{}:{}", at.file(), at.line()));
            let message = info.payload_as_str().unwrap_or("no words").to_owned();
            LAST.set(Some(Fault::Panic { place, message }));
        }));
    });
    GUARDED.set(true);
    let done = panic::catch_unwind(work);
    GUARDED.set(false);
    let nameless = || Fault::Panic { place: String::new(), message: String::new() };
    done.map_err(|_| LAST.take().unwrap_or_else(nameless))
}
