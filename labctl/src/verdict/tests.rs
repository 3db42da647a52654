//! Expectations against records made by hand.

use std::time::{Duration, Instant};

use super::{Judgement, NodeSeen, Record, Seen, WatchSeen, judge};
use crate::probes::caches::Difference;
use crate::probes::roles::Role;
use crate::probes::syncd::read_status;
use crate::scenario::units::Bytes;
use crate::scenario::{Expectation, Share, Sight, Span};
use crate::traffic::{GapMs, TrafficReport, TransferReport};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn alive(percent: &str, within: u64, stable: u64) -> Expectation {
    let share = Share::try_from(percent.to_owned()).unwrap();
    Expectation {
        seen: Sight::Alive("streams".to_owned(), share),
        within: Span(seconds(within)),
        stable: Span(seconds(stable)),
    }
}

/// One look per second; each number is how many of ten streams are alive then.
fn looks(from: Instant, alive: &[usize]) -> Record {
    let mut record = Record::default();
    for (second, alive) in alive.iter().enumerate() {
        let report = TrafficReport { wanted: 10, opened: 10, alive: *alive, ..TrafficReport::default() };
        record.add(from + seconds(second as u64), Seen::Traffic("streams".to_owned(), report));
    }
    record
}

fn judgement(expectation: &Expectation, alive: &[usize]) -> Judgement {
    let from = Instant::now();
    judge(expectation, &looks(from, alive), from).judgement
}

#[test]
fn met_when_it_holds_in_time_and_for_long_enough() {
    assert_eq!(judgement(&alive("100%", 3, 0), &[0, 10]), Judgement::Met);
    assert_eq!(judgement(&alive("100%", 3, 2), &[0, 10, 10]), Judgement::Open);
    assert_eq!(judgement(&alive("100%", 3, 2), &[0, 10, 10, 10]), Judgement::Met);
    assert_eq!(judgement(&alive("50%", 3, 0), &[5]), Judgement::Met);
}

#[test]
fn missed_when_it_comes_too_late_or_goes_again() {
    assert_eq!(judgement(&alive("100%", 2, 0), &[0, 0, 0]), Judgement::Open);
    assert_eq!(judgement(&alive("100%", 2, 0), &[0, 0, 0, 10]), Judgement::Missed);
    assert_eq!(judgement(&alive("100%", 2, 1), &[0, 10, 10, 9]), Judgement::Missed);
    assert_eq!(judgement(&alive("100%", 5, 1), &[0, 10, 9, 10, 10]), Judgement::Met, "it came back in time");
}

#[test]
fn what_was_seen_before_the_event_does_not_count() {
    let from = Instant::now();
    let record = looks(from, &[10, 10, 0]);
    assert_eq!(judge(&alive("100%", 5, 0), &record, from + seconds(2)).judgement, Judgement::Open);
}

#[test]
fn a_corrupted_byte_is_never_as_expected() {
    let from = Instant::now();
    let mut record = Record::default();
    let report = TrafficReport { wanted: 1, alive: 1, corrupted_bytes: 1, ..TrafficReport::default() };
    record.add(from, Seen::Traffic("streams".to_owned(), report));
    let judged = judge(&alive("100%", 1, 0), &record, from);
    assert_eq!(
        (judged.judgement, judged.seen.as_str()),
        (Judgement::Open, "1 of 1 alive, 1 bytes corrupted")
    );
}

#[test]
fn transfers_are_complete_or_not() {
    let judged = |complete, corrupted_bytes| {
        let from = Instant::now();
        let mut record = Record::default();
        let report = TransferReport {
            wanted: 10,
            announced: 10,
            complete,
            corrupted_bytes,
            ..TransferReport::default()
        };
        record.add(from, Seen::Transfers("files".to_owned(), report));
        let seen = Sight::Complete("files".to_owned(), Share::whole());
        judge(&Expectation { seen, within: Span(seconds(1)), stable: Span::default() }, &record, from)
            .judgement
    };
    assert_eq!(judged(10, 0), Judgement::Met);
    assert_eq!(judged(9, 0), Judgement::Open);
    assert_eq!(judged(10, 1), Judgement::Open, "a corrupted byte");
}

#[test]
fn a_kernel_that_expects_nothing_proves_nothing() {
    let judged =
        |seen: fn(String) -> Sight, observed: fn(String, Difference) -> Seen, kernel, missing, extra| {
            let from = Instant::now();
            let mut record = Record::default();
            let difference = Difference { kernel, missing, extra, ..Difference::default() };
            record.add(from, observed("r2".to_owned(), difference));
            let seen = seen("r2".to_owned());
            judge(&Expectation { seen, within: Span(seconds(1)), stable: Span::default() }, &record, from)
                .judgement
        };
    let cached = |kernel, missing, extra| {
        judged(Sight::ExpectationsCached, Seen::Expectations, kernel, missing, extra)
    };
    assert_eq!(
        [cached(4, 0, 0), cached(4, 1, 0), cached(4, 0, 1), cached(0, 0, 0)].map(|j| j == Judgement::Met),
        [true, false, false, false]
    );
    let kept = |kernel, missing, extra| {
        judged(Sight::ExpectationsCommitted, Seen::ExpectationsKept, kernel, missing, extra)
    };
    assert_eq!(
        [kept(4, 0, 0), kept(4, 1, 0), kept(4, 0, 1), kept(0, 0, 0)].map(|j| j == Judgement::Met),
        [true, false, true, false]
    );
}

