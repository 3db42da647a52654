//! Our numbers: what waits, what is in flight, what an ACK or NACK of the peer does to it.
//!
//! The transmit queue is a linked list through an array parallel to the table; what is in flight is a ring indexed
//! by sequence number, so an ACK or NACK costs its own length and never a walk through the rest.
//! At most [`WINDOW`] items are in flight: the peer's receive buffer paces a bulk, and a dead link costs nothing.

use alloc::collections::VecDeque;

use crate::paged::Paged;
use crate::wire::{Control, Seq, SeqRange};

/// Something that can be sent: the owner's index of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Item(pub u32);

/// The most items in flight. conntrackd acknowledges every 300 messages or every second; its receive buffer of
/// 1 MB holds about 450 full datagrams of some 17 messages.
pub const WINDOW: u32 = 8192;

/// The most numbers in flight, items and control messages together.
const RING: usize = 4 * WINDOW as usize;

/// The most control messages that wait. More than a peer can cause between two turns; the oldest go.
const CONTROLS: usize = 256;

/// What is sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// An item: the owner encodes its present state.
    Item(Item),
    /// A control message.
    Control(Control),
}

/// One number in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    /// Acknowledged, or its content went back to the queue.
    Settled,
    /// An ALIVE: nothing to repeat.
    Alive,
    Item(Item),
    Control(Control),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Idle,
    Queued,
    InFlight,
}

/// Per item: its neighbours in the queue, or its number in flight (in `next`); and in which round its news came.
#[derive(Clone, Copy, Debug)]
struct Link {
    previous: u32,
    next: u32,
    place: Place,
    round: bool,
}

const NONE: u32 = u32::MAX;

impl Default for Link {
    fn default() -> Self {
        Self { previous: NONE, next: NONE, place: Place::Idle, round: false }
    }
}

/// The sending half of a session.
#[derive(Debug)]
pub struct Sender {
    next: Seq,
    /// `ring[i]` is what was sent under number `next - ring.len() + i`.
    ring: VecDeque<Sent>,
    in_flight: u32,
    links: Paged<Link>,
    head: u32,
    tail: u32,
    queued: u32,
    controls: VecDeque<Control>,
    /// NACKs that wait or are in flight.
    nacks: u32,
    /// RESYNCs that wait or are in flight.
    resyncs: u32,
    /// NACKs that were dropped unsent.
    dropped_nacks: u32,
    /// So many items at the head of the queue were asked for by the peer.
    asked_for: u32,
    /// What is put into the queue belongs to this round; what waits or is in flight of the other one was there when this
    /// one began. A round ends when nothing of the one before is left, so that there are never more than two.
    round: bool,
    /// Items of the round before that wait or are in flight.
    older: u32,
}

impl Sender {
    /// A sender whose first message takes number `first`.
    #[must_use]
    pub fn new(first: Seq) -> Self {
        Self {
            next: first,
            ring: VecDeque::new(),
            in_flight: 0,
            links: Paged::new(),
            head: NONE,
            tail: NONE,
            queued: 0,
            controls: VecDeque::new(),
            nacks: 0,
            resyncs: 0,
            dropped_nacks: 0,
            asked_for: 0,
            round: false,
            older: 0,
        }
    }

    /// Items that waited or were in flight when this round began, and still do, resent or not.
    #[must_use]
    pub const fn older(&self) -> u32 {
        self.older
    }

    /// A round begins; only when nothing is left of the one before the last.
    pub fn begin_round(&mut self) {
        assert_eq!(self.older, 0, "a round lasts until nothing of the one before is left");
        self.round = !self.round;
        self.older = self.queued + self.in_flight;
    }

    /// How many NACKs were dropped since the last call, because nothing could be sent for long: what they asked for
    /// will never come by itself.
    pub fn take_dropped_nacks(&mut self) -> u32 {
        core::mem::take(&mut self.dropped_nacks)
    }

