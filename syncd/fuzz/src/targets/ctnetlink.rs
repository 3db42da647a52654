//! A datagram of the event socket: messages, flows, and what a router tells its peer of them.

use std::mem::discriminant;

use syncd_conntrack::{Message, Messages, decode};
use syncd_core::time::Duration;
use syncd_core::wire::Seq;

use super::without_memory;
use crate::router::Router;
use crate::seen::Seen;

pub(super) fn run(bytes: &[u8], seen: &mut Seen) {
    without_memory(|| read(bytes, seen));
    let mut router = Router::in_conversation(Seq(1000), Seq(1000));
    for message in Messages::new(bytes) {
        let Ok(Message::Netfilter(view)) = message else { continue };
        if let Ok(event) = decode(&view, &[77]) {
            router.replica.handle_flow(router.now, event.origin, event.change, &event.flow);
        }
    }
    router.settle(seen);
    router.wait(Duration::from_secs(1), seen);
    syncd::strangers::pages(&router.replica);
}

/// Reads everything there is to read.
fn read(bytes: &[u8], seen: &mut Seen) {
    for message in Messages::new(bytes) {
        match message {
            Err(error) => seen.note(discriminant(&error.fault)),
            Ok(Message::Netfilter(view)) => match decode(&view, &[77]) {
                Ok(event) => {
                    seen.note((event.change, event.flow.present, event.flow.protocol, event.skipped.min(8)));
                }
                Err(error) => seen.note(discriminant(&error.fault)),
            },
            Ok(other) => seen.note(discriminant(&other)),
        }
    }
}
