//! A datagram of the event socket: messages, flows, expectations, and what a router tells its peer of them.

use std::mem::discriminant;

use syncd_conntrack::{Message, Messages, decode, decode_expectation};
use syncd_core::flow::Expectation;
use syncd_core::recording::Input;
use syncd_core::time::Duration;
use syncd_core::wire::Seq;

use super::without_memory;
use crate::router::Router;
use crate::seen::Seen;

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
