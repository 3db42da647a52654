//! The page as Prometheus reads it, and everything that names a metric held against it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use syncd_core::ftfw::{LAG_BOUNDS, Lag};
use syncd_core::replica::{CommitStatus, Progress, Reason, Role, Stats, Status, Sync};
use syncd_core::time::{Duration, Instant};

use super::handovers::Handovers;
use super::http::{self, LONGEST_HEAD, Wanted};
use super::page::{self, Facts};
use super::text::{Kind, Text};
use super::transitions::Transitions;
use crate::handover::Outcome;
use crate::last_role::Transition;
use crate::readiness::Standing;
use crate::readiness::judge::{Code, Unready};
use crate::readiness::priority::Level;
use crate::show::metrics::MetricsView;
use crate::show::view::{Current, DaemonView, LinkTraffic, LinkView, Setting, StatisticsView, StatusView};

fn at(millis: u64) -> Instant {
    Instant::default() + Duration::from_millis(millis)
}

fn setting() -> Setting {
    Setting {
        sync_interface: vec!["eth2".to_owned(), "eth3".to_owned()],
        peer: "192.0.2.2".to_owned(),
        sync_group: "syncgrp".to_owned(),
        expect_sync: Vec::new(),
        has_fifo: true,
        start: at(0),
        journal_unit: None,
    }
}

fn links() -> Vec<LinkView> {
    let traffic = LinkTraffic {
        bytes_sent: 28_256,
        bytes_received: 5112,
        datagrams_sent: 491,
        datagrams_received: 321,
        send_errors: 2,
        receive_errors: 1,
    };
    let link = |interface: &str, state: &str, active, traffic| LinkView {
        interface: interface.to_owned(),
        state: state.to_owned(),
        active,
        traffic,
    };
    vec![link("eth2", "RUNNING", true, traffic), link("eth3", "NO-CARRIER", false, LinkTraffic::default())]
}

fn counted() -> Stats {
    let mut stats = Stats::default();
    (stats.internal.created, stats.internal.updated, stats.internal.destroyed) = (87, 178, 47);
    (stats.external.created, stats.external.create_failed, stats.external.swept) = (9, 3, 8);
    (stats.kernel.events_new, stats.kernel.events_update, stats.kernel.events_destroy) = (87, 220, 47);
    (stats.kernel.overruns, stats.kernel.dumps, stats.kernel.dump_failures) = (2, 5, 1);
    (stats.link.frames_sent, stats.link.frames_received) = (491, 321);
    (stats.link.truncated, stats.link.bad_size, stats.link.wrong_version) = (1, 2, 3);
    (stats.link.bad_header, stats.link.bad_payload, stats.link.malformed) = (4, 5, 15);
    (stats.ftfw.lost, stats.ftfw.resent, stats.ftfw.requeued) = (7, 6, 5);
    (stats.ftfw.before, stats.ftfw.stale_hello, stats.link.expectations_skipped) = (3, 2, 1);
    (stats.ftfw.resyncs_asked, stats.ftfw.resyncs_doubted, stats.ftfw.resyncs_received) = (4, 1, 2);
    (stats.ftfw.asked_because[0], stats.ftfw.asked_because[4]) = (3, 1);
    (stats.ftfw.bulks, stats.ftfw.peer_lost) = (3, 1);
    stats.ftfw.bulks_because = [1, 0, 2, 0];
    (stats.commit.begun, stats.commit.committed, stats.commit.failed) = (1, 200, 1);
    (stats.commit.expectations_committed, stats.commit.expectations_failed) = (2, 1);
    stats
}

fn standing(past: bool, sync: Sync) -> Standing {
    let bulk = Unready { code: Code::Bulk, text: "not all flows are here".to_owned() };
    Standing {
        reasons: if sync == Sync::InSync { Vec::new() } else { vec![bulk] },
        to_commit: 1,
        table: None,
        track_file: None,
        level: if past { Level::Ready } else { Level::Unready },
        waits_since: None,
        gave_up: false,
        patience: Duration::from_secs(120),
        given_up: u64::from(past),
    }
}

