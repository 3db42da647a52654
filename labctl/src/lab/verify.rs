//! `labctl verify`: whether the lab is as a healthy pair should be, now.
//!
//! Three questions: is there exactly one primary with all virtual addresses; is every stream alive; does the standby's
//! external cache, or its kernel, hold what the primary's kernel holds. The last one is asked again for a moment, since flows come and
//! go while two tables are read. A program that has ended by itself is told first, and hides nothing that can still be
//! seen. Never changes anything. Driven by `session`; tested in `labctl/tests/scenarios/holder.rs`.

use std::time::{Duration, Instant};

use super::{Lab, locked};
use crate::plan::Actor;
use crate::poll;
use crate::probes::roles::Role;
use crate::report::ExpectationSeen;
use crate::scenario::{Expectation, Share, Sight, Span, SyncKind};
use crate::verdict::{Judged, Judgement, Record, judge};

/// How long two tables may take to become equal: a daemon sends everything it has at most once in five seconds.
const PATIENCE: Duration = Duration::from_secs(8);

impl Lab {
    /// The router that VRRP calls primary, if it is one only; where routers are set up by hand, the one with the addresses.
    #[must_use]
    pub(crate) fn primary(&self) -> Option<String> {
        let topology = &self.scenario.topology;
        let primaries: Vec<String> = if topology.by_hand.is_some() {
            let seen = self.look_at_routers().ok()?.into_iter();
            seen.filter(|seen| seen.role == Role::Primary).map(|seen| seen.name).collect()
        } else {
            let routers = topology.routers.keys();
            routers.filter(|name| self.roles.of(name) == Role::Primary).cloned().collect()
        };
        <[String; 1]>::try_from(primaries).ok().map(|[primary]| primary)
    }

    /// The question that is not asked, and why: of a standby that is gone, or that replicates nothing.
    #[must_use]
    pub(crate) fn not_asked(&self) -> Option<String> {
        let (standby, _) = self.scenario.topology.peer_of(&self.primary()?);
        let why = if self.with_node(standby, |_| Ok(())).is_err() {
            "is gone"
        } else if self.scenario.topology.by_hand.is_some() {
            "is set up by hand"
        } else if self.sync_of(standby) == SyncKind::None {
            "replicates nothing"
        } else {
            return None;
        };
        Some(format!("not asked: whether the other router holds the same flows, since {standby} {why}"))
    }

    /// Looks and judges.
    #[must_use]
    pub(crate) fn verify(&self) -> Vec<ExpectationSeen> {
        let mut sights = Vec::new();
        let routers = self.scenario.topology.routers_by_priority();
        let primary = self.primary().unwrap_or_else(|| routers[0].0.to_owned());
        sights.push(Sight::Primary(primary.clone()));
        let everything = Share::whole();
        self.each_traffic(|name, _| sights.push(Sight::Alive(name.to_owned(), everything)));
        let (standby, _) = self.scenario.topology.peer_of(&primary);
        let alive = self.with_node(standby, |_| Ok(())).is_ok();
        if alive && self.sync_of(standby) != SyncKind::None {
            sights.push(Sight::Held(standby.to_owned()));
        }
        let ended = self.ended().into_iter().map(|(node, actor, seen)| ExpectationSeen {
            text: format!("{} runs on {node}", actor.program()),
            passed: false,
            seen,
        });
        let expectation = |seen| Expectation { seen, within: Span(PATIENCE), stable: Span::default() };
        let asked = sights.into_iter().map(expectation).map(|expectation| self.look_for(&expectation));
        ended.chain(asked).collect()
    }

    /// Programs that have ended by themselves, and how, with their last words.
    fn ended(&self) -> Vec<(String, Actor, String)> {
        let actors = locked(&self.actors);
        let ended = actors.iter().filter_map(|((node, actor), running)| {
            let words = running.last_words();
            let last =
                words.lines().last().map(|line| format!("; its last words: {line}")).unwrap_or_default();
            Some((node.clone(), *actor, format!("ended: {}{last}", running.ended()?)))
        });
        ended.collect()
    }

    fn look_for(&self, expectation: &Expectation) -> ExpectationSeen {
        let (from, mut record) = (Instant::now(), Record::default());
        let text = expectation.seen.to_string();
        let unseen = |why: String| ExpectationSeen { text: text.clone(), passed: false, seen: why };
        if let Sight::Held(node) = &expectation.seen
            && self.ended().iter().any(|(on, actor, _)| on == node && *actor != Actor::Keepalived)
        {
            return unseen("its daemon has ended, and nobody else knows its cache".to_owned());
        }
        let judged = poll::until(from + PATIENCE + poll::INTERVAL, || {
            self.look_at(&mut record, &[expectation]);
            let judged = judge(expectation, &record, from);
            (judged.judgement != Judgement::Open).then_some(judged)
        });
        match judged {
            Some(Judged { judgement, seen }) => {
                ExpectationSeen { passed: judgement == Judgement::Met, seen, text }
            }
            None => unseen("nothing was seen of it".to_owned()),
        }
    }
}
