//! Every check of a scenario that a type alone cannot make.
//!
//! Pure. Collects all mistakes, each with its line and its remedy, and turns what is right into values. Never stops at
//! the first. Timeline and expectations are beside. Driven by `load.rs`; tested in `tests.rs`.

mod expectations;
mod timeline;
mod transfers;

use std::collections::BTreeMap;

use super::mistake::{Mistake, line_of};
use super::model::{SnapshotPart, SyncKind, SyncdText};
use super::size::Scale;
use super::streams::{Path, StreamKind, StreamText};
use super::topology::{Hosts, Topology, VirtualAddresses};
use super::units::Prefix;

pub(super) use expectations::expectations;
pub(super) use timeline::timeline;
pub(super) use transfers::{are_transfers, helpers};

/// What the entries of a scenario may name, and how large it is to be.
#[derive(Default)]
pub(super) struct Known {
    pub(super) scale: Scale,
    /// There is a second pair of hosts.
    pub(super) second: bool,
    /// keepalived goes by the track files of the daemons.
    pub(super) tracked: bool,
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
            let needed = !ipv6 || topology.by_hand.is_none();
            if needed && VirtualAddresses::first(addresses, ipv6).is_none() {
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

/// keepalived adds three times the weight at most, and takes 254 for a fault.
pub(super) fn track_file(wanted: bool, topology: &Topology, checker: &mut Checker<'_>) {
    const FARTHEST: u8 = 74;
    let priorities = || topology.routers.values().map(|router| router.priority);
    let apart = priorities().max().unwrap_or(0) - priorities().min().unwrap_or(0);
    if wanted && apart > FARTHEST {
        let what = format!("the priorities are {apart} apart, too far for a track-file");
        checker.mistake(&["track-file"], None, what, format!("let them be at most {FARTHEST} apart"));
    }
}

/// Where nobody but the lab's user sets up routers, nothing can be planned, and nothing be expected of them.
pub(super) fn by_hand(topology: &Topology, is_scenario: bool, checker: &mut Checker<'_>) {
    if topology.by_hand.is_none() {
        return;
    }
    if is_scenario {
        let what = "the routers of this topology are set up by hand".to_owned();
        checker.mistake(&["topology"], None, what, "take another one, or bring it up alone: labctl up");
    }
    if let Some(name) = topology.sync.iter().find(|(_, kind)| **kind != SyncKind::None).map(|(name, _)| name)
    {
        let what = "a daemon on a router that is set up by hand".to_owned();
        checker.mistake(&["sync", name], None, what, "write none");
    }
}

pub(super) fn sync(sync: &BTreeMap<String, SyncKind>, checker: &mut Checker<'_>) {
    for name in sync.keys() {
        checker.router(&["sync", name], None, name);
    }
}

/// What is chosen for a syncd that is not there would be a mistake too, save where the daemons are varied.
pub(super) fn syncd(chosen: &BTreeMap<String, SyncdText>, checker: &mut Checker<'_>) {
    for name in chosen.keys() {
        checker.router(&["syncd", name], None, name);
        let other = checker.known.sync.get(name).is_some_and(|kind| *kind != SyncKind::Syncd);
        if other && !checker.known.varied {
            let what = format!("no syncd runs on `{name}`");
            checker.mistake(&["syncd", name], None, what, "let one run there under `sync`, or leave it out");
        }
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
            if group.every.is_some()
                && (group.kind != StreamKind::RequestResponse || group.per_second.is_some())
            {
                let what = "`every` of another kind of stream, or beside `per-second`".to_owned();
                checker.mistake(&keys, Some(place), what, "only request-response takes it, in its place");
            }
            if group.hosts != groups[0].hosts || group.hosts == Hosts::Second && group.path == Path::Dnat {
                let what = "a traffic between different hosts, or target NAT to the second server".to_owned();
                let remedy = "give it a traffic of its own; only `server` is a target of NAT";
                checker.mistake(&keys, Some(place), what, remedy);
            }
            let built = u16::try_from(place).ok().filter(|place| group.offset.unwrap_or(*place) < 1000);
            let Some(built) = built.and_then(|place| group.group(place, topology)) else {
                let what = "no address of this family, or more than 1000 groups".to_owned();
                checker.mistake(&keys, Some(place), what, "give client, server and `lan` an address of it");
                continue;
            };
            let spec = crate::traffic::TrafficSpec { groups: vec![built], seed: 0 };
            if let Err(error) = spec.check() {
                if group.count == 0 {
                    let what = "a group without streams".to_owned();
                    checker.mistake(&keys, Some(place), what, "give a count of at least 1");
                    continue;
                }
                checker.mistake(
                    &keys,
                    Some(place),
                    error.to_string().replace("traffic group 0", "this group"),
                    "per-second is 2 to 1000, every 1ms to 60s, bytes 1 to 16384, those of udp and echo 32 to 1400",
                );
            }
        }
    }
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
