//! What a real conntrackd sent: we read it as its listing says, and for the same flow we send the same bytes.
//!
//! Some captures hold attributes of flows that syncd does not carry yet; these are passed over and counted, and all
//! the rest is compared as in any other capture.

use syncd_core::flow::{AttrSet, Family, Flow, Protocol, Tuple};
use syncd_core::wire::{
    Datagram, DecodedFlow, Flags, FrameView, Full, MessageType, Options, PayloadError, Seq, decode_flow,
    encode_control, encode_flow, frames, payload_limit,
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
    let mut skipped_by_capture = Vec::new();
    for capture in captures() {
        let mut skipped = 0;
        for (place, listed, decoded) in flows(&capture) {
            let mut present = AttrSet::REPLY;
            let mut unread = 0;
            for attr in &listed.attributes {
                match reading(&decoded.flow, &attr.name) {
                    Some((ours, bit)) => {
                        let value = &attr.value;
                        let rest = value.strip_prefix(&ours);
                        let same = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
                        assert!(same, "{place}: {} is {value}, not {ours}", attr.name);
                        present = present.with(bit);
                    }
                    None => unread += 1,
                }
            }
            assert_eq!(decoded.flow.present, present, "{place}");
            assert_eq!(decoded.skipped, unread, "{place}");
            assert_eq!(Some(decoded.change), listed.kind().change(), "{place}");
            skipped += unread;
        }
        if skipped > 0 {
            skipped_by_capture.push((capture.name, skipped));
        }
    }
    // Labels; SCTP's state and tags; helper names and the parents of related flows.
    let expected = [("11_tcp_label", 4), ("18_sctp_v4", 18), ("20_ftp_pasv_expect", 15)];
    assert_eq!(skipped_by_capture, expected.map(|(name, skipped)| (name.to_owned(), skipped)));
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
            assert_eq!(datagram.as_bytes(), listed.frame(carried), "{place}");
            compared += 1;
        }
    }
    assert_eq!(compared, 186, "a capture is missing");
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
            assert_eq!(ours.as_bytes(), listed.frame(carried), "{place}");
            compared += 1;
        }
    }
    assert_eq!(compared, 166, "a capture is missing");
}

#[test]
fn expectations_are_recognised_and_are_no_flows() {
    let mut seen = Vec::new();
    for (_, datagram) in datagrams(&captures()) {
        for view in views(&bytes(&datagram.payload)) {
            if let MessageType::ExpectNew | MessageType::ExpectUpdate | MessageType::ExpectDestroy =
                view.kind()
            {
                assert_eq!(decode_flow(&view), Err(PayloadError::NotAFlow));
                seen.push(view.kind());
            }
        }
    }
    assert_eq!(seen, [MessageType::ExpectNew, MessageType::ExpectDestroy]);
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

fn views(payload: &[u8]) -> Vec<FrameView<'_>> {
    frames(payload).collect::<Result<_, _>>().expect("conntrackd's own frames")
}

/// What we hold of the attribute `name`, in the words of the listings, and the bit that says we know it.
/// `None` for what syncd does not carry.
fn reading(flow: &Flow, name: &str) -> Option<(String, AttrSet)> {
    let (original, reply) = (flow.original, flow.reply);
    let swapped = |port: u16| format!("{port} read little-endian");
    // ICMP's two port translations mean nothing: we hold none.
    let port = |port: u16| swapped(if flow.protocol.is_icmp() { 0 } else { port });
    let derived = AttrSet::REPLY;
    Some(match name {
        "IPV4" | "IPV6" => {
            let (source, target) = (original.source.ip(flow.family), original.target.ip(flow.family));
            (format!("{source} -> {target}"), AttrSet::EMPTY)
        }
        "L4PROTO" => (flow.protocol.0.to_string(), AttrSet::EMPTY),
        "PORT" => (format!("sport={} dport={}", original.source_port, original.target_port), AttrSet::EMPTY),
        "ICMP_TYPE" => (original.icmp_type().to_string(), AttrSet::EMPTY),
        "ICMP_CODE" => (original.icmp_code().to_string(), AttrSet::EMPTY),
        "ICMP_ID" => (swapped(original.icmp_id()), AttrSet::EMPTY),
        "SNAT_IPV4" | "SNAT_IPV6" => (reply.target.ip(flow.family).to_string(), derived),
        "DNAT_IPV4" | "DNAT_IPV6" => (reply.source.ip(flow.family).to_string(), derived),
        "SPAT_PORT" => (port(reply.target_port), derived),
        "DPAT_PORT" => (port(reply.source_port), derived),
        "STATUS" => (format!("{:#010x}", flow.status.0), AttrSet::STATUS),
        "TIMEOUT" => (format!("{0} ({0:#x})", flow.timeout), AttrSet::TIMEOUT),
        "MARK" => (format!("{0} ({0:#x})", flow.mark), AttrSet::MARK),
        "ZONE" => (flow.zone.to_string(), AttrSet::ZONE),
        "TCP_STATE" => (format!("{} {}", flow.tcp_state.0, flow.tcp_state.name()), AttrSet::TCP_STATE),
        "TCP_WSCALE_ORIG" => (flow.tcp_scale_original.to_string(), AttrSet::TCP_SCALE),
        "TCP_WSCALE_REPL" => (flow.tcp_scale_reply.to_string(), AttrSet::TCP_SCALE),
        "SYNPROXY" => ("its=0 isn=0 tsoff=0".to_owned(), AttrSet::SYNPROXY_ZERO),
        _ => return None,
    })
}

/// Whether syncd carries this attribute.
fn carried(attr: &ListedAttr) -> bool {
    let any = Flow::new(Family::V4, Protocol::TCP, Tuple::default());
    reading(&any, &attr.name).is_some()
}

/// Says the same as the listed message. Window scales are said when they were, as conntrackd's configuration decides.
fn say(datagram: &mut Datagram, listed: &Listed, decoded: &DecodedFlow) -> Result<(), Full> {
    let options = Options { window_scale: decoded.flow.has(AttrSet::TCP_SCALE) };
    encode_flow(datagram, decoded.change, listed.flags(), Seq(listed.seq), &decoded.flow, options)
}
