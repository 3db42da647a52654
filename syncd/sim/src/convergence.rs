//! Whether both routers know the same in the end, and say so.
//!
//! Judged when faults are over: the backup's external cache equals the primary's internal one, which equals the
//! primary's kernel after the filter; nothing is queued or unacknowledged; both say `in sync`. A pair that says so
//! while nothing is under way any more, and differs, has lost something in silence, which is worse than being late.

use std::collections::BTreeMap;

use syncd_core::cache::expect::ExpectEntry;
use syncd_core::filter::Filter;
use syncd_core::flow::{ExpectKey, Expectation, Flow, Status};
use syncd_core::replica::{Divergence, Replica, Role, Sync};
use syncd_core::time::Instant;

use crate::host::{Daemon, Host};
use crate::kernel::{Name, is_lent, name_of};
use crate::trace::Side;

/// How far two routers have come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// They know the same and say so.
    Converged,
    /// Not yet, and why.
    NotYet(String),
    /// They say that they know the same, and do not.
    Deceived(String),
}

/// What is known of a run by whoever looks at its routers.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// Which flows are replicated.
    pub filter: &'a Filter,
    /// Who must be primary.
    pub primary: Side,
    /// Nothing is under way between the routers or inside them.
    pub quiet: bool,
    /// A kernel conceals something: what a daemon cannot know yet it is not blamed for.
    pub concealed: bool,
    /// Changes of flows may have been lost without any trace, so that only births and ends count.
    pub coarse: bool,
    /// The backup keeps the primary's flows in its kernel.
    pub preload: bool,
    /// The most flows that a kernel holds.
    pub kernel_limit: usize,
}

/// Looks at both routers.
#[must_use]
pub fn judge(hosts: &[Host; 2], known: Circumstances<'_>, now: Instant) -> Progress {
    let Circumstances { filter, primary, .. } = known;
    let (mine, peer) = (&hosts[primary.index()], &hosts[primary.other().index()]);
    if let Some(why) = Side::BOTH.into_iter().find_map(|side| unsettled(&hosts[side.index()], now)) {
        return Progress::NotYet(why);
    }
    let early = role(mine, Role::Primary).or_else(|| role(peer, Role::Backup));
    if let Some(why) = early {
        return Progress::NotYet(why);
    }
    let full = |host: &Host| says_full(host, now);
    let problem = [mine, peer]
        .into_iter()
        .find_map(|host| kernel_differs(host, filter, known.coarse, full(host)))
        .or_else(|| caches_differ(mine, peer, full(peer)))
        .or_else(|| expectations_differ(mine, peer, known.coarse))
        .or_else(|| if known.preload && !full(mine) { lent_by_primary(mine) } else { None })
        .or_else(|| if known.preload && !full(peer) { kernels_differ(peer, known) } else { None });
    let full = full(mine) || full(peer);
    match problem {
        None => Progress::Converged,
        Some(why) if known.quiet && !known.concealed && !full => Progress::Deceived(why),
        Some(why) => Progress::NotYet(why),
    }
}

/// Whether a router says that a cache has no room, and so not that it is in sync. It says so for as long as it is: what it
/// does not hold is excused, what it holds must be true, and what it has fetched since must be complete.
fn says_full(host: &Host, now: Instant) -> bool {
    let status = host.replica().map(|replica| replica.status(host.local(now)).sync);
    let full =
        |divergence| matches!(divergence, Divergence::InternalFull { .. } | Divergence::ExternalFull { .. });
    matches!(status, Some(Sync::Diverged(divergence)) if full(divergence))
}

/// Why a router does not say that it is in sync.
fn unsettled(host: &Host, now: Instant) -> Option<String> {
    let replica = match &host.daemon {
        Daemon::None => return Some(format!("{} is down", host.name)),
        Daemon::Conntrackd(conntrackd) => {
            return (!conntrackd.is_settled())
                .then(|| format!("{} (conntrackd) has something to say", host.name));
        }
        Daemon::Syncd(replica) => replica,
    };
    let status = replica.status(host.local(now));
    // A cache that is full says so for as long as it is; there is nothing to wait for.
    if status.sync != Sync::InSync && !says_full(host, now) {
        return Some(format!("{} says {:?}", host.name, status.sync));
    }
    if let Some(waits) = status.preload.filter(|waits| *waits > 0) {
        return Some(format!("{}: {waits} flows wait for its kernel", host.name));
    }
    let waits = status.queued + status.in_flight;
    (waits > 0).then(|| format!("{} has {waits} flows queued or unacknowledged", host.name))
}

