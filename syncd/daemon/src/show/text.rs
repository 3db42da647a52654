//! Values as text: conntrackd's and VyOS's own lines where they have them, ours after them. Tested in `show/tests.rs`.

use std::fmt::Write;

use syncd_core::replica::CacheStats;

use super::view::{CacheView, CommitView, ProgressView, StatisticsView, StatusView};

/// `show conntrack-sync status`, read at `unix_now` of the wall clock.
pub(crate) fn status(view: &StatusView, unix_now: u64) -> String {
    let mut out = String::new();
    let mut row = |name: &str, value: String| {
        // Writing to a string cannot fail.
        _ = writeln!(out, "{name:<21} : {value}");
    };
    let ago = |at: u64| span(view.monotonic_ns.saturating_sub(at));
    let wall = |at: u64| utc(unix_now.saturating_sub(view.monotonic_ns.saturating_sub(at) / 1_000_000_000));
    row("sync-interface", view.sync_interface.join(" "));
    row("failover-mechanism", format!("{} [sync-group {}]", view.failover_mechanism, view.sync_group));
    row(
        "last state transition",
        view.last_transition.as_ref().map_or_else(
            || "no transition yet!".to_owned(),
            |last| format!("{} at {}", vrrp_word(&last.role), utc(last.unix_seconds)),
        ),
    );
    row("role", format!("{} for {}", view.role, ago(view.role_since_ns)));
    let reason = view.sync.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let progress = view.sync.progress.map(progress).unwrap_or_default();
    row("sync", format!("{}{progress} since {}{reason}", view.sync.state, wall(view.sync.since_ns)));
    row("internal flows", view.internal_flows.to_string());
    row("external flows", view.external_flows.to_string());
    if !view.expect_sync.is_empty() {
        let (internal, external) = (view.internal_expectations, view.external_expectations);
        row("expect-sync", view.expect_sync.join(" "));
        row("expectations", format!("{internal} internal, {external} external"));
    }
    row("to be sent", format!("{} queued, {} not acknowledged", view.queued, view.in_flight));
    row(
        "last commit",
        view.commit.as_ref().map_or_else(|| "none".to_owned(), |commit| last_commit(commit, ago)),
    );
    out
}

/// ` (n of m)`.
fn progress(progress: ProgressView) -> String {
    match progress {
        ProgressView { done, of: Some(of) } => format!(" ({done} of {of} flows)"),
        ProgressView { done, of: None } => format!(" ({done} flows so far)"),
    }
}

fn last_commit(commit: &CommitView, ago: impl Fn(u64) -> String) -> String {
    let counts = format!("{} flows committed, {} failed", commit.committed, commit.failed);
    match commit.end_ns {
        None => format!("running for {}: {counts}", ago(commit.begin_ns)),
        Some(end) => format!("{} ago: {counts}, in {}", ago(end), span(end.saturating_sub(commit.begin_ns))),
    }
}

/// The word VyOS shows for a role.
fn vrrp_word(role: &str) -> String {
    if role == "primary" { "MASTER".to_owned() } else { role.to_uppercase() }
}

