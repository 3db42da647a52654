//! Whatever flow we send is what we would read.

extern crate std;

use super::{datagram, only_frame};
use crate::flow::{Address, AttrSet, Change, Family, Flow, Protocol, Status, TcpState, Tuple};
use crate::wire::header::Flags;
use crate::wire::message::{Options, decode_flow, encode_flow};
use crate::wire::seq::Seq;

/// Marsaglia's xorshift with 64 bits: enough to vary fields, the same in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn u32(&mut self) -> u32 {
        u32::try_from(self.next() >> 32).expect("32 bits are left")
    }

    fn below(&mut self, limit: u8) -> u8 {
        u8::try_from(self.next() % u64::from(limit)).expect("less than a byte's limit")
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    /// A port that is not zero: nobody is translated to that one.
    fn port(&mut self) -> u16 {
        u16::try_from(self.u32() >> 16).expect("16 bits are left").max(1)
    }

    fn address(&mut self, family: Family) -> Address {
        match family {
            Family::V4 => Address::from_v4(self.u32().to_be_bytes()),
            Family::V6 => {
                Address::from_v6((u128::from(self.next()) << 64 | u128::from(self.next())).to_be_bytes())
            }
        }
    }

    fn maybe(&mut self, set: &mut AttrSet, attr: AttrSet) -> bool {
        let said = self.coin();
        if said {
            *set = set.with(attr);
        }
        said
    }
}

/// Any flow that conntrackd's messages can say. ICMP's translated id cannot be said; a translation without the bit
/// that it is decided is not sent.
fn any_flow(chance: &mut Chance) -> Flow {
    let family = if chance.coin() { Family::V4 } else { Family::V6 };
    let icmp = if family == Family::V4 { Protocol::ICMP } else { Protocol::ICMP6 };
    let protocol = [Protocol::TCP, Protocol::UDP, icmp][usize::from(chance.below(3))];
    let (source, target) = (chance.address(family), chance.address(family));
    let original = if protocol.is_icmp() {
        Tuple::icmp(source, target, chance.port(), chance.below(255), chance.below(16))
    } else {
        Tuple { source, target, source_port: chance.port(), target_port: chance.port() }
    };
    let mut flow = Flow::new(family, protocol, original);
    let mut present = AttrSet::REPLY;
    let mut decided = u32::MAX;
    if chance.maybe(&mut present, AttrSet::STATUS) {
        decided = chance.u32();
        flow.status = Status(decided);
    }
    if decided & Status::SRC_NAT_DONE != 0 {
        translate(chance, protocol, family, &mut flow.reply.target, &mut flow.reply.target_port);
    }
    if decided & Status::DST_NAT_DONE != 0 {
        translate(chance, protocol, family, &mut flow.reply.source, &mut flow.reply.source_port);
    }
    if chance.maybe(&mut present, AttrSet::TIMEOUT) {
        flow.timeout = chance.u32();
    }
    if chance.maybe(&mut present, AttrSet::MARK) {
        flow.mark = chance.u32();
    }
    if chance.maybe(&mut present, AttrSet::ZONE) {
        flow.zone = chance.port();
    }
    chance.maybe(&mut present, AttrSet::SYNPROXY_ZERO);
    if protocol == Protocol::TCP && chance.maybe(&mut present, AttrSet::TCP_STATE) {
        flow.tcp_state = TcpState(chance.below(TcpState::MAX.0 + 1));
        if chance.maybe(&mut present, AttrSet::TCP_SCALE) {
            flow.tcp_scale_original = chance.below(15);
            flow.tcp_scale_reply = chance.below(15);
        }
    }
    flow.present = present;
    flow
}

fn translate(chance: &mut Chance, protocol: Protocol, family: Family, address: &mut Address, port: &mut u16) {
    if chance.coin() {
        *address = chance.address(family);
    }
    if protocol.has_wire_ports() && chance.coin() {
        *port = chance.port();
    }
}

#[test]
fn any_flow_comes_back_as_it_was() {
    let mut chance = Chance(0x5eed_0001);
    let mut datagram = datagram();
    let options = Options { window_scale: true };
    for number in 0..20_000_u32 {
        let flow = any_flow(&mut chance);
        let change = [Change::New, Change::Update, Change::Destroy][usize::from(chance.below(3))];
        datagram.clear();
        encode_flow(&mut datagram, change, Flags::NONE, Seq(number), &flow, options).expect("room");
        let view = only_frame(datagram.as_bytes());
        assert_eq!((view.seq(), view.change()), (Seq(number), Some(change)));
        let decoded = decode_flow(&view).expect("our own flow");
        assert_eq!((decoded.flow, decoded.change, decoded.skipped), (flow, change, 0));
    }
}

#[test]
fn any_bytes_at_all_are_read_without_a_panic() {
    let mut chance = Chance(0x5eed_0002);
    for _ in 0..20_000 {
        let length = usize::from(chance.below(120));
        let mut bytes: std::vec::Vec<u8> = (0..length).map(|_| chance.below(255)).collect();
        // A header that passes, so that the attributes are looked at.
        let head = [0x10, 0, 0, u8::try_from(length).expect("a short datagram")];
        if let Some(first) = bytes.first_chunk_mut() {
            *first = head;
        }
        for frame in crate::wire::datagram::frames(&bytes).flatten() {
            let _either_way_is_fine = decode_flow(&frame);
        }
    }
}
