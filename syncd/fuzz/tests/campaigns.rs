//! The corpora, and a second of processor time for mutations of each: what every change must stand. `cargo ci fuzz` goes on.

use std::path::Path;
use std::time::Duration;

use syncd_fuzz::campaign::{self, Plan};
use syncd_fuzz::targets::{TARGETS, named};

/// The same bytes on every machine; how many depends on how fast it is.
const SEED: u64 = 1;

fn stands(name: &str) {
    let target = named(name).expect("there is such a target");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    // The tests are not optimised.
    let plan = Plan { seed: SEED, time: Duration::from_secs(1), slack: 10, directory: &directory };
    let report = campaign::lead(target, plan).unwrap();
    assert!(report.runs > 50, "{} runs say nothing", report.runs);
    if let Some(finding) = report.finding {
        let file = finding.file.display();
        panic!(
            "{name} {}\nto repeat:\n    cargo run --profile fuzz -p syncd-fuzz -- repeat {name} {file}",
            finding.fault
        );
    }
}

#[test]
fn datagram() {
    stands("datagram");
}

#[test]
fn ctnetlink() {
    stands("ctnetlink");
}

#[test]
fn life() {
    stands("life");
}

#[test]
fn recording() {
    stands("recording");
}

#[test]
fn control() {
    stands("control");
}

#[test]
fn configuration() {
    stands("configuration");
}

#[test]
fn capture() {
    stands("capture");
}

#[test]
fn notification() {
    stands("notification");
}

#[test]
fn scrape() {
    stands("scrape");
}

#[test]
fn no_target_is_left_out() {
    let text = include_str!("campaigns.rs");
    for target in TARGETS {
        assert!(text.contains(&format!("stands(\"{}\")", target.name)), "no test of {}", target.name);
    }
}