fn role(host: &Host, wanted: Role) -> Option<String> {
    let role = host.replica()?.role();
    (role != wanted).then(|| format!("{} is {} instead of {}", host.name, role.name(), wanted.name()))
}

fn kernel_differs(host: &Host, filter: &Filter, coarse: bool, full: bool) -> Option<String> {
    let mut kernel = table(host.kernel.flows().map(|(_, flow)| flow).filter(|flow| filter.accepts(flow)));
    let internal = match &host.daemon {
        Daemon::None | Daemon::Conntrackd(_) => return None,
        Daemon::Syncd(replica) => internal(replica),
    };
    // Of a flow that tells nothing only a dump can know in which state it is, and a daemon that finds
    // `nf_conntrack_events` set at its start does not know that there are such flows.
    for (name, flow) in kernel.iter_mut().filter(|(name, _)| coarse || host.kernel.is_mute(name)) {
        *flow = internal.get(name).copied().unwrap_or(*flow);
    }
    kernel.retain(|name, _| !full || internal.contains_key(name));
    difference(&kernel, &internal).map(|what| format!("{}: kernel and internal cache: {what}", host.name))
}

/// What the primary's kernel keeps for longer than its protocol would. It gives back what it knows of.
fn lent_by_primary(mine: &Host) -> Option<String> {
    let (_, flow) = mine.kernel.flows().find(|(_, flow)| is_lent(flow))?;
    Some(format!("{} is primary and keeps for {} s {flow}", mine.name, flow.timeout))
}

/// What the backup's kernel lacks of what the primary has told, or keeps of what it has not.
fn kernels_differ(peer: &Host, known: Circumstances<'_>) -> Option<String> {
    let backup = peer.replica()?;
    let full = peer.kernel.count() >= known.kernel_limit;
    for (slot, entry) in backup.external().iter_from(0) {
        let flow = &entry.flow;
        let excused = full || backup.external().failure(slot).is_some();
        let name = Name::of(flow);
        match peer.kernel.get(&name) {
            _ if excused || !known.filter.accepts(flow) => {}
            Some(copy) if copy.reply != flow.reply => {
                return Some(format!("{} translates {copy} where its peer has {flow}", peer.name));
            }
            // Packets of it came here, as they do when VRRP moves the addresses and nobody has said so yet. The record of a
            // peer that is dead by then must not be written over what they did, and that it lives is known when it speaks
            // of the flow again. If it does not, the entry ends in its own time, and is written anew.
            Some(_) if peer.kernel.has_moved(&name) => {}
            Some(copy) if copy.tcp_state != flow.tcp_state || copy.mark != flow.mark => {
                return Some(format!("{} keeps {copy} where its peer has {flow}", peer.name));
            }
            Some(_) => {}
            None => return Some(format!("the kernel of {} lacks {flow}", peer.name)),
        }
    }
    let held = table(backup.external().iter_from(0).map(|(_, entry)| &entry.flow));
    let stale = peer.kernel.flows().find(|(name, flow)| is_lent(flow) && !held.contains_key(name));
    stale.map(|(_, flow)| format!("{} keeps for {} s what its peer has not: {flow}", peer.name, flow.timeout))
}

fn caches_differ(mine: &Host, peer: &Host, full: bool) -> Option<String> {
    let mut told = match &mine.daemon {
        Daemon::None => return None,
        Daemon::Conntrackd(conntrackd) => table(conntrackd.internal()),
        Daemon::Syncd(replica) => internal(replica),
    };
    // conntrackd flushes its internal cache when it takes over, and tells no end of what was only there.
    let forgets = matches!(mine.daemon, Daemon::Conntrackd(_));
    let (mut held, may_hold_more) = match &peer.daemon {
        Daemon::None => return None,
        // Nobody but the stranger who did it can know what it has not got.
        Daemon::Conntrackd(_) if peer.misled => return None,
        // conntrackd never removes what a bulk does not name.
        Daemon::Conntrackd(conntrackd) => (table(conntrackd.external()), true),
        Daemon::Syncd(replica) => {
            (table(replica.external().iter_from(0).map(|(_, entry)| &entry.flow)), forgets)
        }
    };
    if let Daemon::Conntrackd(conntrackd) = &mine.daemon {
        // An echo of its own commit changes its cache and is not told.
        told.retain(|name, _| conntrackd.has_told(name));
        for (name, flow) in &mut held {
            // Of an end, a birth and a change it tells only the change, which leaves a mark of the earlier life.
            flow.mark = told.get(name).map_or(flow.mark, |told| told.mark);
        }
    }
    held.retain(|name, _| !may_hold_more || told.contains_key(name));
    told.retain(|name, _| !full || held.contains_key(name));
    let name = mine.name;
    difference(&told, &held)
        .map(|what| format!("internal cache of {name} and external cache of its peer: {what}"))
}

