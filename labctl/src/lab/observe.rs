//! Looking at a lab: what the expectations need to know, written into the record.
//!
//! Never judges. What cannot be seen is not an observation: an expectation that nothing speaks for is missed at its
//! deadline. Driven by the timeline; tested through the scenarios.

use std::time::Instant;

use anyhow::{Result, bail};

use super::{Lab, locked};
use crate::actors::ready;
use crate::apply;
use crate::plan::Actor;
use crate::probes::caches::Difference;
use crate::probes::roles::Role;
use crate::scenario::{Expectation, Sight, SyncKind};
use crate::verdict::{NodeSeen, Record, Seen};

impl Lab {
    /// Looks at every router, at every running traffic, and at what else the expectations are about.
    ///
    /// # Errors
    /// When a program has ended that nobody ended.
    pub(crate) fn look(&self, record: &mut Record, expectations: &[&Expectation]) -> Result<()> {
        self.require_actors()?;
        self.look_at(record, expectations);
        Ok(())
    }

    /// As [`Lab::look`], whatever has ended.
    pub(super) fn look_at(&self, record: &mut Record, expectations: &[&Expectation]) {
        if let Ok(nodes) = self.look_at_routers() {
            record.add(Instant::now(), Seen::Nodes(nodes));
        }
        self.each_traffic(|name, traffic| {
            let now = Instant::now();
            record.add(now, Seen::Traffic(name.to_owned(), traffic.judge(now)));
        });
        self.each_transfers(|name, transfers| {
            record.add(Instant::now(), Seen::Transfers(name.to_owned(), transfers.report()));
        });
        for expectation in expectations {
            self.look_into(record, expectation);
        }
    }

    /// Looks at what one expectation is about.
    fn look_into(&self, record: &mut Record, expectation: &Expectation) {
        match &expectation.seen {
            Sight::Committed(node) if self.sync_of(node) == SyncKind::Conntrackd => {
                record.add(Instant::now(), Seen::Script(node.clone(), self.script_of(node)));
            }
            Sight::InSync(node) | Sight::CatchingUp(node) | Sight::Committed(node) => {
                if let Ok(status) = self.daemon_status(node) {
                    record.add(Instant::now(), Seen::Daemon(node.clone(), status));
                }
            }
            Sight::CacheEqual(node) | Sight::CacheComplete(node) | Sight::CacheDiffers { node, .. } => {
                record_cache(record, node, self.compare_cache(node));
            }
            Sight::Held(node) => record_cache(record, node, self.compare_held(node)),
            Sight::Filling { node, .. } => {
                if let Ok((cached, kernel)) = self.count_cache(node) {
                    record.add(Instant::now(), Seen::Filling { node: node.clone(), cached, kernel });
                }
            }
            Sight::ExpectationsCached(node) => {
                if let Ok(difference) = self.compare_expectations(node) {
                    record.add(Instant::now(), Seen::Expectations(node.clone(), difference));
                }
            }
            Sight::ExpectationsCommitted(node) => {
                if let Ok(difference) = self.compare_expected_before(node) {
                    record.add(Instant::now(), Seen::ExpectationsKept(node.clone(), difference));
                }
            }
            Sight::Kept(node) => {
                if let Ok(difference) = self.compare_kept(node) {
                    record.add(Instant::now(), Seen::Kept(node.clone(), difference));
                }
            }
            Sight::Logged(node, text) => {
                if let Ok(words) = self.with_actor(node, Actor::Syncd, |running| Ok(running.words()?)) {
                    let line = words.lines().find(|line| line.contains(text.as_str())).map(str::to_owned);
                    record.add(Instant::now(), Seen::Logged(node.clone(), text.clone(), line));
                }
            }
            Sight::Counted { node, .. } => {
                if let Ok(counters) = self.daemon_statistics(node) {
                    record.add(Instant::now(), Seen::Counters(node.clone(), counters));
                }
            }
            Sight::Ended { traffic, node } => {
                if let Ok((left, of)) = self.remaining(traffic, node) {
                    let seen = Seen::Remaining {
                        traffic: traffic.clone(),
                        node: node.clone(),
                        left: left.len(),
                        of,
                        example: left.first().map(ToString::to_string),
                    };
                    record.add(Instant::now(), seen);
                }
            }
            // Seen above, or by whoever watches all the time.
            Sight::Primary(_)
            | Sight::BothPrimary
            | Sight::LowerHeard(_)
            | Sight::Alive(..)
            | Sight::Complete(..)
            | Sight::Answers(..)
            | Sight::Memory(..)
            | Sight::Said(..) => {}
        }
    }

    /// Role and virtual addresses of every router, dead ones included.
    ///
    /// # Errors
    /// When a router's addresses cannot be read.
    pub(crate) fn look_at_routers(&self) -> Result<Vec<NodeSeen>> {
        let topology = &self.scenario.topology;
        let shared = [&topology.virtual_addresses.lan[..], &topology.virtual_addresses.wan].concat();
        let nodes = locked(&self.nodes);
        let mut seen = Vec::new();
        for name in topology.routers.keys() {
            let (mut role, addresses) = match nodes.get(name) {
                None => (Role::Gone, Vec::new()),
                Some(node) => (self.roles.of(name), apply::addresses(node.net())?),
            };
            let held = shared.iter().filter(|prefix| addresses.contains(&prefix.address)).count();
            // A keepalived that somebody else has set up tells us nothing, but moves the addresses.
            if topology.by_hand.is_some() && held == shared.len() {
                role = Role::Primary;
            }
            let lower_heard = self.roles.lower_heard(name);
            seen.push(NodeSeen { name: name.clone(), role, held, all: shared.len(), lower_heard });
        }
        Ok(seen)
    }

    fn require_actors(&self) -> Result<()> {
        for ((node, _), running) in &*locked(&self.actors) {
            if running.ended().is_some() {
                bail!(ready::died(running, node));
            }
        }
        Ok(())
    }
}

/// What could not be read is seen the next time.
fn record_cache(record: &mut Record, node: &str, compared: Result<(Difference, Instant)>) {
    if let Ok((difference, at)) = compared {
        record.add(at, Seen::Cache(node.to_owned(), difference));
    }
}
