//! What a full cache excuses, flow by flow.
//!
//! A router cannot hold what finds no room in its external cache, and the dialect has no word for that: such a flow is
//! acknowledged like any other, because what is not acknowledged would be sent for ever. So the peer takes it for held, and
//! nothing is owed of it until it is told again and finds room, or a complete answer to a question that was asked since has
//! named all that lives.
//!
//! Of its own flows a router cannot name what finds no room in its internal cache. Where an earlier life of its daemon has told
//! of such a flow, the peer holds it until it asks for a resync, whose answer does not name it: so it is swept, like what has
//! ended, and nothing is owed of it until the peer has heard of it again.

use std::collections::{BTreeMap, BTreeSet};

use syncd_core::replica::Stats;

use super::Oracle;
use crate::kernel::Name;
use crate::trace::Side;

/// Flows of the peer that found no room in a router's external cache.
#[derive(Debug, Default)]
pub(super) struct Unkept {
    /// Each with the number of refusals there were by then.
    flows: BTreeMap<Name, u64>,
    refusals: u64,
    questions: u64,
    /// Refusals by the last question.
    asked: u64,
}

impl Unkept {
    /// A datagram was taken in that told of the flows `told`; after it, these are `held`.
    pub(super) fn arrived(
        &mut self,
        told: impl Iterator<Item = Name>,
        held: impl Fn(&Name) -> bool,
        stats: &Stats,
    ) {
        let refused = std::mem::replace(&mut self.refusals, stats.external.create_failed) != self.refusals;
        for name in told {
            if held(&name) {
                self.flows.remove(&name);
            } else if refused {
                self.flows.insert(name, self.refusals);
            }
        }
    }

    /// After a turn, in which an answer may have been complete.
    pub(super) fn turned(&mut self, stats: &Stats, caught_up: bool) {
        if caught_up {
            // The next question may be asked in the same turn: that one is not answered.
            self.flows.retain(|_, refused| *refused > self.asked);
        }
        let questions = stats.ftfw.resyncs_asked;
        if questions != self.questions {
            (self.questions, self.asked) = (questions, stats.external.create_failed);
        }
    }

    /// Whether it has found no room, and not been told again since.
    pub(super) fn has(&self, name: &Name) -> bool {
        self.flows.contains_key(name)
    }
}

/// Flows of a router's own kernel that found no room in its internal cache, and of which its peer has not heard since.
#[derive(Debug, Default)]
pub(super) struct Unnamed {
    flows: BTreeSet<Name>,
}

impl Unnamed {
    /// Its peer holds the flow, and says so.
    pub(super) fn acknowledged(&mut self, name: &Name) {
        self.flows.remove(name);
    }

    /// Its kernel is empty.
    pub(super) fn clear(&mut self) {
        self.flows.clear();
    }

    /// Whether the flow is one of them.
    pub(super) fn has(&self, name: &Name) -> bool {
        self.flows.contains(name)
    }
}

impl Oracle {
    /// `side` knows of a flow of its kernel, by an event or a picture or because it has written it, and had no room for it.
    pub fn crowded(&mut self, side: Side, name: Name) {
        self.sides[side.index()].unnamed.flows.insert(name);
    }
}
