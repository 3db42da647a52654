//! What must hold after every step, whatever goes wrong. It looks at datagrams and tables from outside and
//! believes nothing the replica says about itself, except where it demands that something was said.
//!
//! - A frame tells only of flows that the sender's kernel had at some time.
//! - What a router holds of its peer was told by the peer, and is never older than what it held before.
//! - What a router acknowledges, it holds; what was acknowledged survives a failover.
//! - A backup tells no news and no ends; a commit's echo is no news.
//! - Tables keep to their limits. Lost reliability is never silent, and a silent peer is noticed.
//!
//! A violation is a sentence. Driven by the world; whether both routers know the same in the end is judged in
//! `convergence.rs`.

mod expectations;
mod promises;
mod room;

use std::collections::{BTreeMap, BTreeSet};

use syncd_core::flow::{AttrSet, Change, Flow};
use syncd_core::ftfw::SILENCE;
use syncd_core::replica::{Errno, Notice, Replica, Stats, Sync};
use syncd_core::time::{Duration, Instant};
use syncd_core::wire::{Control, Flags, SeqRange, decode_flow, frames};

use expectations::Announced;
use room::{Unkept, Unnamed};

use crate::host::{Daemon, Host};
use crate::kernel::Name;
use crate::trace::{Glance, Side};

/// So long after a start, datagrams of the life before may still be under way and be believed.
const GRACE: Duration = Duration::from_secs(3);

/// One frame about a flow that was sent and not acknowledged.
#[derive(Clone, Copy, Debug)]
struct Told {
    name: Name,
    change: Change,
    greeting: bool,
}

/// What is known of one side.
#[derive(Debug, Default)]
struct Known {
    /// The machine.
    name: &'static str,
    /// Flows of which only the machine that was here before has told.
    strange: BTreeSet<Name>,
    /// Everything it told of each flow, in order; `None` is an end.
    history: BTreeMap<Name, Vec<Option<Flow>>>,
    /// Frames of this life that were not acknowledged, by number.
    told: BTreeMap<u32, Told>,
    /// Numbers under which a stranger has sent something in a conntrackd's name: to whoever heard that, the true frame of the
    /// same number is a copy.
    forged: BTreeSet<u32>,
    /// The newest frame of each flow.
    newest: BTreeMap<Name, u32>,
    /// Flows the peer has acknowledged and not been told the end of, and when it did.
    acknowledged: BTreeMap<Name, Instant>,
    /// For each flow the peer told: what this side holds is at least as new as this element of the history.
    bound: BTreeMap<Name, usize>,
    started: Instant,
    /// When a datagram arrived last.
    heard: Instant,
    /// Flows that lived in the kernel when the router crashed, and since when they had.
    last_will: Option<BTreeMap<Name, Instant>>,
    /// Flows that must be in the kernel once the commit is done, and since when.
    promised: Option<(Instant, BTreeSet<Name>)>,
    /// Flows that must be in the kernel once what the peer yielded is adopted, and since when.
    adopting: Option<(Instant, BTreeSet<Name>)>,
    /// Datagrams that were taken in since the numbers began.
    seen: BTreeSet<u64>,
    /// Flows of its own that found no room in its internal cache.
    unnamed: Unnamed,
    /// Flows of its peer that found no room in its external cache.
    unkept: Unkept,
    announced: Announced,
    said: Said,
}

/// How often each loss of reliability was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Said {
    peer_lost: u64,
    sending_stuck: u64,
    receiving_stuck: u64,
    overruns: u64,
    ends_forgotten: u64,
    hellos: u64,
    mismatches: u64,
    internal_full: bool,
    external_full: bool,
}

/// The judge.
#[derive(Debug)]
pub struct Oracle {
    sides: [Known; 2],
    /// Flows that survived failovers because they had been acknowledged.
    pub kept: u64,
    /// Flows that were taken over from a peer that yielded.
    pub adopted: u64,
    /// Flows that a router which stood by had left over, and removed.
    pub leftovers: u64,
    /// Expectations that survived failovers because they had been acknowledged.
    pub expected: u64,
}

type Verdict = Result<(), String>;