#[test]
fn the_first_look_at_living_streams_is_not_said_to_be_the_end_of_their_gaps() {
    let from = Instant::now();
    let mut record = Record::default();
    // A silence that goes on is not noticed in the first second.
    let gap_ms = GapMs { median: Some(300), max: Some(920) };
    let report = TrafficReport { wanted: 1, alive: 1, gap_ms, ..TrafficReport::default() };
    record.add(from + Duration::from_millis(140), Seen::Traffic("streams".to_owned(), report));
    let judged = judge(&alive("100%", 1, 0), &record, from);
    assert_eq!(
        judged.seen,
        "1 of 1 alive, longest gap 920 ms, at every look from 140 ms on (a silence of up to 1 s beside its pauses counts as alive)"
    );
}

#[test]
fn conntrackds_script_tells_of_its_commit() {
    let judged = |failed: Option<Vec<String>>| {
        let from = Instant::now();
        let mut record = Record::default();
        record.add(from, Seen::Script("r2".to_owned(), failed));
        let seen = Sight::Committed("r2".to_owned());
        judge(&Expectation { seen, within: Span(seconds(1)), stable: Span::default() }, &record, from)
            .judgement
    };
    assert_eq!(judged(None), Judgement::Open);
    assert_eq!(judged(Some(vec![])), Judgement::Met);
    assert_eq!(judged(Some(vec!["conntrackd -c: exit status 1".to_owned()])), Judgement::Open);
}

#[test]
fn nothing_seen_is_missed_after_the_deadline() {
    let from = Instant::now();
    let mut record = Record::default();
    let expectation = alive("100%", 1, 0);
    assert_eq!(judge(&expectation, &record, from).judgement, Judgement::Open);
    record.add(from + seconds(2), Seen::Nodes(Vec::new()));
    assert_eq!(judge(&expectation, &record, from).judgement, Judgement::Missed);
}

#[test]
fn a_primary_is_the_only_one_and_holds_everything() {
    let router =
        |name: &str, role, held| NodeSeen { name: name.to_owned(), role, held, all: 6, lower_heard: false };
    let judged = |nodes: Vec<NodeSeen>| {
        let from = Instant::now();
        let mut record = Record::default();
        record.add(from, Seen::Nodes(nodes));
        let seen = Sight::Primary("r2".to_owned());
        judge(&Expectation { seen, within: Span(seconds(1)), stable: Span::default() }, &record, from)
            .judgement
    };
    let (r1, r2) = (router("r1", Role::Gone, 0), router("r2", Role::Primary, 6));
    assert_eq!(judged(vec![r1.clone(), r2.clone()]), Judgement::Met);
    assert_eq!(judged(vec![router("r1", Role::Primary, 0), r2.clone()]), Judgement::Open, "two say primary");
    assert_eq!(judged(vec![router("r1", Role::Backup, 1), r2]), Judgement::Open, "an address is held twice");
    assert_eq!(judged(vec![r1, router("r2", Role::Primary, 5)]), Judgement::Open, "an address is missing");
}

/// What one look says of one sight.
fn looked(sight: Sight, seen: Seen) -> (Judgement, String) {
    let (from, mut record) = (Instant::now(), Record::default());
    record.add(from, seen);
    let judged =
        judge(&Expectation { seen: sight, within: Span(seconds(1)), stable: Span::default() }, &record, from);
    (judged.judgement, judged.seen)
}

