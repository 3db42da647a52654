//! An expectation as an object and as a line. Lines read like conntrackd's. Tested in `show/tests.rs`.

use serde::{Deserialize, Serialize};
use syncd_core::flow::{ExpectFlags, Expectation};
use syncd_core::replica::Errno;

use super::extras::ParentView;
use super::flows::{TupleView, family_name};

/// An expectation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExpectationView {
    /// `ipv4` or `ipv6`.
    pub(crate) family: String,
    /// Of the expected flow, as `conntrack(8)` names it.
    pub(crate) protocol: String,
    /// IANA's number.
    pub(crate) protocol_number: u8,
    /// Conntrack zone of the parent, as far as it is known.
    pub(crate) zone: u16,
    /// The flow that announced it.
    pub(crate) parent: ParentView,
    /// What is expected.
    pub(crate) tuple: TupleView,
    /// Which bits of it count.
    pub(crate) mask: TupleView,
    /// The protocol that the mask names; helpers name that of the expected flow.
    #[serde(default)]
    pub(crate) mask_protocol_number: u8,
    /// Helper of the parent.
    pub(crate) helper: Option<String>,
    /// The helper's number for its kind.
    pub(crate) class: Option<u32>,
    /// `permanent`, `inactive`, `userspace`.
    pub(crate) flags: Vec<String>,
    /// How the expected flow is to be translated.
    pub(crate) nat: Option<NatView>,
    /// The function that translates it.
    pub(crate) function: Option<String>,
    /// Seconds it would still wait, when it was last said.
    pub(crate) timeout: Option<u32>,
    /// Seconds it has been in the cache; none if it is in no cache.
    pub(crate) age: Option<u32>,
    /// Why it could not be committed, if that was tried.
    pub(crate) failure: Option<String>,
}

/// How an expected flow is to be translated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NatView {
    direction: String,
    #[serde(default)]
    protocol_number: u8,
    #[serde(flatten)]
    tuple: TupleView,
}

impl ExpectationView {
    /// An expectation with what its cache knows about it; `failure` is an error number.
    pub(crate) fn new(expectation: &Expectation, age: Option<u32>, failure: Option<u16>) -> Self {
        let family = expectation.family();
        let tuple = |protocol, tuple| TupleView::new(family, protocol, tuple);
        let flags = [
            (ExpectFlags::PERMANENT, "permanent"),
            (ExpectFlags::INACTIVE, "inactive"),
            (ExpectFlags::USERSPACE, "userspace"),
        ];
        let has = |flag| expectation.flags.has(flag);
        Self {
            family: family_name(family).to_owned(),
            protocol: expectation.protocol.name().to_owned(),
            protocol_number: expectation.protocol.0,
            zone: expectation.zone,
            parent: ParentView::new(&expectation.parent),
            tuple: tuple(expectation.protocol, &expectation.tuple),
            mask: tuple(expectation.protocol, &expectation.mask),
            mask_protocol_number: expectation.mask_protocol.0,
            helper: (!expectation.helper.is_empty()).then(|| expectation.helper.to_string()),
            class: expectation.class,
            flags: flags.iter().filter(|(flag, _)| has(*flag)).map(|(_, word)| (*word).to_owned()).collect(),
            nat: expectation.nat.as_ref().map(|nat| NatView {
                direction: if nat.direction == 0 { "original" } else { "reply" }.to_owned(),
                protocol_number: nat.protocol.0,
                tuple: tuple(nat.protocol, &nat.tuple),
            }),
            function: (!expectation.function.is_empty()).then(|| expectation.function.to_string()),
            timeout: expectation.timeout,
            age,
            failure: failure.map(|errno| Errno(errno).to_string()),
        }
    }
}

/// An expectation as a line.
pub(crate) fn line(expectation: &Expectation, age: u32, failure: Option<u16>) -> String {
    let failure = failure.map(|errno| format!(" [not committed: {}]", Errno(errno))).unwrap_or_default();
    format!("{expectation} [active since {age}s]{failure}")
}
