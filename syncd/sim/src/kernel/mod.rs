//! A model of a kernel's flow table, with ctnetlink's manners.
//!
//! Each flow stands in the table twice, under its original and its reply tuple, and no two may share one. UPDATE
//! names what changed, a dump everything. Where the listener asked for reliable events (`NETLINK_BROADCAST_ERROR`), an
//! end that found no room is told again until it is heard, and meanwhile the entry still counts; a birth or change
//! that found none is told with the next event of its flow. A flow that was born while nobody listened may be mute for
//! ever. One whose timer ran out is invisible at once; its end is told when it is collected.
//!
//! It never acts by itself: packets come from `traffic`, time from the world, requests from a daemon.

mod events;
mod expect;
mod name;

use std::collections::{BTreeMap, BTreeSet};

use syncd_core::flow::{AttrSet, Change, Flow, Origin, Protocol, Status};
use syncd_core::replica::{Ends, Errno};
use syncd_core::time::{Duration, Instant};

use crate::chance::Chance;
use crate::options::Options;
use events::{Events, Fate};
use expect::Expects;

pub use events::{About, Event, Read};
pub use expect::{CONTROL, name_of};
pub use name::{Name, names};

#[derive(Clone, Copy, Debug)]
struct Entry {
    flow: Flow,
    expires: Instant,
    /// Packets have changed its state or its mark since a daemon wrote it.
    moved: bool,
    /// Without the event extension: nobody ever hears of it.
    mute: bool,
    /// What an event that was lost would have said.
    missed: Missed,
}

/// Events of a flow that found no room (`nf_conntrack_ecache.missed`).
#[derive(Clone, Copy, Debug, Default)]
struct Missed {
    birth: bool,
    said: AttrSet,
}

/// The end of a flow that nobody has been told yet.
#[derive(Clone, Copy, Debug)]
struct End {
    origin: Origin,
    flow: Flow,
    mute: bool,
    /// When it is tried next.
    due: Instant,
}

/// The table.
#[derive(Debug)]
pub struct Kernel {
    entries: BTreeMap<Name, Entry>,
    tuples: BTreeMap<Name, Name>,
    /// Flows that are gone and still count: their timers ran out and nobody has collected them, or their end was not
    /// heard yet.
    ends: Vec<End>,
    limit: usize,
    expects: Expects,
    next_id: u32,
    last_ids: BTreeMap<Name, u32>,
    events: Events,
    options: Options,
    chance: Chance,
    /// Whether flows carry events from their birth, or only those that are born while somebody listens
    /// (`nf_conntrack_events`: 1 or 2).
    all_tell: bool,
    /// Every flow there ever was, and when it was born last.
    births: BTreeMap<Name, Instant>,
    /// When each flow ended last.
    ended: BTreeMap<Name, Instant>,
    /// Flows whose timer ran out without an event when they ended last.
    expired_mute: BTreeSet<Name>,
}

impl Kernel {
    /// An empty table; `name` gives it a stream of chance of its own.
    #[must_use]
    pub fn new(seed: u64, name: &str, options: &Options) -> Self {
        let chance = Chance::new(seed, name);
        Self {
            entries: BTreeMap::new(),
            tuples: BTreeMap::new(),
            ends: Vec::new(),
            limit: options.kernel_limit as usize,
            expects: Expects::default(),
            next_id: 1,
            last_ids: BTreeMap::new(),
            events: Events::new(options.events, options.silent, chance.clone()),
            options: *options,
            chance,
            all_tell: options.mute == 0,
            births: BTreeMap::new(),
            ended: BTreeMap::new(),
            expired_mute: BTreeSet::new(),
        }
    }

    // ----- Looking. -----

    /// Flows in the table, in the order a dump walks.
    pub fn flows(&self) -> impl Iterator<Item = (&Name, &Flow)> {
        self.entries.iter().map(|(name, entry)| (name, &entry.flow))
    }

    /// How many flows live.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many entries there are (`nf_conntrack_count`): also those that are gone and not yet freed.
    #[must_use]
    pub fn count(&self) -> usize {
        self.entries.len() + self.ends.len()
    }

    /// The flow of that original tuple.
    #[must_use]
    pub fn get(&self, name: &Name) -> Option<&Flow> {
        self.entries.get(name).map(|entry| &entry.flow)
    }

