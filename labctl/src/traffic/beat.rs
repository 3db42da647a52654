//! The rhythm of an engine: wait for sockets until the next beat, and stop when told.
//!
//! Pacing needs a clock that ticks; 5 ms is fine enough for every pace here, and streams take turns in four phases so
//! that not all of them send at once. Never touches a stream. Each engine has one. Tested through `tests/`.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::EventFd;

/// Time between beats.
const BEAT: Duration = Duration::from_millis(5);
/// A stream is served on every so many-th beat.
const PHASES: u64 = 4;
/// Marks the stop signal among the events.
const STOP: u64 = u64::MAX;
/// Events taken per wait.
const EVENTS: usize = 256;

/// What a wait brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// Sockets are ready; see [`Beat::ready`].
    Ready,
    /// The next beat: streams whose phase it is are served.
    Beat,
    /// The engine shall end.
    Stop,
}

/// Waiting for sockets, beats and the end.
#[derive(Debug)]
pub(super) struct Beat {
    epoll: Epoll,
    ready: Vec<(u64, EpollFlags)>,
    next: Instant,
    count: u64,
    /// The last wait brought a beat.
    beaten: bool,
}

impl Beat {
    pub(super) fn new(stop: &Arc<EventFd>) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(stop, EpollEvent::new(EpollFlags::EPOLLIN, STOP))?;
        Ok(Self { epoll, ready: Vec::new(), next: Instant::now(), count: 0, beaten: false })
    }

    /// Watches a socket under a number of the engine's own.
    pub(super) fn watch(&self, socket: impl AsFd, number: u64, flags: EpollFlags) -> io::Result<()> {
        Ok(self.epoll.add(socket, EpollEvent::new(flags, number))?)
    }

    /// Changes what a socket is watched for.
    pub(super) fn watch_for(&self, socket: impl AsFd, number: u64, flags: EpollFlags) -> io::Result<()> {
        Ok(self.epoll.modify(socket, &mut EpollEvent::new(flags, number))?)
    }

    /// Waits for the next thing to do. Between two beats sockets always get their turn, however late the engine is.
    pub(super) fn wait(&mut self) -> Wake {
        let now = Instant::now();
        let late = now >= self.next;
        if late && !std::mem::take(&mut self.beaten) {
            return self.beat(now);
        }
        // Rounded up: an early wake-up would only wait again.
        let patience = if late { 0 } else { (self.next - now).as_millis() + 1 };
        let patience = u16::try_from(patience).unwrap_or(u16::MAX);
        let mut events = [EpollEvent::empty(); EVENTS];
        let count = match self.epoll.wait(&mut events, EpollTimeout::from(patience)) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(error) => panic!("epoll on our own descriptors: {error}"),
        };
        self.ready.clear();
        self.ready.extend(events[..count].iter().map(|event| (event.data(), event.events())));
        if self.ready.iter().any(|(number, _)| *number == STOP) { Wake::Stop } else { Wake::Ready }
    }

    fn beat(&mut self, now: Instant) -> Wake {
        // A late engine skips beats instead of hurrying after them.
        self.next = (self.next + BEAT).max(now);
        self.count += 1;
        self.beaten = true;
        Wake::Beat
    }

    /// The sockets that the last wait found ready.
    pub(super) fn ready(&mut self) -> Vec<(u64, EpollFlags)> {
        std::mem::take(&mut self.ready)
    }

    /// Whether a stream is served on this beat.
    pub(super) const fn serves(&self, stream: usize) -> bool {
        (self.count.wrapping_add(stream as u64)).is_multiple_of(PHASES)
    }
}

/// A pace in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct BytePace {
    bytes_per_second: u64,
    served: Instant,
    /// Millionths of a byte that were due but not whole.
    rest: u64,
}

impl BytePace {
    pub(super) fn new(bits_per_second: u32, now: Instant) -> Self {
        Self { bytes_per_second: u64::from(bits_per_second) / 8, served: now, rest: 0 }
    }

    /// Bytes that became due since the last call. At most a tenth of a second's: a late engine does not catch up.
    pub(super) fn due(&mut self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.served).min(Duration::from_millis(100));
        self.served = now;
        let due = self.bytes_per_second * u64::try_from(since.as_micros()).unwrap_or(u64::MAX) + self.rest;
        self.rest = due % 1_000_000;
        due / 1_000_000
    }
}

/// A pace in requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestPace {
    interval: Duration,
    next: Instant,
}

impl RequestPace {
    /// `phase` of `of` streams: their first requests are spread evenly over one interval.
    pub(super) fn new(interval: Duration, now: Instant, phase: u32, of: u32) -> Self {
        Self { interval, next: now + interval * phase / of.max(1) }
    }

    /// Whether a request is due; if so, the next one is an interval later. Missed ones are not made up for.
    pub(super) fn due(&mut self, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        self.next =
            if now > self.next + self.interval { now + self.interval } else { self.next + self.interval };
        true
    }
}
