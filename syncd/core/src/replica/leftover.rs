//! What is left over in the kernel of a router that was primary: flows that go on, and end, at the one that is it now.
//!
//! Nobody tells the kernel of a router that stands by that they have ended, and an established TCP flow lives five days
//! without a packet: when the router is primary again it would take them for living, and tell of them. So the peer's word
//! counts, but only as far as it proves that the flow was not this router's own (a login to the router itself, or traffic
//! that VRRP has no part in): *a TCP flow whose closing the peer has seen and we have not went through the peer*. A flow
//! of our own does not: what the peer holds of it is a copy that never moves, and at most times out. What is not proved
//! is left to its timer.
//!
//! Nothing is removed while we are primary. Tested in `tests/leftover.rs`.

use super::Replica;
use super::kernel::KernelRequest;
use super::notice::Notice;
use super::role::Role;
use crate::flow::{AttrSet, Flow, Protocol, TcpState};
use crate::time::Instant;

/// At most so many ends are remembered until a router that has just started knows what lives in its kernel; what comes beyond
/// is left to its timer.
pub(super) const EARLY: usize = 65_536;

impl Replica {
    /// The peer has told that a flow has ended. `known` is what it had told of it before.
    pub(super) fn ended_there(&mut self, mut ended: Flow, known: Option<Flow>) {
        if ended.protocol != Protocol::TCP {
            if self.purge.is_scheduled() {
                self.internal.suspect(&ended);
            }
            return;
        }
        if let Some(known) = known {
            // An end need not say the last state.
            let last = if ended.has(AttrSet::TCP_STATE) { ended.tcp_state } else { TcpState(0) };
            ended.tcp_state = TcpState(last.0.max(known.tcp_state.0));
            ended.reply = known.reply;
        }
        if !self.resync.knows() {
            if !CLOSING.contains(&ended.tcp_state.0) {
                return;
            }
            if self.early_ends.len() < EARLY {
                self.early_ends.push(ended);
            } else {
                self.stats.kernel.early_ends_dropped += 1;
                self.early_ends_dropped = self.early_ends_dropped.saturating_add(1);
            }
        } else {
            self.condemn(&ended);
        }
    }

    /// What was remembered while we did not know our kernel.
    pub(super) fn look_at_early_ends(&mut self) {
        if !self.early_ends.is_empty() && self.resync.knows() {
            let flows = core::mem::take(&mut self.early_ends_dropped);
            self.tell((flows > 0).then_some(Notice::EarlyEndsDropped { flows }));
            for ended in core::mem::take(&mut self.early_ends) {
                self.condemn(&ended);
            }
        }
    }

    fn condemn(&mut self, ended: &Flow) {
        let here = self.internal.find(&ended.key()).map(|entry| entry.flow.tcp_state);
        if self.role == Role::Primary {
            return;
        }
        if here.is_some_and(|here| has_closed_since(here, ended.tcp_state)) {
            self.internal.condemn(ended);
        } else if self.purge.is_scheduled() {
            self.internal.suspect(ended);
        }
    }

    /// When there is something to remove.
    pub(super) fn leftover_due(&self) -> Option<Instant> {
        self.removes_leftovers().then_some(Instant::PAST)
    }

    /// Whether there is something to remove. A router that does not know yet what it is removes nothing.
    pub(super) fn removes_leftovers(&self) -> bool {
        !self.role.replicates() && self.internal.has_condemned()
    }

    /// The next flow to remove from our kernel: this very life of it.
    pub(super) fn poll_leftover(&mut self) -> Option<KernelRequest<'_>> {
        let slot = self.internal.take_condemned()?;
        let lent = self.internal.is_lent(slot);
        *if lent { &mut self.stats.preload.removed } else { &mut self.stats.kernel.leftovers_removed } += 1;
        let token = self.tokens.next();
        let flow = &self.internal.get(slot).expect("just taken").flow;
        Some(KernelRequest::Delete { token, flow })
    }
}

/// States in which one side at least has said that it will send no more.
const CLOSING: core::ops::RangeInclusive<u8> = TcpState::ESTABLISHED.0 + 1..=TcpState::CLOSE.0;

/// Whether the closing of a flow that is in state `here` was seen elsewhere, where its last state is `there`.
fn has_closed_since(here: TcpState, there: TcpState) -> bool {
    CLOSING.contains(&there.0) && there.0 > here.0
}
