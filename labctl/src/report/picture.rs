//! The topology in text, for a person who sees it for the first time.
//!
//! Never shows more than fits on a screen. Driven by the verbs `run` and `status`; tested in `tests.rs`.

use std::fmt::Write as _;

use crate::scenario::{Router, Scenario, SyncKind, Topology, VirtualAddresses};

/// Draws the topology of a scenario.
#[must_use]
pub(crate) fn picture(scenario: &Scenario) -> String {
    let topology = &scenario.topology;
    let routers = topology.routers_by_priority();
    let shared = |addresses: &[_]| {
        VirtualAddresses::first(addresses, false).map(|prefix| prefix.address.to_string()).unwrap_or_default()
    };
    let box_of = |(name, router): &(&str, &Router)| {
        [
            format!("{name}, priority {}", router.priority),
            match scenario.sync_of(name) {
                SyncKind::None if topology.by_hand.is_some() => "set up by hand".to_owned(),
                SyncKind::None => "keepalived".to_owned(),
                SyncKind::Syncd => "keepalived, syncd".to_owned(),
                SyncKind::Conntrackd => "keepalived, conntrackd".to_owned(),
            },
        ]
    };
    let [first, second] = [box_of(&routers[0]), box_of(&routers[1])];
    let host = |name: &str| host_line(topology, name);
    let (lan, wan) = (shared(&topology.virtual_addresses.lan), shared(&topology.virtual_addresses.wan));
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "              {}", host("client"));
    let _ = writeln!(text, "                         │");
    let _ = writeln!(text, "         ┌───── LAN ─────┴───────────────┐     shared: {lan}");
    let _ = writeln!(text, " ┌───────┴────────────────┐     ┌────────┴───────────────┐");
    let _ = writeln!(text, " │ {:<22} │     │ {:<22} │", first[0], second[0]);
    let _ = writeln!(text, " │ {:<22} ├─────┤ {:<22} │", first[1], second[1]);
    let _ = writeln!(text, " └───────┬────────────────┘  │  └────────┬───────────────┘");
    let _ = writeln!(text, "         │             dedicated link    │");
    let _ = writeln!(text, "         └───── WAN ─────┬───────────────┘     shared: {wan}");
    let _ = writeln!(text, "                         │");
    let _ = writeln!(text, "              {}", host("server"));
    text
}

fn host_line(topology: &Topology, name: &str) -> String {
    let host = if name == "client" { &topology.client } else { &topology.server };
    let address = host.address(false).map(|address| address.to_string()).unwrap_or_default();
    format!("{name} {address}")
}
