//! FTFW alone: two speakers, integers as items, every pattern of fates for the first datagrams.
//!
//! What the sweep draws at random for large worlds is enumerated here for a small one: each of the first datagrams,
//! in whichever direction, is delivered, dropped, delayed so that later ones overtake it, or delivered twice, the
//! second time late. Afterwards all is delivered, and each side must hold the other's newest versions, with nothing
//! queued, in flight or missing. There are no tables and no roles.
//!
//! | speaker | what it is |
//! | --- | --- |
//! | [`ours`] | the core's session |
//! | [`theirs`] | the model of conntrackd, with its hello rule or with that rule repaired: it shows that this judges |

pub mod ours;
pub mod theirs;

use std::collections::{BTreeMap, VecDeque};

use syncd_core::time::{Duration, Instant};

/// What happens to one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Deliver,
    /// It does not.
    Drop,
    /// It arrives after those that follow.
    Delay,
    /// It arrives, and once more after those that follow.
    Duplicate,
}

impl Fate {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Deliver, Self::Drop, Self::Delay, Self::Duplicate];
}

/// How a world begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Both have heard each other's hello.
    Open,
    /// Both have just started; hello itself may be lost.
    Hello,
}

/// One end of the conversation.
pub trait Speaker {
    /// What is carried.
    type Datagram: Clone;

    /// So long after the last fate and the last change it may take until both know the same.
    #[must_use]
    fn patience(start: Start) -> Duration {
        match start {
            Start::Open => BY_NACK,
            Start::Hello => DEADLINE,
        }
    }
    /// Starts; its numbers begin at `first`.
    fn start(first: u32, now: Instant) -> Self;
    /// One of its items has a new version.
    fn change(&mut self, now: Instant, item: u32);
    /// When [`Self::turn`] has something to do by itself.
    fn due(&self) -> Instant;
    /// Does what is due and says what is to be said.
    fn turn(&mut self, now: Instant) -> Vec<Self::Datagram>;
    /// A datagram arrives.
    fn receive(&mut self, now: Instant, datagram: &Self::Datagram);
    /// Its items and their versions.
    fn mine(&self) -> BTreeMap<u32, u32>;
    /// What it holds of its peer's.
    fn theirs(&self) -> BTreeMap<u32, u32>;
    /// Whether it has heard the peer's answer to its hello.
    fn is_open(&self) -> bool;
    /// What it still has to do; nothing in the end.
    fn unsettled(&self) -> Option<String>;
}

const DELAY: Duration = Duration::from_millis(1);
const LATE: Duration = Duration::from_millis(120);

/// More than any pattern needs: a silence, a new hello, and what was overdue after it.
const DEADLINE: Duration = Duration::from_secs(40);

/// An open conversation repairs a loss by NACK: the next beat shows it (1 s), and that of the NACK the next (1 s). What is
/// overdue is sent again after 5 s, which would hide that nobody asked.
pub const BY_NACK: Duration = Duration::from_millis(2500);

/// What came of all patterns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enumerated {
    /// How many there were.
    pub patterns: u32,
    /// How many did not converge.
    pub failed: u32,
    /// What was wrong with the first of these.
    pub first: Option<String>,
}

/// Runs every pattern of `datagrams` of these fates.
#[must_use]
pub fn enumerate<S: Speaker>(start: Start, fates: &[Fate], datagrams: u32) -> Enumerated {
    let kinds = fates.len();
    let mut enumerated = Enumerated::default();
    let mut pattern = vec![0; datagrams as usize];
    loop {
        let drawn: Vec<Fate> = pattern.iter().map(|kind| fates[*kind]).collect();
        enumerated.patterns += 1;
        if let Err(why) = run::<S>(start, &drawn) {
            enumerated.failed += 1;
            enumerated.first.get_or_insert(why);
        }
        // The next number of this many places.
        let Some(place) = pattern.iter().position(|kind| kind + 1 < kinds) else { return enumerated };
        pattern[..place].fill(0);
        pattern[place] += 1;
    }
}

