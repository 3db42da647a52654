//! Rules that are like each other, and what they make of a packet. The JSON is nft 1.0.6's.

use super::*;

const DROP: &str = "drop";

fn to(kind: &str) -> Value {
    json!({ kind: null })
}

fn port(right: &Value) -> Value {
    is(&json!({ "payload": { "protocol": "tcp", "field": "dport" } }), right)
}

fn source(right: &Value) -> Value {
    is(&json!({ "payload": { "protocol": "ip", "field": "saddr" } }), right)
}

/// What is to be said of the chain at hook input.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    Fine,
    Finding,
    Unseen,
}

fn input(rules: &[Value]) -> Said {
    let mut machine = machine();
    let mut objects = good(rules);
    objects.push(json!({ "chain": { "family": "inet", "table": "t", "name": "sub" } }));
    objects.push(rule("sub", &json!([invalid(), to(DROP)])));
    objects.push(json!({ "set": { "family": "inet", "table": "t", "name": "ports", "elem": [22, { "range": [30000, 50000] }] } }));
    objects.push(json!({ "set": { "family": "inet", "table": "t", "name": "seen", "flags": ["dynamic"], "elem": [22] } }));
    machine.rules = Ok(ruleset(&objects));
    match judged(&machine) {
        (found, unseen) if found == NONE && unseen == NONE => Said::Fine,
        (found, _) if found == ["input-invalid"] => Said::Finding,
        (found, unseen) if found == NONE && unseen == ["input-invalid"] => Said::Unseen,
        other => panic!("{other:?}"),
    }
}

