//! The judges on machines that are made up: what fires, what is silent, what nobody can say.

mod iptables;
mod rules;

use std::path::Path;

use serde_json::{Value, json};

use super::machine::{Interface, Machine, Road, Unusable, Way};
use super::ruleset::Ruleset;
use super::*;
use crate::config;
use crate::config::keepalived::{Group, Instance, Keepalived, TrackFile, Tracking};

fn instance(name: &str, interface: &str, address: &str) -> Instance {
    Instance {
        name: name.to_owned(),
        interface: interface.to_owned(),
        speaks_by_vmac: true,
        addresses: vec![address.parse().unwrap()],
        nopreempt: true,
        ..Instance::default()
    }
}

fn chain(hook: &str, kind: &str, priority: i64, policy: &str) -> Value {
    json!({ "chain": { "family": "inet", "table": "t", "name": hook, "type": kind, "hook": hook,
                       "prio": priority, "policy": policy } })
}

fn rule(chain: &str, expressions: &Value) -> Value {
    json!({ "rule": { "family": "inet", "table": "t", "chain": chain, "handle": 7, "expr": expressions } })
}

fn is(left: &Value, right: &Value) -> Value {
    json!({ "match": { "op": "==", "left": left, "right": right } })
}

fn meta(key: &str, right: &Value) -> Value {
    is(&json!({ "meta": { "key": key } }), right)
}

fn invalid() -> Value {
    json!({ "match": { "op": "in", "left": { "ct": { "key": "state" } }, "right": "invalid" } })
}

fn ruleset(objects: &[Value]) -> Ruleset {
    Ruleset::read(&json!({ "nftables": objects }).to_string()).unwrap()
}

/// Rules with which all is well; `input` stands before the rest in its chain.
fn good(input: &[Value]) -> Vec<Value> {
    let notrack = json!([{ "notrack": null }]);
    let mut objects = vec![
        json!({ "metainfo": { "json_schema_version": 1 } }),
        chain("prerouting", "filter", -300, "accept"),
        chain("output", "filter", -300, "accept"),
        chain("input", "filter", 0, "accept"),
        chain("forward", "filter", 0, "accept"),
        chain("postrouting", "nat", 100, "accept"),
        rule("prerouting", &notrack),
        rule("output", &notrack),
        rule("forward", &json!([invalid(), { "drop": null }])),
        rule(
            "postrouting",
            &json!([
                is(&json!({ "payload": { "protocol": "ip", "field": "saddr" } }), &json!("10.0.0.9")),
                meta("oifname", &json!("eth1")),
                { "snat": { "addr": "198.51.100.1" } },
            ]),
        ),
    ];
    objects.extend(input.iter().map(|expressions| rule("input", expressions)));
    objects
}

/// A machine with which all is well.
fn machine() -> Machine {
    let yaml = "conntrack-sync:\n  interface: { sync: {} }\n  failover-mechanism:\n    vrrp: { sync-group: G, notify-fifo: /f }\n";
    let here = |name: &str, address: &str| Interface {
        name: name.to_owned(),
        running: true,
        addresses: vec![(address.parse().unwrap(), 24)],
    };
    Machine {
        config: Ok(config::understand(Path::new("syncd.yaml"), yaml.as_bytes()).unwrap()),
        keepalived: Ok(Keepalived {
            fifos: vec!["/f".to_owned()],
            tells_on_reload: true,
            startup_delay: 5.0,
            track_files: Vec::new(),
            groups: vec![Group {
                name: "G".to_owned(),
                members: vec!["lan".to_owned(), "wan".to_owned()],
                notifies: false,
                tracks: Vec::new(),
            }],
            instances: vec![instance("lan", "eth0", "10.0.0.1"), instance("wan", "eth1", "198.51.100.1")],
        }),
        rules: Ok(ruleset(&good(&[json!([invalid(), { "drop": null }])]))),
        settings: [
            ("netfilter/nf_conntrack_events", Ok(1)),
            ("netfilter/nf_conntrack_tcp_loose", Ok(0)),
            ("netfilter/nf_conntrack_count", Ok(799)),
            ("netfilter/nf_conntrack_max", Ok(1000)),
        ]
        .into(),
        interfaces: Ok(vec![
            here("eth0", "10.0.0.2"),
            here("eth1", "198.51.100.2"),
            here("sync", "192.0.2.1"),
        ]),
        roads: vec![Road {
            interface: "sync".to_owned(),
            target: "225.0.0.50".parse().unwrap(),
            port: 3780,
            own: Some("192.0.2.1".parse().unwrap()),
            mtu: Ok(1500),
            peer: Some("192.0.2.2".parse().unwrap()),
            way: Ok(Way::From("192.0.2.1".parse().unwrap())),
            rp_filter: 1,
        }],
    }
}

/// The names of the checks that found something, and of those that could not look.
fn judged(machine: &Machine) -> (Vec<&'static str>, Vec<&'static str>) {
    let report = report(machine);
    let findings = report.findings.iter().map(|finding| finding.check).collect();
    let mut unseen: Vec<&str> = report.not_checked.iter().map(|unseen| unseen.check).collect();
    unseen.dedup();
    (findings, unseen)
}

