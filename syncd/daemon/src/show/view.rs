//! The replica's state as values that are written as JSON and read back by the client.
//!
//! The counters are the core's own structs, field by field: serde refuses to compile when one is missing here.
//! Tested in `show/tests.rs`.

use serde::{Deserialize, Serialize};
use syncd_core::replica::{
    BulkCause, CacheStats, CommitStats, CommitStatus, FtfwStats, KernelStats, LinkStats, PreloadStats,
    Progress, Reason, Role, Stats, Status, Sync,
};
use syncd_core::time::Instant;

use super::ready::{KeepalivedView, ReasonView};
use crate::last_role::Transition;
use crate::readiness::Standing;

pub(crate) use super::flows::{FlowView, window_scales};

/// What the configuration adds to the status.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// The dedicated links.
    pub(crate) sync_interface: Vec<String>,
    /// The peer's address on the first link, or the multicast group that both routers join.
    pub(crate) peer: String,
    /// The VRRP sync group.
    pub(crate) sync_group: String,
    /// The helpers whose expectations are replicated, in the words of the configuration.
    pub(crate) expect_sync: Vec<String>,
    /// Whether keepalived says the role through a FIFO; else whoever commands says it.
    pub(crate) has_fifo: bool,
    /// When the daemon started.
    pub(crate) start: Instant,
    /// The unit of systemd whose journal has our lines, if there is one.
    pub(crate) journal_unit: Option<String>,
}

/// `show conntrack-sync status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StatusView {
    /// Of this document.
    pub(crate) version: u32,
    /// Our role.
    pub(crate) role: String,
    /// Since when, monotonic.
    pub(crate) role_since_ns: u64,
    /// Whether both routers know the same.
    pub(crate) sync: SyncView,
    /// Whether this router could take over now without loss.
    pub(crate) ready: bool,
    /// Why not; 'syncd ready' tells each.
    pub(crate) not_ready: Vec<ReasonView>,
    /// What keepalived is told of it.
    pub(crate) keepalived: KeepalivedView,
    /// The last commit.
    pub(crate) commit: Option<CommitView>,
    /// Flows of the peer that wait to be written to our kernel, or removed; none without disable-external-cache.
    pub(crate) preload_waiting: Option<u32>,
    /// Flows of our kernel.
    pub(crate) internal_flows: u32,
    /// Of these, flows whose end may make no event.
    #[serde(default)]
    pub(crate) mute_flows: u32,
    /// Flows of the peer.
    pub(crate) external_flows: u32,
    /// Expectations of our kernel.
    pub(crate) internal_expectations: u32,
    /// Expectations of the peer.
    pub(crate) external_expectations: u32,
    /// Flows waiting to be sent.
    pub(crate) queued: u32,
    /// Flows sent and not acknowledged.
    pub(crate) in_flight: u32,
    /// The dedicated links.
    pub(crate) sync_interface: Vec<String>,
    /// The same with their state, as the kernel tells it.
    pub(crate) links: Vec<LinkView>,
    /// Who says the role: `notify-fifo` or `commands`.
    pub(crate) role_source: String,
    /// `vrrp`.
    pub(crate) failover_mechanism: String,
    /// The VRRP sync group.
    pub(crate) sync_group: String,
    /// The helpers whose expectations are replicated; none if empty.
    pub(crate) expect_sync: Vec<String>,
    /// The last change of role.
    pub(crate) last_transition: Option<TransitionView>,
    /// The unit of systemd whose journal has the daemon's lines; none if the daemon alone has them.
    pub(crate) journal_unit: Option<String>,
    /// When the daemon started, monotonic.
    pub(crate) started_ns: u64,
    /// When this was written, monotonic.
    pub(crate) monotonic_ns: u64,
}

/// A dedicated link. Counts since the start of the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LinkView {
    /// Its interface.
    pub(crate) interface: String,
    /// `RUNNING`, `NO-CARRIER`, `DOWN` or `ABSENT`.
    pub(crate) state: String,
    /// Whether it is the one that is sent on.
    pub(crate) active: bool,
    /// What went over it.
    #[serde(flatten)]
    pub(crate) traffic: LinkTraffic,
}

