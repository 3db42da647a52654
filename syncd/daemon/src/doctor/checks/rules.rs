//! The packet filter: packets that a failover makes are followed through it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use super::Seen;
use crate::config::keepalived::Instance;
use crate::doctor::machine::Machine;
use crate::doctor::packet::{End, Packet, Truth, addresses};
use crate::doctor::ruleset::{Chain, Rule, Ruleset};
use crate::doctor::walk::{Fate, filtered, meets, translated, untracked};

/// A port that NAT would choose and no rule names.
const PORT: u16 = 40_000;

/// A network that VRRP is spoken in, in one family.
#[derive(Debug)]
struct Side<'a> {
    interface: &'a str,
    entrances: Vec<&'a str>,
    exit: &'a str,
    v6: bool,
    unicast: bool,
}

impl Side<'_> {
    fn name(&self) -> String {
        format!("{} ({})", self.interface, if self.v6 { "IPv6" } else { "IPv4" })
    }
}

/// The sides of this router; without keepalived's configuration every interface that is no dedicated link.
fn sides<'a>(machine: &'a Machine, seen: &mut Seen) -> Vec<Side<'a>> {
    let both = [false, true];
    if let Ok(keepalived) = &machine.keepalived {
        let of = |instance: &'a Instance| {
            let has = |v6| instance.addresses.iter().any(|address| address.is_ipv6() == v6);
            both.into_iter().filter(move |v6| has(*v6)).map(|v6| Side {
                interface: &instance.interface,
                entrances: instance.entrances().collect(),
                exit: instance.exit(),
                v6,
                unicast: instance.unicast,
            })
        };
        return keepalived.instances.iter().flat_map(of).collect();
    }
    if let Err(why) = &machine.keepalived {
        seen.unseen(format!("{why}: every interface was taken for one that speaks VRRP"));
    }
    let Some(interfaces) = seen.take(&machine.interfaces) else { return Vec::new() };
    let is_link = |name: &str| machine.roads.iter().any(|road| road.interface == name);
    let others = interfaces.iter().filter(|here| here.name != "lo" && !is_link(&here.name));
    let of = |here: &'a crate::doctor::machine::Interface| {
        let routed = |address: &IpAddr| !matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        let has =
            move |v6| here.addresses.iter().any(|(address, _)| address.is_ipv6() == v6 && routed(address));
        let name = here.name.as_str();
        both.into_iter().filter(move |v6| has(*v6)).map(move |v6| Side {
            interface: name,
            entrances: vec![name],
            exit: name,
            v6,
            unicast: false,
        })
    };
    others.flat_map(of).collect()
}

/// Gathers what several packets came to, so that one check says one thing.
#[derive(Default)]
struct Fates {
    passed: Vec<String>,
    because: Vec<String>,
}

impl Fates {
    /// `good` are dropped or exempted; the rest is told as `whom`.
    fn add(&mut self, seen: &mut Seen, whom: &str, fate: Fate, good: fn(&Fate) -> bool) {
        let whom = whom.to_owned();
        match fate {
            fate if good(&fate) => {}
            Fate::Unsure(place) => {
                seen.unseen(format!("{whom}: {place} cannot be judged; see it by: {}", shows(&place)));
            }
            Fate::Rejected(place) | Fate::Hit(place) => {
                push(&mut self.passed, whom);
                push(&mut self.because, place);
            }
            Fate::Passed | Fate::Dropped => push(&mut self.passed, whom),
        }
    }

    /// What is wrong, if anything is: where, and by which rules.
    fn told(&self) -> Option<String> {
        if self.passed.is_empty() {
            return None;
        }
        let because =
            if self.because.is_empty() { String::new() } else { format!(": {}", self.because.join(", ")) };
        Some(format!("{}{because}", self.passed.join(", ")))
    }
}

/// What shows the rule at this place to a human.
fn shows(place: &str) -> &'static str {
    if place.contains("tables -t ") { "iptables-save, ip6tables-save" } else { "nft -a list ruleset" }
}

fn push(list: &mut Vec<String>, word: String) {
    if !list.contains(&word) {
        list.push(word);
    }
}

/// Strangers, and hosts in the network of this interface.
fn ends(machine: &Machine, interface: &str, v6: bool) -> Vec<End> {
    let own = machine.own(interface, v6).into_iter().next();
    [Some(End::Unnamed), own.map(End::Known)].into_iter().flatten().collect()
}

fn expression<'a>(rule: &'a Rule, kinds: &[&str]) -> Option<(&'a str, &'a Value)> {
    let pairs = rule.expressions.iter().filter_map(|expression| expression.as_object()?.iter().next());
    let mut pairs = pairs.map(|(kind, body)| (kind.as_str(), body));
    pairs.find(|(kind, _)| kinds.contains(kind))
}

