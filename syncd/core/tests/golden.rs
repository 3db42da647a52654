//! What a real conntrackd sent: we read it as its listing says, and for the same flow or expectation we send the same
//! bytes.

use syncd_core::flow::{AttrSet, Expectation, ExtraSet, Family, FlowRef, SequenceShift, Synproxy, Tuple};
use syncd_core::wire::{
    Datagram, DecodedExpectation, DecodedFlow, Flags, FrameView, Full, MessageType, Options, PayloadError,
    Seq, decode_expectation, decode_flow, encode_control, encode_expectation, encode_flow, frames,
    payload_limit,
};

mod fixture;
mod listing;

use fixture::bytes;
use listing::{Capture, Captured, Listed, ListedAttr};

#[test]
fn every_datagram_splits_into_the_listed_messages() {
    for (place, datagram) in datagrams(&captures()) {
        let payload = bytes(&datagram.payload);
        let views = views(&payload);
        assert_eq!(views.len(), datagram.messages.len(), "{place}");
        for (view, listed) in views.iter().zip(&datagram.messages) {
            assert_eq!(view.kind(), listed.kind(), "{place}");
            assert_eq!(view.flags(), listed.flags(), "{place}");
            assert_eq!(view.seq(), Seq(listed.seq), "{place}");
            assert_eq!(view.control(), listed.control(), "{place}");
            assert_eq!(view.hello(), listed.flags.iter().any(|flag| flag == "HELLO"), "{place}");
            assert_eq!(view.hello_back(), listed.flags.iter().any(|flag| flag == "HELLO_BACK"), "{place}");
        }
    }
}

#[test]
fn every_attribute_means_what_the_listing_says() {
    let mut compared = 0;
    for capture in captures() {
        for (place, listed, decoded) in flows(&capture) {
            let (mut present, mut extras) = (AttrSet::REPLY, ExtraSet::EMPTY);
            for attr in &listed.attributes {
                let (ours, bit) = reading(decoded.whole(), &attr.name);
                agree(&place, attr, &ours);
                match bit {
                    Bit::Flow(bit) => present = present.with(bit),
                    Bit::Extra(bit) => {
                        (present, extras) = (present.with(AttrSet::EXTRAS), extras.with(bit));
                    }
                }
                compared += 1;
            }
            assert_eq!((decoded.flow.present, decoded.extras.present), (present, extras), "{place}");
            assert_eq!(decoded.skipped, 0, "{place}");
            assert_eq!(Some(decoded.change), listed.kind().change(), "{place}");
        }
    }
    assert_eq!(compared, 1491, "a capture is missing");
}

#[test]
fn every_attribute_of_an_expectation_means_what_the_listing_says() {
    let mut compared = 0;
    for capture in captures() {
        for (place, listed, decoded) in expectations(&capture) {
            for attr in &listed.attributes {
                agree(&place, attr, &reading_expectation(&decoded.expectation, &attr.name));
                compared += 1;
            }
            assert_eq!(decoded.skipped, 0, "{place}");
            assert_eq!(Some(decoded.change), listed.kind().expectation_change(), "{place}");
        }
    }
    assert_eq!(compared, 2 * 13 + 2 * 18 + 16, "a capture is missing");
}

/// The listing begins with our value, and says it perhaps in other words after a blank.
fn agree(place: &str, attr: &ListedAttr, ours: &str) {
    let value = &attr.value;
    let rest = value.strip_prefix(ours);
    let same = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    assert!(same, "{place}: {} is {value}, not {ours}", attr.name);
}

#[test]
fn untranslated_flows_have_the_plain_reply() {
    for capture in captures() {
        for (place, listed, decoded) in flows(&capture) {
            let translation =
                |attr: &ListedAttr| attr.name.starts_with("SNAT_") || attr.name.starts_with("DNAT_");
            let translated = listed.attributes.iter().any(translation);
            let plain = decoded.flow.original.inverse(decoded.flow.protocol);
            assert_eq!(decoded.flow.reply != plain, translated, "{place}");
        }
    }
}