    /// The last RESYNC of ours that the peer, which acknowledges from `seq` on, has passed over. conntrackd acknowledges
    /// without holes; who does this keeps what it owes until it is acknowledged.
    #[must_use]
    pub fn passed_over(&self, seq: Seq) -> Option<Seq> {
        if self.resyncs == 0 {
            return None;
        }
        let before = self.indices(SeqRange { from: seq, to: seq }).start;
        let resync = |sent: &Sent| *sent == Sent::Control(Control::Resync);
        let index = self.ring.range(..before).rposition(resync)?;
        let back = u32::try_from(self.ring.len() - index).expect("the ring is bounded");
        Some(Seq(self.next.0.wrapping_sub(back)))
    }

    /// NACKs the peer has not acknowledged yet.
    #[must_use]
    pub const fn nacks(&self) -> u32 {
        self.nacks
    }

    /// How many numbers those NACKs ask for.
    #[must_use]
    pub fn asked(&self) -> u32 {
        let flying = self.ring.iter().filter_map(|sent| match sent {
            Sent::Control(control) => Some(control),
            _ => None,
        });
        let numbers = |control: &Control| if let Control::Nack(range) = control { range.len() } else { 0 };
        flying.chain(&self.controls).map(numbers).fold(0, u32::saturating_add)
    }

    /// RESYNCs the peer has not acknowledged yet.
    #[must_use]
    pub const fn resyncs(&self) -> u32 {
        self.resyncs
    }

    /// The number the next message takes.
    #[must_use]
    pub const fn next_seq(&self) -> Seq {
        self.next
    }

    /// Items waiting.
    #[must_use]
    pub const fn queued(&self) -> u32 {
        self.queued
    }

    /// Items sent and not acknowledged.
    #[must_use]
    pub const fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// The numbers that wait for their acknowledgement, the oldest first, with what they carried where that was no item.
    pub fn unacknowledged(&self) -> impl Iterator<Item = (Seq, Option<Control>)> {
        let len = u32::try_from(self.ring.len()).expect("the ring is bounded");
        let base = self.next.0.wrapping_sub(len);
        (0..len).zip(&self.ring).filter_map(move |(index, sent)| {
            let seq = Seq(base.wrapping_add(index));
            match sent {
                Sent::Settled | Sent::Alive => None,
                Sent::Item(_) => Some((seq, None)),
                Sent::Control(control) => Some((seq, Some(*control))),
            }
        })
    }

    /// The last item of the transmit queue.
    #[must_use]
    pub const fn tail(&self) -> Option<Item> {
        if self.tail == NONE { None } else { Some(Item(self.tail)) }
    }

    /// Puts an item at the end of the transmit queue. One that waits already stays where it is; one in flight is
    /// taken back, since its new state overtakes the old.
    pub fn enqueue(&mut self, item: Item) {
        self.links.reach(item.0 as usize);
        match self.links[item.0 as usize].place {
            Place::Queued => return,
            Place::InFlight => self.settle(item),
            Place::Idle => {}
        }
        self.append(item);
    }

    /// Takes an item out of wherever it is: it will not be sent, nor its acknowledgement awaited.
    pub fn forget(&mut self, item: Item) {
        if self.links.len() <= item.0 as usize {
            return;
        }
        match self.links[item.0 as usize].place {
            Place::Idle => {}
            Place::Queued => {
                self.unlink(item);
                self.passed(item);
            }
            Place::InFlight => self.settle(item),
        }
    }

    /// Whether the item waits or is in flight.
    #[must_use]
    pub fn holds(&self, item: Item) -> bool {
        self.links.len() > item.0 as usize && self.links[item.0 as usize].place != Place::Idle
    }

    /// Puts a control message in front of all items.
    pub fn enqueue_control(&mut self, control: Control) {
        if self.controls.len() == CONTROLS {
            let dropped = self.controls.pop_front().expect("it is full");
            self.dropped_nacks += u32::from(matches!(dropped, Control::Nack(_)));
            self.discount(dropped);
        }
        self.nacks += u32::from(matches!(control, Control::Nack(_)));
        self.resyncs += u32::from(control == Control::Resync);
        self.controls.push_back(control);
    }