#[test]
fn the_longest_answer_counts_and_one_that_failed_too() {
    let status = |state: &str| {
        let json = format!(
            "{{\"version\":1,\"role\":\"primary\",\"sync\":{{\"state\":\"{state}\",\"reason\":\"last heard 15 s ago\"}},\
             \"commit\":null,\"internal_flows\":1,\"external_flows\":1}}"
        );
        read_status(json.as_bytes()).unwrap()
    };
    for (said, in_sync, behind) in [
        ("in sync", Judgement::Met, Judgement::Open),
        ("catching up", Judgement::Open, Judgement::Met),
        ("diverged", Judgement::Open, Judgement::Open),
    ] {
        let daemon = || Seen::Daemon("r1".to_owned(), status(said));
        assert_eq!(looked(Sight::InSync("r1".to_owned()), daemon()).0, in_sync);
        assert_eq!(looked(Sight::CatchingUp("r1".to_owned()), daemon()).0, behind);
        assert_eq!(looked(Sight::CatchingUp("r2".to_owned()), daemon()).0, Judgement::Open);
    }
    let mut watch = WatchSeen::default();
    let milliseconds = Duration::from_millis;
    let now = Instant::now();
    watch.note_answer(now, milliseconds(95), milliseconds(5), &status("peer lost"));
    watch.note_answer(now, milliseconds(100), milliseconds(80), &status("in sync"));
    watch.memory = 3 << 20;
    let answers = |limit| Sight::Answers("r1".to_owned(), Span(milliseconds(limit)));
    let seen = |watch: &WatchSeen| Seen::Watched("r1".to_owned(), watch.clone());
    assert_eq!(looked(answers(100), seen(&watch)).0, Judgement::Met);
    assert_eq!(looked(answers(90), seen(&watch)).0, Judgement::Missed, "what was too long remains so");
    let said = |text: &str| looked(Sight::Said("r1".to_owned(), text.to_owned()), seen(&watch));
    let (met, words) = said("peer lost");
    assert!(met == Judgement::Met && words.starts_with("`peer lost (last heard N s ago)`"), "{words}");
    assert_eq!(said("diverged").0, Judgement::Open);
    let memory = |limit| looked(Sight::Memory("r1".to_owned(), Bytes(limit)), seen(&watch)).0;
    // Two flows were in its caches.
    let least = (3 << 20) - 2 * super::FLOW;
    assert_eq!((memory(least + 1), memory(least)), (Judgement::Met, Judgement::Open));
    watch.note_failure("no answer within 30 s".to_owned());
    assert_eq!(looked(answers(100), seen(&watch)).0, Judgement::Missed);
}

#[test]
fn what_is_watched_is_not_judged_by_when_a_look_ends() {
    let status = br#"{"version":1,"role":"primary","sync":{"state":"in sync","reason":""},"commit":null,
        "internal_flows":0,"external_flows":0}"#;
    let status = read_status(status).unwrap();
    let from = Instant::now();
    let judged = |sight: &Sight, watch: &WatchSeen, after: u64| {
        let expectation =
            Expectation { seen: sight.clone(), within: Span(seconds(8)), stable: Span::default() };
        let mut record = Record::default();
        record.add(from + seconds(after), Seen::Watched("r1".to_owned(), watch.clone()));
        judge(&expectation, &record, from)
    };
    let answers = Sight::Answers("r1".to_owned(), Span(Duration::from_millis(100)));
    let memory = Sight::Memory("r1".to_owned(), Bytes(1 << 20));
    let said = Sight::Said("r1".to_owned(), "in sync".to_owned());
    let mut watch = WatchSeen::default();
    assert_eq!(judged(&answers, &watch, 8).judgement, Judgement::Open);
    assert_eq!(judged(&answers, &watch, 9).judgement, Judgement::Missed, "nobody answered");

    // The first look takes 20 s; meanwhile the daemon was asked and answered.
    watch.note_answer(from + seconds(1), Duration::from_millis(5), Duration::ZERO, &status);
    watch.memory = 1 << 10;
    for sight in [&answers, &memory, &said] {
        assert_eq!(judged(sight, &watch, 20).judgement, Judgement::Met, "{sight}");
    }
    // But what came late was late.
    let mut late = WatchSeen { memory: 2 << 20, ..WatchSeen::default() };
    late.note_answer(from + seconds(9), Duration::from_millis(5), Duration::ZERO, &status);
    for sight in [&memory, &said] {
        assert_eq!(judged(sight, &late, 20).judgement, Judgement::Missed, "{sight}");
    }

    // A question that is not answered yet may be the long one.
    watch.note_question(from + seconds(19));
    let open = judged(&answers, &watch, 20);
    assert!(open.judgement == Judgement::Open && open.seen.ends_with("since 1000 ms"), "{open:?}");
    watch.note_answer(from + seconds(20), seconds(1), Duration::ZERO, &status);
    assert_eq!(judged(&answers, &watch, 21).judgement, Judgement::Missed);
}

#[test]
fn a_cache_that_is_half_full_is_being_filled() {
    let filling = |cached| {
        let sight = Sight::Filling { node: "r2".to_owned(), least: 10, missing: 20 };
        looked(sight, Seen::Filling { node: "r2".to_owned(), cached, kernel: 100 }).0
    };
    let expected = [(9, Judgement::Open), (10, Judgement::Met), (80, Judgement::Met), (81, Judgement::Open)];
    for (cached, expected) in expected {
        assert_eq!(filling(cached), expected, "{cached}");
    }
    assert_eq!(filling(101), Judgement::Open);
}