#[test]
fn we_send_what_conntrackd_sends_for_the_same_flow() {
    let mut compared = 0;
    for capture in captures() {
        for (place, listed, decoded) in flows(&capture) {
            let mut datagram = Datagram::with_limit(payload_limit(1500));
            assert_eq!(say(&mut datagram, listed, &decoded), Ok(()), "{place}");
            assert_eq!(datagram.as_bytes(), listed.frame(&listed.attributes), "{place}");
            compared += 1;
        }
    }
    assert_eq!(compared, 200, "a capture is missing");
}

#[test]
fn we_pack_a_bulk_as_conntrackd_does() {
    for name in ["22_resync_request_bulk", "23_bulk_send_B"] {
        let all = captures();
        let capture = all.iter().find(|capture| capture.name == name).expect("a capture of a bulk");
        let mut packed = Vec::new();
        let mut datagram = Datagram::with_limit(payload_limit(1500));
        for (place, listed, decoded) in flows(capture) {
            if say(&mut datagram, listed, &decoded) == Err(Full) {
                packed.push(datagram.as_bytes().to_vec());
                datagram.clear();
                assert_eq!(say(&mut datagram, listed, &decoded), Ok(()), "{place}");
            }
        }
        packed.push(datagram.as_bytes().to_vec());
        let bulk = capture.datagrams.iter().filter(|captured| captured.messages[0].kind == "CT_NEW");
        assert_eq!(packed, bulk.map(|captured| bytes(&captured.payload)).collect::<Vec<_>>());
    }
}

#[test]
fn we_send_control_messages_as_conntrackd_does() {
    let mut compared = 0;
    for (place, datagram) in datagrams(&captures()) {
        for listed in &datagram.messages {
            let Some(control) = listed.control() else { continue };
            let mut ours = Datagram::with_limit(payload_limit(1500));
            let greetings = Flags(listed.flags().0 & !control.flag().0);
            assert_eq!(encode_control(&mut ours, control, greetings, Seq(listed.seq)), Ok(()), "{place}");
            assert_eq!(ours.as_bytes(), listed.frame(&listed.attributes), "{place}");
            compared += 1;
        }
    }
    assert_eq!(compared, 174, "a capture is missing");
}

#[test]
fn we_send_what_conntrackd_sends_for_the_same_expectation() {
    let mut compared = Vec::new();
    for capture in captures() {
        for (place, listed, decoded) in expectations(&capture) {
            let mut datagram = Datagram::with_limit(payload_limit(1500));
            let (flags, seq) = (listed.flags(), Seq(listed.seq));
            let written = encode_expectation(&mut datagram, decoded.change, flags, seq, &decoded.expectation);
            assert_eq!(written, Ok(()), "{place}");
            assert_eq!(datagram.as_bytes(), listed.frame(&listed.attributes), "{place}");
            compared.push(listed.kind());
        }
    }
    let (new, destroy) = (MessageType::ExpectNew, MessageType::ExpectDestroy);
    assert_eq!(compared, [new, destroy, new, new, destroy]);
}

#[test]
fn flows_and_expectations_are_not_taken_for_each_other() {
    for (place, datagram) in datagrams(&captures()) {
        for view in views(&bytes(&datagram.payload)) {
            if view.change().is_none() {
                assert_eq!(decode_flow(&view), Err(PayloadError::NotAFlow), "{place}");
            }
            if view.expectation_change().is_none() {
                assert_eq!(decode_expectation(&view), Err(PayloadError::NotAnExpectation), "{place}");
            }
        }
    }
}

fn captures() -> Vec<Capture> {
    let read = fixture::captures::<Capture>().into_iter();
    read.map(|(name, capture)| Capture { name, ..capture }).collect()
}

/// Every datagram of every capture, with words that say where it stands.
fn datagrams(captures: &[Capture]) -> impl Iterator<Item = (String, &Captured)> {
    captures.iter().flat_map(|capture| {
        let numbered = capture.datagrams.iter().enumerate();
        numbered.map(|(number, datagram)| (format!("{} #{number}", capture.name), datagram))
    })
}