/// A router that has become primary and is being told the peer's flows; or, without a past, one that has just started.
fn page_of(sync: Sync, past: bool) -> String {
    let commit = CommitStatus { begin: at(1000), end: Some(at(1012)), committed: 200, failed: 1 };
    let status = Status {
        role: if past { Role::Primary } else { Role::Unknown },
        role_since: at(1000),
        sync,
        sync_since: at(1500),
        progress: matches!(sync, Sync::CatchingUp(_)).then_some(Progress { done: 1250, of: Some(5000) }),
        commit: past.then_some(commit),
        preload: Some(3),
        internal: 40,
        mute: 7,
        external: 1,
        internal_expectations: 2,
        external_expectations: 0,
        queued: 12,
        in_flight: 3,
        waits_since: None,
    };
    let last = past.then_some(Transition { role: Role::Primary, unix_seconds: 1_709_210_096 });
    let status = StatusView::new(at(2000), &status, &setting(), last, links(), &standing(past, sync));
    let daemon = DaemonView {
        uptime_s: 330,
        event_buffer_bytes: 2 << 20,
        events_dropped: 17,
        ..DaemonView::default()
    };
    let current = Current { internal: 40, external: 1, internal_expectations: 2, ..Current::default() };
    let stats = if past { counted() } else { Stats::default() };
    let statistics = StatisticsView::new(&stats, current, daemon);
    let mut lag = Lag { rounds: 11, micros: 3_062_500, ..Lag::default() };
    (lag.buckets[0], lag.buckets[3], lag.buckets[LAG_BOUNDS.len() - 1]) = (4, 5, 1);
    let mut handovers = Handovers::default();
    handovers.count(Outcome::RolledBack);
    let mut transitions = Transitions::default();
    transitions.count(Role::Unknown, Role::Backup);
    transitions.count(Role::Backup, Role::Primary);
    page::write(&Facts {
        status: &status,
        statistics: &statistics,
        peer: "192.0.2.2",
        internal_limit: 524_288,
        external_limit: 524_288,
        lag: &lag,
        transitions: &transitions,
        handovers: &handovers,
    })
}

fn whole() -> String {
    page_of(Sync::CatchingUp(Reason::PeerHello), true)
}

/// Pages in which there is all that there can be, and as little as there can be.
pub(crate) fn pages() -> [String; 2] {
    [whole(), page_of(Sync::PeerLost { heard: None }, false)]
}

/// Names of the page and their types.
fn families(page: &str) -> BTreeMap<&str, &str> {
    page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect()
}

/// Every word of a text that could be a metric of ours; parts of a histogram count as the histogram.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words
        .filter(|word| word.starts_with("syncd_"))
        .map(|word| {
            let parts = ["_bucket", "_sum", "_count"];
            parts.iter().find_map(|part| word.strip_suffix(part)).unwrap_or(word)
        })
        .collect()
}

fn file(path: &str) -> String {
    let path = format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_page() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../../snapshots/cli");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("metrics", whole()));
}

#[test]
fn what_is_not_known_is_left_out() {
    let (whole, young) = (whole(), page_of(Sync::PeerLost { heard: None }, false));
    let (all, some) = (families(&whole), families(&young));
    let missing: Vec<_> = all.keys().filter(|name| !some.contains_key(*name)).copied().collect();
    let expected = [
        "syncd_commit_duration_seconds",
        "syncd_last_transition_timestamp_seconds",
        "syncd_resync_progress_ratio",
    ];
    assert_eq!(missing, expected);
    assert!(young.contains("syncd_peer_state{peer=\"192.0.2.2\",state=\"lost\"} 1\n"), "{young}");
    assert!(young.contains("syncd_failover_ready 0\n"), "{young}");
    let in_sync = page_of(Sync::InSync, true);
    assert!(in_sync.contains("syncd_failover_ready 1\n"), "{in_sync}");
    assert!(in_sync.contains("syncd_in_sync{peer=\"192.0.2.2\"} 1\n"), "{in_sync}");
}

