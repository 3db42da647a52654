//! FTFW alone: two sessions, integers as items, every pattern of losses for the first datagrams.
//!
//! What the sweep draws at random for large worlds is enumerated here for a small one: each of the first datagrams,
//! in whichever direction, is delivered, dropped or delayed so that later ones overtake it. Afterwards all is
//! delivered, and each side must hold the other's newest versions, with nothing queued, in flight or missing.
//! There are no flows and no tables. Of the replica's rules one is kept, because a session is not whole without it:
//! after a hello a resync is asked for, and answered with everything. (A hello that comes late takes the numbers back,
//! as it must if the peer started over, and then an overtaken frame of before it is believed.)

use std::collections::{BTreeMap, VecDeque};

use syncd_core::ftfw::{Item, Outgoing, Session};
use syncd_core::time::{Duration, Instant};
use syncd_core::wire::{Control, Flags, Seq};

/// What happens to one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Deliver,
    /// It does not.
    Drop,
    /// It arrives after those that follow.
    Delay,
}

/// How a world begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Both have heard each other's hello.
    Open,
    /// Both have just started; hello itself may be lost.
    Hello,
}

/// Frames in one datagram at most.
const FRAMES: usize = 3;

const DELAY: Duration = Duration::from_millis(1);
const LATE: Duration = Duration::from_millis(120);

/// More than any pattern needs: a silence, a new hello, and what was overdue after it.
const DEADLINE: Duration = Duration::from_secs(40);

#[derive(Clone, Copy, Debug)]
struct Frame {
    seq: Seq,
    flags: Flags,
    content: Content,
}

#[derive(Clone, Copy, Debug)]
enum Content {
    Version(Item, u32),
    Control(Control),
}

#[derive(Debug)]
struct Side {
    session: Session,
    mine: BTreeMap<Item, u32>,
    theirs: BTreeMap<Item, u32>,
}

#[derive(Debug)]
struct World {
    now: Instant,
    sides: [Side; 2],
    fates: VecDeque<Fate>,
    /// When, to whom, what; in the order of sending.
    under_way: Vec<(Instant, usize, Vec<Frame>)>,
    changes: VecDeque<(Instant, usize, Item)>,
}

/// Runs one pattern of fates; an error says what is not as it should be.
///
/// # Errors
/// A sentence about what did not converge.
pub fn run(start: Start, fates: &[Fate]) -> Result<(), String> {
    let mut world = World::new(start);
    world.fates = fates.iter().copied().collect();
    let end = world.now + DEADLINE;
    while world.now < end {
        world.step();
        if world.fates.is_empty() && world.changes.is_empty() && world.problem().is_none() {
            return Ok(());
        }
    }
    Err(format!("{start:?} {fates:?}: {}", world.problem().unwrap_or_default()))
}

/// Runs every pattern of `datagrams` fates. Says how many there were.
///
/// # Errors
/// The first pattern that did not converge.
pub fn enumerate(start: Start, datagrams: u32) -> Result<u32, String> {
    let patterns = 3_u32.pow(datagrams);
    for pattern in 0..patterns {
        let fate = |place: u32| match pattern / 3_u32.pow(place) % 3 {
            0 => Fate::Deliver,
            1 => Fate::Drop,
            _ => Fate::Delay,
        };
        let fates: Vec<Fate> = (0..datagrams).map(fate).collect();
        run(start, &fates)?;
    }
    Ok(patterns)
}