/// What went over one dedicated link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LinkTraffic {
    /// Payload bytes sent.
    pub(crate) bytes_sent: u64,
    /// Payload bytes received.
    pub(crate) bytes_received: u64,
    /// Datagrams sent.
    pub(crate) datagrams_sent: u64,
    /// Datagrams received.
    pub(crate) datagrams_received: u64,
    /// Datagrams that could not be sent.
    pub(crate) send_errors: u64,
    /// Errors while receiving.
    pub(crate) receive_errors: u64,
}

/// Whether both routers know the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SyncView {
    /// `in sync`, `catching up`, `diverged` or `peer lost`.
    pub(crate) state: String,
    /// Why, unless in sync.
    pub(crate) reason: Option<String>,
    /// How far catching up has come, where that can be said.
    pub(crate) progress: Option<ProgressView>,
    /// Since when, monotonic.
    pub(crate) since_ns: u64,
}

/// How far something has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProgressView {
    /// Flows done.
    pub(crate) done: u32,
    /// Of so many; null where nobody knows.
    pub(crate) of: Option<u32>,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CommitView {
    /// When it began, monotonic.
    pub(crate) begin_ns: u64,
    /// When it ended, monotonic; none while it runs.
    pub(crate) end_ns: Option<u64>,
    /// Flows written to the kernel.
    pub(crate) committed: u32,
    /// Flows that could not be written.
    pub(crate) failed: u32,
}

/// A change of role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TransitionView {
    /// The role entered.
    pub(crate) role: String,
    /// When, in seconds since 1970.
    pub(crate) unix_seconds: u64,
}

impl StatusView {
    /// The status as of `now`.
    pub(crate) fn new(
        now: Instant,
        status: &Status,
        setting: &Setting,
        last: Option<Transition>,
        links: Vec<LinkView>,
        standing: &Standing,
    ) -> Self {
        Self {
            version: 1,
            role: status.role.name().to_owned(),
            role_since_ns: status.role_since.as_nanos(),
            sync: SyncView::new(now, status),
            ready: standing.reasons.is_empty(),
            not_ready: standing.reasons.iter().map(ReasonView::new).collect(),
            keepalived: KeepalivedView::new(standing),
            commit: status.commit.as_ref().map(CommitView::new),
            preload_waiting: status.preload,
            internal_flows: status.internal,
            mute_flows: status.mute,
            external_flows: status.external,
            internal_expectations: status.internal_expectations,
            external_expectations: status.external_expectations,
            queued: status.queued,
            in_flight: status.in_flight,
            sync_interface: setting.sync_interface.clone(),
            links,
            role_source: if setting.has_fifo { "notify-fifo" } else { "commands" }.to_owned(),
            failover_mechanism: "vrrp".to_owned(),
            sync_group: setting.sync_group.clone(),
            expect_sync: setting.expect_sync.clone(),
            last_transition: last.map(|last| TransitionView {
                role: last.role.name().to_owned(),
                unix_seconds: last.unix_seconds,
            }),
            journal_unit: setting.journal_unit.clone(),
            started_ns: setting.start.as_nanos(),
            monotonic_ns: now.as_nanos(),
        }
    }
}

impl SyncView {
    fn new(now: Instant, status: &Status) -> Self {
        let (state, reason) = match status.sync {
            Sync::InSync => ("in sync", None),
            Sync::CatchingUp(reason) => ("catching up", Some(reason.to_string())),
            Sync::Diverged(divergence) => ("diverged", Some(divergence.to_string())),
            Sync::PeerLost { heard: None } => ("peer lost", Some("it was never heard".to_owned())),
            Sync::PeerLost { heard: Some(heard) } => {
                ("peer lost", Some(format!("last heard {} s ago", now.since(heard).as_secs())))
            }
        };
        let progress = status.progress.map(|Progress { done, of }| ProgressView { done, of });
        Self { state: state.to_owned(), reason, progress, since_ns: status.sync_since.as_nanos() }
    }
}

