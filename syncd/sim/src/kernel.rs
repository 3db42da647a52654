//! A model of a kernel's flow table, with ctnetlink's manners.
//!
//! Each flow stands in the table twice, under its original and its reply tuple, and no two may share one. Events
//! go to a finite buffer; one that does not fit is lost, and so is everything after it until the buffer was read
//! empty (`netlink_overrun`, `NETLINK_S_CONGESTED`). UPDATE names what changed, a dump everything.
//!
//! It never acts by itself: packets come from `traffic`, time from the world, requests from a daemon.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use syncd_core::flow::{AttrSet, Change, Family, Flow, Origin, Protocol, Status, Tuple};
use syncd_core::replica::Errno;
use syncd_core::time::{Duration, Instant};

/// One tuple in the table: its hash bucket first, so that the order is the one a dump walks in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    bucket: u16,
    family: Family,
    protocol: Protocol,
    zone: u16,
    tuple: Tuple,
}

impl Name {
    /// The original tuple of a flow: what identifies it.
    #[must_use]
    pub fn of(flow: &Flow) -> Self {
        Self::new(flow, flow.original)
    }

    /// The reply tuple of a flow.
    #[must_use]
    pub fn reply(flow: &Flow) -> Self {
        Self::new(flow, flow.reply)
    }

    /// Its bucket.
    #[must_use]
    pub const fn bucket(&self) -> u16 {
        self.bucket
    }

    fn new(flow: &Flow, tuple: Tuple) -> Self {
        let mut hash = u32::from(flow.protocol.0) ^ u32::from(flow.zone) << 8;
        for byte in tuple.source.v6().into_iter().chain(tuple.target.v6()) {
            hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
        let ports = u32::from(tuple.source_port) << 16 | u32::from(tuple.target_port);
        let hash = (hash ^ ports).wrapping_mul(0x9e37_79b9);
        let bucket = u16::try_from(hash >> 16).expect("16 bits are left");
        Self { bucket, family: flow.family, protocol: flow.protocol, zone: flow.zone, tuple }
    }
}

/// One event for whoever listens.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Who caused it.
    pub origin: Origin,
    /// What happened.
    pub change: Change,
    /// What ctnetlink says of the flow.
    pub flow: Flow,
}

/// What a reader finds in the buffer.
#[derive(Clone, Copy, Debug)]
pub enum Read {
    /// An event.
    Event(Event),
    /// Events were lost (`ENOBUFS`); those still in the buffer are from before.
    Overrun,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    flow: Flow,
    expires: Instant,
}

/// The table.
#[derive(Debug)]
pub struct Kernel {
    entries: BTreeMap<Name, Entry>,
    tuples: BTreeMap<Name, Name>,
    limit: usize,
    next_id: u32,
    last_ids: BTreeMap<Name, u32>,
    events: VecDeque<Event>,
    capacity: usize,
    listening: bool,
    hears_new: bool,
    congested: bool,
    overrun: bool,
    /// Every flow there ever was, and when it was born last.
    births: BTreeMap<Name, Instant>,
    /// When each flow ended last.
    ends: BTreeMap<Name, Instant>,
}

impl Kernel {
    /// An empty table for `limit` flows whose event buffer holds `capacity`.
    #[must_use]
    pub fn new(limit: u32, capacity: u32) -> Self {
        Self {
            entries: BTreeMap::new(),
            tuples: BTreeMap::new(),
            limit: limit as usize,
            next_id: 1,
            last_ids: BTreeMap::new(),
            events: VecDeque::new(),
            capacity: capacity as usize,
            listening: false,
            hears_new: true,
            congested: false,
            overrun: false,
            births: BTreeMap::new(),
            ends: BTreeMap::new(),
        }
    }

    // ----- Looking. -----

    /// Flows in the table, in the order a dump walks.
    pub fn flows(&self) -> impl Iterator<Item = (&Name, &Flow)> {
        self.entries.iter().map(|(name, entry)| (name, &entry.flow))
    }

    /// How many flows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The flow of that original tuple.
    #[must_use]
    pub fn get(&self, name: &Name) -> Option<&Flow> {
        self.entries.get(name).map(|entry| &entry.flow)
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
        self.entries.contains_key(name) || self.ends.get(name).is_some_and(|end| *end >= since)
    }

    /// Whether events wait.
    #[must_use]
    pub fn has_events(&self) -> bool {
        self.overrun || !self.events.is_empty()
    }

    // ----- A listener. -----

    /// Somebody subscribes, or nobody listens any more; what waited is gone.
    pub fn listen(&mut self, listening: bool) {
        self.events.clear();
        (self.listening, self.hears_new) = (listening, true);
        (self.congested, self.overrun) = (false, false);
    }

    /// Whether births are told.
    pub const fn listen_new(&mut self, hears: bool) {
        self.hears_new = hears;
    }

