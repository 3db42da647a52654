//! keepalived's configuration: four VRRP instances that move together.
//!
//! Never decides what a role means. Two FIFOs tell of roles: the daemon under test reads the one that its manual
//! demands, labctl reads its own. Driven by `mod.rs`; tested through `labctl/tests/plans.rs`.

use std::fmt::Write as _;

use super::step::{Actor, Step, Text};
use crate::scenario::{Prefix, Router, Scenario, SyncKind, Topology};

/// Name of the group in configurations and in notifications.
pub(crate) const GROUP: &str = "syncgrp";
/// Where syncd listens for roles, in its node.
pub(super) const SYNCD_FIFO: &str = "/run/keepalived/syncd.fifo";
/// Where syncd says how ready it is, in its node.
pub(super) const TRACK_FILE: &str = "/run/keepalived/syncd.track";
/// Where labctl listens, in the node's directory.
pub(crate) const PROBE_FIFO: &str = "vrrp.fifo";

const FILE: &str = "keepalived.conf";

/// The instances: name, interface, VRID. One instance speaks one family (RFC 9568), so each network needs two.
const INSTANCES: [(&str, &str, u8, bool); 4] = [
    ("LAN4", "lan", 51, false),
    ("WAN4", "wan", 52, false),
    ("LAN6", "lan", 61, true),
    ("WAN6", "wan", 62, true),
];

pub(super) fn configure(steps: &mut Vec<Step>, name: &str, router: &Router, scenario: &Scenario) {
    let mut text = format!(
        "global_defs {{\n  router_id {name}\n  vrrp_version 3\n  vrrp_startup_delay 0.5\n  \
         vrrp_garp_master_delay 1\n  vrrp_garp_master_repeat 2\n  notify_fifo {}/{PROBE_FIFO}\n",
        Step::directory(name)
    );
    if scenario.sync_of(name) == SyncKind::Syncd {
        let _ = writeln!(text, "  vrrp_notify_fifo {SYNCD_FIFO}");
    }
    // A script user is demanded even where no script is named, and the only one who exists without root is root.
    text.push_str("  fifo_write_vrrp_states_on_reload\n  script_user root\n}\n");

    let tracks = scenario.track_file && scenario.sync_of(name) == SyncKind::Syncd;
    if tracks {
        let _ = writeln!(
            text,
            "track_file syncd {{\n  file {TRACK_FILE}\n  weight {}\n  init_file -3\n}}",
            weight(&scenario.topology)
        );
    }
    let _ = writeln!(text, "vrrp_sync_group {GROUP} {{\n  group {{");
    for (instance, ..) in INSTANCES {
        let _ = writeln!(text, "    {instance}");
    }
    text.push_str("  }\n");
    if tracks {
        text.push_str("  track_file {\n    syncd\n  }\n");
    }
    text.push_str("}\n");

    let shared = &scenario.topology.virtual_addresses;
    for (instance, interface, vrid, ipv6) in INSTANCES {
        let addresses = if interface == "lan" { &shared.lan } else { &shared.wan };
        let addresses = addresses.iter().filter(|prefix| prefix.address.is_ipv6() == ipv6);
        self::instance(&mut text, instance, interface, vrid, router.priority, addresses);
    }
    steps.push(Step::File { node: name.to_owned(), name: FILE, text: Text(text) });
}

/// More than the difference of the priorities: the worse of two levels loses, whatever the priority is.
fn weight(topology: &Topology) -> u16 {
    let priorities = || topology.routers.values().map(|router| u16::from(router.priority));
    let (most, least) = (priorities().max().unwrap_or(0), priorities().min().unwrap_or(0));
    most - least + 10
}

fn instance<'a>(
    text: &mut String,
    name: &str,
    interface: &str,
    vrid: u8,
    priority: u8,
    addresses: impl Iterator<Item = &'a Prefix>,
) {
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "vrrp_instance {name} {{\n  state BACKUP\n  interface {interface}\n  virtual_router_id {vrid}\n  \
         priority {priority}\n  advert_int 0.1\n  virtual_ipaddress {{\n"
    );
    for address in addresses {
        let _ = writeln!(text, "    {address}");
    }
    text.push_str("  }\n}\n");
}

pub(super) fn start(name: &str) -> Step {
    let config = format!("{}/{FILE}", Step::directory(name));
    let words = ["--dont-fork", "--log-console", "--log-detail", "--vrrp", "--use-file", &config];
    let files = ["--pid", "/run/keepalived.pid", "--vrrp_pid", "/run/keepalived-vrrp.pid"];
    let arguments = words.iter().chain(&files).map(|word| (*word).to_owned()).collect();
    Step::Start { node: name.to_owned(), actor: Actor::Keepalived, arguments }
}
