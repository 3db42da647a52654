//! `syncd doctor` in labs: their routers are as they should be, before and after a failover, and a fault that is put into one
//! is found there and nowhere else. Each of its checks fires by a fault here, and says nothing before and after it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::holder::{Alone, Running, passes, run, text};

/// A check, and the fault that makes it fire: commands on the router, of which everything that [`REPAIR`] repairs.
const FAULTS: [(&str, &str); 18] = [
    ("configuration", "echo 'unheard-of: 1' >> $run/syncd.yaml"),
    ("events", "sysctl -qw net.netfilter.nf_conntrack_events=2"),
    ("tcp-loose", "sysctl -qw net.netfilter.nf_conntrack_tcp_loose=1"),
    // 81 % of what the kernel takes, by conntrack's own program.
    (
        "table-fill",
        "awk -v most=$(cat /proc/sys/net/netfilter/nf_conntrack_max) 'BEGIN { for (i = 0; i < most * 0.81; i++) printf \
         \"-A -p udp -s 10.9.%d.%d -d 10.8.0.1 --sport %d --dport 9 -r 10.8.0.1 -q 10.9.%d.%d --reply-port-src 9 \
         --reply-port-dst %d -t 600\\n\", i / 256 % 256, i % 256, i / 65536 + 1024, i / 256 % 256, i % 256, i / 65536 + 1024 }' \
         > $run/flows; conntrack -R $run/flows; rm $run/flows",
    ),
    ("input-invalid", "nft insert rule inet filter input tcp dport 1024-65535 accept"),
    ("forward-invalid", "nft insert rule inet filter forward accept"),
    (
        "vrrp-tracked",
        "nft flush chain inet untracked output; nft add rule inet untracked output oifname sync notrack",
    ),
    (
        "sync-tracked",
        "nft flush chain inet untracked prerouting; nft add rule inet untracked prerouting meta l4proto '{ 2, 112 }' notrack",
    ),
    ("snat-wide", "nft add rule ip nat postrouting oifname wan snat to 198.51.100.1"),
    ("snat-target", "nft add rule ip nat postrouting ip saddr 10.1.0.0/24 oifname wan masquerade"),
    ("role-told", "sed -i 's,vrrp_notify_fifo .*,vrrp_notify_fifo /run/other,' $run/keepalived.conf"),
    ("role-reload", "sed -i /fifo_write_vrrp_states_on_reload/d $run/keepalived.conf"),
    ("sync-group", "sed -i '/^ *WAN4$/d' $run/keepalived.conf"),
    ("return", "sed -i /vrrp_startup_delay/d $run/keepalived.conf"),
    ("track-file", "sed -i 's,notify-fifo: ,track-file: /run/ready\\, &,' $run/syncd.yaml"),
    ("link", "ip link set sync down"),
    ("mtu", "ip link set sync mtu 1400"),
    ("route", "sysctl -qw net.ipv4.conf.sync.rp_filter=1; ip route add unreachable 192.0.2.1/32"),
];

/// Keeps what is right. The table of the gate is syncd's own, and nobody else may touch it.
const KEEP: &str = "cd $run; cp syncd.yaml syncd.right; cp keepalived.conf keepalived.right
nft list tables | grep -v syncd-gate | while read word table; do
    echo \"table $table; delete table $table\"; nft list table $table
done > rules.right
cat /proc/sys/net/ipv4/conf/sync/rp_filter > rp_filter.right";

/// Makes everything right again that [`FAULTS`] makes wrong.
const REPAIR: &str =
    "cd $run; cp syncd.right syncd.yaml; cp keepalived.right keepalived.conf; nft -f rules.right
sysctl -qw net.netfilter.nf_conntrack_events=1 net.netfilter.nf_conntrack_tcp_loose=0
sysctl -qw net.ipv4.conf.sync.rp_filter=$(cat rp_filter.right)
ip route del unreachable 192.0.2.1/32 2>/dev/null || true
ip link set sync mtu 1500 up
test $(cat /proc/sys/net/netfilter/nf_conntrack_count) -lt 100000 || conntrack -F";

fn ask(lab: &str, router: &str, more: &[&str]) -> (Option<i32>, String) {
    let file = |name: &str| format!("/run/labctl/{router}/{name}");
    let (config, keepalived) = (file("syncd.yaml"), file("keepalived.conf"));
    let words = ["syncd", "doctor", "--config", &config, "--keepalived", &keepalived];
    let output = run(&[&["exec", "--name", lab, router, "--"], &words[..], more].concat());
    (output.status.code(), text(&output))
}

/// The checks that found something, and those that did not; nothing may be left that could not be looked at.
fn judged(lab: &str, router: &str) -> (Vec<String>, BTreeSet<String>) {
    let (code, told) = ask(lab, router, &["--json"]);
    let document: Value = serde_json::from_str(&told).unwrap_or_else(|_| panic!("{lab}, {router}: {told}"));
    let word = |value: &Value| value.as_str().expect("a word").to_owned();
    let list = |key: &str| document[key].as_array().expect("a list").iter();
    let found: Vec<String> = list("findings").map(|finding| word(&finding["check"])).collect();
    assert_eq!(code, Some(i32::from(!found.is_empty())), "{lab}, {router}: {told}");
    (found, list("fine").map(word).collect())
}

fn is_silent(lab: &str, router: &str) {
    let (code, told) = ask(lab, router, &[]);
    assert_eq!(code, Some(0), "{lab}, {router}: {told}");
    let last = format!("\n0 findings, 0 of {} checks not made\n", FAULTS.len());
    assert!(told.ends_with(&last), "{lab}, {router}: {told}");
}

fn shell(lab: &str, router: &str, script: &str) {
    let script = format!("run=/run/labctl/{router}\n{script}");
    passes(&["exec", "--name", lab, router, "--", "sh", "-ec", &script]);
}

#[test]
fn each_check_of_the_doctor_fires_by_a_fault_and_is_silent_without() {
    let _alone = Alone::take();
    let lab = "test-doctor";
    passes(&["up", "scenarios/failover-kill-primary.yaml", "--name", lab]);
    let running = Running::find(lab);
    is_silent(lab, "r1");
    let checks = judged(lab, "r2").1;
    assert_eq!(checks, FAULTS.iter().map(|(check, _)| (*check).to_owned()).collect(), "each has a fault");
    shell(lab, "r2", KEEP);
    for (check, fault) in FAULTS {
        is_silent(lab, "r2");
        shell(lab, "r2", fault);
        assert_eq!(judged(lab, "r2").0, [check], "{fault}");
        shell(lab, "r2", REPAIR);
    }
    is_silent(lab, "r2");
    is_silent(lab, "r1");
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
