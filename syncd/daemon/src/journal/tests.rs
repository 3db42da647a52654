//! What operators read, and how loud it is.

use syncd_core::flow::{Expectation, Family, Flow, HelperName, Parent, Protocol, Tuple};
use syncd_core::replica::{Errno, Reason, Role};

use super::*;

#[test]
fn every_consequence_has_its_level_and_its_words() {
    let took = Duration::from_micros(12_400);
    let table = [
        (
            Notice::RoleEntered { from: Role::Backup, to: Role::Primary },
            Level::Info,
            "role primary (was backup)",
        ),
        (Notice::PeerLost, Level::Warn, "the peer is silent"),
        (
            Notice::CommitDone { committed: 200, failed: 0, took },
            Level::Info,
            "committed 200 flows in 0.012 s, 0 failed",
        ),
        (
            Notice::CommitDone { committed: 199, failed: 1, took },
            Level::Warn,
            "committed 199 flows in 0.012 s, 1 failed",
        ),
        (
            Notice::CatchingUp(Reason::BecameBackup),
            Level::Info,
            "resync requested: this router became backup",
        ),
        (
            Notice::CacheFull { internal: true, limit: 10 },
            Level::Error,
            "the internal cache is full: flows beyond 10 are not replicated; \
             raise cache-limit, or nf_conntrack_max where that is left out, and reload",
        ),
        (
            Notice::HelperUnknown { helper: HelperName::new(b"ftp").expect("a name") },
            Level::Warn,
            "this kernel has no helper ftp: flows that have it are committed without; \
             load its module on both routers",
        ),
        (
            Notice::ExpectationsUnavailable(Errno::EINVAL),
            Level::Warn,
            "this kernel tells of no expectations (EINVAL): none are replicated; \
             leave expect-sync out, or run a kernel with conntrack helpers",
        ),
        (
            Notice::ExpectationsFull { internal: false, limit: 10 },
            Level::Warn,
            "the external cache of expectations is full: those beyond 10 are not replicated",
        ),
    ];
    for (notice, loud, text) in table {
        assert_eq!((level(&notice), Line(&notice).to_string().as_str()), (loud, text));
    }
}

#[test]
fn a_flow_that_could_not_be_committed_is_shown_with_the_one_in_its_place() {
    let flow = |port| {
        let tuple = Tuple { source_port: port, ..Tuple::default() };
        Flow::new(Family::V4, Protocol::UDP, tuple)
    };
    let notice = Notice::CommitFailed { wanted: flow(1), error: Errno::EEXIST, existing: Some(flow(2)) };
    assert_eq!(
        Line(&notice).to_string(),
        "cannot commit: EEXIST: udp      17 src=0.0.0.0 dst=0.0.0.0 sport=1 dport=0; \
         in its place: udp      17 src=0.0.0.0 dst=0.0.0.0 sport=2 dport=0"
    );
}

#[test]
fn an_expectation_that_could_not_be_committed_is_shown() {
    let tuple = Tuple { target_port: 21, ..Tuple::default() };
    let parent = Parent { original: tuple, family: Family::V4, protocol: Protocol::TCP };
    let wanted = Expectation::new(parent, Protocol::TCP, Tuple::default(), Tuple::default());
    assert_eq!(
        Line(&Notice::ExpectationFailed { wanted, error: Errno::ENOENT }).to_string(),
        "cannot commit an expectation: ENOENT: proto=6 src=0.0.0.0 dst=0.0.0.0 sport=0 dport=0 mask-src=0.0.0.0 \
         mask-dst=0.0.0.0 sport=0 dport=0 master-src=0.0.0.0 master-dst=0.0.0.0 sport=0 dport=21"
    );
}

#[test]
fn what_is_less_grave_than_the_level_is_not_said_by_anybody() {
    let levels = [Level::Error, Level::Warn, Level::Info];
    let journal = Journal::new();
    let clone = journal.clone();
    let said = || levels.map(|level| clone.says(level));
    assert_eq!(said(), [true, true, true]);
    journal.limit(Some(Level::Warn));
    assert_eq!(said(), [true, true, false]);
    journal.limit(Some(Level::Error));
    assert_eq!(said(), [true, false, false]);
    journal.limit(None);
    assert_eq!(said(), [false, false, false]);
    assert_eq!(levels.map(|level| Level::named(level.marks().1)), levels.map(Some));
}

#[test]
fn the_last_lines_are_kept_and_fit_records_whatever_they_say() {
    let journal = Journal { journald: false, ..Journal::new() };
    let long = "\"".repeat(3000);
    for number in 1..=1100 {
        journal.tell(Level::Info, "said", Map::new(), format!("{number} {long}"));
    }
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let lines = journal.told().after(after);
        let record =
            crate::control::protocol::encode(&crate::control::protocol::Response::Told(lines.clone()));
        assert!(record.len() <= crate::control::LONGEST_RECORD, "{}", record.len());
        let Some(last) = lines.last() else { break };
        after = last.number;
        seen.extend(lines.iter().map(|line| line.number));
    }
    assert!(seen.iter().copied().eq(101..=1100), "{:?} to {:?}", seen.first(), seen.last());
}

#[test]
fn every_notice_has_a_word_of_its_own() {
    let took = Duration::from_millis(1500);
    let notice = Notice::CommitDone { committed: 200, failed: 1, took };
    let (event, details) = details::details(&notice);
    assert_eq!(event, "commit-done");
    let wanted = serde_json::json!({ "committed": 200, "failed": 1, "took_s": 1.5 });
    assert_eq!(Value::Object(details), wanted);
    for (notice, word) in [
        (Notice::PeerLost, "peer-lost"),
        (Notice::SendingStuck, "sending-stuck"),
        (Notice::ReceivingStuck, "receiving-stuck"),
        (Notice::EventsLost, "events-lost"),
        (Notice::EndMissed, "end-missed"),
        (Notice::EndsForgotten { flows: 1 }, "ends-forgotten"),
    ] {
        assert_eq!(details::details(&notice).0, word);
    }
}
