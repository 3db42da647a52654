//! Flows and expectations as conntrackd's `-x` writes them: one element a line, nothing around them.
//!
//! VyOS's own commands read this line by line. Tested in `show/tests/xml.rs`.

use std::fmt::Write;

use syncd_core::flow::{
    AttrSet, ExpectFlags, Expectation, ExtraSet, Extras, Family, FlowRef, Protocol, Status, Tuple,
};

/// A flow.
pub(crate) fn flow(flow: FlowRef<'_>) -> String {
    let mut out = String::from("<flow>");
    direction(&mut out, "original", flow, &flow.original);
    if flow.has(AttrSet::REPLY) {
        direction(&mut out, "reply", flow, &flow.reply);
    } else {
        out.push_str("<meta direction=\"reply\"><layer3 protonum=\"0\" protoname=\"unknown\"><src></src><dst></dst></layer3>");
        out.push_str("<layer4 protonum=\"0\" protoname=\"unknown\"></layer4></meta>");
    }
    out.push_str("<meta direction=\"independent\">");
    let has_extra = |what| flow.extras.filter(|extras| extras.has(what));
    if flow.protocol == Protocol::TCP && flow.has(AttrSet::TCP_STATE) {
        element(&mut out, "state", flow.tcp_state.name());
    }
    if let Some(extras) = has_extra(ExtraSet::SCTP_STATE) {
        element(&mut out, "state", extras.sctp_state.name());
    }
    if flow.has(AttrSet::MARK) {
        element(&mut out, "mark", flow.mark);
    }
    if flow.zone != 0 {
        element(&mut out, "zone", flow.zone);
    }
    if flow.has(AttrSet::ID) {
        element(&mut out, "id", flow.id);
    }
    if flow.has(AttrSet::STATUS) && flow.status.has(Status::ASSURED) {
        out.push_str("<assured/>");
    }
    if flow.has(AttrSet::STATUS) && !flow.status.has(Status::SEEN_REPLY) {
        out.push_str("<unreplied/>");
    }
    out.push_str("</meta>");
    if let Some(helper) = flow.extras.and_then(Extras::helper) {
        element(&mut out, "helper", escaped(helper.as_str()));
    }
    out.push_str("</flow>");
    out
}

fn direction(out: &mut String, name: &str, flow: FlowRef<'_>, tuple: &Tuple) {
    // Writing to a string cannot fail, here and below.
    _ = write!(out, "<meta direction=\"{name}\">");
    layer3(out, flow.family, |out| {
        element(out, "src", tuple.source.ip(flow.family));
        element(out, "dst", tuple.target.ip(flow.family));
    });
    layer4(out, flow.protocol, |out| ports(out, flow.protocol, tuple));
    out.push_str("</meta>");
}

/// An expectation. It has no directions.
pub(crate) fn expectation(expectation: &Expectation) -> String {
    let family = expectation.family();
    let mut out = String::from("<flow>");
    let parts = [
        ("expected", expectation.protocol, &expectation.tuple),
        ("mask", expectation.protocol, &expectation.mask),
        ("master", expectation.parent.protocol, &expectation.parent.original),
    ];
    layer3(&mut out, family, |out| {
        for (name, _, tuple) in parts {
            nested(out, name, |out| {
                element(out, "src", tuple.source.ip(family));
                element(out, "dst", tuple.target.ip(family));
            });
        }
    });
    layer4(&mut out, expectation.protocol, |out| {
        for (name, protocol, tuple) in parts {
            nested(out, name, |out| ports(out, protocol, tuple));
        }
    });
    nested(&mut out, "meta", |out| {
        if !expectation.helper.is_empty() {
            element(out, "helper-name", escaped(expectation.helper.as_str()));
        }
        if let Some(class) = expectation.class {
            element(out, "class", class);
        }
        let flags = [
            (ExpectFlags::PERMANENT, "<permanent/>"),
            (ExpectFlags::INACTIVE, "<inactive/>"),
            (ExpectFlags::USERSPACE, "<userspace/>"),
        ];
        flags
            .iter()
            .filter(|(flag, _)| expectation.flags.has(*flag))
            .for_each(|(_, word)| out.push_str(word));
    });
    out.push_str("</flow>");
    out
}

/// A page without its element names is data; a helper's name comes from the peer.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn layer3(out: &mut String, family: Family, fill: impl FnOnce(&mut String)) {
    // The numbers are AF_INET and AF_INET6.
    let (number, name) = if family == Family::V4 { (2, "ipv4") } else { (10, "ipv6") };
    _ = write!(out, "<layer3 protonum=\"{number}\" protoname=\"{name}\">");
    fill(out);
    out.push_str("</layer3>");
}

fn layer4(out: &mut String, protocol: Protocol, fill: impl FnOnce(&mut String)) {
    _ = write!(out, "<layer4 protonum=\"{}\" protoname=\"{}\">", protocol.0, protocol.name());
    fill(out);
    out.push_str("</layer4>");
}

/// ICMP has none, and neither does conntrackd say its id.
fn ports(out: &mut String, protocol: Protocol, tuple: &Tuple) {
    if protocol.has_kernel_ports() && protocol != Protocol::GRE {
        element(out, "sport", tuple.source_port);
        element(out, "dport", tuple.target_port);
    }
}

fn nested(out: &mut String, name: &str, fill: impl FnOnce(&mut String)) {
    _ = write!(out, "<{name}>");
    fill(out);
    _ = write!(out, "</{name}>");
}

fn element(out: &mut String, name: &str, value: impl std::fmt::Display) {
    _ = write!(out, "<{name}>{value}</{name}>");
}
