//! The account of a change of role: shown, and told in the log.

use super::*;

fn account(router: &Router) -> Value {
    let document = router.json(&["show", "failover"]);
    operate::keeps_to("failover", &document);
    assert_eq!(document["failovers"].as_array().expect("a list").len(), 1);
    document["failovers"][0].clone()
}

#[test]
fn each_change_of_role_has_its_account() {
    lab::run("failover::each_change_of_role_has_its_account", || {
        let (mut r1, mut r2) = two_routers();
        r2.with_gate();
        r1.start(MULTICAST);
        r2.start(MULTICAST);
        let none = r2.syncd(&["show", "failover"]).stdout;
        assert_eq!(String::from_utf8_lossy(&none), "no failover since the daemon started\n");
        r1.wait_until_in_sync();
        r2.wait_until_in_sync();
        insert(&r1, &one_of_each());
        wait_for("the flows are there", || cache(&r2, "external-cache").len() == 6);
        r2.notify("GROUP \"G1\" BACKUP 0\n");
        wait_for("backup", || r2.json(&["show", "conntrack-sync", "status"])["role"] == "backup");
        // The same flow stands there already: it is carried all the same.
        insert(&r2, &[flow(Family::V4, Protocol::UDP, 1004)]);
        r2.notify("GROUP \"G1\" MASTER 0\n");
        wait_for("the gate is open again", || account(&r2)["timeline"]["gate_open_ns"].is_u64());

        let taken = account(&r2);
        let words = ["from", "to", "said_by"].map(|key| taken[key].as_str().expect("a word").to_owned());
        assert_eq!(words, ["backup", "primary", "keepalived"]);
        let peer = &taken["peer"];
        let counts = ["known", "ended", "missing_messages", "carried_expired"].map(|key| peer[key].as_u64());
        assert_eq!(counts, [Some(6), Some(0), Some(0), Some(0)], "{peer}");
        let classes = serde_json::json!({ "tcp-established": 4, "udp": 1, "icmp": 1 });
        let carried = &peer["carried"];
        assert_eq!((&carried["flows"], &carried["classes"]), (&6.into(), &classes));
        assert_eq!((&carried["ipv6"], &carried["translated"]), (&1.into(), &2.into()), "{carried}");
        assert_eq!(peer["refused"], serde_json::json!([]));
        let order = ["role_ns", "commit_begun_ns", "commit_done_ns", "gate_open_ns"];
        let order = order.map(|key| taken["timeline"][key].as_u64().expect("it has happened"));
        assert!(order.is_sorted(), "{taken}");
        assert!(taken["timeline"]["gate_closed_ns"].as_u64() >= Some(order[0]));
        assert_eq!(taken["gate"], serde_json::json!({ "packets_dropped": 0, "failed": null }));

        // It is told once, when all of it is known.
        wait_for("it is told", || told(&r2).len() == 2);
        let line = &told(&r2)[1];
        assert_eq!(
            line["text"],
            "failover 2, backup to primary: 6 flows of the peer carried, 0 refused, 0 ended, 0 messages missing"
        );
        assert_eq!((&line["details"]["carried"], &line["details"]["number"]), (&6.into(), &2.into()));
        steps_back(&mut r1, &r2, &taken);
    });
}

/// With the flows in the kernel already there is nothing to write, and they are counted when the table was read. The log must
/// not say before that none was carried.
#[test]
fn what_was_in_the_kernel_already_is_counted_before_it_is_told() {
    lab::run("failover::what_was_in_the_kernel_already_is_counted_before_it_is_told", || {
        let (mut r1, mut r2) = two_routers();
        r2.add_to_configuration("  disable-external-cache: true\n");
        r1.start(MULTICAST);
        r2.start(MULTICAST);
        r1.wait_until_in_sync();
        r2.wait_until_in_sync();
        r2.notify("GROUP \"G1\" BACKUP 0\n");
        let many: Vec<Flow> = (10_001..=15_000).map(|port| flow(Family::V4, Protocol::UDP, port)).collect();
        insert(&r1, &many);
        wait_for("the flows are there", || kernel(&r2).len() == 5_000);
        r2.notify("GROUP \"G1\" MASTER 0\n");
        wait_for("it is told", || told(&r2).len() == 2);
        let line = &told(&r2)[1];
        assert_eq!(
            line["text"],
            "failover 2, backup to primary: 5000 flows of the peer carried, 0 refused, 0 ended, 0 messages missing"
        );
        assert_eq!(account(&r2)["peer"]["not_looked_at"], 0);
    });
}

/// The lines in the log about it.
fn told(router: &Router) -> Vec<Value> {
    let lines = router.syncd(&["show", "log", "conntrack-sync", "--json"]).stdout;
    let lines = String::from_utf8_lossy(&lines).into_owned();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("--json is JSON"));
    lines.filter(|line| line["event"] == "failover").collect()
}

/// The way back: what the other one may not have. It is gone, so it has not acknowledged the last one.
fn steps_back(r1: &mut Router, r2: &Router, taken: &Value) {
    wait_for("the other one has been told", || cache(r1, "external-cache").len() == 6);
    wait_for("all is acknowledged", || {
        let status = r2.json(&["show", "conntrack-sync", "status"]);
        (&status["queued"], &status["in_flight"]) == (&0.into(), &0.into())
    });
    r1.end(Signal::SIGKILL);
    insert(r2, &[flow(Family::V4, Protocol::UDP, 2000)]);
    wait_for("it is known", || cache(r2, "internal-cache").len() == 7);
    assert!(r2.syncd(&["role", "backup"]).status.success());
    let all = r2.json(&["show", "failover", "10"]);
    operate::keeps_to("failover", &all);
    let numbers: Vec<u64> = all["failovers"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["number"].as_u64())
        .collect();
    assert_eq!(numbers, [3, 2, 1]);
    let own = &all["failovers"][0]["own"];
    assert_eq!((&own["flows"], &own["never_acknowledged"]), (&7.into(), &1.into()), "{own}");
    assert_eq!(all["failovers"][1]["peer"], taken["peer"], "it is over");
    let text = r2.syncd(&["show", "failover", "2"]).stdout;
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(
        text.contains("failover 3: primary to backup at 20") && text.contains("said by command"),
        "{text}"
    );
    assert!(
        text.contains(
            "\n  carried                    6: 1 icmp, 4 tcp-established, 1 udp; 2 translated, 1 IPv6\n"
        ),
        "{text}"
    );
    wait_for("it is told at once", || told(r2).len() == 3);

    // The roles go to and fro: that hides nothing.
    r2.notify(&"GROUP \"G1\" MASTER 0\nGROUP \"G1\" BACKUP 0\n".repeat(20));
    wait_for("all of it is heard", || account(r2)["number"] == 43);
    let all = r2.json(&["show", "failover", "100"]);
    let all = all["failovers"].as_array().expect("a list");
    assert_eq!(all.len(), 32);
    for key in ["number", "said_by", "unix_ms", "peer", "gate"] {
        assert_eq!(all[31][key], taken[key], "{key}");
    }
}
