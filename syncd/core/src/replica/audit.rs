//! Whether the kernel holds as many flows as we know of: how a loss is found that the kernel has not reported.
//!
//! The count of the kernel's table costs nothing (`IPCTNL_MSG_CT_GET_STATS`, no walk), but it is taken while events
//! are on their way. So a difference counts only when it is larger than what may be on its way, and when it stays.
//! What differs right after a dump was compared is of another kind (entries that no dump shows): it is accepted, and
//! only what differs from it counts until the next one. That the kernel holds fewer is accepted only when a second dump
//! has not changed it: it may be a flow that ended unheard while the first was read. What differs later is a loss, each time: flows of which nobody
//! hears end one after the other.

use super::kernel::{KernelRequest, Token};
use super::tokens::Tokens;
use crate::flow::Change;
use crate::time::{Duration, Instant};

/// Between two counts.
const EVERY: Duration = Duration::from_secs(5);

/// Between two counts while they differ.
const SOON: Duration = Duration::from_secs(1);

/// So many counts in a row must differ, in the same direction.
const LOOKS: u8 = 3;

/// Events of this many seconds may be on their way: an overloaded daemon reads them late.
const LATENESS: u64 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting { due: Instant },
    Asked { token: Token, since: Instant, before: u64 },
}

/// The job.
#[derive(Debug)]
pub(super) struct Audit {
    state: State,
    /// When the last count was taken, and events since.
    last: Instant,
    events: u64,
    /// Living flows that the filter keeps out.
    filtered: i64,
    /// A difference that no resync removes.
    accepted: i64,
    looks: u8,
    fewer: bool,
    /// The next count is the first after a dump was compared.
    compared: bool,
    /// After the last dump the kernel held fewer flows than we know, which was not accepted.
    fewer_after_dump: bool,
    kernel: Option<u32>,
}

impl Audit {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            state: State::Waiting { due: now },
            last: now,
            events: 0,
            filtered: 0,
            accepted: 0,
            looks: 0,
            fewer: false,
            compared: false,
            fewer_after_dump: false,
            kernel: None,
        }
    }

    /// How many flows the kernel held when it was last asked.
    pub(super) const fn kernel(&self) -> Option<u32> {
        self.kernel
    }

    /// An event was read.
    pub(super) const fn event(&mut self) {
        self.events += 1;
    }

    /// An event about a flow that the filter keeps out. There are never less than none: one that ended while a dump was
    /// read, and was not listed, was not counted.
    pub(super) const fn filtered(&mut self, change: Change) {
        match change {
            Change::New => self.filtered += 1,
            Change::Destroy if self.filtered > 0 => self.filtered -= 1,
            Change::Destroy | Change::Update => {}
        }
    }

    /// Living flows that the filter keeps out, as far as events and dumps have told.
    pub(super) fn kept_out(&self) -> u32 {
        u32::try_from(self.filtered).unwrap_or(0)
    }

    /// A dump begins: it will say anew which flows the filter keeps out.
    pub(super) const fn begin_dump(&mut self) {
        self.filtered = 0;
    }

    /// A dump was compared: what differs now is no loss. It also makes up for filtered flows that were born or ended
    /// while the dump was read, and were counted twice or not at all.
    pub(super) fn reloaded(&mut self, now: Instant) {
        self.compared = true;
        self.settle(now, Duration::ZERO);
    }

    /// When [`Self::poll`] has something to do.
    pub(super) const fn due(&self) -> Option<Instant> {
        if let State::Waiting { due } = self.state { Some(due) } else { None }
    }

    /// Asks the kernel, when it is time.
    pub(super) fn poll(&mut self, now: Instant, tokens: &mut Tokens) -> Option<KernelRequest<'static>> {
        let State::Waiting { due } = self.state else { return None };
        if due > now {
            return None;
        }
        let token = tokens.next();
        self.state = State::Asked { token, since: now, before: self.events };
        Some(KernelRequest::Count { token })
    }

    /// Whether `token` is that of the count under way.
    pub(super) fn is_ours(&self, token: Token) -> bool {
        matches!(self.state, State::Asked { token: asked, .. } if asked == token)
    }

    /// The kernel could not say.
    pub(super) fn failed(&mut self, now: Instant) {
        self.state = State::Waiting { due: now + EVERY };
    }

    /// The kernel holds so many, and we know of `known`; none when we know that we do not know (a dump is being read,
    /// births are not heard). Says by how many flows we differ when it is certain that events were lost.
    pub(super) fn counted(&mut self, now: Instant, kernel: u32, known: Option<u32>) -> Option<i64> {
        let State::Asked { since, before, .. } = self.state else { return None };
        self.kernel = Some(kernel);
        let seconds = since.since(self.last).as_secs().max(1);
        let on_the_way = before / seconds / LATENESS + (self.events - before);
        (self.last, self.events) = (now, 0);
        let Some(known) = known else {
            self.settle(now, EVERY);
            return None;
        };
        let difference = i64::from(kernel) - i64::from(known) - self.filtered - self.accepted;
        let differs = difference.unsigned_abs() > on_the_way;
        let compared = core::mem::take(&mut self.compared);
        if differs && compared && (difference > 0 || self.fewer_after_dump) {
            self.accepted += difference;
        } else if differs {
            self.fewer_after_dump |= compared;
            return self.look_again(now, difference);
        }
        self.fewer_after_dump &= !compared;
        self.settle(now, EVERY);
        None
    }

    /// Says the difference when it has stayed long enough.
    fn look_again(&mut self, now: Instant, difference: i64) -> Option<i64> {
        let fewer = difference < 0;
        if core::mem::replace(&mut self.fewer, fewer) != fewer {
            self.looks = 0;
        }
        self.looks += 1;
        self.state = State::Waiting { due: now + SOON };
        if self.looks < LOOKS {
            return None;
        }
        self.settle(now, EVERY);
        Some(difference)
    }

    fn settle(&mut self, now: Instant, pause: Duration) {
        self.looks = 0;
        self.state = State::Waiting { due: now + pause };
    }
}

#[cfg(test)]
mod tests;