/// What is expected has no second event and no count: where losses leave no trace, no daemon can know it.
fn expectations_differ(mine: &Host, peer: &Host, coarse: bool) -> Option<String> {
    let (Some(replica), Some(other)) = (mine.replica(), peer.replica()) else { return None };
    let kernels = [mine, peer].into_iter().filter(|_| !coarse);
    let differs = kernels.filter_map(expected_differs).next();
    differs.or_else(|| {
        let mine = waiting(replica.internal_expectations().iter_from(0).map(|(_, entry)| entry));
        let told = waiting(other.external_expectations().iter_from(0).map(|(_, entry)| entry));
        difference_of_expectations(&mine, &told).map(|what| format!("expectations of both: {what}"))
    })
}

/// Only a dump tells of what a mute flow has announced. Of what no replicated flow has, the peer hears nothing.
fn expected_differs(host: &Host) -> Option<String> {
    let replica = host.replica()?;
    let orphaned = |entry: &&ExpectEntry| replica.internal().zone_of(&entry.expectation.parent).is_none();
    let orphan = replica.internal_expectations().iter_from(0).map(|(_, entry)| entry).find(orphaned);
    if let Some(ExpectEntry { expectation, .. }) = orphan {
        return Some(format!("{}: the peer hears of {expectation}, and not of its parent", host.name));
    }
    let heard = |key: &ExpectKey| {
        replica.internal().has(&key.parent.key(0)) && !host.kernel.is_mute(&name_of(&key.parent))
    };
    let truth = host.kernel.expectations().map(|standing| (standing.key(), *standing));
    let truth = truth.filter(|(key, _)| heard(key)).collect();
    let mut held = waiting(replica.internal_expectations().iter_from(0).map(|(_, entry)| entry));
    held.retain(|key, _| heard(key));
    difference_of_expectations(&truth, &held)
        .map(|what| format!("{}: expectations of the kernel and the internal cache: {what}", host.name))
}

fn waiting<'a>(entries: impl Iterator<Item = &'a ExpectEntry>) -> BTreeMap<ExpectKey, Expectation> {
    entries.map(|entry| (entry.expectation.key(), entry.expectation)).collect()
}

fn difference_of_expectations(
    truth: &BTreeMap<ExpectKey, Expectation>,
    held: &BTreeMap<ExpectKey, Expectation>,
) -> Option<String> {
    for (key, expectation) in truth {
        match held.get(key) {
            None => return Some(format!("missing {expectation}")),
            Some(other) if !expectation.same(other) => {
                return Some(format!("true {expectation:?}, held {other:?}"));
            }
            Some(_) => {}
        }
    }
    let stale = held.iter().find(|(key, _)| !truth.contains_key(key));
    stale.map(|(_, expectation)| format!("stale {expectation}"))
}

fn internal(replica: &Replica) -> BTreeMap<Name, Flow> {
    table(replica.internal().iter_from(0).map(|(_, entry)| &entry.flow))
}

fn table<'a>(flows: impl Iterator<Item = &'a Flow>) -> BTreeMap<Name, Flow> {
    flows.map(|flow| (Name::of(flow), *flow)).collect()
}

/// The first difference between what is true and what is held.
fn difference(truth: &BTreeMap<Name, Flow>, held: &BTreeMap<Name, Flow>) -> Option<String> {
    for (name, flow) in truth {
        match held.get(name) {
            None => return Some(format!("missing {flow}")),
            Some(other) if !flow.same_state(other) => {
                let (Status(true_status), Status(held_status)) = (flow.status, other.status);
                return Some(format!(
                    "true {flow} status {true_status:#x}, held {other} status {held_status:#x}"
                ));
            }
            Some(_) => {}
        }
    }
    let stale = held.iter().find(|(name, _)| !truth.contains_key(name));
    stale.map(|(_, flow)| format!("stale {flow}"))
}