/// Runs one pattern of fates.
///
/// # Errors
/// A sentence about what did not converge.
pub fn run<S: Speaker>(start: Start, fates: &[Fate]) -> Result<(), String> {
    let mut world = World::<S>::new(start);
    world.fates = fates.iter().copied().collect();
    let mut end = world.now + DEADLINE;
    while world.now < end {
        let fated = !world.fates.is_empty();
        world.step();
        if fated && world.fates.is_empty() {
            // From the last fate on; from the last change, if that is later.
            let last = world.changes.back().map_or(world.now, |(at, ..)| world.now.max(*at));
            end = last + S::patience(start);
        }
        if world.fates.is_empty() && world.changes.is_empty() && world.problem().is_none() {
            return Ok(());
        }
    }
    Err(format!("{start:?} {fates:?}: {}", world.problem().unwrap_or_default()))
}

/// A datagram on its way.
#[derive(Debug)]
struct UnderWay<D> {
    at: Instant,
    to: usize,
    datagram: D,
}

#[derive(Debug)]
struct World<S: Speaker> {
    now: Instant,
    sides: [S; 2],
    fates: VecDeque<Fate>,
    /// In the order of sending.
    under_way: Vec<UnderWay<S::Datagram>>,
    changes: VecDeque<(Instant, usize, u32)>,
}

impl<S: Speaker> World<S> {
    fn new(start: Start) -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        // The second side's numbers wrap within the run.
        let sides = [S::start(100, now), S::start(u32::MAX - 3, now)];
        let mut world =
            Self { now, sides, fates: VecDeque::new(), under_way: Vec::new(), changes: VecDeque::new() };
        if start == Start::Open {
            while !world.sides.iter().all(S::is_open) || !world.under_way.is_empty() {
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
            world.changes.push_back((world.now + Duration::from_millis(millis), side, item));
        }
        world
    }

    /// The earliest of what is due: a change, an arrival, a timer.
    fn step(&mut self) {
        let timer = self.sides.iter().map(S::due).min().expect("there are two");
        let arrival = self.under_way.iter().map(|under_way| under_way.at).min();
        let change = self.changes.front().map(|(at, ..)| *at);
        let next = [Some(timer), arrival, change].into_iter().flatten().min().expect("there is a timer");
        self.now = self.now.max(next);
        let now = self.now;
        while let Some((_, side, item)) = self.changes.front().copied().filter(|(at, ..)| *at <= now) {
            self.changes.pop_front();
            self.sides[side].change(now, item);
        }
        while let Some(index) = self.under_way.iter().position(|under_way| under_way.at <= now) {
            let UnderWay { to, datagram, .. } = self.under_way.remove(index);
            self.sides[to].receive(now, &datagram);
        }
        for from in 0..2 {
            for datagram in self.sides[from].turn(now) {
                self.send(1 - from, datagram);
            }
        }
    }

    fn send(&mut self, to: usize, datagram: S::Datagram) {
        let (soon, late) = (self.now + DELAY, self.now + LATE);
        match self.fates.pop_front().unwrap_or(Fate::Deliver) {
            Fate::Deliver => self.under_way.push(UnderWay { at: soon, to, datagram }),
            Fate::Delay => self.under_way.push(UnderWay { at: late, to, datagram }),
            Fate::Duplicate => {
                self.under_way.push(UnderWay { at: soon, to, datagram: datagram.clone() });
                self.under_way.push(UnderWay { at: late, to, datagram });
            }
            Fate::Drop => {}
        }
    }

    /// What is not yet as it must be in the end.
    fn problem(&self) -> Option<String> {
        for (index, side) in self.sides.iter().enumerate() {
            let (mine, theirs) = (side.mine(), self.sides[1 - index].theirs());
            if mine != theirs {
                return Some(format!("side {index} has {mine:?}, its peer knows {theirs:?}"));
            }
            if let Some(why) = side.unsettled() {
                return Some(format!("side {index}: {why}"));
            }
        }
        None
    }
}