    /// Whether the flow lives and nobody ever hears of its changes.
    #[must_use]
    pub fn is_mute(&self, name: &Name) -> bool {
        self.entries.get(name).is_some_and(|entry| entry.mute)
    }

    /// Whether packets have changed the state or the mark of the flow since it was written here.
    #[must_use]
    pub fn has_moved(&self, name: &Name) -> bool {
        self.entries.get(name).is_some_and(|entry| entry.moved)
    }

    /// The flow that has this tuple in either direction: what a GET answers.
    #[must_use]
    pub fn find(&self, tuple: &Name) -> Option<&Flow> {
        self.get(self.tuples.get(tuple)?)
    }

    /// When the flow was born last, if it ever was.
    #[must_use]
    pub fn born(&self, name: &Name) -> Option<Instant> {
        self.births.get(name).copied()
    }

    /// Whether the flow lived at `since` or later.
    #[must_use]
    pub fn lived_since(&self, name: &Name, since: Instant) -> bool {
        self.entries.contains_key(name) || self.ended_since(name, since)
    }

    /// Whether a life of the flow ended at `since` or later.
    #[must_use]
    pub fn ended_since(&self, name: &Name, since: Instant) -> bool {
        self.ended.get(name).is_some_and(|end| *end >= since)
    }

    /// Whether the flow is gone otherwise than by a timer that nobody hears of: whoever lets that run out loses the flow
    /// himself.
    #[must_use]
    pub fn has_let_go(&self, name: &Name) -> bool {
        !self.entries.contains_key(name) && self.ended.contains_key(name) && !self.expired_mute.contains(name)
    }

    /// Whether events wait.
    #[must_use]
    pub fn has_events(&self) -> bool {
        self.events.waits()
    }

    /// Whether whoever listens will hear something without anything happening.
    #[must_use]
    pub fn has_untold(&self) -> bool {
        self.events.waits() || self.owes_ends()
    }

    /// Whether the timer of a flow has run out, and its end will be told later.
    #[must_use]
    pub fn owes_ends(&self) -> bool {
        self.ends.iter().any(|end| !end.mute)
    }

    // ----- A listener. -----

    /// Somebody subscribes, or nobody listens any more; what waited is gone.
    pub fn listen(&mut self, listening: bool) {
        self.events.listen(listening);
    }

    /// Whether births are told.
    pub const fn listen_new(&mut self, hears: bool) {
        self.events.listen_new(hears);
    }

    /// The next thing in the buffer.
    pub fn read(&mut self) -> Option<Read> {
        self.events.read()
    }

    /// Events that found no room, where that can be read.
    #[must_use]
    pub fn drops(&self) -> Option<u64> {
        (self.options.uncounted == 0).then(|| self.events.drops())
    }

    /// What a daemon does at its start about flows that tell nothing.
    pub const fn enable_events(&mut self) -> Ends {
        match (self.all_tell, self.options.mute) {
            (true, _) => Ends::Told,
            (false, 2) => Ends::Untold,
            (false, _) => {
                self.all_tell = true;
                Ends::UntoldBefore
            }
        }
    }

    /// The faults of this kernel are over.
    pub const fn heal(&mut self) {
        self.events.be_honest();
        self.options.refusals = 0;
    }

    // ----- Packets and time. -----

    /// A first packet. Says whether a flow was made of it.
    pub fn birth(&mut self, now: Instant, flow: &Flow, seconds: u32, same_id: bool) -> bool {
        self.insert(now, Origin::Kernel, flow, seconds, same_id).is_ok()
    }