    /// RESYNCs that are not acknowledged are neither sent nor awaited any more.
    pub fn forget_resyncs(&mut self) {
        if self.resyncs == 0 {
            return;
        }
        self.controls.retain(|control| *control != Control::Resync);
        for sent in self.ring.iter_mut().filter(|sent| **sent == Sent::Control(Control::Resync)) {
            *sent = Sent::Settled;
        }
        self.resyncs = 0;
        self.shrink();
    }

    /// What would be sent now. `items` says whether items may be sent at all.
    #[must_use]
    pub fn peek(&self, items: bool) -> Option<Outgoing> {
        if let Some(control) = self.controls.front() {
            return Some(Outgoing::Control(*control));
        }
        let room = self.in_flight < WINDOW && self.ring.len() < RING;
        (items && room && self.head != NONE).then_some(Outgoing::Item(Item(self.head)))
    }

    /// What [`Self::peek`] said was sent, under [`Self::next_seq`].
    pub fn sent(&mut self, outgoing: Outgoing) {
        let entry = match outgoing {
            Outgoing::Item(item) => {
                self.unlink(item);
                self.asked_for = self.asked_for.saturating_sub(1);
                let link = &mut self.links[item.0 as usize];
                (link.next, link.place) = (self.next.0, Place::InFlight);
                self.in_flight += 1;
                Sent::Item(item)
            }
            Outgoing::Control(Control::Alive) => {
                self.controls.pop_front();
                Sent::Alive
            }
            Outgoing::Control(control) => {
                self.controls.pop_front();
                Sent::Control(control)
            }
        };
        self.ring.push_back(entry);
        self.next = self.next.next();
        if self.ring.len() > 2 * RING {
            // Only control messages get here, and only when nobody answers for days.
            if let Some(Outgoing::Item(item)) = self.take_out(0) {
                self.prepend(item);
            }
            self.shrink();
        }
    }

    /// The peer has these numbers: `settled` hears what they were. Says whether it was anything new.
    pub fn acked(&mut self, range: SeqRange, mut settled: impl FnMut(Outgoing)) -> bool {
        let mut progress = false;
        for index in self.indices(range) {
            progress |= self.ring[index] != Sent::Settled;
            if let Some(outgoing) = self.take_out(index) {
                if let Outgoing::Item(item) = outgoing {
                    self.passed(item);
                }
                settled(outgoing);
            }
        }
        self.shrink();
        progress
    }

    /// The peer misses these numbers: what they carried is sent again, before anything newer. Says how many items that
    /// were.
    pub fn nacked(&mut self, range: SeqRange) -> u32 {
        self.again(range, true)
    }

    /// Puts what these numbers carried before all that waits, so that whatever was asked for stays at the head and its
    /// count is that of the head.
    fn again(&mut self, range: SeqRange, controls: bool) -> u32 {
        let before = self.in_flight;
        if self.head == NONE {
            self.asked_for = 0;
        }
        for index in self.indices(range).rev() {
            if !controls && matches!(self.ring[index], Sent::Control(_)) {
                continue;
            }
            match self.take_out(index) {
                Some(Outgoing::Item(item)) => self.prepend(item),
                Some(Outgoing::Control(control)) => self.enqueue_control(control),
                None => {}
            }
        }
        self.shrink();
        let again = before - self.in_flight;
        self.asked_for += again;
        again
    }

    /// Whether all items that the peer has asked for were sent again.
    #[must_use]
    pub const fn asked_for_is_sent(&self) -> bool {
        self.asked_for == 0 || self.head == NONE
    }

    /// Whatever was sent before number `before` and is still unanswered is sent again. Says how many items that were.
    pub fn overdue(&mut self, before: Seq) -> u32 {
        self.before(before).map_or(0, |range| self.nacked(range))
    }

