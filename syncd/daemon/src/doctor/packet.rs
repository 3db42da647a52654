//! A packet that is only thought of, and whether a condition of a rule holds for it: yes, no, or nobody can say.
//!
//! Conditions are nft's JSON. Never sends anything. Driven by `walk`; tested in `tests/rules.rs`.

use std::net::IpAddr;

use serde_json::Value;

use super::ruleset::{Chain, Ruleset};

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    /// It holds.
    Yes,
    /// It does not.
    No,
    /// It depends on what is not known here.
    Maybe,
}

impl Truth {
    const fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }

    const fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Maybe => Self::Maybe,
        }
    }

    /// Both.
    pub(super) const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Maybe,
        }
    }

    fn any(answers: impl Iterator<Item = Self>) -> Self {
        let mut all = Self::No;
        for answer in answers {
            match answer {
                Self::Yes => return Self::Yes,
                Self::Maybe => all = Self::Maybe,
                Self::No => {}
            }
        }
        all
    }
}

/// One end's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// This one.
    Known(IpAddr),
    /// Some address that no rule names: a rule about a few hosts is not about it.
    Unnamed,
    /// Any.
    Any,
}

/// A packet. What is not set is not known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    /// IPv6, not IPv4.
    pub(super) v6: bool,
    /// The interface it came in by; none: it came in by none; empty: by some.
    pub(super) from: Option<&'a str>,
    /// The interface it leaves by; none: it leaves by none.
    pub(super) to: Option<&'a str>,
    /// Where it comes from.
    pub(super) source: End,
    /// Where it goes.
    pub(super) target: End,
    /// nft's word for its protocol.
    pub(super) protocol: Option<&'a str>,
    /// The port it goes to.
    pub(super) port: Option<u16>,
    /// nft's word for its state; none: not tracked yet.
    pub(super) state: Option<&'a str>,
}

/// What is compared with the right side of a condition.
enum Left<'a> {
    Word(&'a str),
    Number(u16),
    Address(End),
    /// The condition is about something that this packet does not have.
    Nothing,
    Unknown,
}

/// Words that mean what the other one means: nft prints names, tables and kernels know numbers.
const SAME: [(&str, &str); 6] = [
    ("112", "vrrp"),
    ("6", "tcp"),
    ("17", "udp"),
    ("icmpv6", "ipv6-icmp"),
    ("58", "ipv6-icmp"),
    ("1", "icmp"),
];

impl Packet<'_> {
    /// Whether the condition `{"op": ..., "left": ..., "right": ...}` holds.
    pub(super) fn meets(&self, rules: &Ruleset, chain: &Chain, condition: &Value) -> Truth {
        let right = &condition["right"];
        let negated = condition["op"] == "!=";
        if !negated && condition["op"] != "==" && condition["op"] != "in" {
            return Truth::Maybe;
        }
        let met = match self.flags(&condition["left"], right) {
            Some(met) => met,
            None => match self.left(&condition["left"]) {
                Left::Nothing => return Truth::No,
                Left::Unknown => Truth::Maybe,
                left => self.contains(rules, chain, right, &left),
            },
        };
        if negated { met.not() } else { met }
    }

    /// What `left` of a condition or of a verdict map says of this packet, looked for in one member.
    pub(super) fn is(&self, rules: &Ruleset, chain: &Chain, left: &Value, member: &Value) -> Truth {
        match self.left(left) {
            Left::Nothing => Truth::No,
            Left::Unknown => Truth::Maybe,
            value => self.contains(rules, chain, member, &value),
        }
    }

    /// The flags of a TCP packet in the middle of a stream: ACK.
    fn flags(&self, left: &Value, right: &Value) -> Option<Truth> {
        let is_flags =
            |value: &Value| value["payload"]["protocol"] == "tcp" && value["payload"]["field"] == "flags";
        let names = |value: &Value| -> Vec<String> {
            let one = value.as_str().map(str::to_owned);
            let many = value.as_array().or_else(|| value["|"].as_array()).into_iter().flatten();
            one.into_iter().chain(many.filter_map(|name| name.as_str().map(str::to_owned))).collect()
        };
        let masked = left["&"].as_array().filter(|sides| sides.len() == 2 && is_flags(&sides[0]));
        if masked.is_none() && !is_flags(left) {
            return None;
        }
        match self.protocol {
            Some("tcp") => {}
            Some(_) => return Some(Truth::No),
            None => return Some(Truth::Maybe),
        }
        let wanted = names(right);
        Some(match masked {
            Some(sides) => {
                let seen = names(&sides[1]).iter().any(|name| name == "ack");
                Truth::of(if seen { wanted == ["ack"] } else { wanted.is_empty() })
            }
            None => Truth::of(wanted.iter().any(|name| name == "ack")),
        })
    }

    fn left(&self, left: &Value) -> Left<'_> {
        if let Some(key) = left["meta"]["key"].as_str() {
            return match key {
                "iifname" | "iif" if self.from == Some("") => Left::Unknown,
                "iifname" | "iif" => self.from.map_or(Left::Nothing, Left::Word),
                "oifname" | "oif" => self.to.map_or(Left::Nothing, Left::Word),
                "l4proto" => self.protocol.map_or(Left::Unknown, Left::Word),
                "nfproto" => Left::Word(if self.v6 { "ipv6" } else { "ipv4" }),
                "protocol" => Left::Word(if self.v6 { "ip6" } else { "ip" }),
                _ => Left::Unknown,
            };
        }
        if let Some(key) = left["ct"]["key"].as_str() {
            return match (key, self.state) {
                ("state", Some(state)) => Left::Word(state),
                // What has no flow has nothing of a flow.
                (_, Some("invalid" | "untracked")) => Left::Nothing,
                _ => Left::Unknown,
            };
        }
        let (protocol, field) = (left["payload"]["protocol"].as_str(), left["payload"]["field"].as_str());
        match (protocol, field) {
            (Some("ip"), _) if self.v6 => Left::Nothing,
            (Some("ip6"), _) if !self.v6 => Left::Nothing,
            (Some("ip" | "ip6"), Some("saddr")) => Left::Address(self.source),
            (Some("ip" | "ip6"), Some("daddr")) => Left::Address(self.target),
            (Some("ip"), Some("protocol")) | (Some("ip6"), Some("nexthdr")) => {
                self.protocol.map_or(Left::Unknown, Left::Word)
            }
            (Some("ip" | "ip6"), _) | (None, _) => Left::Unknown,
            (Some(transport), field) => match self.protocol {
                Some(own) if own != transport && !(transport == "th" && own != "vrrp") => Left::Nothing,
                Some(_) if field == Some("dport") => self.port.map_or(Left::Unknown, Left::Number),
                Some(_) | None => Left::Unknown,
            },
        }
    }

    fn contains(&self, rules: &Ruleset, chain: &Chain, right: &Value, left: &Left<'_>) -> Truth {
        let each = |members: &[Value]| {
            Truth::any(members.iter().map(|member| self.contains(rules, chain, member, left)))
        };
        if let Some(members) = right.as_array() {
            return each(members);
        }
        if let Some(members) = right["set"].as_array() {
            return each(members);
        }
        if right["elem"].is_object() {
            return self.contains(rules, chain, &right["elem"]["val"], left);
        }
        if let Some(name) = right.as_str().and_then(|word| word.strip_prefix('@')) {
            return match rules.set(chain, name) {
                Some(members) => self.contains(rules, chain, members, left),
                None if matches!(left, Left::Address(End::Unnamed)) => Truth::No,
                None => Truth::Maybe,
            };
        }
        match left {
            Left::Word(word) => same_word(word, right),
            Left::Number(number) => in_numbers(u64::from(*number), right),
            Left::Address(end) => in_addresses(*end, right),
            Left::Nothing => Truth::No,
            Left::Unknown => Truth::Maybe,
        }
    }
}

