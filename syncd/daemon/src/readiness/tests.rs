//! Every reason by itself, what the election is told, and the file.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use syncd_core::cache::{ExternalCache, InternalCache};
use syncd_core::filter::{Filter, Network};
use syncd_core::flow::{Address, Change, Family, Flow, Protocol, Tuple};
use syncd_core::replica::{CommitStatus, Divergence, Errno, Progress, Reason, Role, Status, Sync};
use syncd_core::time::Instant;

use super::judge::{Code, Facts, Table, judge};
use super::priority::{Level, Looked, Priority};
use super::sample::{LOOKS, Sample};
use super::stillness::Stillness;
use super::track_file::{TrackFile, Written};

fn at(millis: u64) -> Instant {
    Instant::default() + Duration::from_millis(millis)
}

/// A backup that has everything, a hundred seconds after its start.
fn facts() -> Facts {
    Facts {
        now: at(100_000),
        status: Status {
            role: Role::Backup,
            role_since: at(1000),
            sync: Sync::InSync,
            sync_since: at(2000),
            progress: None,
            commit: None,
            preload: None,
            internal: 3,
            mute: 0,
            external: 1000,
            internal_expectations: 0,
            external_expectations: 0,
            queued: 0,
            in_flight: 0,
            waits_since: None,
        },
        table: Some(Table { count: 3, limit: 262_144 }),
        sample: Sample::default(),
        helpers_skipped: 0,
        stood_still: None,
        links_down: None,
    }
}

/// The reasons, and the sentence of the only one.
fn only(facts: &Facts) -> (Code, String) {
    let reasons = judge(facts);
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    (reasons[0].code, reasons[0].text.clone())
}

fn with_sync(sync: Sync) -> (Code, String) {
    let mut facts = facts();
    facts.status.sync = sync;
    only(&facts)
}

#[test]
fn who_has_everything_is_ready_in_every_role_but_fault() {
    for role in [Role::Backup, Role::Primary, Role::Unknown] {
        let mut facts = facts();
        facts.status.role = role;
        assert_eq!(judge(&facts), []);
    }
    let mut facts = facts();
    facts.status.role = Role::Fault;
    assert_eq!(only(&facts).0, Code::Fault);
}

#[test]
fn a_commit_that_runs() {
    let mut facts = facts();
    facts.status.role = Role::Primary;
    facts.status.commit = Some(CommitStatus { begin: at(98_800), end: None, committed: 400, failed: 0 });
    assert_eq!(only(&facts), (Code::Commit, "a commit is running for 1.2 s: 400 flows so far".to_owned()));
    facts.status.commit =
        Some(CommitStatus { begin: at(98_800), end: Some(at(99_000)), committed: 400, failed: 0 });
    assert_eq!(judge(&facts), []);
}

#[test]
fn a_peer_that_is_not_heard() {
    assert_eq!(
        with_sync(Sync::PeerLost { heard: None }),
        (Code::Peer, "the peer was never heard".to_owned())
    );
    let (code, text) = with_sync(Sync::PeerLost { heard: Some(at(90_000)) });
    assert_eq!((code, text.as_str()), (Code::Peer, "the peer is silent, heard last 10 s ago"));
    assert_eq!(with_sync(Sync::CatchingUp(Reason::Starting)).0, Code::Peer);
}

/// Before anybody can know that the peer is silent, and in every role.
#[test]
fn no_link_that_works() {
    for role in [Role::Backup, Role::Primary] {
        let mut facts = facts();
        facts.status.role = role;
        facts.links_down = Some("eth2 NO-CARRIER, eth3 DOWN".to_owned());
        let (code, text) = only(&facts);
        let sentence = "no dedicated link works (eth2 NO-CARRIER, eth3 DOWN)";
        assert_eq!((code, text.as_str()), (Code::Link, sentence));
    }
}

#[test]
fn a_table_that_is_not_known() {
    assert_eq!(with_sync(Sync::CatchingUp(Reason::ReadingKernel)).0, Code::Kernel);
    assert_eq!(with_sync(Sync::Diverged(Divergence::KernelUnreadable(Errno::ENOMEM))).0, Code::Kernel);
}

#[test]
fn a_bulk_in_either_direction_and_how_far_it_is() {
    assert_eq!(with_sync(Sync::CatchingUp(Reason::Sending)).0, Code::Bulk);
    let mut facts = facts();
    facts.status.sync = Sync::CatchingUp(Reason::AwaitingFlows);
    facts.status.progress = Some(Progress { done: 1200, of: Some(5000) });
    let (code, text) = only(&facts);
    assert_eq!(code, Code::Bulk);
    assert!(text.ends_with("(1200 of 5000 flows)"), "{text}");
    facts.status.progress = Some(Progress { done: 1200, of: None });
    assert!(only(&facts).1.ends_with("(1200 flows so far)"));
}

