//! Counters to the column, held against what a real conntrackd printed for the same numbers.

use serde_json::Value;

use super::*;
use crate::control::protocol::Unacknowledged;
use crate::front::texts;
use crate::show::statistics;

/// What a real conntrackd 1.4.7 printed after `-s WORD`; tabs and line ends are marked in the file.
fn sample(word: &str) -> String {
    let file = include_str!("../../../tests/fixtures/conntrackd-statistics.txt");
    let title = format!("---- r1: conntrackd -s{}{word}", if word.is_empty() { "" } else { " " });
    let lines = file.lines().skip_while(|line| *line != title).skip(1);
    lines
        .take_while(|line| !line.starts_with("----"))
        .map(|line| {
            format!("{}\n", line.strip_suffix('$').expect("each line is marked").replace("<TAB>", "\t"))
        })
        .collect()
}

/// A daemon that has counted what that conntrackd had.
pub(super) fn counted() -> StatisticsView {
    let mut stats = Stats::default();
    (stats.internal.created, stats.internal.updated, stats.internal.destroyed) = (87, 178, 47);
    (stats.internal_expectations.created, stats.internal_expectations.destroyed) = (2, 2);
    (stats.link.bytes_sent, stats.link.bytes_received) = (28_256, 5112);
    (stats.link.datagrams_sent, stats.link.datagrams_received) = (491, 321);
    (stats.kernel.events_new, stats.kernel.events_update, stats.kernel.events_destroy) = (87, 220, 47);
    stats.kernel.filtered = 38;
    let traffic =
        LinkTraffic { bytes_sent: 28_256, bytes_received: 5112, datagrams_sent: 491, ..Default::default() };
    let traffic = LinkTraffic { datagrams_received: 321, ..traffic };
    let link = LinkView { interface: "sync".to_owned(), state: "RUNNING".to_owned(), active: true, traffic };
    let daemon = DaemonView {
        uptime_s: 330,
        role: "primary".to_owned(),
        transport: "multicast".to_owned(),
        active_interface: Some("sync".to_owned()),
        event_buffer_bytes: 2 << 20,
        in_flight: 1,
        expect_sync: true,
        links: vec![link],
        ..DaemonView::default()
    };
    StatisticsView::new(&stats, Current { internal: 40, ..Current::default() }, daemon)
}

#[test]
fn what_scripts_cut_by_columns_is_where_conntrackd_has_it() {
    let view = counted();
    assert_eq!(statistics::main(&view), sample(""));
    assert_eq!(statistics::main(&view), sample("ct"));
    assert_eq!(statistics::expect(&view), sample("exp"));
    assert_eq!(texts::network(&view), sample("network"));
    assert_eq!(texts::cache(&view), sample("cache"));
    assert_eq!(texts::runtime(&view), sample("runtime"));
    assert_eq!(texts::link(&view), sample("link"));
    // conntrackd keeps more for sending again than we have in flight.
    let ours = sample("queue").replace("      131072", "        8192");
    assert_eq!(texts::queue(&view), ours);
    let waiting = |seq, flags| Unacknowledged { seq, flags };
    assert_eq!(texts::resend_queue(&[waiting(1_795_331_841, Some(8))]), sample("rsqueue"));
    let two = texts::resend_queue(&[waiting(u32::MAX, None), waiting(0, Some(2))]);
    assert_eq!(two, "resent queue (len=2)\nobject -> seq:4294967295\ncontrol -> seq:0 flags:2\n");
}

#[test]
fn without_expect_sync_nothing_is_said_of_expectations() {
    let mut view = counted();
    view.daemon.expect_sync = false;
    assert_eq!(statistics::expect(&view), "");
    assert!(!statistics::statistics(&view, true).contains("Expect Table"));
}

#[test]
fn uptimes_are_said_as_conntrackd_says_them() {
    let mut view = counted();
    for (seconds, said) in
        [(59, "0 min"), (3600, "1 h 0 min"), (90_061, "1 day(s) 1 h 1 min"), (172_800, "2 day(s) 0 h 0 min")]
    {
        view.daemon.uptime_s = seconds;
        assert_eq!(texts::runtime(&view).lines().next(), Some(format!("daemon uptime: {said}").as_str()));
    }
}

#[test]
fn links_say_their_state() {
    let mut view = counted();
    view.daemon.transport = "UDP".to_owned();
    view.daemon.links = links();
    snapshot("conntrackd-link", &texts::link(&view));
}

#[test]
fn as_text_and_json() {
    let mut view = counted();
    (view.daemon.bytes_processed, view.daemon.packets_processed) = (976_826_240, 8_302_333);
    (view.ftfw.lost, view.link.ambiguous_sent, view.commit.without_helper) = (263, 3, 1);
    (view.kernel.expectation_events, view.commit.expectations_committed) = (12, 5);
    view.daemon.links = links();
    snapshot("statistics", &statistics::statistics(&view, false));
    snapshot("statistics-detail", &statistics::statistics(&view, true));
    let json = serde_json::to_string_pretty(&view).unwrap();
    snapshot("statistics-json", &json);
    assert_eq!(serde_json::from_str::<StatisticsView>(&json).unwrap(), view);
}

/// Each counter another one, all of five digits.
fn make_distinct(value: &mut Value, next: &mut u64) {
    match value {
        Value::Number(_) => {
            *value = Value::from(*next);
            *next += 1;
        }
        Value::Array(values) => values.iter_mut().for_each(|value| make_distinct(value, next)),
        Value::Object(fields) => fields.values_mut().for_each(|value| make_distinct(value, next)),
        _ => {}
    }
}

fn missing(value: &Value, place: &str, words: &[&str], found: &mut Vec<String>) {
    match value {
        Value::Number(number) if !words.contains(&number.to_string().as_str()) => {
            found.push(place.to_owned());
        }
        Value::Array(values) => values.iter().for_each(|value| missing(value, place, words, found)),
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| missing(value, &format!("{place}.{name}"), words, found));
        }
        _ => {}
    }
}

#[test]
fn in_detail_the_text_has_every_number_of_the_json() {
    let mut view = counted();
    view.daemon.links = links();
    assert!(view.daemon.links.len() > 1, "the traffic of one link is that of all");
    let mut document = serde_json::to_value(&view).unwrap();
    make_distinct(&mut document, &mut 40_001);
    document["version"] = Value::from(1);
    let view: StatisticsView = serde_json::from_value(document).unwrap();
    let text = statistics::statistics(&view, true);
    let mut document = serde_json::to_value(&view).unwrap();
    document.as_object_mut().unwrap().remove("version");
    let mut found = Vec::new();
    missing(&document, "", &text.split_whitespace().collect::<Vec<_>>(), &mut found);
    assert!(found.is_empty(), "not in the text: {found:?}");
}
