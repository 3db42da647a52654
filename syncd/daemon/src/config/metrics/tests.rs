//! Where metrics are shown: what is understood, and what is said about everything else.

use std::path::Path;

use super::super::read;
use super::*;

fn text(section: &str) -> String {
    format!(
        "conntrack-sync:
  interface: {{ eth2: {{}} }}
  failover-mechanism: {{ vrrp: {{ sync-group: syncgrp }} }}
  {section}
"
    )
}

fn understood(section: &str) -> Option<MetricsSocket> {
    let config = read::config(Path::new("syncd.yaml"), &text(section));
    config.unwrap_or_else(|invalid| panic!("{invalid}")).metrics
}

#[test]
fn nothing_is_shown_unless_a_socket_is_named() {
    assert_eq!(understood("cache-limit: 5000"), None);
    let unix = MetricsSocket::Unix("/run/syncd/metrics.sock".into());
    assert_eq!(understood("metrics: { listen: unix:/run/syncd/metrics.sock }"), Some(unix.clone()));
    assert_eq!(understood("metrics:\n    listen: unix:/run/syncd/metrics.sock"), Some(unix));
    let tcp = |address: &str| Some(MetricsSocket::Tcp(address.parse().expect("an address")));
    assert_eq!(understood("metrics: { listen: 127.0.0.1:9716 }"), tcp("127.0.0.1:9716"));
    assert_eq!(understood("metrics: { listen: \"[::1]:9716\" }"), tcp("[::1]:9716"));
    assert_eq!(understood("metrics: { listen: 0.0.0.0:80 }"), tcp("0.0.0.0:80"));
    let longest = format!("/{}", "x".repeat(LONGEST_PATH - 1));
    let longest_socket = Some(MetricsSocket::Unix(longest.clone().into()));
    assert_eq!(understood(&format!("metrics: {{ listen: unix:{longest} }}")), longest_socket);
}

#[test]
fn what_is_wrong_has_its_place_and_a_remedy() {
    let long = format!("metrics: {{ listen: unix:/{} }}", "x".repeat(LONGEST_PATH));
    let sections = [
        "metrics:",
        "metrics: {}",
        "metrics: { lisen: 127.0.0.1:9716 }",
        "metrics: { listen: 127.0.0.1:9716, path: /m }",
        "metrics: { listen: }",
        "metrics: { listen: 9716 }",
        "metrics: { listen: \":9716\" }",
        "metrics: { listen: 127.0.0.1 }",
        "metrics: { listen: \"::1\" }",
        "metrics: { listen: \"::1:9716\" }",
        "metrics: { listen: localhost:9716 }",
        "metrics: { listen: \"::1:9716:\" }",
        "metrics: { listen: 127.0.0.1:0 }",
        "metrics: { listen: 127.0.0.1:97160 }",
        "metrics: { listen: 225.0.0.50:9716 }",
        "metrics: { listen: [::1]:9716 }",
        "metrics: { listen: /run/syncd/metrics.sock }",
        "metrics: { listen: unix:run/metrics.sock }",
        "metrics: { listen: unix:/run/syncd/ }",
        &long,
    ];
    let said: Vec<String> = sections
        .iter()
        .map(|section| {
            let invalid = read::config(Path::new("syncd.yaml"), &text(section)).expect_err("it is wrong");
            format!("{section}\n{invalid}\n")
        })
        .collect();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../../../snapshots/cli");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("config-metrics", said.join("\n")));
}
