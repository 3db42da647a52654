//! Every check of a scenario that a type alone cannot make.
//!
//! Pure. Collects all mistakes, each with its line and its remedy, and turns what is right into values. Never stops at
//! the first. Driven by `load.rs`; tested in `tests.rs`.

use std::collections::BTreeMap;

use super::event::{Action, Event, EventText, Fault};
use super::expectation::{Expectation, ExpectationText, Sight};
use super::mistake::{Mistake, line_of};
use super::model::{SnapshotPart, SyncKind};
use super::streams::StreamText;
use super::topology::{Topology, VirtualAddresses};
use super::units::{Prefix, Span};

mod transfers;

pub(super) use transfers::{are_transfers, helpers};

/// What the entries of a scenario may name.
#[derive(Default)]
pub(super) struct Known {
    pub(super) routers: Vec<String>,
    pub(super) traffic: Vec<String>,
    /// Those of them that consist of transfers.
    pub(super) transfers: Vec<String>,
    pub(super) sync: BTreeMap<String, SyncKind>,
    /// Whether the daemons are others than the file's author had in mind.
    pub(super) varied: bool,
}

/// The mistakes of one file, and what is needed to find them.
pub(super) struct Checker<'a> {
    file: &'a str,
    text: &'a str,
    pub(super) known: Known,
    pub(super) mistakes: Vec<Mistake>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, known: Known::default(), mistakes: Vec::new() }
    }

    fn mistake(&mut self, keys: &[&str], place: Option<usize>, what: String, remedy: impl Into<String>) {
        let line = line_of(self.text, keys, place);
        self.mistakes.push(Mistake { file: self.file.to_owned(), line, what, remedy: remedy.into() });
    }

    fn router(&mut self, keys: &[&str], place: Option<usize>, name: &str) {
        if !self.known.routers.iter().any(|known| known == name) {
            let known = self.known.routers.join(", ");
            self.mistake(
                keys,
                place,
                format!("no router is called `{name}`"),
                format!("write one of {known}"),
            );
        }
    }

    fn stream(&mut self, keys: &[&str], place: Option<usize>, name: &str) {
        if !self.known.traffic.iter().any(|known| known == name) {
            let known = self.known.traffic.join(", ");
            self.mistake(
                keys,
                place,
                format!("no traffic is called `{name}`"),
                format!("write one of: {known}"),
            );
        }
    }

    /// Whether it can be expected of a router's daemon, which only some can tell: where another one runs than its author
    /// had in mind it is not, else it is a mistake.
    fn tells(&mut self, keys: &[&str], place: usize, name: &str, wanted: &[SyncKind]) -> bool {
        self.router(keys, Some(place), name);
        let can = self.known.sync.get(name).is_none_or(|kind| wanted.contains(kind));
        if !can && !self.known.varied {
            self.mistake(
                keys,
                Some(place),
                format!("the daemon of `{name}` cannot tell this"),
                "let another one run there under `sync`, or expect something else",
            );
        }
        can
    }
}

pub(super) fn topology(topology: &Topology, checker: &mut Checker<'_>) {
    if topology.routers.len() != 2 {
        let what = format!("{} routers", topology.routers.len());
        checker.mistake(&["routers"], None, what, "two routers stand in for each other: give exactly two");
    }
    let priorities: Vec<u8> = topology.routers.values().map(|router| router.priority).collect();
    if priorities.windows(2).any(|pair| pair[0] == pair[1])
        || priorities.contains(&0)
        || priorities.contains(&255)
    {
        checker.mistake(
            &["routers"],
            None,
            "priorities must differ and lie between 1 and 254".to_owned(),
            "255 is the address owner's and 0 means leaving",
        );
    }
    for (place, addresses) in
        [("lan", &topology.virtual_addresses.lan), ("wan", &topology.virtual_addresses.wan)]
    {
        for ipv6 in [false, true] {
            if VirtualAddresses::first(addresses, ipv6).is_none() {
                let what = format!("no virtual address of IPv{} on {place}", if ipv6 { 6 } else { 4 });
                checker.mistake(&["virtual-addresses", place], None, what, "give one of each family");
            }
        }
        let first: Option<&Prefix> = addresses.iter().find(|prefix| prefix.address.is_ipv6());
        if first.is_some_and(|prefix| !prefix.is_link_local()) {
            checker.mistake(
                &["virtual-addresses", place],
                None,
                "the first IPv6 address is not link-local".to_owned(),
                "VRRP demands a link-local address first: put one such as fe80::1:1/64 before the others",
            );
        }
    }
}

