//! What is equal between a kernel and a cache, and what the filter leaves out.

use std::net::IpAddr;

use super::super::flows::{SeenFamily, SeenFlow, SeenPorts, SeenTuple, Shift};
use super::super::syncd::read_cache;
use super::{Difference, count_of_conntrackd, of_conntrackd, of_kernel, of_syncd};
use crate::scenario::Prefix;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn flow(source: &str, mark: u32) -> SeenFlow {
    let server = ip("198.51.100.10");
    SeenFlow {
        family: SeenFamily::V4,
        protocol: 6,
        zone: 0,
        original: SeenTuple {
            source: ip(source),
            target: server,
            ports: SeenPorts::Ports { source: 40000, target: 7000 },
        },
        reply: SeenTuple {
            source: server,
            target: ip("198.51.100.1"),
            ports: SeenPorts::Ports { source: 7000, target: 1234 },
        },
        mark,
        tcp_state: Some(3),
        status: 0x19e,
        timeout: 400,
        shifts: None,
    }
}

fn link() -> Prefix {
    "192.0.2.1/24".to_owned().try_into().unwrap()
}

#[test]
fn the_filter_leaves_out_the_dedicated_link_loopback_and_other_protocols() {
    let mut vrrp = flow("10.1.0.10", 0);
    vrrp.protocol = 112;
    let table = of_kernel(&[flow("10.1.0.10", 0), flow("192.0.2.2", 0), flow("127.0.0.1", 0), vrrp], link());
    assert_eq!(table.len(), 1);
}

#[test]
fn flows_that_are_one_to_the_dialect_are_one() {
    let gre = |key: u16| {
        let mut flow = flow("10.1.0.10", 0);
        (flow.protocol, flow.tcp_state) = (47, None);
        flow.original.ports = SeenPorts::Ports { source: key, target: 443 };
        flow
    };
    let table = of_kernel(&[gre(1), gre(2)], link());
    assert_eq!(table.len(), 1);
    assert!(Difference::between(&table, &of_kernel(&[gre(0)], link())).is_none());
    assert_eq!(Difference::between(&table, &of_kernel(&[], link())).missing, 1);
    assert_eq!(of_kernel(&[flow("10.1.0.10", 0), gre(1)], link()).len(), 2);
}

#[test]
fn conntrackds_lines_equal_the_kernels_flows_without_their_reply() {
    let text = "tcp      6 ESTABLISHED src=10.1.0.10 dst=198.51.100.10 sport=40000 dport=7000 [ASSURED] mark=42 \
        [active since 3s]\n\nnot a flow\n\
        icmp     1 src=10.1.0.10 dst=198.51.100.10 type=8 code=0 id=8738 [active since 1s]\n";
    let cache = of_conntrackd(text);
    assert_eq!(cache.len(), 2);
    let kernel = of_kernel(&[flow("10.1.0.10", 42)], link());
    let difference = Difference::between(&kernel, &cache);
    assert_eq!((difference.missing, difference.extra, difference.different), (0, 1, 0));
    let other_mark = of_kernel(&[flow("10.1.0.10", 41)], link());
    assert_eq!(Difference::between(&other_mark, &cache).different, 1);
}

#[test]
fn syncds_flows_are_compared_with_their_translation() {
    let json = |port: u16| {
        format!(
            r#"{{"version":1,"flows":[{{"family":"ipv4","protocol":"tcp","protocol_number":6,"zone":0,"mark":0,
            "original":{{"source":"10.1.0.10","target":"198.51.100.10","source_port":40000,"target_port":7000}},
            "reply":{{"source":"198.51.100.10","target":"198.51.100.1","source_port":7000,"target_port":{port}}},
            "state":"ESTABLISHED"}}]}}"#
        )
    };
    let kernel = of_kernel(&[flow("10.1.0.10", 0)], link());
    let cache = |port| of_syncd(&read_cache(json(port).as_bytes()).unwrap());
    assert!(Difference::between(&kernel, &cache(1234)).is_none());
    assert_eq!(Difference::between(&kernel, &cache(1235)).different, 1);
}

#[test]
fn a_shift_that_the_cache_does_not_know_is_a_difference() {
    let shifted = |after: i32| {
        let mut flow = flow("10.1.0.10", 0);
        flow.shifts = Some([Shift { position: 4_000_000_000, before: 0, after }, Shift::default()]);
        flow
    };
    let kernel = of_kernel(&[shifted(-5)], link());
    let cache = |sequence: &str| {
        let json = format!(
            r#"{{"version":1,"flows":[{{"family":"ipv4","protocol":"tcp","protocol_number":6,"zone":0,"mark":0,
            "original":{{"source":"10.1.0.10","target":"198.51.100.10","source_port":40000,"target_port":7000}},
            "reply":{{"source":"198.51.100.10","target":"198.51.100.1","source_port":7000,"target_port":1234}},
            "state":"ESTABLISHED"{sequence}}}]}}"#
        );
        of_syncd(&read_cache(json.as_bytes()).unwrap())
    };
    let told = r#","sequence":[[4000000000,0,-5],[0,0,0]]"#;
    assert!(Difference::between(&kernel, &cache(told)).is_none());
    assert_eq!(Difference::between(&kernel, &cache("")).different, 1);
    let line = "tcp 6 ESTABLISHED src=10.1.0.10 dst=198.51.100.10 sport=40000 dport=7000 [ASSURED]";
    assert!(Difference::between(&kernel, &of_conntrackd(line)).is_none(), "conntrackd tells none");
}

#[test]
fn only_sizes_that_are_far_apart_say_enough() {
    assert_eq!(Difference::counted(1_000, 0), None);
    let few = Difference::counted(40_000, 1_638).unwrap();
    assert_eq!((few.missing, few.extra, few.is_none()), (38_362, 0, false));
    assert_eq!(Difference::counted(5_000, 10_000).unwrap().extra, 5_000);
}

#[test]
fn the_external_cache_is_counted_and_not_the_internal_one() {
    let cache = |name: &str, count| {
        format!(
            "cache {name}:\ncurrent active connections:\t{count:>12}\nconnections created:\t\t{count:>12}\tfailed:\t           0\n\n"
        )
    };
    let told = cache("internal", 40) + &cache("external", 1234);
    assert_eq!(count_of_conntrackd(&told), Some(1234));
    assert_eq!(count_of_conntrackd(&cache("internal", 40)), None);
    assert_eq!(count_of_conntrackd(""), None);
}
