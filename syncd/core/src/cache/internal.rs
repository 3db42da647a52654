//! The internal cache: flows of my kernel, and the ends of flows the peer has not acknowledged yet.
//!
//! It says which change the peer must hear of; it never decides whether it is told (that is the role's business).
//!
//! While a dump is being read, ended flows stay as tombstones: the dump may still bring their picture from before
//! their end. A dumped flow that an event has touched since the dump began only fills in what is not known.

mod alike;
mod births;
mod copies;
mod doubt;
mod leftover;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::table::{Entry, Slot, Table};
use crate::flow::{AttrSet, Change, ExtraSet, Flow, FlowRef, Key, Parent};

pub use births::Births;
use births::is_birth;

/// Changed at least once since it was born: the peer hears UPD, not NEW (conntrackd's rule).
const UPDATED: u16 = 1;
/// Ended: kept until the peer has acknowledged it, or until the dump is over.
const DEAD: u16 = 1 << 1;
/// The peer may know it: it was sent at least once.
const TOLD: u16 = 1 << 2;
/// The peer has not acknowledged this life. It hears NEW until then, also when the flow has changed meanwhile: NEW
/// replaces what it may hold of an earlier life (also one from before our start), UPD would leave the mark of that one
/// in place. conntrackd says UPD here, and leaves it.
const FRESH: u16 = 1 << 3;
/// An event told the birth of this life. A second one under the same id is the birth of the next life, between which
/// and this one an end was lost.
const BORN: u16 = 1 << 4;
/// Only a dump has told of it, and its end may make no event (see [`InternalCache::doubt_ends`]).
const UNHEARD: u16 = 1 << 5;

/// So many zones are looked through for a parent whose zone was not said.
const ZONES: usize = 64;

/// Two sources contradict each other about which life of it this is: it waits to be looked up.
const DOUBTED: u16 = 1 << 6;

/// This router was primary when it got the flow: packets of it came here, or it was taken over.
const GAINED: u16 = 1 << 7;

/// The peer has seen its end while we stood by: it waits to be removed from our kernel.
const CONDEMNED: u16 = 1 << 8;

/// The peer has told its end while we stood by, which proves nothing.
const SUSPECT: u16 = 1 << 9;

/// What a change did to the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// A flow was added; the peer should hear of it.
    Added(Slot),
    /// A flow changed; the peer should hear of it.
    Changed(Slot),
    /// A flow the peer may know ended; the slot stays until [`InternalCache::bury`].
    Ended(Slot),
    /// A flow the peer never heard of ended; the slot is about to be free: forget it everywhere.
    Vanished(Slot),
    /// A flow was born whose earlier life, under the same id, had not ended for us: an end was lost. As `Added`.
    Again(Slot),
    /// Nothing the peer would care about.
    Nothing,
    /// The end of an earlier life of a flow that lives again.
    Late,
    /// The end of a flow that nobody has told of, nor will: no dump is being read.
    Unknown,
    /// No room.
    Full,
}

/// The internal cache.
#[derive(Debug)]
pub struct InternalCache {
    table: Table,
    dead: u32,
    unheard: u32,
    fresh: u32,
    doubts_ends: bool,
    generation: u32,
    dumping: bool,
    graves: Vec<Slot>,
    /// Zones of flows that were added, but for 0; the first few.
    zones: Vec<u16>,
    /// Slots that were doubted, once each; some of them may have settled since.
    doubted: VecDeque<Slot>,
    /// The same of those whose end the peer has seen.
    condemned: VecDeque<Slot>,
    /// Slots that were suspected, once for each life in them; no more than the cache may hold flows.
    suspects: Vec<Slot>,
    copies: copies::Queues,
    alike: alike::Alike,
}

impl InternalCache {
    /// An empty cache for at most `limit` flows.
    #[must_use]
    pub fn new(limit: u32, seed: u64) -> Self {
        Self {
            table: Table::new(limit, seed),
            dead: 0,
            unheard: 0,
            fresh: 0,
            doubts_ends: false,
            generation: 0,
            dumping: false,
            graves: Vec::new(),
            zones: Vec::new(),
            doubted: VecDeque::new(),
            condemned: VecDeque::new(),
            suspects: Vec::new(),
            copies: copies::Queues::default(),
            alike: alike::Alike::default(),
        }
    }

