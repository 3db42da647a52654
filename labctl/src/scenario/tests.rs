//! Files become scenarios, or all their mistakes with lines.

use std::collections::BTreeMap;
use std::time::Duration;

use super::load::{Sources, check};
use super::mistake::line_of;
use super::units::Bytes;
use super::{
    Action, Channel, Fault, Helper, Mistakes, Prefix, Scale, Scenario, Share, Sight, Span, SyncKind,
    Variation,
};
use crate::bench::flows::Kind;

const TOPOLOGY: &str = include_str!("../../../scenarios/topologies/two-routers.yaml");

fn sources(scenario: &str) -> Sources {
    Sources {
        name: "test".to_owned(),
        scenario: Some(("test.yaml".to_owned(), scenario.to_owned())),
        topology: ("two-routers.yaml".to_owned(), TOPOLOGY.to_owned()),
        variation: Variation::default(),
    }
}

fn checked(scenario: &str) -> Result<Scenario, Mistakes> {
    check(&sources(scenario))
}

/// The mistakes of a scenario as they are printed.
fn mistakes(scenario: &str) -> String {
    checked(scenario).unwrap_err().to_string()
}

#[test]
fn a_scenario_takes_what_it_does_not_say_from_its_topology() {
    let scenario = checked("title: t\ntopology: two-routers\n").unwrap();
    assert_eq!(scenario.sync.len(), 2);
    assert_eq!(scenario.traffic["streams"].iter().map(|group| group.count).sum::<u32>(), 200);
}

#[test]
fn events_and_expectations_become_values() {
    let scenario = checked(
        "title: t\ntopology: two-routers\ntimeline:\n  - { start: streams }\n  - { at: 1.5s, fault: kill-router, node: r1 }\n\
         expect:\n  - { streams: streams, alive: 0%, within: 8s, for: 200ms }\n",
    )
    .unwrap();
    assert_eq!(scenario.timeline[0].action, Action::Start("streams".to_owned()));
    assert_eq!(scenario.timeline[1].at, Some(Span(Duration::from_millis(1500))));
    assert_eq!(scenario.timeline[1].action, Action::Fault(Fault::KillRouter, "r1".to_owned()));
    assert_eq!(scenario.expect[0].seen, Sight::Alive("streams".to_owned(), Share::default()));
    assert_eq!(
        scenario.expect[0].to_string(),
        "0% of streams alive, nothing corrupted within 8 s for 200 ms"
    );
}

#[test]
fn who_hands_over_has_a_keepalived_that_goes_by_it() {
    let with = |more: &str| {
        format!(
            "title: t\ntopology: two-routers\n{more}timeline:\n  - {{ handovers: {{ usual: 2, full: 20 }} }}\n"
        )
    };
    assert_eq!(checked(&with("track-file: true\n")).unwrap().timeline[0].action, Action::HandOver(2));
    let told = mistakes(&with(""));
    assert!(told.contains("nobody here can hand over"), "{told}");
    let other = mistakes(&with("track-file: true\nsync: { r1: syncd, r2: conntrackd }\n"));
    assert!(other.contains("nobody here can hand over"), "{other}");
}