/// The rules that may translate what passes this side; those of iptables with them that nobody could tell.
fn translating<'a>(rules: &'a Ruleset, side: &Side<'_>, kinds: &[&str]) -> Vec<(&'a Chain, &'a Rule)> {
    let inwards = kinds.contains(&"dnat");
    let packet = |from, to| Packet {
        v6: side.v6,
        from,
        to,
        source: End::Any,
        target: End::Any,
        protocol: None,
        port: None,
        state: Some("new"),
    };
    let may = |chain: &Chain, rule: &Rule| {
        let out = packet(Some(""), Some(side.interface));
        let mut packets = vec![out];
        if inwards {
            packets = side.entrances.iter().map(|name| packet(Some(*name), None)).collect();
        }
        packets.iter().any(|packet| meets(rules, chain, rule, packet) != Truth::No)
    };
    let family = |chain: &Chain| chain.family == "inet" || chain.family == if side.v6 { "ip6" } else { "ip" };
    let of_iptables =
        |chain: &Chain, rule: &Rule| chain.table == "nat" && expression(rule, &["xt"]).is_some();
    let all = rules.rules().filter(|(chain, _)| family(chain));
    all.filter(|(chain, rule)| {
        of_iptables(chain, rule) || (expression(rule, kinds).is_some() && may(chain, rule))
    })
    .collect()
}

fn invalid<'a>(v6: bool, from: &'a str, to: Option<&'a str>, source: End) -> Packet<'a> {
    Packet {
        v6,
        from: Some(from),
        to,
        source,
        target: End::Unnamed,
        protocol: Some("tcp"),
        port: Some(PORT),
        state: Some("invalid"),
    }
}

fn is_silent(fate: &Fate) -> bool {
    *fate == Fate::Dropped
}

pub(super) fn input_invalid(machine: &Machine, seen: &mut Seen) {
    let Some(rules) = seen.take(&machine.rules) else { return };
    let mut fates = Fates::default();
    for side in sides(machine, seen) {
        // Where nothing is translated, no stream ends at an address of the router.
        let source = translating(rules, &side, &["snat", "masquerade"]);
        if source.is_empty() && translating(rules, &side, &["dnat", "redirect"]).is_empty() {
            continue;
        }
        for entrance in &side.entrances {
            for source in ends(machine, side.interface, side.v6) {
                let fate = filtered(rules, "input", &invalid(side.v6, entrance, None, source));
                fates.add(seen, &side.name(), fate, is_silent);
            }
        }
    }
    if let Some(told) = fates.told() {
        let what = format!("packets of no known flow reach the router itself by {told}");
        seen.wrong(
            what,
            "'ct state invalid drop' in the chain at hook input, before whatever accepts or rejects",
        );
    }
}

pub(super) fn forward_invalid(machine: &Machine, seen: &mut Seen) {
    let Some(rules) = seen.take(&machine.rules) else { return };
    let sides = sides(machine, seen);
    let mut fates = Fates::default();
    for from in &sides {
        for to in sides.iter().filter(|to| to.v6 == from.v6 && to.interface != from.interface) {
            for entrance in &from.entrances {
                for source in ends(machine, from.interface, from.v6) {
                    let packet = invalid(from.v6, entrance, Some(to.interface), source);
                    let whom = format!("{} to {}", from.interface, to.name());
                    fates.add(seen, &whom, filtered(rules, "forward", &packet), is_silent);
                }
            }
        }
    }
    if let Some(told) = fates.told() {
        let what = format!("packets of no known flow are forwarded or answered from {told}");
        seen.wrong(
            what,
            "'ct state invalid drop' in the chain at hook forward, before whatever accepts or rejects",
        );
    }
}

fn is_exempt(fate: &Fate) -> bool {
    matches!(fate, Fate::Hit(_) | Fate::Dropped)
}

fn is_untouched(fate: &Fate) -> bool {
    matches!(fate, Fate::Passed | Fate::Dropped)
}

/// A packet that the router itself sends.
fn own<'a>(v6: bool, to: &'a str, source: End, protocol: &'a str) -> Packet<'a> {
    Packet {
        v6,
        from: None,
        to: Some(to),
        source,
        target: End::Unnamed,
        protocol: Some(protocol),
        port: None,
        state: None,
    }
}

