//! Whatever we send is what we would read, and whatever comes is read without harm.

mod any;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use syncd_core::flow::Change;
use syncd_core::wire::{
    Datagram, Flags, FrameView, Options, Seq, decode_expectation, decode_flow, encode_expectation,
    encode_flow, frames, payload_limit, unsaid, unsaid_of_expectation,
};

fn change() -> impl Strategy<Value = Change> {
    select(vec![Change::New, Change::Update, Change::Destroy])
}

fn only_frame(bytes: &[u8]) -> FrameView<'_> {
    let mut views = frames(bytes);
    let view = views.next().expect("a frame").expect("a frame without fault");
    assert!(views.next().is_none(), "one frame");
    view
}

proptest! {
    #![proptest_config(any::cases(4000))]

    #[test]
    fn any_flow_comes_back_as_it_was(whole in any::whole(), change in change(), seq in any::<u32>()) {
        let mut datagram = Datagram::with_limit(payload_limit(1500));
        let options = Options { window_scale: true };
        encode_flow(&mut datagram, change, Flags::NONE, Seq(seq), &whole, options).expect("room");
        let view = only_frame(datagram.as_bytes());
        prop_assert_eq!((view.seq(), view.change()), (Seq(seq), Some(change)));
        let decoded = decode_flow(&view).expect("our own flow");
        prop_assert_eq!(decoded.whole().whole(), whole);
        prop_assert_eq!((decoded.change, decoded.skipped), (change, 0));
        prop_assert_eq!(unsaid((&whole).into()), Default::default());
        // What was read is sent again in the same bytes.
        let mut again = Datagram::with_limit(payload_limit(1500));
        encode_flow(&mut again, change, Flags::NONE, Seq(seq), decoded.whole(), options).expect("room");
        prop_assert_eq!(again.as_bytes(), datagram.as_bytes());
    }

    #[test]
    fn any_expectation_comes_back_as_it_was(expectation in any::expectation(), change in change()) {
        let mut datagram = Datagram::with_limit(payload_limit(1500));
        encode_expectation(&mut datagram, change, Flags::NONE, Seq(7), &expectation).expect("room");
        let view = only_frame(datagram.as_bytes());
        let decoded = decode_expectation(&view).expect("our own expectation");
        prop_assert_eq!((decoded.change, decoded.expectation, decoded.skipped), (change, expectation, 0));
        prop_assert_eq!(unsaid_of_expectation(&expectation), Default::default());
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(mut bytes in vec(any::<u8>(), 8..160), kind in 0_u8..6) {
        // A header that passes, so that the attributes are looked at.
        let head = [0x10 | kind, 0, 0, u8::try_from(bytes.len()).expect("a short datagram")];
        bytes[..head.len()].copy_from_slice(&head);
        for frame in frames(&bytes).flatten() {
            let _either_way_is_fine = (decode_flow(&frame), decode_expectation(&frame));
        }
    }

    /// Attributes with sensible lengths get further into the decoders than noise does.
    #[test]
    fn any_attributes_are_read_without_a_panic(
        attrs in vec((0_u16..36, vec(any::<u8>(), 0..36)), 0..12),
        kind in 0_u8..6,
    ) {
        let mut bytes = vec![0x10 | kind, 0, 0, 0, 0, 0, 0, 1];
        for (number, payload) in attrs {
            bytes.extend(u16::try_from(payload.len() + 4).expect("short").to_be_bytes());
            bytes.extend(number.to_be_bytes());
            bytes.extend(payload);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        let length = u16::try_from(bytes.len()).expect("short").to_be_bytes();
        bytes[2..4].copy_from_slice(&length);
        let view = only_frame(&bytes);
        if let Ok(decoded) = decode_flow(&view) {
            let mut datagram = Datagram::with_limit(payload_limit(1500));
            let flow = decoded.whole();
            encode_flow(&mut datagram, decoded.change, Flags::NONE, Seq(1), flow, Options::default()).expect("room");
        }
        if let Ok(decoded) = decode_expectation(&view) {
            let mut datagram = Datagram::with_limit(payload_limit(1500));
            encode_expectation(&mut datagram, decoded.change, Flags::NONE, Seq(1), &decoded.expectation)
                .expect("room");
        }
    }
}
