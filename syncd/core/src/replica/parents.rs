//! Flows whose helper has announced something: looked up a moment later.
//!
//! A helper that rewrites an announcement makes its line longer or shorter, and from then on the kernel shifts the numbers
//! of all segments that follow. It tells nobody: Linux 6.18 makes no event of it, only a dump or a look-up shows it. A
//! router that takes the flow over without it breaks it at the next word. So the birth of an expectation is the sign
//! that its parent may have changed. It is told before the line is rewritten, hence the moment.
//!
//! Only TCP has such numbers. What is rewritten without anything being announced (SIP over TCP) is not noticed here.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::kernel::{By, KernelRequest, Token};
use super::tokens::Tokens;
use crate::flow::{Flow, Parent, Protocol};
use crate::time::{Duration, Instant};

/// The rewriting follows its expectation within the same packet's way through the kernel, which takes microseconds.
const MOMENT: Duration = Duration::from_millis(2);

/// Parents that wait to be looked up; when there are more, a dump is as good.
const WAITING: usize = 1024;

/// Look-ups under way at once.
const ASKED: usize = 16;

/// The job.
#[derive(Debug)]
pub(super) struct Parents {
    waiting: VecDeque<(Instant, Flow)>,
    asked: Vec<(Token, Flow)>,
}

impl Parents {
    pub(super) const fn new() -> Self {
        Self { waiting: VecDeque::new(), asked: Vec::new() }
    }

    /// A helper has announced something for this flow. Says whether it will be looked up, if it must be.
    #[must_use]
    pub(super) fn want(&mut self, now: Instant, parent: &Parent, zone: u16) -> bool {
        if parent.protocol != Protocol::TCP {
            return true;
        }
        if self.waiting.len() >= WAITING {
            return false;
        }
        let flow = Flow { zone, ..Flow::new(parent.family, parent.protocol, parent.original) };
        self.waiting.push_back((now + MOMENT, flow));
        true
    }

    /// When [`Self::poll`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.asked.len() < ASKED { self.waiting.front().map(|(due, _)| *due) } else { None }
    }

    /// The next look-up, when it is time.
    pub(super) fn poll(&mut self, now: Instant, tokens: &mut Tokens) -> Option<KernelRequest<'_>> {
        if self.due().is_none_or(|due| due > now) {
            return None;
        }
        let (_, flow) = self.waiting.pop_front()?;
        let token = tokens.next();
        self.asked.push((token, flow));
        let (_, flow) = self.asked.last().expect("just pushed");
        Some(KernelRequest::Find { token, flow, by: By::Original })
    }

    /// Whether `token` is that of a look-up, which is now answered.
    pub(super) fn take(&mut self, token: Token) -> bool {
        let found = self.asked.iter().position(|(asked, _)| *asked == token);
        found.map(|index| self.asked.swap_remove(index)).is_some()
    }
}
