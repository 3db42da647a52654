//! The small values of a scenario: spans of time, shares, bit rates, sizes of memory, addresses with their prefix.
//!
//! Each is read from one YAML string and says in its error what a right one looks like. Never knows where it was
//! written: serde_yaml adds file and line. Driven by the model beside it; tested in `tests.rs`.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A span of time: `0s`, `200ms`, `1.5s`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Span(pub(crate) Duration);

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no span of time: write 200ms or 1.5s");
        let (number, unit) = if let Some(number) = text.strip_suffix("ms") {
            (number, 1e-3)
        } else {
            (text.strip_suffix('s').ok_or_else(wrong)?, 1.0)
        };
        let number: f64 = number.parse().map_err(|_| wrong())?;
        Duration::try_from_secs_f64(number * unit).map(Self).map_err(|_| wrong())
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.subsec_millis() == 0 {
            write!(f, "{} s", self.0.as_secs())
        } else if self.0.as_secs() == 0 {
            write!(f, "{} ms", self.0.as_millis())
        } else {
            write!(f, "{} s", self.0.as_secs_f64())
        }
    }
}

/// A share of a whole, in millionths: `20%`, `0.5%`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Share(u32);

impl Share {
    /// All of it.
    #[must_use]
    pub(crate) const fn whole() -> Self {
        Self(1_000_000)
    }

    /// From 0.0 to 1.0.
    #[must_use]
    pub(crate) fn fraction(self) -> f64 {
        f64::from(self.0) / 1e6
    }

    /// Whether `part` of `whole` is exactly this share.
    #[must_use]
    pub(crate) fn is(self, part: usize, whole: usize) -> bool {
        part as u64 * 1_000_000 == u64::from(self.0) * whole as u64
    }
}

impl TryFrom<String> for Share {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let percent: Option<f64> = text.strip_suffix('%').and_then(|number| number.parse().ok());
        match percent {
            Some(percent) if (0.0..=100.0).contains(&percent) => Ok(Self((percent * 1e4).round() as u32)),
            _ => Err(format!("`{text}` is no share: write 0% to 100%")),
        }
    }
}

impl From<Share> for String {
    fn from(share: Share) -> Self {
        share.to_string()
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.0) / 1e4)
    }
}

/// Bits per second: `800kbit`, `1.5Mbit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Rate(pub(crate) u32);

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no bit rate: write 800kbit or 1.5Mbit");
        let (number, unit) = if let Some(number) = text.strip_suffix("kbit") {
            (number, 1e3)
        } else {
            (text.strip_suffix("Mbit").ok_or_else(wrong)?, 1e6)
        };
        let rate = number.parse::<f64>().map_err(|_| wrong())? * unit;
        // The bounds of the traffic's own documentation.
        if (8e3..=1e8).contains(&rate) { Ok(Self(rate as u32)) } else { Err(wrong()) }
    }
}

/// An amount of memory: `64kB`, `200MB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Bytes(pub(crate) u64);

impl TryFrom<String> for Bytes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no amount of memory: write 64kB or 200MB");
        let (number, unit) = match text.strip_suffix("kB") {
            Some(number) => (number, 1 << 10),
            None => (text.strip_suffix("MB").ok_or_else(wrong)?, 1 << 20),
        };
        let number: u32 = number.parse().map_err(|_| wrong())?;
        Ok(Self(u64::from(number) * unit))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 >= 1 << 20 { write!(f, "{} MB", self.0 >> 20) } else { write!(f, "{} kB", self.0 >> 10) }
    }
}

/// An address and the length of its prefix: `10.1.0.2/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Prefix {
    /// The address, with its host part.
    pub(crate) address: IpAddr,
    /// Leading bits that name the network.
    pub(crate) length: u8,
}

impl Prefix {
    /// Whether the address belongs to the prefix's network.
    #[must_use]
    pub(crate) fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                leading(ours.to_bits().into(), self.length, 32)
                    == leading(theirs.to_bits().into(), self.length, 32)
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                leading(ours.to_bits(), self.length, 128) == leading(theirs.to_bits(), self.length, 128)
            }
            _ => false,
        }
    }

    /// The network's own prefix, the host part zeroed.
    #[must_use]
    pub(crate) fn network(self) -> Self {
        let host_bits = |width: u32| width - u32::from(self.length);
        let address = match self.address {
            IpAddr::V4(address) => {
                let bits = u64::from(address.to_bits()) >> host_bits(32) << host_bits(32);
                IpAddr::V4((bits as u32).into())
            }
            IpAddr::V6(address) => {
                let bits = leading(address.to_bits(), self.length, 128);
                IpAddr::V6(bits.checked_shl(host_bits(128)).unwrap_or(0).into())
            }
        };
        Self { address, length: self.length }
    }

    /// Whether the address is a link-local one of IPv6.
    #[must_use]
    pub(crate) fn is_link_local(self) -> bool {
        matches!(self.address, IpAddr::V6(address) if address.is_unicast_link_local())
    }
}

/// The first `length` of `width` bits, moved to the low end.
fn leading(bits: u128, length: u8, width: u32) -> u128 {
    bits.checked_shr(width - u32::from(length)).unwrap_or(0)
}

impl TryFrom<String> for Prefix {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(address, length)| {
            let address: IpAddr = address.parse().ok()?;
            let length: u8 = length.parse().ok()?;
            (length <= if address.is_ipv4() { 32 } else { 128 }).then_some(Self { address, length })
        });
        parsed.ok_or_else(|| format!("`{text}` is no address with a prefix length: write 10.1.0.2/24"))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}