impl Default for Oracle {
    fn default() -> Self {
        let known = |side: Side| Known { name: side.first_name(), ..Known::default() };
        Self { sides: Side::BOTH.map(known), kept: 0, adopted: 0, leftovers: 0, expected: 0 }
    }
}

impl Oracle {
    /// Another machine takes the place of one that is gone for good. What that one told may still wait in the socket of
    /// the peer; this one must not tell it.
    pub fn replaced(&mut self, side: Side, name: &'static str) {
        let known = &mut self.sides[side.index()];
        known.name = name;
        known.strange = known.history.keys().copied().collect();
    }

    fn name(&self, side: Side) -> &'static str {
        self.sides[side.index()].name
    }

    /// A daemon starts.
    pub fn started(&mut self, side: Side, now: Instant) {
        self.forget(side);
        let known = &mut self.sides[side.index()];
        (known.started, known.heard) = (now, now);
        if known.last_will.take().is_some() {
            // It is back with an empty table, and the peer will learn so.
            known.acknowledged.clear();
            known.unnamed.clear();
            known.announced.forget_acknowledged();
        }
    }

    /// A daemon crashes, with its kernel or without.
    pub fn crashed(&mut self, side: Side, kernel: Option<&Host>) {
        self.forget(side);
        if let Some(host) = kernel {
            let born = |name| host.kernel.born(name).expect("whatever lives was born");
            let flows = host.kernel.flows().filter(|(name, _)| !host.overlooks(name));
            let flows = flows.map(|(name, _)| (*name, born(name))).collect();
            self.sides[side.index()].last_will = Some(flows);
            self.sides[side.index()].announced.crash(host);
        } else {
            self.sides[side.index()].last_will = None;
            self.sides[side.index()].announced.forget_will();
        }
    }

    fn forget(&mut self, side: Side) {
        let known = &mut self.sides[side.index()];
        known.told.clear();
        known.forged.clear();
        known.newest.clear();
        known.bound.clear();
        known.announced.forget();
        (known.promised, known.adopting, known.said) = (None, None, Said::default());
        known.unkept = Unkept::default();
        known.seen.clear();
        // What the peer acknowledged before, it still holds. What we hold is gone, whoever was acknowledged.
        let peer = &mut self.sides[side.other().index()];
        peer.acknowledged.clear();
        peer.announced.forget_acknowledged();
        peer.bound.clear();
    }

    /// After an input that is no datagram: `quiet` says that it must not have made news.
    pub fn fed(&self, side: Side, before: Glance, after: Glance, replica: &Replica, quiet: bool) -> Verdict {
        let standing_by = !replica.role().replicates();
        if (quiet || standing_by) && after.unsettled() > before.unsettled() {
            let why = if quiet { "an echo of a commit" } else { "a change in the kernel of a backup" };
            return Err(format!("{}: {why} became news", self.name(side)));
        }
        let (internal, external) = (replica.internal(), replica.external());
        if internal.len() + internal.dead() > internal.limit() || external.len() > external.limit() {
            return Err(format!("{}: a cache exceeds its limit", self.name(side)));
        }
        Ok(())
    }

    /// A datagram leaves `side`.
    pub fn sent(&mut self, side: Side, bytes: &[u8], hosts: &[Host; 2], now: Instant) -> Verdict {
        let host = &hosts[side.index()];
        for frame in frames(bytes) {
            let view =
                frame.map_err(|bad| format!("{} sent a frame that is none: {bad:?}", self.name(side)))?;
            if let Some(Control::Ack(range)) = view.control() {
                self.acknowledges(side, range, hosts, now)?;
            }
            if view.expectation_change().is_some() {
                self.sent_expectation(side, &view, host)?;
            }
            if view.change().is_none() {
                continue;
            }
            let decoded = decode_flow(&view).map_err(|error| format!("{} sent: {error}", self.name(side)))?;
            let (name, change) = (Name::of(&decoded.flow), decoded.change);
            if host.kernel.born(&name).is_none() && !self.inherited(side, &name) {
                return Err(format!(
                    "{} told of a flow its kernel never had: {}",
                    self.name(side),
                    decoded.flow
                ));
            }
            let standing_by = host.replica().is_some_and(|replica| !replica.role().replicates());
            if change == Change::Destroy && standing_by {
                return Err(format!("{} told an end while standing by: {}", self.name(side), decoded.flow));
            }
            let known = &mut self.sides[side.index()];
            known.strange.remove(&name);
            let said = (change != Change::Destroy).then_some(decoded.flow);
            let history = known.history.entry(name).or_default();
            if history.last() != Some(&said) {
                history.push(said);
            }
            let greeting = view.flags().has(Flags::HELLO);
            known.told.insert(view.seq().0, Told { name, change, greeting });
            known.newest.insert(name, view.seq().0);
            if change == Change::Destroy {
                known.acknowledged.remove(&name);
                if let Some((_, promised)) = &mut self.sides[side.other().index()].promised {
                    promised.remove(&name);
                }
            }
        }
        Ok(())
    }

    /// Whether the flow was told by this side before its router crashed.
    fn inherited(&self, side: Side, name: &Name) -> bool {
        let known = &self.sides[side.index()];
        known.history.contains_key(name) && !known.strange.contains(name)
    }

    /// `side` says that it has these frames of its peer.
    fn acknowledges(&mut self, side: Side, range: SeqRange, hosts: &[Host; 2], now: Instant) -> Verdict {
        let (host, peer) = (&hosts[side.index()], &hosts[side.other().index()]);
        let known = &mut self.sides[side.other().index()];
        let mut names = Vec::new();
        let mut seq = range.from;
        for _ in 0..range.len().min(100_000) {
            if let Some(told) = known.told.remove(&seq.0)
                && known.newest.get(&told.name) == Some(&seq.0)
                && told.change != Change::Destroy
                && !told.greeting
                && !known.forged.contains(&seq.0)
            {
                names.push(told.name);
            }
            seq = seq.next();
        }
        let Daemon::Syncd(replica) = &host.daemon else { return Ok(()) };
        self.acknowledges_expectations(side, range, replica, hosts, now)?;
        if names.is_empty() {
            return Ok(());
        }
        let known = &mut self.sides[side.other().index()];
        let held = external_names(replica);
        // What it has committed meanwhile it holds no more. Of a life that its daemon has not heard of, the peer has not
        // told.
        let told = |name: &&Name| held.contains(name) && !peer.lags_behind(name);
        for name in names.iter().filter(told) {
            known.acknowledged.insert(*name, now);
            known.unnamed.acknowledged(name);
        }
        // What has ended meanwhile a resync may have swept: a peer that stands by tells no ends. Nor does it name, when it is
        // asked, what it only keeps as a copy, although it may have told of an earlier life of that.
        let keeps = |flow: &Flow| peer.replica().is_some_and(|replica| holds_copy(replica, flow));
        let lives = |name: &Name| peer.kernel.get(name).is_some_and(|flow| !keeps(flow));
        let lost = |name: &&Name| !held.contains(name) && host.kernel.born(name).is_none() && lives(name);
        if now.since(known.started) < GRACE {
            return Ok(());
        }
        let unkept = &self.sides[side.index()].unkept;
        match names.iter().filter(lost).find(|name| !unkept.has(name)) {
            None => Ok(()),
            Some(name) => Err(format!("{} acknowledged and does not hold {name:?}", self.name(side))),
        }
    }

    /// `side` has had a turn: it must not believe to be in sync with a peer that nobody has heard for long.
    pub fn turned(&self, side: Side, sync: Sync, now: Instant) -> Verdict {
        let silent = now.since(self.sides[side.index()].heard) > SILENCE + Duration::from_millis(10);
        let lost = matches!(sync, Sync::PeerLost { .. });
        if silent && !lost {
            Err(format!("{} does not notice that its peer is silent", self.name(side)))
        } else {
            Ok(())
        }
    }

    /// `side`, which stands by, has removed flows from its kernel: only what its peer says has ended or, where it
    /// `purges`, what it would commit.
    pub fn removed(&mut self, side: Side, names: &[Name], purges: bool, hosts: &[Host; 2]) -> Verdict {
        if names.is_empty() {
            return Ok(());
        }
        let history = &self.sides[side.other().index()].history;
        let ended = |name: &&Name| history.get(*name).is_some_and(|told| told.contains(&None));
        let held = hosts[side.index()].replica().map(external_names).unwrap_or_default();
        let safe = |name: &&Name| held.contains(*name);
        self.leftovers += names.len() as u64;
        match names.iter().find(|name| !(ended(name) || purges && safe(name))) {
            None => Ok(()),
            Some(name) => {
                Err(format!("{} stands by and removed {name:?}, which nobody ended", self.name(side)))
            }
        }
    }

    /// A datagram has arrived at `side` and was taken in.
    pub fn arrived(&mut self, side: Side, bytes: &[u8], replica: &Replica, now: Instant) -> Verdict {
        self.sides[side.index()].heard = now;
        // What the datagram says last of each flow.
        let mut names = BTreeMap::new();
        for view in frames(bytes).flatten() {
            if let Ok(decoded) = decode_flow(&view) {
                names.insert(Name::of(&decoded.flow), decoded.change);
            }
        }
        if names.is_empty() {
            return Ok(());
        }
        let held: BTreeMap<Name, Flow> = replica
            .external()
            .iter_from(0)
            .map(|(_, entry)| (Name::of(&entry.flow), entry.flow))
            .filter(|(name, _)| names.contains_key(name))
            .collect();
        let told = names.iter().filter(|(_, change)| **change != Change::Destroy).map(|(name, _)| *name);
        let unkept = &mut self.sides[side.index()].unkept;
        unkept.arrived(told, |name| held.contains_key(name), replica.stats());
        let peer = &self.sides[side.other().index()];
        let graced = now.since(peer.started) < GRACE;
        let mut bounds = Vec::new();
        for (name, change) in names {
            let flow = held.get(&name);
            if flow.is_none() && change != Change::Destroy {
                // It came late or twice, or was committed meanwhile.
                continue;
            }
            let from = if graced { 0 } else { peer_bound(&self.sides[side.index()], &name) };
            let history = peer.history.get(&name).map_or(&[][..], Vec::as_slice);
            let found = history[from.min(history.len())..].iter().position(|told| agrees(*told, flow));
            match (found, flow) {
                (Some(index), _) if !graced => bounds.push((name, from + index)),
                (Some(_), _) | (None, None) => {}
                (None, Some(flow)) => {
                    let what = if history.iter().any(|told| agrees(*told, Some(flow))) {
                        "older than before"
                    } else {
                        "never told"
                    };
                    return Err(format!("{} holds a state that is {what}: {flow}", self.name(side)));
                }
            }
        }
        self.sides[side.index()].bound.extend(bounds);
        Ok(())
    }

    /// A datagram has arrived at `side`, perhaps for the second time. The second time it changes nothing.
    pub fn arrived_once(
        &mut self,
        side: Side,
        number: u64,
        bytes: &[u8],
        before: &Stats,
        after: &Stats,
    ) -> Verdict {
        let known = &mut self.sides[side.index()];
        let numbers = |stats: &Stats| (stats.ftfw.hello_episodes, stats.ftfw.receiving_stuck);
        if numbers(before) != numbers(after) {
            known.seen.clear();
        }
        let again = !known.seen.insert(number);
        let greets = frames(bytes).flatten().any(|view| view.hello());
        if again && !greets && before.external != after.external {
            return Err(format!("{} has accepted a datagram twice: {before:?} {after:?}", self.name(side)));
        }
        Ok(())
    }

    /// A stranger's datagram is about to arrive at `side`, which may take it for its peer's.
    pub fn intruded(&mut self, side: Side, bytes: &[u8], hosts: &[Host; 2], now: Instant) {
        let peer = &mut self.sides[side.other().index()];
        peer.started = now;
        if let Daemon::Conntrackd(_) = hosts[side.other().index()].daemon {
            // Nor does it wonder at an answer to a hello that was not its own, as we do, and begin anew.
            peer.forged.extend(frames(bytes).flatten().map(|view| view.seq().0));
        }
        self.sides[side.index()].bound.clear();
    }

    /// `side` may have said in this turn that the numbers of its peer go back. What is older may be believed, and what is
    /// acknowledged may be put aside, until the resync that follows is answered; also what this turn acknowledges.
    pub fn follows_other_numbers(&mut self, side: Side, notices: &[Notice], now: Instant) {
        if notices.iter().any(|notice| matches!(notice, Notice::PeerHello | Notice::ReceivingStuck)) {
            self.sides[side.other().index()].started = now;
            self.sides[side.index()].bound.clear();
        }
    }

    /// What `side` told its operator in this turn.
    pub fn notices(&mut self, side: Side, notices: &[Notice], stats: &Stats, hosts: &[Host; 2]) -> Verdict {
        let known = &mut self.sides[side.index()];
        let said = &mut known.said;
        let (mut committed, mut caught_up) = (false, false);
        for notice in notices {
            match notice {
                Notice::PeerLost => said.peer_lost += 1,
                Notice::SendingStuck => said.sending_stuck += 1,
                Notice::ReceivingStuck => said.receiving_stuck += 1,
                Notice::EventsLost => said.overruns += 1,
                Notice::EndsForgotten { flows } => said.ends_forgotten += u64::from(*flows),
                Notice::PeerHello => said.hellos += 1,
                Notice::CacheFull { internal: true, .. } => said.internal_full = true,
                Notice::CacheFull { internal: false, .. } => said.external_full = true,
                Notice::CountDiffers { .. } => said.mismatches += 1,
                Notice::CommitDone { .. } => committed = true,
                Notice::CaughtUp { .. } => caught_up = true,
                Notice::ExpectationFailed { wanted, error: Errno::ENOMEM } => {
                    known.announced.excuse(&wanted.key());
                }
                _ => {}
            }
        }
        let entered = notices.iter().any(|notice| matches!(notice, Notice::RoleEntered { .. }));
        if entered {
            self.sides[side.index()].adopting = None;
        }
        if committed || entered {
            // What was committed has left the external cache.
            self.sides[side.other().index()].acknowledged.clear();
            self.sides[side.other().index()].announced.forget_acknowledged();
        }
        let known = &mut self.sides[side.index()];
        let said = &mut known.said;
        let Some(replica) = hosts[side.index()].replica() else { return Ok(()) };
        let due = Said {
            peer_lost: stats.ftfw.peer_lost,
            sending_stuck: stats.ftfw.sending_stuck,
            receiving_stuck: stats.ftfw.receiving_stuck,
            overruns: stats.kernel.overruns,
            ends_forgotten: stats.ftfw.ends_forgotten,
            hellos: stats.ftfw.hello_episodes,
            mismatches: stats.kernel.count_mismatches,
            internal_full: stats.internal.create_failed > 0,
            external_full: stats.external.create_failed > 0,
        };
        known.unkept.turned(stats, caught_up);
        if *said != due {
            return Err(format!(
                "{} lost reliability in silence: told {said:?}, happened {due:?}",
                known.name
            ));
        }
        if committed { self.committed(side, replica, hosts) } else { Ok(()) }
    }
}

fn peer_bound(known: &Known, name: &Name) -> usize {
    known.bound.get(name).copied().unwrap_or(0)
}

/// Whether a router has created the flow for its peer, and nothing else.
fn holds_copy(replica: &Replica, flow: &Flow) -> bool {
    let internal = replica.internal();
    internal.slot(&flow.key()).is_some_and(|slot| internal.holds_copy(slot))
}

fn external_names(replica: &Replica) -> BTreeSet<Name> {
    crate::kernel::names(replica.external().iter_from(0).map(|(_, entry)| &entry.flow))
}

/// Whether what is held is what was told, in everything that was told.
fn agrees(told: Option<Flow>, held: Option<&Flow>) -> bool {
    match (told, held) {
        (None, None) => true,
        (Some(told), Some(held)) => {
            let same = |attr, equal: bool| !told.has(attr) || equal;
            same(AttrSet::REPLY, told.reply == held.reply)
                && same(AttrSet::STATUS, told.status == held.status)
                && same(AttrSet::MARK, told.mark == held.mark)
                && same(AttrSet::TCP_STATE, told.tcp_state == held.tcp_state)
        }
        _ => false,
    }
}
