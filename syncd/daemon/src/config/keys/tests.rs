//! The table is one: each key once, below a key of its own, with something to say.

use std::collections::BTreeSet;

use super::*;

#[test]
fn each_key_is_there_once_and_below_another() {
    let paths: BTreeSet<&str> = KEYS.iter().map(|key| key.path).collect();
    assert_eq!(paths.len(), KEYS.len());
    for key in KEYS {
        if let Some((above, _)) = key.path.rsplit_once('.') {
            let above = above.strip_suffix(".*").unwrap_or(above);
            assert!(matches!(super::key(above).value, Value::Section | Value::Interfaces), "{}", key.path);
        }
        assert!(key.says.ends_with('.') && !key.default.is_empty(), "{}", key.path);
    }
}

#[test]
fn all_of_vyoses_keys_are_there() {
    let vyos = [
        "accept-protocol",
        "disable-external-cache",
        "disable-syslog",
        "event-listen-queue-size",
        "sync-queue-size",
        "expect-sync",
        "failover-mechanism.vrrp.sync-group",
        "ignore-address",
        "interface",
        "interface.*.peer",
        "interface.*.port",
        "listen-address",
        "mcast-group",
        "purge-timeout",
        "startup-resync",
    ];
    for path in vyos {
        assert!(key(path).vyos.is_some(), "{path}");
    }
}
