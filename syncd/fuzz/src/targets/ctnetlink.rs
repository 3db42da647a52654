//! A datagram of the event socket: messages, flows, expectations, and what a router tells its peer of them.

use std::mem::discriminant;

use syncd_conntrack::{Message, Messages, decode, decode_expectation, encode, expect};
use syncd_core::flow::{
    Dccp, ExpectNat, Expectation, ExtraSet, Extras, Flow, HelperName, Labels, Parent, Protocol, SctpState,
    SequenceShift, Synproxy, Whole,
};
use syncd_core::recording::Input;
use syncd_core::time::Duration;
use syncd_core::wire::Seq;

use super::without_memory;
use crate::router::{Router, flow};
use crate::seen::Seen;

/// What the corpus has not: requests for rare flows and expectations, which read like a kernel's own messages.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let tcp = flow(9);
    let parent = Parent { original: tcp.original, family: tcp.family, protocol: tcp.protocol };
    let shift = SequenceShift { position: 1, before: 2, after: 3 };
    let rare = Extras {
        parent,
        sequence: [shift; 2],
        labels: Labels::new([1, 2, 3, 4]),
        synproxy: Synproxy { isn: 1, its: 2, offset: 3 },
        sctp_tags: [1, 2],
        helper: HelperName::new(b"ftp").expect("a name"),
        sctp_state: SctpState::ESTABLISHED,
        dccp: Dccp { state: 3, role: 1 },
        present: ExtraSet::from_bits(u8::MAX),
    };
    let protocols = [Protocol::TCP, Protocol::SCTP, Protocol::DCCP].into_iter();
    let flows = protocols.map(|protocol| {
        let mut request = Vec::new();
        encode::create(&mut request, 1, &Whole::new(Flow { protocol, ..tcp }, rare), 300);
        request
    });
    let nat = Some(ExpectNat { tuple: tcp.reply, protocol: tcp.protocol, direction: 1 });
    let (class, timeout) = (Some(1), Some(2));
    let bare = Expectation::new(parent, tcp.protocol, tcp.original, tcp.reply);
    let expectations = [bare, Expectation { nat, class, timeout, helper: rare.helper, ..bare }].into_iter();
    let expectations = expectations.map(|expectation| {
        let mut request = Vec::new();
        expect::create(&mut request, 1, &expectation);
        request
    });
    flows.chain(expectations).collect()
}

pub(super) fn run(bytes: &[u8], seen: &mut Seen) {
    without_memory(|| read(bytes, seen));
    let mut router = Router::in_conversation(Seq(1000), Seq(1000));
    feed(bytes, &mut router);
    router.settle(seen);
    router.wait(Duration::from_secs(1), seen);
    syncd::strangers::pages(router.replica());
}

/// What a daemon that reads `bytes` from its event socket tells its replica.
pub(super) fn feed(bytes: &[u8], router: &mut Router) {
    for message in Messages::new(bytes) {
        let Ok(Message::Netfilter(view)) = message else { continue };
        if let Ok(event) = decode(&view, &[77]) {
            router.feed(Input::Flow(event.origin, event.change, event.whole()));
        }
        if let Ok(event) = decode_expectation(&view, &[77]) {
            router.feed(Input::Expectation(event.origin, event.change, &event.expectation));
        }
    }
}

/// Reads everything there is to read.
fn read(bytes: &[u8], seen: &mut Seen) {
    for message in Messages::new(bytes) {
        match message {
            Err(error) => seen.note(discriminant(&error.fault)),
            Ok(Message::Netfilter(view)) if view.is_about_expectation() => {
                match decode_expectation(&view, &[77]) {
                    Ok(event) => {
                        let Expectation { protocol, nat, timeout, class, .. } = event.expectation;
                        let known = (nat.is_some(), timeout.is_some(), class.is_some());
                        seen.note((event.change, protocol, known, event.skipped.min(8)));
                    }
                    Err(error) => seen.note(discriminant(&error.fault)),
                }
            }
            Ok(Message::Netfilter(view)) => match decode(&view, &[77]) {
                Ok(event) => {
                    let present = (event.flow.present, event.extras.present);
                    seen.note((event.change, present, event.flow.protocol, event.skipped.min(8)));
                }
                Err(error) => seen.note(discriminant(&error.fault)),
            },
            Ok(other) => seen.note(discriminant(&other)),
        }
    }
}
