//! The notices that wait to be told, the oldest first. When too many wait the oldest go, and that is told before the others.
//!
//! Knows nothing of what they say. Driven by the replica; tested in `tests/leftover.rs`.

use alloc::collections::VecDeque;

use super::notice::Notice;

/// At most so many wait.
pub(super) const MOST: usize = 1024;

/// See above.
#[derive(Debug, Default)]
pub(super) struct Notices {
    waiting: VecDeque<Notice>,
    /// Dropped since the last one was taken.
    dropped: u32,
}

impl Notices {
    /// The next one.
    pub(super) fn take(&mut self) -> Option<Notice> {
        match core::mem::take(&mut self.dropped) {
            0 => self.waiting.pop_front(),
            notices => Some(Notice::NoticesDropped { notices }),
        }
    }

    /// One more; says whether the oldest had to go.
    pub(super) fn put(&mut self, notice: Notice) -> bool {
        let full = self.waiting.len() == MOST;
        if full {
            self.waiting.pop_front();
            self.dropped = self.dropped.saturating_add(1);
        }
        self.waiting.push_back(notice);
        full
    }
}
