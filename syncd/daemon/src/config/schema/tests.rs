//! The schema that is kept is the one that the table makes; files it should take, it takes, and others not.

use std::path::Path;

use super::*;
use crate::config;

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/syncd.schema.json");

#[test]
fn the_kept_schema_is_up_to_date() {
    let made = text() + "\n";
    if std::env::var_os("INSTA_UPDATE").is_some_and(|word| word == "always") {
        std::fs::write(KEPT, &made).expect("it can be written");
    }
    let kept = std::fs::read_to_string(KEPT).expect("it is kept");
    assert!(kept == made, "write it anew: syncd schema > syncd/daemon/schema/syncd.schema.json");
}

fn validates(text: &str) -> bool {
    let value: Json = serde_yaml::from_str(text).expect("YAML");
    let validator = jsonschema::options().should_validate_formats(true).build(&document()).expect("a schema");
    validator.is_valid(&value)
}

fn is_valid(text: &str) -> bool {
    config::understand(Path::new("syncd.yaml"), text.as_bytes()).is_ok()
}

fn file(more: &str) -> String {
    format!(
        "conntrack-sync:\n  interface: {{ eth2: {{ peer: 192.0.2.2 }} }}\n{more}  failover-mechanism: {{ vrrp: {{ sync-group: G }} }}\n"
    )
}

#[test]
fn what_is_valid_validates() {
    let lines = [
        "",
        "  accept-protocol: [tcp, udp]\n",
        "  accept-protocol: tcp\n",
        "  listen-address: [192.0.2.1, 192.0.2.5]\n",
        "  ignore-address: [192.0.2.0/24, \"2001:db8::/32\", 10.0.0.1]\n",
        "  expect-sync: all\n",
        "  startup-resync:\n",
        "  disable-external-cache: true\n  disable-syslog: false\n",
        "  log-level: warn\n  purge-timeout: 60\n  commit-timeout: 1\n  peer-timeout: 300\n",
        "  metrics: { listen: unix:/run/syncd/metrics.sock }\n",
        "  metrics: { listen: 127.0.0.1:9716 }\n",
        "  metrics: { listen: \"[::1]:9716\" }\n",
        "  event-listen-queue-size: 1023\n  sync-queue-size: 1\n",
    ];
    for line in lines {
        let text = file(line);
        assert!(is_valid(&text) && validates(&text), "{text}");
    }
    for link in
        ["{ eth2: }", "{ eth2: { peer: \"fe80::2%eth2\", port: 1 } }", "{ eth2: { peer: \"2001:db8::1\" } }"]
    {
        let text = file("").replace("{ eth2: { peer: 192.0.2.2 } }", link);
        assert!(is_valid(&text) && validates(&text), "{text}");
    }
}

#[test]
fn what_is_wrong_under_one_key_does_not() {
    let lines = [
        "  accept-protocol: [tcp, foo]\n",
        "  listen-address: eth2\n",
        "  ignore-address: [10.0.0.0/2000]\n",
        "  expect-sync: [pptp]\n",
        "  startup-resync: sometimes\n",
        "  log-level: loud\n",
        "  purge-timeout: 0\n",
        "  peer-timeout: 1\n",
        "  event-listen-queue-size: 8MB\n",
        "  sync-queue-size: 1024\n",
        "  mcast-group: [225.0.0.50]\n",
        "  metrics: {}\n",
        "  metrics: { listen: 9716 }\n",
        "  metrics: { listen: unix:metrics.sock }\n",
        "  metrics: { listen: localhost:9716 }\n",
        "  metrics: { listen: \"::1\" }\n",
        "  no-such-key: 1\n",
    ];
    for line in lines {
        let text = file(line);
        assert!(!is_valid(&text) && !validates(&text), "{text}");
    }
    for link in ["{}", "[eth2]", "{ eth2: { port: 0 } }", "{ eth2: { peer: 1.2.3 } }", "{ a/b: {} }"] {
        let text = file("").replace("{ eth2: { peer: 192.0.2.2 } }", link);
        assert!(!is_valid(&text) && !validates(&text), "{text}");
    }
    assert!(
        !validates("interface: { eth2: {} }\n")
            && !validates("conntrack-sync: { interface: { eth2: {} } }\n")
    );
}