impl World {
    fn new(start: Start) -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        let side = |first| {
            let mut session = Session::new(Seq(first), now);
            session.say_hello(now);
            Side { session, mine: BTreeMap::new(), theirs: BTreeMap::new() }
        };
        // The second side's numbers wrap within the run.
        let sides = [side(100), side(u32::MAX - 3)];
        let mut world =
            Self { now, sides, fates: VecDeque::new(), under_way: Vec::new(), changes: VecDeque::new() };
        if start == Start::Open {
            while !world.sides.iter().all(|side| side.session.is_open()) || !world.under_way.is_empty() {
                world.step();
            }
        }
        // Three items of the first side, one of the second; some change while they are in flight.
        for (millis, side, item) in [
            (0, 0, 0),
            (0, 0, 1),
            (2, 1, 0),
            (5, 0, 0),
            (10, 0, 2),
            (60, 0, 1),
            (60, 1, 0),
            (70, 0, 2),
            (200, 0, 0),
        ] {
            world.changes.push_back((world.now + Duration::from_millis(millis), side, Item(item)));
        }
        world
    }

    /// The earliest of what is due: a change, an arrival, a timer.
    fn step(&mut self) {
        let timer = self.sides.iter().map(|side| side.session.due()).min().expect("there are two");
        let arrival = self.under_way.iter().map(|(at, ..)| *at).min();
        let change = self.changes.front().map(|(at, ..)| *at);
        let next = [Some(timer), arrival, change].into_iter().flatten().min().expect("there is a timer");
        self.now = self.now.max(next);
        let now = self.now;
        while let Some((_, side, item)) = self.changes.front().copied().filter(|(at, ..)| *at <= now) {
            self.changes.pop_front();
            let side = &mut self.sides[side];
            *side.mine.entry(item).or_insert(0) += 1;
            side.session.enqueue(item);
        }
        while let Some(index) = self.under_way.iter().position(|(at, ..)| *at <= now) {
            let (_, to, frames) = self.under_way.remove(index);
            self.sides[to].receive(now, &frames);
        }
        for from in 0..2 {
            if self.sides[from].session.due() <= now {
                self.sides[from].session.lapse(now);
            }
            while let Some(frames) = self.sides[from].transmit(now) {
                self.send(1 - from, frames);
            }
        }
    }

    fn send(&mut self, to: usize, frames: Vec<Frame>) {
        match self.fates.pop_front().unwrap_or(Fate::Deliver) {
            Fate::Deliver => self.under_way.push((self.now + DELAY, to, frames)),
            Fate::Delay => self.under_way.push((self.now + LATE, to, frames)),
            Fate::Drop => {}
        }
    }

    /// What is not yet as it must be in the end.
    fn problem(&self) -> Option<String> {
        for (index, side) in self.sides.iter().enumerate() {
            let session = &side.session;
            if side.mine != self.sides[1 - index].theirs {
                let theirs = &self.sides[1 - index].theirs;
                return Some(format!("side {index} has {:?}, its peer knows {theirs:?}", side.mine));
            }
            if session.queued() + session.in_flight() > 0 {
                return Some(format!(
                    "side {index}: {} queued, {} in flight",
                    session.queued(),
                    session.in_flight()
                ));
            }
            if session.has_gap() || !session.is_open() {
                let (gap, open) = (session.has_gap(), session.is_open());
                return Some(format!("side {index}: gap {gap}, open {open}"));
            }
        }
        None
    }
}

impl Side {
    fn transmit(&mut self, now: Instant) -> Option<Vec<Frame>> {
        let mut frames = Vec::new();
        while frames.len() < FRAMES
            && let Some((outgoing, flags)) = self.session.peek()
        {
            let content = match outgoing {
                Outgoing::Item(item) => Content::Version(item, self.mine[&item]),
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

    fn receive(&mut self, now: Instant, frames: &[Frame]) {
        for frame in frames {
            let arrival = self.session.arrive(now, frame.seq, frame.flags);
            if arrival.episode.is_some() || arrival.answered {
                self.session.ask_resync();
            }
            if !arrival.deliver {
                continue;
            }
            match frame.content {
                Content::Version(item, version) => {
                    self.session.acknowledge_soon(now);
                    if !arrival.stale {
                        self.theirs.insert(item, version);
                    }
                }
                Content::Control(Control::Ack(range)) => self.session.acked(now, range, |_| {}),
                Content::Control(Control::Nack(range)) => {
                    self.session.nacked(range);
                }
                Content::Control(Control::Resync) => {
                    self.session.hold_resync();
                    self.mine.keys().for_each(|item| self.session.enqueue(*item));
                }
                Content::Control(Control::Alive) => {}
            }
        }
    }
}
