//! What must hold of expectations, as of flows: nothing is told that no kernel had, a router that stands by tells no ends, what
//! is acknowledged is held, and what was acknowledged before a failover is waited for by the kernel that takes over, if its
//! parent lives there.

use std::collections::{BTreeMap, BTreeSet};

use syncd_core::flow::{Change, ExpectKey, Expectation};
use syncd_core::replica::{Errno, Replica};
use syncd_core::time::Instant;
use syncd_core::wire::{Flags, FrameView, SeqRange, decode_expectation};

use super::{GRACE, Oracle, Verdict};
use crate::host::Host;
use crate::kernel::{Name, name_of};
use crate::trace::Side;

/// One frame about an expectation that was sent and not acknowledged.
#[derive(Clone, Copy, Debug)]
struct Told {
    key: ExpectKey,
    change: Change,
    greeting: bool,
}

/// What one side has told.
#[derive(Debug, Default)]
pub(super) struct Announced {
    /// Frames of this life that were not acknowledged, by number.
    told: BTreeMap<u32, Told>,
    /// The newest frame of each expectation.
    newest: BTreeMap<ExpectKey, u32>,
    /// Those that the peer has acknowledged and not been told the end of, and when it did.
    acknowledged: BTreeMap<ExpectKey, Instant>,
    /// Those that stood in the kernel when the router crashed, and since when.
    last_will: BTreeMap<ExpectKey, Instant>,
    /// Those that must be in the kernel once the commit is done, and since when.
    promised: Option<(Instant, BTreeSet<ExpectKey>)>,
}

impl Announced {
    /// The daemon is gone, and with it what it has told and what it was about to write.
    pub(super) fn forget(&mut self) {
        self.told.clear();
        self.newest.clear();
        self.promised = None;
    }

    /// The peer has nothing any more, or what it had has left its external cache.
    pub(super) fn forget_acknowledged(&mut self) {
        self.acknowledged.clear();
    }

    /// The router crashes.
    pub(super) fn crash(&mut self, host: &Host) {
        let born = |key: &ExpectKey| host.kernel.announced(key).expect("it stands there");
        let keys = host.kernel.expectations().map(Expectation::key);
        self.last_will = keys.map(|key| (key, born(&key))).collect();
    }

    /// It is back with an empty kernel, or only its daemon has crashed.
    pub(super) fn forget_will(&mut self) {
        self.last_will.clear();
    }

    /// What was promised will not be kept: the role has changed meanwhile.
    pub(super) fn release(&mut self) {
        self.promised = None;
    }

    /// The kernel has no memory for it. It is tried again as long as the peer does not speak of it.
    pub(super) fn excuse(&mut self, key: &ExpectKey) {
        if let Some((_, promised)) = &mut self.promised {
            promised.remove(key);
        }
    }

    /// Of what flows of these names have announced nothing is owed any more.
    pub(super) fn narrow(&mut self, kept: impl Fn(&Name) -> bool) {
        self.acknowledged.retain(|key, _| kept(&name_of(&key.parent)));
        if let Some((_, promised)) = &mut self.promised {
            promised.retain(|key| kept(&name_of(&key.parent)));
        }
    }
}

impl Oracle {
    /// A frame about an expectation leaves `side`.
    pub(super) fn sent_expectation(&mut self, side: Side, view: &FrameView<'_>, host: &Host) -> Verdict {
        let decoded =
            decode_expectation(view).map_err(|error| format!("{} sent: {error}", self.name(side)))?;
        let (key, change) = (decoded.expectation.key(), decoded.change);
        let who = format!("{} told", self.name(side));
        if !host.kernel.ever_expected(&key) {
            return Err(format!("{who} of what its kernel never expected: {}", decoded.expectation));
        }
        let standing_by = host.replica().is_some_and(|replica| !replica.role().replicates());
        if change == Change::Destroy && standing_by {
            return Err(format!("{who} an end while standing by: {}", decoded.expectation));
        }
        let parent = host.kernel.get(&name_of(&key.parent));
        let kept_out = |replica: &Replica| parent.is_some_and(|parent| !replica.filter().accepts(parent));
        if change != Change::Destroy && host.replica().is_some_and(kept_out) {
            return Err(format!("{who} what a flow that is kept out has announced: {}", decoded.expectation));
        }
        let announced = &mut self.sides[side.index()].announced;
        let greeting = view.flags().has(Flags::HELLO);
        announced.told.insert(view.seq().0, Told { key, change, greeting });
        announced.newest.insert(key, view.seq().0);
        if change == Change::Destroy {
            announced.acknowledged.remove(&key);
            if let Some((_, promised)) = &mut self.sides[side.other().index()].announced.promised {
                promised.remove(&key);
            }
        }
        Ok(())
    }