    /// Whether an item that was sent before number `seq` is still in flight.
    #[must_use]
    pub fn has_items_before(&self, seq: Seq) -> bool {
        let before = self.indices(SeqRange { from: seq, to: seq }).start;
        self.in_flight > 0 && self.ring.range(..before).any(|sent| matches!(sent, Sent::Item(_)))
    }

    /// Items that were sent before number `seq` and are still in flight are sent again, before anything newer. Says how
    /// many they were.
    pub fn items_again(&mut self, seq: Seq) -> u32 {
        self.before(seq).map_or(0, |range| self.again(range, false))
    }

    /// The numbers in the ring before `seq`.
    fn before(&self, seq: Seq) -> Option<SeqRange> {
        let len = u32::try_from(self.ring.len()).expect("the ring is bounded");
        let base = Seq(self.next.0.wrapping_sub(len));
        seq.newer_than(base).then_some(SeqRange { from: base, to: seq.previous() })
    }

    /// Everything unacknowledged goes back into the transmit queue; control messages are forgotten, for they spoke
    /// of numbers that mean nothing any more. Says how many items that were.
    pub fn take_all_back(&mut self) -> u32 {
        let before = self.in_flight;
        for index in (0..self.ring.len()).rev() {
            if let Some(Outgoing::Item(item)) = self.take_out(index) {
                self.prepend(item);
            }
        }
        self.ring.clear();
        self.controls.clear();
        (self.nacks, self.resyncs, self.asked_for) = (0, 0, 0);
        before
    }

    /// Whether any number awaits its acknowledgement.
    #[must_use]
    pub fn awaits(&self) -> bool {
        !self.ring.is_empty()
    }