    /// Packets change the state of a flow.
    pub fn change(&mut self, now: Instant, name: &Name, seconds: u32, change: impl FnOnce(&mut Flow)) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        let before = entry.flow;
        change(&mut entry.flow);
        entry.flow.timeout = seconds;
        entry.expires = now + Duration::from_secs(u64::from(seconds));
        let after = entry.flow;
        entry.moved |= (after.tcp_state, after.mark) != (before.tcp_state, before.mark);
        let mut said = AttrSet::REPLY.with(AttrSet::STATUS).with(AttrSet::TIMEOUT).with(AttrSet::ID);
        if after.mark != 0 || after.mark != before.mark {
            said = said.with(AttrSet::MARK);
        }
        if after.tcp_state != before.tcp_state {
            said = said.with(AttrSet::TCP_STATE);
        }
        self.tell(Origin::Kernel, Change::Update, name, said);
    }

    /// Packets keep a flow alive; nobody is told.
    pub fn refresh(&mut self, now: Instant, name: &Name) {
        if let Some(entry) = self.entries.get_mut(name) {
            // Whoever stood by may have lent it time; the kernel goes by the protocol.
            entry.flow.timeout = if is_lent(&entry.flow) { LONGEST } else { entry.flow.timeout };
            entry.expires = now + Duration::from_secs(u64::from(entry.flow.timeout));
        }
    }

    /// A flow ends.
    pub fn end(&mut self, now: Instant, name: &Name) {
        self.remove(now, Origin::Kernel, name, Duration::ZERO);
    }

    /// Timers run out, and what is gone is collected and told.
    pub fn expire(&mut self, now: Instant) {
        let over = |(name, entry): (&Name, &Entry)| (entry.expires <= now).then_some(*name);
        let names: Vec<Name> = self.entries.iter().filter_map(over).collect();
        for name in names {
            let lag = u64::from(self.options.lag);
            let lag = if lag > 0 { self.chance.below(lag) } else { 0 };
            let mute = self.entries.get(&name).is_some_and(|entry| entry.mute);
            self.remove(now, Origin::Kernel, &name, Duration::from_millis(lag));
            self.expired_mute.extend(mute.then_some(name));
        }
        self.collect(|end| end.due <= now);
        self.expire_expectations(now);
    }

    /// A dump that walks these buckets collects what it meets there.
    pub fn walk(&mut self, here: impl Fn(&Name) -> bool) {
        self.collect(|end| here(&Name::of(&end.flow)));
    }

    // ----- Requests. -----

    /// CREATE and EXCL: neither tuple may be taken.
    ///
    /// # Errors
    /// `EEXIST`, or `ENOMEM` when the table is full.
    pub fn create(&mut self, now: Instant, flow: &Flow, timeout: u32) -> Result<(), Errno> {
        self.refuse(&[Errno::EAGAIN, Errno::ENOSPC, Errno::ENOMEM])?;
        let mut made = *flow;
        let kept = flow.status.0 & (Status::SEEN_REPLY | Status::ASSURED);
        made.status = Status(kept | Status::CONFIRMED | translation(flow));
        made.mark = if flow.has(AttrSet::MARK) { flow.mark } else { 0 };
        self.insert(now, Origin::Ourselves, &made, timeout, false)
    }

    /// Changes state, timeout and mark. The tuple may be found in either direction.
    ///
    /// # Errors
    /// `ENOENT`, or `EBUSY` when the entry is further than the status asked for.
    pub fn update(
        &mut self,
        now: Instant,
        wanted: &Flow,
        timeout: u32,
        with_status: bool,
    ) -> Result<(), Errno> {
        let name = *self.tuples.get(&Name::of(wanted)).ok_or(Errno::ENOENT)?;
        self.refuse(&[Errno::EAGAIN, Errno::ENOMEM])?;
        let entry = self.entries.get_mut(&name).expect("each tuple belongs to an entry");
        let sticky = Status::SEEN_REPLY | Status::ASSURED;
        if with_status {
            let lacks = entry.flow.status.0 & sticky & !wanted.status.0 != 0;
            let related = (entry.flow.status.0 ^ wanted.status.0) & Status::EXPECTED != 0;
            if lacks || related {
                return Err(Errno::EBUSY);
            }
            entry.flow.status = Status(entry.flow.status.0 | wanted.status.0 & sticky);
        }
        entry.flow.mark = wanted.mark;
        if wanted.has(AttrSet::TCP_STATE) {
            entry.flow.tcp_state = wanted.tcp_state;
        }
        entry.moved = false;
        entry.flow.timeout = timeout;
        entry.expires = now + Duration::from_secs(u64::from(timeout));
        let said = entry.flow.present;
        self.tell(Origin::Ourselves, Change::Update, &name, said);
        Ok(())
    }

    /// Takes packets of a flow as they come. The model has no windows, so nothing is seen of it but the event.
    ///
    /// # Errors
    /// `ENOENT`, or at times that there is no memory.
    pub fn relax(&mut self, flow: &Flow) -> Result<(), Errno> {
        let name = *self.tuples.get(&Name::of(flow)).ok_or(Errno::ENOENT)?;
        self.refuse(&[Errno::EAGAIN, Errno::ENOMEM])?;
        let said = self.entries.get(&name).expect("each tuple belongs to an entry").flow.present;
        self.tell(Origin::Ourselves, Change::Update, &name, said);
        Ok(())
    }

    /// Gives a flow so much time.
    ///
    /// # Errors
    /// `ENOENT`, or at times that there is no memory.
    pub fn shorten(&mut self, now: Instant, flow: &Flow, timeout: u32) -> Result<(), Errno> {
        let name = *self.tuples.get(&Name::of(flow)).ok_or(Errno::ENOENT)?;
        self.refuse(&[Errno::EAGAIN, Errno::ENOMEM])?;
        let entry = self.entries.get_mut(&name).expect("each tuple belongs to an entry");
        entry.flow.timeout = timeout;
        entry.expires = now + Duration::from_secs(u64::from(timeout));
        let said = AttrSet::REPLY.with(AttrSet::STATUS).with(AttrSet::TIMEOUT).with(AttrSet::ID);
        self.tell(Origin::Ourselves, Change::Update, &name, said);
        Ok(())
    }

    /// Removes this very life of a flow.
    ///
    /// # Errors
    /// `ENOENT` when it is not there, or lives again.
    pub fn delete(&mut self, now: Instant, flow: &Flow) -> Result<(), Errno> {
        let name = *self.tuples.get(&Name::of(flow)).ok_or(Errno::ENOENT)?;
        if flow.has(AttrSet::ID) && self.get(&name).is_some_and(|entry| entry.id != flow.id) {
            return Err(Errno::ENOENT);
        }
        self.remove(now, Origin::Ourselves, &name, Duration::ZERO);
        Ok(())
    }

    /// The kernel has no memory, or extensions changed meanwhile: some requests fail although nothing is wrong.
    ///
    /// # Errors
    /// One of `errors`, at times.
    pub fn refuse(&mut self, errors: &[Errno]) -> Result<(), Errno> {
        if self.options.refusals > 0 && self.chance.permille(self.options.refusals) {
            return Err(self.chance.pick(errors));
        }
        Ok(())
    }

    fn insert(
        &mut self,
        now: Instant,
        origin: Origin,
        flow: &Flow,
        seconds: u32,
        same_id: bool,
    ) -> Result<(), Errno> {
        let (name, reply) = (Name::of(flow), Name::reply(flow));
        if self.tuples.contains_key(&name) || self.tuples.contains_key(&reply) {
            return Err(Errno::EEXIST);
        }
        // A look-up that meets an entry whose timer ran out collects it.
        self.collect(|end| [name, reply].contains(&Name::of(&end.flow)));
        if self.count() >= self.limit && !self.drop_early(now) {
            return Err(Errno::ENOMEM);
        }
        let mut flow = *flow;
        flow.id = self.id(name, same_id);
        flow.timeout = seconds;
        flow.present = everything(&flow);
        let expires = now + Duration::from_secs(u64::from(seconds));
        let mute = !self.all_tell && !self.events.is_heard();
        self.entries.insert(name, Entry { flow, expires, moved: false, mute, missed: Missed::default() });
        self.tuples.insert(name, name);
        self.tuples.insert(reply, name);
        self.births.insert(name, now);
        let unsaid = if origin == Origin::Kernel && flow.mark == 0 { AttrSet::MARK } else { AttrSet::EMPTY };
        self.tell(origin, Change::New, &name, flow.present.without(unsaid));
        Ok(())
    }

    /// The table is full: a flow that saw no answers has to go.
    fn drop_early(&mut self, now: Instant) -> bool {
        if self.options.early_drop == 0 {
            return false;
        }
        let unassured = |entry: &Entry| !entry.flow.status.has(Status::ASSURED);
        let count = self.entries.values().filter(|entry| unassured(entry)).count() as u64;
        let index = usize::try_from(self.chance.below(count)).expect("below a count");
        let found = self.entries.iter().filter(|(_, entry)| unassured(entry)).nth(index);
        let Some(name) = found.map(|(name, _)| *name) else { return false };
        self.remove(now, Origin::Kernel, &name, Duration::ZERO);
        self.count() < self.limit
    }

    /// `CTA_ID` may be that of the last life, unless that one still occupies its memory.
    fn id(&mut self, name: Name, same: bool) -> u32 {
        let occupied = self.ends.iter().any(|end| Name::of(&end.flow) == name);
        let last = self.last_ids.get(&name).copied().filter(|_| same && !occupied);
        let id = last.unwrap_or(self.next_id);
        self.next_id += 1;
        self.last_ids.insert(name, id);
        id
    }

    fn remove(&mut self, now: Instant, origin: Origin, name: &Name, lag: Duration) {
        let Some(entry) = self.entries.remove(name) else { return };
        self.ended.insert(*name, now);
        self.expired_mute.remove(name);
        self.tuples.remove(name);
        self.tuples.remove(&Name::reply(&entry.flow));
        let mut flow = entry.flow;
        flow.status = Status(flow.status.0 | Status::DYING);
        let end = End { origin, flow, mute: entry.mute, due: now + lag };
        if lag > Duration::ZERO || !self.tell_end(&end) {
            self.ends.push(end);
        }
        self.orphan(now, &entry.flow, entry.mute);
    }

    /// Tells the ends of which this is true; those that find no room stay.
    fn collect(&mut self, ready: impl Fn(&End) -> bool) {
        if self.ends.is_empty() {
            return;
        }
        for end in std::mem::take(&mut self.ends) {
            if !ready(&end) || !self.tell_end(&end) {
                self.ends.push(end);
            }
        }
    }

    /// Says whether the entry can be freed.
    fn tell_end(&mut self, end: &End) -> bool {
        let said = AttrSet::REPLY.with(AttrSet::STATUS).with(AttrSet::ID);
        let event =
            Event { origin: end.origin, change: Change::Destroy, about: About::Flow(say(&end.flow, said)) };
        end.mute || self.events.deliver(event) == Fate::Delivered || self.options.reliable == 0
    }

    /// Tells of a birth or a change, together with what was missed before.
    fn tell(&mut self, origin: Origin, change: Change, name: &Name, said: AttrSet) {
        let Some(entry) = self.entries.get_mut(name).filter(|entry| !entry.mute) else { return };
        let Missed { birth, said: missed } = entry.missed;
        let change = if birth { Change::New } else { change };
        let said = said.with(missed);
        let about = About::Flow(say(&entry.flow, said));
        let delivered = self.events.deliver(Event { origin, change, about });
        entry.missed = match delivered {
            Fate::Lost if self.options.reliable == 1 => Missed { birth: change == Change::New, said },
            Fate::Lost | Fate::Delivered => Missed::default(),
        };
    }
}