fn same_word(word: &str, right: &Value) -> Truth {
    let said = right.as_str().map_or_else(|| right.to_string(), str::to_owned);
    let said = SAME.iter().find(|(other, _)| *other == said).map_or(said.as_str(), |(_, name)| name);
    match said.strip_suffix('*') {
        Some(beginning) => Truth::of(word.starts_with(beginning)),
        None if right.is_object() => Truth::Maybe,
        None => Truth::of(word == said),
    }
}

fn in_numbers(number: u64, right: &Value) -> Truth {
    if let Some([first, last]) = right["range"].as_array().map(Vec::as_slice) {
        return match (first.as_u64(), last.as_u64()) {
            (Some(first), Some(last)) => Truth::of((first..=last).contains(&number)),
            _ => Truth::Maybe,
        };
    }
    right.as_u64().map_or(Truth::Maybe, |other| Truth::of(other == number))
}

fn in_addresses(end: End, right: &Value) -> Truth {
    let Some((first, last)) = addresses(right) else { return Truth::Maybe };
    match end {
        _ if is_everything(right) => Truth::Yes,
        End::Known(address) => Truth::of((first..=last).contains(&address)),
        End::Unnamed => Truth::No,
        End::Any => Truth::Maybe,
    }
}

fn is_everything(right: &Value) -> bool {
    right["prefix"]["len"].as_u64() == Some(0)
}

/// The first and the last address that nft's JSON names: an address, a prefix or a range.
pub(super) fn addresses(value: &Value) -> Option<(IpAddr, IpAddr)> {
    let address = |value: &Value| value.as_str().and_then(|text| text.parse::<IpAddr>().ok());
    if let Some([first, last]) = value["range"].as_array().map(Vec::as_slice) {
        return Some((address(first)?, address(last)?));
    }
    if value["prefix"].is_object() {
        let len = u32::try_from(value["prefix"]["len"].as_u64()?).ok()?;
        return network(address(&value["prefix"]["addr"])?, len);
    }
    address(value).map(|one| (one, one))
}

/// The first and the last address of a network.
pub(super) fn network(address: IpAddr, len: u32) -> Option<(IpAddr, IpAddr)> {
    match address {
        IpAddr::V4(address) => {
            let hosts = u32::MAX.checked_shr(len).unwrap_or(0);
            let first = address.to_bits() & !hosts;
            Some((IpAddr::V4(first.into()), IpAddr::V4((first | hosts).into())))
        }
        IpAddr::V6(address) => {
            let hosts = u128::MAX.checked_shr(len).unwrap_or(0);
            let first = address.to_bits() & !hosts;
            Some((IpAddr::V6(first.into()), IpAddr::V6((first | hosts).into())))
        }
    }
}
