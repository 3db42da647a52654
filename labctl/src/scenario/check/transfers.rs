//! Every check of what a scenario says of transfers and of the helpers that they need.
//!
//! Pure. Driven by `check.rs` and `load.rs`; tested in `../tests.rs`.

use std::collections::BTreeMap;

use super::Checker;
use crate::scenario::expectation::{ExpectationText, Sight};
use crate::scenario::model::SyncKind;
use crate::scenario::streams::{Helper, Path, StreamText};
use crate::scenario::topology::Topology;
use crate::traffic::TransferSpec;

/// Bytes of a file.
const BYTES: std::ops::RangeInclusive<u32> = 1..=100_000_000;

/// Whether a traffic consists of transfers; of one that mixes, its first entry tells.
pub(in crate::scenario) fn are_transfers(groups: &[StreamText]) -> bool {
    groups.first().is_some_and(|group| group.helper().is_some())
}

/// One entry of a traffic that is transfers.
pub(super) fn group(
    group: &StreamText,
    keys: &[&str],
    place: usize,
    topology: &Topology,
    checker: &mut Checker<'_>,
) {
    let most = TransferSpec::MOST;
    let refused = [
        (
            group.ipv6 && group.helper() != Some(Helper::Ftp),
            "calls over IPv6",
            "labctl speaks FTP over it, not SIP: leave `ipv6` out",
        ),
        (
            group.rate.is_some() || group.per_second.is_some() || group.every.is_some(),
            "a pace of transfers",
            "they take what they get",
        ),
        (group.path == Path::Mark, "a mark on a control flow", "write `path: plain` or `path: dnat`"),
        (group.count == 0 || group.count as usize > most, "too many transfers, or none", "give 1 to 500"),
        (
            group.bytes.is_some_and(|bytes| !BYTES.contains(&bytes)),
            "too many bytes, or none",
            "give 1 to 100000000",
        ),
    ];
    for (wrong, what, remedy) in refused {
        if wrong {
            checker.mistake(keys, Some(place), what.to_owned(), remedy);
        }
    }
    if group.transfers(topology).is_none() {
        let what = "no address of this family".to_owned();
        checker.mistake(keys, Some(place), what, "give client, server and `lan` one");
    }
}

/// The helpers, each once; and whether each traffic has what it needs.
pub(in crate::scenario) fn helpers(
    mut helpers: Vec<Helper>,
    traffic: &BTreeMap<String, Vec<StreamText>>,
    checker: &mut Checker<'_>,
) -> Vec<Helper> {
    helpers.sort_unstable();
    helpers.dedup();
    for (name, groups) in traffic {
        let keys = ["traffic", name.as_str()];
        for (place, group) in groups.iter().enumerate() {
            if group.helper().is_some() != are_transfers(groups) {
                let what = format!("`{name}` has streams and transfers");
                checker.mistake(&keys, Some(place), what, "give each a name of its own");
            }
            if let Some(helper) = group.helper().filter(|helper| !helpers.contains(helper)) {
                let word = helper.word();
                let what = format!("no router reads along on {word}");
                checker.mistake(&keys, Some(place), what, format!("add `helpers: [{word}]` to the scenario"));
            }
        }
        let all: usize = groups.iter().map(|group| group.count as usize).sum();
        if are_transfers(groups) && all > TransferSpec::MOST {
            let what = format!("{all} transfers in one traffic");
            checker.mistake(&keys, None, what, format!("give {} at most", TransferSpec::MOST));
        }
    }
    helpers
}

/// A name that must be one of transfers.
pub(super) fn are_meant(name: &str, keys: &[&str], place: usize, checker: &mut Checker<'_>) {
    checker.stream(keys, Some(place), name);
    let streams = checker.known.traffic.iter().any(|known| known == name)
        && !checker.known.transfers.iter().any(|known| known == name);
    if streams {
        let what = format!("`{name}` consists of streams, which announce nothing");
        checker.mistake(keys, Some(place), what, "name a traffic of ftp-passive, ftp-active or sip");
    }
}

/// A name that must be one of streams.
pub(super) fn are_not_meant(name: &str, keys: &[&str], place: usize, checker: &mut Checker<'_>) {
    checker.stream(keys, Some(place), name);
    if checker.known.transfers.iter().any(|known| known == name) {
        let what = format!("`{name}` consists of transfers, which end");
        checker.mistake(keys, Some(place), what, format!("write `transfers: {name}, complete: 100%`"));
    }
}

/// What can be expected of transfers and of the kernel's expectations.
pub(super) fn sights(
    entry: &ExpectationText,
    keys: &[&str],
    place: usize,
    checker: &mut Checker<'_>,
    sights: &mut Vec<Sight>,
) {
    match (&entry.transfers, entry.complete) {
        (Some(transfers), Some(share)) => {
            are_meant(transfers, keys, place, checker);
            sights.push(Sight::Complete(transfers.clone(), share));
        }
        (None, None) => {}
        _ => checker.mistake(
            keys,
            Some(place),
            "`transfers` and `complete` belong together".to_owned(),
            "write `transfers: NAME, complete: 100%`",
        ),
    }
    if let Some(node) = &entry.expectations {
        checker.tells(keys, place, node, &[SyncKind::Syncd, SyncKind::Conntrackd]);
        sights.push(Sight::ExpectationsCached(node.clone()));
    }
    if let Some(node) = &entry.expectations_committed {
        checker.router(keys, Some(place), node);
        sights.push(Sight::ExpectationsCommitted(node.clone()));
    }
}
