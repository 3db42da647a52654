//! `syncd doctor` in labs: their routers are as they should be, before and after a failover, and a fault that is put into one
//! is found there and nowhere else.

use super::holder::{Alone, Running, passes, run, text};

/// How many things it looks at; in a lab there is nothing that it cannot look at.
const CHECKS: usize = 18;

/// What the doctor says on a router, and its exit code.
fn doctor(lab: &str, router: &str) -> (Option<i32>, String) {
    let file = |name: &str| format!("/run/labctl/{router}/{name}");
    let (config, keepalived) = (file("syncd.yaml"), file("keepalived.conf"));
    let words = ["syncd", "doctor", "--config", &config, "--keepalived", &keepalived];
    let output = run(&[&["exec", "--name", lab, router, "--"], &words[..]].concat());
    (output.status.code(), text(&output))
}

fn is_silent(lab: &str, router: &str) {
    let (code, told) = doctor(lab, router);
    assert_eq!(code, Some(0), "{lab}, {router}: {told}");
    let last = format!("\n0 findings, 0 of {CHECKS} checks not made\n");
    assert!(told.ends_with(&last), "{lab}, {router}: {told}");
}

#[test]
fn the_doctor_is_silent_in_a_lab_until_something_is_broken() {
    let _alone = Alone::take();
    let lab = "test-doctor";
    passes(&["up", "scenarios/failover-kill-primary.yaml", "--name", lab]);
    let running = Running::find(lab);
    is_silent(lab, "r1");
    is_silent(lab, "r2");
    let faults = [
        (
            "tcp-loose",
            "sysctl -qw net.netfilter.nf_conntrack_tcp_loose=1",
            "sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0",
        ),
        (
            "vrrp-tracked",
            "nft flush chain inet untracked output; nft add rule inet untracked output oifname sync notrack",
            "",
        ),
        (
            "snat-wide",
            "nft flush chain inet untracked output; nft add rule inet untracked output meta l4proto '{ 2, 112 }' notrack; \
                       nft add rule inet untracked output oifname sync notrack; \
                       nft add rule ip nat postrouting oifname wan snat to 198.51.100.1",
            "",
        ),
    ];
    for (check, breaks, repairs) in faults {
        passes(&["exec", "--name", lab, "r2", "--", "sh", "-ec", breaks]);
        let (code, told) = doctor(lab, "r2");
        assert_eq!(code, Some(1), "{check}: {told}");
        assert!(told.starts_with(&format!("{check}: ")), "{told}");
        assert!(told.contains(&format!("\n1 finding, 0 of {CHECKS} ")), "{told}");
        is_silent(lab, "r1");
        passes(&["exec", "--name", lab, "r2", "--", "sh", "-ec", repairs]);
    }
    passes(&["down", "--name", lab]);
    running.require_gone();
}

#[test]
fn the_doctor_is_silent_after_a_failover_and_with_helpers_and_unicast() {
    let _alone = Alone::take();
    for (lab, scenario) in
        [("test-doctor-ftp", "scenarios/ftp-active.yaml"), ("test-doctor-peer", "scenarios/unicast.yaml")]
    {
        passes(&["up", scenario, "--name", lab]);
        let running = Running::find(lab);
        is_silent(lab, "r1");
        is_silent(lab, "r2");
        let moved = passes(&["failover", "--name", lab, "--kind", "stop-vrrp"]);
        assert!(moved.contains("r2 is primary after"), "{moved}");
        is_silent(lab, "r1");
        is_silent(lab, "r2");
        passes(&["down", "--name", lab]);
        running.require_gone();
    }
}
