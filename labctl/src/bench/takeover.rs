//! A router that dies with its flows: streams through a real pair beside half a million flows of others, and what became
//! of them with either daemon.
//!
//! Everything else in the benchmark is without VRRP and without traffic that could die; this is the scenario of an
//! operator, run by the lab as any other, twice: with the kernel's loose pick-up of unknown streams, its default, and
//! without. Runs on the host's side, since each has a lab of its own. Driven by `outside.rs`; tested below.

use std::path::Path;
use std::process;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Plan;
use super::daemon::Daemon;
use crate::scenario::{Scale, Sources, SyncKind, Variation};
use crate::session::{Answer, Client, Request};

const TOPOLOGY: &str = include_str!("../../../scenarios/topologies/two-routers.yaml");
/// The kernel's default, then what a router should have.
const SCENARIOS: [(bool, &str, &str); 2] = [
    (true, "takeover-loose", include_str!("../../../scenarios/bench/takeover-loose.yaml")),
    (false, "takeover-strict", include_str!("../../../scenarios/bench/takeover-strict.yaml")),
];

/// What became of the streams, and when.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct TakenOver {
    /// On both routers.
    pub(crate) daemon: Daemon,
    /// Whether `nf_conntrack_tcp_loose` was on.
    pub(crate) loose: bool,
    /// Whether the router that stood by had the flows in its kernel already; only with syncd.
    pub(crate) preload: bool,
    /// Other flows, as the scenario says; none of theirs is a stream.
    pub(crate) flows_before: u64,
    /// Streams that were opened.
    pub(crate) streams: u64,
    /// Streams that were not alive in the end: reset or stalled.
    pub(crate) lost: u64,
    /// The longest gap of a TCP stream that never pauses, in milliseconds. Its sender tries again 200 and 600 ms after the
    /// first packet that was lost (RFC 6298 doubles the time, Linux's `TCP_RTO_MIN` is 200 ms), so it is at least the
    /// first of these after VRRP has moved.
    pub(crate) gap_ms: f64,
    /// The longest gap of a stream of datagrams, one each 20 ms: how long nothing passed.
    pub(crate) datagrams_gap_ms: f64,
    /// Until the other router's group was MASTER.
    pub(crate) vrrp_ms: f64,
    /// Until its daemon had committed, from the fault; only syncd tells.
    pub(crate) commit_ms: Option<f64>,
}

/// Both scenarios with one daemon; `tell` hears of each.
///
/// # Errors
/// When a lab cannot be built.
pub(super) fn takeover(
    daemon: Daemon,
    plan: &Plan,
    syncd: &Path,
    tell: &mut dyn FnMut(TakenOver),
) -> Result<()> {
    let runs = SCENARIOS.into_iter().flat_map(|scenario| {
        let manners = if daemon == Daemon::Syncd { &[false, true][..] } else { &[false] };
        manners.iter().map(move |preload| (scenario, *preload))
    });
    for ((loose, name, text), preload) in runs {
        let text = if preload { preloading(text) } else { text.to_owned() };
        let sources = sources(daemon, if plan.is_full() { Scale::Full } else { Scale::Usual }, name, &text);
        let mut client = Client::start(&format!("{name}-{}", process::id()), Some(syncd))?;
        client.ask(&Request::Build(Box::new(sources)), |_| {})?;
        let mut document = None;
        // Whether it passed is not asked: what is lost is the figure.
        client.ask(&Request::Run, |answer| {
            if let Answer::Outcome(outcome) = answer {
                document = Some(outcome.document);
            }
        })?;
        let document = document.context("the lab told no outcome")?;
        tell(read(daemon, (loose, preload), &document).with_context(|| format!("{name}: {document}"))?);
    }
    Ok(())
}

fn sources(daemon: Daemon, scale: Scale, name: &str, text: &str) -> Sources {
    let kind = match daemon {
        Daemon::Syncd => SyncKind::Syncd,
        Daemon::Conntrackd => SyncKind::Conntrackd,
    };
    let sync = ["r1", "r2"].map(|router| (router.to_owned(), kind)).into();
    Sources {
        name: name.to_owned(),
        scenario: Some((format!("{name}.yaml"), text.to_owned())),
        topology: ("two-routers.yaml".to_owned(), TOPOLOGY.to_owned()),
        variation: Variation { sync, scale, ..Variation::default() },
    }
}

