//! What helpers wait for, with ctnetlink's manners.
//!
//! Which flows have a helper is a rule of the firewall, the same on all routers ([`CONTROL`]); that one is written with the
//! flow is not modelled. An expectation ends when it is met, when its time or its parent is over, and when its parent
//! announces more than its helper allows. Two that wait for the same packet cannot stand beside each other. Its events
//! go the way of those of flows, but one that found no room is never told again; a mute parent's are not told at all.

use std::collections::BTreeMap;

use syncd_core::flow::{
    Address, Change, ExpectFlags, ExpectKey, Expectation, Family, Flow, HelperName, Origin, Parent, Protocol,
    Tuple,
};
use syncd_core::replica::Errno;
use syncd_core::time::{Duration, Instant};

use super::{About, Event, Kernel, Name};

/// Flows to this port have a helper.
pub const CONTROL: u16 = 21;

/// So many expectations one flow may have (the helper's `max_expected`); the oldest gives way.
const MOST: usize = 2;

/// Seconds an expectation lives whose time nobody has said (the helper's policy).
const POLICY: u32 = 300;

#[derive(Clone, Copy, Debug)]
struct Standing {
    expectation: Expectation,
    born: Instant,
    expires: Instant,
}

/// The table of expectations.
#[derive(Debug, Default)]
pub(super) struct Expects {
    standing: BTreeMap<ExpectKey, Standing>,
    last_id: u32,
    /// All there ever were: when each was announced last, and when it ended before.
    lives: BTreeMap<ExpectKey, (Instant, Option<Instant>)>,
}

impl Expects {
    /// The one that waits for this, whoever has announced it: what a request finds.
    fn find(&self, wanted: &Expectation) -> Option<&Standing> {
        self.standing.values().find(|standing| is_met_by(&standing.expectation, wanted))
    }

    fn insert(&mut self, now: Instant, expectation: &Expectation, seconds: u32) -> Expectation {
        self.last_id += 1;
        let expectation = Expectation { id: self.last_id, timeout: Some(seconds), ..*expectation };
        let expires = now + Duration::from_secs(u64::from(seconds));
        self.standing.insert(expectation.key(), Standing { expectation, born: now, expires });
        self.lives.entry(expectation.key()).or_insert((now, None)).0 = now;
        expectation
    }

    fn remove(&mut self, now: Instant, key: &ExpectKey) -> Option<Expectation> {
        let standing = self.standing.remove(key)?;
        self.lives.get_mut(key).expect("it was announced").1 = Some(now);
        Some(standing.expectation)
    }

    fn oldest_of(&self, parent: &Parent) -> Option<ExpectKey> {
        let mut children: Vec<&Standing> =
            self.standing.values().filter(|standing| standing.expectation.parent == *parent).collect();
        children.sort_by_key(|standing| standing.expectation.id);
        (children.len() >= MOST).then(|| children[0].expectation.key())
    }
}

impl Kernel {
    // ----- Looking. -----

    /// What is waited for, in the order of a dump.
    pub fn expectations(&self) -> impl Iterator<Item = &Expectation> {
        self.expects.standing.values().map(|standing| &standing.expectation)
    }

    /// When what is waited for was announced.
    #[must_use]
    pub fn announced(&self, key: &ExpectKey) -> Option<Instant> {
        self.expects.standing.get(key).map(|standing| standing.born)
    }

    /// Whether it was ever waited for.
    #[must_use]
    pub fn ever_expected(&self, key: &ExpectKey) -> bool {
        self.expects.lives.contains_key(key)
    }

    /// Whether it was waited for at `since` or later.
    #[must_use]
    pub fn expected_since(&self, key: &ExpectKey, since: Instant) -> bool {
        let ended = self.expects.lives.get(key).and_then(|(_, ended)| *ended);
        self.expects.standing.contains_key(key) || ended.is_some_and(|end| end >= since)
    }

    /// Whether another flow has announced the same packet at `since` or later.
    #[must_use]
    pub fn rivalled_since(&self, key: &ExpectKey, since: Instant) -> bool {
        let packet = |key: &ExpectKey| (key.parent.family, key.protocol, key.tuple);
        let rivals = |(other, (born, _)): (&ExpectKey, &(Instant, Option<Instant>))| {
            other.parent != key.parent && packet(other) == packet(key) && *born >= since
        };
        self.expects.lives.iter().any(rivals)
    }

    /// Flows that have a helper.
    pub fn controls(&self) -> impl Iterator<Item = &Flow> {
        self.entries.values().map(|entry| &entry.flow).filter(|flow| has_helper(flow))
    }

    // ----- Packets and time. -----

    /// A helper reads in a packet of `parent` that a flow to this port will come. Says whether it waits for that now: not
    /// if it stands in the way of what another flow has announced.
    pub fn announce(&mut self, now: Instant, parent: &Flow, port: u16, seconds: u32) -> bool {
        let Flow { original, family, protocol, .. } = *parent;
        let everything = match family {
            Family::V4 => Address::from_v4([0xff; 4]),
            Family::V6 => Address::from_v6([0xff; 16]),
        };
        let tuple = Tuple { source_port: 0, target_port: port, ..original };
        let mask = Tuple { source: everything, target: everything, source_port: 0, target_port: u16::MAX };
        let parent = Parent { original, family, protocol };
        let mut expectation = Expectation::new(parent, Protocol::TCP, tuple, mask);
        expectation.helper = HelperName::new(b"ftp").expect("a name");
        expectation.class = Some(0);
        match self.expects.find(&expectation).map(|standing| standing.expectation.key()) {
            Some(key) if key != expectation.key() => return false,
            Some(key) => self.forget_expectation(now, Origin::Kernel, &key),
            None => {}
        }
        self.expect(now, Origin::Kernel, &expectation, seconds);
        true
    }