    /// The next thing in the buffer. As a socket does, it reports a loss before what waits from before the loss.
    pub fn read(&mut self) -> Option<Read> {
        if std::mem::take(&mut self.overrun) {
            return Some(Read::Overrun);
        }
        let event = self.events.pop_front();
        if self.events.is_empty() {
            self.congested = false;
        }
        event.map(Read::Event)
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
        let mut said = AttrSet::REPLY.with(AttrSet::STATUS).with(AttrSet::TIMEOUT).with(AttrSet::ID);
        if after.mark != 0 || after.mark != before.mark {
            said = said.with(AttrSet::MARK);
        }
        if after.tcp_state != before.tcp_state {
            said = said.with(AttrSet::TCP_STATE);
        }
        self.emit(Origin::Kernel, Change::Update, &after, said);
    }

    /// Packets keep a flow alive; nobody is told.
    pub fn refresh(&mut self, now: Instant, name: &Name) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.expires = now + Duration::from_secs(u64::from(entry.flow.timeout));
        }
    }

    /// A flow ends.
    pub fn end(&mut self, now: Instant, name: &Name) {
        self.remove(now, Origin::Kernel, name);
    }

    /// Timers run out.
    pub fn expire(&mut self, now: Instant) {
        let over = |(name, entry): (&Name, &Entry)| (entry.expires <= now).then_some(*name);
        let names: Vec<Name> = self.entries.iter().filter_map(over).collect();
        for name in names {
            self.remove(now, Origin::Kernel, &name);
        }
    }

    // ----- Requests. -----

    /// CREATE and EXCL: neither tuple may be taken.
    ///
    /// # Errors
    /// `EEXIST`, or `ENOMEM` when the table is full.
    pub fn create(&mut self, now: Instant, flow: &Flow, timeout: u32) -> Result<(), Errno> {
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
        if wanted.has(AttrSet::MARK) {
            entry.flow.mark = wanted.mark;
        }
        if wanted.has(AttrSet::TCP_STATE) {
            entry.flow.tcp_state = wanted.tcp_state;
        }
        entry.flow.timeout = timeout;
        entry.expires = now + Duration::from_secs(u64::from(timeout));
        let flow = entry.flow;
        self.emit(Origin::Ourselves, Change::Update, &flow, flow.present);
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
        self.remove(now, Origin::Ourselves, &name);
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
        if self.entries.len() >= self.limit {
            return Err(Errno::ENOMEM);
        }
        let mut flow = *flow;
        flow.id = self.id(name, same_id);
        flow.timeout = seconds;
        flow.present = everything(&flow);
        let expires = now + Duration::from_secs(u64::from(seconds));
        self.entries.insert(name, Entry { flow, expires });
        self.tuples.insert(name, name);
        self.tuples.insert(reply, name);
        self.births.insert(name, now);
        let unsaid = if origin == Origin::Kernel && flow.mark == 0 { AttrSet::MARK } else { AttrSet::EMPTY };
        self.emit(origin, Change::New, &flow, flow.present.without(unsaid));
        Ok(())
    }

    fn id(&mut self, name: Name, same: bool) -> u32 {
        let last = self.last_ids.get(&name).copied().filter(|_| same);
        let id = last.unwrap_or(self.next_id);
        self.next_id += 1;
        self.last_ids.insert(name, id);
        id
    }

    fn remove(&mut self, now: Instant, origin: Origin, name: &Name) {
        let Some(entry) = self.entries.remove(name) else { return };
        self.ends.insert(*name, now);
        self.tuples.remove(name);
        self.tuples.remove(&Name::reply(&entry.flow));
        let mut flow = entry.flow;
        flow.status = Status(flow.status.0 | Status::DYING);
        let said = AttrSet::REPLY.with(AttrSet::STATUS).with(AttrSet::ID);
        self.emit(origin, Change::Destroy, &flow, said);
    }

    fn emit(&mut self, origin: Origin, change: Change, flow: &Flow, said: AttrSet) {
        if !self.listening || (change == Change::New && !self.hears_new) {
            return;
        }
        if self.congested || self.events.len() >= self.capacity {
            self.overrun |= !self.congested;
            self.congested = true;
            return;
        }
        let zone = if flow.zone != 0 { AttrSet::ZONE } else { AttrSet::EMPTY };
        let said = Flow { present: said.with(zone), ..*flow };
        // What is not said is not there either.
        let mut flow = Flow { zone: flow.zone, ..Flow::new(flow.family, flow.protocol, flow.original) };
        flow.merge(&said);
        self.events.push_back(Event { origin, change, flow });
    }
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

/// All names a set of flows has.
#[must_use]
pub fn names<'a>(flows: impl Iterator<Item = &'a Flow>) -> BTreeSet<Name> {
    flows.map(Name::of).collect()
}
