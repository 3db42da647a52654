//! `syncd show failover`: what became of flows in a change of role, as a value and as text. Tested in
//! `show/tests/failover.rs`.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};
use syncd_core::replica::{Account, Class, Role, Tally};
use syncd_core::time::Instant;

use super::text::utc;
use crate::failovers::{Seen, Voice};

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FailoversView {
    /// Of this document.
    pub(crate) version: u32,
    /// The newest first.
    pub(crate) failovers: Vec<FailoverView>,
    /// When this was written, monotonic.
    pub(crate) monotonic_ns: u64,
}

/// The account of one change of role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FailoverView {
    /// Which change since the daemon's start, from 1.
    pub(crate) number: u32,
    /// The role before.
    pub(crate) from: String,
    /// The role since.
    pub(crate) to: String,
    /// Who said it: `keepalived`, `command` or `kept over a restart`.
    pub(crate) said_by: String,
    /// When, in milliseconds since 1970.
    pub(crate) unix_ms: u64,
    /// What happened when.
    pub(crate) timeline: TimelineView,
    /// What the gate did.
    pub(crate) gate: GateView,
    /// Flows of the peer.
    pub(crate) peer: PeerView,
    /// Flows of this router.
    pub(crate) own: OwnView,
}

/// All monotonic; null: it has not happened, or nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TimelineView {
    /// The role was heard.
    pub(crate) role_ns: u64,
    /// The commit began.
    pub(crate) commit_begun_ns: Option<u64>,
    /// The kernel had closed the gate.
    pub(crate) gate_closed_ns: Option<u64>,
    /// The kernel told first of a flow that a packet had made or changed.
    pub(crate) first_packet_ns: Option<u64>,
    /// Every flow was tried.
    pub(crate) commit_done_ns: Option<u64>,
    /// The gate was open.
    pub(crate) gate_open_ns: Option<u64>,
}

/// The gate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GateView {
    /// Packets that it has dropped; null: none was closed, or nft has not said.
    pub(crate) packets_dropped: Option<u64>,
    /// Why there was none; null: it is not known that one was missing.
    pub(crate) failed: Option<String>,
}

/// What became of the peer's flows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PeerView {
    /// Known when the role was heard.
    pub(crate) known: u32,
    /// Besides: more than these became of something that follows. The peer has told them, or told them again, since.
    #[serde(default)]
    pub(crate) told_since: u32,
    /// In this kernel since.
    pub(crate) carried: TallyView,
    /// Of these, those whose own time had run out by the peer's last word.
    pub(crate) carried_expired: u32,
    /// Of these, those without their helper, which this kernel does not have.
    pub(crate) carried_without_helper: u32,
    /// Of these, those without their parent, which is not in this kernel.
    pub(crate) carried_without_parent: u32,
    /// Expectations in this kernel since.
    pub(crate) expectations_carried: u32,
    /// Expectations that it refused.
    pub(crate) expectations_refused: u32,
    /// Refused by this kernel, by reason.
    pub(crate) refused: Vec<RefusedView>,
    /// Ended, by the peer's word, before it was their turn.
    pub(crate) ended: u32,
    /// Of those that were known, none of these: it was not their turn yet, or never, because the role changed before.
    #[serde(default)]
    pub(crate) not_looked_at: u32,
    /// Messages of the peer that were missing when the role was heard: asked for and not come.
    pub(crate) missing_messages: u32,
}

/// Refused for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RefusedView {
    /// The kernel's, as its name: `ENOMEM`.
    pub(crate) error: String,
    /// Its number.
    pub(crate) errno: u16,
    /// Which flows.
    #[serde(flatten)]
    pub(crate) tally: TallyView,
}

/// This router's flows when the role was heard, which the other one may not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OwnView {
    /// All that the peer is told.
    pub(crate) flows: u32,
    /// Of these, those of which the peer had never acknowledged anything.
    pub(crate) never_acknowledged: u32,
    /// Besides: kept out by `accept-protocol` and `ignore-address`, as far as events have told.
    pub(crate) filtered: u32,
}

/// Flows by what they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TallyView {
    /// All of them.
    pub(crate) flows: u32,
    /// By class, those of which there are some.
    pub(crate) classes: BTreeMap<String, u32>,
    /// Of all: IPv6.
    pub(crate) ipv6: u32,
    /// Of all: translated.
    pub(crate) translated: u32,
    /// Of all: related to another flow.
    pub(crate) related: u32,
    /// Of all: in a zone other than 0.
    pub(crate) zoned: u32,
}

