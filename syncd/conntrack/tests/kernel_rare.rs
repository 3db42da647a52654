//! What few flows have, and the real kernel: what we ask for is what it builds, and what it leaves out.

mod programs;
mod sandbox;

use syncd_conntrack::{
    Batch, Errno, EventSocket, Inbox, Message, Messages, QuerySocket, RequestSocket, decode,
};
use syncd_core::flow::{
    Address, AttrSet, Change, Dccp, ExtraSet, Extras, Family, Flow, HelperName, Labels, Parent, Protocol,
    SctpState, SequenceShift, Status, Synproxy, TcpState, Tuple, Whole,
};

fn flow(family: Family, protocol: Protocol, port: u16) -> Flow {
    let address = |last| match family {
        Family::V4 => Address::from_v4([10, 9, 0, last]),
        Family::V6 => Address::from_v6([0xfd, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]),
    };
    let target_port = if protocol == Protocol::DCCP { 0 } else { 80 };
    let original = Tuple { source: address(1), target: address(2), source_port: port, target_port };
    let mut flow = Flow::new(family, protocol, original);
    flow.status = Status(Status::SEEN_REPLY | Status::ASSURED | Status::CONFIRMED);
    flow.present = AttrSet::REPLY.with(AttrSet::STATUS);
    if protocol == Protocol::TCP {
        flow.tcp_state = TcpState::ESTABLISHED;
        flow.present = flow.present.with(AttrSet::TCP_STATE);
    }
    flow
}

fn tcp(port: u16) -> Flow {
    flow(Family::V4, Protocol::TCP, port)
}

fn with(flow: Flow, set: ExtraSet, fill: impl FnOnce(&mut Extras)) -> Whole {
    let mut extras = Extras::EMPTY;
    fill(&mut extras);
    extras.said(set);
    Whole::new(flow, extras)
}

fn helped(flow: Flow, helper: &str) -> Whole {
    with(flow, ExtraSet::HELPER, |extras| {
        extras.helper = HelperName::new(helper.as_bytes()).expect("a name");
    })
}

fn labelled(flow: Flow, labels: [u32; 4]) -> Whole {
    with(flow, ExtraSet::LABELS, |extras| extras.labels = Labels::new(labels))
}

fn related(flow: Flow, parent: &Flow) -> Whole {
    let Flow { original, family, protocol, .. } = *parent;
    with(flow, ExtraSet::PARENT, |extras| extras.parent = Parent { original, family, protocol })
}

fn sctp(port: u16, state: u8) -> Whole {
    let both = ExtraSet::SCTP_STATE.with(ExtraSet::SCTP_TAGS);
    with(flow(Family::V4, Protocol::SCTP, port), both, |extras| {
        (extras.sctp_state, extras.sctp_tags) = (SctpState(state), [0x1122_3344, 0x5566_7788]);
    })
}

fn execute(requests: &mut RequestSocket, fill: impl FnOnce(&mut Batch)) -> Vec<Result<(), Errno>> {
    let mut batch = Batch::new();
    fill(&mut batch);
    let mut outcomes = Vec::new();
    requests.send(&mut batch).unwrap();
    requests.outcomes(|_, result| outcomes.push(result)).unwrap();
    outcomes
}

fn create(requests: &mut RequestSocket, whole: &Whole) -> Result<(), Errno> {
    execute(requests, |batch| batch.create(1, whole, 300))[0]
}

/// What the kernel has of that flow.
fn seen(flow: &Flow) -> Whole {
    QuerySocket::open().unwrap().get_by_original(flow).unwrap().expect("it is there")
}

#[test]
fn everything_is_built_as_told() {
    sandbox::run("everything_is_built_as_told", || {
        // Labels exist where a rule uses one.
        programs::nft("table ip t { chain o { type filter hook output priority 0; ct label 127 accept; }; }");
        let mut requests = RequestSocket::open().unwrap();
        let parent = tcp(21);
        let shifts = [SequenceShift { position: 1, before: 2, after: u32::MAX }, SequenceShift::default()];
        let wanted = [
            Whole::from(parent),
            helped(tcp(1), "ftp"),
            helped(flow(Family::V6, Protocol::UDP, 2), "sip"),
            labelled(tcp(3), [1, 0, 0, 0x8000_0000]),
            with(tcp(4), ExtraSet::SEQUENCE, |extras| extras.sequence = shifts),
            with(tcp(5), ExtraSet::SYNPROXY, |extras| {
                extras.synproxy = Synproxy { isn: 1, its: 2, offset: 3 };
            }),
            related(tcp(6), &parent),
            sctp(7, 3),
            sctp(8, 4),
        ];
        for want in wanted {
            assert_eq!(create(&mut requests, &want), Ok(()), "{want}");
            let built = seen(&want.flow);
            assert_eq!(built.extras, want.extras, "{want} became {built}");
            assert_eq!(built.status.has(Status::EXPECTED), want.extras.parent().is_some(), "{built}");
            assert_eq!(built.status.has(Status::SEQ_ADJUST), want.extras.has(ExtraSet::SEQUENCE), "{built}");
            assert_eq!(built.has(AttrSet::SYNPROXY_ZERO), !want.extras.has(ExtraSet::SYNPROXY), "{built}");
        }
    });
}

