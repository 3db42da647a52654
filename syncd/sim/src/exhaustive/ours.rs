//! The core's session as a speaker.
//!
//! Of the replica's rules one is kept in [`Ours`], because a session is not whole without it: after a hello a resync is
//! asked for, and answered with everything. (A hello that comes late takes the numbers back, as it must if the peer
//! started over, and then an overtaken frame of before it is believed.) [`Alone`] asks for none: where nothing comes late,
//! flows that wait for the answer to our hello, and what a hello takes back into the queue, must be enough.

use std::collections::BTreeMap;

use syncd_core::ftfw::{Item, Outgoing, Session};
use syncd_core::time::{Duration, Instant};
use syncd_core::wire::{Control, Flags, Seq};

use super::{BY_NACK, DEADLINE, Speaker, Start};

/// Frames in one datagram at most.
const FRAMES: usize = 3;

/// One message.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    seq: Seq,
    flags: Flags,
    content: Content,
}

#[derive(Clone, Copy, Debug)]
enum Content {
    Version(Item, u32),
    Control(Control),
}

/// A session with items that have versions, and the resync after a hello.
pub type Ours = Talk<true>;

/// A session with items that have versions, and nothing else.
pub type Alone = Talk<false>;

/// A session with items that have versions; `ASKS` says whether it asks for a resync after a hello.
#[derive(Debug)]
pub struct Talk<const ASKS: bool> {
    session: Session,
    mine: BTreeMap<u32, u32>,
    theirs: BTreeMap<u32, u32>,
}

impl<const ASKS: bool> Talk<ASKS> {
    fn fill(&mut self, now: Instant) -> Option<Vec<Frame>> {
        let mut frames = Vec::new();
        while frames.len() < FRAMES
            && let Some((outgoing, flags)) = self.session.peek()
        {
            let content = match outgoing {
                Outgoing::Item(item) => Content::Version(item, self.mine[&item.0]),
                Outgoing::Control(control) => Content::Control(control),
            };
            frames.push(Frame { seq: self.session.next_seq(), flags, content });
            self.session.sent(now, outgoing);
        }
        if self.session.queued() == 0 && self.session.is_open() {
            self.session.release_resync();
        }
        (!frames.is_empty()).then_some(frames)
    }
}

impl<const ASKS: bool> Speaker for Talk<ASKS> {
    type Datagram = Vec<Frame>;

    fn patience(start: Start) -> Duration {
        match start {
            // What was overdue would repair it all, too, but later.
            Start::Hello if ASKS => DEADLINE,
            Start::Open | Start::Hello => BY_NACK,
        }
    }

    fn start(first: u32, now: Instant) -> Self {
        let mut session = Session::new(Seq(first), now);
        session.say_hello(now);
        Self { session, mine: BTreeMap::new(), theirs: BTreeMap::new() }
    }

    fn change(&mut self, _now: Instant, item: u32) {
        *self.mine.entry(item).or_insert(0) += 1;
        self.session.enqueue(Item(item));
    }

    fn due(&self) -> Instant {
        self.session.due()
    }

    fn turn(&mut self, now: Instant) -> Vec<Vec<Frame>> {
        if self.session.due() <= now {
            self.session.lapse(now);
        }
        std::iter::from_fn(|| self.fill(now)).collect()
    }

    fn receive(&mut self, now: Instant, frames: &Vec<Frame>) {
        for frame in frames {
            let arrival = self.session.arrive(now, frame.seq, frame.flags);
            if ASKS && (arrival.episode.is_some() || arrival.answered) {
                self.session.ask_resync();
            }
            if !arrival.deliver {
                continue;
            }
            match frame.content {
                Content::Version(item, version) => {
                    self.session.acknowledge_soon(now);
                    if !arrival.stale {
                        self.theirs.insert(item.0, version);
                    }
                }
                Content::Control(Control::Ack(range)) => self.session.acked(now, range, |_| {}),
                Content::Control(Control::Nack(range)) => {
                    self.session.nacked(range);
                }
                Content::Control(Control::Resync) => {
                    self.session.hold_resync();
                    self.mine.keys().for_each(|item| self.session.enqueue(Item(*item)));
                }
                Content::Control(Control::Alive) => {}
            }
        }
    }

    fn mine(&self) -> BTreeMap<u32, u32> {
        self.mine.clone()
    }

    fn theirs(&self) -> BTreeMap<u32, u32> {
        self.theirs.clone()
    }

    fn is_open(&self) -> bool {
        self.session.is_open()
    }

    fn unsettled(&self) -> Option<String> {
        let (queued, in_flight) = (self.session.queued(), self.session.in_flight());
        let (gap, open) = (self.session.has_gap(), self.session.is_open());
        // Alone, an acknowledgement that got lost in the midst of hellos is made up for when it is overdue: what counts
        // is that each knows what the other has.
        if ASKS && queued + in_flight > 0 {
            return Some(format!("{queued} queued, {in_flight} in flight"));
        }
        (ASKS && gap || !open).then(|| format!("gap {gap}, open {open}"))
    }
}