    /// The flow comes that was waited for.
    pub fn meet(&mut self, now: Instant, key: &ExpectKey, flow: &Flow, seconds: u32) -> bool {
        self.forget_expectation(now, Origin::Kernel, key);
        self.birth(now, flow, seconds, false)
    }

    /// Times run out.
    pub(super) fn expire_expectations(&mut self, now: Instant) {
        let over = |standing: &&Standing| standing.expires <= now;
        let over: Vec<ExpectKey> =
            self.expects.standing.values().filter(over).map(|standing| standing.expectation.key()).collect();
        for key in over {
            self.forget_expectation(now, Origin::Kernel, &key);
        }
    }

    /// A flow is gone, and with it what it has announced. Whoever has removed the flow is not named as the one who did that.
    pub(super) fn orphan(&mut self, now: Instant, flow: &Flow, mute: bool) {
        if !has_helper(flow) {
            return;
        }
        let is_parent = |key: &&ExpectKey| name_of(&key.parent) == Name::of(flow);
        let children: Vec<ExpectKey> = self.expects.standing.keys().filter(is_parent).copied().collect();
        for key in children {
            let expectation = self.expects.remove(now, &key).expect("it stands there");
            self.tell_expectation(Origin::Kernel, Change::Destroy, &expectation, mute);
        }
    }

    // ----- Requests. -----

    /// CREATE and EXCL.
    ///
    /// # Errors
    /// `EEXIST` when something waits for the same packet, `ENOENT` without the parent, `EOPNOTSUPP` when that has no
    /// helper.
    pub fn create_expectation(&mut self, now: Instant, wanted: &Expectation) -> Result<(), Errno> {
        if self.expects.find(wanted).is_some() {
            return Err(Errno::EEXIST);
        }
        let parent = self.find(&name_of(&wanted.parent)).ok_or(Errno::ENOENT)?;
        if !has_helper(parent) {
            return Err(Errno::EOPNOTSUPP);
        }
        self.refuse(&[Errno::ENOMEM])?;
        let flags = ExpectFlags(wanted.flags.0 & !ExpectFlags::USERSPACE);
        self.expect(now, Origin::Ourselves, &Expectation { flags, ..*wanted }, POLICY);
        Ok(())
    }

    /// Says how long it waits.
    ///
    /// # Errors
    /// `ENOENT` when nothing waits for that.
    pub fn renew_expectation(
        &mut self,
        now: Instant,
        wanted: &Expectation,
        seconds: u32,
    ) -> Result<(), Errno> {
        let key = self.find_expectation(wanted)?.key();
        let standing = self.expects.standing.get_mut(&key).expect("just found");
        standing.expires = now + Duration::from_secs(u64::from(seconds));
        standing.expectation.timeout = Some(seconds);
        Ok(())
    }

    /// Removes it.
    ///
    /// # Errors
    /// `ENOENT` when nothing waits for that, or what does has another id.
    pub fn delete_expectation(&mut self, now: Instant, wanted: &Expectation) -> Result<(), Errno> {
        let found = self.find_expectation(wanted)?;
        if wanted.id != 0 && wanted.id != found.id {
            return Err(Errno::ENOENT);
        }
        let key = found.key();
        self.forget_expectation(now, Origin::Ourselves, &key);
        Ok(())
    }

    /// Whatever waits for the same packet.
    ///
    /// # Errors
    /// `ENOENT` when nothing does.
    pub fn find_expectation(&self, wanted: &Expectation) -> Result<&Expectation, Errno> {
        self.expects.find(wanted).map(|standing| &standing.expectation).ok_or(Errno::ENOENT)
    }

    fn expect(&mut self, now: Instant, origin: Origin, expectation: &Expectation, seconds: u32) {
        if let Some(oldest) = self.expects.oldest_of(&expectation.parent) {
            self.forget_expectation(now, Origin::Kernel, &oldest);
        }
        let made = self.expects.insert(now, expectation, seconds);
        let mute = self.is_mute(&name_of(&made.parent));
        self.tell_expectation(origin, Change::New, &made, mute);
    }

    fn forget_expectation(&mut self, now: Instant, origin: Origin, key: &ExpectKey) {
        if let Some(gone) = self.expects.remove(now, key) {
            let mute = self.is_mute(&name_of(&gone.parent));
            self.tell_expectation(origin, Change::Destroy, &gone, mute);
        }
    }

    fn tell_expectation(&mut self, origin: Origin, change: Change, expectation: &Expectation, mute: bool) {
        if !mute {
            self.events.deliver(Event { origin, change, about: About::Expectation(*expectation) });
        }
    }
}

/// The name of the flow that has announced something.
#[must_use]
pub fn name_of(parent: &Parent) -> Name {
    Name::of(&Flow::new(parent.family, parent.protocol, parent.original))
}

/// Whether a rule gives the flow a helper. Neither kernel nor dialect say the zone of an expectation, so no flow of another
/// zone has one here.
fn has_helper(flow: &Flow) -> bool {
    flow.original.target_port == CONTROL && !flow.protocol.is_icmp() && flow.zone == 0
}

/// Whether both wait for the same packet. All masks of the model are the same.
fn is_met_by(standing: &Expectation, wanted: &Expectation) -> bool {
    let what = |expectation: &Expectation| (expectation.family(), expectation.protocol, expectation.tuple);
    what(standing) == what(wanted)
}
