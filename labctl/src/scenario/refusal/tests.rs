//! Each kind of error has a remedy of its own.

use super::super::Variation;
use super::super::load::{Sources, check};

const TOPOLOGY: &str = include_str!("../../../../scenarios/topologies/two-routers.yaml");

/// What is said of a scenario that goes on so after its first two lines.
fn told(rest: &str) -> String {
    let scenario = format!("title: t\ntopology: two-routers\n{rest}");
    let sources = Sources {
        name: "test".to_owned(),
        scenario: Some(("test.yaml".to_owned(), scenario)),
        topology: ("two-routers.yaml".to_owned(), TOPOLOGY.to_owned()),
        variation: Variation::default(),
    };
    check(&sources).unwrap_err().to_string()
}

#[test]
fn an_unknown_word_hears_what_is_meant_or_what_there_is() {
    for (rest, said) in [
        ("timelime: []\n", "test.yaml:3: unknown field `timelime`: did you mean `timeline`?"),
        (
            "timeline:\n  - { strat: streams }\n",
            "test.yaml:4: timeline[0]: unknown field `strat`: did you mean `start`?",
        ),
        (
            "timeline:\n  - { fault: kill-ruoter, node: r1 }\n",
            "test.yaml:4: timeline[0].fault: unknown variant `kill-ruoter`: did you mean `kill-router`?",
        ),
        (
            "sync: { r1: quagga }\n",
            "test.yaml:3: sync.r1: unknown variant `quagga`: write one of syncd, conntrackd, none",
        ),
    ] {
        assert_eq!(told(rest), said);
    }
    let far = told("colour: red\n");
    assert!(far.starts_with("test.yaml:3: unknown field `colour`: write one of title, topology, "), "{far}");
}

#[test]
fn a_missing_key_is_shown_as_it_may_be_written() {
    for (rest, said) in [
        (
            "expect:\n  - { primary: r1 }\n",
            "test.yaml:4: expect[0]: missing field `within`: add it, like `within: 5s`",
        ),
        (
            "traffic: { s: [ { count: 3 } ] }\n",
            "test.yaml:3: traffic.s[0]: missing field `kind`: add it, like `kind: download`",
        ),
    ] {
        assert_eq!(told(rest), said);
    }
}

#[test]
fn a_wrong_form_hears_the_right_one() {
    let a_map = "write `key: value` lines below the key, or { key: value }";
    for (rest, said, remedy) in [
        (
            "timeline: 3\n",
            "timeline: invalid type: integer `3`, expected a list",
            "write `- …` lines below the key, or [a, b]",
        ),
        ("timeline: [3]\n", "timeline[0]: invalid type: integer `3`, expected keys with values", a_map),
        ("traffic: 3\n", "traffic: invalid type: integer `3`, expected keys with values", a_map),
        (
            "traffic: { s: [ { kind: udp, count: -3 } ] }\n",
            "traffic.s[0].count: invalid type: integer `-3`, expected a whole number",
            "write a whole number of 0 to 4294967295",
        ),
        (
            "traffic: { s: [ { kind: udp, count: 5000000000 } ] }\n",
            "traffic.s[0].count: invalid value: integer `5000000000`, expected a whole number",
            "write a whole number of 0 to 4294967295",
        ),
        (
            "traffic: { s: [ { kind: udp, count: 3, ipv6: maybe } ] }\n",
            "traffic.s[0].ipv6: invalid type: string \"maybe\", expected true or false",
            "write true or false",
        ),
        ("sync: [r1]\n", "sync: invalid type: sequence, expected keys with values", a_map),
        (
            "snapshot: [foo]\n",
            "snapshot: `foo` is no part of a snapshot",
            "write roles, link, `flows NODE` or `statistics NODE COUNTER...`",
        ),
    ] {
        assert_eq!(told(rest), format!("test.yaml:3: {said}: {remedy}"));
    }
}

#[test]
fn what_is_no_yaml_hears_what_is_usually_behind_it() {
    let tab = told("expect:\n\t- { primary: r1, within: 5s }\n");
    assert!(tab.starts_with("test.yaml:4: this is no YAML: "), "{tab}");
    assert!(tab.ends_with("indent with blanks: YAML takes no tabs there"), "{tab}");
    let bracket = told("expect:\n  - { primary: r1, within: 5s\n");
    assert!(
        bracket.ends_with("the colon after each key and the brackets, here and in the line above"),
        "{bracket}"
    );
    let twice = told("sync: { r1: syncd }\nexpect: []\nsync: { r2: syncd }\n");
    assert_eq!(twice, "test.yaml:5: duplicate field `sync`: write each key once");
}
