//! Flows that the plain dialect cannot tell apart: to the peer they are one, and it lives as long as one of them does.

use super::*;
use crate::cache::ExternalCache;

fn flow_of(protocol: Protocol, key: u16) -> Flow {
    let original = Tuple { source_port: key, target_port: key, ..flow(0).original };
    let mut flow = Flow::new(Family::V4, protocol, original);
    flow.mark = u32::from(key);
    flow.timeout = 180;
    flow.present = AttrSet::REPLY.with(AttrSet::MARK).with(AttrSet::TIMEOUT);
    flow
}

/// What the peer makes of all that is told now: the change and the mark of each flow; only what is `heard`.
fn told(
    replica: &mut Replica,
    peer: &mut ExternalCache,
    now: Instant,
    mut heard: impl FnMut(Seq) -> bool,
) -> Vec<(Change, Option<u32>)> {
    let mut datagram = Datagram::with_limit(payload_limit(1500));
    let mut said = Vec::new();
    while replica.poll_transmit(now, &mut datagram).is_some() {
        for view in frames(datagram.as_bytes()) {
            let view = view.expect("our own frames are well formed");
            if let Ok(DecodedFlow { change, flow, .. }) = decode_flow(&view) {
                said.push((change, flow.has(AttrSet::MARK).then_some(flow.mark)));
                if heard(view.seq()) {
                    peer.apply(change, &flow, 0);
                }
            }
        }
        datagram.clear();
    }
    said
}

fn held(peer: &ExternalCache) -> Vec<u32> {
    peer.iter_from(0).map(|(_, entry)| entry.flow.mark).collect()
}

fn happens(replica: &mut Replica, now: Instant, change: Change, flow: &Flow) {
    replica.handle_flow(now, Origin::Kernel, change, flow);
}

#[test]
fn while_one_of_them_lives_no_end_is_told_and_then_one_is() {
    for protocol in [Protocol::GRE, Protocol::UDPLITE] {
        let (mut replica, _) = settled();
        let mut peer = ExternalCache::new(10, 1);
        for key in 1..=3 {
            happens(&mut replica, at(3), Change::New, &flow_of(protocol, key));
        }
        told(&mut replica, &mut peer, at(3), |_| true);
        assert_eq!(held(&peer), [3], "the last that was told");
        happens(&mut replica, at(4), Change::Destroy, &flow_of(protocol, 3));
        assert_eq!(told(&mut replica, &mut peer, at(4), |_| true), [(Change::New, Some(1))]);
        assert_eq!(held(&peer), [1]);
        happens(&mut replica, at(5), Change::Destroy, &flow_of(protocol, 1));
        assert_eq!(told(&mut replica, &mut peer, at(5), |_| true), [(Change::New, Some(2))]);
        assert_eq!(replica.stats().link.ends_unsaid, 2);
        happens(&mut replica, at(6), Change::Destroy, &flow_of(protocol, 2));
        let said = told(&mut replica, &mut peer, at(6), |_| true);
        assert_eq!(said.iter().map(|(change, _)| *change).collect::<Vec<_>>(), [Change::Destroy]);
        assert_eq!((held(&peer), replica.stats().link.ends_unsaid), (std::vec![], 2));
        assert_eq!(replica.inconsistency(), None);
    }
}

#[test]
fn an_end_that_is_told_once_more_does_not_take_away_what_was_born_since() {
    let (mut replica, mut other) = settled();
    let mut peer = ExternalCache::new(10, 1);
    happens(&mut replica, at(3), Change::New, &flow_of(Protocol::GRE, 1));
    told(&mut replica, &mut peer, at(3), |_| true);
    happens(&mut replica, at(4), Change::Destroy, &flow_of(Protocol::GRE, 1));
    let mut lost = None;
    told(&mut replica, &mut peer, at(4), |seq| {
        lost = Some(seq);
        false
    });
    happens(&mut replica, at(5), Change::New, &flow_of(Protocol::GRE, 2));
    told(&mut replica, &mut peer, at(5), |_| true);
    assert_eq!(held(&peer), [2]);
    let lost = lost.expect("the end was told");
    other.says(&mut replica, at(6), Control::Nack(wire_range(lost)), Flags::NONE);
    assert_eq!(told(&mut replica, &mut peer, at(6), |_| true), [(Change::New, Some(2))]);
    assert_eq!(held(&peer), [2]);
}

#[test]
fn the_answer_to_a_question_and_what_ends_after_it_leave_the_living_one() {
    let (mut replica, mut other) = settled();
    let mut peer = ExternalCache::new(10, 1);
    for key in 1..=2 {
        happens(&mut replica, at(3), Change::New, &flow_of(Protocol::GRE, key));
    }
    told(&mut replica, &mut peer, at(3), |_| true);
    peer.begin_resync(at(10));
    other.says(&mut replica, at(10), Control::Resync, Flags::NONE);
    assert_eq!(told(&mut replica, &mut peer, at(10), |_| true).len(), 2);
    happens(&mut replica, at(11), Change::Destroy, &flow_of(Protocol::GRE, 2));
    told(&mut replica, &mut peer, at(11), |_| true);
    assert_eq!(peer.sweep(0, 10, false), 0, "it was named");
    assert_eq!(held(&peer), [1]);
}

#[test]
fn a_flow_that_was_never_told_ends_without_a_word_about_the_others() {
    let (mut replica, _) = settled();
    let mut peer = ExternalCache::new(10, 1);
    happens(&mut replica, at(3), Change::New, &flow_of(Protocol::GRE, 1));
    told(&mut replica, &mut peer, at(3), |_| true);
    happens(&mut replica, at(4), Change::New, &flow_of(Protocol::GRE, 2));
    happens(&mut replica, at(4), Change::Destroy, &flow_of(Protocol::GRE, 2));
    assert_eq!(told(&mut replica, &mut peer, at(4), |_| true), []);
    assert_eq!(held(&peer), [1]);
}

#[test]
fn who_lives_again_is_told_and_ends_like_any_other() {
    let (mut replica, _) = settled();
    let mut peer = ExternalCache::new(10, 1);
    for key in 1..=2 {
        happens(&mut replica, at(3), Change::New, &flow_of(Protocol::GRE, key));
    }
    told(&mut replica, &mut peer, at(3), |_| true);
    happens(&mut replica, at(4), Change::Destroy, &flow_of(Protocol::GRE, 1));
    happens(&mut replica, at(4), Change::New, &flow_of(Protocol::GRE, 1));
    happens(&mut replica, at(4), Change::Destroy, &flow_of(Protocol::GRE, 2));
    told(&mut replica, &mut peer, at(4), |_| true);
    assert_eq!((held(&peer), replica.inconsistency()), (std::vec![1], None));
}
