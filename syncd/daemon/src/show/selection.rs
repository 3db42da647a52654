//! Which flows an operator wants to see: `--proto tcp --dst 10.0.0.0/8 --state established` and so on.
//!
//! Words are checked where they are typed; the daemon is told them as they are and reads them anew. Tested in
//! `show/tests/selection.rs`.

use std::net::IpAddr;
use std::str::FromStr;

use clap::Args;
use serde::{Deserialize, Serialize};
use syncd_core::filter::Network;
use syncd_core::flow::{
    Address, AttrSet, Expectation, ExtraSet, Family, FlowRef, Protocol, SctpState, Status, TcpState,
};

/// What is wanted; everything that is given must hold.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Selection {
    /// Only flows of this protocol: tcp, udp, icmp, icmpv6, sctp ..., or its number.
    #[arg(long, value_name = "PROTOCOL", value_parser = checked::<Named>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) proto: Option<String>,
    /// Only flows whose original source is this address or in this network.
    #[arg(long, value_name = "ADDRESS[/BITS]", value_parser = checked::<Net>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) src: Option<String>,
    /// Only flows whose original target is this address or in this network.
    #[arg(long, value_name = "ADDRESS[/BITS]", value_parser = checked::<Net>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dst: Option<String>,
    /// Only flows with this original source port.
    #[arg(long, value_name = "PORT", value_parser = number)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sport: Option<u16>,
    /// Only flows with this original target port.
    #[arg(long, value_name = "PORT", value_parser = number)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dport: Option<u16>,
    /// Only flows in this state of TCP or SCTP, as it is printed, or: assured, unreplied.
    #[arg(long, value_name = "STATE", value_parser = checked::<State>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<String>,
    /// Only flows of this conntrack zone.
    #[arg(long, value_name = "ZONE", value_parser = number)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) zone: Option<u16>,
    /// Only flows with this mark, of which the bits of the mask count.
    #[arg(long, value_name = "MARK[/MASK]", value_parser = checked::<Mark>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mark: Option<String>,
}

/// A [`Selection`] that has been read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Chosen {
    proto: Option<Named>,
    src: Option<Net>,
    dst: Option<Net>,
    sport: Option<u16>,
    dport: Option<u16>,
    state: Option<State>,
    zone: Option<u16>,
    mark: Option<Mark>,
}

impl Selection {
    /// Reads the words.
    ///
    /// # Errors
    ///
    /// Which of them makes no sense, and what would.
    pub(crate) fn read(&self) -> Result<Chosen, String> {
        let chosen = Chosen {
            proto: read(self.proto.as_deref())?,
            src: read(self.src.as_deref())?,
            dst: read(self.dst.as_deref())?,
            sport: self.sport,
            dport: self.dport,
            state: read(self.state.as_deref())?,
            zone: self.zone,
            mark: read(self.mark.as_deref())?,
        };
        match (chosen.src, chosen.dst) {
            (Some(src), Some(dst)) if src.0.family() != dst.0.family() => {
                Err("--src and --dst are one IPv4 and one IPv6: no flow has both".to_owned())
            }
            _ => Ok(chosen),
        }
    }
}

fn read<T: FromStr<Err = String>>(word: Option<&str>) -> Result<Option<T>, String> {
    word.map(str::parse).transpose()
}

/// For clap: the word as it is, if it can be read.
fn checked<T: FromStr<Err = String>>(word: &str) -> Result<String, String> {
    word.parse::<T>().map(|_| word.to_owned())
}

/// For clap: a port or a zone.
fn number(word: &str) -> Result<u16, String> {
    word.parse().map_err(|_| format!("a number from 0 to {}", u16::MAX))
}

impl Chosen {
    /// Refuses addresses of another family than the one that is looked at.
    ///
    /// # Errors
    ///
    /// Where to look instead.
    pub(crate) fn require(&self, family: Family) -> Result<(), String> {
        let other = [self.src, self.dst].into_iter().flatten().any(|wanted| wanted.0.family() != family);
        let (here, there) = if family == Family::V4 { ("ipv4", "ipv6") } else { ("ipv6", "ipv4") };
        if other {
            Err(format!(
                "no flow of the {here} table has an address of the other family; look at 'table {there}'"
            ))
        } else {
            Ok(())
        }
    }

    /// Whether the flow is wanted.
    pub(crate) fn admits(&self, flow: FlowRef<'_>) -> bool {
        let original = &flow.original;
        let ports = flow.protocol.has_kernel_ports();
        self.proto.is_none_or(|wanted| wanted.0 == flow.protocol)
            && self.src.is_none_or(|wanted| wanted.0.contains(flow.family, original.source))
            && self.dst.is_none_or(|wanted| wanted.0.contains(flow.family, original.target))
            && self.sport.is_none_or(|wanted| ports && wanted == original.source_port)
            && self.dport.is_none_or(|wanted| ports && wanted == original.target_port)
            && self.state.is_none_or(|wanted| wanted.admits(flow))
            && self.zone.is_none_or(|wanted| wanted == flow.zone)
            && self
                .mark
                .is_none_or(|wanted| wanted.admits(if flow.has(AttrSet::MARK) { flow.mark } else { 0 }))
    }

