//! The socket of whoever listens to a kernel: a finite buffer of events.
//!
//! An event that does not fit is lost, and so is everything after it until the buffer was read empty
//! (`netlink_overrun`, `NETLINK_S_CONGESTED`). The loss is told to the reader once per congestion (`ENOBUFS`), or not
//! at all where the seed says so. What the kernel makes of a loss is the table's affair.

use std::collections::VecDeque;
use std::fmt;

use syncd_core::flow::{Change, Expectation, Flow, Origin};

use crate::chance::Chance;

/// One event for whoever listens.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Who caused it.
    pub origin: Origin,
    /// What happened.
    pub change: Change,
    /// What ctnetlink says of it.
    pub about: About,
}

/// What an event is about.
#[derive(Clone, Copy, Debug)]
pub enum About {
    /// A flow.
    Flow(Flow),
    /// An expectation.
    Expectation(Expectation),
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flow(flow) => flow.fmt(f),
            Self::Expectation(expectation) => expectation.fmt(f),
        }
    }
}

/// What a reader finds in the buffer.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::large_enum_variant, reason = "it is handed over and never kept")]
pub enum Read {
    /// An event.
    Event(Event),
    /// Events were lost (`ENOBUFS`); those still in the buffer are from before.
    Overrun,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is in the buffer, or nobody wants to hear it: all is well for the kernel.
    Delivered,
    /// There was no room.
    Lost,
}

/// The socket.
#[derive(Debug)]
pub(super) struct Events {
    buffer: VecDeque<Event>,
    capacity: usize,
    listening: bool,
    hears_new: bool,
    congested: bool,
    overrun: bool,
    /// Events that found no room (`Drops` of `/proc/net/netlink`).
    drops: u64,
    /// Congestions of a thousand that nobody is told of.
    silent: u32,
    chance: Chance,
}

impl Events {
    /// A buffer for `capacity` events to which nobody listens yet.
    pub(super) const fn new(capacity: u32, silent: u32, chance: Chance) -> Self {
        Self {
            buffer: VecDeque::new(),
            capacity: capacity as usize,
            listening: false,
            hears_new: true,
            congested: false,
            overrun: false,
            drops: 0,
            silent,
            chance,
        }
    }

    /// Whether anybody listens.
    pub(super) const fn is_heard(&self) -> bool {
        self.listening
    }

    /// Whether anything waits.
    pub(super) fn waits(&self) -> bool {
        self.overrun || !self.buffer.is_empty()
    }

    /// How many events found no room.
    pub(super) const fn drops(&self) -> u64 {
        self.drops
    }

    /// Somebody subscribes, or nobody listens any more; what waited is gone.
    pub(super) fn listen(&mut self, listening: bool) {
        self.buffer.clear();
        (self.listening, self.hears_new) = (listening, true);
        (self.congested, self.overrun, self.drops) = (false, false, 0);
    }

    /// Whether births are heard.
    pub(super) const fn listen_new(&mut self, hears: bool) {
        self.hears_new = hears;
    }

    /// No loss is concealed any more.
    pub(super) const fn be_honest(&mut self) {
        self.silent = 0;
    }

    /// The next thing in the buffer. As a socket does, it reports a loss before what waits from before the loss.
    pub(super) fn read(&mut self) -> Option<Read> {
        if std::mem::take(&mut self.overrun) {
            return Some(Read::Overrun);
        }
        let event = self.buffer.pop_front();
        if self.buffer.is_empty() {
            self.congested = false;
        }
        event.map(Read::Event)
    }

    /// An event sets out.
    pub(super) fn deliver(&mut self, event: Event) -> Fate {
        let is_birth = event.change == Change::New && matches!(event.about, About::Flow(_));
        if !self.listening || (is_birth && !self.hears_new) {
            return Fate::Delivered;
        }
        if self.congested || self.buffer.len() >= self.capacity {
            if !self.congested {
                self.overrun |= self.silent == 0 || !self.chance.permille(self.silent);
            }
            self.congested = true;
            self.drops += 1;
            return Fate::Lost;
        }
        self.buffer.push_back(event);
        Fate::Delivered
    }
}
