//! Real UDP flows through a router with source NAT, both daemons on the same machine: how many can begin in a second.
//!
//! ```text
//! client ── lan r1 wan ── server (drops all)
//!              │ sync
//!              r2
//! ```
//!
//! The client sends as fast as it can, so daemons, traffic and forwarding share the processors; where a daemon loses
//! events at that, it is tried again a little slower. Driven by `measure.rs`; tested through `labctl bench`.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::daemon::Daemon;
use super::listener::Listener;
use super::measure::Sides;
use super::pair::{Meters, Pair, R1, R2};
use super::{Plan, flows, sender};
use crate::plan::{Interface, Step, Text};
use crate::scenario::Prefix;

/// The shares of what the client can that are tried one after the other: a loss may be of the moment.
const ATTEMPTS: [f64; 3] = [1.0, 0.9, 0.8];

/// Who listens to the router's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Audience {
    /// A daemon, which tells another one.
    Pair(Daemon),
    /// Somebody who reads them and does nothing.
    Bare,
    /// Nobody.
    None,
}

/// New flows through the router.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Passed {
    /// Who listened.
    pub(crate) audience: Audience,
    /// How many the router's kernel knew in the end.
    pub(crate) flows: u64,
    /// In a second.
    pub(crate) per_second: f64,
    /// How many never came to the first router's internal and the second's external cache.
    pub(crate) missing: Sides<u64>,
    /// Events that the kernel could not deliver.
    pub(crate) dropped: u64,
    /// The daemon's CPU time, in microseconds per flow; of a bare listener its own.
    pub(crate) cpu: Sides<f64>,
    /// Datagrams on the dedicated link in both directions, per flow.
    pub(crate) datagrams: f64,
    /// As many as would have carried the same bytes, had all been full.
    pub(crate) datagrams_if_full: f64,
    /// Slower than the client could.
    pub(crate) throttled: bool,
    /// The pace at which it was asked for, in flows per second, where it was not to be as fast as possible.
    pub(crate) pace: Option<u32>,
}

/// A pace that both daemons can keep.
const PACE: u32 = 30_000;

/// Sends at a moderate pace, which is kept also where something gets lost.
pub(super) fn moderate(daemon: Daemon, plan: &Plan) -> Result<Passed> {
    let interval = Duration::from_secs_f64(1.0 / f64::from(PACE));
    let passed = attempt(Audience::Pair(daemon), plan, Some(interval))?;
    Ok(Passed { throttled: false, pace: Some(PACE), ..passed })
}

/// Sends as fast as nothing gets lost. Where something always does, the first attempt counts, with its losses.
pub(super) fn passage(audience: Audience, plan: &Plan) -> Result<Passed> {
    let first = attempt(audience, plan, None)?;
    if first.is_whole() {
        return Ok(first);
    }
    for share in ATTEMPTS {
        let interval = (share < 1.0).then(|| Duration::from_secs_f64(1.0 / (first.per_second * share)));
        let passed = attempt(audience, plan, interval)?;
        if passed.is_whole() {
            return Ok(passed);
        }
    }
    Ok(first)
}

impl Passed {
    /// Whether nothing was lost, not even what was found again.
    pub(crate) fn is_whole(&self) -> bool {
        self.missing == Sides { r1: 0, r2: 0 } && self.dropped == 0
    }
}

fn attempt(audience: Audience, plan: &Plan, interval: Option<Duration>) -> Result<Passed> {
    let daemon = if let Audience::Pair(daemon) = audience { daemon } else { Daemon::Syncd };
    let mut pair = Pair::build(daemon, plan.inserted, plan.root)?;
    pair.extend(surroundings()?)?;
    // The first datagram makes everybody look for his neighbours, which takes a while.
    sender::send(pair.net("client")?, 1, None)?;
    flows::flush(pair.net(R1)?)?;
    let listener = match audience {
        Audience::Bare => Some(Listener::start(pair.net(R1)?)?),
        Audience::None => None,
        Audience::Pair(_) => {
            pair.start_daemons(0)?;
            None
        }
    };
    let paired = matches!(audience, Audience::Pair(_));
    let before = Meters::read(&pair, paired)?;
    let took = sender::send(pair.net("client")?, plan.inserted, interval)?;
    let flows = flows::count(pair.net(R1)?)?;
    let mut missing = Sides { r1: 0, r2: 0 };
    if paired {
        let (_, counts) = pair.settle(u32::try_from(flows).context("a kernel that holds too many flows")?)?;
        let of = |held| flows.saturating_sub(held);
        missing = Sides { r1: of(counts.internal), r2: of(counts.external) };
    }
    let after = Meters::read(&pair, paired)?;
    let listened = listener.and_then(Listener::stop);
    pair.stop()?;
    let frames = after.frames.since(before.frames);
    let cpu = |spent: Duration| spent.as_secs_f64() * 1e6 / amount(flows);
    Ok(Passed {
        audience,
        flows,
        per_second: amount(flows) / took.as_secs_f64(),
        missing,
        dropped: after.dropped - before.dropped,
        cpu: Sides {
            r1: cpu(listened.unwrap_or(after.time.r1 - before.time.r1)),
            r2: cpu(after.time.r2 - before.time.r2),
        },
        datagrams: amount(frames.number) / amount(flows),
        datagrams_if_full: amount(frames.if_full()) / amount(flows),
        throttled: interval.is_some(),
        pace: None,
    })
}

#[expect(clippy::cast_precision_loss, reason = "flows and datagrams are far below 2^52")]
fn amount(number: u64) -> f64 {
    number as f64
}

const RULES: &str = "\
table ip nat {
  chain postrouting { type nat hook postrouting priority srcnat; oifname \"wan\" snat to 198.51.100.1; }
}
";

const DROP: &str = "\
table ip sink {
  chain prerouting { type filter hook prerouting priority raw; policy drop; }
}
";

/// Client and server, and what makes r1 a router between them.
fn surroundings() -> Result<Vec<Step>> {
    let interface = Interface::new;
    let sysctl = |key: &str, value: &str| Step::Sysctl {
        node: R1.to_owned(),
        key: key.to_owned(),
        value: value.to_owned(),
    };
    let rules =
        |node: &str, rules: &str| Step::Rules { node: node.to_owned(), rules: Text(rules.to_owned()) };
    let prefix = |address: &str| -> Result<Prefix> { Ok(Prefix { address: address.parse()?, length: 24 }) };
    let mut steps = vec![
        Step::Node { name: "client".to_owned() },
        Step::Node { name: "server".to_owned() },
        sysctl("net.ipv4.ip_forward", "1"),
        // No flow shall expire while others are counted.
        sysctl("net.netfilter.nf_conntrack_udp_timeout", "3600"),
        Step::Veth { a: interface("client", "eth0"), b: interface(R1, "lan") },
        Step::Veth { a: interface("server", "eth0"), b: interface(R1, "wan") },
        rules(R1, RULES),
        rules(R2, RULES),
        rules("server", DROP),
    ];
    for (node, name, address) in [
        ("client", "eth0", "10.64.0.2"),
        (R1, "lan", "10.64.0.1"),
        (R1, "wan", "198.51.100.1"),
        ("server", "eth0", "198.51.100.10"),
    ] {
        steps.push(Step::Address { on: interface(node, name), address: prefix(address)? });
        steps.push(Step::Up(interface(node, name)));
    }
    for (node, via) in [("client", "10.64.0.1"), (R1, "198.51.100.10")] {
        steps.push(Step::Gateway { node: node.to_owned(), via: prefix(via)? });
    }
    Ok(steps)
}