    /// Living flows.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.table.len() - self.dead
    }

    /// Whether no flow lives here.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ended flows that still hold a slot.
    #[must_use]
    pub const fn dead(&self) -> u32 {
        self.dead
    }

    /// Living flows whose end may make no event.
    #[must_use]
    pub const fn unheard(&self) -> u32 {
        self.unheard
    }

    /// Living flows of which the peer has acknowledged nothing yet.
    #[must_use]
    pub const fn fresh(&self) -> u32 {
        self.fresh
    }

    /// What contradicts itself in here. Walks all flows; for whoever tests.
    #[must_use]
    pub fn inconsistency(&self) -> Option<&'static str> {
        let fresh = self.iter_from(0).filter(|(_, entry)| entry.is(FRESH)).count();
        let said_in_part = |(_, entry): &(Slot, &Entry)| entry.flow.key().said_in_part().is_some();
        let alike = self.iter_from(0).filter(said_in_part).count();
        let wrong =
            (fresh != self.fresh as usize).then_some("not as many flows are unacknowledged as are counted");
        wrong.or_else(|| (alike != self.alike.len()).then_some("not as many flows are alike as live"))
    }

    /// Whether flows that a dump brings from now on may end without an event: they were born while nobody listened,
    /// and `nf_conntrack_events` was not 1. The first event of such a flow proves that it is not mute.
    pub const fn doubt_ends(&mut self, doubt: bool) {
        self.doubts_ends = doubt;
    }

    /// The most slots it may hold.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        self.table.limit()
    }

    /// May hold so many from now on; what is there stays.
    pub const fn set_limit(&mut self, limit: u32) {
        self.table.set_limit(limit);
    }

    /// One past the highest slot ever used.
    #[must_use]
    pub const fn end(&self) -> u32 {
        self.table.end()
    }

    /// The entry in `slot`.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&Entry> {
        self.table.get(slot)
    }

    /// The flow in `slot`.
    #[must_use]
    pub fn flow(&self, slot: Slot) -> Option<FlowRef<'_>> {
        self.table.flow(slot)
    }

    /// The zone in which the flow `parent` lives here, if it does. Whoever names a parent does not say its zone, so each
    /// zone that was ever seen is tried, 0 first.
    #[must_use]
    pub fn zone_of(&self, parent: &Parent) -> Option<u16> {
        let zones = core::iter::once(0).chain(self.zones.iter().copied());
        let lives = |key| self.table.find(&key).is_some_and(|slot| self.is_alive(slot));
        zones.into_iter().find(|zone| lives(parent.key(*zone)))
    }

    /// What the peer must be told about the flow in `slot`, when such lives are told as births. Where it has ended and
    /// another lives that is the same to the peer, that is what there is to tell.
    #[must_use]
    pub fn news(&self, slot: Slot, births: Births) -> Option<(Change, FlowRef<'_>)> {
        let entry = self.table.get(slot)?;
        let change = if entry.is(DEAD) {
            if let Some(survivor) = self.survivor(&entry.flow.key(), births) {
                return Some(survivor);
            }
            Change::Destroy
        } else if is_birth(entry, births) {
            Change::New
        } else {
            Change::Update
        };
        Some((change, self.table.flow(slot)?))
    }

    /// Whether the flow in `slot` lives.
    #[must_use]
    pub fn is_alive(&self, slot: Slot) -> bool {
        self.table.get(slot).is_some_and(|entry| !entry.is(DEAD))
    }

    /// Whether a flow of this key lives here.
    #[must_use]
    pub fn has(&self, key: &Key) -> bool {
        self.table.find(key).is_some_and(|slot| self.is_alive(slot))
    }

    /// The living flow of this key.
    #[must_use]
    pub fn find(&self, key: &Key) -> Option<&Entry> {
        self.table.find(key).and_then(|slot| self.table.get(slot)).filter(|entry| !entry.is(DEAD))
    }

    /// A flow of the peer is in our kernel, because we are primary. The peer may know it: it has told us of it.
    pub fn took_over(&mut self, key: &Key) {
        self.mark_living(key, GAINED | TOLD);
    }

    /// Living flows from slot `from` on.
    pub fn iter_from(&self, from: u32) -> impl Iterator<Item = (Slot, &Entry)> {
        self.table.iter_from(from).filter(|(_, entry)| !entry.is(DEAD))
    }

    /// Ended flows from slot `from` on.
    pub fn dead_from(&self, from: u32) -> impl Iterator<Item = Slot> {
        self.table.iter_from(from).filter(|(_, entry)| entry.is(DEAD)).map(|(slot, _)| slot)
    }

    /// Whether ended flows stay because a dump may still bring, or might have brought, their pictures.
    #[must_use]
    pub const fn keeps_graves(&self) -> bool {
        self.dumping || !self.graves.is_empty()
    }

    /// Takes over an event of the kernel.
    pub fn apply<'a>(&mut self, change: Change, flow: impl Into<FlowRef<'a>>, second: u32) -> Applied {
        let flow = flow.into();
        match (self.table.find(&flow.key()), change) {
            (None, Change::Destroy) => self.remember_end(flow, second),
            (None, change) => self.add(flow, second, if change == Change::New { BORN } else { 0 }),
            (Some(slot), Change::New) => self.born(slot, flow, second),
            (Some(slot), Change::Update) => self.update(slot, flow, second),
            (Some(slot), Change::Destroy) => self.end_of(slot, flow.flow),
        }
    }

    /// Takes over a flow from a dump or a single look-up.
    pub fn apply_dumped<'a>(&mut self, flow: impl Into<FlowRef<'a>>, second: u32) -> Applied {
        let flow = flow.into();
        let doubted = if self.doubts_ends { UNHEARD } else { 0 };
        let Some(slot) = self.table.find(&flow.key()) else { return self.add(flow, second, doubted) };
        let generation = self.generation;
        let entry = *self.entry(slot);
        let heard = entry.stamp == generation;
        match (entry.is(DEAD), heard, is_other_life(&entry.flow, flow.flow)) {
            // It ended after the picture was taken.
            (true, true, false) => return Applied::Nothing,
            // Or it lives again, and what we heard was the end of an earlier life, told late.
            (true, true, true) => {
                self.doubt(slot);
                return self.pictured(slot, flow, second, doubted);
            }
            // Either the picture is older than an event we heard, or events of this life were lost.
            (false, true, true) => {
                self.doubt(slot);
                return Applied::Nothing;
            }
            // It lives again, and its birth went unheard.
            (true, false, _) | (false, false, true) => return self.pictured(slot, flow, second, doubted),
            (false, _, false) => {}
        }
        let extras = self.table.flow(slot).and_then(|known| known.extras.copied());
        if heard {
            // What an event said is newer than the picture; the rest of what we know is older.
            let unsaid = Flow { present: flow.present.without(entry.said), ..*flow.flow };
            let said = self.table.said_of_extras(slot);
            let unsaid_extras =
                flow.extras.map(|extras| extras.without(said)).filter(|rest| !rest.is_empty());
            self.table.merge(slot, FlowRef { flow: &unsaid, extras: unsaid_extras.as_ref() });
        } else {
            self.table.merge(slot, flow);
            self.table.stamp(slot, generation, UNSAID);
            self.entry(slot).changed = second;
        }
        let now = self.table.flow(slot).expect("it is there");
        if now.same_state(&entry.flow) && now.extras == extras.as_ref() {
            return Applied::Nothing;
        }
        self.entry(slot).marks |= UPDATED;
        Applied::Changed(slot)
    }

    /// Takes over a flow that we have just written to the kernel ourselves: what events or a dump have said of its state and its
    /// mark is older. Of a status the kernel may know more.
    pub fn adopt<'a>(&mut self, flow: impl Into<FlowRef<'a>>, second: u32) -> Applied {
        const OURS: AttrSet = AttrSet::TCP_STATE.with(AttrSet::MARK);
        let flow = flow.into();
        match self.table.find(&flow.key()) {
            None => self.apply_dumped(flow, second),
            Some(slot) if self.entry(slot).is(DEAD) => self.reborn(slot, flow, second, 0),
            Some(slot) => {
                self.entry(slot).said = self.entry(slot).said.without(OURS);
                let applied = self.apply_dumped(flow, second);
                let entry = self.entry(slot);
                entry.said = entry.said.with(OURS.without(OURS.without(flow.present)));
                applied
            }
        }
    }

    /// A dump is asked for, or begins: from now on flows are stamped, so that what the dump does not name can be
    /// told, and what is newer than its picture. The last call before the picture counts.
    pub const fn begin_dump(&mut self) {
        self.generation += 1;
        self.dumping = true;
    }

    /// The dump is over (or failed): tombstones are of no use any more.
    pub const fn end_dump(&mut self) {
        self.dumping = false;
    }

    /// Frees at most `most` tombstones that the peer need not hear of, unless a dump is being read; a million at once would
    /// take a fifth of a second. Says whether all are freed.
    pub fn clear_graves(&mut self, most: u32) -> bool {
        if self.dumping {
            return true;
        }
        for _ in 0..most {
            let Some(slot) = self.graves.pop() else { break };
            if self.table.get(slot).is_some_and(|entry| entry.is(DEAD) && !entry.is(TOLD)) {
                self.bury(slot);
            }
        }
        self.graves.is_empty()
    }

    /// The next slot in `from..to` whose living flow nothing has named since the last dump began.
    #[must_use]
    pub fn next_unnamed(&self, from: u32, to: u32) -> Option<Slot> {
        (from..to).map(Slot).find(|slot| self.is_unnamed(*slot))
    }

    /// Whether nothing has named this flow since the last dump began.
    #[must_use]
    pub fn is_unnamed(&self, slot: Slot) -> bool {
        self.table.get(slot).is_some_and(|entry| !entry.is(DEAD) && entry.stamp != self.generation)
    }

    /// Whether no event has spoken of this living flow since the last dump began, or since it was doubted: what a look-up
    /// says is newer than any picture that was handed over before.
    #[must_use]
    pub fn is_unsaid(&self, slot: Slot) -> bool {
        let unsaid =
            |entry: &Entry| (entry.said, self.table.said_of_extras(slot)) == UNSAID && !entry.is(DEAD);
        self.is_unnamed(slot) || self.table.get(slot).is_some_and(unsaid)
    }

    /// Names a flow: a look-up found it alive.
    pub fn name(&mut self, slot: Slot) {
        self.table.stamp(slot, self.generation, UNSAID);
    }

    /// The flow in `slot` is gone from the kernel although its end was not heard. A picture that comes after this was taken
    /// later, unlike one that comes after an event.
    pub fn sweep(&mut self, slot: Slot) -> Applied {
        let (applied, stale) = (self.lay_to_rest(slot), self.generation.wrapping_sub(1));
        self.entry(slot).stamp = stale;
        applied
    }

    /// The peer may know the flow in `slot` from now on.
    pub fn told(&mut self, slot: Slot) {
        self.entry(slot).marks |= TOLD;
    }

    /// The peer has acknowledged what was sent last about the living flow in `slot`, when such lives were told as births.
    pub fn acknowledged(&mut self, slot: Slot, births: Births) {
        let entry = self.entry(slot);
        if is_birth(entry, births) {
            let was_fresh = entry.is(FRESH);
            entry.marks &= !FRESH;
            self.fresh -= u32::from(was_fresh);
        }
    }

    /// The flow in `slot` came here because this router is primary.
    pub fn gained(&mut self, slot: Slot) {
        self.entry(slot).marks |= GAINED;
    }

    /// Frees the slot of an ended flow.
    pub fn bury(&mut self, slot: Slot) {
        assert!(self.entry(slot).is(DEAD), "a living flow was buried");
        if self.dumping {
            let entry = self.entry(slot);
            entry.marks &= !TOLD;
            self.graves.push(slot);
            return;
        }
        self.dead -= 1;
        self.table.remove(slot);
    }

    fn entry(&mut self, slot: Slot) -> &mut Entry {
        self.table.get_mut(slot).expect("slots come from this table")
    }

    fn add(&mut self, flow: FlowRef<'_>, second: u32, mark: u16) -> Applied {
        if flow.zone != 0 && self.zones.len() < ZONES && !self.zones.contains(&flow.zone) {
            self.zones.push(flow.zone);
        }
        let Some(slot) = self.table.insert(flow, self.generation, second, FRESH | mark) else {
            return Applied::Full;
        };
        self.unheard += u32::from(mark == UNHEARD);
        self.fresh += 1;
        self.alike.lives(&flow.key(), slot);
        if mark == BORN {
            self.said_all(slot);
        }
        Applied::Added(slot)
    }

    /// A birth says all there is. A dump's picture adds nothing to it: it may be of the life before, under the same id.
    fn said_all(&mut self, slot: Slot) {
        self.entry(slot).said = AttrSet::ALL;
    }

    /// An end of something unknown matters only while a dump may still bring its picture.
    fn remember_end(&mut self, flow: FlowRef<'_>, second: u32) -> Applied {
        if !self.dumping {
            return Applied::Unknown;
        }
        if let Some(slot) = self.table.insert(flow, self.generation, second, DEAD) {
            self.dead += 1;
            self.graves.push(slot);
        }
        Applied::Nothing
    }

    fn born(&mut self, slot: Slot, flow: FlowRef<'_>, second: u32) -> Applied {
        let entry = self.entry(slot);
        let other = is_other_life(&entry.flow, flow.flow);
        // The end of the life before was lost, or made no event: nor did the ends of its expectations.
        let again = !entry.is(DEAD) && (entry.is(UNHEARD) || entry.is(BORN) && !other);
        let applied = self.reborn(slot, flow, second, BORN);
        self.said_all(slot);
        if again { Applied::Again(slot) } else { applied }
    }

    fn reborn(&mut self, slot: Slot, flow: FlowRef<'_>, second: u32, mark: u16) -> Applied {
        let entry = self.entry(slot);
        let counted = !entry.is(DEAD) && entry.is(FRESH);
        self.fresh += u32::from(!counted);
        self.revive(slot);
        self.heard(slot);
        self.unheard += u32::from(mark == UNHEARD);
        self.table.replace(slot, flow);
        self.table.stamp(slot, self.generation, said_by(flow));
        let entry = self.entry(slot);
        (entry.created, entry.changed) = (second, second);
        entry.marks =
            entry.marks & !(UPDATED | BORN | GAINED | CONDEMNED | SUSPECT | copies::ALL) | FRESH | mark;
        Applied::Added(slot)
    }

    /// Another life than the one we knew, of which no event has told.
    fn pictured(&mut self, slot: Slot, flow: FlowRef<'_>, second: u32, mark: u16) -> Applied {
        let applied = self.reborn(slot, flow, second, mark);
        self.table.stamp(slot, self.generation, UNSAID);
        applied
    }

    fn update(&mut self, slot: Slot, flow: FlowRef<'_>, second: u32) -> Applied {
        let entry = self.entry(slot);
        if entry.is(DEAD) || is_other_life(&entry.flow, flow.flow) {
            return self.reborn(slot, flow, second, 0);
        }
        let (heard, before) = (entry.stamp, entry.said);
        self.heard(slot);
        self.table.merge(slot, flow);
        let (now, extras) = said_by(flow);
        let said = if heard == self.generation {
            (before.with(now), self.table.said_of_extras(slot).with(extras))
        } else {
            (now, extras)
        };
        self.table.stamp(slot, self.generation, said);
        let entry = self.entry(slot);
        entry.changed = second;
        entry.marks |= UPDATED;
        Applied::Changed(slot)
    }

    fn end_of(&mut self, slot: Slot, flow: &Flow) -> Applied {
        let generation = self.generation;
        let entry = self.entry(slot);
        if entry.is(DEAD) {
            // A later life, whose birth was lost, has ended: a dump's picture of it is older.
            entry.stamp = generation;
            call_it(&mut entry.flow, flow);
            return Applied::Nothing;
        }
        if is_other_life(&entry.flow, flow) {
            // An end that found no room in our buffer is told later than the next birth; or it is the end of a later
            // life, whose birth was lost.
            self.doubt(slot);
            return Applied::Late;
        }
        call_it(&mut entry.flow, flow);
        self.lay_to_rest(slot)
    }

    /// An event was heard of it, or it ended: it is not mute.
    fn heard(&mut self, slot: Slot) {
        let entry = self.entry(slot);
        if entry.is(UNHEARD) {
            entry.marks &= !UNHEARD;
            self.unheard -= 1;
        }
    }

    fn lay_to_rest(&mut self, slot: Slot) -> Applied {
        self.heard(slot);
        let generation = self.generation;
        let entry = self.entry(slot);
        entry.marks |= DEAD;
        entry.stamp = generation;
        let (told, fresh, key) = (entry.is(TOLD), entry.is(FRESH), entry.flow.key());
        self.dead += 1;
        self.fresh -= u32::from(fresh);
        self.alike.ended(&key, slot);
        if told { Applied::Ended(slot) } else { Applied::Vanished(slot) }
    }

    fn revive(&mut self, slot: Slot) {
        let entry = self.entry(slot);
        if entry.is(DEAD) {
            entry.marks &= !DEAD;
            let key = entry.flow.key();
            self.dead -= 1;
            self.alike.lives(&key, slot);
        }
    }
}

/// It is this life that has ended or was found, also where the id was not known, as of a flow that we have just written
/// ourselves: a picture of another one is not older than its end.
const fn call_it(known: &mut Flow, said: &Flow) {
    if said.has(AttrSet::ID) {
        known.id = said.id;
        known.present = known.present.with(AttrSet::ID);
    }
}

/// Events have said nothing.
const UNSAID: (AttrSet, ExtraSet) = (AttrSet::EMPTY, ExtraSet::EMPTY);

/// What an event says.
fn said_by(flow: FlowRef<'_>) -> (AttrSet, ExtraSet) {
    (flow.present, flow.extras.map_or(ExtraSet::EMPTY, |extras| extras.present))
}

/// `CTA_ID` is constant for one life of an entry and normally differs for the next.
fn is_other_life(known: &Flow, said: &Flow) -> bool {
    known.has(AttrSet::ID) && said.has(AttrSet::ID) && known.id != said.id
}
