//! Which flows of the external cache a commit takes, in which order, and how long they live then. The order is a round over
//! the cache for each class of them.
//!
//! Packets of what was active last come first, so those flows are written first. What traffic does within an established
//! flow makes no event, so activity is known as far as the peer has told it: a flow that was born, or changed its state.
//! Driven by [`super::commit`]; tested in `tests/order.rs`.

use super::kernel::Errno;
use crate::cache::{Entry, ExternalCache, InternalCache, Slot};
use crate::flow::{AttrSet, Flow, Protocol, Status, TcpState};

/// Seconds a flow lives at least after it was written: data packets refresh the real timeout without an event, so
/// what the peer said last may be long over. The first packet sets the true one.
const SHORTEST: u32 = 60;

/// Seconds for a flow of which the peer said no timeout (conntrackd with `CommitTimeout`).
const UNSAID: u32 = 180;

/// Flows said so many seconds before the commit, at most, are in the round of that place; older ones in the next. A round costs
/// a look at each flow, some nanoseconds, and writing one costs microseconds.
const AGES: [u32; 7] = [2, 4, 8, 16, 32, 64, 128];

/// Flows that wait for nothing any more, or whose first packet nobody has answered.
const QUIET: u8 = AGES.len() as u8 + 1;

/// The round of flows that another one has caused: their parents were tried before.
pub(super) const RELATED: u8 = QUIET + 1;

/// Rounds at most: those after [`RELATED`] are for flows that came meanwhile.
pub(super) const ROUNDS: u8 = RELATED + 7;

/// The round in which a commit that began in second `begun` takes the flow first.
pub(super) fn round_of(entry: &Entry, begun: u32) -> u8 {
    let age = begun.saturating_sub(entry.changed);
    match &entry.flow {
        flow if flow.status.has(Status::EXPECTED) => RELATED,
        flow if is_over(flow) || is_unanswered(flow) => QUIET,
        _ => AGES.iter().fold(0, |round, most| round + u8::from(age > *most)),
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

/// Whether the kernel may take the flow later: its table was full, or it could not get memory.
pub(super) fn is_for_lack_of_room(error: Errno) -> bool {
    [Errno::ENOMEM, Errno::ENOSPC, Errno::EAGAIN].contains(&error)
}

/// Whether the flow failed for lack of room, and would still live.
pub(super) fn may_try_again(external: &ExternalCache, slot: Slot, entry: &Entry, second: u32) -> bool {
    let life = if entry.flow.has(AttrSet::TIMEOUT) { entry.flow.timeout.max(SHORTEST) } else { UNSAID };
    let failed = external.failure(slot).is_some_and(|failure| is_for_lack_of_room(Errno(failure.errno)));
    failed && second.saturating_sub(entry.changed) < life
}

/// Whether the flow of a peer that was primary, too, is to be taken over; or, where it lives here as well, its packets to be
/// taken as they come: they went there meanwhile, and our kernel's view of their windows is old.
pub(super) fn adopts(flow: &Flow, round: u8, internal: &InternalCache) -> bool {
    let here = internal.find(&flow.key()).map(|entry| &entry.flow);
    let relaxes = |here: &Flow| {
        round <= RELATED && flow.protocol == Protocol::TCP && here.reply == flow.reply && !is_over(here)
    };
    !is_over(flow) && here.is_none_or(relaxes)
}

/// Seconds a flow shall live in the kernel, `second` being now.
pub(super) fn remaining(entry: &Entry, second: u32) -> u32 {
    if !entry.flow.has(AttrSet::TIMEOUT) {
        return UNSAID;
    }
    let age = second.saturating_sub(entry.changed);
    entry.flow.timeout.saturating_sub(age).max(SHORTEST)
}
