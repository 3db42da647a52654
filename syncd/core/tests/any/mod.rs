//! Any flow and any expectation that conntrackd's messages can say, for property tests of this crate and of
//! `syncd-conntrack`.

use proptest::array::{uniform2, uniform4};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed};
use syncd_core::flow::{
    Address, AttrSet, Dccp, ExpectFlags, ExpectNat, Expectation, ExtraSet, Extras, Family, Flow, FnName,
    HelperName, Labels, Parent, Protocol, SctpState, SequenceShift, Status, Synproxy, TcpState, Tuple, Whole,
};

/// So many cases, the same in every run.
pub(crate) fn cases(cases: u32) -> Config {
    Config { cases, rng_seed: RngSeed::Fixed(0x5eed_0001), failure_persistence: None, ..Config::default() }
}

pub(crate) fn family() -> impl Strategy<Value = Family> {
    select(vec![Family::V4, Family::V6])
}

fn address(family: Family) -> impl Strategy<Value = Address> {
    any::<[u8; 16]>().prop_map(move |bytes| match family {
        Family::V4 => Address::from_v4([bytes[0], bytes[1], bytes[2], bytes[3]]),
        Family::V6 => Address::from_v6(bytes),
    })
}

/// Not zero: nobody is translated to that one.
fn port() -> impl Strategy<Value = u16> {
    1_u16..
}

/// An original tuple with what the wire says of that protocol.
fn tuple(family: Family, protocol: Protocol) -> impl Strategy<Value = Tuple> {
    let numbers = (port(), port(), any::<u8>(), any::<u8>());
    (address(family), address(family), numbers).prop_map(move |(source, target, (id, to, kind, code))| {
        if protocol.is_icmp() {
            Tuple::icmp(source, target, id, kind, code)
        } else if protocol.has_wire_ports() {
            Tuple { source, target, source_port: id, target_port: to }
        } else {
            Tuple { source, target, source_port: 0, target_port: 0 }
        }
    })
}

fn protocol(family: Family) -> impl Strategy<Value = Protocol> {
    let icmp = if family == Family::V4 { Protocol::ICMP } else { Protocol::ICMP6 };
    let known = [
        Protocol::TCP,
        Protocol::UDP,
        icmp,
        Protocol::SCTP,
        Protocol::DCCP,
        Protocol::GRE,
        Protocol::UDPLITE,
        Protocol(50),
    ];
    select(known.to_vec())
}

fn parent() -> impl Strategy<Value = Parent> {
    let protocol = select(vec![Protocol::TCP, Protocol::UDP, Protocol::SCTP, Protocol(50)]);
    (family(), protocol).prop_flat_map(|(family, protocol)| {
        tuple(family, protocol).prop_map(move |original| Parent { original, family, protocol })
    })
}

/// A helper's name that conntrackd takes.
fn helper() -> impl Strategy<Value = HelperName> {
    "[!-~]{1,11}".prop_map(|name| HelperName::new(name.as_bytes()).expect("a short name"))
}

fn labels() -> impl Strategy<Value = Labels> {
    (1..=Labels::WORDS, 1_u32.., uniform4(any::<u32>())).prop_map(|(words, first, mut all)| {
        all[0] = first;
        Labels::new(all[..words].iter().copied())
    })
}

/// What few flows of that protocol have.
pub(crate) fn extras(protocol: Protocol) -> impl Strategy<Value = Extras> {
    let shift = (any::<u32>(), any::<u32>(), any::<u32>())
        .prop_map(|(position, before, after)| SequenceShift { position, before, after });
    let synproxy =
        (1_u32.., any::<u32>(), any::<u32>()).prop_map(|(isn, its, offset)| Synproxy { isn, its, offset });
    let protocols = (0_u8..9, uniform2(any::<u32>()), any::<u8>(), any::<u8>());
    let rare = (uniform2(shift), synproxy, labels(), helper(), parent());
    (protocols, rare, any::<u8>()).prop_map(move |((state, tags, dccp, role), rare, wanted)| {
        let mut extras = Extras::EMPTY;
        let (sequence, synproxy, labels, helper, parent) = rare;
        let wants = |bit: u32| wanted & 1 << bit != 0;
        let sets: [(bool, ExtraSet); 8] = [
            (protocol == Protocol::SCTP && wants(0), ExtraSet::SCTP_STATE),
            (protocol == Protocol::SCTP && wants(1), ExtraSet::SCTP_TAGS),
            (protocol == Protocol::DCCP && wants(2), ExtraSet::DCCP),
            (wants(3), ExtraSet::SEQUENCE),
            (wants(4), ExtraSet::SYNPROXY),
            (wants(5), ExtraSet::LABELS),
            (wants(6), ExtraSet::HELPER),
            (wants(7), ExtraSet::PARENT),
        ];
        let all = Extras {
            parent,
            sequence,
            labels,
            synproxy,
            sctp_tags: tags,
            helper,
            sctp_state: SctpState(state),
            dccp: Dccp { state: dccp, role },
            present: sets
                .iter()
                .filter(|(said, _)| *said)
                .fold(ExtraSet::EMPTY, |set, (_, bit)| set.with(*bit)),
        };
        extras.merge(&all);
        extras
    })
}

