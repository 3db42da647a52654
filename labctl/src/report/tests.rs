//! The form of the document, the table and the picture.

use std::collections::BTreeMap;

use super::document::{Document, ExpectationSeen, FailoverTimes};
use super::{picture, table};
use crate::scenario::load::{Sources, check};
use crate::traffic::TrafficReport;

fn document() -> Document {
    let report = TrafficReport { wanted: 200, opened: 200, alive: 200, ..TrafficReport::default() };
    Document {
        scenario: "demo".to_owned(),
        passed: true,
        expectations: vec![ExpectationSeen {
            text: "all".to_owned(),
            passed: true,
            seen: "200 of 200".to_owned(),
        }],
        traffic: BTreeMap::from([("streams".to_owned(), report)]),
        failover: FailoverTimes { vrrp_ms: Some(312), flows_before: Some(230), ..FailoverTimes::default() },
    }
}

#[test]
fn the_document_has_exactly_the_members_that_programs_know() {
    assert_eq!(
        serde_json::to_string(&document()).unwrap(),
        "{\"scenario\":\"demo\",\"passed\":true,\
         \"expectations\":[{\"text\":\"all\",\"passed\":true,\"seen\":\"200 of 200\"}],\
         \"traffic\":{\"streams\":{\"opened\":200,\"alive\":200,\"reset\":0,\"stalled\":0,\"corrupted_bytes\":0,\
         \"gap_ms\":{\"median\":null,\"max\":null}}},\
         \"failover\":{\"vrrp_ms\":312,\"commit_begin_ms\":null,\"commit_end_ms\":null,\"flows_before\":230,\
         \"flows_after\":null}}"
    );
}

#[test]
fn the_table_says_what_the_document_says() {
    let text = table(&document());
    assert!(text.contains("streams      200/200     200        0      0                0"), "{text}");
    assert!(text.contains("VRRP moved                                 312 ms after the fault"), "{text}");
    assert!(text.contains("commit began                               -"), "{text}");
    assert!(text.ends_with("passed  all: 200 of 200\n"), "{text}");
}

#[test]
fn the_picture_shows_who_replicates() {
    let topology = include_str!("../../../scenarios/topologies/two-routers.yaml").to_owned();
    let sources = Sources {
        name: "test".to_owned(),
        scenario: Some((
            "test.yaml".to_owned(),
            "title: t\ntopology: two-routers\nsync: { r1: conntrackd, r2: none }\n".to_owned(),
        )),
        topology: ("two-routers.yaml".to_owned(), topology),
    };
    let text = picture(&check(&sources).unwrap());
    assert!(text.contains("│ keepalived, conntrackd ├─────┤ keepalived             │"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}
