//! Counters as text: the layout of VyOS's documentation, which is conntrackd's, to the column; ours below, on demand
//! ([`super::detail`]).
//!
//! Scripts cut these lines by position. The blocks are the same that `conntrackd -s` prints, so the front for its letters
//! uses them too. Tested against true samples in `show/tests/statistics.rs`.

use std::fmt::Write;

use super::detail::detail;
use super::view::{CacheView, LinkTraffic, StatisticsView};

/// `show conntrack-sync statistics`; with `detail` everything that we count besides.
pub(crate) fn statistics(view: &StatisticsView, in_detail: bool) -> String {
    let mut out = format!("\nMain Table Statistics:\n\n{}\n", main(view));
    if view.daemon.expect_sync {
        _ = writeln!(out, "\nExpect Table Statistics:\n\n{}", expect(view));
    }
    if in_detail {
        detail(&mut out, view);
    }
    out
}

/// The blocks about flows: `conntrackd -s`.
pub(crate) fn main(view: &StatisticsView) -> String {
    blocks(view, &view.internal, &view.external)
}

/// The blocks about expectations, `conntrackd -s exp`; nothing when none are replicated.
pub(crate) fn expect(view: &StatisticsView) -> String {
    if !view.daemon.expect_sync {
        return String::new();
    }
    blocks(view, &view.internal_expectations, &view.external_expectations)
}

fn blocks(view: &StatisticsView, internal: &CacheView, external: &CacheView) -> String {
    let mut out = String::new();
    cache(&mut out, "cache internal", internal);
    cache(&mut out, "cache external", external);
    let daemon = &view.daemon;
    // Writing to a string cannot fail, here and below.
    _ = writeln!(out, "traffic processed:");
    _ = writeln!(out, "{:>20} Bytes      {:>20} Pckts\n", daemon.bytes_processed, daemon.packets_processed);
    all_traffic(&mut out, view);
    _ = writeln!(out, "message tracking:");
    _ = writeln!(out, "{:>20} Malformed msgs {:>20} Lost msgs\n", view.link.malformed, view.ftfw.lost);
    out
}

fn cache(out: &mut String, name: &str, cache: &CacheView) {
    let stats = &cache.stats;
    _ = writeln!(out, "{name}:");
    _ = writeln!(out, "current active connections:\t{:>12}", cache.current);
    _ = writeln!(out, "connections created:\t\t{:>12}\tfailed:\t{:>12}", stats.created, stats.create_failed);
    _ = writeln!(out, "connections updated:\t\t{:>12}\tfailed:\t{:>12}", stats.updated, 0);
    _ = writeln!(out, "connections destroyed:\t\t{:>12}\tfailed:\t{:>12}\n", gone(cache), 0);
}

/// Whatever was added and is no longer there: it ended, was swept, or was committed. Created less destroyed is what
/// there is, as operators know it.
pub(crate) fn gone(cache: &CacheView) -> u64 {
    cache.stats.created.saturating_sub(u64::from(cache.current))
}

/// The block of all dedicated links together.
pub(crate) fn all_traffic(out: &mut String, view: &StatisticsView) {
    let (link, daemon) = (&view.link, &view.daemon);
    let device = daemon.active_interface.as_deref().unwrap_or("none");
    _ = writeln!(out, "{} traffic (active device={device}):", daemon.transport);
    let all = LinkTraffic {
        bytes_sent: link.bytes_sent,
        bytes_received: link.bytes_received,
        datagrams_sent: link.datagrams_sent,
        datagrams_received: link.datagrams_received,
        send_errors: daemon.send_errors,
        receive_errors: daemon.receive_errors,
    };
    traffic(out, all);
}

/// Three lines of traffic and an empty one.
pub(crate) fn traffic(out: &mut String, of: LinkTraffic) {
    let rows = [
        (of.bytes_sent, "Bytes sent", of.bytes_received, "Bytes recv"),
        (of.datagrams_sent, "Pckts sent", of.datagrams_received, "Pckts recv"),
        (of.send_errors, "Error send", of.receive_errors, "Error recv"),
    ];
    for (sent, sent_name, received, received_name) in rows {
        _ = writeln!(out, "{sent:>20} {sent_name} {received:>20} {received_name}");
    }
    out.push('\n');
}
