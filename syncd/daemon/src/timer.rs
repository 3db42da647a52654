//! Time that passes: an alarm to be woken by, and a nap that nothing ends.
//!
//! The alarm is a timerfd: tokio's own timer rounds 0.3 ms up to 1.1 ms. It is armed early rather than late: an alarm before its time costs an empty round, so a later due time does not cost a
//! system call. Driven by the event loop; tested in the end-to-end test through it.

use std::io;
use std::task::{Context, Poll};

use nix::sys::prctl;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::{ClockId as Clock, ClockNanosleepFlags, clock_nanosleep};
use syncd_core::time::Instant;

use crate::ready::Ready;

/// Naps of this thread end on time: the kernel adds 50 us by default (PR_SET_TIMERSLACK).
///
/// # Errors
///
/// The kernel's, of which none is known.
pub(crate) fn be_punctual() -> io::Result<()> {
    Ok(prctl::set_timerslack(1)?)
}

/// Lets the thread sleep while events gather, at most until `due`. Not a wait for sockets: the first event would end it,
/// and a wake-up for each event is what gathering is to save.
pub(crate) fn nap_until(due: Instant) {
    // An early end is no harm: there is less to gather then.
    let _ = clock_nanosleep(Clock::CLOCK_MONOTONIC, ClockNanosleepFlags::TIMER_ABSTIME, &time_spec(due));
}

fn time_spec(at: Instant) -> TimeSpec {
    let nanos = i64::try_from(at.as_nanos()).unwrap_or(i64::MAX);
    TimeSpec::new(nanos / 1_000_000_000, nanos % 1_000_000_000)
}

/// An alarm at an instant.
#[derive(Debug)]
pub(crate) struct Timer {
    timer: TimerFd,
    ready: Ready,
    armed: Option<Instant>,
}

impl Timer {
    /// A timer that is not armed.
    ///
    /// # Errors
    ///
    /// Out of descriptors.
    pub(crate) fn new() -> io::Result<Self> {
        let timer =
            TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        let ready = Ready::to_read(&timer)?;
        Ok(Self { timer, ready, armed: None })
    }

    /// Rings at `due` at the latest; it may ring earlier.
    ///
    /// # Errors
    ///
    /// The kernel's, of which none is known for a sane time.
    pub(crate) fn ring_by(&mut self, due: Instant) -> io::Result<()> {
        if self.armed.is_some_and(|armed| armed <= due) {
            return Ok(());
        }
        // Zero would disarm it.
        let at = time_spec(due.max(Instant::from_nanos(1)));
        self.timer.set(Expiration::OneShot(at), TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
        self.ready.exhausted();
        self.armed = Some(due);
        Ok(())
    }

    /// Ready when it rang.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let rang = self.ready.poll_read(context);
        if rang.is_ready() {
            self.ready.exhausted();
            self.armed = None;
        }
        rang
    }
}