const NONE: [&str; 0] = [];

#[test]
fn a_machine_with_which_all_is_well() {
    assert_eq!(judged(&machine()), (NONE.to_vec(), NONE.to_vec()));
}

#[test]
fn the_edges_of_a_full_table() {
    for (count, max, fires) in [(799, 1000, false), (800, 1000, true), (2000, 1000, true), (5, 0, false)] {
        let mut machine = machine();
        machine.settings.insert("netfilter/nf_conntrack_count", Ok(count));
        machine.settings.insert("netfilter/nf_conntrack_max", Ok(max));
        let found = if fires { vec!["table-fill"] } else { vec![] };
        assert_eq!(judged(&machine).0, found, "{count} of {max}");
    }
}

#[test]
fn what_was_not_seen_is_not_fine() {
    let mut blind = machine();
    blind.settings.insert("netfilter/nf_conntrack_events", Err("not there".to_owned()));
    blind.rules = Err("no nft".to_owned());
    assert_eq!(
        judged(&blind),
        (
            NONE.to_vec(),
            vec![
                "events",
                "input-invalid",
                "forward-invalid",
                "vrrp-tracked",
                "sync-tracked",
                "snat-wide",
                "snat-target"
            ]
        )
    );
    let mut blind = machine();
    blind.config = Err(Unusable::Unread("not ours to read".to_owned()));
    blind.roads.clear();
    let (found, unseen) = judged(&blind);
    assert_eq!(found, NONE);
    assert_eq!(
        unseen,
        [
            "configuration",
            "sync-tracked",
            "role-told",
            "role-reload",
            "sync-group",
            "track-file",
            "link",
            "mtu",
            "route"
        ]
    );
}

/// What is wrong with any configuration is found without one, and none is wrong itself.
#[test]
fn without_a_configuration_what_can_be_judged_is() {
    let without = |keepalived: &dyn Fn(&mut Keepalived)| {
        let mut machine = keepalived_with(keepalived);
        machine.config = Err(Unusable::Missing("/etc/syncd/syncd.yaml".into()));
        machine.roads.clear();
        machine
    };
    assert_eq!(judged(&without(&|_| {})).0, ["configuration"]);
    assert!(report(&without(&|_| {})).findings[0].what.contains("/etc/syncd/syncd.yaml"));
    let deaf = without(&|keepalived| keepalived.fifos.clear());
    assert_eq!(judged(&deaf).0, ["configuration", "role-told"]);
    let alone = without(&|keepalived| keepalived.groups[0].members.truncate(1));
    assert_eq!(judged(&alone).0, ["configuration", "sync-group"]);
    let none = without(&|keepalived| keepalived.groups.clear());
    assert_eq!(judged(&none).0, ["configuration", "sync-group"]);
    let mut unknown = without(&|_| {});
    unknown.keepalived = Err("no keepalived.conf".to_owned());
    unknown.rules = Ok(ruleset(&good(&[])));
    let report = report(&unknown);
    let found: Vec<&str> = report.findings.iter().map(|finding| finding.check).collect();
    assert_eq!(found, ["configuration", "input-invalid"], "the rules are judged by a guess");
    let why = report.not_checked.iter().find(|unseen| unseen.check == "input-invalid").unwrap();
    assert!(why.why.ends_with("every interface was taken for one that speaks VRRP"), "{}", why.why);
}

#[test]
fn a_large_mtu_is_a_question_and_a_small_one_a_finding() {
    for (mtu, found, unseen) in [(1500, None, None), (1499, Some("mtu"), None), (9000, None, Some("mtu"))] {
        let mut machine = machine();
        machine.roads[0].mtu = Ok(mtu);
        let expected: (Vec<&str>, Vec<&str>) = (found.into_iter().collect(), unseen.into_iter().collect());
        assert_eq!(judged(&machine), expected, "{mtu}");
    }
}

/// As it was measured: what the kernel drops for its source.
#[test]
fn routes_back_count_where_they_are_compared() {
    let elsewhere = Way::From("198.51.100.2".parse().unwrap());
    let (group, peer) = ("225.0.0.50", "192.0.2.2");
    for (target, way, rp_filter, fires) in [
        (group, Way::None, 0, false),
        (group, Way::None, 1, true),
        (group, Way::None, 2, true),
        (group, elsewhere, 0, false),
        (group, elsewhere, 1, true),
        (group, elsewhere, 2, false),
        (peer, elsewhere, 0, true),
        (peer, Way::None, 0, true),
    ] {
        let mut machine = machine();
        let road = &mut machine.roads[0];
        (road.target, road.way, road.rp_filter) = (target.parse().unwrap(), Ok(way), rp_filter);
        let found = if fires { vec!["route"] } else { vec![] };
        assert_eq!(judged(&machine).0, found, "{target} {way:?} {rp_filter}");
    }
}

fn keepalived_with(change: impl FnOnce(&mut Keepalived)) -> Machine {
    let mut machine = machine();
    change(machine.keepalived.as_mut().unwrap());
    machine
}