impl FailoversView {
    /// Of these.
    pub(crate) fn new(now: Instant, failovers: Vec<FailoverView>) -> Self {
        Self { version: 1, failovers, monotonic_ns: now.as_nanos() }
    }
}

impl FailoverView {
    /// The account, and what the daemon has seen.
    pub(crate) fn new(account: &Account, seen: Option<&Seen>) -> Self {
        let seen = seen.cloned().unwrap_or_default();
        let nanos = |at: Option<Instant>| at.map(Instant::as_nanos);
        // A router that stands by has no packets of the shared addresses.
        let first_packet = account.first_packet.filter(|_| account.to == Role::Primary);
        let (told_since, not_looked_at) = balance(account);
        Self {
            number: account.number,
            from: account.from.name().to_owned(),
            to: account.to.name().to_owned(),
            said_by: seen.voice.word().to_owned(),
            unix_ms: seen.unix_millis,
            timeline: TimelineView {
                role_ns: account.entered.as_nanos(),
                commit_begun_ns: nanos(account.commit_begun),
                gate_closed_ns: nanos(seen.gate_closed),
                first_packet_ns: nanos(first_packet),
                commit_done_ns: nanos(account.commit_done),
                gate_open_ns: nanos(seen.gate_open),
            },
            gate: GateView { packets_dropped: seen.gate_held, failed: seen.gate_failed },
            peer: PeerView {
                known: account.known,
                told_since,
                carried: TallyView::new(&account.carried),
                carried_expired: account.ran_out,
                carried_without_helper: account.without_helper,
                carried_without_parent: account.without_parent,
                expectations_carried: account.expectations_carried,
                expectations_refused: account.expectations_refused,
                refused: account
                    .refused
                    .iter()
                    .filter(|(_, tally)| tally.flows() > 0)
                    .map(|(error, tally)| RefusedView {
                        error: error.to_string(),
                        errno: error.0,
                        tally: TallyView::new(tally),
                    })
                    .collect(),
                ended: account.ended,
                not_looked_at,
                missing_messages: account.missing,
            },
            own: OwnView {
                flows: account.internal,
                never_acknowledged: account.unacknowledged,
                filtered: account.kept_out,
            },
        }
    }

    fn refused(&self) -> u32 {
        self.peer.refused.iter().map(|refused| refused.tally.flows).sum()
    }

    /// In one line, for the log.
    pub(crate) fn sentence(&self) -> String {
        let Self { number, from, to, peer, own, .. } = self;
        let head = format!("failover {number}, {from} to {to}");
        if to != Role::Primary.name() {
            let OwnView { flows, never_acknowledged, filtered } = own;
            return format!(
                "{head}: of {flows} flows here the peer has never acknowledged {never_acknowledged}; {filtered} are filtered"
            );
        }
        let reasons = peer.refused.iter().map(|refused| format!("{} {}", refused.tally.flows, refused.error));
        let reasons = reasons.collect::<Vec<_>>().join(", ");
        let refused = if reasons.is_empty() { String::new() } else { format!(" ({reasons})") };
        let rest = match peer.not_looked_at {
            0 => String::new(),
            flows => format!("{flows} not looked at, "),
        };
        format!(
            "{head}: {} flows of the peer carried, {} refused{refused}, {} ended, {rest}{} messages missing",
            peer.carried.flows,
            self.refused(),
            peer.ended,
            peer.missing_messages
        )
    }
}

/// What became of the peer's flows beside what was known: how many more, and how many less. A router that stands by looks at
/// none.
fn balance(account: &Account) -> (u32, u32) {
    let refused = account.refused.iter().fold(0_u32, |sum, (_, tally)| sum.saturating_add(tally.flows()));
    let looked_at = account.carried.flows().saturating_add(refused).saturating_add(account.ended);
    match account.to {
        Role::Primary => (looked_at.saturating_sub(account.known), account.known.saturating_sub(looked_at)),
        _ => (0, 0),
    }
}

impl TallyView {
    fn new(tally: &Tally) -> Self {
        let classes = Class::ALL.into_iter().zip(tally.classes).filter(|(_, flows)| *flows > 0);
        Self {
            flows: tally.flows(),
            classes: classes.map(|(class, flows)| (class.word().to_owned(), flows)).collect(),
            ipv6: tally.ipv6,
            translated: tally.translated,
            related: tally.related,
            zoned: tally.zoned,
        }
    }