#[test]
fn caches_differ_by_at_least_so_much() {
    let differs = |missing, extra| Sight::CacheDiffers { node: "r2".to_owned(), missing, extra };
    let seen = || {
        let difference = Difference { missing: 20, extra: 5, ..Difference::default() };
        Seen::Cache("r2".to_owned(), difference)
    };
    assert_eq!(looked(differs(20, 5), seen()).0, Judgement::Met);
    assert_eq!(looked(differs(21, 0), seen()).0, Judgement::Open);
    assert_eq!(looked(differs(0, 6), seen()).0, Judgement::Open);
    assert_eq!(looked(Sight::CacheEqual("r2".to_owned()), seen()).0, Judgement::Open);
}

#[test]
fn a_counter_must_be_there_and_large_enough() {
    let counted = |counter: &str, least| {
        let sight = Sight::Counted { node: "r1".to_owned(), counter: counter.to_owned(), least };
        looked(sight, Seen::Counters("r1".to_owned(), [("kernel.overruns".to_owned(), 2)].into())).0
    };
    assert_eq!(counted("kernel.overruns", 2), Judgement::Met);
    assert_eq!(counted("kernel.overruns", 3), Judgement::Open);
    assert_eq!(counted("kernel.underruns", 0), Judgement::Open);
}

#[test]
fn roles_rest_later_where_the_machine_stood_still_and_nothing_else_does() {
    let from = Instant::now();
    // Whether it holds is seen after 4, 5 and 9 s; within 3 s is asked for.
    let judged = |sight: Sight, stall: Option<u64>, moment: u64| {
        let router = |name: &str, role, held| NodeSeen {
            name: name.to_owned(),
            role,
            held,
            all: 6,
            lower_heard: false,
        };
        let mut record = Record::default();
        let mut look = |at, r2| {
            let nodes = vec![router("r1", Role::Primary, 6), r2];
            record.add(from + seconds(at), Seen::Nodes(nodes));
            let alive = if at < moment { 0 } else { 10 };
            let report = TrafficReport { wanted: 10, opened: 10, alive, ..TrafficReport::default() };
            record.add(from + seconds(at), Seen::Traffic("streams".to_owned(), report));
            if let Some(stall) = stall.filter(|_| at == 3) {
                let seen = Seen::StoodStill { end: from + seconds(stall), lasted: seconds(1) };
                record.add(from + seconds(at), seen);
            }
        };
        look(3, router("r2", Role::Primary, 6));
        look(moment, router("r2", Role::Backup, 0));
        let expectation = Expectation { seen: sight, within: Span(seconds(3)), stable: Span::default() };
        judge(&expectation, &record, from)
    };
    let primary = || Sight::Primary("r1".to_owned());
    assert_eq!(judged(primary(), None, 4).judgement, Judgement::Missed);
    let rested = judged(primary(), Some(2), 5);
    assert_eq!(rested.judgement, Judgement::Met);
    assert!(
        rested.seen.ends_with("; the machine stood still, for 1000 ms at most, until 2000 ms"),
        "{rested:?}"
    );
    assert_eq!(judged(primary(), Some(2), 6).judgement, Judgement::Missed, "it went on long before");
    let streams = Sight::Alive("streams".to_owned(), Share::try_from("100%".to_owned()).unwrap());
    assert_eq!(judged(streams, Some(2), 5).judgement, Judgement::Missed);
}

#[test]
fn what_has_ended_has_left_nothing() {
    let left = |left| {
        let (traffic, node) = ("old".to_owned(), "r1".to_owned());
        let seen =
            Seen::Remaining { traffic: traffic.clone(), node: node.clone(), left, of: 3, example: None };
        looked(Sight::Ended { traffic, node }, seen).0
    };
    assert_eq!((left(0), left(1)), (Judgement::Met, Judgement::Open));
}

#[test]
fn two_primaries_and_what_the_higher_one_hears() {
    let router = |name: &str, role, lower_heard| {
        let held = if role == Role::Primary { 6 } else { 0 };
        NodeSeen { name: name.to_owned(), role, held, all: 6, lower_heard }
    };
    let look = |sight: Sight, r1, r2, lower| {
        looked(sight, Seen::Nodes(vec![router("r1", r1, lower), router("r2", r2, false)])).0
    };
    assert_eq!(look(Sight::BothPrimary, Role::Primary, Role::Primary, false), Judgement::Met);
    assert_eq!(look(Sight::BothPrimary, Role::Primary, Role::Backup, false), Judgement::Open);
    let lower = || Sight::LowerHeard("r1".to_owned());
    assert_eq!(look(lower(), Role::Primary, Role::Backup, true), Judgement::Met);
    assert_eq!(look(lower(), Role::Primary, Role::Backup, false), Judgement::Open);
    assert_eq!(look(lower(), Role::Backup, Role::Backup, true), Judgement::Open);
}
