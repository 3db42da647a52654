//! Which metrics there are: the daemon's views as families of samples.
//!
//! A pure function of the facts. What is not known is left out, never said as 0. Tested in `metrics/tests.rs`, which also
//! holds `docs/metrics.md`, the rules and the dashboard against it.

use syncd_core::ftfw::{LAG_BOUNDS, Lag};
use syncd_core::replica::{BulkCause, Reason};

use super::handovers::Handovers;
use super::text::Kind::{Counter, Gauge, Histogram};
use super::text::Text;
use super::transitions::{ROLES, Transitions};
use crate::readiness::judge::Code;
use crate::show::view::{CacheView, LinkView, StatisticsView, StatusView};

/// What the page is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'f> {
    /// How things stand.
    pub(crate) status: &'f StatusView,
    /// What was counted.
    pub(crate) statistics: &'f StatisticsView,
    /// What the peer is called.
    pub(crate) peer: &'f str,
    /// The most flows in the internal cache.
    pub(crate) internal_limit: u32,
    /// The most flows in the external cache.
    pub(crate) external_limit: u32,
    /// How long the peer is behind.
    pub(crate) lag: &'f Lag,
    /// How often the role has changed.
    pub(crate) transitions: &'f Transitions,
    /// How often it was to be handed over.
    pub(crate) handovers: &'f Handovers,
}

/// The states of the peer, as the status says them and as labels.
const PEER_STATES: [(&str, &str); 4] =
    [("in sync", "in_sync"), ("catching up", "catching_up"), ("diverged", "diverged"), ("peer lost", "lost")];

/// The page.
pub(crate) fn write(facts: &Facts<'_>) -> String {
    let mut text = Text::default();
    daemon(&mut text, facts);
    role(&mut text, facts);
    peer(&mut text, facts);
    lag(&mut text, facts);
    caches(&mut text, facts);
    messages(&mut text, facts);
    links(&mut text, facts);
    kernel(&mut text, facts);
    resyncs(&mut text, facts);
    commits(&mut text, facts);
    preload(&mut text, facts);
    text.finish()
}

fn daemon(text: &mut Text, facts: &Facts<'_>) {
    text.single("syncd_up", Gauge, "Always 1: the daemon answers.", 1);
    text.family("syncd_build_info", Gauge, "Always 1; the label is the version of the daemon.")
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    let help = "Seconds since the daemon started.";
    text.single("syncd_uptime_seconds", Gauge, help, facts.statistics.daemon.uptime_s);
}

fn role(text: &mut Text, facts: &Facts<'_>) {
    let status = facts.status;
    let help = "1 for the role that this router has in the VRRP sync group, 0 for the others.";
    let mut family = text.family("syncd_role", Gauge, help);
    for role in ROLES {
        let labels = [("group", status.sync_group.as_str()), ("role", role.name())];
        family.sample(&labels, u8::from(status.role == role.name()));
    }
    let mut family = text.family("syncd_transitions_total", Counter, "Changes of the role.");
    for (from, to, count) in facts.transitions.all() {
        family.sample(&[("from", from.name()), ("to", to.name())], count);
    }
    if let Some(last) = &status.last_transition {
        let help = "When the role changed last, in seconds since 1970.";
        text.single("syncd_last_transition_timestamp_seconds", Gauge, help, last.unix_seconds);
    }
    let help = "1 if a failover now would lose no flow, as far as this router can know: 'syncd ready'.";
    text.single("syncd_failover_ready", Gauge, help, u8::from(status.ready));
    let help = "1 for each reason why a failover now would lose flows, 0 for the others.";
    let mut family = text.family("syncd_not_ready", Gauge, help);
    for code in Code::ALL {
        let is_one = status.not_ready.iter().any(|reason| reason.reason == code.word());
        family.sample(&[("reason", code.word())], u8::from(is_one));
    }
    let help = "What keepalived is told, to be multiplied by its weight: 0 ready, -1 stepped back, -2 handing over, \
                -3 not ready.";
    text.single("syncd_track_file_level", Gauge, help, status.keepalived.level);
    let help = "Times keepalived was let go on although this router was not ready, after ready-timeout.";
    text.single("syncd_ready_timeouts_total", Counter, help, status.keepalived.ready_timeouts);
    let mut family =
        text.family("syncd_handovers_total", Counter, "Handovers asked for, by what became of them.");
    for (outcome, count) in facts.handovers.all() {
        family.sample(&[("result", &outcome.word().replace(' ', "_"))], count);
    }
}