/// What is said of a flow besides its identity and its translation.
fn described() -> impl Strategy<Value = (AttrSet, [u32; 3], u16, [u8; 3])> {
    let said = (any::<u16>(), uniform2(any::<u32>()), any::<u32>(), port());
    (said, 0..=TcpState::MAX.0, 0_u8..15, 0_u8..15).prop_map(
        |((bits, [a, b], c, zone), state, one, other)| {
            let wants = |bit: u32, set| if bits & 1 << bit != 0 { set } else { AttrSet::EMPTY };
            let sets = [
                wants(0, AttrSet::STATUS),
                wants(1, AttrSet::TIMEOUT),
                wants(2, AttrSet::MARK),
                wants(3, AttrSet::ZONE),
                wants(4, AttrSet::SYNPROXY_ZERO),
                wants(5, AttrSet::TCP_STATE),
                wants(6, AttrSet::TCP_SCALE),
            ];
            (sets.into_iter().fold(AttrSet::REPLY, AttrSet::with), [a, b, c], zone, [state, one, other])
        },
    )
}

/// Any flow. ICMP's translated id cannot be said; a translation without the bit that it is decided is not sent.
pub(crate) fn whole() -> impl Strategy<Value = Whole> {
    let identity = family().prop_flat_map(|family| (Just(family), protocol(family)));
    identity
        .prop_flat_map(|(family, protocol)| {
            let reply = (address(family), address(family), port(), port(), any::<u8>());
            (Just((family, protocol)), tuple(family, protocol), reply, described(), extras(protocol))
        })
        .prop_map(|((family, protocol), original, reply, (mut present, numbers, zone, tcp), extras)| {
            let mut flow = Flow::new(family, protocol, original);
            if protocol != Protocol::TCP {
                present = present.without(AttrSet::TCP_STATE.with(AttrSet::TCP_SCALE));
            }
            if !present.has(AttrSet::TCP_STATE) {
                // conntrackd says scales only beside a state.
                present = present.without(AttrSet::TCP_SCALE);
            }
            if extras.has(ExtraSet::SYNPROXY) {
                present = present.without(AttrSet::SYNPROXY_ZERO);
            }
            flow.present = present;
            if flow.has(AttrSet::STATUS) {
                flow.status = Status(numbers[0]);
            }
            if flow.has(AttrSet::TIMEOUT) {
                flow.timeout = numbers[1];
            }
            if flow.has(AttrSet::MARK) {
                flow.mark = numbers[2];
            }
            if flow.has(AttrSet::ZONE) {
                flow.zone = zone;
            }
            if flow.has(AttrSet::TCP_STATE) {
                flow.tcp_state = TcpState(tcp[0]);
            }
            if flow.has(AttrSet::TCP_SCALE) {
                [flow.tcp_scale_original, flow.tcp_scale_reply] = [tcp[1], tcp[2]];
            }
            translate(&mut flow, reply);
            Whole::new(flow, extras)
        })
}

fn translate(flow: &mut Flow, (target, source, to, from, which): (Address, Address, u16, u16, u8)) {
    let decided = |bit| !flow.has(AttrSet::STATUS) || flow.status.has(bit);
    let (source_done, target_done) = (decided(Status::SRC_NAT_DONE), decided(Status::DST_NAT_DONE));
    let ports = flow.protocol.has_wire_ports();
    if source_done && which & 1 != 0 {
        flow.reply.target = target;
    }
    if target_done && which & 2 != 0 {
        flow.reply.source = source;
    }
    if source_done && ports && which & 4 != 0 {
        flow.reply.target_port = to;
    }
    if target_done && ports && which & 8 != 0 {
        flow.reply.source_port = from;
    }
}

/// Any expectation whose parent has ports. An announced IPv6 address cannot be said, nor a zone.
pub(crate) fn expectation() -> impl Strategy<Value = Expectation> {
    let ported = || select(vec![Protocol::TCP, Protocol::UDP, Protocol::SCTP]);
    let free = |family| {
        (address(family), address(family), any::<u16>(), any::<u16>()).prop_map(
            |(source, target, source_port, target_port)| Tuple { source, target, source_port, target_port },
        )
    };
    let expected = select(vec![Protocol::TCP, Protocol::UDP, Protocol::GRE]);
    (family(), ported(), expected)
        .prop_flat_map(move |(family, master, protocol)| {
            let tuples = (tuple(family, master), free(family), free(family), free(family));
            let nat = option::of((ported(), 0_u32..2));
            let names = (option::of(helper()), option::of("[!-~]{1,23}"));
            let numbers = (option::of(any::<u32>()), option::of(any::<u32>()), any::<u32>(), any::<u8>());
            (Just((family, master, protocol)), tuples, nat, names, numbers)
        })
        .prop_map(|((family, master, protocol), tuples, nat, (helper, function), numbers)| {
            let (original, tuple, mask, translated) = tuples;
            let (timeout, class, flags, mask_protocol) = numbers;
            let none = Address::from_v6([0; 16]);
            let translated = match family {
                Family::V4 => translated,
                Family::V6 => Tuple { source: none, target: none, ..translated },
            };
            Expectation {
                nat: nat.map(|(protocol, direction)| ExpectNat { tuple: translated, protocol, direction }),
                helper: helper.unwrap_or_default(),
                function: function
                    .map(|name| FnName::new(name.as_bytes()).expect("a short name"))
                    .unwrap_or_default(),
                timeout,
                class,
                flags: ExpectFlags(flags),
                mask_protocol: Protocol(mask_protocol),
                ..Expectation::new(Parent { original, family, protocol: master }, protocol, tuple, mask)
            }
        })
}
