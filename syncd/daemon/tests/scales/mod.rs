//! TCP's window scales between syncd and a real conntrackd that sends its own, in both directions.

use std::process::{Child, Stdio};

use serde_json::{Value, json};
use syncd_core::flow::{Family, Protocol};

use super::{MULTICAST, flow, insert, lab, with_scales};
use lab::{Router, two_routers, wait_for};

const FILE: &str = "/run/r2/conntrackd.conf";

const CONFIGURATION: &str = "Sync {
  Mode FTFW { }
  Multicast { IPv4_address 225.0.0.50 Group 3780 IPv4_interface 10.9.0.2 Interface sync }
  Options { TCPWindowTracking On }
}
General {
  HashSize 1024
  HashLimit 4096
  LockFile /run/r2/conntrackd.lock
  UNIX { Path /run/r2/conntrackd.ctl }
}
";

fn conntrackd(router: &Router) -> Child {
    std::fs::write(FILE, CONFIGURATION).expect("/run is ours");
    let mut command = router.program(&["/usr/sbin/conntrackd", "-C", FILE]);
    let child = command.stdout(Stdio::null()).spawn().expect("ip starts");
    wait_for("conntrackd answers", || asked(router, &["-s"]).contains("cache internal"));
    child
}

/// What it answers to these letters.
fn asked(router: &Router, letters: &[&str]) -> String {
    let output = router.program(&["/usr/sbin/conntrackd", "-C", FILE]).args(letters).output();
    String::from_utf8(output.expect("ip starts").stdout).expect("text")
}

/// The scales of the flow with that source port, if it is there.
fn scales(document: &Value, port: u16) -> Option<Value> {
    let flows = document["flows"].as_array().expect("a list");
    let flow = flows.iter().find(|flow| flow["original"]["source_port"] == port)?;
    Some(flow["window_scales"].clone())
}

#[test]
fn conntrackd_and_syncd_tell_each_other_window_scales() {
    lab::run("scales::conntrackd_and_syncd_tell_each_other_window_scales", || {
        let (mut r1, r2) = two_routers();
        let mut theirs = conntrackd(&r2);
        r1.start(MULTICAST);
        r1.wait_until_in_sync();

        insert(&r1, &[with_scales(flow(Family::V4, Protocol::TCP, 1001), [7, 9])]);
        wait_for("conntrackd has our flow", || asked(&r2, &["-e"]).contains("sport=1001"));
        let network = asked(&r2, &["-s", "network"]);
        let malformed = network.lines().filter(|line| line.contains("Malformed"));
        assert!(malformed.clone().count() > 0, "{network}");
        malformed
            .for_each(|line| assert!(line.trim_end().ends_with("\t0") || line.ends_with(" 0"), "{network}"));

        insert(&r2, &[with_scales(flow(Family::V4, Protocol::TCP, 1002), [3, 11])]);
        let cache = || scales(&r1.json(&["show", "conntrack-sync", "external-cache"]), 1002);
        wait_for("its flow is here", || cache().is_some());
        assert_eq!(cache(), Some(json!([3, 11])));
        assert!(r1.syncd(&["role", "primary"]).status.success());
        assert_eq!(scales(&r1.table("ipv4"), 1002), Some(json!([3, 11])), "committed with its flag");
        theirs.kill().expect("it runs");
        theirs.wait().expect("it ends");
    });
}
