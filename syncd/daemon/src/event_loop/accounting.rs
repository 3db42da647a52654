//! The accounts of changes of role: begun, shown, and told once each is settled. Tested end to end and in the lab.

use serde_json::json;
use syncd_core::replica::{Account, Role};
use syncd_core::time::Instant;

use super::EventLoop;
use crate::failovers::Voice;
use crate::journal::Level;
use crate::show::failover::{FailoverView, FailoversView};

impl EventLoop {
    /// What is known of the last change of role is noted from now on.
    pub(super) fn note_failover(&mut self, voice: Voice) {
        let Self { parts, failovers, .. } = self;
        let mut accounts = parts.replica.accounts().peekable();
        if let Some(account) = accounts.peek() {
            failovers.of(account.number, voice);
        }
        let kept: Vec<u32> = accounts.map(|account| account.number).collect();
        failovers.keep(|number| kept.contains(&number));
    }

    /// The last accounts, as many as are wanted, the newest first.
    pub(super) fn show_failovers(&self, now: Instant, most: u32) -> FailoversView {
        let accounts = self.parts.replica.accounts().take(most as usize);
        let views = accounts.map(|account| FailoverView::new(account, self.failovers.get(account.number)));
        FailoversView::new(now, views.collect())
    }

    /// Tells of each change that is over: of a commit when it is done, the gate is open, and what was in the kernel already is
    /// counted; of any other at once.
    pub(super) fn tell_of_failovers(&mut self) {
        let rests = self.gate.rests() && !self.parts.replica.has_flows_to_count();
        let Self { parts, failovers, .. } = self;
        let last = parts.replica.accounts().next().map(|account| account.number);
        for account in parts.replica.accounts() {
            let Some(seen) = failovers.get(account.number).filter(|seen| !seen.told) else { continue };
            let is_settled = account.to != Role::Primary || (account.commit_done.is_some() && rests);
            if !is_settled && Some(account.number) == last {
                continue;
            }
            let view = FailoverView::new(account, Some(seen));
            let level = if account.refusals() > 0 { Level::Warn } else { Level::Info };
            parts.journal.happened(level, "failover", &details(account, &view), view.sentence());
            failovers.of(account.number, Voice::default()).told = true;
        }
    }
}

/// The account as fields.
fn details(account: &Account, view: &FailoverView) -> serde_json::Value {
    let since = |at: Option<Instant>| at.map(|at| at.since(account.entered).as_secs_f64());
    json!({
        "number": account.number,
        "from": account.from.name(),
        "to": account.to.name(),
        "known": account.known,
        "carried": account.carried.flows(),
        "refused": account.refusals(),
        "ended": account.ended,
        "not_looked_at": view.peer.not_looked_at,
        "missing_messages": account.missing,
        "never_acknowledged": account.unacknowledged,
        "filtered": account.kept_out,
        "commit_begun_s": since(account.commit_begun),
        "commit_done_s": since(account.commit_done),
        "packets_dropped": view.gate.packets_dropped,
    })
}