/// The longest time that traffic gives a flow, in seconds.
const LONGEST: u32 = 3600;

/// Whether a flow has more time than any kernel gives one by itself.
#[must_use]
pub const fn is_lent(flow: &Flow) -> bool {
    flow.timeout > 432_000
}

/// What ctnetlink says of a flow; what is not said is not there either.
fn say(flow: &Flow, said: AttrSet) -> Flow {
    let zone = if flow.zone != 0 { AttrSet::ZONE } else { AttrSet::EMPTY };
    let said = Flow { present: said.with(zone), ..*flow };
    let mut told = Flow { zone: flow.zone, ..Flow::new(flow.family, flow.protocol, flow.original) };
    told.merge(&said);
    told
}

/// What a dump says of a flow.
fn everything(flow: &Flow) -> AttrSet {
    let mut all =
        AttrSet::REPLY.with(AttrSet::STATUS).with(AttrSet::TIMEOUT).with(AttrSet::MARK).with(AttrSet::ID);
    if flow.protocol == Protocol::TCP {
        all = all.with(AttrSet::TCP_STATE);
    }
    if flow.zone != 0 {
        all = all.with(AttrSet::ZONE);
    }
    all
}

/// The status bits the kernel sets for a translation (fact: only when `CTA_NAT_*` was given).
fn translation(flow: &Flow) -> u32 {
    let source = if flow.source_nat().is_some() { Status::SRC_NAT } else { 0 };
    let target = if flow.target_nat().is_some() { Status::DST_NAT } else { 0 };
    let done = if source | target == 0 { 0 } else { Status::SRC_NAT_DONE | Status::DST_NAT_DONE };
    source | target | done
}
