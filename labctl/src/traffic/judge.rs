//! From ledgers to words and numbers.
//!
//! Pure: what was seen and a moment in, a report out. [`Traffic`](super::Traffic) drives it. Tested in
//! `tests/arithmetic.rs`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::ledger::{Accepted, ClientStream, Ended, Receipt, ServerSide};
use super::report::{GapMs, Opened, StreamDetail, StreamState, TrafficReport};
use super::spec::{StreamGroup, TrafficSpec};

/// Every stream in the order of its number.
pub(super) fn streams(
    spec: &TrafficSpec,
    client: &[ClientStream],
    server: &ServerSide,
    now: Instant,
) -> Vec<StreamDetail> {
    let named: BTreeMap<u32, &Accepted> =
        server.accepted.iter().filter_map(|accepted| Some((accepted.number?, accepted))).collect();
    let groups = spec.groups.iter().flat_map(|group| std::iter::repeat_n(group, group.count as usize));
    let mut details = Vec::with_capacity(client.len());
    for (number, (group, stream)) in groups.zip(client).enumerate() {
        let key = u32::try_from(number).unwrap_or(u32::MAX);
        let accepted = stream.accepted.and_then(|place| server.accepted.get(place as usize));
        let accepted = accepted.or_else(|| named.get(&key).copied()).filter(|_| group.kind.is_tcp());
        let asked = server.asked.get(&key).filter(|_| !group.kind.is_tcp());
        let far = Far {
            receipt: accepted.map(|a| &a.receipt).or(asked.map(|a| &a.receipt)),
            ended: accepted.map_or_else(|| asked.and_then(|a| a.ended.as_ref()), |a| a.ended.as_ref()),
            seen_as: accepted.map(|a| a.seen_as).or(asked.map(|a| a.seen_as)),
        };
        details.push(detail(number, group, stream, &far, now));
    }
    details
}

/// The server's part of one stream, as far as it is known.
struct Far<'a> {
    receipt: Option<&'a Receipt>,
    ended: Option<&'a Ended>,
    seen_as: Option<std::net::SocketAddr>,
}

fn detail(
    number: usize,
    group: &StreamGroup,
    stream: &ClientStream,
    far: &Far<'_>,
    now: Instant,
) -> StreamDetail {
    let nothing = Receipt::default();
    let far_receipt = far.receipt.unwrap_or(&nothing);
    let used = [
        group.kind.client_receives().then_some(&stream.receipt),
        group.kind.server_receives().then_some(far_receipt),
    ];
    let used: Vec<&Receipt> = used.into_iter().flatten().collect();
    let ended = stream.ended.as_ref().or(far.ended);
    let opened = used.iter().all(|receipt| receipt.verified > 0);
    let last = used.iter().map(|receipt| receipt.arrivals.last()).min().flatten();
    let silence = last.map(|last| now.saturating_duration_since(last));
    let (alive, stalled) = group.kind.patience();
    let state = match (opened, ended, silence) {
        (false, None, _) => StreamState::Opening,
        (false, Some(_), _) => StreamState::NeverOpened,
        (true, Some(_), _) => StreamState::Reset,
        (true, None, Some(silence)) if silence <= alive => StreamState::Alive,
        (true, None, Some(silence)) if silence < stalled => StreamState::Waiting,
        (true, None, _) => StreamState::Stalled,
    };
    let until = ended.map_or(now, |ended| ended.at.min(now));
    StreamDetail {
        number,
        kind: group.kind.word(),
        local: stream.local,
        target: group.target,
        seen_as: far.seen_as,
        state,
        received: stream.receipt.verified,
        server_received: far_receipt.verified,
        corrupted_bytes: stream.receipt.corrupted + far_receipt.corrupted,
        silence,
        gap: used.iter().filter_map(|receipt| receipt.arrivals.gap(until)).max().filter(|_| opened),
        error: ended.map(|ended| ended.why.clone()),
    }
}

/// How opening went so far.
pub(super) fn opened(details: &[StreamDetail]) -> Opened {
    let count = |state| details.iter().filter(|detail| detail.state == state).count();
    let failed = count(StreamState::NeverOpened);
    Opened { wanted: details.len(), opened: details.len() - failed - count(StreamState::Opening), failed }
}

/// The verdict over all streams.
pub(super) fn report(details: &[StreamDetail]) -> TrafficReport {
    let count = |state| details.iter().filter(|detail| detail.state == state).count();
    let mut gaps: Vec<Duration> = details.iter().filter_map(|detail| detail.gap).collect();
    gaps.sort_unstable();
    let milliseconds = |gap: &Duration| u64::try_from(gap.as_millis()).unwrap_or(u64::MAX);
    TrafficReport {
        wanted: details.len(),
        opened: opened(details).opened,
        alive: count(StreamState::Alive),
        reset: count(StreamState::Reset),
        stalled: count(StreamState::Stalled),
        corrupted_bytes: details.iter().map(|detail| detail.corrupted_bytes).sum(),
        gap_ms: GapMs {
            median: gaps.get(gaps.len().saturating_sub(1) / 2).map(milliseconds),
            max: gaps.last().map(milliseconds),
        },
    }
}
