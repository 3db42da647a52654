//! What became of a scenario, for people.
//!
//! Text only, the same on a terminal and in a pipe. Never says anything that is not in the document. Driven by
//! `session`; tested in `tests.rs`.

use std::fmt::Write as _;

use super::document::{Document, ExpectationSeen, TrafficSeen};
use crate::traffic::{TrafficReport, TransferReport};

/// The end of a run: a table of streams, the times of the failover, the expectations.
#[must_use]
pub(crate) fn table(document: &Document) -> String {
    let mut text = String::new();
    if !document.traffic.is_empty() {
        text += &traffic_lines(document.traffic.iter().map(|(name, report)| (name.as_str(), report)));
    }
    let failover = &document.failover;
    if failover.flows_before.is_some() {
        let time =
            |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms after the fault"));
        let count = |flows: Option<usize>| flows.map_or_else(|| "-".to_owned(), |flows| flows.to_string());
        text.push('\n');
        for (what, value) in [
            ("VRRP moved", time(failover.vrrp_ms)),
            ("commit began", time(failover.commit_begin_ms)),
            ("commit ended", time(failover.commit_end_ms)),
            ("flows before, on the router that was left", count(failover.flows_before)),
            ("flows after, on the one that took over", count(failover.flows_after)),
        ] {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{what:<42} {value}");
        }
    }
    text.push('\n');
    if document.expectations.is_empty() {
        return text + "nothing was expected: this says only that it ran to its end\n";
    }
    text + &expectations(&document.expectations)
}

/// Each traffic on a line, under the heading of its sort.
#[must_use]
pub(crate) fn traffic_lines<'a>(traffic: impl Iterator<Item = (&'a str, &'a TrafficSeen)>) -> String {
    let (mut streams, mut transfers) = (Vec::new(), Vec::new());
    for (name, seen) in traffic {
        match seen {
            TrafficSeen::Streams(report) => streams.push((name, report)),
            TrafficSeen::Transfers(report) => transfers.push((name, report)),
        }
    }
    let mut text = if streams.is_empty() { String::new() } else { stream_lines(&streams) };
    if !transfers.is_empty() {
        text += &transfer_lines(&transfers);
    }
    text
}

fn transfer_lines(transfers: &[(&str, &TransferReport)]) -> String {
    let mut text = format!(
        "{:<12} {:>9} {:>8} {:>6} {:>16} {:>13}\n",
        "transfers", "announced", "complete", "failed", "corrupted bytes", "slowest"
    );
    for (name, report) in transfers {
        let slowest = report.slowest_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{name:<12} {:>9} {:>8} {:>6} {:>16} {slowest:>13}",
            format!("{}/{}", report.announced, report.wanted),
            report.complete,
            report.failed,
            report.corrupted_bytes,
        );
    }
    text
}

fn stream_lines(traffic: &[(&str, &TrafficReport)]) -> String {
    let mut text = format!(
        "{:<12} {:>7} {:>7} {:>8} {:>8} {:>6} {:>16} {:>13} {:>13}\n",
        "traffic",
        "opened",
        "alive",
        "waiting",
        "stalled",
        "reset",
        "corrupted bytes",
        "longest gap",
        "median gap"
    );
    for (name, report) in traffic {
        let gap = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{name:<12} {:>7} {:>7} {:>8} {:>8} {:>6} {:>16} {:>13} {:>13}",
            format!("{}/{}", report.opened, report.wanted),
            report.alive,
            // Silent for a while, and not yet for long.
            report.opened.saturating_sub(report.alive + report.stalled + report.reset),
            report.stalled,
            report.reset,
            report.corrupted_bytes,
            gap(report.gap_ms.max),
            gap(report.gap_ms.median),
        );
    }
    text
}

/// Each expectation on a line.
#[must_use]
pub(crate) fn expectations(expectations: &[ExpectationSeen]) -> String {
    let line = |seen: &ExpectationSeen| {
        let word = if seen.passed { "passed" } else { "FAILED" };
        format!("{word}  {}: {}\n", seen.text, seen.seen)
    };
    expectations.iter().map(line).collect()
}