fn peer(text: &mut Text, facts: &Facts<'_>) {
    let (status, peer) = (facts.status, ("peer", facts.peer));
    let is = |state: &str| u8::from(status.sync.state == state);
    let help = "1 for the state that replication with the peer is in, 0 for the others.";
    let mut family = text.family("syncd_peer_state", Gauge, help);
    for (word, label) in PEER_STATES {
        family.sample(&[peer, ("state", label)], is(word));
    }
    let help = "1 if both routers know the same, save what is younger than a second or two.";
    text.family("syncd_in_sync", Gauge, help).sample(&[peer], is("in sync"));
    let help = "Flows and expectations sent and not acknowledged.";
    text.family("syncd_unacked_messages", Gauge, help).sample(&[peer], status.in_flight);
    let help = "Flows and expectations waiting to be sent.";
    text.family("syncd_queued_messages", Gauge, help).sample(&[peer], status.queued);
    let progress = status.sync.progress.and_then(|progress| Some((progress.done, progress.of?)));
    if let Some((done, of)) = progress.filter(|(_, of)| *of > 0) {
        let help = "How much of catching up is done, from 0 to 1; absent where nobody knows.";
        let ratio = (f64::from(done) / f64::from(of)).min(1.0);
        text.family("syncd_resync_progress_ratio", Gauge, help).sample(&[peer], ratio);
    }
}