#[test]
fn who_is_behind() {
    assert_eq!(with_sync(Sync::CatchingUp(Reason::GapOpen)).0, Code::Lag);
    assert_eq!(with_sync(Sync::CatchingUp(Reason::Backlog)).0, Code::Lag);
    // Also where something else comes first in the status.
    let mut facts = facts();
    (facts.status.queued, facts.status.in_flight) = (5, 2);
    facts.status.waits_since = Some(at(98_000));
    let (code, text) = only(&facts);
    assert_eq!((code, text.as_str()), (Code::Lag, "the peer is behind by 2.0 s, 7 flows wait for it"));
    facts.status.sync = Sync::CatchingUp(Reason::Sending);
    assert_eq!(judge(&facts).iter().map(|reason| reason.code).collect::<Vec<_>>(), [Code::Bulk, Code::Lag]);
    // What is on its way for a moment is on every router with traffic.
    facts.status.sync = Sync::InSync;
    facts.status.waits_since = Some(at(99_000));
    assert_eq!(judge(&facts), []);
}

#[test]
fn nothing_is_acknowledged() {
    assert_eq!(with_sync(Sync::CatchingUp(Reason::Unacknowledged)).0, Code::Unacknowledged);
}

#[test]
fn a_cache_that_lacks_flows() {
    assert_eq!(with_sync(Sync::Diverged(Divergence::ExternalFull { limit: 1000 })).0, Code::Cache);
    assert_eq!(with_sync(Sync::Diverged(Divergence::Refused { frames: 3 })).0, Code::Cache);
}

fn flow(number: u16, protocol: Protocol, source: [u8; 4]) -> Flow {
    let tuple = Tuple {
        source: Address::from_v4(source),
        target: Address::from_v4([198, 51, 100, 10]),
        source_port: number,
        target_port: 80,
    };
    Flow::new(Family::V4, protocol, tuple)
}

/// The peer's flows, of which our kernel has the first `here`, as `filter` sees them.
fn sample(flows: &[Flow], here: usize, filter: &Filter) -> Sample {
    let (mut external, mut internal) = (ExternalCache::new(10_000, 1), InternalCache::new(10_000, 2));
    for flow in flows {
        external.apply(Change::New, flow, 0);
    }
    for flow in &flows[..here] {
        internal.apply(Change::New, flow, 0);
    }
    Sample::take(&external, &internal, filter, 7)
}

#[test]
fn a_kernel_without_room_for_what_it_does_not_have_yet() {
    let flows: Vec<Flow> = (0..1000).map(|number| flow(number, Protocol::TCP, [10, 1, 0, 10])).collect();
    let mut facts = facts();
    facts.sample = sample(&flows, 0, &Filter::default());
    facts.table = Some(Table { count: 100, limit: 1099 });
    let (code, text) = only(&facts);
    assert_eq!(code, Code::TableSpace);
    assert!(text.contains("room for 999 flows (of 1099), and 1000 of the peer's"), "{text}");
    facts.table = Some(Table { count: 100, limit: 1100 });
    assert_eq!(judge(&facts), []);
    // What is there already needs no room again.
    facts.table = Some(Table { count: 900, limit: 1100 });
    assert_eq!(only(&facts).0, Code::TableSpace);
    facts.sample = sample(&flows, 800, &Filter::default());
    assert_eq!(judge(&facts), []);
    // A primary commits nothing, and a kernel that does not say counts as large enough.
    facts.sample = sample(&flows, 0, &Filter::default());
    facts.status.role = Role::Primary;
    assert_eq!(judge(&facts), []);
    (facts.status.role, facts.table) = (Role::Backup, None);
    assert_eq!(judge(&facts), []);
}

#[test]
fn a_large_cache_is_looked_at_in_part_and_other_slots_each_time() {
    let flows: Vec<Flow> = (0..9000).map(|number| flow(number, Protocol::TCP, [10, 1, 0, 10])).collect();
    let (mut external, internal) = (ExternalCache::new(10_000, 1), InternalCache::new(10_000, 2));
    for flow in &flows {
        external.apply(Change::New, flow, 0);
    }
    let samples: Vec<Sample> =
        (0..5).map(|turn| Sample::take(&external, &internal, &Filter::default(), turn)).collect();
    assert!(samples.iter().all(|sample| sample.scaled(1, LOOKS) >= 1));
    assert_eq!(samples[0].not_here(9000), 9000);
}

