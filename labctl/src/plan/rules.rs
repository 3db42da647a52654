//! A router's packet filter.
//!
//! Four rules decide whether streams survive a failover: what belongs to no known flow is dropped, in INPUT too (a
//! server's packet to the shared address is the router's own until its flow is known, and would be answered with RST);
//! a TCP flow begins with SYN only; nobody outside opens a UDP flow to the router (an answer that comes between the move
//! of the addresses and the end of the commit would make one); and VRRP and the dedicated link are never tracked. Never
//! about a host. Driven by `mod.rs`; tested through `labctl/tests/plans.rs`.

use std::fmt::Write as _;

use super::step::{Step, Text};
use crate::scenario::{Path, Scenario, VirtualAddresses};

/// The mark of a flow to a port of [`Path::Mark`].
const MARK: u32 = 42;

/// The rules of every router: which one is primary makes no difference.
pub(super) fn router(steps: &mut Vec<Step>, name: &str, scenario: &Scenario) {
    let rules = Text(FILTER.to_owned() + &mark() + &nat(scenario, false) + &nat(scenario, true));
    steps.push(Step::Rules { node: name.to_owned(), rules });
}

const FILTER: &str = "\
table inet untracked {
  chain prerouting {
    type filter hook prerouting priority raw
    meta l4proto { 2, 112 } notrack
    iifname \"sync\" notrack
  }
  chain output {
    type filter hook output priority raw
    meta l4proto { 2, 112 } notrack
    oifname \"sync\" notrack
  }
}
table inet filter {
  chain input {
    type filter hook input priority filter
    ct state invalid drop
    iifname \"wan\" meta l4proto udp ct state new drop
  }
  chain forward {
    type filter hook forward priority filter; policy drop
    ct state invalid drop
    ct state established,related accept
    iifname \"lan\" oifname \"wan\" tcp flags & (fin | syn | rst | ack) == syn accept
    iifname \"lan\" oifname \"wan\" meta l4proto { udp, icmp, icmpv6 } accept
  }
}
";

fn ports(path: Path) -> String {
    let first = path.first_port();
    format!("th dport {first}-{}", first + 999)
}

fn mark() -> String {
    format!(
        "table inet classify {{\n  chain prerouting {{\n    type filter hook prerouting priority mangle\n    \
         meta l4proto {{ tcp, udp }} {} ct state new ct mark set {MARK}\n  }}\n}}\n",
        ports(Path::Mark)
    )
}

/// Source ports are always drawn at random: a stream that lives on because both routers would choose the same port is
/// luck, which a test must not need. Echo identifiers are kept where they are free: conntrackd's messages have no room for
/// a translated one.
fn nat(scenario: &Scenario, ipv6: bool) -> String {
    let topology = &scenario.topology;
    let gateway = VirtualAddresses::first(&topology.virtual_addresses.lan, ipv6);
    let shared = VirtualAddresses::first(&topology.virtual_addresses.wan, ipv6);
    // Without an address of the family there is nothing to translate.
    let (Some(server), Some(gateway), Some(shared)) = (topology.server.address(ipv6), gateway, shared) else {
        return String::new();
    };
    let family = if ipv6 { "ip6" } else { "ip" };
    let mut text = format!("table {family} nat {{\n");
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "  chain prerouting {{\n    type nat hook prerouting priority dstnat\n    \
         {family} daddr {gateway} meta l4proto {{ tcp, udp }} {ports} dnat to {server}\n  }}\n",
        gateway = gateway.address,
        ports = ports(Path::Dnat),
    );
    let _ = write!(
        text,
        "  chain postrouting {{\n    type nat hook postrouting priority srcnat\n    \
         oifname \"wan\" {family} saddr {inside} meta l4proto {{ tcp, udp }} snat to {shared} fully-random\n    \
         oifname \"wan\" {family} saddr {inside} snat to {shared}\n  }}\n}}\n",
        inside = gateway.network(),
        shared = shared.address,
    );
    text
}