/// Text, because the bounds are exact in microseconds.
fn seconds(micros: u64) -> String {
    let digits = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    digits.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn lag(text: &mut Text, facts: &Facts<'_>) {
    let (lag, peer) = (facts.lag, ("peer", facts.peer));
    let help = "How long it took until the peer had acknowledged all news that waited for it at one moment.";
    let mut family = text.family("syncd_replication_lag_seconds", Histogram, help);
    let mut so_far = 0;
    for (bound, count) in LAG_BOUNDS.into_iter().zip(lag.buckets) {
        so_far += count;
        family.part("_bucket", &[peer, ("le", &seconds(bound))], so_far);
    }
    family.part("_bucket", &[peer, ("le", "+Inf")], lag.rounds);
    family.part("_sum", &[peer], seconds(lag.micros));
    family.part("_count", &[peer], lag.rounds);
}

fn caches(text: &mut Text, facts: &Facts<'_>) {
    let view = facts.statistics;
    let caches = [
        ("internal", "ct", &view.internal),
        ("external", "ct", &view.external),
        ("internal", "expect", &view.internal_expectations),
        ("external", "expect", &view.external_expectations),
    ];
    let help =
        "Flows (ct) and expectations (expect) of this router's kernel (internal) and of the peer (external).";
    let mut family = text.family("syncd_cache_entries", Gauge, help);
    for (cache, table, of) in caches {
        family.sample(&[("cache", cache), ("table", table)], of.current);
    }
    let help = "Flows of this router's kernel whose end may make no event: it is noticed by reading the table again.";
    text.single("syncd_mute_flows", Gauge, help, facts.status.mute_flows);
    let help = "The most flows in each cache; what is beyond it is not replicated.";
    text.family("syncd_cache_limit_entries", Gauge, help)
        .sample(&[("cache", "internal"), ("table", "ct")], facts.internal_limit)
        .sample(&[("cache", "external"), ("table", "ct")], facts.external_limit);
    let help = "What happened in the caches; sweep: removed because an end had gone unheard.";
    let mut family = text.family("syncd_cache_ops_total", Counter, help);
    for (cache, table, CacheView { stats, .. }) in caches {
        let ops = [
            ("create", "ok", stats.created),
            ("create", "full", stats.create_failed),
            ("update", "ok", stats.updated),
            ("destroy", "ok", stats.destroyed),
            ("sweep", "ok", stats.swept),
        ];
        for (op, result, count) in ops {
            family.sample(&[("cache", cache), ("table", table), ("op", op), ("result", result)], count);
        }
    }
}

fn messages(text: &mut Text, facts: &Facts<'_>) {
    let (link, ftfw) = (&facts.statistics.link, &facts.statistics.ftfw);
    let peer = ("peer", facts.peer);
    let help = "Messages sent to the peer, those of the protocol itself included.";
    text.family("syncd_messages_sent_total", Counter, help).sample(&[peer], link.frames_sent);
    let help = "Well-formed messages received from the peer.";
    text.family("syncd_messages_received_total", Counter, help).sample(&[peer], link.frames_received);
    let help = "Messages of the peer that were missing when a later one came; they are asked for again.";
    text.family("syncd_messages_lost_total", Counter, help).sample(&[peer], ftfw.lost);
    let help = "Flows and expectations sent to the peer again.";
    text.family("syncd_messages_resent_total", Counter, help)
        .sample(&[peer, ("reason", "asked")], ftfw.resent)
        .sample(&[peer, ("reason", "silence_or_hello")], ftfw.requeued);
    let help = "Messages that could not be understood.";
    let mut family = text.family("syncd_messages_malformed_total", Counter, help);
    let reasons = [
        ("truncated", link.truncated),
        ("bad_size", link.bad_size),
        ("wrong_version", link.wrong_version),
        ("bad_header", link.bad_header),
        ("bad_payload", link.bad_payload),
    ];
    for (reason, count) in reasons {
        family.sample(&[peer, ("reason", reason)], count);
    }
    let help = "Well-formed messages that were not applied.";
    text.family("syncd_messages_rejected_total", Counter, help)
        .sample(&[peer, ("reason", "late_or_twice")], ftfw.before)
        .sample(&[peer, ("reason", "stale_hello")], ftfw.stale_hello)
        .sample(&[peer, ("reason", "helper_not_replicated")], link.expectations_skipped);
    let help = "Times the peer fell silent.";
    text.family("syncd_peer_lost_total", Counter, help).sample(&[peer], ftfw.peer_lost);
}

fn links(text: &mut Text, facts: &Facts<'_>) {
    let links = &facts.status.links;
    let each = |text: &mut Text, name: &str, help: &str, of: fn(&LinkView) -> u8| {
        let mut family = text.family(name, Gauge, help);
        for link in links {
            family.sample(&[("link", &link.interface)], of(link));
        }
    };
    let help = "1 if the interface of the dedicated link is on and has a carrier.";
    each(text, "syncd_link_up", help, |link| u8::from(link.state == "RUNNING"));
    let help = "1 for the dedicated link that is sent on.";
    each(text, "syncd_link_active", help, |link| u8::from(link.active));
    let peer = ("peer", facts.peer);
    let mut both = |name: &str, help: &str, of: fn(&LinkView) -> [u64; 2]| {
        let mut family = text.family(name, Counter, help);
        for link in links {
            let [sent, received] = of(link);
            family.sample(&[peer, ("dir", "tx"), ("link", &link.interface)], sent);
            family.sample(&[peer, ("dir", "rx"), ("link", &link.interface)], received);
        }
    };
    both("syncd_bytes_total", "Bytes of UDP payload on each dedicated link.", |link| {
        [link.traffic.bytes_sent, link.traffic.bytes_received]
    });
    both("syncd_datagrams_total", "Datagrams on each dedicated link.", |link| {
        [link.traffic.datagrams_sent, link.traffic.datagrams_received]
    });
    both(
        "syncd_link_errors_total",
        "Datagrams that could not be sent, and errors while receiving.",
        |link| [link.traffic.send_errors, link.traffic.receive_errors],
    );
}

fn kernel(text: &mut Text, facts: &Facts<'_>) {
    let (kernel, daemon) = (&facts.statistics.kernel, &facts.statistics.daemon);
    text.family("syncd_netlink_events_total", Counter, "Events about flows that the kernel told.")
        .sample(&[("type", "new")], kernel.events_new)
        .sample(&[("type", "update")], kernel.events_update)
        .sample(&[("type", "destroy")], kernel.events_destroy);
    let help = "Times the kernel reported lost events; its table is read anew then.";
    text.single("syncd_netlink_overruns_total", Counter, help, kernel.overruns);
    let help = "Events that the kernel could not deliver, attempts to deliver an end again included.";
    text.single("syncd_netlink_dropped_events_total", Counter, help, daemon.events_dropped);
    let help = "What was forgotten for want of room: ends told before the table was read, and notices.";
    text.family("syncd_forgotten_total", Counter, help)
        .sample(&[("kind", "early_end")], kernel.early_ends_dropped)
        .sample(&[("kind", "notice")], daemon.notices_dropped);
    let help = "Receive buffer for events, in bytes; it grows up to event-listen-queue-size.";
    text.single("syncd_netlink_rcvbuf_bytes", Gauge, help, daemon.event_buffer_bytes);
    text.family("syncd_netlink_dumps_total", Counter, "Times the kernel's table was read, or could not be.")
        .sample(&[("result", "ok")], kernel.dumps)
        .sample(&[("result", "failed")], kernel.dump_failures);
}

fn resyncs(text: &mut Text, facts: &Facts<'_>) {
    let ftfw = &facts.statistics.ftfw;
    let help = "Resyncs: asked of the peer, of these not trusted because of a gap, asked by the peer, and tables sent.";
    let mut family = text.family("syncd_resync_total", Counter, help);
    for (reason, count) in Reason::ASKING.iter().zip(ftfw.asked_because) {
        family.sample(&[("kind", "asked"), ("reason", reason.word())], count);
    }
    family.sample(&[("kind", "doubted"), ("reason", Reason::GapDuringResync.word())], ftfw.resyncs_doubted);
    family.sample(&[("kind", "received"), ("reason", BulkCause::PeerAsked.word())], ftfw.resyncs_received);
    for (cause, count) in BulkCause::ALL.iter().zip(ftfw.bulks_because) {
        family.sample(&[("kind", "bulk_sent"), ("reason", cause.word())], count);
    }
}

fn commits(text: &mut Text, facts: &Facts<'_>) {
    let commit = &facts.statistics.commit;
    text.single("syncd_commits_total", Counter, "Commits begun.", commit.begun);
    let last = facts.status.commit.as_ref().and_then(|commit| Some((commit, commit.end_ns?)));
    if let Some((last, end)) = last {
        let help = "How long the last commit took; absent before the first and while one is running.";
        let micros = end.saturating_sub(last.begin_ns) / 1000;
        text.single("syncd_commit_duration_seconds", Gauge, help, seconds(micros));
    }
    let daemon = &facts.statistics.daemon;
    let help = "Times the gate was closed for a commit, or could not be.";
    text.family("syncd_gates_total", Counter, help)
        .sample(&[("result", "closed")], daemon.gates_closed)
        .sample(&[("result", "failed")], daemon.gates_failed);
    let help = "Packets that the gate has dropped: they belonged to no known flow and opened none.";
    text.single("syncd_gate_dropped_packets_total", Counter, help, daemon.gate_packets_dropped);
    let help = "Flows (ct) and expectations (expect) that commits wrote to the kernel, or could not write.";
    text.family("syncd_commit_entries_total", Counter, help)
        .sample(&[("table", "ct"), ("result", "committed")], commit.committed)
        .sample(&[("table", "ct"), ("result", "failed")], commit.failed)
        .sample(&[("table", "expect"), ("result", "committed")], commit.expectations_committed)
        .sample(&[("table", "expect"), ("result", "failed")], commit.expectations_failed);
}

fn preload(text: &mut Text, facts: &Facts<'_>) {
    let preload = &facts.statistics.preload;
    if let Some(waiting) = facts.status.preload_waiting {
        let help =
            "Flows of the peer that wait to be written to the kernel of a router that stands by, or removed.";
        text.single("syncd_preload_waiting", Gauge, help, u64::from(waiting));
    }
    let help = "What was done to keep the peer's flows in the kernel of a router that stands by, by kind.";
    text.family("syncd_preload_total", Counter, help)
        .sample(&[("kind", "created")], preload.created)
        .sample(&[("kind", "updated")], preload.updated)
        .sample(&[("kind", "removed")], preload.removed)
        .sample(&[("kind", "refused")], preload.refused)
        .sample(&[("kind", "ended_here")], preload.ended_here)
        .sample(&[("kind", "shortened")], preload.shortened);
}
