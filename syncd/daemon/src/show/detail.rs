//! The counters that conntrackd does not have, as text: `show conntrack-sync statistics --detail`.
//!
//! Whatever the JSON counts is in here or in the layout above it; a test in `show/tests/statistics.rs` holds that.

use std::fmt::Write;

use syncd_core::replica::PreloadStats;

use super::statistics::traffic;
use super::view::StatisticsView;

/// All blocks, below those of conntrackd.
pub(super) fn detail(out: &mut String, view: &StatisticsView) {
    kernel(out, view);
    reliability(out, view);
    caches(out, view);
    commits(out, view);
    preload(out, view);
    expectations(out, view);
    not_carried(out, view);
    links(out, view);
    daemon(out, view);
}

fn kernel(out: &mut String, view: &StatisticsView) {
    let (kernel, daemon) = (&view.kernel, &view.daemon);
    pair(
        out,
        "kernel events:",
        &[
            ("New", kernel.events_new, "Update", kernel.events_update),
            ("Destroy", kernel.events_destroy, "Filtered", kernel.filtered),
            ("Overruns", kernel.overruns, "Dumps", kernel.dumps),
            ("Counts that differ", kernel.count_mismatches, "Dropped", daemon.events_dropped),
            ("Unheard births", kernel.unheard_births, "Unheard ends", kernel.unheard_ends),
            ("Late ends", kernel.late_destroys, "Early ends dropped", kernel.early_ends_dropped),
            ("Look-ups", kernel.confirmations, "Dumps failed", kernel.dump_failures),
            ("Malformed", daemon.events_malformed, "Batches refused", daemon.batches_refused),
        ],
    );
}

fn reliability(out: &mut String, view: &StatisticsView) {
    let (ftfw, link) = (&view.ftfw, &view.link);
    pair(
        out,
        "reliability:",
        &[
            ("Frames sent", link.frames_sent, "Frames recv", link.frames_received),
            ("Acks sent", ftfw.acks_sent, "Acks recv", ftfw.acks_received),
            ("Nacks sent", ftfw.nacks_sent, "Nacks recv", ftfw.nacks_received),
            ("Flows resent", ftfw.resent, "Flows requeued", ftfw.requeued),
            ("Hellos of the peer", ftfw.hello_episodes, "Silences of the peer", ftfw.peer_lost),
            ("Resyncs asked", ftfw.resyncs_asked, "Bulks sent", ftfw.bulks),
            ("Resyncs doubted", ftfw.resyncs_doubted, "Resyncs recv", ftfw.resyncs_received),
            ("Nacks dropped", ftfw.nacks_dropped, "Ends forgotten", ftfw.ends_forgotten),
            ("Frames too late", ftfw.before, "Stale hellos", ftfw.stale_hello),
            ("Sending stuck", ftfw.sending_stuck, "Receiving stuck", ftfw.receiving_stuck),
            ("Foreign hellos", ftfw.foreign_hellos, "Truncated", link.truncated),
            ("Bad size", link.bad_size, "Wrong version", link.wrong_version),
            ("Bad header", link.bad_header, "Bad payload", link.bad_payload),
        ],
    );
}

fn caches(out: &mut String, view: &StatisticsView) {
    let (internal, external) = (&view.internal.stats, &view.external.stats);
    pair(
        out,
        "sweeps:",
        &[
            ("Internal ended", internal.destroyed, "External ended", external.destroyed),
            ("Internal swept", internal.swept, "External swept", external.swept),
        ],
    );
}

fn commits(out: &mut String, view: &StatisticsView) {
    let (commit, daemon) = (&view.commit, &view.daemon);
    pair(
        out,
        "commits:",
        &[
            ("Commits", commit.begun, "Flows committed", commit.committed),
            ("Flows failed", commit.failed, "Flows replaced", commit.replaced),
            ("Without helper", commit.without_helper, "Without parent", commit.without_parent),
            ("Adoptions", commit.adoptions, "Conflicts", commit.conflicts),
            ("Flows relaxed", commit.relaxed, "Leftovers removed", view.kernel.leftovers_removed),
            ("Gates closed", daemon.gates_closed, "Gates failed", daemon.gates_failed),
            ("Gate's packets", daemon.gate_packets_dropped, "Lines not keepalived's", daemon.fifo_garbage),
        ],
    );
}

