//! Whatever we ask of the kernel is what we would read of it, and whatever comes is read without harm.

#[path = "../../core/tests/any/mod.rs"]
mod any;
mod oracle;

use proptest::collection::vec;
use proptest::prelude::*;
use syncd_conntrack::{
    Decoded, DecodedExpectation, Message, MessageView, Messages, decode, decode_expectation, encode, expect,
};
use syncd_core::flow::{AttrSet, Change, Expectation, ExtraSet, Status, Whole};

fn view(bytes: &[u8]) -> MessageView<'_> {
    match Messages::new(bytes).next() {
        Some(Ok(Message::Netfilter(view))) => view,
        other => panic!("one netfilter message, not {other:?}"),
    }
}

fn read(bytes: &[u8]) -> Decoded {
    let decoded = decode(&view(bytes), &[]).expect("our own request");
    // What a request asks for and no message of the kernel ever says: translation, and the mask of labels.
    assert!(decoded.skipped <= 3, "{decoded:?}");
    decoded
}

/// What a creation can say: not a parent of the other family, and of SCTP state and tags only together.
fn sayable(whole: &Whole) -> Whole {
    let mut extras = whole.extras;
    if extras.parent().is_some_and(|parent| parent.family != whole.family) {
        extras = extras.without(ExtraSet::PARENT);
    }
    let both = ExtraSet::SCTP_STATE.with(ExtraSet::SCTP_TAGS);
    if !extras.has(both) {
        extras = extras.without(both);
    }
    Whole::new(whole.flow, extras)
}

proptest! {
    #![proptest_config(any::cases(2000))]

    #[test]
    fn a_creation_reads_back(whole in any::whole(), timeout in any::<u32>()) {
        let want = sayable(&whole);
        let mut out = Vec::new();
        encode::create(&mut out, 7, &whole, timeout);
        prop_assert!(out.len() <= encode::MAX_REQUEST && out.len().is_multiple_of(4));
        let decoded = read(&out);
        prop_assert_eq!(decoded.change, Change::New);
        prop_assert_eq!(decoded.flow.key(), want.key());
        prop_assert_eq!((decoded.flow.timeout, decoded.flow.mark), (timeout, want.mark));
        prop_assert_eq!(decoded.flow.tcp_state, want.tcp_state);
        let scales = [want.tcp_scale_original, want.tcp_scale_reply];
        prop_assert_eq!([decoded.flow.tcp_scale_original, decoded.flow.tcp_scale_reply], scales);
        let may = want.status.0 & (Status::SEEN_REPLY | Status::ASSURED);
        prop_assert_eq!(decoded.flow.status.0, may | Status::CONFIRMED);
        // The kernel makes the translation itself: it is told the plain reply.
        prop_assert_eq!(decoded.flow.reply, want.original.inverse(want.protocol));
        // The kernel has room for all words of labels.
        let (mut read, mut asked) = (decoded.extras, want.extras);
        prop_assert_eq!(read.labels.all(), asked.labels.all());
        (read.labels, asked.labels) = Default::default();
        prop_assert_eq!(read, asked);
    }

    #[test]
    fn an_update_says_nothing_that_is_for_life(whole in any::whole()) {
        let mut out = Vec::new();
        encode::update(&mut out, 7, &whole, 60);
        let decoded = read(&out);
        prop_assert_eq!((decoded.change, decoded.flow.key()), (Change::Update, whole.key()));
        prop_assert!(!decoded.flow.has(AttrSet::REPLY));
        prop_assert!(decoded.extras.helper().is_none() && decoded.extras.parent().is_none());
    }

    #[test]
    fn a_creation_of_an_expectation_reads_back(expectation in any::expectation(), zone in any::<u16>()) {
        let want = Expectation { zone, ..expectation };
        let mut out = Vec::new();
        expect::create(&mut out, 7, &want);
        prop_assert!(out.len() <= encode::MAX_REQUEST && out.len().is_multiple_of(4));
        let DecodedExpectation { change, expectation: read, skipped, .. } =
            decode_expectation(&view(&out), &[]).expect("our own request");
        prop_assert_eq!((change, skipped), (Change::New, 0));
        // Time is asked for by a second request; the mask names the protocol that is expected.
        prop_assert_eq!(read, Expectation { timeout: None, mask_protocol: want.protocol, ..want });
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(mut bytes in vec(any::<u8>(), 20..200), subsystem in 0_u8..3, operation in 0_u8..4) {
        // Headers that pass, so that the attributes are looked at.
        let length = u32::try_from(bytes.len()).expect("short");
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes[4..6].copy_from_slice(&u16::from_be_bytes([subsystem, operation]).to_ne_bytes());
        bytes[16] = 2;
        for message in Messages::new(&bytes) {
            if let Ok(Message::Netfilter(view)) = message {
                let _either_way_is_fine = (decode(&view, &[]).is_ok(), decode_expectation(&view, &[]).is_ok());
            }
        }
    }
}