#[test]
fn a_protocol_that_only_the_peer_replicates() {
    let flows = [flow(1, Protocol::TCP, [10, 1, 0, 10]), flow(2, Protocol::UDP, [10, 1, 0, 10])];
    let mut facts = facts();
    facts.status.external = 2;
    facts.sample = sample(&flows, 0, &Filter::new(vec![Protocol::TCP], Vec::new()));
    let (code, text) = only(&facts);
    assert_eq!(code, Code::Configuration);
    assert!(text.contains("flows of udp (some 1), which accept-protocol keeps out"), "{text}");
    facts.sample = sample(&flows, 0, &Filter::new(vec![Protocol::TCP, Protocol::UDP], Vec::new()));
    assert_eq!(judge(&facts), []);
}

#[test]
fn a_network_that_only_the_peer_replicates_but_for_a_few_logins() {
    let network = Network::new(Family::V4, Address::from_v4([10, 1, 0, 0]), 24).unwrap();
    let filter = Filter::new(Vec::new(), vec![network]);
    let flows: Vec<Flow> = (0..40).map(|number| flow(number, Protocol::TCP, [10, 1, 0, 10])).collect();
    let mut facts = facts();
    facts.status.external = 16;
    facts.sample = sample(&flows[..16], 0, &filter);
    assert_eq!(judge(&facts), []);
    facts.status.external = 40;
    facts.sample = sample(&flows, 0, &filter);
    let (code, text) = only(&facts);
    assert_eq!(code, Code::Configuration);
    assert!(text.contains("some 40 flows that ignore-address keeps out"), "{text}");
}

#[test]
fn helpers_that_only_the_peer_replicates() {
    let mut facts = facts();
    facts.helpers_skipped = 5;
    assert_eq!(only(&facts).0, Code::Configuration);
}

#[test]
fn a_machine_that_stood_still_until_the_peer_has_told_all_again() {
    let mut facts = facts();
    facts.stood_still = Some(Duration::from_secs(600));
    let (code, text) = only(&facts);
    assert_eq!(code, Code::Clock);
    assert!(text.contains("suspended for 600 s"), "{text}");

    let mut stillness = Stillness::new(Duration::from_secs(5));
    assert!(!stillness.look(at(1000), Duration::from_millis(5100)));
    assert!(stillness.look(at(2000), Duration::from_secs(65)));
    assert_eq!(stillness.span(), Some(Duration::from_secs(60)));
    assert!(!stillness.look(at(3000), Duration::from_secs(65)));
    // An answer to an earlier question says nothing.
    stillness.answered(at(1500));
    assert_eq!(stillness.span(), Some(Duration::from_secs(60)));
    stillness.answered(at(2000));
    assert_eq!(stillness.span(), None);
}

const PATIENCE: Duration = Duration::from_secs(120);

fn looks(priority: &mut Priority, seconds: u64, role: Role, ready: bool) -> (Level, Looked) {
    let looked = priority.look(at(seconds * 1000), role, ready, PATIENCE);
    (priority.level(), looked)
}

const SAME: Looked = Looked { changed: false, gave_up: false };
const CHANGED: Looked = Looked { changed: true, gave_up: false };

#[test]
fn a_router_that_returns_waits_until_it_is_ready() {
    let mut priority = Priority::new(false);
    assert_eq!(looks(&mut priority, 0, Role::Unknown, false), (Level::Unready, SAME));
    assert_eq!(looks(&mut priority, 1, Role::Backup, false), (Level::Unready, SAME));
    assert_eq!(priority.waits_since(), Some(at(1000)));
    assert_eq!(looks(&mut priority, 100, Role::Backup, true), (Level::Ready, CHANGED));
    assert_eq!(priority.waits_since(), None);
}

#[test]
fn nobody_waits_for_ever() {
    let mut priority = Priority::new(false);
    looks(&mut priority, 1, Role::Backup, false);
    assert_eq!(looks(&mut priority, 120, Role::Backup, false), (Level::Unready, SAME));
    let gave_up = Looked { changed: true, gave_up: true };
    assert_eq!(looks(&mut priority, 121, Role::Backup, false), (Level::Ready, gave_up));
    assert!(priority.gave_up());
    // It is told once, and lasts.
    assert_eq!(looks(&mut priority, 300, Role::Backup, false), (Level::Ready, SAME));
    // Ready at last: from now on it counts anew.
    assert_eq!(looks(&mut priority, 301, Role::Backup, true), (Level::Ready, SAME));
    assert!(!priority.gave_up());
    assert_eq!(looks(&mut priority, 302, Role::Backup, false), (Level::Ready, SAME));
    assert_eq!(looks(&mut priority, 306, Role::Backup, false), (Level::Unready, CHANGED));
    assert_eq!(looks(&mut priority, 426, Role::Backup, false), (Level::Ready, gave_up));
}