fn preload(out: &mut String, view: &StatisticsView) {
    let preload = &view.preload;
    if *preload == PreloadStats::default() {
        return;
    }
    pair(
        out,
        "preload:",
        &[
            ("Created", preload.created, "Updated", preload.updated),
            ("Removed", preload.removed, "Refused", preload.refused),
            ("Gathered", preload.gathered, "Unchanged", preload.unchanged),
            ("Replaced", preload.replaced, "Takeovers", preload.takeovers),
            ("Without helper", preload.without_helper, "Without parent", preload.without_parent),
            ("Ended here", preload.ended_here, "Spared", preload.spared),
            ("Shortened", preload.shortened, "Conflicts", preload.conflicts),
            // Alone in its row.
            ("Flushed", preload.flushed, "", 0),
        ],
    );
}

/// What travels beside flows.
fn expectations(out: &mut String, view: &StatisticsView) {
    let (kernel, link, commit) = (&view.kernel, &view.link, &view.commit);
    let (internal, external) = (&view.internal_expectations, &view.external_expectations);
    let received = external.stats.created + external.stats.updated;
    pair(
        out,
        "expectations:",
        &[
            ("Internal", u64::from(internal.current), "External", u64::from(external.current)),
            ("Internal ended", internal.stats.destroyed, "External ended", external.stats.destroyed),
            ("Internal swept", internal.stats.swept, "External swept", external.stats.swept),
            ("Kernel events", kernel.expectation_events, "Filtered", kernel.expectations_filtered),
            ("Received", received, "Not kept", link.expectations_skipped),
            ("Committed", commit.expectations_committed, "Failed", commit.expectations_failed),
            ("Replaced", commit.expectations_replaced, "Dumps failed", kernel.expectation_dump_failures),
        ],
    );
}

/// What the dialect has no words for.
fn not_carried(out: &mut String, view: &StatisticsView) {
    let (link, daemon) = (&view.link, &view.daemon);
    let events = daemon.event_attributes_skipped;
    pair(
        out,
        "not carried:",
        &[
            ("Attributes not sent", link.attributes_unsaid, "Attributes not kept", link.attributes_skipped),
            ("Ambiguous frames sent", link.ambiguous_sent, "Event attributes", events),
            ("Ends not told", link.ends_unsaid, "Flows without events", u64::from(daemon.mute)),
        ],
    );
}

/// Of several links each; that of one is above.
fn links(out: &mut String, view: &StatisticsView) {
    if let [_, _, ..] = view.daemon.links.as_slice() {
        for link in &view.daemon.links {
            // Writing to a string cannot fail.
            _ = writeln!(out, "dedicated link {} ({}):", link.interface, link.state);
            traffic(out, link.traffic);
        }
    }
}

fn daemon(out: &mut String, view: &StatisticsView) {
    let daemon = &view.daemon;
    pair(
        out,
        "daemon:",
        &[
            ("Queued", u64::from(daemon.queued), "Not acknowledged", u64::from(daemon.in_flight)),
            ("Ends kept", u64::from(daemon.ended), "Notices dropped", daemon.notices_dropped),
            ("Uptime (s)", daemon.uptime_s, "Event buffer (bytes)", daemon.event_buffer_bytes),
        ],
    );
}

/// A block of two columns. A right one without a name is not there.
fn pair(out: &mut String, title: &str, rows: &[(&str, u64, &str, u64)]) {
    // Writing to a string cannot fail, here and below.
    _ = writeln!(out, "{title}");
    let width = rows.iter().map(|(left, ..)| left.len()).max().unwrap_or(0);
    for (left, left_count, right, right_count) in rows {
        _ = match *right {
            "" => writeln!(out, "{left_count:>20} {left}"),
            _ => writeln!(out, "{left_count:>20} {left:<width$} {right_count:>20} {right}"),
        };
    }
    out.push('\n');
}