pub(super) fn sync(sync: &BTreeMap<String, SyncKind>, checker: &mut Checker<'_>) {
    for name in sync.keys() {
        checker.router(&["sync", name], None, name);
    }
}

pub(super) fn traffic(
    traffic: &BTreeMap<String, Vec<StreamText>>,
    topology: &Topology,
    checker: &mut Checker<'_>,
) {
    for (name, groups) in traffic {
        for (place, group) in groups.iter().enumerate() {
            let keys = ["traffic", name.as_str()];
            if group.helper().is_some() {
                transfers::group(group, &keys, place, topology, checker);
                continue;
            }
            let built = u16::try_from(place).ok().filter(|place| *place < 1000);
            let Some(built) = built.and_then(|place| group.group(place, topology)) else {
                let what = "no address of this family, or more than 1000 groups".to_owned();
                checker.mistake(&keys, Some(place), what, "give client, server and `lan` an address of it");
                continue;
            };
            let spec = crate::traffic::TrafficSpec { groups: vec![built], seed: 0 };
            if let Err(error) = spec.check() {
                checker.mistake(
                    &keys,
                    Some(place),
                    error.to_string(),
                    "per-second is 2 to 1000, bytes 1 to 16384, those of udp and echo 32 to 1400",
                );
            }
        }
    }
}

pub(super) fn timeline(entries: Vec<EventText>, checker: &mut Checker<'_>) -> Vec<Event> {
    let mut events = Vec::new();
    for (place, entry) in entries.into_iter().enumerate() {
        let at = entry.at;
        if let Some(action) = check_event(entry, place, checker) {
            events.push(Event { at, action });
        }
    }
    events
}

fn check_event(entry: EventText, place: usize, checker: &mut Checker<'_>) -> Option<Action> {
    let keys = ["timeline"];
    let mut actions = Vec::new();
    if let Some(name) = entry.start {
        checker.stream(&keys, Some(place), &name);
        actions.push(Action::Start(name));
    }
    if let Some(name) = entry.fulfil {
        transfers::are_meant(&name, &keys, place, checker);
        actions.push(Action::Fulfil(name));
    }
    match (entry.fault, entry.node) {
        (Some(fault), Some(node)) => {
            check_fault(fault, &node, place, checker);
            actions.push(Action::Fault(fault, node));
        }
        (None, None) => {}
        _ => checker.mistake(
            &keys,
            Some(place),
            "`fault` and `node` belong together".to_owned(),
            "write `fault: kill-router, node: r1`",
        ),
    }
    for (name, action) in [
        (entry.boot, Action::Boot as fn(String) -> Action),
        (entry.start_vrrp, Action::StartVrrp),
        (entry.start_daemon, Action::StartDaemon),
    ] {
        if let Some(name) = name {
            checker.router(&keys, Some(place), &name);
            actions.push(action(name));
        }
    }
    actions.extend(entry.weather.map(Action::Weather));
    actions.extend(entry.births.map(Action::Births));
    if let Some(wait) = entry.wait {
        let mistakes = checker.mistakes.len();
        let expectation = check_expectation(&wait, &keys, place, checker);
        if expectation.is_none() && checker.mistakes.len() == mistakes {
            // Nobody could tell it.
            return None;
        }
        actions.extend(expectation.map(Action::Wait));
    }
    if actions.len() != 1
        && !checker.mistakes.iter().any(|mistake| mistake.line == line_of(checker.text, &keys, Some(place)))
    {
        checker.mistake(
            &keys,
            Some(place),
            format!("{} actions in one entry", actions.len()),
            "give exactly one of start, fulfil, fault, boot, start-vrrp, start-daemon, weather, births, wait",
        );
    }
    actions.pop()
}

