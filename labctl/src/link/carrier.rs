//! The thread that carries frames between the two ends, each after its fate.
//!
//! Never waits for anything but its sockets, its orders and the next due frame. Started and ordered by [`super::Link`]
//! (`mod.rs`). Tested in `tests.rs` with real veths.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::iter;
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::EventFd;
use nix::sys::time::TimeSpec;

use super::line::Line;
use super::packet_socket::{PacketSocket, VNET_HEADER};
use super::weather::{Direction, Fate, Sky, Weather};
use super::{DirectionCounters, LinkCounters};

/// The largest frame: a segmentation super-packet of 64 KiB with its Ethernet header.
const FRAME_MAX: usize = 65_536 + 18;
/// Frames read from one end before the other end and the due frames get their turn.
const BUDGET_FRAMES: usize = 64;
/// Frames on their way at most; more are dropped and counted as refused, as a full queue does.
const IN_FLIGHT_MAX: usize = 65_536;
/// An order is taken within one turn of the thread; only a thread that died takes longer.
const ORDER_PATIENCE: Duration = Duration::from_secs(1);

/// What the link's owner and its thread share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Written to after every order.
    wake: EventFd,
    orders: Mutex<Orders>,
    /// Signalled when the thread has taken its orders.
    taken: Condvar,
}

/// What becomes of an end.
#[derive(Debug)]
pub(super) enum End {
    /// This interface takes its place.
    Joined(PacketSocket),
    /// Nothing is plugged in.
    Unplugged,
}

#[derive(Debug)]
struct Orders {
    weather: Weather,
    /// Something below or above is not yet taken.
    fresh: bool,
    stop: bool,
    ends: [Option<End>; 2],
    counters: LinkCounters,
}

impl Shared {
    pub(super) fn new(weather: Weather) -> io::Result<Self> {
        let orders = Orders {
            weather,
            fresh: false,
            stop: false,
            ends: [None, None],
            counters: LinkCounters::default(),
        };
        Ok(Self { wake: EventFd::new()?, orders: Mutex::new(orders), taken: Condvar::new() })
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        // A panic elsewhere leaves only whole values behind here.
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn weather(&self) -> Weather {
        self.orders().weather
    }

    /// The counters as of now: asking is an order like any other. After the thread's end, its last ones.
    pub(super) fn counters(&self) -> LinkCounters {
        if !self.orders().stop {
            self.order(|_| {});
        }
        self.orders().counters
    }

    pub(super) fn order_weather(&self, weather: Weather) {
        self.order(|orders| orders.weather = weather);
    }

    pub(super) fn order_end(&self, end: usize, becomes: End) {
        self.order(|orders| orders.ends[end] = Some(becomes));
    }

    pub(super) fn order_stop(&self) {
        self.order(|orders| orders.stop = true);
    }

    /// Gives an order and waits until it is taken, so that a frame sent afterwards meets it.
    fn order(&self, give: impl FnOnce(&mut Orders)) {
        let mut orders = self.orders();
        give(&mut orders);
        orders.fresh = true;
        // Fails only when the counter is full, that is: when the bell rings already.
        let _ = self.wake.write(1);
        let waited = self.taken.wait_timeout_while(orders, ORDER_PATIENCE, |orders| orders.fresh);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

/// A frame on its way, ordered by its time and then by its entry.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct InFlight {
    due: Instant,
    entry: u64,
    /// Index of the end where it leaves.
    target: usize,
    frame: Vec<u8>,
}

/// The carrier's own state. End 0 is a, end 1 is b.
pub(super) struct Carrier {
    shared: Arc<Shared>,
    /// None where nothing is plugged in.
    ends: [Option<PacketSocket>; 2],
    skies: [Sky; 2],
    lines: [Line; 2],
    in_flight: BinaryHeap<Reverse<InFlight>>,
    entries: u64,
    counters: [DirectionCounters; 2],
}

impl Carrier {
    pub(super) fn new(shared: Arc<Shared>, ends: [PacketSocket; 2]) -> Self {
        let weather = shared.weather();
        Self {
            shared,
            ends: ends.map(Some),
            skies: [Sky::new(Direction::AToB, weather), Sky::new(Direction::BToA, weather)],
            lines: [Line::default(); 2],
            in_flight: BinaryHeap::new(),
            entries: 0,
            counters: [DirectionCounters::default(); 2],
        }
    }

    /// Carries until ordered to stop.
    pub(super) fn run(mut self) {
        let mut buffer = vec![0; VNET_HEADER + FRAME_MAX];
        loop {
            self.wait();
            if self.take_orders() {
                return;
            }
            for source in 0..2 {
                self.gather(source, &mut buffer);
            }
            self.deliver_due();
            self.shared.orders().counters =
                LinkCounters { a_to_b: self.counters[0], b_to_a: self.counters[1] };
        }
    }

    /// Takes new orders; true when ordered to stop.
    fn take_orders(&mut self) -> bool {
        let mut orders = self.shared.orders();
        if std::mem::take(&mut orders.fresh) {
            for (end, counters) in self.ends.iter().zip(&mut self.counters) {
                counters.overrun += end.as_ref().map_or(0, PacketSocket::overrun);
            }
            orders.counters = LinkCounters { a_to_b: self.counters[0], b_to_a: self.counters[1] };
            for sky in &mut self.skies {
                sky.change(orders.weather);
            }
            for (end, ordered) in self.ends.iter_mut().zip(&mut orders.ends) {
                match ordered.take() {
                    Some(End::Joined(socket)) => *end = Some(socket),
                    Some(End::Unplugged) => *end = None,
                    None => {}
                }
            }
            self.shared.taken.notify_all();
        }
        orders.stop
    }

    fn wait(&self) {
        let patience =
            self.in_flight.peek().map(|Reverse(next)| next.due.saturating_duration_since(Instant::now()));
        let plugged = self.ends.iter().flatten().map(AsFd::as_fd);
        let mut descriptors: Vec<PollFd<'_>> = iter::once(self.shared.wake.as_fd())
            .chain(plugged)
            .map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN))
            .collect();
        // An interrupted wait is a wait that ended early; any other error would be ours.
        let _ = ppoll(&mut descriptors, patience.map(TimeSpec::from_duration), None);
        let woken = descriptors[0].any().unwrap_or(false);
        if woken {
            let _ = self.shared.wake.read();
        }
    }