/// Every flow message of a capture: where it stands, what the listing says, what we read.
fn flows(capture: &Capture) -> impl Iterator<Item = (String, &Listed, DecodedFlow)> {
    datagrams(std::slice::from_ref(capture)).flat_map(|(place, datagram)| {
        let payload = bytes(&datagram.payload);
        let flows: Vec<_> = views(&payload)
            .iter()
            .zip(&datagram.messages)
            .filter(|(view, _)| view.change().is_some())
            .map(|(view, listed)| (place.clone(), listed, decode_flow(view).expect("conntrackd's own flow")))
            .collect();
        flows
    })
}

/// Every expectation message of a capture, as above.
fn expectations(capture: &Capture) -> Vec<(String, &Listed, DecodedExpectation)> {
    let mut found = Vec::new();
    for (place, datagram) in datagrams(std::slice::from_ref(capture)) {
        let payload = bytes(&datagram.payload);
        let views = views(&payload);
        let pairs = views.iter().zip(&datagram.messages);
        for (view, listed) in pairs.filter(|(view, _)| view.expectation_change().is_some()) {
            let decoded = decode_expectation(view).expect("conntrackd's own expectation");
            found.push((place.clone(), listed, decoded));
        }
    }
    found
}

fn views(payload: &[u8]) -> Vec<FrameView<'_>> {
    frames(payload).collect::<Result<_, _>>().expect("conntrackd's own frames")
}

/// The bit that says that an attribute is known.
enum Bit {
    Flow(AttrSet),
    Extra(ExtraSet),
}

/// What we hold of the attribute `name`, in the words of the listings, and the bit that says we know it.
fn reading(flow: FlowRef<'_>, name: &str) -> (String, Bit) {
    let (original, reply) = (flow.original, flow.reply);
    let swapped = |port: u16| format!("{port} read little-endian");
    // ICMP's two port translations mean nothing: we hold none.
    let port = |port: u16| swapped(if flow.protocol.is_icmp() { 0 } else { port });
    let (identity, derived) = (AttrSet::EMPTY, AttrSet::REPLY);
    let (text, bit) = match name {
        "IPV4" | "IPV6" => (addresses(flow.family, &original), identity),
        "L4PROTO" => (flow.protocol.0.to_string(), identity),
        "PORT" => (ports(&original), identity),
        "ICMP_TYPE" => (original.icmp_type().to_string(), identity),
        "ICMP_CODE" => (original.icmp_code().to_string(), identity),
        "ICMP_ID" => (swapped(original.icmp_id()), identity),
        "SNAT_IPV4" | "SNAT_IPV6" => (reply.target.ip(flow.family).to_string(), derived),
        "DNAT_IPV4" | "DNAT_IPV6" => (reply.source.ip(flow.family).to_string(), derived),
        "SPAT_PORT" => (port(reply.target_port), derived),
        "DPAT_PORT" => (port(reply.source_port), derived),
        "STATUS" => (format!("{:#010x}", flow.status.0), AttrSet::STATUS),
        "TIMEOUT" => (number(flow.timeout), AttrSet::TIMEOUT),
        "MARK" => (number(flow.mark), AttrSet::MARK),
        "ZONE" => (flow.zone.to_string(), AttrSet::ZONE),
        "TCP_STATE" => (format!("{} {}", flow.tcp_state.0, flow.tcp_state.name()), AttrSet::TCP_STATE),
        "TCP_WSCALE_ORIG" => (flow.tcp_scale_original.to_string(), AttrSet::TCP_SCALE),
        "TCP_WSCALE_REPL" => (flow.tcp_scale_reply.to_string(), AttrSet::TCP_SCALE),
        "SYNPROXY" if flow.has(AttrSet::SYNPROXY_ZERO) => {
            (synproxy(Synproxy::default()), AttrSet::SYNPROXY_ZERO)
        }
        rare => {
            let (text, bit) = reading_rare(flow, rare);
            return (text, Bit::Extra(bit));
        }
    };
    (text, Bit::Flow(bit))
}