#[test]
fn a_dccp_state_does_not_hinder_a_kernel_that_tracks_none() {
    sandbox::run("a_dccp_state_does_not_hinder_a_kernel_that_tracks_none", || {
        let mut requests = RequestSocket::open().unwrap();
        let want = with(flow(Family::V4, Protocol::DCCP, 0), ExtraSet::DCCP, |extras| {
            extras.dccp = Dccp { state: 4, role: 1 };
        });
        assert_eq!(create(&mut requests, &want), Ok(()));
        // A kernel that does track it says so.
        let built = seen(&want.flow);
        assert!(built.extras.is_empty() || built.extras == want.extras, "{built}");
    });
}

#[test]
fn what_this_kernel_has_not_is_refused_by_name() {
    sandbox::run("what_this_kernel_has_not_is_refused_by_name", || {
        let mut requests = RequestSocket::open().unwrap();
        assert_eq!(create(&mut requests, &helped(tcp(1), "nobody")), Err(Errno::EOPNOTSUPP));
        assert_eq!(create(&mut requests, &related(tcp(2), &tcp(21))), Err(Errno::ENOENT));
        // Without a rule that uses labels they are dropped without a word, and refused later.
        let labelled = labelled(tcp(3), [1, 0, 0, 0]);
        assert_eq!(create(&mut requests, &labelled), Ok(()));
        assert!(seen(&labelled.flow).extras.is_empty());
        assert_eq!(execute(&mut requests, |batch| batch.update(1, &labelled, 300)), [Err(Errno::ENOSPC)]);
    });
}

#[test]
fn an_update_changes_what_can_change() {
    sandbox::run("an_update_changes_what_can_change", || {
        programs::nft("table ip t { chain o { type filter hook output priority 0; ct label 127 accept; }; }");
        let mut requests = RequestSocket::open().unwrap();
        let before = labelled(tcp(1), [3, 0, 0, 0]);
        assert_eq!(create(&mut requests, &before), Ok(()));
        let after = labelled(tcp(1), [4, 0, 1, 0]);
        assert_eq!(execute(&mut requests, |batch| batch.update(1, &after, 300)), [Ok(())]);
        assert_eq!(seen(&after.flow).extras, after.extras, "the mask takes the old ones away");

        assert_eq!(create(&mut requests, &sctp(2, 3)), Ok(()));
        assert_eq!(execute(&mut requests, |batch| batch.update(1, &sctp(2, 4), 300)), [Ok(())]);
        assert_eq!(seen(&sctp(2, 4).flow).extras.sctp_state, SctpState::ESTABLISHED);

        // A helper and a parent are for life: an update does not name them, and so does not fail because of them.
        let both = helped(tcp(3), "ftp");
        assert_eq!(create(&mut requests, &Whole::from(both.flow)), Ok(()));
        assert_eq!(execute(&mut requests, |batch| batch.update(1, &both, 300)), [Ok(())]);
        assert_eq!(seen(&both.flow).extras.helper(), None);
    });
}

#[test]
fn events_say_what_few_flows_have() {
    sandbox::run("events_say_what_few_flows_have", || {
        let socket = EventSocket::open(1 << 20).unwrap();
        let mut requests = RequestSocket::open().unwrap();
        let parent = helped(tcp(21), "ftp");
        for whole in [parent, related(tcp(1), &parent.flow), sctp(2, 4)] {
            assert_eq!(create(&mut requests, &whole), Ok(()));
        }
        assert_eq!(execute(&mut requests, |batch| batch.delete(1, &sctp(2, 4))), [Ok(())]);
        let mut inbox = Inbox::new(EventSocket::LONGEST);
        let mut said = Vec::new();
        while socket.recv(&mut inbox, usize::MAX).unwrap() > 0 {
            for message in inbox.iter().flat_map(|datagram| Messages::new(datagram.unwrap())) {
                let Ok(Message::Netfilter(view)) = message else { panic!("an event, not {message:?}") };
                let decoded = decode(&view, &[]).unwrap();
                assert_eq!(decoded.skipped, 0);
                said.push((decoded.change, decoded.extras.present));
            }
        }
        let both = ExtraSet::SCTP_STATE.with(ExtraSet::SCTP_TAGS);
        assert_eq!(
            said,
            [
                (Change::New, ExtraSet::HELPER),
                (Change::New, ExtraSet::PARENT),
                (Change::New, both),
                (Change::Destroy, ExtraSet::SCTP_STATE),
            ]
        );
    });
}