/// The scenario with syncd keeping the peer's flows in the kernel of the router that stands by.
fn preloading(text: &str) -> String {
    format!(
        "{text}\nsyncd:\n  r1: {{ disable-external-cache: true }}\n  r2: {{ disable-external-cache: true }}\n"
    )
}

/// Out of a scenario's document.
fn read(daemon: Daemon, (loose, preload): (bool, bool), document: &Value) -> Result<TakenOver> {
    let number = |pointer: &str| {
        let value = document.pointer(pointer).and_then(Value::as_u64);
        value.with_context(|| format!("the document says no {pointer}"))
    };
    let (mut streams, mut alive) = (0, 0);
    for name in ["active", "idle"] {
        streams += number(&format!("/traffic/{name}/opened"))?;
        alive += number(&format!("/traffic/{name}/alive"))?;
    }
    Ok(TakenOver {
        daemon,
        loose,
        preload,
        flows_before: number("/failover/flows_before")?,
        streams,
        lost: streams - alive,
        gap_ms: whole(number("/traffic/active/gap_ms/max")?),
        datagrams_gap_ms: whole(number("/traffic/datagrams/gap_ms/max")?),
        vrrp_ms: whole(number("/failover/vrrp_ms")?),
        commit_ms: document.pointer("/failover/commit_end_ms").and_then(Value::as_u64).map(whole),
    })
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
const fn whole(milliseconds: u64) -> f64 {
    milliseconds as f64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Daemon, SCENARIOS, Scale, preloading, read, sources};
    use crate::scenario::load;

    #[test]
    fn what_was_opened_and_is_not_alive_is_lost() {
        let document = json!({
            "traffic": {
                "active": { "opened": 1500, "alive": 1499, "gap_ms": { "median": 400, "max": 950 } },
                "idle": { "opened": 500, "alive": 490, "gap_ms": { "median": 8000, "max": 9000 } },
                "datagrams": { "opened": 100, "alive": 100, "gap_ms": { "median": 350, "max": 360 } },
            },
            "failover": { "vrrp_ms": 320, "commit_begin_ms": null, "commit_end_ms": null, "flows_before": 502_000 },
        });
        let seen = read(Daemon::Conntrackd, (true, false), &document).unwrap();
        assert_eq!((seen.streams, seen.lost, seen.commit_ms), (2000, 11, None));
        assert_eq!((seen.gap_ms, seen.datagrams_gap_ms), (950.0, 360.0));
        assert!(read(Daemon::Syncd, (false, true), &json!({})).is_err());
    }

    #[test]
    fn both_can_be_run_with_both_daemons_at_both_sizes() {
        for (_, name, text) in SCENARIOS {
            for daemon in [Daemon::Syncd, Daemon::Conntrackd] {
                let texts = [text.to_owned(), preloading(text)];
                let texts = &texts[..if daemon == Daemon::Syncd { 2 } else { 1 }];
                for (text, scale) in texts.iter().flat_map(|text| [(text, Scale::Usual), (text, Scale::Full)])
                {
                    let scenario = load::check(&sources(daemon, scale, name, text)).unwrap();
                    assert!(
                        scenario.transfers_of("idle").is_none() && scenario.traffic.contains_key("active")
                    );
                }
            }
        }
    }

    #[test]
    fn the_two_differ_in_one_setting() {
        let lines =
            |text: &'static str| text.lines().filter(|line| !line.starts_with("title")).collect::<Vec<_>>();
        let [(_, _, loose), (_, _, strict)] = SCENARIOS;
        let (loose, strict) = (lines(loose), lines(strict));
        assert_eq!(loose.len(), strict.len());
        let other: Vec<_> = loose.iter().zip(&strict).filter(|(loose, strict)| loose != strict).collect();
        assert_eq!(other.len(), 1, "{other:?}");
        assert!(other[0].0.contains("tcp_loose"), "{other:?}");
    }
}
