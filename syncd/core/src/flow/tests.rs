//! Tuples invert, flows and what few have of them merge, NAT is read from the reply, lines read like `conntrack -L`.

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

#[test]
fn a_name_is_printable_and_fits() {
    let name = |text: &[u8]| HelperName::new(text);
    assert_eq!(name(b"Q.931\0junk").map(|name| name.to_string()), Some("Q.931".to_string()));
    assert_eq!(name(b"fifteen-letters").map(|name| name.len()), Some(15));
    for bad in [&b""[..], b"\0", b"sixteen-letters!", b"a b", b"\x1b[31m", "\u{e9}".as_bytes()] {
        assert_eq!(name(bad), None, "{bad:?}");
    }
    let ftp = name(b"ftp-2121").expect("a name");
    assert_eq!(ftp.with_nul(), b"ftp-2121\0");
    assert!(ftp.begins_with("FTP") && ftp.begins_with("") && !ftp.begins_with("tftp"));
    assert!(!ftp.begins_with("ftp-2121-and-more"));
    assert!(HelperName::EMPTY.is_empty());
}

#[test]
fn labels_keep_four_words() {
    let labels = Labels::new([1, 2, 3, 4, 5]);
    assert_eq!((labels.words(), labels.all()), (&[1, 2, 3, 4][..], [1, 2, 3, 4]));
    assert_eq!(Labels::new([0x20, 0, 0, 1]).bits(), 1 << 96 | 0x20);
    assert_eq!(Labels::new([7]).words(), [7]);
    assert!(Labels::new([0; 4]).is_zero() && Labels::default().words().is_empty());
}

fn some_extras() -> Extras {
    let mut extras = Extras {
        helper: HelperName::new(b"sip").expect("a name"),
        labels: Labels::new([1, 0, 0, 0]),
        ..Extras::EMPTY
    };
    extras.said(ExtraSet::HELPER.with(ExtraSet::LABELS));
    extras
}

#[test]
fn extras_merge_field_by_field() {
    let mut known = some_extras();
    let mut newer = Extras { labels: Labels::new([3, 0, 0, 0]), sctp_tags: [4, 5], ..Extras::EMPTY };
    newer.said(ExtraSet::LABELS.with(ExtraSet::SCTP_TAGS));
    known.merge(&newer);
    assert_eq!((known.helper.as_str(), known.labels.bits(), known.sctp_tags), ("sip", 3, [4, 5]));
    let helper_only = known.without(ExtraSet::LABELS.with(ExtraSet::SCTP_TAGS));
    assert_eq!(helper_only, some_extras().without(ExtraSet::LABELS), "nothing is left of what is taken away");
    assert!(helper_only.without(ExtraSet::HELPER).is_empty());
}

#[test]
fn whether_there_are_extras_is_said_in_one_bit() {
    let whole = Whole::new(tcp(), some_extras());
    assert!(whole.has(AttrSet::EXTRAS));
    assert!(!Whole::new(whole.flow, Extras::EMPTY).has(AttrSet::EXTRAS));
    assert_eq!(FlowRef::from(&whole).whole(), whole);
    assert_eq!(FlowRef::new(&whole.flow, &Extras::EMPTY).extras, None);
}

#[test]
fn extras_read_like_conntrack_prints_them_and_then_the_rest() {
    let mut extras = some_extras();
    extras.parent = Parent { original: tcp().original, family: Family::V4, protocol: Protocol::TCP };
    extras.sequence[1] = SequenceShift { position: 9, before: 0, after: u32::MAX };
    extras.sctp_state = SctpState::ESTABLISHED;
    extras.said(ExtraSet::PARENT.with(ExtraSet::SEQUENCE).with(ExtraSet::SCTP_STATE));
    let mut flow = tcp();
    flow.protocol = Protocol::SCTP;
    assert_eq!(
        Whole::new(flow, extras).to_string(),
        "sctp     132 ESTABLISHED src=10.1.0.2 dst=10.2.0.2 sport=33113 dport=7001 helper=sip labels=0x1 \
         parent=[tcp src=10.1.0.2 dst=10.2.0.2 sport=33113 dport=7001] seqadj=0:+0:+0/9:+0:-1"
    );
}

fn expectation() -> Expectation {
    let parent = Parent { original: tcp().original, family: Family::V4, protocol: Protocol::TCP };
    let tuple = Tuple { source_port: 0, target_port: 41171, ..tcp().original };
    let mask = Tuple {
        source: v4(255, 255, 255, 0),
        target: v4(255, 255, 255, 0),
        source_port: 0,
        target_port: 65535,
    };
    Expectation {
        class: Some(0),
        helper: HelperName::new(b"ftp").expect("a name"),
        ..Expectation::new(parent, Protocol::TCP, tuple, mask)
    }
}

#[test]
fn an_expectation_reads_like_conntrackd_prints_it() {
    let plain = "proto=6 src=10.1.0.2 dst=10.2.0.2 sport=0 dport=41171 mask-src=255.255.255.0 mask-dst=255.255.255.0 \
                 sport=0 dport=65535 master-src=10.1.0.2 master-dst=10.2.0.2 sport=33113 dport=7001 class=0 helper=ftp";
    assert_eq!(expectation().to_string(), plain);
    let tuple = Tuple { source: v4(10, 9, 0, 0), source_port: 7, ..Tuple::NOWHERE };
    let full = Expectation {
        nat: Some(ExpectNat { tuple, protocol: Protocol::TCP, direction: 1 }),
        function: FnName::new(b"nat-follow-master").expect("a name"),
        flags: ExpectFlags(ExpectFlags::PERMANENT | ExpectFlags::INACTIVE),
        zone: 3,
        ..expectation()
    };
    let rest = " nat=reply src=10.9.0.0 sport=7 fn=nat-follow-master zone=3 [PERMANENT] [INACTIVE]";
    assert_eq!(full.to_string(), std::format!("{plain}{rest}"));
}

#[test]
fn two_expectations_are_the_same_whatever_time_and_kernel_say() {
    let known = expectation();
    let elsewhere = Expectation { timeout: Some(9), id: 7, zone: 3, class: None, ..known };
    assert!(known.same(&elsewhere) && known.key() == elsewhere.key());
    let other = Expectation { class: Some(1), ..known };
    assert!(!known.same(&other) && known.key() == other.key());
}