type Case = (&'static str, Vec<Value>, Said);

fn drops() -> Value {
    json!([invalid(), to(DROP)])
}

fn plain() -> Vec<Case> {
    use Said::{Finding, Fine};
    vec![
        ("nothing is dropped", vec![], Finding),
        ("it is", vec![drops()], Fine),
        (
            "with a counter and a log",
            vec![json!([invalid(), { "counter": {} }, { "log": {} }, to(DROP)])],
            Fine,
        ),
        ("too late", vec![json!([to("accept")]), drops()], Finding),
        ("answered", vec![json!([to("reject")]), drops()], Finding),
        (
            "another state is accepted before",
            vec![
                json!([{ "match": { "op": "in", "left": { "ct": { "key": "state" } }, "right": ["established", "related"] } }, to("accept")]),
                drops(),
            ],
            Fine,
        ),
        (
            "a set of states",
            vec![json!([
                is(&json!({ "ct": { "key": "state" } }), &json!({ "set": ["invalid", "new"] })),
                to(DROP)
            ])],
            Fine,
        ),
        ("of one interface only", vec![json!([meta("iifname", &json!("eth1")), invalid(), to(DROP)])], Fine),
        ("of the wrong one", vec![json!([meta("iifname", &json!("eth0")), invalid(), to(DROP)])], Finding),
        ("of all with this beginning", vec![json!([meta("iifname", &json!("eth*")), to(DROP)])], Fine),
        ("of a number", vec![json!([meta("l4proto", &json!(6)), to(DROP)])], Fine),
    ]
}

fn by_other_ways() -> Vec<Case> {
    use Said::{Finding, Fine, Unseen};
    let vmap = |verdict: &str| {
        let members = json!([["established", to("accept")], ["invalid", to(verdict)]]);
        json!([{ "vmap": { "key": { "ct": { "key": "state" } }, "data": { "set": members } } }])
    };
    vec![
        ("in a called chain", vec![json!([{ "jump": { "target": "sub" } }])], Fine),
        ("in a chain that is gone", vec![json!([{ "jump": { "target": "gone" } }])], Unseen),
        (
            "perhaps in a called chain",
            vec![json!([meta("mark", &json!(1)), { "jump": { "target": "sub" } }])],
            Unseen,
        ),
        (
            "perhaps, and then for certain",
            vec![json!([meta("mark", &json!(1)), { "jump": { "target": "sub" } }]), drops()],
            Fine,
        ),
        ("perhaps accepted before", vec![json!([meta("mark", &json!(1)), to("accept")]), drops()], Unseen),
        ("as long as it is few", vec![json!([invalid(), { "limit": { "rate": 5 } }, to(DROP)])], Unseen),
        ("by a rule of iptables", vec![json!([{ "xt": null }])], Unseen),
        ("by a rule of iptables, and then for certain", vec![json!([{ "xt": null }]), drops()], Unseen),
        ("by a map", vec![vmap(DROP)], Fine),
        ("by a map that lets it go", vec![vmap("accept"), drops()], Finding),
        (
            "by a map to a chain",
            vec![json!([{ "vmap": { "key": { "ct": { "key": "state" } },
            "data": { "set": [["invalid", { "jump": { "target": "sub" } }]] } } }])],
            Fine,
        ),
    ]
}

fn about_more_than_the_state() -> Vec<Case> {
    use Said::{Finding, Fine, Unseen};
    let flags = |right: &str| {
        let masked = json!({ "&": [{ "payload": { "protocol": "tcp", "field": "flags" } }, ["fin", "syn", "rst", "ack"]] });
        is(&masked, &json!(right))
    };
    vec![
        ("a service is open", vec![json!([port(&json!(22)), to("accept")]), drops()], Fine),
        (
            "every port is open",
            vec![json!([port(&json!({ "range": [1024, 65535] })), to("accept")]), drops()],
            Finding,
        ),
        (
            "a named set of ports is open",
            vec![json!([port(&json!("@ports")), to("accept")]), drops()],
            Finding,
        ),
        (
            "a set that packets fill is open",
            vec![json!([port(&json!("@seen")), to("accept")]), drops()],
            Unseen,
        ),
        ("one host may", vec![json!([source(&json!("203.0.113.5")), to("accept")]), drops()], Fine),
        (
            "our network may",
            vec![
                json!([source(&json!({ "prefix": { "addr": "198.51.100.0", "len": 24 } })), to("accept")]),
                drops(),
            ],
            Finding,
        ),
        (
            "all but one network is dropped",
            vec![json!([
            { "match": { "op": "!=", "left": { "payload": { "protocol": "ip", "field": "saddr" } }, "right": { "prefix": { "addr": "10.0.0.0", "len": 8 } } } },
            to(DROP)])],
            Fine,
        ),
        ("what begins is accepted", vec![json!([flags("syn"), to("accept")]), drops()], Fine),
        ("what is in the middle is accepted", vec![json!([flags("ack"), to("accept")]), drops()], Finding),
        ("IPv6 alone", vec![json!([meta("nfproto", &json!("ipv6")), to(DROP)])], Finding),
        (
            "a comparison of another kind",
            vec![
                json!([{ "match": { "op": "<", "left": { "meta": { "key": "length" } }, "right": 100 } }, to(DROP)]),
            ],
            Unseen,
        ),
    ]
}

#[test]
fn what_becomes_of_a_packet_of_no_flow() {
    for (name, rules, said) in [plain(), by_other_ways(), about_more_than_the_state()].concat() {
        assert_eq!(input(&rules), said, "{name}");
    }
}

#[test]
fn without_translation_no_stream_ends_at_the_router() {
    let mut machine = machine();
    let rules = good(&[]).into_iter().filter(|object| object["rule"]["chain"] != "postrouting");
    machine.rules = Ok(ruleset(&rules.collect::<Vec<_>>()));
    assert_eq!(judged(&machine).0, NONE);
    let mut objects = good(&[]);
    objects.retain(|object| object["rule"]["chain"] != "postrouting");
    objects.push(json!({ "chain": { "family": "ip", "table": "n", "name": "pre", "type": "nat", "hook": "prerouting", "prio": -100, "policy": "accept" } }));
    objects.push(json!({ "rule": { "family": "ip", "table": "n", "chain": "pre", "handle": 1,
        "expr": [meta("iifname", &json!("eth0")), { "dnat": { "addr": "10.0.0.5" } }] } }));
    machine.rules = Ok(ruleset(&objects));
    let report = report(&machine);
    assert_eq!(report.findings.len(), 1);
    assert!(report.findings[0].what.contains("by eth0 (IPv4)"), "{:?}", report.findings);
}

/// A gate may close, but only when syncd has heard of the role.
#[test]
fn the_gate_of_syncd_itself_is_no_rule() {
    let mut machine = machine();
    let mut objects = good(&[]);
    for object in [
        json!({ "chain": { "family": "inet", "table": "syncd-gate-3-1", "name": "input", "type": "filter",
            "hook": "input", "prio": -160, "policy": "accept" } }),
        json!({ "rule": { "family": "inet", "table": "syncd-gate-3-1", "chain": "input", "handle": 7, "expr":
            [{ "match": { "op": "==", "left": { "meta": { "key": "nfproto" } }, "right": "@closed" } }, to(DROP)] } }),
    ] {
        objects.push(object);
    }
    machine.rules = Ok(ruleset(&objects));
    assert_eq!(judged(&machine), (vec!["input-invalid"], NONE.to_vec()));
}

fn postrouting(expressions: &Value) -> (Vec<&'static str>, Vec<&'static str>) {
    let mut machine = machine();
    let mut objects = good(&[json!([invalid(), to(DROP)])]);
    objects.retain(|object| object["rule"]["chain"] != "postrouting");
    objects.push(rule("postrouting", expressions));
    machine.rules = Ok(ruleset(&objects));
    judged(&machine)
}

#[test]
fn whose_source_is_translated_and_into_what() {
    let lan = || source(&json!({ "prefix": { "addr": "10.0.0.0", "len": 24 } }));
    let out = || meta("oifname", &json!("eth1"));
    let snat = |address: Value| json!({ "snat": { "addr": address } });
    let shared = || snat(json!("198.51.100.1"));
    let cases = [
        ("as it should be", json!([lan(), out(), shared()]), vec![], vec![]),
        ("out of the WAN", json!([out(), shared()]), vec!["snat-wide"], vec![]),
        ("out of anything", json!([lan(), shared()]), vec!["snat-wide"], vec![]),
        ("to ourselves", json!([lan(), out(), snat(json!("198.51.100.2"))]), vec!["snat-target"], vec![]),
        ("to a routed network", json!([lan(), out(), snat(json!("203.0.113.77"))]), vec![], vec![]),
        ("to a map", json!([lan(), out(), snat(json!({ "map": {} }))]), vec![], vec!["snat-target"]),
        ("masquerade", json!([lan(), out(), to("masquerade")]), vec!["snat-target"], vec![]),
        (
            "masquerade elsewhere",
            json!([lan(), meta("oifname", &json!("ppp0")), to("masquerade")]),
            vec![],
            vec![],
        ),
        ("only marked", json!([meta("mark", &json!(1)), out(), shared()]), vec![], vec!["snat-wide"]),
    ];
    for (name, expressions, found, unseen) in cases {
        assert_eq!(postrouting(&expressions), (found, unseen), "{name}");
    }
}

#[test]
fn an_answer_that_is_none_is_refused() {
    assert!(Ruleset::read("").unwrap_err().contains("no JSON"));
    assert!(Ruleset::read("{}").unwrap_err().contains("nftables is missing"));
    assert!(Ruleset::read("{\"nftables\":[1,{\"rule\":7},{\"chain\":null}]}").is_ok());
}
