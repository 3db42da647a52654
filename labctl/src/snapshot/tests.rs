//! What differs from run to run is rewritten, and nothing else.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{class, counter_lines, flow_lines};
use crate::probes::flows::{SeenFamily, SeenFlow, SeenPorts, SeenTuple};

fn flow(client_port: u16, chosen_port: u16) -> SeenFlow {
    let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
    SeenFlow {
        family: SeenFamily::V4,
        protocol: 6,
        zone: 0,
        original: SeenTuple {
            source: ip("10.1.0.10"),
            target: ip("198.51.100.10"),
            ports: SeenPorts::Ports { source: client_port, target: 7000 },
        },
        reply: SeenTuple {
            source: ip("198.51.100.10"),
            target: ip("198.51.100.1"),
            ports: SeenPorts::Ports { source: 7000, target: chosen_port },
        },
        mark: 42,
        tcp_state: Some(3),
        status: 0x19e,
        timeout: 299,
        shifts: None,
    }
}

#[test]
fn chosen_ports_are_renamed_and_equal_flows_counted() {
    let line = "tcp 10.1.0.10:<port:a> > 198.51.100.10:7000 reply 198.51.100.10:7000 > 198.51.100.1:<port:b> \
        ESTABLISHED assured src-nat mark=42";
    // A translated port may be a low one.
    assert_eq!(flow_lines(&[flow(40_000, 1_024), flow(40_001, 7_001)]), format!("  2 x {line}\n"));
}

#[test]
fn a_kept_port_keeps_its_name() {
    let mut untranslated = flow(40_000, 40_000);
    untranslated.status = 0x18e;
    assert!(flow_lines(&[untranslated]).contains("198.51.100.1:<port:a> "));
}

#[test]
fn a_port_that_nat_chose_has_its_own_name_also_when_it_is_the_same_by_chance() {
    assert!(flow_lines(&[flow(40_000, 40_000)]).contains("198.51.100.1:<port:b> "));
}

#[test]
fn an_announced_port_is_one_of_many() {
    let mut voice = flow(13_002, 13_002);
    (voice.protocol, voice.tcp_state, voice.mark, voice.status) = (17, None, 0, 0x19f);
    voice.original.ports = SeenPorts::Ports { source: 13_002, target: 14_002 };
    voice.reply.ports = SeenPorts::Ports { source: 14_002, target: 13_002 };
    assert_eq!(
        flow_lines(&[voice]),
        "  1 x udp 10.1.0.10:<announced> > 198.51.100.10:<announced> reply 198.51.100.10:<announced> > \
         198.51.100.1:<announced> expected assured src-nat\n"
    );
    // Without having been expected it is a flow like any other.
    voice.status &= !1;
    assert!(flow_lines(&[voice]).contains("10.1.0.10:<port:a> > 198.51.100.10:14002"));
}

#[test]
fn an_echo_has_an_identifier_instead() {
    let mut echo = flow(1, 1);
    (echo.protocol, echo.tcp_state, echo.mark, echo.status) = (1, None, 0, 0xa);
    echo.original.ports = SeenPorts::Echo { id: 77, kind: 8, code: 0 };
    echo.reply.ports = SeenPorts::Echo { id: 78, kind: 0, code: 0 };
    assert_eq!(
        flow_lines(&[echo]),
        "  1 x icmp 10.1.0.10 > 198.51.100.10 type=8 id=<id:a> reply 198.51.100.10 > 198.51.100.1 type=0 id=<id:b>\n"
    );
}

#[test]
fn counters_are_named_alone_or_by_their_group() {
    let counters = [("commit.committed", 5), ("commit.failed", 0), ("commits", 1), ("link.malformed", 2)];
    let counters: BTreeMap<String, u64> = counters.map(|(name, value)| (name.to_owned(), value)).into();
    let lines = |name: &str| counter_lines(&counters, &[name.to_owned()]);
    assert_eq!(lines("commit").unwrap(), "  commit.committed >0\n  commit.failed 0\n");
    assert_eq!(lines("link.malformed").unwrap(), "  link.malformed >0\n");
    assert!(lines("link.mal").is_err());
}

#[test]
fn counters_are_nothing_or_something() {
    assert_eq!((class(0), class(1), class(u64::MAX)), ("0", ">0", ">0"));
}