    fn gather(&mut self, source: usize, buffer: &mut [u8]) {
        for _ in 0..BUDGET_FRAMES {
            let Some(end) = &self.ends[source] else { return };
            match end.read(buffer) {
                Ok(length) => self.enter(source, &mut buffer[..length]),
                // Nothing waits, or the interface is down or gone: the error is told once and then there is silence.
                Err(_) => return,
            }
        }
    }

    /// Asks for the frame's fate and starts it on its way.
    fn enter(&mut self, source: usize, frame: &mut [u8]) {
        let fate = self.skies[source].decide(frame.len().saturating_sub(VNET_HEADER));
        let counters = &mut self.counters[source];
        let (delay, again) = match fate {
            Fate::Cut => {
                counters.cut += 1;
                return;
            }
            Fate::Lost => {
                counters.lost += 1;
                return;
            }
            Fate::Carried { delay, held, again, damage } => {
                counters.reordered += u64::from(held);
                counters.duplicated += u64::from(again.is_some());
                counters.corrupted += u64::from(damage.is_some());
                if let Some((position, change)) = damage {
                    frame[VNET_HEADER + position] ^= change;
                }
                (delay, again)
            }
        };
        let (rate, queue) = self.skies[source].line();
        for delay in [Some(delay), again].into_iter().flatten() {
            let length = frame.len().saturating_sub(VNET_HEADER);
            match self.lines[source].take(Instant::now(), length, rate, queue) {
                Some(turn) => self.start(1 - source, frame, turn + delay),
                None => self.counters[source].congested += 1,
            }
        }
    }

    fn start(&mut self, target: usize, frame: &[u8], delay: Duration) {
        if delay.is_zero() {
            self.deliver(target, frame);
        } else if self.in_flight.len() < IN_FLIGHT_MAX {
            self.entries += 1;
            let (due, entry) = (Instant::now() + delay, self.entries);
            self.in_flight.push(Reverse(InFlight { due, entry, target, frame: frame.to_vec() }));
        } else {
            self.counters[1 - target].refused += 1;
        }
    }

    fn deliver_due(&mut self) {
        let now = Instant::now();
        while self.in_flight.peek().is_some_and(|Reverse(next)| next.due <= now) {
            if let Some(Reverse(next)) = self.in_flight.pop() {
                self.deliver(next.target, &next.frame);
            }
        }
    }

    fn deliver(&mut self, target: usize, frame: &[u8]) {
        let counters = &mut self.counters[1 - target];
        match self.ends[target].as_ref().map(|end| end.write(frame)) {
            Some(Ok(())) => counters.carried += 1,
            Some(Err(_)) | None => counters.refused += 1,
        }
    }
}
