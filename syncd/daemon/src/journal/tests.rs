//! What operators read, and how loud it is.

use syncd_core::flow::{Expectation, Family, Flow, HelperName, Parent, Protocol, Tuple};
use syncd_core::replica::{BulkCause, Errno, Reason, Role};

use std::time::Duration;

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
            "Committed 200 new entries; commit has taken 0.012400 seconds",
        ),
        (
            Notice::CommitDone { committed: 199, failed: 1, took },
            Level::Warn,
            "Committed 199 new entries; 1 entries can't be committed; commit has taken 0.012400 seconds",
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
fn what_is_less_grave_than_the_level_is_not_written() {
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
    assert_eq!(levels.map(|level| Level::named(level.word())), levels.map(Some));
}

/// What people who had conntrackd look for in logs.
#[test]
fn lines_that_conntrackd_has_are_found_in_ours() {
    let took = Duration::from_micros(1_012_400);
    let bulk = |cause| Notice::BulkBegun { flows: 7, cause };
    let after = Duration::from_secs(60);
    let table: [(Notice, &[&str]); 7] = [
        (Notice::PurgeScheduled { after }, &["flushing conntrack table in 60 secs"]),
        (Notice::PurgeBegun { flows: 7 }, &["flushing kernel conntrack table (scheduled)"]),
        (Notice::CatchingUp(Reason::BecameBackup), &["resync requested"]),
        (bulk(BulkCause::Ourselves), &["sending bulk update"]),
        (bulk(BulkCause::PeerAsked), &["resync requested by other node", "sending bulk update"]),
        (Notice::CommitBegun { flows: 7 }, &["committing conntrack cache"]),
        (
            Notice::CommitDone { committed: 5, failed: 2, took },
            &["Committed 5 new entries", "2 entries can't be committed", "commit has taken 1.012400 seconds"],
        ),
    ];
    for (notice, words) in table {
        let line = Line(&notice).to_string();
        for words in words {
            assert!(line.contains(words), "{words}: {line}");
        }
    }
    let whole = Notice::CommitDone { committed: 5, failed: 0, took };
    assert!(!Line(&whole).to_string().contains("can't"), "{}", Line(&whole));
    let journal = quiet();
    journal.event_buffer(4_194_304, false);
    assert_eq!(
        journal.told().after(0)[0].text,
        "netlink event socket buffer size has been doubled to 4194304 bytes"
    );
}

/// A journal that writes nothing, for those who watch.
fn quiet() -> Journal {
    let journal = Journal::new();
    journal.limit(None);
    journal
}

#[test]
fn the_last_lines_are_kept_and_fit_records_whatever_they_say() {
    let journal = quiet();
    let long = "\"".repeat(3000);
    for number in 1..=1100 {
        journal.tell(Level::Info, SAID, Map::new(), format!("{number} {long}"));
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
fn what_is_not_in_the_log_pushes_out_nothing_that_is() {
    let journal = Journal::new();
    journal.limit(Some(Level::Warn));
    journal.say(Level::Warn, "the line");
    for number in 0..1500 {
        journal.say(Level::Info, format_args!("{number}"));
    }
    let lines = journal.told();
    let (mut after, mut seen) = (0, Vec::new());
    while let Some(last) = lines.after(after).last() {
        seen.extend(lines.after(after).into_iter().map(|line| (line.number, line.logged)));
        after = last.number;
    }
    assert_eq!(seen.len(), 1001);
    assert!(seen.is_sorted());
    assert!(seen.iter().all(|(number, logged)| *logged == (*number == 1)));
}

#[test]
fn what_repeats_is_written_ten_times_and_then_counted() {
    let mut repeats = Repeats::default();
    let at = |millis| Instant::from_nanos(1) + Duration::from_millis(millis);
    let mut say = |millis, text: &str| repeats.admit(at(millis), Level::Warn, "commit-failed", false, text);
    let written = (0..200).filter(|number| say(*number, &format!("cannot commit {number}"))).count();
    assert_eq!(written, 10);
    // Another word and other sentences have counts of their own.
    assert!(repeats.admit(at(200), Level::Info, "role-entered", false, "role primary"));
    assert!(repeats.admit(at(200), Level::Info, SAID, true, "one"));
    assert!(repeats.admit(at(200), Level::Info, SAID, true, "two"));

    assert_eq!(repeats.due(), Some(at(10_000)));
    assert_eq!(repeats.take(at(9_999), false), []);
    let text = "cannot commit 199".to_owned();
    let event = "commit-failed".to_owned();
    let told = Repeated { level: Level::Warn, event, times: 190, text };
    assert_eq!(repeats.take(at(10_000), false), [told]);
    assert_eq!((repeats.due(), repeats.take(at(30_000), true)), (None, Vec::new()));
    // A new while begins.
    let again =
        |repeats: &mut Repeats, millis| repeats.admit(at(millis), Level::Error, "commit-failed", false, "x");
    assert_eq!((0..11).filter(|_| again(&mut repeats, 10_001)).count(), 10);
    assert_eq!(repeats.take(at(10_002), true).iter().map(|told| told.times).collect::<Vec<_>>(), [1]);
}

/// Whoever makes up ever new sentences gets them all written, and no memory for them.
#[test]
fn kinds_are_bounded() {
    let mut repeats = Repeats::default();
    let at = |millis| Instant::from_nanos(1) + Duration::from_millis(millis);
    for number in 0..1000 {
        assert!(repeats.admit(at(number), Level::Info, SAID, true, &number.to_string()));
    }
    // When a while has passed there is room again.
    assert!((0..20).filter(|_| repeats.admit(at(60_000), Level::Info, SAID, true, "new")).count() == 10);
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
        (Notice::BirthMissed, "birth-missed"),
        (Notice::EndsForgotten { flows: 1 }, "ends-forgotten"),
        (Notice::EarlyEndsDropped { flows: 1 }, "early-ends-dropped"),
        (Notice::NoticesDropped { notices: 1 }, "notices-dropped"),
    ] {
        assert_eq!(details::details(&notice).0, word);
    }
}
