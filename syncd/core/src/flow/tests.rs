//! Tuples invert, flows merge, NAT is read from the reply, lines read like `conntrack -L`.

extern crate std;

use std::string::ToString;

use super::*;

fn v4(a: u8, b: u8, c: u8, d: u8) -> Address {
    Address::from_v4([a, b, c, d])
}

fn tcp() -> Flow {
    let original =
        Tuple { source: v4(10, 1, 0, 2), target: v4(10, 2, 0, 2), source_port: 33113, target_port: 7001 };
    Flow::new(Family::V4, Protocol::TCP, original)
}

#[test]
fn inverse_of_inverse_is_the_tuple() {
    for protocol in [Protocol::TCP, Protocol::UDP, Protocol::ICMP] {
        let tuple = if protocol.is_icmp() {
            Tuple::icmp(v4(1, 2, 3, 4), v4(5, 6, 7, 8), 77, 8, 0)
        } else {
            tcp().original
        };
        assert_eq!(tuple.inverse(protocol).inverse(protocol), tuple);
    }
}

#[test]
fn echo_request_is_answered_by_echo_reply() {
    let request = Tuple::icmp(v4(1, 2, 3, 4), v4(5, 6, 7, 8), 77, 8, 0);
    let reply = request.inverse(Protocol::ICMP);
    assert_eq!((reply.icmp_type(), reply.icmp_code(), reply.icmp_id()), (0, 0, 77));
    assert_eq!(reply.source, request.target);
}

#[test]
fn nat_is_what_differs_from_the_plain_reply() {
    let mut flow = tcp();
    flow.present = AttrSet::REPLY;
    assert_eq!((flow.source_nat(), flow.target_nat()), (None, None));
    flow.reply.target = v4(10, 2, 0, 1);
    assert_eq!(flow.source_nat(), Some((v4(10, 2, 0, 1), 33113)));
    flow.reply.target_port = 50078;
    assert_eq!(flow.source_nat(), Some((v4(10, 2, 0, 1), 50078)));
    flow.reply.source_port = 80;
    assert_eq!(flow.target_nat(), Some((v4(10, 2, 0, 2), 80)));
}

#[test]
fn icmp_source_nat_is_the_id() {
    let original = Tuple::icmp(v4(10, 1, 0, 2), v4(10, 2, 0, 2), 77, 8, 0);
    let mut flow = Flow::new(Family::V4, Protocol::ICMP, original);
    flow.present = AttrSet::REPLY;
    assert_eq!((flow.source_nat(), flow.target_nat()), (None, None));
    flow.reply.source_port = 78;
    assert_eq!(flow.source_nat(), Some((v4(10, 1, 0, 2), 78)));
}

#[test]
fn merge_keeps_what_was_not_said() {
    let mut flow = tcp();
    flow.status = Status(0x18e);
    flow.mark = 42;
    flow.present = AttrSet::STATUS.with(AttrSet::MARK);
    let mut newer = tcp();
    newer.timeout = 120;
    newer.tcp_state = TcpState::TIME_WAIT;
    newer.present = AttrSet::TIMEOUT.with(AttrSet::TCP_STATE);
    flow.merge(&newer);
    assert_eq!((flow.status, flow.mark, flow.timeout), (Status(0x18e), 42, 120));
    assert!(flow.has(AttrSet::STATUS.with(AttrSet::MARK).with(AttrSet::TIMEOUT).with(AttrSet::TCP_STATE)));
}

#[test]
fn a_flow_reads_like_conntrack_prints_it() {
    let mut flow = tcp();
    flow.present = AttrSet::REPLY.with(AttrSet::STATUS).with(AttrSet::TCP_STATE).with(AttrSet::TIMEOUT);
    flow.status = Status(0x18e);
    flow.tcp_state = TcpState::ESTABLISHED;
    flow.timeout = 300;
    assert_eq!(
        flow.to_string(),
        "tcp      6 300 ESTABLISHED src=10.1.0.2 dst=10.2.0.2 sport=33113 dport=7001 \
         src=10.2.0.2 dst=10.1.0.2 sport=7001 dport=33113 [ASSURED]"
    );
}
