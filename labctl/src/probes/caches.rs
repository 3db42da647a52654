//! Whether an external cache holds what the peer's kernel holds.
//!
//! Pure: both sides are given as values. A flow is compared by what a commit would need: tuples, NAT, mark, TCP state, shifts;
//! timeouts and what changes by itself are left out. conntrackd does not tell a cached flow's reply tuple and
//! shifts, so that there they are left to the failover itself. Flows that are one to conntrackd's dialect (GRE, UDPlite)
//! are one here. Driven by `lab`; tested in `caches/tests.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use super::flows::{SeenFlow, SeenPorts, SeenTuple, Shift};
use super::syncd::{CachedFlow, CachedTuple};
use crate::scenario::Prefix;

#[cfg(test)]
mod tests;

/// Protocols that the daemons are told to replicate (ICMP, TCP, UDP, ICMPv6), and after those the ones that a `reload` lets in.
const REPLICATED: [u8; 6] = [1, 6, 17, 58, GRE, UDPLITE];
/// Of whose flows no daemon can tell the keys, or ports.
const GRE: u8 = 47;
const UDPLITE: u8 = 136;

/// What a flow is, for the comparison.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    protocol: u8,
    zone: u16,
    original: SeenTuple,
}

/// What is compared of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Worth {
    /// Unknown where the daemon does not tell it.
    reply: Option<SeenTuple>,
    state: Option<String>,
    mark: u32,
    /// Unknown where the daemon does not tell it.
    shifts: Option<[Shift; 2]>,
}

/// For whoever looks for a difference: `ESTABLISHED, mark 7, reply 198.51.100.10:80>198.51.100.1:4711`.
impl fmt::Display for Worth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reply, state, mark, shifts } = self;
        write!(f, "{}, mark {mark}", state.as_deref().unwrap_or("no state"))?;
        if let Some(reply) = reply {
            write!(f, ", reply {reply}")?;
        }
        shifts.map_or(Ok(()), |shifts| write!(f, ", sequence numbers shifted by {shifts:?}"))
    }
}

/// Flows by key.
pub(crate) type Table = BTreeMap<Key, Worth>;

/// The difference of two tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Flows of the kernel.
    pub(crate) kernel: usize,
    /// Flows of the cache.
    pub(crate) cached: usize,
    /// In the kernel only.
    pub(crate) missing: usize,
    /// In the cache only.
    pub(crate) extra: usize,
    /// In both, but not equal.
    pub(crate) different: usize,
    /// One of those flows, for whoever looks for the reason.
    pub(crate) example: Option<String>,
}

impl Difference {
    /// Between a kernel's table and a cache.
    #[must_use]
    pub(crate) fn between(kernel: &Table, cache: &Table) -> Self {
        let mut found = Self { kernel: kernel.len(), cached: cache.len(), ..Self::default() };
        for (key, ours) in kernel {
            let theirs = cache.get(key);
            match theirs {
                None => found.missing += 1,
                Some(theirs) if !equal(ours, theirs) => found.different += 1,
                Some(_) => continue,
            }
            let theirs = theirs.map_or_else(|| "nothing".to_owned(), ToString::to_string);
            found.example.get_or_insert_with(|| format!("{}: kernel {ours}; cache {theirs}", key.original));
        }
        for (key, theirs) in cache.iter().filter(|(key, _)| !kernel.contains_key(key)) {
            found.extra += 1;
            found.example.get_or_insert_with(|| format!("{}: kernel nothing; cache {theirs}", key.original));
        }
        found
    }

    /// Between two sets, of which an element is known wholly or not at all.
    pub(crate) fn between_sets<T: Ord + fmt::Debug>(kernel: &BTreeSet<T>, cache: &BTreeSet<T>) -> Self {
        let missing: Vec<&T> = kernel.difference(cache).collect();
        let extra: Vec<&T> = cache.difference(kernel).collect();
        Self {
            kernel: kernel.len(),
            cached: cache.len(),
            missing: missing.len(),
            extra: extra.len(),
            different: 0,
            example: missing.first().or(extra.first()).map(|example| format!("{example:?}")),
        }
    }

    /// Of two tables whose sizes alone say that they are far from equal; None otherwise. The kernel also counts what the
    /// daemons are not told to replicate, and flows that are about to go.
    #[must_use]
    pub(crate) fn counted(kernel: u64, cached: u64) -> Option<Self> {
        const FAR: u64 = 1_000;
        let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        (kernel.abs_diff(cached) > FAR).then(|| Self {
            kernel: number(kernel),
            cached: number(cached),
            missing: number(kernel.saturating_sub(cached)),
            extra: number(cached.saturating_sub(kernel)),
            different: 0,
            example: Some("none: they were only counted".to_owned()),
        })
    }

    /// Whether the tables hold the same.
    #[must_use]
    pub(crate) const fn is_none(&self) -> bool {
        self.missing + self.extra + self.different == 0
    }

    /// Whether the cache holds all that the kernel holds.
    #[must_use]
    pub(crate) const fn is_complete(&self) -> bool {
        self.missing + self.different == 0
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, cached, missing, extra, different, example } = self;
        write!(
            f,
            "{kernel} flows in the kernel, {cached} in the cache, {missing} missing, {extra} extra, {different} different"
        )?;
        example.as_ref().map_or(Ok(()), |example| write!(f, ", such as {example}"))
    }
}

