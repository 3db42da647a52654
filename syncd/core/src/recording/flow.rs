//! A flow as bytes: every field, whether it was said or not, since all of them take part in what happens.

use alloc::vec::Vec;

use super::decoder::Damage;
use super::number::{Bytes, Coded};
use crate::flow::{
    Address, AttrSet, Change, Family, Flow, Origin, Protocol, Status, TcpFlags, TcpState, Tuple,
};

/// The addresses are written with four bytes each, for the others are zero.
const SHORT: u8 = 0x80;

impl Coded for Flow {
    fn put(&self, out: &mut Vec<u8>) {
        let Self {
            original,
            reply,
            status,
            timeout,
            mark,
            id,
            zone,
            present,
            protocol,
            family,
            tcp_state,
            tcp_scale_original,
            tcp_scale_reply,
            tcp_flags_original,
            tcp_flags_reply,
        } = self;
        let tuples = [original, reply];
        let is_short = tuples.iter().all(|tuple| is_short(tuple.source) && is_short(tuple.target));
        out.push(*family as u8 | if is_short { SHORT } else { 0 });
        for tuple in tuples {
            put_tuple(tuple, is_short, out);
        }
        out.push(protocol.0);
        present.bits().put(out);
        for number in [status.0, *timeout, *mark, u32::from(*zone)] {
            number.put(out);
        }
        out.extend_from_slice(&id.to_le_bytes());
        let flags = [tcp_flags_original.0, tcp_flags_reply.0];
        out.extend_from_slice(&[tcp_state.0, *tcp_scale_original, *tcp_scale_reply, flags[0], flags[1]]);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        let [first] = from.array()?;
        let family = family(first & !SHORT)?;
        let (original, reply) =
            (take_tuple(from, first & SHORT != 0)?, take_tuple(from, first & SHORT != 0)?);
        let [protocol] = from.array()?;
        let present = AttrSet::from_bits(Coded::take(from)?);
        let (status, timeout, mark) = (Status(Coded::take(from)?), Coded::take(from)?, Coded::take(from)?);
        let (zone, id) = (u16::take(from)?, u32::from_le_bytes(from.array()?));
        let [state, tcp_scale_original, tcp_scale_reply, flags_original, flags_reply] = from.array()?;
        Ok(Self {
            original,
            reply,
            status,
            timeout,
            mark,
            id,
            zone,
            present,
            protocol: Protocol(protocol),
            family,
            tcp_state: TcpState(state),
            tcp_scale_original,
            tcp_scale_reply,
            tcp_flags_original: TcpFlags(flags_original),
            tcp_flags_reply: TcpFlags(flags_reply),
        })
    }
}

/// The family of this number of the system.
pub(super) const fn family(number: u8) -> Result<Family, Damage> {
    match number {
        2 => Ok(Family::V4),
        10 => Ok(Family::V6),
        _ => Err(Damage::Value),
    }
}

fn is_short(address: Address) -> bool {
    address.v6()[4..] == [0; 12]
}

pub(super) fn put_tuple(tuple: &Tuple, short: bool, out: &mut Vec<u8>) {
    let Tuple { source, target, source_port, target_port } = *tuple;
    for address in [source, target] {
        if short {
            out.extend_from_slice(&address.v4());
        } else {
            out.extend_from_slice(&address.v6());
        }
    }
    out.extend_from_slice(&source_port.to_le_bytes());
    out.extend_from_slice(&target_port.to_le_bytes());
}

pub(super) fn take_tuple(from: &mut Bytes<'_>, short: bool) -> Result<Tuple, Damage> {
    let mut address =
        || Ok(if short { Address::from_v4(from.array()?) } else { Address::from_v6(from.array()?) });
    let (source, target) = (address()?, address()?);
    let mut port = || Ok(u16::from_le_bytes(from.array()?));
    Ok(Tuple { source, target, source_port: port()?, target_port: port()? })
}

impl Coded for Change {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::New => 0,
            Self::Update => 1,
            Self::Destroy => 2,
        });
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        Ok(match u8::take(from)? {
            0 => Self::New,
            1 => Self::Update,
            2 => Self::Destroy,
            _ => return Err(Damage::Value),
        })
    }
}

impl Coded for Origin {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Kernel => 0,
            Self::Ourselves => 1,
        });
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        Ok(match u8::take(from)? {
            0 => Self::Kernel,
            1 => Self::Ourselves,
            _ => return Err(Damage::Value),
        })
    }
}
