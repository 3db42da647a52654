//! A datagram on a dedicated link: frames, flows, expectations, and everything a router does with them, up to the
//! requests to its kernel after a failover.

use std::mem::discriminant;

use syncd_conntrack::{encode, expect};
use syncd_core::flow::{Change, Expectation};
use syncd_core::recording::Input;
use syncd_core::replica::Role;
use syncd_core::time::Duration;
use syncd_core::wire::{
    Control, Datagram, Flags, FrameView, Options, Seq, decode_expectation, decode_flow, encode_expectation,
    encode_flow, frames, payload_limit,
};

use super::without_memory;
use crate::router::{LINK, Router};
use crate::seen::Seen;

pub(super) fn run(bytes: &[u8], seen: &mut Seen) {
    let numbers = without_memory(|| decode(bytes, seen));
    again(bytes);
    let mut router = Router::in_conversation(numbers.ours, numbers.theirs);
    router.feed(Input::Datagram(LINK, bytes));
    router.settle(seen);
    router.wait(Duration::from_secs(1), seen);
    // A duplicate, which is also what a resync brings.
    router.feed(Input::Datagram(LINK, bytes));
    router.become_(Role::Backup, seen);
    router.wait(Duration::from_secs(6), seen);
    syncd::strangers::pages(router.replica());
    router.become_(Role::Primary, seen);
    syncd::strangers::pages(router.replica());
    router.wait(Duration::from_secs(40), seen);
}

/// Numbers that make the datagram one that a router would listen to.
struct Numbers {
    /// The oldest that is acknowledged or asked for, or any.
    ours: Seq,
    /// The first frame's.
    theirs: Seq,
}

/// Reads everything there is to read.
fn decode(bytes: &[u8], seen: &mut Seen) -> Numbers {
    let (mut ours, mut theirs) = (None, None);
    for frame in frames(bytes) {
        match frame {
            Err(bad) => seen.note(bad.reason),
            Ok(view) => {
                theirs = theirs.or(Some(view.seq()));
                seen.note((view.kind(), view.flags()));
                if let Some(Control::Ack(range) | Control::Nack(range)) = view.control() {
                    ours = ours.or(Some(range.from));
                }
                match decode_flow(&view) {
                    Ok(decoded) => {
                        let present = (decoded.flow.present, decoded.extras.present);
                        seen.note((present, decoded.flow.protocol, decoded.flow.family));
                    }
                    Err(error) => seen.note((discriminant(&error), error)),
                }
                if view.expectation_change().is_some() {
                    match decode_expectation(&view) {
                        Ok(decoded) => {
                            let Expectation { protocol, nat, timeout, class, .. } = decoded.expectation;
                            seen.note((protocol, nat.is_some(), timeout.is_some(), class.is_some()));
                        }
                        Err(error) => seen.note((discriminant(&error), error)),
                    }
                }
            }
        }
    }
    Numbers { ours: ours.unwrap_or(Seq(1000)), theirs: theirs.unwrap_or(Seq(1000)) }
}

/// What was understood can be said again, to the next router and to a kernel, and means the same.
fn again(bytes: &[u8]) {
    let options = Options { window_scale: true };
    let mut request = Vec::new();
    for view in frames(bytes).flatten() {
        again_expected(&view);
        let Ok(decoded) = decode_flow(&view) else { continue };
        let flow = decoded.whole();
        let mut datagram = Datagram::with_limit(payload_limit(1500));
        encode_flow(&mut datagram, decoded.change, Flags::NONE, view.seq(), flow, options)
            .expect("every frame fits into an empty datagram");
        let once = frames(datagram.as_bytes()).next().expect("one frame").expect("our own");
        let once = decode_flow(&once).expect("our own");
        let mut second = Datagram::with_limit(payload_limit(1500));
        encode_flow(&mut second, once.change, Flags::NONE, view.seq(), once.whole(), options)
            .expect("as before");
        assert_eq!(datagram.as_bytes(), second.as_bytes(), "a flow that is passed on stays the same");
        assert_eq!((once.change, once.flow.key(), once.skipped), (decoded.change, flow.key(), 0));
        request.clear();
        match decoded.change {
            Change::New => encode::create(&mut request, 1, flow, 1),
            Change::Update => encode::update(&mut request, 1, flow, 1),
            Change::Destroy => encode::delete(&mut request, 1, &flow),
        }
        encode::get_by_reply(&mut request, 1, &flow);
    }
}

/// The same of an expectation.
fn again_expected(view: &FrameView<'_>) {
    let Ok(decoded) = decode_expectation(view) else { return };
    let mut datagram = Datagram::with_limit(payload_limit(1500));
    encode_expectation(&mut datagram, decoded.change, Flags::NONE, view.seq(), &decoded.expectation)
        .expect("every frame fits into an empty datagram");
    let once = frames(datagram.as_bytes()).next().expect("one frame").expect("our own");
    let ported = decoded.expectation.parent.protocol.has_wire_ports();
    // A parent without ports takes those of what it expects with it: refused, or nothing is left to say.
    assert!(decode_expectation(&once).is_ok() || !ported);
    let mut request = Vec::new();
    expect::create(&mut request, 1, &decoded.expectation);
    expect::delete(&mut request, 1, &decoded.expectation);
}