fn reading_rare(flow: FlowRef<'_>, name: &str) -> (String, ExtraSet) {
    let extras = flow.extras.unwrap_or_else(|| panic!("extras, for {name}"));
    let parent = extras.parent;
    match name {
        "SCTP_STATE" => (extras.sctp_state.0.to_string(), ExtraSet::SCTP_STATE),
        "SCTP_VTAG_ORIG" => (number(extras.sctp_tags[0]), ExtraSet::SCTP_TAGS),
        "SCTP_VTAG_REPL" => (number(extras.sctp_tags[1]), ExtraSet::SCTP_TAGS),
        "MASTER_IPV4" | "MASTER_IPV6" => (addresses(parent.family, &parent.original), ExtraSet::PARENT),
        "MASTER_L4PROTO" => (parent.protocol.0.to_string(), ExtraSet::PARENT),
        "MASTER_PORT" => (ports(&parent.original), ExtraSet::PARENT),
        "HELPER_NAME" => (c_string(extras.helper.as_str()), ExtraSet::HELPER),
        "NAT_SEQ_ADJ" => {
            let [original, reply] = extras.sequence.map(shift);
            (format!("original {original}, reply {reply}"), ExtraSet::SEQUENCE)
        }
        "SYNPROXY" => (synproxy(extras.synproxy), ExtraSet::SYNPROXY),
        "LABELS" => {
            let words: Vec<_> = extras.labels.words().iter().map(|word| format!("{word:08x}")).collect();
            (words.join(" "), ExtraSet::LABELS)
        }
        unknown => panic!("an attribute {unknown}"),
    }
}

fn reading_expectation(expectation: &Expectation, name: &str) -> String {
    let Expectation { parent, tuple, mask, .. } = expectation;
    let translation = || expectation.nat.expect("a translation");
    match name {
        "MASTER_IPV4" | "MASTER_IPV6" => addresses(parent.family, &parent.original),
        "MASTER_L4PROTO" => parent.protocol.0.to_string(),
        "MASTER_PORT" => ports(&parent.original),
        "EXPECT_IPV4" | "EXPECT_IPV6" => addresses(parent.family, tuple),
        "EXPECT_L4PROTO" => expectation.protocol.0.to_string(),
        "EXPECT_PORT" => ports(tuple),
        "MASK_IPV4" | "MASK_IPV6" => addresses(parent.family, mask),
        "MASK_L4PROTO" => expectation.mask_protocol.0.to_string(),
        "MASK_PORT" => ports(mask),
        "TIMEOUT" => number(expectation.timeout.expect("a timeout")),
        "FLAGS" => number(expectation.flags.0),
        "CLASS" => number(expectation.class.expect("a class")),
        "NAT_IPV4" => addresses(Family::V4, &translation().tuple),
        "NAT_L4PROTO" => translation().protocol.0.to_string(),
        "NAT_PORT" => ports(&translation().tuple),
        "NAT_DIR" => number(translation().direction),
        "HELPER_NAME" => c_string(expectation.helper.as_str()),
        "FN" => c_string(expectation.function.as_str()),
        unknown => panic!("an attribute {unknown}"),
    }
}

fn addresses(family: Family, tuple: &Tuple) -> String {
    format!("{} -> {}", tuple.source.ip(family), tuple.target.ip(family))
}

fn ports(tuple: &Tuple) -> String {
    format!("sport={} dport={}", tuple.source_port, tuple.target_port)
}

fn shift(shift: SequenceShift) -> String {
    let (before, after) = (shift.before.cast_signed(), shift.after.cast_signed());
    format!("pos={} before={before} after={after}", shift.position)
}

fn synproxy(numbers: Synproxy) -> String {
    format!("its={} isn={} tsoff={}", numbers.its, numbers.isn, numbers.offset)
}

fn number(value: u32) -> String {
    format!("{value} ({value:#x})")
}

fn c_string(name: &str) -> String {
    format!("'{name}\\x00'")
}

/// Says the same as the listed message. Window scales are said when they were, as conntrackd's configuration decides.
fn say(datagram: &mut Datagram, listed: &Listed, decoded: &DecodedFlow) -> Result<(), Full> {
    let options = Options { window_scale: decoded.flow.has(AttrSet::TCP_SCALE) };
    encode_flow(datagram, decoded.change, listed.flags(), Seq(listed.seq), decoded.whole(), options)
}
