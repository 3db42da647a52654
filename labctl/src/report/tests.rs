//! The form of the document, the table and the picture.

use std::collections::BTreeMap;

use super::document::{Document, ExpectationSeen, FailoverTimes, TrafficSeen};
use super::{picture, table};
use crate::scenario::load::{Sources, check};
use crate::traffic::{TrafficReport, TransferReport};

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
        traffic: BTreeMap::from([("streams".to_owned(), TrafficSeen::Streams(report))]),
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
fn transfers_have_members_and_lines_of_their_own() {
    let report = TransferReport {
        wanted: 10,
        announced: 10,
        complete: 9,
        failed: 1,
        corrupted_bytes: 0,
        slowest_ms: Some(1040),
    };
    let traffic = BTreeMap::from([("calls".to_owned(), TrafficSeen::Transfers(report))]);
    let document = Document { traffic, ..document() };
    let json = serde_json::to_string(&document).unwrap();
    let members = "\"traffic\":{\"calls\":{\"wanted\":10,\"announced\":10,\"complete\":9,\"failed\":1,\
        \"corrupted_bytes\":0,\"slowest_ms\":1040}}";
    assert!(json.contains(members), "{json}");
    let text = table(&document);
    assert!(
        text.starts_with("transfers    announced complete failed  corrupted bytes       slowest\n"),
        "{text}"
    );
    assert!(text.contains("calls            10/10        9      1                0       1040 ms"), "{text}");
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