    /// What is wrong with the places of items: one is in two queues, or twice in one, or elsewhere than it says, or their
    /// count is not theirs. Walks what waits and what is in flight; for whoever tests.
    #[must_use]
    pub fn misplaced(&self) -> Option<&'static str> {
        let (mut waiting, mut previous, mut here) = (0, NONE, self.head);
        while here != NONE {
            let link = self.links[here as usize];
            if link.place != Place::Queued || link.previous != previous || waiting == self.queued {
                return Some("the transmit queue is broken");
            }
            (waiting, previous, here) = (waiting + 1, here, link.next);
        }
        if waiting != self.queued || previous != self.tail {
            return Some("the transmit queue is not as long as it says");
        }
        let mut flying = 0;
        let first = self.next.0.wrapping_sub(u32::try_from(self.ring.len()).ok()?);
        for (index, sent) in (0..).zip(&self.ring) {
            if let Sent::Item(Item(item)) = sent {
                let link = self.links[*item as usize];
                if link.place != Place::InFlight || link.next != first.wrapping_add(index) {
                    return Some("an item in flight is not where it says");
                }
                flying += 1;
            }
        }
        (flying != self.in_flight).then_some("not as many items are in flight as are counted")
    }

    /// What contradicts itself in here: what [`Self::misplaced`] finds, an item in none of the queues it claims to be in, a
    /// wrong count. Walks all items; for whoever tests.
    #[must_use]
    pub fn inconsistency(&self) -> Option<&'static str> {
        if let Some(wrong) = self.misplaced() {
            return Some(wrong);
        }
        let flying = self.ring.iter().filter_map(|sent| match sent {
            Sent::Control(control) => Some(control),
            Sent::Item(_) | Sent::Alive | Sent::Settled => None,
        });
        let (mut nacks, mut resyncs) = (0, 0);
        for control in flying.chain(&self.controls) {
            nacks += usize::from(matches!(control, Control::Nack(_)));
            resyncs += usize::from(*control == Control::Resync);
        }
        let claims = (0..self.links.len()).filter(|item| self.links[*item].place != Place::Idle).count();
        if claims != (self.queued + self.in_flight) as usize {
            return Some("items that say they wait or are in flight, and are not");
        }
        let older = |link: &Link| link.place != Place::Idle && link.round != self.round;
        if (0..self.links.len()).filter(|item| older(&self.links[*item])).count() != self.older as usize {
            return Some("items of the round before are not counted right");
        }
        let counted = (self.nacks as usize, self.resyncs as usize);
        (counted != (nacks, resyncs)).then_some("NACKs or RESYNCs under way are not counted right")
    }

    /// Takes out of flight what was sent at `index` of the ring, if it is worth sending again.
    fn take_out(&mut self, index: usize) -> Option<Outgoing> {
        match core::mem::replace(&mut self.ring[index], Sent::Settled) {
            Sent::Settled | Sent::Alive => None,
            Sent::Item(item) => {
                self.rest(item);
                self.in_flight -= 1;
                Some(Outgoing::Item(item))
            }
            Sent::Control(control) => {
                self.discount(control);
                Some(Outgoing::Control(control))
            }
        }
    }

    /// A control message no longer waits and is no longer in flight.
    fn discount(&mut self, control: Control) {
        self.nacks -= u32::from(matches!(control, Control::Nack(_)));
        self.resyncs -= u32::from(control == Control::Resync);
    }

    /// The part of `range` that is in the ring. What the peer says of other numbers is of no use.
    fn indices(&self, range: SeqRange) -> core::ops::Range<usize> {
        let len = u32::try_from(self.ring.len()).expect("the ring is bounded");
        let base = Seq(self.next.0.wrapping_sub(len));
        let begin = range.from.0.wrapping_sub(base.0).cast_signed().clamp(0, len.cast_signed());
        let end = range.to.0.wrapping_sub(base.0).cast_signed().clamp(-1, len.cast_signed() - 1) + 1;
        begin.cast_unsigned() as usize..end.max(begin).cast_unsigned() as usize
    }

    fn shrink(&mut self) {
        while self.ring.front() == Some(&Sent::Settled) {
            self.ring.pop_front();
        }
    }

    /// Takes the item out of flight.
    fn settle(&mut self, item: Item) {
        let number = Seq(self.links[item.0 as usize].next);
        for index in self.indices(SeqRange { from: number, to: number }) {
            assert_eq!(self.ring[index], Sent::Item(item), "an item in flight is in the ring");
            self.ring[index] = Sent::Settled;
        }
        self.rest(item);
        self.passed(item);
        self.in_flight -= 1;
        self.shrink();
    }

    /// The item is in no queue for now; its round stays.
    fn rest(&mut self, item: Item) {
        let link = &mut self.links[item.0 as usize];
        *link = Link { round: link.round, ..Link::default() };
    }

    /// The item's news has come to its end: the peer has it, or nobody wants it any more.
    fn passed(&mut self, item: Item) {
        self.older -= u32::from(self.links[item.0 as usize].round != self.round);
    }

    fn append(&mut self, item: Item) {
        self.links[item.0 as usize] =
            Link { previous: self.tail, next: NONE, place: Place::Queued, round: self.round };
        if self.tail == NONE {
            self.head = item.0;
        } else {
            self.links[self.tail as usize].next = item.0;
        }
        self.tail = item.0;
        self.queued += 1;
    }

    fn prepend(&mut self, item: Item) {
        let link = &mut self.links[item.0 as usize];
        (link.next, link.place) = (self.head, Place::Queued);
        if self.head == NONE {
            self.tail = item.0;
        } else {
            self.links[self.head as usize].previous = item.0;
        }
        self.head = item.0;
        self.queued += 1;
    }

    fn unlink(&mut self, item: Item) {
        let Link { previous, next, place, .. } = self.links[item.0 as usize];
        assert_eq!(place, Place::Queued, "only a waiting item is taken from the queue");
        if previous == NONE {
            self.head = next;
        } else {
            self.links[previous as usize].next = next;
        }
        if next == NONE {
            self.tail = previous;
        } else {
            self.links[next as usize].previous = previous;
        }
        self.rest(item);
        self.queued -= 1;
    }
}