/// A span with its leading units.
fn span(nanos: u64) -> String {
    let seconds = nanos / 1_000_000_000;
    match seconds {
        0..10 => format!("{}.{:03} s", seconds, nanos / 1_000_000 % 1000),
        10..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A wall-clock time in UTC: `2026-11-23 14:05:09 UTC`.
pub(crate) fn utc(unix_seconds: u64) -> String {
    let (days, second) = (unix_seconds / 86_400, unix_seconds % 86_400);
    // From days to a date, in years that begin in March: leap days come last (the proleptic Gregorian calendar).
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// `show conntrack-sync statistics`: conntrackd's blocks first, with its widths, then ours.
pub(crate) fn statistics(view: &StatisticsView) -> String {
    let mut out = String::new();
    cache(&mut out, "cache internal", &view.internal);
    cache(&mut out, "cache external", &view.external);
    traffic(&mut out, view);
    pair(
        &mut out,
        "message tracking:",
        &[("Malformed msgs", view.link.malformed, "Lost msgs", view.ftfw.lost)],
    );
    ours(&mut out, view);
    rare(&mut out, view);
    out
}

fn cache(out: &mut String, name: &str, cache: &CacheView) {
    let CacheView { current, stats } = cache;
    let CacheStats { created, create_failed, updated, destroyed, swept } = stats;
    // Writing to a string cannot fail, here and below.
    _ = writeln!(out, "{name}:");
    _ = writeln!(out, "current active connections:\t{current:>12}");
    _ = writeln!(out, "connections created:\t\t{created:>12}\tfailed:\t{create_failed:>12}");
    _ = writeln!(out, "connections updated:\t\t{updated:>12}\tfailed:\t{:>12}", 0);
    _ = writeln!(out, "connections destroyed:\t\t{destroyed:>12}\tfailed:\t{:>12}", 0);
    _ = writeln!(out, "connections swept:\t\t{swept:>12}\n");
}

fn traffic(out: &mut String, view: &StatisticsView) {
    let (link, daemon) = (&view.link, &view.daemon);
    let device = daemon.active_interface.as_deref().unwrap_or("none");
    let title = format!("{} traffic (active device={device}):", daemon.transport);
    pair(
        out,
        &title,
        &[
            ("Bytes sent", link.bytes_sent, "Bytes recv", link.bytes_received),
            ("Pckts sent", link.datagrams_sent, "Pckts recv", link.datagrams_received),
            ("Error send", daemon.send_errors, "Error recv", daemon.receive_errors),
        ],
    );
}

fn ours(out: &mut String, view: &StatisticsView) {
    let (kernel, ftfw, link, commit) = (&view.kernel, &view.ftfw, &view.link, &view.commit);
    pair(
        out,
        "kernel events:",
        &[
            ("New", kernel.events_new, "Update", kernel.events_update),
            ("Destroy", kernel.events_destroy, "Filtered", kernel.filtered),
            ("Overruns", kernel.overruns, "Dumps", kernel.dumps),
            ("Counts that differ", kernel.count_mismatches, "Dropped", view.daemon.events_dropped),
        ],
    );
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
        ],
    );
    pair(
        out,
        "commits:",
        &[
            ("Commits", commit.begun, "Flows committed", commit.committed),
            ("Flows failed", commit.failed, "Flows replaced", commit.replaced),
            ("Without helper", commit.without_helper, "Without parent", commit.without_parent),
            ("Adoptions", commit.adoptions, "Conflicts", commit.conflicts),
            ("Flows relaxed", commit.relaxed, "Leftovers removed", view.kernel.leftovers_removed),
        ],
    );
}

/// What travels beside flows, and what the dialect has no words for.
fn rare(out: &mut String, view: &StatisticsView) {
    let (kernel, link, commit) = (&view.kernel, &view.link, &view.commit);
    let (internal, external) = (&view.internal_expectations, &view.external_expectations);
    pair(
        out,
        "expectations:",
        &[
            ("Internal", u64::from(internal.current), "External", u64::from(external.current)),
            ("Kernel events", kernel.expectation_events, "Filtered", kernel.expectations_filtered),
            (
                "Received",
                external.stats.created + external.stats.updated,
                "Not kept",
                link.expectations_skipped,
            ),
            ("Committed", commit.expectations_committed, "Failed", commit.expectations_failed),
        ],
    );
    pair(
        out,
        "not carried:",
        &[
            ("Attributes not sent", link.attributes_unsaid, "Attributes not kept", link.attributes_skipped),
            (
                "Ambiguous frames sent",
                link.ambiguous_sent,
                "Event attributes",
                view.daemon.event_attributes_skipped,
            ),
        ],
    );
}

/// A block of two columns, as conntrackd's.
fn pair(out: &mut String, title: &str, rows: &[(&str, u64, &str, u64)]) {
    _ = writeln!(out, "{title}");
    let width = rows.iter().map(|(left, ..)| left.len()).max().unwrap_or(0);
    for (left, left_count, right, right_count) in rows {
        _ = writeln!(out, "{left_count:>20} {left:<width$} {right_count:>20} {right}");
    }
    out.push('\n');
}