fn check_fault(fault: Fault, node: &str, place: usize, checker: &mut Checker<'_>) {
    if fault == Fault::KillDaemon {
        checker.tells(&["timeline"], place, node, &[SyncKind::Syncd, SyncKind::Conntrackd]);
    } else {
        checker.router(&["timeline"], Some(place), node);
    }
}

pub(super) fn expectations(entries: &[ExpectationText], checker: &mut Checker<'_>) -> Vec<Expectation> {
    let mut expectations = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        expectations.extend(check_expectation(entry, &["expect"], place, checker));
    }
    expectations
}

fn check_expectation(
    entry: &ExpectationText,
    keys: &[&str],
    place: usize,
    checker: &mut Checker<'_>,
) -> Option<Expectation> {
    let mut sights = Vec::new();
    if let Some(node) = &entry.primary {
        checker.router(keys, Some(place), node);
        sights.push(Sight::Primary(node.clone()));
    }
    match (&entry.streams, entry.alive) {
        (Some(streams), Some(share)) => {
            transfers::are_not_meant(streams, keys, place, checker);
            sights.push(Sight::Alive(streams.clone(), share));
        }
        (None, None) => {}
        _ => checker.mistake(
            keys,
            Some(place),
            "`streams` and `alive` belong together".to_owned(),
            "write `streams: NAME, alive: 100%`",
        ),
    }
    transfers::sights(entry, keys, place, checker, &mut sights);
    if let Some(node) = &entry.kept {
        checker.router(keys, Some(place), node);
        sights.push(Sight::Kept(node.clone()));
    }
    let mut untold = false;
    let complete = match entry.cache_complete.as_ref().and_then(|node| checker.known.sync.get(node)) {
        Some(SyncKind::Conntrackd) => Sight::CacheComplete,
        _ => Sight::CacheEqual as fn(String) -> Sight,
    };
    let told = [
        (&entry.in_sync, Sight::InSync as fn(String) -> Sight, &[SyncKind::Syncd][..]),
        (&entry.cache_equal, Sight::CacheEqual, &[SyncKind::Syncd, SyncKind::Conntrackd]),
        (&entry.cache_complete, complete, &[SyncKind::Syncd, SyncKind::Conntrackd]),
        (&entry.committed, Sight::Committed, &[SyncKind::Syncd, SyncKind::Conntrackd]),
    ];
    for (node, sight, by) in told {
        if let Some(node) = node {
            untold |= !checker.tells(keys, place, node, by);
            sights.push(sight(node.clone()));
        }
    }
    if sights.len() != 1 {
        checker.mistake(
            keys,
            Some(place),
            format!("{} subjects in one expectation", sights.len()),
            "give exactly one of primary, streams with alive, transfers with complete, in-sync, cache-equal, cache-complete, \
             committed, kept, expectations, expectations-committed",
        );
    }
    if entry.within == Span::default() {
        let what = "`within: 0s` can never be met".to_owned();
        checker.mistake(keys, Some(place), what, "give it time");
    }
    sights.pop().filter(|_| !untold).map(|seen| Expectation {
        seen,
        within: entry.within,
        stable: entry.stable,
    })
}

/// The parts that can be told.
pub(super) fn snapshot(parts: Vec<SnapshotPart>, checker: &mut Checker<'_>) -> Vec<SnapshotPart> {
    parts
        .into_iter()
        .filter(|part| match part {
            SnapshotPart::Roles | SnapshotPart::Link => true,
            SnapshotPart::Flows(node) => {
                checker.router(&["snapshot"], None, node);
                true
            }
            SnapshotPart::Statistics(node, _) => {
                checker.router(&["snapshot"], None, node);
                let told = checker.known.sync.get(node).is_none_or(|kind| *kind == SyncKind::Syncd);
                if !told && !checker.known.varied {
                    let what = format!("the daemon of `{node}` has no statistics that a snapshot could hold");
                    checker.mistake(&["snapshot"], None, what, "leave them out");
                }
                told
            }
        })
        .collect()
}