    /// `side`, which runs `replica`, says that it has these frames of its peer.
    pub(super) fn acknowledges_expectations(
        &mut self,
        side: Side,
        range: SeqRange,
        replica: &Replica,
        hosts: &[Host; 2],
        now: Instant,
    ) -> Verdict {
        let (host, peer) = (&hosts[side.index()], &hosts[side.other().index()]);
        let known = &mut self.sides[side.other().index()];
        let graced = now.since(known.started) < GRACE;
        let announced = &mut known.announced;
        let newest = |seq: &u32, told: &Told| announced.newest.get(&told.key) == Some(seq);
        let covered: Vec<(u32, Told)> = announced
            .told
            .iter()
            .filter(|(seq, _)| range.contains(syncd_core::wire::Seq(**seq)))
            .map(|(seq, told)| (*seq, *told))
            .collect();
        let said: Vec<ExpectKey> = covered
            .iter()
            .filter(|(seq, told)| newest(seq, told) && told.change != Change::Destroy && !told.greeting)
            .map(|(_, told)| told.key)
            .collect();
        for (seq, _) in covered {
            announced.told.remove(&seq);
        }
        let held = external_keys(replica);
        let has = |key: &&ExpectKey| held.contains(*key);
        announced.acknowledged.extend(said.iter().filter(has).map(|key| (*key, now)));
        // What has ended meanwhile a resync may have swept: a peer that stands by tells no ends.
        let lost = |key: &&ExpectKey| {
            !has(key) && !host.kernel.ever_expected(key) && peer.kernel.announced(key).is_some()
        };
        match said.iter().find(lost).filter(|_| !graced) {
            None => Ok(()),
            Some(key) => Err(format!("{} acknowledged and does not hold {key:?}", self.name(side))),
        }
    }

    /// `side`, which runs `replica`, is about to be told that it is primary, and owes its peer's flows of these names.
    pub(super) fn takes_over_expectations(
        &mut self,
        side: Side,
        replica: &Replica,
        parents: &BTreeSet<Name>,
        peer: &Host,
        now: Instant,
    ) -> Verdict {
        let announced = &mut self.sides[side.other().index()].announced;
        let acknowledged = std::mem::take(&mut announced.acknowledged);
        // A later one of the same kind was not acknowledged.
        let stands = |(key, at): &(&ExpectKey, &Instant)| {
            let born = announced.last_will.get(key).copied().or_else(|| peer.kernel.announced(key));
            born.is_some_and(|born| born <= **at) && parents.contains(&name_of(&key.parent))
        };
        let promised: BTreeSet<ExpectKey> = acknowledged.iter().filter(stands).map(|(key, _)| *key).collect();
        let held = external_keys(replica);
        if let Some(key) = promised.iter().find(|key| !held.contains(key)) {
            return Err(format!("{} takes over and lacks the acknowledged {key:?}", self.name(side)));
        }
        self.sides[side.index()].announced.promised = Some((now, promised));
        Ok(())
    }

    /// Everything that becoming primary has brought to do for `side` is done. `short` says that its kernel has had no
    /// memory at times.
    pub fn settled_as_primary(&mut self, side: Side, host: &Host, short: bool) -> Verdict {
        let Some(replica) = host.replica() else { return Ok(()) };
        let Some((since, promised)) = self.sides[side.index()].announced.promised.take() else {
            return Ok(());
        };
        let external = replica.external_expectations();
        let refused = |key: &ExpectKey| {
            let (slot, _) = external.iter_from(0).find(|(_, entry)| entry.expectation.key() == *key)?;
            external.failure(slot)
        };
        let held = external_keys(replica);
        // It is kept, and perhaps told once more. Where it was not seen what stands in its place, that does not give way
        // when it is tried again.
        let no_memory = |key: &ExpectKey| {
            let for_that = [None, Some(Errno::ENOMEM.0), Some(Errno::EEXIST.0)];
            short && held.contains(key) && for_that.contains(&refused(key))
        };
        // What is announced here meanwhile stays.
        let rivalled =
            |key: &ExpectKey| refused(key) == Some(Errno::EEXIST.0) && host.kernel.rivalled_since(key, since);
        let flows = replica.external();
        let failed = |key: &ExpectKey| {
            let slot = flows.find(&key.parent.key(0))?;
            flows.failure(slot)
        };
        // What lives there may also be another life of it.
        let orphaned = |key: &ExpectKey| {
            let parent = name_of(&key.parent);
            let gone = host.kernel.get(&parent).is_none() || host.kernel.ended_since(&parent, since);
            gone || failed(key).is_some()
        };
        let kept = |key: &&ExpectKey| {
            host.kernel.expected_since(key, since) || no_memory(key) || rivalled(key) || orphaned(key)
        };
        if let Some(key) = promised.iter().find(|key| !kept(key)) {
            return Err(format!(
                "{} took over and does not expect the acknowledged {key:?}",
                self.name(side)
            ));
        }
        self.expected += promised.len() as u64;
        Ok(())
    }
}

fn external_keys(replica: &Replica) -> BTreeSet<ExpectKey> {
    replica.external_expectations().iter_from(0).map(|(_, entry)| entry.expectation.key()).collect()
}
