//! One timerfd: tokio's own timer rounds 0.3 ms up to 1.1 ms, which gathering cannot afford.
//!
//! Armed early rather than late: an alarm before its time costs an empty round, so a later due time does not cost a
//! system call. Driven by the event loop; tested in the end-to-end test through it.

use std::io;
use std::task::{Context, Poll};

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use syncd_core::time::Instant;

use crate::ready::Ready;

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
        let nanos = i64::try_from(due.as_nanos().max(1)).unwrap_or(i64::MAX);
        let at = TimeSpec::new(nanos / 1_000_000_000, nanos % 1_000_000_000);
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
