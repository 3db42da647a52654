//! syncd's configuration, as its manual describes it.
//!
//! Knows syncd as an operator does: a file, a command line, a socket. Driven by `mod.rs`; tested through
//! `labctl/tests/plans.rs`.

use std::fmt::Write as _;

use serde_yaml::{Mapping, Value};

use super::keepalived::{GROUP, SYNCD_FIFO, TRACK_FILE};
use super::step::{Actor, Step, Text};
use crate::scenario::{Channel, Router, Scenario};

const FILE: &str = "syncd.yaml";
/// Where the daemon answers, in its node.
const CONTROL: &str = "/run/syncd/control";

pub(super) fn configure(steps: &mut Vec<Step>, name: &str, router: &Router, scenario: &Scenario) {
    let text = configuration(name, router, scenario);
    steps.push(Step::File { node: name.to_owned(), name: FILE, text: Text(text) });
}

/// The step that writes its configuration with some keys otherwise.
///
/// # Errors
/// Never: what is written here is YAML.
pub(crate) fn change(
    name: &str,
    router: &Router,
    scenario: &Scenario,
    change: &Mapping,
) -> Result<Step, serde_yaml::Error> {
    let mut document: Mapping = serde_yaml::from_str(&configuration(name, router, scenario))?;
    if let Some(Value::Mapping(keys)) = document.get_mut("conntrack-sync") {
        for (key, value) in change {
            match value {
                Value::Null => drop(keys.remove(key)),
                value => drop(keys.insert(key.clone(), value.clone())),
            }
        }
    }
    Ok(Step::File { node: name.to_owned(), name: FILE, text: Text(serde_yaml::to_string(&document)?) })
}

fn configuration(name: &str, router: &Router, scenario: &Scenario) -> String {
    let (_, peer) = scenario.topology.peer_of(name);
    let mut text = "conntrack-sync:\n  interface:\n".to_owned();
    // Writing to a string cannot fail.
    let _ = match scenario.channel {
        Channel::Multicast => write!(text, "    sync: {{}}\n  mcast-group: 225.0.0.50\n"),
        Channel::Unicast => write!(
            text,
            "    sync: {{ peer: {}, port: 3780 }}\n  listen-address: [{}]\n",
            peer.sync.address, router.sync.address
        ),
    };
    let _ = write!(
        text,
        "  accept-protocol: [tcp, udp, icmp, icmp6]\n  ignore-address: [{}]\n  \
         failover-mechanism:\n    vrrp: {{ sync-group: {GROUP}, notify-fifo: {SYNCD_FIFO}{} }}\n  \
         event-listen-queue-size: 8\n  sync-queue-size: 1\n",
        router.sync.network(),
        track_file(name, scenario),
    );
    if let Some(limit) = scenario.syncd.get(name).and_then(|chosen| chosen.cache_limit) {
        let _ = writeln!(text, "  cache-limit: {limit}");
    }
    if scenario.syncd.get(name).is_some_and(|chosen| chosen.disable_external_cache) {
        text.push_str("  disable-external-cache: true\n");
    }
    if !scenario.helpers.is_empty() {
        let helpers: Vec<&str> = scenario.helpers.iter().map(|helper| helper.word()).collect();
        let _ = writeln!(text, "  expect-sync: [{}]", helpers.join(", "));
    }
    text
}

/// What it says to keepalived, if it says anything.
fn track_file(name: &str, scenario: &Scenario) -> String {
    if !scenario.track_file {
        return String::new();
    }
    let timeout = scenario.syncd.get(name).and_then(|chosen| chosen.ready_timeout);
    let timeout = timeout.map_or_else(String::new, |seconds| format!(", ready-timeout: {seconds}"));
    format!(", track-file: {TRACK_FILE}{timeout}")
}

/// The arguments that make it read its configuration again.
#[must_use]
pub(crate) fn reload() -> Vec<String> {
    ["reload", "--json", "--socket", CONTROL].map(str::to_owned).to_vec()
}

/// The arguments that make the other router primary.
#[must_use]
pub(crate) fn hand_over() -> Vec<String> {
    ["handover", "--timeout", "15", "--json", "--socket", CONTROL].map(str::to_owned).to_vec()
}

/// The arguments that make it show something, for programs.
#[must_use]
pub(crate) fn show(what: &[&str]) -> Vec<String> {
    let words = ["show", "conntrack-sync"].iter().chain(what).chain(&["--json", "--socket", CONTROL]);
    words.map(|word| (*word).to_owned()).collect()
}

pub(super) fn start(name: &str) -> Step {
    let config = format!("{}/{FILE}", Step::directory(name));
    let arguments = ["run", "--config", &config, "--socket", CONTROL].map(str::to_owned).to_vec();
    Step::Start { node: name.to_owned(), actor: Actor::Syncd, arguments }
}