#[test]
fn all_mistakes_are_told_at_once_with_their_lines() {
    let told = mistakes(
        "title: t\ntopology: two-routers\nsync: { r1: syncd, r3: syncd }\ntimeline:\n  - { start: rivers }\n\
         \u{20} - { fault: kill-router }\n  - { at: 1s }\nexpect:\n  # one is right\n  - { primary: r1, within: 1s }\n\
         \u{20} - { primary: r7, within: 0s }\nsnapshot: [flows r9]\n",
    );
    let lines: Vec<&str> = told.lines().collect();
    let expected = [
        "test.yaml:3: no router is called `r3`: write one of r1, r2",
        "test.yaml:5: no traffic is called `rivers`: write one of: datagrams, streams",
        "test.yaml:6: `fault` and `node` belong together: write `fault: kill-router, node: r1`",
        "test.yaml:7: 0 actions in one entry: give exactly one of start, stop, fulfil, fault, boot, start-vrrp, start-daemon, replace-daemon, wake-daemon, reload, link-up, networks, forget-neighbours, weather, handovers, no-handover, births, deaths, fill, drain, wait",
        "test.yaml:11: no router is called `r7`: write one of r1, r2",
        "test.yaml:11: `within: 0s` can never be met: give it time",
        "test.yaml:12: no router is called `r9`: write one of r1, r2",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn sizes_depend_on_the_scale() {
    let mut sources = sources(
        "title: t\ntopology: two-routers\ntimeline:\n\
         \u{20} - { at: { usual: 1s, full: 9s }, births: { on: r1, first: 7, count: { usual: 40, full: 500 }, per-second: 20 } }\n\
         \u{20} - { deaths: { on: r1, count: 3, per-second: 20, over: gre, meanwhile: true } }\n\
         expect:\n  - { cache-differs: r2, extra: { usual: 1, full: 2 }, within: 3s, for: { usual: 1s, full: 2s } }\n",
    );
    let written = |scenario: &Scenario| match &scenario.timeline[0].action {
        Action::Write(written) => written.clone(),
        other => panic!("{other}"),
    };
    let usual = check(&sources).unwrap();
    sources.variation.scale = Scale::Full;
    let full = check(&sources).unwrap();
    assert_eq!((written(&usual).first, written(&usual).count, written(&full).count), (7, 40, 500));
    assert_eq!(full.timeline[0].at, Some(Span(Duration::from_secs(9))));
    assert!(
        matches!(&usual.timeline[1].action, Action::Erase(deaths) if deaths.count == 3 && deaths.kind == Kind::Gre && deaths.meanwhile)
    );
    let differs = |extra| Sight::CacheDiffers { node: "r2".to_owned(), missing: 0, extra };
    assert_eq!((&usual.expect[0].seen, &full.expect[0].seen), (&differs(1), &differs(2)));
    assert_eq!(full.expect[0].stable, Span(Duration::from_secs(2)));
}

#[test]
fn written_flows_and_what_needs_a_second_word_are_checked() {
    let told = mistakes(
        "title: t\ntopology: two-routers\ntimeline:\n  - { births: { count: 5, per-second: 5, mute: true } }\n\
         \u{20} - { births: { on: r1, count: 5, per-second: 5, mute: true, meanwhile: true } }\n\
         \u{20} - { deaths: { on: r1, first: 6000000, count: 5, per-second: 5 } }\n  - { networks: split }\n\
         \u{20} - { births: { on: r1, count: 5, per-second: 5, over: gre, translated: true } }\n\
         expect:\n  - { answers: r1, within: 1s }\n  - { cache-differs: r1, within: 1s }\n\
         \u{20} - { primary: r1, under: 1s, within: 1s }\n",
    );
    for (line, what) in [
        (4, "flows of the client are only counted and paced"),
        (5, "`mute` and `meanwhile` exclude each other"),
        (6, "no 5 flows at 5 per second"),
        (7, "there is nobody on the other side of a split"),
        (8, "only flows over TCP are written as translated"),
        (10, "a word is missing or one too many"),
        (11, "caches that differ by nothing are equal"),
        (12, "a word is missing or one too many"),
    ] {
        assert!(told.lines().any(|told| told.starts_with(&format!("test.yaml:{line}: {what}"))), "{told}");
    }
}

#[test]
fn the_syncd_of_a_router_may_differ_from_the_usual_one() {
    let scenario = checked("title: t\ntopology: two-routers\nsyncd:\n  r2: { cache-limit: 5000 }\n").unwrap();
    let limits = ["r1", "r2"].map(|name| scenario.syncd.get(name).and_then(|chosen| chosen.cache_limit));
    assert_eq!(limits, [None, Some(5000)]);
    let told = mistakes(
        "title: t\ntopology: two-routers\nsync: { r1: syncd, r2: conntrackd }\nsyncd:\n  r2: { cache-limit: 5000 }\n  r3: {}\n",
    );
    let lines: Vec<&str> = told.lines().collect();
    let expected = [
        "test.yaml:5: no syncd runs on `r2`: let one run there under `sync`, or leave it out",
        "test.yaml:6: no router is called `r3`: write one of r1, r2",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn only_who_asks_and_waits_may_pause() {
    let wrong = mistakes(
        "title: T\ntopology: two\ntraffic:\n  idle:\n    - { kind: request-response, count: 1, every: 8s }\n    - { kind: download, count: 1, every: 8s }\n    - { kind: request-response, count: 1, every: 8s, per-second: 2 }\n    - { kind: request-response, count: 1, every: 61s }\n",
    );
    let lines: Vec<_> = wrong.lines().filter(|line| line.contains("scenario")).collect();
    assert!(
        !wrong.contains(":5:") && [6, 7, 8].iter().all(|line| wrong.contains(&format!(":{line}:"))),
        "{lines:?}\n{wrong}"
    );
}

#[test]
fn an_unknown_key_and_a_wrong_value_name_their_line() {
    let told = mistakes("title: t\ntopology: two-routers\ntimelime: []\n");
    assert!(told.starts_with("test.yaml:3: unknown field `timelime`"), "{told}");
    let told = mistakes("title: t\ntopology: two-routers\nexpect:\n  - { primary: r1, within: soon }\n");
    assert!(told.starts_with("test.yaml:4: "), "{told}");
    assert!(told.ends_with("`soon` is no span of time: write 200ms or 1.5s"), "{told}");
}

#[test]
fn what_a_daemon_cannot_tell_is_not_expected_of_it() {
    let told = mistakes(
        "title: t\ntopology: two-routers\nsync: { r1: syncd, r2: conntrackd }\nexpect:\n\
         \u{20} - { in-sync: r2, within: 1s }\nsnapshot: [statistics r2 commit]\n",
    );
    assert!(told.contains("test.yaml:5: the daemon of `r2` cannot tell this"), "{told}");
    assert!(told.contains("test.yaml:6: the daemon of `r2` has no statistics"), "{told}");
}

#[test]
fn transfers_and_their_helpers_become_values() {
    let scenario = checked(
        "title: t\ntopology: two-routers\nhelpers: [sip, ftp, sip]\ntraffic:\n  files:\n\
         \u{20}   - { kind: ftp-active, count: 2, path: dnat }\n  calls:\n    - { kind: sip, count: 1, bytes: 7 }\n\
         timeline:\n  - { start: files }\n  - { wait: { expectations: r2, within: 1s } }\n  - { fulfil: files }\n\
         expect:\n  - { transfers: files, complete: 100%, within: 5s }\n\
         \u{20} - { expectations-committed: r2, within: 1s }\n",
    )
    .unwrap();
    assert_eq!(scenario.helpers, [Helper::Ftp, Helper::Sip]);
    let files = scenario.transfers_of("files").unwrap()[0];
    assert_eq!((files.kind.word(), files.count, files.bytes), ("ftp-active", 2, 262_144));
    assert_eq!(
        (files.target, files.listen),
        ("10.1.0.1:21".parse().unwrap(), "198.51.100.10:21".parse().unwrap())
    );
    assert_eq!(scenario.transfers_of("calls").unwrap()[0].listen.port(), 5060);
    assert_eq!(scenario.timeline[2].action, Action::Fulfil("files".to_owned()));
    let words: Vec<String> = scenario.expect.iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "100% of files complete, nothing corrupted within 5 s",
            "the kernel of r2 expects what the other router's expected within 1 s"
        ]
    );
}

#[test]
fn transfers_are_not_streams() {
    let told = mistakes(
        "title: t\ntopology: two-routers\nhelpers: [ftp]\nsync: { r1: syncd, r2: none }\ntraffic:\n  files:\n\
         \u{20}   - { kind: ftp-passive, count: 501 }\n    - { kind: download, count: 1 }\n  calls:\n\
         \u{20}   - { kind: sip, count: 1, ipv6: true, per-second: 5 }\n  streams:\n    - { kind: udp, count: 1 }\n\
         timeline:\n  - { fulfil: streams }\n  - { fulfil: rivers }\nexpect:\n\
         \u{20} - { streams: files, alive: 100%, within: 1s }\n  - { transfers: files, within: 1s }\n\
         \u{20} - { expectations: r2, within: 1s }\n",
    );
    let expected = [
        "test.yaml:6: 502 transfers in one traffic: give 500 at most",
        "test.yaml:7: too many transfers, or none: give 1 to 500",
        "test.yaml:8: `files` has streams and transfers: give each a name of its own",
        "test.yaml:10: calls over IPv6: labctl speaks FTP over it, not SIP: leave `ipv6` out",
        "test.yaml:10: a pace of transfers: they take what they get",
        "test.yaml:10: no router reads along on sip: add `helpers: [sip]` to the scenario",
        "test.yaml:14: `streams` consists of streams, which announce nothing: name a traffic of ftp-passive, ftp-active or sip",
        "test.yaml:15: no traffic is called `rivers`: write one of: calls, files, streams",
        "test.yaml:17: `files` consists of transfers, which end: write `transfers: files, complete: 100%`",
        "test.yaml:18: `transfers` and `complete` belong together: write `transfers: NAME, complete: 100%`",
        "test.yaml:19: the daemon of `r2` cannot tell this: let another one run there under `sync`, or expect something else",
    ];
    for line in expected {
        assert!(told.lines().any(|told| told == line), "{line}\nis not in\n{told}");
    }
}

#[test]
fn a_variation_expects_of_other_daemons_what_they_can_tell() {
    let text = "title: t\ntopology: two-routers\ntimeline:\n  - { wait: { in-sync: r2, within: 1s } }\nexpect:\n\
                \u{20} - { committed: r2, within: 1s }\n  - { cache-complete: r2, within: 1s }\n  - { kept: r2, within: 1s }\n\
                snapshot: [roles, statistics r2 commit]\n";
    let sync = BTreeMap::from([("r2".to_owned(), SyncKind::Conntrackd)]);
    let variation = Variation { sync, channel: Some(Channel::Unicast), ..Variation::default() };
    assert_eq!(variation.to_string(), " --sync r2=conntrackd --channel unicast");
    let seen = |scenario: Scenario| {
        scenario.expect.into_iter().map(|expectation| expectation.seen).collect::<Vec<_>>()
    };

    let as_written = checked(text).unwrap();
    assert_eq!((as_written.timeline.len(), as_written.snapshot.len()), (1, 2));
    let node = || "r2".to_owned();
    let wanted = [Sight::Committed(node()), Sight::CacheEqual(node()), Sight::Kept(node())];
    assert_eq!(seen(as_written), wanted);

    let varied = check(&Sources { variation, ..sources(text) }).unwrap();
    assert_eq!((varied.timeline.len(), varied.snapshot.len()), (0, 1));
    assert_eq!(varied.channel, Channel::Unicast);
    assert_eq!((varied.sync_of("r1"), varied.sync_of("r2")), (SyncKind::Syncd, SyncKind::Conntrackd));
    let wanted = [Sight::Committed(node()), Sight::CacheComplete(node()), Sight::Kept(node())];
    assert_eq!(seen(varied), wanted);

    let sync = BTreeMap::from([("r9".to_owned(), SyncKind::Syncd)]);
    let unknown = check(&Sources { variation: Variation { sync, ..Variation::default() }, ..sources(text) });
    assert!(unknown.unwrap_err().to_string().contains("no router is called `r9`"));
}

#[test]
fn after_a_daemon_was_replaced_the_other_one_is_meant() {
    let text = "title: t\ntopology: two-routers\nsync: { r1: conntrackd, r2: conntrackd }\ntimeline:\n";
    let checked = checked(
        &(text.to_owned()
            + "  - { replace-daemon: r2, with: syncd }\n  - { reload: r2, change: {} }\nexpect:\n  - { in-sync: r2, within: 1s }\n"),
    )
    .unwrap();
    let on = "r2".to_owned();
    assert_eq!(checked.timeline[0].action, Action::ReplaceDaemon { on, with: SyncKind::Syncd });
    assert_eq!(checked.timeline[0].action.to_string(), "the daemon on r2 makes way for syncd");
    let told = mistakes(
        &(text.to_owned()
            + "  - { reload: r2, change: {} }\n  - { replace-daemon: r2, with: conntrackd }\n  - { replace-daemon: r2 }\n\
               \u{20} - { replace-daemon: r2, with: none }\n  - { replace-daemon: r3, with: syncd }\n"),
    );
    let lines: Vec<&str> = told.lines().collect();
    let expected = [
        "test.yaml:5: the daemon of `r2` cannot tell this: ",
        "test.yaml:6: `r2` has no other daemon to be replaced with `conntrackd`: ",
        "test.yaml:7: `replace-daemon` and `with` belong together: ",
        "test.yaml:8: `r2` has no other daemon to be replaced with `none`: ",
        "test.yaml:9: no router is called `r3`: ",
    ];
    assert_eq!(lines.len(), expected.len(), "{told}");
    assert!(lines.iter().zip(expected).all(|(line, expected)| line.starts_with(expected)), "{told}");
}

#[test]
fn routers_that_are_set_up_by_hand_have_no_scenario_and_no_daemon() {
    let by_hand = include_str!("../../../scenarios/topologies/by-hand.yaml");
    let with = |scenario: &str, topology: &str| Sources {
        topology: ("by-hand.yaml".to_owned(), topology.to_owned()),
        ..sources(scenario)
    };
    let alone = Sources { scenario: None, ..with("", by_hand) };
    assert_eq!(check(&alone).unwrap().topology.interfaces().sync, "eth2");
    let told = check(&with("title: t\ntopology: by-hand\n", by_hand)).unwrap_err().to_string();
    assert!(told.starts_with("test.yaml:2: the routers of this topology are set up by hand: "), "{told}");
    let syncd = by_hand.replace("r1: none", "r1: syncd");
    let told = check(&Sources { scenario: None, ..with("", &syncd) }).unwrap_err().to_string();
    assert!(told.contains(": a daemon on a router that is set up by hand: write none"), "{told}");
}

#[test]
fn a_topology_is_checked_too() {
    let mut sources = sources("title: t\ntopology: two-routers\n");
    sources.topology.1 = TOPOLOGY.replace("priority: 100", "priority: 150").replace("\"fe80::1:1/64\", ", "");
    let told = check(&sources).unwrap_err().to_string();
    assert!(told.contains("priorities must differ"), "{told}");
    assert!(told.contains("the first IPv6 address is not link-local"), "{told}");
}

#[test]
fn a_topology_alone_is_a_scenario_in_which_nothing_happens() {
    let sources = Sources { scenario: None, ..sources("") };
    let scenario = check(&sources).unwrap();
    assert!(scenario.timeline.is_empty() && scenario.expect.is_empty());
}

#[test]
fn lines_are_found_by_keys_and_place() {
    let text =
        "a: 1\nlist:\n# remark\n- one\n- two:\n    - inner\n- three\nafter: 1\nmap:\n  list:\n    - x\n";
    assert_eq!(line_of(text, &["list"], Some(0)), 4);
    assert_eq!(line_of(text, &["list"], Some(2)), 7);
    assert_eq!(line_of(text, &["map", "list"], Some(0)), 11);
    assert_eq!(line_of(text, &["map", "none"], None), 9);
    assert_eq!(line_of(text, &["none"], None), 1);
}

#[test]
fn a_prefix_knows_its_network() {
    let prefix = |text: &str| Prefix::try_from(text.to_owned()).unwrap();
    assert_eq!(prefix("10.1.2.3/16").network(), prefix("10.1.0.0/16"));
    assert_eq!(prefix("10.1.2.3/32").network(), prefix("10.1.2.3/32"));
    assert_eq!(prefix("10.1.2.3/0").network(), prefix("0.0.0.0/0"));
    assert_eq!(prefix("2001:db8:1::10/64").network(), prefix("2001:db8:1::/64"));
    assert_eq!(prefix("2001:db8::1/0").network(), prefix("::/0"));
    assert!(prefix("10.1.2.3/16").contains("10.1.255.1".parse().unwrap()));
    assert!(!prefix("10.1.2.3/16").contains("10.2.0.1".parse().unwrap()));
    assert!(!prefix("0.0.0.0/0").contains("::1".parse().unwrap()));
    assert!(Prefix::try_from("10.1.2.3/33".to_owned()).is_err());
    assert!(Prefix::try_from("10.1.2.3".to_owned()).is_err());
}

#[test]
fn spans_and_shares_are_said_as_they_are_read() {
    let span = |text: &str| Span::try_from(text.to_owned()).map(|span| span.to_string());
    assert_eq!(span("8s").unwrap(), "8 s");
    assert_eq!(span("1.5s").unwrap(), "1.5 s");
    assert_eq!(span("200ms").unwrap(), "200 ms");
    assert!(span("-1s").is_err() && span("5").is_err() && span("5m").is_err());
    let bytes = |text: &str| Bytes::try_from(text.to_owned()).map(|bytes| bytes.to_string());
    assert_eq!((bytes("64kB").unwrap(), bytes("200MB").unwrap()), ("64 kB".to_owned(), "200 MB".to_owned()));
    assert!(bytes("1GB").is_err() && bytes("-1kB").is_err());
    let share = |text: &str| Share::try_from(text.to_owned());
    assert_eq!(share("0.5%").unwrap().to_string(), "0.5%");
    assert!(share("101%").is_err() && share("half").is_err());
    assert!(share("50%").unwrap().is(1, 2) && !share("50%").unwrap().is(1, 3));
}