/// `docs/metrics.md` has one row for each: name, type, unit, labels, meaning.
#[test]
fn every_metric_is_documented_with_its_type_and_labels() {
    let (page, docs) = (whole(), file("docs/metrics.md"));
    let rows: Vec<Vec<&str>> = docs
        .lines()
        .filter(|line| line.starts_with("| `syncd_"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let documented: BTreeMap<&str, &str> =
        rows.iter().map(|row| (row[0].trim().trim_matches('`'), row[1])).collect();
    assert_eq!(documented.len(), rows.len(), "each metric has one row");
    assert_eq!(documented, families(&page));
    for row in &rows {
        assert_eq!(row.len(), 5, "{row:?}");
        let name = row[0].trim().trim_matches('`');
        let is_sample = |line: &&str| {
            let rest = line.strip_prefix(name).map(|rest| rest.strip_prefix("_bucket").unwrap_or(rest));
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
        };
        let sample = page.lines().find(is_sample).unwrap_or_else(|| panic!("no sample of {name}"));
        let labels: BTreeSet<&str> = sample
            .split(['{', ','])
            .filter_map(|part| part.split_once("=\""))
            .map(|(label, _)| label)
            .collect();
        let told: BTreeSet<&str> = row[3].split('`').filter(|part| labels.contains(part)).collect();
        let words = row[3].split('`').skip(1).step_by(2).count();
        assert_eq!((&told, words), (&labels, labels.len()), "labels of {name}");
    }
    assert_eq!(named(&docs).difference(&families(&page).into_keys().collect()).count(), 0);
}

/// Each kind and reason of a resync is told, and no other.
#[test]
fn every_reason_of_a_resync_is_documented() {
    let (page, docs) = (whole(), file("docs/metrics.md"));
    let shown: Vec<[&str; 2]> = page
        .lines()
        .filter_map(|line| line.strip_prefix("syncd_resync_total{kind=\"")?.split_once("\",reason=\""))
        .map(|(kind, rest)| [kind, rest.split('"').next().expect("a reason")])
        .collect();
    let (_, section) = docs.split_once("### Reasons of a resync").expect("a section");
    let told: Vec<[&str; 2]> = section
        .lines()
        .skip_while(|line| !line.starts_with("| ---"))
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | `"))
        .map(|(kind, rest)| [kind, rest.split('`').next().expect("a reason")])
        .collect();
    assert_eq!(told, shown);
}

#[test]
fn rules_and_dashboard_ask_only_for_what_is_there() {
    let page = whole();
    let there: BTreeSet<&str> = families(&page).into_keys().collect();
    let files = [
        "contrib/prometheus/syncd.rules.yml",
        "contrib/prometheus/syncd.rules.test.yml",
        "contrib/grafana/syncd.json",
    ];
    for path in files {
        let text = file(path);
        let named = named(&text);
        assert!(named.len() > 5, "{path} names {named:?}");
        let unknown: Vec<_> = named.difference(&there).collect();
        assert!(unknown.is_empty(), "{path} names what is not on the page: {unknown:?}");
    }
    let dashboard: serde_json::Value =
        serde_json::from_str(&file("contrib/grafana/syncd.json")).expect("a dashboard is JSON");
    assert!(dashboard["panels"].as_array().is_some_and(|panels| panels.len() > 5));
}

#[test]
fn whatever_a_label_says_stays_in_its_quotes() {
    let mut text = Text::default();
    text.family("m", Kind::Gauge, "a \\ and\na line").sample(&[("group", "a\"b\\c\nd")], 1);
    assert_eq!(
        text.finish(),
        "# HELP m a \\\\ and\\na line\n# TYPE m gauge\nm{group=\"a\\\"b\\\\c\\nd\"} 1\n"
    );
}

/// What JSON says of a page is that page.
#[test]
fn the_page_as_a_document() {
    let read = |page: &str| serde_json::to_value(MetricsView::read(page).expect("a page")).expect("JSON");
    let page = whole();
    let document = read(&page);
    let metrics = document["metrics"].as_array().expect("a list");
    let kinds: BTreeMap<&str, &str> = metrics
        .iter()
        .map(|metric| (metric["name"].as_str().expect("a name"), metric["type"].as_str().expect("a type")))
        .collect();
    assert_eq!(kinds, families(&page));
    let samples = metrics.iter().flat_map(|metric| metric["samples"].as_array().expect("a list"));
    let lines: Vec<String> = samples
        .map(|sample| {
            let labels = sample["labels"].as_object().expect("an object").iter();
            let labels: BTreeSet<String> = labels.map(|(name, value)| format!("{name}={value}")).collect();
            format!("{} {labels:?} {}", sample["name"].as_str().expect("a name"), sample["value"])
        })
        .collect();
    let expected = page.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (name, value) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
        let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
        let labels: BTreeSet<String> = labels.map(str::to_owned).collect();
        format!("{name} {labels:?} {value}")
    });
    assert_eq!(lines, expected.collect::<Vec<_>>());

    let mut text = Text::default();
    let said = "a\"b\\c\nd},e=\"f\\";
    text.family("m", Kind::Gauge, "a \\ and\na line").sample(&[("group", said), ("x", "")], 1.5);
    let document = read(&text.finish());
    assert_eq!(document["metrics"][0]["help"], "a \\ and\na line");
    let sample = &document["metrics"][0]["samples"][0];
    assert_eq!(*sample, json!({ "name": "m", "labels": { "group": said, "x": "" }, "value": 1.5 }));
    for page in
        ["m 1\n", "# TYPE m gauge\n", "# HELP m h\n# TYPE m gauge\nm{a=\"b} 1\n", "# HELP m h\nm one\n"]
    {
        assert!(MetricsView::read(page).is_none(), "{page}");
    }
}

