//! Nodes, interfaces, addresses, routes and kernel settings.
//!
//! Never about flows: rules are next door. Driven by `mod.rs`; tested through `labctl/tests/plans.rs`.

use std::collections::BTreeMap;

use super::step::{Interface, Step};
use super::{HOST_INTERFACE, SWITCH, far_end};
use crate::scenario::topology::{Host, Interfaces, Router};
use crate::scenario::{Prefix, VirtualAddresses};

/// No duplicate address detection: an address that is tentative for a second cannot send an advertisement.
const QUIET_IPV6: [(&str, &str); 2] =
    [("net.ipv6.conf.default.accept_dad", "0"), ("net.ipv6.conf.all.accept_dad", "0")];

/// What makes a node a router, and its flow table strict and observable. Loose pick-up would let a packet of an
/// unknown flow make a flow of its own; events must be on before the first flow is born.
const ROUTER: [(&str, &str); 7] = [
    ("net.ipv4.ip_forward", "1"),
    ("net.ipv6.conf.all.forwarding", "1"),
    ("net.ipv4.conf.all.rp_filter", "0"),
    ("net.ipv4.conf.default.rp_filter", "0"),
    ("net.netfilter.nf_conntrack_tcp_loose", "0"),
    ("net.netfilter.nf_conntrack_events", "1"),
    ("net.netfilter.nf_conntrack_tcp_be_liberal", "0"),
];

/// The switch with its bridges.
pub(super) fn switch(steps: &mut Vec<Step>) {
    node(steps, SWITCH, &[]);
    for bridge in ["lan", "wan"] {
        let bridge = Interface::new(SWITCH, bridge);
        steps.extend([Step::Bridge(bridge.clone()), Step::Up(bridge)]);
    }
}

/// A host on one of the networks; `gateways` are the virtual addresses behind which the rest of the world is.
pub(super) fn host(steps: &mut Vec<Step>, name: &str, host: &Host, network: &str, gateways: &[Prefix]) {
    node(steps, name, &QUIET_IPV6);
    plug(steps, Interface::new(name, HOST_INTERFACE), network, &host.addresses);
    let gateways = [false, true].into_iter().filter_map(|ipv6| VirtualAddresses::first(gateways, ipv6));
    steps.extend(gateways.map(|via| Step::Gateway { node: name.to_owned(), via }));
}

/// A router: on both networks, and with its end of the dedicated link. `settings` are the scenario's own: in place of
/// the usual ones, or after them.
pub(super) fn router(
    steps: &mut Vec<Step>,
    name: &str,
    router: &Router,
    settings: &BTreeMap<String, String>,
) {
    let usual = [&QUIET_IPV6[..], &ROUTER].concat();
    let said = |key: &str, usual| settings.get(key).map_or(usual, String::as_str);
    let known: Vec<_> = usual.iter().map(|(key, value)| (*key, said(key, value))).collect();
    let others = settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let others = others.filter(|(key, _)| usual.iter().all(|(known, _)| known != key));
    node(steps, name, &known.iter().copied().chain(others).collect::<Vec<_>>());
    cables(steps, name, router, &Interfaces::default());
}

/// A router that somebody else sets up: cables and addresses, and files that may be written.
pub(super) fn router_by_hand(steps: &mut Vec<Step>, name: &str, router: &Router, interfaces: &Interfaces) {
    node(steps, name, &[]);
    steps.push(Step::OwnEtc { node: name.to_owned() });
    cables(steps, name, router, interfaces);
}

fn cables(steps: &mut Vec<Step>, name: &str, router: &Router, interfaces: &Interfaces) {
    plug(steps, Interface::new(name, &interfaces.lan), "lan", &router.lan);
    plug(steps, Interface::new(name, &interfaces.wan), "wan", &router.wan);

    let (ours, far) = (Interface::new(name, &interfaces.sync), Interface::new(SWITCH, &far_end(name)));
    steps.push(Step::Veth { a: ours.clone(), b: far.clone() });
    steps.push(Step::Offload(ours.clone()));
    steps.push(Step::Address { on: ours.clone(), address: router.sync });
    steps.extend([Step::Up(ours), Step::Up(far)]);
}

fn node(steps: &mut Vec<Step>, name: &str, settings: &[(&str, &str)]) {
    steps.push(Step::Node { name: name.to_owned() });
    steps.extend(settings.iter().map(|(key, value)| Step::Sysctl {
        node: name.to_owned(),
        key: (*key).to_owned(),
        value: (*value).to_owned(),
    }));
    steps.push(Step::Up(Interface::new(name, "lo")));
}

/// An interface whose far end is a port of a bridge.
fn plug(steps: &mut Vec<Step>, on: Interface, network: &str, addresses: &[Prefix]) {
    let port = Interface::new(SWITCH, &format!("{}-{network}", on.node));
    steps.push(Step::Veth { a: on.clone(), b: port.clone() });
    steps.push(Step::Enslave { port: port.clone(), bridge: network.to_owned() });
    steps.push(Step::Up(port));
    steps.extend(addresses.iter().map(|address| Step::Address { on: on.clone(), address: *address }));
    steps.push(Step::Up(on));
}