fn equal(ours: &Worth, theirs: &Worth) -> bool {
    // A daemon that tells no reply tells no shift either.
    let told = ours.reply.is_some() && theirs.reply.is_some();
    let rest = !told || (ours.reply == theirs.reply && ours.shifts == theirs.shifts);
    rest && ours.state == theirs.state && ours.mark == theirs.mark
}

/// What of a table is the same in the kernel that takes over, whatever becomes of the streams meanwhile.
#[must_use]
pub(crate) fn lasting(mut table: Table) -> Table {
    table.values_mut().for_each(|worth| worth.state = None);
    table
}

/// A kernel's table as the daemons' filter leaves it: their protocols, and nobody of the dedicated link or loopback.
#[must_use]
pub(crate) fn of_kernel(flows: &[SeenFlow], ignored: Prefix) -> Table {
    let local = |address: IpAddr| address.is_loopback() || ignored.contains(address);
    let kept = flows.iter().filter(|flow| {
        let ends = [flow.original.source, flow.original.target];
        REPLICATED.contains(&flow.protocol) && !ends.into_iter().any(local)
    });
    let worth = |flow: &SeenFlow| Worth {
        reply: Some(sayable(flow.protocol, flow.reply)),
        state: flow.tcp_state_name().map(str::to_owned),
        mark: flow.mark,
        shifts: flow.shifts,
    };
    let key = |flow: &SeenFlow| {
        let original = sayable(flow.protocol, flow.original);
        Key { protocol: flow.protocol, zone: flow.zone, original }
    };
    kept.map(|flow| (key(flow), worth(flow))).collect()
}

/// A cache, and what of the `wanted` flows is not in it but in its router's own kernel.
#[must_use]
pub(crate) fn with_kernel(mut cache: Table, own: Table, wanted: &Table) -> Table {
    for (key, worth) in own.into_iter().filter(|(key, _)| wanted.contains_key(key)) {
        cache.entry(key).or_insert(worth);
    }
    cache
}

/// A cache as syncd tells it.
#[must_use]
pub(crate) fn of_syncd(flows: &[CachedFlow]) -> Table {
    let entry = |flow: &CachedFlow| {
        let protocol = flow.protocol_number;
        let said = |told| sayable(protocol, tuple(told));
        let key = Key { protocol, zone: flow.zone, original: said(&flow.original) };
        let shift = |[position, before, after]: [i64; 3]| Shift {
            position: position as u32,
            before: before as i32,
            after: after as i32,
        };
        let shifts = flow.sequence.map(|shifts| shifts.map(shift));
        // No mark and mark 0 are the same to a kernel.
        let mark = flow.mark.unwrap_or(0);
        (key, Worth { reply: Some(said(&flow.reply)), state: flow.state.clone(), mark, shifts })
    };
    flows.iter().map(entry).collect()
}

/// What one router can tell the other of a tuple.
fn sayable(protocol: u8, tuple: SeenTuple) -> SeenTuple {
    if matches!(protocol, GRE | UDPLITE) { SeenTuple { ports: SeenPorts::Nothing, ..tuple } } else { tuple }
}

/// A tuple as syncd tells it.
pub(super) fn tuple(told: &CachedTuple) -> SeenTuple {
    let ports = match (told.source_port, told.target_port, told.icmp_id) {
        (Some(source), Some(target), _) => SeenPorts::Ports { source, target },
        (_, _, Some(id)) => SeenPorts::Echo {
            id,
            kind: told.icmp_type.unwrap_or_default(),
            code: told.icmp_code.unwrap_or_default(),
        },
        _ => SeenPorts::Nothing,
    };
    SeenTuple { source: told.source, target: told.target, ports }
}

/// A cache as `conntrackd -e` prints it, one flow per line; lines that are no flow are passed over.
#[must_use]
pub(crate) fn of_conntrackd(text: &str) -> Table {
    text.lines().filter_map(conntrackd_line).collect()
}

/// `tcp      6 ESTABLISHED src=10.1.0.2 dst=10.2.0.2 sport=33602 dport=5055 [ASSURED] mark=42 [active since 3s]`
fn conntrackd_line(line: &str) -> Option<(Key, Worth)> {
    let mut words = line.split_whitespace();
    words.next()?;
    let protocol: u8 = words.next()?.parse().ok()?;
    let words: Vec<&str> = words.collect();
    let state = words.first().filter(|word| !word.contains('=')).map(|word| (*word).to_owned());
    let value = |key: &str| words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    let number = |key: &str| value(key)?.parse::<u32>().ok();
    let small = |key: &str| u16::try_from(number(key)?).ok();
    let byte = |key: &str| u8::try_from(number(key)?).ok();
    let ports = match (small("sport"), small("dport"), small("id")) {
        (Some(source), Some(target), _) => SeenPorts::Ports { source, target },
        (_, _, Some(id)) => SeenPorts::Echo { id, kind: byte("type")?, code: byte("code")? },
        _ => SeenPorts::Nothing,
    };
    let original =
        SeenTuple { source: value("src")?.parse().ok()?, target: value("dst")?.parse().ok()?, ports };
    let zone = small("zone").unwrap_or(0);
    let worth = Worth { reply: None, state, mark: number("mark").unwrap_or(0), shifts: None };
    Some((Key { protocol, zone, original }, worth))
}

/// How many flows the external cache holds, as `conntrackd -s` prints it.
#[must_use]
pub(crate) fn count_of_conntrackd(text: &str) -> Option<u64> {
    let (_, external) = text.split_once("cache external:")?;
    let line = external.lines().find_map(|line| line.strip_prefix("current active connections:"))?;
    line.trim().parse().ok()
}