#[test]
fn who_takes_back_at_once() {
    let hasty = keepalived_with(|keepalived| {
        keepalived.startup_delay = 0.0;
        keepalived.instances[1].nopreempt = false;
    });
    assert_eq!(judged(&hasty).0, ["return"]);
    let patient = keepalived_with(|keepalived| keepalived.startup_delay = 0.0);
    assert_eq!(judged(&patient).0, NONE, "nopreempt in both is enough");
    let delayed = keepalived_with(|keepalived| keepalived.instances[0].nopreempt = false);
    assert_eq!(judged(&delayed).0, NONE, "and so is a delay");
}

/// A pair by docs/handover.md, changed.
fn tracked_with(change: impl FnOnce(&mut Keepalived)) -> Machine {
    let mut machine = keepalived_with(|keepalived| {
        keepalived.startup_delay = 0.0;
        keepalived.track_files = vec![TrackFile {
            name: "syncd".to_owned(),
            file: "/t".to_owned(),
            weight: Some(20),
            init: Some("-3".to_owned()),
        }];
        keepalived.groups[0].tracks = vec![Tracking { name: "syncd".to_owned(), weight: None }];
        for instance in &mut keepalived.instances {
            (instance.nopreempt, instance.priority) = (false, Some(110));
        }
        change(keepalived);
    });
    let yaml = "conntrack-sync:\n  interface: { sync: {} }\n  failover-mechanism:\n    vrrp: { sync-group: G, notify-fifo: /f, track-file: /t }\n";
    machine.config = Ok(config::understand(Path::new("syncd.yaml"), yaml.as_bytes()).unwrap());
    machine
}

#[test]
fn a_track_file_that_keepalived_goes_by() {
    assert_eq!(judged(&tracked_with(|_| {})).0, NONE);
    let each = tracked_with(|keepalived| {
        let tracks = std::mem::take(&mut keepalived.groups[0].tracks);
        keepalived.instances.iter_mut().for_each(|instance| instance.tracks.clone_from(&tracks));
    });
    assert_eq!(judged(&each).0, NONE, "each instance by itself does as well");
    let as_large_as_can_be = tracked_with(|keepalived| keepalived.track_files[0].weight = Some(84));
    assert_eq!(judged(&as_large_as_can_be).0, NONE);
}

#[test]
fn a_track_file_that_keepalived_does_not_go_by() {
    type Change = fn(&mut Keepalived);
    let changes: [(&str, Change); 8] = [
        ("has no track_file for it", |keepalived| keepalived.track_files[0].file = "/other".to_owned()),
        ("lan, wan of G: nobody looks", |keepalived| keepalived.groups[0].tracks.clear()),
        ("weight 0", |keepalived| keepalived.track_files[0].weight = Some(0)),
        ("weight -20", |keepalived| keepalived.groups[0].tracks[0].weight = Some(-20)),
        ("weight 85 times 3", |keepalived| keepalived.track_files[0].weight = Some(85)),
        ("priority 21 lowered by 20", |keepalived| keepalived.instances[1].priority = Some(21)),
        ("wan with nopreempt", |keepalived| keepalived.instances[1].nopreempt = true),
        ("ready until syncd has written", |keepalived| keepalived.track_files[0].init = None),
    ];
    for (said, change) in changes {
        let report = report(&tracked_with(change));
        let found: Vec<&str> = report.findings.iter().map(|finding| finding.check).collect();
        assert!(!found.is_empty() && found.iter().all(|check| *check == "track-file"), "{said}: {found:?}");
        assert!(report.findings[0].what.contains(said), "{said}: {}", report.findings[0].what);
    }
}

#[test]
fn without_a_fifo_a_script_must_tell_the_role() {
    let yaml =
        "conntrack-sync:\n  interface: { sync: {} }\n  failover-mechanism: { vrrp: { sync-group: G } }\n";
    for (notifies, found) in [(false, vec!["role-told"]), (true, vec![])] {
        let mut machine = keepalived_with(|keepalived| {
            (keepalived.groups[0].notifies, keepalived.tells_on_reload) = (notifies, false);
        });
        machine.config = Ok(config::understand(Path::new("syncd.yaml"), yaml.as_bytes()).unwrap());
        assert_eq!(judged(&machine).0, found);
    }
}

#[test]
fn text_and_document() {
    let mut machine = machine();
    machine.settings.insert("netfilter/nf_conntrack_events", Ok(2));
    machine.rules = Err("there is no nft to tell the rules: apt-get install nftables".to_owned());
    let mut text = Vec::new();
    report(&machine).write(&mut text).unwrap();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../../snapshots/cli");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("doctor", String::from_utf8(text).unwrap()));
}

/// A document in which there is one of everything.
pub(crate) fn document() -> Report {
    let mut machine = machine();
    machine.settings.insert("netfilter/nf_conntrack_events", Ok(2));
    machine.roads[0].mtu = Ok(9000);
    report(&machine)
}

/// Each check is told in docs/doctor.md, under its name, and nothing else is.
#[test]
fn every_check_has_its_chapter() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/doctor.md");
    let text = std::fs::read_to_string(path).unwrap();
    let chapters: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let names: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
    assert_eq!(chapters, names);
}