    /// Whether the expectation is wanted: by what is expected. It has neither state nor mark.
    pub(crate) fn admits_expectation(&self, expectation: &Expectation) -> bool {
        let (family, tuple) = (expectation.family(), &expectation.tuple);
        self.proto.is_none_or(|wanted| wanted.0 == expectation.protocol)
            && self.src.is_none_or(|wanted| wanted.0.contains(family, tuple.source))
            && self.dst.is_none_or(|wanted| wanted.0.contains(family, tuple.target))
            && self.sport.is_none_or(|wanted| wanted == tuple.source_port)
            && self.dport.is_none_or(|wanted| wanted == tuple.target_port)
            && self.state.is_none()
            && self.zone.is_none_or(|wanted| wanted == expectation.zone)
            && self.mark.is_none()
    }
}

/// A protocol by name or number.
#[derive(Clone, Copy, Debug)]
struct Named(Protocol);

impl FromStr for Named {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let lower = word.to_lowercase();
        let known = (0..=u8::MAX).map(Protocol).find(|protocol| {
            let name = protocol.name();
            name == lower && name != "unknown"
        });
        let alias = match lower.as_str() {
            "icmp6" | "ipv6-icmp" => Some(Protocol::ICMP6),
            number => number.parse().ok().map(Protocol),
        };
        known.or(alias).map(Self).ok_or_else(|| {
            "a protocol is tcp, udp, icmp, icmpv6, sctp, dccp, udplite, gre, or a number from 0 to 255"
                .to_owned()
        })
    }
}

/// A network, or an address.
#[derive(Clone, Copy, Debug)]
struct Net(Network);

impl FromStr for Net {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let wrong = || "an address or a network, as 10.0.0.1, 10.0.0.0/8, 2001:db8::/32".to_owned();
        let (address, bits) =
            word.split_once('/').map_or((word, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let (family, longest) = if address.is_ipv4() { (Family::V4, 32) } else { (Family::V6, 128) };
        let bits = bits.map_or(Ok(longest), str::parse).map_err(|_| wrong())?;
        Network::new(family, Address::from(address), bits).map(Self).ok_or_else(wrong)
    }
}

/// A state as it is printed.
#[derive(Clone, Copy, Debug)]
enum State {
    Tcp(TcpState),
    Assured,
    Unreplied,
    /// SCTP shares some words with TCP.
    Sctp(SctpState),
    Either(TcpState, SctpState),
}

impl FromStr for State {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let upper = word.to_uppercase().replace('-', "_");
        let tcp = (0..=u8::MAX).map(TcpState).find(|state| state.name() == upper);
        let sctp = (0..=u8::MAX).map(SctpState).find(|state| state.name() == upper);
        match (upper.as_str(), tcp, sctp) {
            ("ASSURED", ..) => Ok(Self::Assured),
            ("UNREPLIED", ..) => Ok(Self::Unreplied),
            (_, Some(tcp), Some(sctp)) => Ok(Self::Either(tcp, sctp)),
            (_, Some(tcp), None) => Ok(Self::Tcp(tcp)),
            (_, None, Some(sctp)) => Ok(Self::Sctp(sctp)),
            _ => Err("a state is one that is printed, as ESTABLISHED or TIME_WAIT, or assured, or unreplied"
                .to_owned()),
        }
    }
}

impl State {
    fn admits(self, flow: FlowRef<'_>) -> bool {
        let status = |bit| flow.has(AttrSet::STATUS) && flow.status.has(bit);
        let tcp =
            |state| flow.protocol == Protocol::TCP && flow.has(AttrSet::TCP_STATE) && flow.tcp_state == state;
        let sctp = |state| {
            flow.extras.is_some_and(|extras| extras.has(ExtraSet::SCTP_STATE) && extras.sctp_state == state)
        };
        match self {
            Self::Assured => status(Status::ASSURED),
            Self::Unreplied => flow.has(AttrSet::STATUS) && !flow.status.has(Status::SEEN_REPLY),
            Self::Tcp(state) => tcp(state),
            Self::Sctp(state) => sctp(state),
            Self::Either(of_tcp, of_sctp) => tcp(of_tcp) || sctp(of_sctp),
        }
    }
}

/// A mark and which of its bits count.
#[derive(Clone, Copy, Debug)]
struct Mark {
    mark: u32,
    mask: u32,
}

impl Mark {
    const fn admits(self, mark: u32) -> bool {
        mark & self.mask == self.mark & self.mask
    }
}

impl FromStr for Mark {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let number = |word: &str| match word.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => word.parse().ok(),
        };
        let (mark, mask) = word.split_once('/').map_or((word, None), |(mark, mask)| (mark, Some(mask)));
        let (mark, mask) = (number(mark), mask.map_or(Some(u32::MAX), number));
        match (mark, mask) {
            (Some(mark), Some(mask)) => Ok(Self { mark, mask }),
            _ => Err("a mark is a number, as 42 or 0x2a, perhaps with a mask: 0x100/0xff00".to_owned()),
        }
    }
}