impl CommitView {
    fn new(commit: &CommitStatus) -> Self {
        Self {
            begin_ns: commit.begin.as_nanos(),
            end_ns: commit.end.map(Instant::as_nanos),
            committed: commit.committed,
            failed: commit.failed,
        }
    }
}

/// `show conntrack-sync statistics`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StatisticsView {
    /// Of this document.
    pub(crate) version: u32,
    /// Flows of our kernel.
    pub(crate) internal: CacheView,
    /// Flows of the peer.
    pub(crate) external: CacheView,
    /// Expectations of our kernel.
    pub(crate) internal_expectations: CacheView,
    /// Expectations of the peer.
    pub(crate) external_expectations: CacheView,
    /// What came from the kernel.
    #[serde(with = "KernelStatsFields")]
    pub(crate) kernel: KernelStats,
    /// What went over the dedicated links.
    #[serde(with = "LinkStatsFields")]
    pub(crate) link: LinkStats,
    /// What was done for reliability.
    #[serde(with = "FtfwStatsFields")]
    pub(crate) ftfw: FtfwStats,
    /// What commits did.
    #[serde(with = "CommitStatsFields")]
    pub(crate) commit: CommitStats,
    /// What was done to keep the peer's flows in the kernel of a router that stands by.
    #[serde(with = "PreloadStatsFields")]
    pub(crate) preload: PreloadStats,
    /// What only the daemon knows.
    pub(crate) daemon: DaemonView,
}

/// A cache: what is there and what happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CacheView {
    /// Flows in it.
    pub(crate) current: u32,
    /// What happened.
    #[serde(flatten, with = "CacheStatsFields")]
    pub(crate) stats: CacheStats,
}

/// What only the daemon knows. Counts since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DaemonView {
    /// Seconds since the start.
    pub(crate) uptime_s: u64,
    /// The role, for who reads only this.
    pub(crate) role: String,
    /// `multicast` or `UDP`, conntrackd's words.
    pub(crate) transport: String,
    /// The dedicated link that is used, or none.
    pub(crate) active_interface: Option<String>,
    /// Datagrams that could not be sent.
    pub(crate) send_errors: u64,
    /// Errors while receiving.
    pub(crate) receive_errors: u64,
    /// Receive buffer for kernel events, in bytes.
    pub(crate) event_buffer_bytes: u64,
    /// Kernel messages that could not be read.
    pub(crate) events_malformed: u64,
    /// Attributes of kernel events that are not replicated.
    pub(crate) event_attributes_skipped: u64,
    /// Batches of requests the kernel did not take.
    pub(crate) batches_refused: u64,
    /// Events the kernel could not deliver, attempts to deliver an end again included.
    pub(crate) events_dropped: u64,
    /// Lines of the FIFO that made no sense.
    pub(crate) fifo_garbage: u64,
    /// Notices of the replica that came too fast to be told.
    #[serde(default)]
    pub(crate) notices_dropped: u64,
    /// Times that the gate was closed.
    pub(crate) gates_closed: u64,
    /// Times that it could not be.
    pub(crate) gates_failed: u64,
    /// Packets that it has dropped.
    pub(crate) gate_packets_dropped: u64,
    /// Bytes that ended flows had carried; nothing unless `nf_conntrack_acct` is 1.
    pub(crate) bytes_processed: u64,
    /// Packets that ended flows had carried.
    pub(crate) packets_processed: u64,
    /// Flows and expectations waiting to be sent.
    pub(crate) queued: u32,
    /// Flows and expectations sent and not acknowledged.
    pub(crate) in_flight: u32,
    /// Ended flows that keep their place until the peer has heard of it.
    pub(crate) ended: u32,
    /// Flows of the kernel whose end may make no event.
    #[serde(default)]
    pub(crate) mute: u32,
    /// Whether expectations are replicated.
    pub(crate) expect_sync: bool,
    /// The dedicated links.
    pub(crate) links: Vec<LinkView>,
}

