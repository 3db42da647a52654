//! A router's packet filter.
//!
//! Four rules decide whether streams survive a failover: what belongs to no known flow is dropped, in INPUT too (a
//! server's packet to the shared address is the router's own until its flow is known, and would be answered with RST);
//! a TCP flow begins with SYN only; nobody outside opens a UDP flow to the router (an answer that comes between the move
//! of the addresses and the end of the commit would make one); and VRRP and the dedicated link are never tracked. Never
//! about a host. Driven by `mod.rs`; tested through `labctl/tests/plans.rs`.

use std::fmt::Write as _;

use super::step::{Step, Text};
use crate::scenario::{Helper, Path, Prefix, Scenario, VirtualAddresses};

/// The mark of a flow to a port of [`Path::Mark`].
const MARK: u32 = 42;
/// The zone of a flow to a port of [`Path::Zone`].
const ZONE: u16 = 7;

/// The rules of every router: which one is primary makes no difference.
pub(super) fn router(steps: &mut Vec<Step>, name: &str, scenario: &Scenario) {
    let helpers = &scenario.helpers;
    let zoned = scenario.traffic.values().flatten().any(|group| group.path == Path::Zone);
    let zones = if zoned { zones() } else { String::new() };
    let rules = filter(helpers)
        + &zones
        + &self::helpers(helpers)
        + &mark()
        + &nat(scenario, false)
        + &nat(scenario, true);
    let rules = Text(rules);
    steps.push(Step::Rules { node: name.to_owned(), rules });
}

const UNTRACKED: &str = "\
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
";

/// Where helpers read along, what they let in is nothing special if everything from the LAN may pass: there only the ports
/// of streams and of control flows may.
fn filter(helpers: &[Helper]) -> String {
    let (mut tcp, mut others) = (String::new(), "meta l4proto { udp, icmp, icmpv6 }".to_owned());
    if !helpers.is_empty() {
        let ports = |protocol: &str| {
            let control = helpers.iter().filter(|helper| helper.protocol() == protocol);
            let control: String = control.map(|helper| format!("{}, ", helper.port())).collect();
            format!("{protocol} dport {{ {control}{}-{} }}", Path::FIRST_PORT, Path::LAST_PORT)
        };
        tcp = ports("tcp") + " ";
        others = format!(
            "{} accept\n    iifname \"lan\" oifname \"wan\" meta l4proto {{ icmp, icmpv6 }}",
            ports("udp")
        );
    }
    format!(
        "{UNTRACKED}table inet filter {{
  chain input {{
    type filter hook input priority filter
    ct state invalid drop
    iifname \"wan\" meta l4proto udp ct state new drop
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop
    ct state invalid drop
    ct state established,related accept
    iifname \"lan\" oifname \"wan\" {tcp}tcp flags & (fin | syn | rst | ack) == syn accept
    iifname \"lan\" oifname \"wan\" {others} accept
  }}
}}
"
    )
}

/// Which helper reads along on which control flow. A flow has one from its birth or never.
fn helpers(helpers: &[Helper]) -> String {
    if helpers.is_empty() {
        return String::new();
    }
    let (mut objects, mut rules) = (String::new(), String::new());
    for helper in helpers {
        let (word, protocol, port) = (helper.word(), helper.protocol(), helper.port());
        // Writing to a string cannot fail.
        let _ = writeln!(objects, "  ct helper {word} {{\n    type \"{word}\" protocol {protocol}\n  }}");
        let _ = writeln!(rules, "    iifname \"lan\" {protocol} dport {port} ct helper set \"{word}\"");
    }
    format!(
        "table inet helpers {{\n{objects}  chain prerouting {{\n    type filter hook prerouting priority mangle\n{rules}  \
         }}\n}}\n"
    )
}

fn ports(path: Path) -> String {
    let first = path.first_port();
    format!("th dport {first}-{}", first + 999)
}

/// A zone belongs to a packet, not to a flow: what comes back must be put into it too.
fn zones() -> String {
    let first = Path::Zone.first_port();
    let line = |interface: &str, end: &str| {
        let last = first + 999;
        format!(
            "    iifname \"{interface}\" meta l4proto {{ tcp, udp }} th {end} {first}-{last} ct zone set {ZONE}\n"
        )
    };
    format!(
        "table inet zones {{\n  chain prerouting {{\n    type filter hook prerouting priority raw\n{}{}  }}\n}}\n",
        line("lan", "dport"),
        line("wan", "sport"),
    )
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
         {family} daddr {gateway} meta l4proto {{ tcp, udp }} {ports} dnat to {server}\n",
        gateway = gateway.address,
        ports = ports(Path::Dnat),
    );
    let groups = || scenario.traffic.values().flatten();
    let is_used = |helper| groups().any(|group| group.ipv6 == ipv6 && group.helper() == Some(helper));
    for helper in scenario.helpers.iter().filter(|helper| !ipv6 || is_used(**helper)) {
        let (protocol, port, gateway) = (helper.protocol(), helper.port(), gateway.address);
        let _ = writeln!(text, "    {family} daddr {gateway} {protocol} dport {port} dnat to {server}");
    }
    text.push_str("  }\n");
    let narrow = groups().any(|group| group.path == Path::Narrow);
    let narrow = if narrow { narrow_rule(family, gateway, shared) } else { String::new() };
    let _ = write!(
        text,
        "  chain postrouting {{\n    type nat hook postrouting priority srcnat\n{narrow}    \
         oifname \"wan\" {family} saddr {inside} meta l4proto {{ tcp, udp }} snat to {shared} fully-random\n    \
         oifname \"wan\" {family} saddr {inside} snat to {shared}\n  }}\n}}\n",
        inside = gateway.network(),
        shared = shared.address,
    );
    text
}

/// The one port of [`Path::Narrow`], outside of what the routers use themselves.
const NARROW_PORT: u16 = 61_000;

/// Two flows to the same target cannot be told apart by it: the second waits until the first has gone.
fn narrow_rule(family: &str, gateway: Prefix, shared: Prefix) -> String {
    let target = if family == "ip6" {
        format!("[{}]:{NARROW_PORT}", shared.address)
    } else {
        format!("{}:{NARROW_PORT}", shared.address)
    };
    format!(
        "    oifname \"wan\" {family} saddr {} meta l4proto {{ tcp, udp }} {} snat to {target}\n",
        gateway.network(),
        ports(Path::Narrow),
    )
}
