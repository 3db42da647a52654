//! `labctl verify`: whether the lab is as a healthy pair should be, now.
//!
//! Three questions: is there exactly one primary with all virtual addresses; is every stream alive; does the standby's
//! external cache hold what the primary's kernel holds. The last one is asked again for a moment, since flows come and
//! go while two tables are read. Never changes anything. Driven by `session`; tested in `labctl/tests/scenarios/holder.rs`.

use std::time::{Duration, Instant};

use super::Lab;
use crate::poll;
use crate::probes::roles::Role;
use crate::report::ExpectationSeen;
use crate::scenario::{Expectation, Share, Sight, Span, SyncKind};
use crate::verdict::{Judgement, Record, judge};

/// How long two tables may take to become equal: a daemon sends everything it has at most once in five seconds.
const PATIENCE: Duration = Duration::from_secs(8);

impl Lab {
    /// The router that VRRP calls primary, if it is one only.
    #[must_use]
    pub(crate) fn primary(&self) -> Option<String> {
        let routers = self.scenario.topology.routers.keys();
        let mut primaries = routers.filter(|name| self.roles.of(name) == Role::Primary);
        let primary = primaries.next()?.clone();
        primaries.next().is_none().then_some(primary)
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
        if alive && self.scenario.sync_of(standby) != SyncKind::None {
            sights.push(Sight::CacheEqual(standby.to_owned()));
        }
        let expectation = |seen| Expectation { seen, within: Span(PATIENCE), stable: Span::default() };
        sights.into_iter().map(expectation).map(|expectation| self.look_for(&expectation)).collect()
    }

    fn look_for(&self, expectation: &Expectation) -> ExpectationSeen {
        let (from, mut record) = (Instant::now(), Record::default());
        let text = expectation.seen.to_string();
        let judged = poll::until(from + PATIENCE + poll::INTERVAL, || {
            let looked = self.look(&mut record, &[expectation]);
            let judged = judge(expectation, &record, from);
            (looked.is_err() || judged.judgement != Judgement::Open).then_some((judged, looked.err()))
        });
        match judged {
            Some((_, Some(error))) => ExpectationSeen { text, passed: false, seen: format!("{error:#}") },
            Some((judged, None)) => {
                ExpectationSeen { text, passed: judged.judgement == Judgement::Met, seen: judged.seen }
            }
            None => ExpectationSeen { text, passed: false, seen: "nothing was seen of it".to_owned() },
        }
    }
}
