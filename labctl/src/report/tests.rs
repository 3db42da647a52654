//! The form of the document, the table and the picture.

use std::collections::BTreeMap;
use std::path::Path;

use super::document::{Document, ExpectationSeen, FailoverTimes, TrafficSeen};
use super::{CellSeen, all_passed, matrix_table, picture, table};
use crate::scenario::load::{Sources, check};
use crate::scenario::{Variation, load_matrix};
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
        cache: None,
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
         \"flows_after\":null},\"cache\":null}"
    );
}

#[test]
fn the_table_says_what_the_document_says() {
    let text = table(&document());
    assert!(
        text.contains("streams      200/200     200        0        0      0                0"),
        "{text}"
    );
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
        variation: Variation::default(),
    };
    let text = picture(&check(&sources).unwrap());
    assert!(text.contains("│ keepalived, conntrackd ├─────┤ keepalived             │"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn a_matrix_fails_only_where_syncd_is() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/interop/matrix.yaml");
    let matrix = load_matrix(&file).unwrap();
    let mut cells = Vec::new();
    for cell in matrix.cells.iter().filter(|cell| cell.row == matrix.rows[0]) {
        let mut document = document();
        document.failover.flows_after = Some(229);
        document.expectations[0].passed = cell.judged;
        document.passed = cell.judged;
        cells.push(CellSeen::of(cell, &serde_json::to_value(document).unwrap(), 1.0).unwrap());
    }
    let alone = cells.iter().position(|cell| !cell.judged).expect("a column without syncd");
    assert!(all_passed(&cells) && !cells[alone].passed && cells.len() > 2);
    let text = matrix_table(&matrix, &cells);
    assert!(text.contains("ok            229/230        -"), "{text}");
    assert!(text.contains("loses         229/230        -"), "{text}");
    let end = format!(": loses\n    all: 200 of 200\n    to repeat: {}\n", cells[alone].command);
    assert!(text.ends_with(&end), "{text}");

    (cells[0].passed, cells[0].stale) = (false, 5);
    assert!(!all_passed(&cells));
    let text = matrix_table(&matrix, &cells);
    assert!(text.contains("FAILED     229/230 +5        -") && text.contains("+N: stale"), "{text}");
}