pub(super) fn vrrp_tracked(machine: &Machine, seen: &mut Seen) {
    let Some(rules) = seen.take(&machine.rules) else { return };
    let mut fates = Fates::default();
    for side in sides(machine, seen) {
        let group = if side.v6 {
            IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12))
        } else {
            IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18))
        };
        let target = if side.unicast { End::Unnamed } else { End::Known(group) };
        let out = Packet { target, ..own(side.v6, side.exit, End::Unnamed, "vrrp") };
        fates.add(seen, &side.name(), untracked(rules, "output", &out), is_exempt);
        let into = Packet { from: Some(side.interface), to: None, ..out };
        fates.add(seen, &side.name(), untracked(rules, "prerouting", &into), is_exempt);
    }
    if let Some(told) = fates.told() {
        let what = format!("VRRP's advertisements are tracked on {told}");
        let remedy = "'meta l4proto vrrp notrack' in chains at hooks prerouting and output with priority raw";
        seen.wrong(what, remedy);
    }
}

pub(super) fn sync_tracked(machine: &Machine, seen: &mut Seen) {
    let Some(rules) = seen.take(&machine.rules) else { return };
    if machine.config.is_err() {
        return seen.unseen("without a configuration of syncd the dedicated links are not known");
    }
    let mut fates = Fates::default();
    for road in &machine.roads {
        let Some(here) = road.own else {
            seen.unseen(format!("{} does not work", road.interface));
            continue;
        };
        let v6 = here.is_ipv6();
        let target = End::Known(road.target);
        let out =
            Packet { target, port: Some(road.port), ..own(v6, &road.interface, End::Known(here), "udp") };
        fates.add(seen, &road.interface, untracked(rules, "output", &out), is_exempt);
        let to_us = if road.target.is_multicast() { target } else { End::Known(here) };
        let from = road.peer.map_or(End::Unnamed, End::Known);
        let into = Packet { from: Some(&road.interface), to: None, source: from, target: to_us, ..out };
        fates.add(seen, &road.interface, untracked(rules, "prerouting", &into), is_exempt);
    }
    if let Some(told) = fates.told() {
        let links: Vec<&str> = machine.roads.iter().map(|road| road.interface.as_str()).collect();
        let what = format!("the dedicated link is tracked: {told}");
        let remedy = format!(
            "in chains with priority raw: 'iifname \"{0}\" notrack' at hook prerouting, 'oifname \"{0}\" notrack' at output",
            links.join("\", \"")
        );
        seen.wrong(what, remedy);
    }
}

pub(super) fn snat_wide(machine: &Machine, seen: &mut Seen) {
    let Some(rules) = seen.take(&machine.rules) else { return };
    let mut fates = Fates::default();
    let state = Some("new");
    for side in sides(machine, seen) {
        for source in machine.own(side.interface, side.v6) {
            for protocol in ["vrrp", "tcp", "udp"] {
                let packet = Packet { state, ..own(side.v6, side.interface, End::Known(source), protocol) };
                fates.add(seen, &side.name(), translated(rules, &packet), is_untouched);
            }
        }
    }
    for road in &machine.roads {
        let Some(source) = road.own else { continue };
        let sent = own(source.is_ipv6(), &road.interface, End::Known(source), "udp");
        let packet = Packet { state, target: End::Known(road.target), port: Some(road.port), ..sent };
        fates.add(seen, &road.interface, translated(rules, &packet), is_untouched);
    }
    if let Some(told) = fates.told() {
        let what = format!("what this router itself sends is translated on {told}");
        seen.wrong(what, "limit the rule by source: 'ip saddr LAN oifname WAN snat to SHARED-ADDRESS'");
    }
}

pub(super) fn snat_target(machine: &Machine, seen: &mut Seen) {
    let Some(rules) = seen.take(&machine.rules) else { return };
    let shared = machine.shared();
    let mut wrong: Vec<String> = Vec::new();
    for side in sides(machine, seen) {
        for (_, rule) in translating(rules, &side, &["snat", "masquerade"]) {
            let place = &rule.place;
            match expression(rule, &["snat", "masquerade", "xt"]) {
                Some(("masquerade", _)) => {
                    push(&mut wrong, format!("{place} masquerades, with an address of this router alone"));
                }
                Some(("snat", body)) => match addresses(&body["addr"]) {
                    Some((first, last)) => {
                        let stays =
                            |address: &IpAddr| !shared.contains(address) && machine.is_bound(*address);
                        if machine.keepalived.is_ok()
                            && let Some(address) = [first, last].into_iter().find(stays)
                        {
                            push(
                                &mut wrong,
                                format!("{place} translates to {address}, which is no shared address"),
                            );
                        }
                    }
                    None => seen.unseen(format!(
                        "the target of {place} cannot be judged; see it by: {}",
                        shows(place)
                    )),
                },
                _ => seen.unseen(format!(
                    "{place} is iptables' and cannot be judged; see it by: iptables-save -t nat"
                )),
            }
        }
    }
    if !wrong.is_empty() {
        seen.wrong(
            wrong.join("; "),
            "'snat to' a shared address of keepalived's configuration, the same on both routers",
        );
    }
}
