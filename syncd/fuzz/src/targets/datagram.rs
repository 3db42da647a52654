//! A datagram on a dedicated link: frames, flows, and everything a router does with them, up to the requests to its
//! kernel after a failover.

use std::mem::discriminant;

use syncd_conntrack::encode;
use syncd_core::flow::Change;
use syncd_core::replica::Role;
use syncd_core::time::Duration;
use syncd_core::wire::{
    Control, Datagram, Flags, Options, Seq, decode_flow, encode_flow, frames, payload_limit,
};

use super::without_memory;
use crate::router::{LINK, Router};
use crate::seen::Seen;

pub(super) fn run(bytes: &[u8], seen: &mut Seen) {
    let numbers = without_memory(|| decode(bytes, seen));
    again(bytes);
    let mut router = Router::in_conversation(numbers.ours, numbers.theirs);
    router.replica.handle_datagram(router.now, LINK, bytes);
    router.settle(seen);
    router.wait(Duration::from_secs(1), seen);
    // A duplicate, which is also what a resync brings.
    router.replica.handle_datagram(router.now, LINK, bytes);
    router.become_(Role::Backup, seen);
    router.wait(Duration::from_secs(6), seen);
    syncd::strangers::pages(&router.replica);
    router.become_(Role::Primary, seen);
    syncd::strangers::pages(&router.replica);
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
                        seen.note((decoded.flow.present, decoded.flow.protocol, decoded.flow.family));
                    }
                    Err(error) => seen.note((discriminant(&error), error)),
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
        let Ok(decoded) = decode_flow(&view) else { continue };
        let flow = &decoded.flow;
        let mut datagram = Datagram::with_limit(payload_limit(1500));
        encode_flow(&mut datagram, decoded.change, Flags::NONE, view.seq(), flow, options)
            .expect("every frame fits into an empty datagram");
        let once = frames(datagram.as_bytes()).next().expect("one frame").expect("our own");
        let once = decode_flow(&once).expect("our own");
        let mut second = Datagram::with_limit(payload_limit(1500));
        encode_flow(&mut second, once.change, Flags::NONE, view.seq(), &once.flow, options)
            .expect("as before");
        assert_eq!(datagram.as_bytes(), second.as_bytes(), "a flow that is passed on stays the same");
        assert_eq!((once.change, once.flow.key(), once.skipped), (decoded.change, flow.key(), 0));
        request.clear();
        match decoded.change {
            Change::New => encode::create(&mut request, 1, flow, 1),
            Change::Update => encode::update(&mut request, 1, flow, 1),
            Change::Destroy => encode::delete(&mut request, 1, flow),
        }
        encode::get_by_reply(&mut request, 1, flow);
    }
}
