//! The turn of a round, and its datagrams. While events come fast, a datagram leaves when it is full: what does not fill one
//! waits for the events that are on their way, and when a pause shows that none is, it leaves at once.
//!
//! What does not fill a datagram is gathered for again only for [`PATIENCE`], and nothing but flows waits: while anything else
//! is due, all leaves. Driven by the event loop; its arithmetic is tested below, the rest end to end.

use std::time::Duration;

use syncd_core::time::Instant;

use super::{EventLoop, Parts};
use crate::clock;
use crate::outside::Surroundings;

/// So many frames fill a datagram while none was sent yet.
const FIRST_GUESS: u32 = 16;
/// Fewer frames say nothing of how long they are.
const TELLING: u64 = 8;

/// When what waits has waited for so long, it waits no longer: in a burst a gathering is short, and one more may fill it.
const PATIENCE: Duration = Duration::from_micros(300);

/// How many frames fill a datagram, and whether some wait.
#[derive(Debug)]
pub(super) struct Filling {
    /// As the last frames were.
    per_datagram: u32,
    /// Frames and bytes that had been sent before them.
    sent: (u64, u64),
    /// Since when something waits.
    held: Option<Instant>,
}

impl Default for Filling {
    fn default() -> Self {
        Self { per_datagram: FIRST_GUESS, sent: (0, 0), held: None }
    }
}

impl Filling {
    /// So many frames with so many bytes were sent so far, in datagrams of at most `limit` bytes.
    fn learn(&mut self, sent: (u64, u64), limit: usize) {
        let (frames, bytes) = (sent.0.wrapping_sub(self.sent.0), sent.1.wrapping_sub(self.sent.1));
        if frames >= TELLING {
            let fit = (limit as u64).saturating_mul(frames) / bytes.max(1);
            self.per_datagram = u32::try_from(fit).unwrap_or(u32::MAX).max(1);
            self.sent = sent;
        }
    }

    /// How many datagrams so many frames fill, and how many frames are left over.
    const fn whole(&self, frames: u32) -> (usize, u32) {
        ((frames / self.per_datagram) as usize, frames % self.per_datagram)
    }

    /// Since when waits what `whole` datagrams leave over, if it may wait any longer. Behind a whole one it has just come.
    fn may_wait(&self, now: Instant, whole: usize) -> Option<Instant> {
        let since = self.held.filter(|_| whole == 0).unwrap_or(now);
        (now.since(since) < PATIENCE).then_some(since)
    }

    /// How many more frames fill the datagram for which `held` wait.
    pub(super) const fn lacking(&self, held: u32) -> u32 {
        self.per_datagram - held % self.per_datagram
    }
}

/// What came of a turn.
pub(super) struct Turned {
    /// Memory for more datagrams was missing.
    pub(super) was_full: bool,
    /// Every datagram left; else the link's socket is full.
    pub(super) all_sent: bool,
    /// So many frames wait for others.
    pub(super) held: u32,
    /// More events wait than one round takes, or the kernel has answered.
    pub(super) more: bool,
}

impl EventLoop {
    /// Takes a turn and sends; `fast` is whether events come fast.
    pub(super) fn turn(&mut self, now: Instant, fast: bool) -> anyhow::Result<Turned> {
        let replica = &self.parts.replica;
        let waits_for_time = replica.poll_timeout().is_none_or(|due| due > now);
        let (whole, rest) = self.filling.whole(replica.queued());
        let since = self.filling.may_wait(now, whole).filter(|_| fast && waits_for_time && rest > 0);
        let (was_full, all_sent) = self.turn_once(now, since.map(|_| whole));
        self.filling.held = since.filter(|_| all_sent);
        if self.filling.held.is_none() {
            return Ok(Turned { was_full, all_sent, held: 0, more: false });
        }
        let most = self.rhythm.budget(now);
        let Parts { replica, kernel, journal, .. } = &mut self.parts;
        // A full batch is on its way to the kernel already, and what it writes makes events.
        let answered = kernel.execute(replica)?;
        let later = clock::now();
        let came = kernel.read_events(later, replica, journal, most)?;
        self.rhythm.count(later, came);
        if self.rhythm.is_pause(later) {
            self.filling.held = None;
            let (was_full, all_sent) = self.turn_once(later, None);
            return Ok(Turned { was_full, all_sent, held: 0, more: answered });
        }
        Ok(Turned { was_full, all_sent, held: replica.queued(), more: came == most || answered })
    }

    /// One turn that fills at most so many datagrams, and what became of those that were filled: whether there was no memory
    /// for more, and whether all left.
    fn turn_once(&mut self, now: Instant, datagrams: Option<usize>) -> (bool, bool) {
        let Parts { replica, kernel, channels, .. } = &mut self.parts;
        let (replies, notices) = (&mut self.replies, &mut self.notices);
        self.outbox.allow(datagrams);
        replica.turn(now, &mut Surroundings { outbox: &mut self.outbox, kernel, replies, notices });
        let link = &replica.stats().link;
        self.filling.learn((link.frames_sent, link.bytes_sent), self.outbox.limit());
        (self.outbox.is_full(), self.outbox.flush(channels))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use syncd_core::time::Instant;

    use super::{Filling, PATIENCE};

    #[test]
    fn what_fills_no_datagram_waits_until_patience_ends_or_one_is_full() {
        let at = |micros: u64| Instant::from_nanos(micros * 1000);
        let mut filling = Filling::default();
        assert_eq!(filling.may_wait(at(1000), 0), Some(at(1000)));
        filling.held = Some(at(1000));
        assert_eq!(filling.may_wait(at(1000) + (PATIENCE - Duration::from_micros(1)), 0), Some(at(1000)));
        assert_eq!(filling.may_wait(at(1000) + PATIENCE, 0), None);
        assert_eq!(filling.may_wait(at(1000) + PATIENCE, 1), Some(at(1000) + PATIENCE));
    }

    #[test]
    fn what_fills_a_datagram_is_learned_from_what_was_sent() {
        let mut filling = Filling::default();
        assert_eq!(filling.whole(33), (2, 1));
        // Too few to tell: they count with the next.
        filling.learn((7, 7 * 60), 1471);
        assert_eq!(filling.lacking(0), 16);
        filling.learn((14, 14 * 60), 1471);
        assert_eq!((filling.whole(50), filling.lacking(2), filling.lacking(24)), ((2, 2), 22, 24));
        // Longer frames than fit are one.
        filling.learn((24, 14 * 60 + 10 * 2000), 1471);
        assert_eq!((filling.whole(3), filling.lacking(0)), ((3, 0), 1));
    }
}
