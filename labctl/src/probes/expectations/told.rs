//! Expectations as far as every daemon tells them, to compare a standby's cache with its peer's kernel.
//!
//! conntrackd tells neither translation nor flags of a cached expectation: those are left to the table of the kernel
//! that took over. Pure. Driven by `lab`; tested in `tests.rs`.

use std::collections::BTreeSet;

use super::SeenExpectation;
use crate::probes::caches::tuple;
use crate::probes::flows::{SeenPorts, SeenTuple};
use crate::probes::syncd::CachedExpectation;

/// What is compared of an expectation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Told {
    /// Layer 4 protocol number of the expected flow.
    pub(crate) protocol: u8,
    /// The original direction of the expected flow.
    pub(crate) expected: SeenTuple,
    /// The original direction of the flow that announced it.
    pub(crate) parent: SeenTuple,
    /// The helper.
    pub(crate) helper: String,
    /// The helper's class.
    pub(crate) class: u32,
}

/// A kernel's.
#[must_use]
pub(crate) fn of_kernel(expectations: &[SeenExpectation]) -> BTreeSet<Told> {
    let told = |seen: &SeenExpectation| Told {
        protocol: seen.protocol,
        expected: seen.expected,
        parent: seen.parent.1,
        helper: seen.helper.clone(),
        class: seen.class,
    };
    expectations.iter().map(told).collect()
}

/// A cache as syncd tells it.
#[must_use]
pub(crate) fn of_syncd(expectations: &[CachedExpectation]) -> BTreeSet<Told> {
    let told = |cached: &CachedExpectation| Told {
        protocol: cached.protocol_number,
        expected: tuple(&cached.tuple),
        parent: tuple(&cached.parent),
        helper: cached.helper.clone().unwrap_or_default(),
        class: cached.class.unwrap_or(0),
    };
    expectations.iter().map(told).collect()
}

/// A cache as `conntrackd -e exp` prints it, one per line; lines that are none are passed over.
#[must_use]
pub(crate) fn of_conntrackd(text: &str) -> BTreeSet<Told> {
    text.lines().filter_map(conntrackd_line).collect()
}

/// `proto=6 src=10.1.0.2 dst=10.2.0.2 sport=0 dport=41171 mask-src=255.255.255.255 mask-dst=255.255.255.255 sport=0
/// dport=65535 master-src=10.1.0.2 master-dst=10.2.0.2 sport=41001 dport=21 class=0 helper=ftp [active since 1s]`:
/// the same words thrice, so that their order tells whose they are.
fn conntrackd_line(line: &str) -> Option<Told> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let values =
        |key: &'static str| words.iter().filter_map(move |word| word.strip_prefix(key)?.strip_prefix('='));
    let port = |key, place: usize| values(key).nth(place)?.parse().ok();
    let ports =
        |place| Some(SeenPorts::Ports { source: port("sport", place)?, target: port("dport", place)? });
    let expected = SeenTuple {
        source: values("src").next()?.parse().ok()?,
        target: values("dst").next()?.parse().ok()?,
        ports: ports(0)?,
    };
    let parent = SeenTuple {
        source: values("master-src").next()?.parse().ok()?,
        target: values("master-dst").next()?.parse().ok()?,
        ports: ports(2)?,
    };
    Some(Told {
        protocol: values("proto").next()?.parse().ok()?,
        expected,
        parent,
        helper: values("helper").next()?.to_owned(),
        class: values("class").next()?.parse().ok()?,
    })
}