#[test]
fn a_flicker_moves_no_priority() {
    let mut priority = Priority::new(false);
    looks(&mut priority, 1, Role::Backup, true);
    for seconds in 2..60 {
        assert_eq!(looks(&mut priority, seconds, Role::Backup, seconds % 3 == 0), (Level::Ready, SAME));
    }
    looks(&mut priority, 59, Role::Backup, true);
    looks(&mut priority, 60, Role::Backup, false);
    assert_eq!(looks(&mut priority, 62, Role::Backup, false), (Level::Ready, SAME));
    assert_eq!(looks(&mut priority, 63, Role::Backup, false), (Level::Unready, CHANGED));
}

#[test]
fn whoever_is_primary_is_not_lowered_and_whoever_was_must_get_ready() {
    let mut priority = Priority::new(false);
    assert_eq!(looks(&mut priority, 1, Role::Primary, false), (Level::Ready, CHANGED));
    assert_eq!(looks(&mut priority, 2000, Role::Primary, false), (Level::Ready, SAME));
    // The other one has taken over: what is here is of before.
    assert_eq!(looks(&mut priority, 2001, Role::Backup, false), (Level::Unready, CHANGED));
    assert_eq!(looks(&mut priority, 2002, Role::Backup, true), (Level::Ready, CHANGED));
}

#[test]
fn a_fault_ends_no_waiting_and_waiting_begins_after_it() {
    let mut priority = Priority::new(false);
    looks(&mut priority, 1, Role::Backup, false);
    assert_eq!(looks(&mut priority, 2, Role::Fault, false), (Level::Unready, SAME));
    assert_eq!(looks(&mut priority, 500, Role::Fault, false), (Level::Unready, SAME));
    assert_eq!(looks(&mut priority, 501, Role::Backup, false), (Level::Unready, SAME));
    assert_eq!(looks(&mut priority, 620, Role::Backup, false), (Level::Unready, SAME));
    assert!(looks(&mut priority, 621, Role::Backup, false).1.gave_up);
}

/// A path of its own, whose file is removed at the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("syncd-track-{name}-{}", std::process::id()));
        Self(directory.join("below").join("track"))
    }

    fn says(&self) -> Option<String> {
        fs::read_to_string(&self.0).ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(self.0.parent().and_then(std::path::Path::parent).unwrap()));
    }
}

#[test]
fn the_file_says_the_level_and_is_put_back_when_somebody_changes_it() {
    let place = Place::new("says");
    let mut file = TrackFile::new(place.0.clone());
    assert_eq!(file.say(Level::Unready).unwrap(), Written::Now);
    assert_eq!(place.says().as_deref(), Some("-3\n"));
    assert_eq!(file.say(Level::Unready).unwrap(), Written::Already);
    assert_eq!(file.say(Level::Ready).unwrap(), Written::Now);
    assert_eq!(place.says().as_deref(), Some("0\n"));
    fs::remove_file(&place.0).unwrap();
    assert_eq!(file.say(Level::Ready).unwrap(), Written::Again);
    fs::write(&place.0, "").unwrap();
    assert_eq!(file.say(Level::Ready).unwrap(), Written::Again);
    assert_eq!(place.says().as_deref(), Some("0\n"));
    // Nothing is left beside it that keepalived could take for it.
    assert_eq!(fs::read_dir(place.0.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_file_that_cannot_be_written_is_tried_again() {
    let place = Place::new("refused");
    fs::create_dir_all(place.0.join("in-the-way")).unwrap();
    let mut file = TrackFile::new(place.0.clone());
    file.say(Level::Ready).unwrap_err();
    fs::remove_dir_all(&place.0).unwrap();
    assert_eq!(file.say(Level::Ready).unwrap(), Written::Now);
}

/// Each reason is told in docs/handover.md, and nothing else is.
#[test]
fn every_reason_is_documented() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/handover.md");
    let text = fs::read_to_string(path).unwrap();
    let table = text.split("| reason |").nth(1).unwrap().split("\n\n").next().unwrap();
    let rows: Vec<&str> =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(rows, Code::ALL.map(Code::word));
    let numbers: Vec<&str> = text
        .split("| number |")
        .nth(1)
        .unwrap()
        .lines()
        .skip(2)
        .map_while(|line| line.split('|').nth(1))
        .collect();
    let levels = [Level::Ready, Level::Yields, Level::HandsOver, Level::Unready];
    assert_eq!(
        numbers.iter().map(|number| number.trim()).collect::<Vec<_>>(),
        levels.map(|level| level.number().to_string())
    );
}