#[test]
fn requests() {
    let wanted = |request: &str| http::understand(request.as_bytes(), 0);
    let whole = "GET /metrics HTTP/1.1\r\nHost: r1:9716\r\nAccept: text/plain\r\n\r\n";
    // A request comes in pieces: nothing is answered before its end.
    for end in 0..whole.len() {
        assert_eq!(wanted(&whole[..end]), None, "{end}");
        let rest = http::understand(whole.as_bytes(), end);
        assert_eq!(rest, Some(Ok(Wanted::Page)), "what was seen up to {end} is not looked at again");
    }
    assert_eq!(wanted(whole), Some(Ok(Wanted::Page)));
    assert_eq!(wanted("GET /metrics?x=1 HTTP/1.0\n\n"), Some(Ok(Wanted::Page)));
    assert_eq!(wanted("HEAD /metrics HTTP/1.1\r\n\r\nrest"), Some(Ok(Wanted::Head)));
    let status = |request: &[u8]| match http::understand(request, 0) {
        Some(Err(refused)) => {
            let answer = String::from_utf8(http::refused(&refused)).expect("text");
            answer.split_whitespace().nth(1).expect("a status").to_owned()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(status(b"POST /metrics HTTP/1.1\r\n\r\n"), "405");
    assert_eq!(status(b"GET / HTTP/1.1\r\n\r\n"), "404");
    assert_eq!(status(b"GET /metricsx HTTP/1.1\r\n\r\n"), "404");
    assert_eq!(status(b"GET /metrics HTTP/2\r\n\r\n"), "505");
    assert_eq!(status(b"GET /metrics\r\n\r\n"), "400");
    assert_eq!(status(b"GET /metrics FTP/1.1\r\n\r\n"), "400");
    assert_eq!(status(b"\r\n\r\n"), "400");
    assert_eq!(status(b"\x16\x03\x01\xff\r\n\r\n"), "400");
    assert_eq!(http::understand(&[b'a'; LONGEST_HEAD - 1], 0), None);
    assert_eq!(status(&[b'a'; LONGEST_HEAD]), "431");
    // An end beyond the limit is none.
    let late = [&[b'a'; LONGEST_HEAD][..], b"\r\n\r\n"].concat();
    assert_eq!(status(&late), "431");
}

#[test]
fn answers() {
    let page = String::from_utf8(http::page(Wanted::Page, "m 1\n")).expect("text");
    let head = String::from_utf8(http::page(Wanted::Head, "m 1\n")).expect("text");
    assert_eq!(page, format!("{head}m 1\n"));
    assert_eq!(
        head,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: 4\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    );
    let Some(Err(refused)) = http::understand(b"PUT / HTTP/1.1\n\n", 0) else { panic!("it is refused") };
    let answer = String::from_utf8(http::refused(&refused)).expect("text");
    assert!(answer.contains("\r\nAllow: GET, HEAD\r\n"), "{answer}");
}