/// How much is in each cache.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Current {
    /// Flows of our kernel.
    pub(crate) internal: u32,
    /// Flows of the peer.
    pub(crate) external: u32,
    /// Expectations of our kernel.
    pub(crate) internal_expectations: u32,
    /// Expectations of the peer.
    pub(crate) external_expectations: u32,
}

impl StatisticsView {
    /// The counters as they are.
    pub(crate) fn new(stats: &Stats, current: Current, daemon: DaemonView) -> Self {
        let cache = |current, stats| CacheView { current, stats };
        Self {
            version: 1,
            internal: cache(current.internal, stats.internal),
            external: cache(current.external, stats.external),
            internal_expectations: cache(current.internal_expectations, stats.internal_expectations),
            external_expectations: cache(current.external_expectations, stats.external_expectations),
            kernel: stats.kernel,
            link: stats.link,
            ftfw: stats.ftfw,
            commit: stats.commit,
            preload: stats.preload,
            daemon,
        }
    }
}

/// The role an operator names; `master` is VRRP's word for `primary`.
pub(crate) fn role_named(word: &str) -> Option<Role> {
    match word {
        "primary" | "master" => Some(Role::Primary),
        "backup" => Some(Role::Backup),
        "fault" => Some(Role::Fault),
        _ => None,
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "CacheStats")]
struct CacheStatsFields {
    created: u64,
    create_failed: u64,
    updated: u64,
    destroyed: u64,
    swept: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "KernelStats")]
struct KernelStatsFields {
    events_new: u64,
    events_update: u64,
    events_destroy: u64,
    filtered: u64,
    late_destroys: u64,
    overruns: u64,
    count_mismatches: u64,
    unheard_ends: u64,
    unheard_births: u64,
    dumps: u64,
    dump_failures: u64,
    leftovers_removed: u64,
    #[serde(default)]
    early_ends_dropped: u64,
    confirmations: u64,
    expectation_events: u64,
    expectations_filtered: u64,
    expectation_dump_failures: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "LinkStats")]
struct LinkStatsFields {
    datagrams_sent: u64,
    bytes_sent: u64,
    datagrams_received: u64,
    bytes_received: u64,
    frames_sent: u64,
    frames_received: u64,
    malformed: u64,
    truncated: u64,
    bad_size: u64,
    wrong_version: u64,
    bad_header: u64,
    bad_payload: u64,
    attributes_skipped: u64,
    attributes_unsaid: u64,
    ambiguous_sent: u64,
    #[serde(default)]
    ends_unsaid: u64,
    expectations_skipped: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "FtfwStats")]
struct FtfwStatsFields {
    lost: u64,
    before: u64,
    stale_hello: u64,
    acks_sent: u64,
    acks_received: u64,
    nacks_sent: u64,
    nacks_dropped: u64,
    nacks_received: u64,
    resent: u64,
    requeued: u64,
    hello_episodes: u64,
    sending_stuck: u64,
    receiving_stuck: u64,
    foreign_hellos: u64,
    peer_lost: u64,
    resyncs_asked: u64,
    /// Only for the metrics, which the daemon writes itself.
    #[serde(skip)]
    asked_because: [u64; Reason::ASKING.len()],
    resyncs_doubted: u64,
    resyncs_received: u64,
    bulks: u64,
    #[serde(skip)]
    bulks_because: [u64; BulkCause::ALL.len()],
    ends_forgotten: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "CommitStats")]
struct CommitStatsFields {
    adoptions: u64,
    relaxed: u64,
    begun: u64,
    committed: u64,
    failed: u64,
    conflicts: u64,
    replaced: u64,
    without_helper: u64,
    without_parent: u64,
    expectations_committed: u64,
    expectations_failed: u64,
    expectations_replaced: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "PreloadStats")]
struct PreloadStatsFields {
    created: u64,
    updated: u64,
    unchanged: u64,
    gathered: u64,
    removed: u64,
    spared: u64,
    ended_here: u64,
    conflicts: u64,
    replaced: u64,
    refused: u64,
    without_helper: u64,
    without_parent: u64,
    takeovers: u64,
    flushed: u64,
    shortened: u64,
}
