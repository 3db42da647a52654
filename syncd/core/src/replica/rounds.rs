//! In which order a commit takes the flows of the external cache: a round over the cache for each class of them.
//!
//! Packets of what was active last come first, so those flows are written first. What traffic does within an established
//! flow makes no event, so activity is known as far as the peer has told it: a flow that was born, or changed its state.
//! Driven by [`super::commit`]; tested in `tests/order.rs`.

use crate::cache::Entry;
use crate::flow::{AttrSet, Flow, Protocol, Status, TcpState};

/// Flows said so many seconds before the commit are in round 0.
const JUST_NOW: u32 = 10;

/// Flows said so many seconds before the commit are in round 1.
const LATELY: u32 = 120;

/// Flows that wait for nothing any more, or whose first packet nobody has answered.
const QUIET: u8 = 3;

/// The round of flows that another one has caused: their parents were tried before.
pub(super) const RELATED: u8 = 4;

/// Rounds at most: those after [`RELATED`] are for flows that came meanwhile.
pub(super) const ROUNDS: u8 = RELATED + 7;

/// The round in which a commit that began in second `begun` takes the flow first.
pub(super) fn round_of(entry: &Entry, begun: u32) -> u8 {
    let age = begun.saturating_sub(entry.changed);
    match &entry.flow {
        flow if flow.status.has(Status::EXPECTED) => RELATED,
        flow if is_over(flow) || is_unanswered(flow) => QUIET,
        _ if age <= JUST_NOW => 0,
        _ if age <= LATELY => 1,
        _ => 2,
    }
}

/// Whether no more packets of the flow are expected.
pub(super) fn is_over(flow: &Flow) -> bool {
    let states = [TcpState::TIME_WAIT, TcpState::CLOSE];
    flow.protocol == Protocol::TCP && flow.has(AttrSet::TCP_STATE) && states.contains(&flow.tcp_state)
}

fn is_unanswered(flow: &Flow) -> bool {
    flow.has(AttrSet::STATUS) && !flow.status.has(Status::SEEN_REPLY)
}