    /// `199: 150 tcp-established, 49 udp; 199 translated`.
    fn words(&self) -> String {
        let some = |counts: &[(&str, u32)]| {
            let some = counts.iter().filter(|(_, flows)| *flows > 0);
            some.map(|(word, flows)| format!("{flows} {word}")).collect::<Vec<_>>().join(", ")
        };
        let classes: Vec<(&str, u32)> =
            self.classes.iter().map(|(class, flows)| (class.as_str(), *flows)).collect();
        let (classes, besides) = (
            some(&classes),
            some(&[
                ("translated", self.translated),
                ("IPv6", self.ipv6),
                ("related", self.related),
                ("in a zone", self.zoned),
            ]),
        );
        let classes = if classes.is_empty() { String::new() } else { format!(": {classes}") };
        let besides = if besides.is_empty() { String::new() } else { format!("; {besides}") };
        format!("{}{classes}{besides}", self.flows)
    }
}

/// As text.
pub(crate) fn text(view: &FailoversView) -> String {
    if view.failovers.is_empty() {
        return "no failover since the daemon started\n".to_owned();
    }
    let newer = std::iter::once(None).chain(view.failovers.iter().map(Some));
    view.failovers
        .iter()
        .zip(newer)
        .map(|(failover, newer)| between(failover, newer) + &one(failover))
        .collect()
}

/// What stands between an account and the newer one above it: of those that carried nothing not all are kept.
fn between(failover: &FailoverView, newer: Option<&FailoverView>) -> String {
    let Some(newer) = newer else { return String::new() };
    match newer.number.saturating_sub(failover.number).saturating_sub(1) {
        0 => "\n".to_owned(),
        more => format!("\n({more} more in between, which carried nothing, are not kept)\n\n"),
    }
}

fn one(view: &FailoverView) -> String {
    let mut out = String::new();
    let FailoverView { number, from, to, said_by, unix_ms, .. } = view;
    // Writing to a string cannot fail, here and below.
    let by = if *said_by == Voice::Kept.word() { "" } else { "said by " };
    _ = writeln!(out, "failover {number}: {from} to {to} at {}, {by}{said_by}", utc(unix_ms / 1000));
    timeline(&mut out, view);
    let mut row = |name: &str, value: String| _ = writeln!(out, "  {name:<26} {value}");
    let (peer, own) = (&view.peer, &view.own);
    if to == Role::Primary.name() {
        row("flows of the peer", peer.known.to_string());
        if peer.told_since > 0 {
            row("  and told since", peer.told_since.to_string());
        }
        row("carried", peer.carried.words());
        let mut some = |name: &str, count: u32| {
            if count > 0 {
                row(name, count.to_string());
            }
        };
        some("  of these, expired", peer.carried_expired);
        some("  without their helper", peer.carried_without_helper);
        some("  without their parent", peer.carried_without_parent);
        some("expectations carried", peer.expectations_carried);
        some("expectations refused", peer.expectations_refused);
        row("not carried: refused", view.refused().to_string());
        for RefusedView { error, tally, .. } in &peer.refused {
            row(&format!("  {error}"), tally.words());
        }
        row("not carried: ended", peer.ended.to_string());
        if peer.not_looked_at > 0 {
            row("not looked at", peer.not_looked_at.to_string());
        }
        row("messages that were missing", peer.missing_messages.to_string());
    } else {
        row("flows of this router", own.flows.to_string());
        row("  never acknowledged", own.never_acknowledged.to_string());
        row("  filtered, besides", own.filtered.to_string());
    }
    out
}

fn timeline(out: &mut String, view: &FailoverView) {
    let TimelineView {
        role_ns,
        commit_begun_ns,
        gate_closed_ns,
        first_packet_ns,
        commit_done_ns,
        gate_open_ns,
    } = view.timeline;
    let dropped = view.gate.packets_dropped;
    let mut steps = vec![
        (Some(role_ns), "role heard".to_owned()),
        (commit_begun_ns, "commit begun".to_owned()),
        (gate_closed_ns, "gate closed".to_owned()),
        (first_packet_ns, "first packet that made or changed a flow".to_owned()),
        (commit_done_ns, "commit done".to_owned()),
        (
            gate_open_ns,
            dropped.map_or_else(
                || "gate open".to_owned(),
                |count| format!("gate open: {count} packets dropped"),
            ),
        ),
    ];
    // Those at the same moment stay in this order.
    steps.sort_by_key(|(at, _)| *at);
    for (at, what) in steps {
        let Some(at) = at else { continue };
        let micros = at.saturating_sub(role_ns) / 1000;
        _ = writeln!(out, "  +{}.{:06} s {what}", micros / 1_000_000, micros % 1_000_000);
    }
    if let Some(reason) = &view.gate.failed {
        _ = writeln!(out, "  no gate: {reason}");
    }
}
