//! Each key of the table that can be changed is noticed, and by its own name.

use std::path::Path;

use super::*;
use crate::config::{keys::KEYS, read};

const BEFORE: &str = "conntrack-sync:
  interface:
    eth2: { peer: 192.0.2.2, port: 3780 }
  listen-address: 192.0.2.1
  accept-protocol: tcp
  ignore-address: 10.0.0.0/8
  expect-sync: ftp
  event-listen-queue-size: 8
  sync-queue-size: 1
  cache-limit: 5000
  purge-timeout: 60
  commit-timeout: 180
  peer-timeout: 5
  disable-gate: true
  disable-external-cache: true
  log-level: warn
  metrics: { listen: 127.0.0.1:9716 }
  failover-mechanism:
    vrrp:
      { sync-group: G1, notify-fifo: /run/a, track-file: /run/t, ready-timeout: 90, keepalived-config: /etc/k }
";

fn config(text: &str) -> Config {
    read::config(Path::new("syncd.yaml"), text).unwrap_or_else(|invalid| panic!("{invalid}"))
}

#[test]
fn each_key_by_its_name() {
    let edits = [
        ("eth2:", "eth3:", "interface"),
        ("192.0.2.2", "192.0.2.3", "interface.*.peer"),
        ("3780", "3781", "interface.*.port"),
        ("192.0.2.1", "192.0.2.9", "listen-address"),
        ("tcp", "[tcp, udp]", "accept-protocol"),
        ("10.0.0.0/8", "10.0.0.0/9", "ignore-address"),
        ("ftp", "[ftp, sip]", "expect-sync"),
        ("G1", "G2", "failover-mechanism.vrrp.sync-group"),
        ("/run/a", "/run/b", "failover-mechanism.vrrp.notify-fifo"),
        ("/run/t", "/run/u", "failover-mechanism.vrrp.track-file"),
        ("90", "91", "failover-mechanism.vrrp.ready-timeout"),
        ("/etc/k", "/etc/l", "failover-mechanism.vrrp.keepalived-config"),
        ("disable-gate: true", "disable-gate: false", "disable-gate"),
        ("external-cache: true", "external-cache: false", "disable-external-cache"),
        ("warn", "info", "log-level"),
        ("event-listen-queue-size: 8", "event-listen-queue-size: 9", "event-listen-queue-size"),
        ("sync-queue-size: 1", "sync-queue-size: 2", "sync-queue-size"),
        ("5000", "6000", "cache-limit"),
        ("60", "61", "purge-timeout"),
        ("180", "181", "commit-timeout"),
        ("peer-timeout: 5", "peer-timeout: 6", "peer-timeout"),
        ("127.0.0.1:9716", "unix:/run/syncd/metrics.sock", "metrics.listen"),
    ];
    let mut seen = vec!["mcast-group"];
    for (from, to, key) in edits {
        assert_eq!(config(BEFORE).changed(&config(&BEFORE.replacen(from, to, 1))), [key], "{from}");
        seen.push(key);
    }
    let multicast =
        "conntrack-sync: { interface: { eth2: {} }, failover-mechanism: { vrrp: { sync-group: G } } }";
    let other = multicast.replace("interface", "mcast-group: 225.0.0.51, interface");
    assert_eq!(config(multicast).changed(&config(&other)), ["mcast-group"]);
    // The others have no effect, say only where something stands, or are another word for the same.
    let silent =
        ["failover-mechanism", "failover-mechanism.vrrp", "startup-resync", "disable-syslog", "metrics"];
    let unseen: Vec<&str> = KEYS.iter().map(|key| key.path).filter(|path| !seen.contains(path)).collect();
    assert_eq!(unseen, silent);
}

#[test]
fn the_way_it_is_written_does_not_matter() {
    let flow =
        BEFORE.replace("    eth2: { peer: 192.0.2.2, port: 3780 }", "    eth2:\n      peer: 192.0.2.2");
    assert_eq!(config(BEFORE).changed(&config(&flow)), [""; 0]);
    let off = BEFORE.replace("log-level: warn", "disable-syslog: true");
    assert_eq!(config(BEFORE).changed(&config(&off)), ["log-level"]);
}

#[test]
fn what_takes_a_restart() {
    let other = BEFORE.replace("G1", "G2").replace("tcp", "udp");
    let changed = config(BEFORE).changed(&config(&other));
    assert_eq!(needing_restart(&changed), ["failover-mechanism.vrrp.sync-group"]);
}
