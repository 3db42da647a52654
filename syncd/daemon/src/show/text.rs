//! The status as text: VyOS's own lines, ours after them. Tested in `show/tests.rs`.

use std::fmt::Write;

use super::view::{CommitView, LinkView, ProgressView, StatusView};

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
    row("links", view.links.iter().map(link).collect::<Vec<_>>().join(", "));
    row("failover-mechanism", format!("{} [sync-group {}]", view.failover_mechanism, view.sync_group));
    row(
        "last state transition",
        view.last_transition.as_ref().map_or_else(
            || "no transition yet!".to_owned(),
            |last| format!("{} at {}", vrrp_word(&last.role), utc(last.unix_seconds)),
        ),
    );
    let expect_sync =
        if view.expect_sync.is_empty() { "disabled".to_owned() } else { view.expect_sync.join(" ") };
    row("ExpectationSync", expect_sync);
    row("role", format!("{} for {}", view.role, ago(view.role_since_ns)));
    let reason = view.sync.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let progress = view.sync.progress.map(progress).unwrap_or_default();
    row("sync", format!("{}{progress} since {}{reason}", view.sync.state, wall(view.sync.since_ns)));
    row("ready", ready(view));
    row("keepalived is told", view.keepalived.sentence(view.monotonic_ns));
    row("internal flows", view.internal_flows.to_string());
    if view.mute_flows > 0 {
        row(
            "without events",
            format!("{} flows: their end is noticed by reading the table again", view.mute_flows),
        );
    }
    row("external flows", view.external_flows.to_string());
    if !view.expect_sync.is_empty() {
        let (internal, external) = (view.internal_expectations, view.external_expectations);
        row("expectations", format!("{internal} internal, {external} external"));
    }
    row("to be sent", format!("{} queued, {} not acknowledged", view.queued, view.in_flight));
    row(
        "last commit",
        view.commit.as_ref().map_or_else(|| "none".to_owned(), |commit| last_commit(commit, ago)),
    );
    out
}

/// `yes`, or `no (bulk, table-space)`; `syncd ready` has the sentences.
fn ready(view: &StatusView) -> String {
    let reasons: Vec<&str> = view.not_ready.iter().map(|reason| reason.reason.as_str()).collect();
    if view.ready { "yes".to_owned() } else { format!("no ({}): see 'syncd ready'", reasons.join(", ")) }
}

/// `eth2 RUNNING, active`.
fn link(link: &LinkView) -> String {
    format!("{} {}{}", link.interface, link.state, if link.active { " (active)" } else { "" })
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
