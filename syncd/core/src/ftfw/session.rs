//! The conversation with one peer: numbers in both directions, hello, and the one-second beat.

use super::hello::Hello;
use super::lag::Lag;
use super::recv::Receiver;
use super::send::{Item, Outgoing, Sender};
use crate::time::{Duration, Instant};
use crate::wire::{Control, Flags, Seq, SeqRange};

/// Something is sent at least so often.
pub const ALIVE_EVERY: Duration = Duration::from_secs(1);

/// Our hello is repeated so often to a peer that is heard and has not answered it.
const HELLO_EVERY: Duration = Duration::from_millis(200);

/// After so long without a word the peer counts as lost: three beats.
pub const SILENCE: Duration = Duration::from_millis(3500);

/// After so long without any acknowledgement from a peer that is heard, we start over with hello.
pub const STUCK: Duration = Duration::from_secs(5);

/// Frames that carry flows are acknowledged after so long, if not sooner by their number; idle chatter after
/// [`ALIVE_EVERY`].
const ACK_AFTER: Duration = Duration::from_millis(50);

/// What needs an answer and has none is followed by an ALIVE after so long, in which the peer sees what it missed; the
/// next one comes after twice that, up to [`ALIVE_EVERY`]. Longer than [`ACK_AFTER`] and a way there and back.
const PROBE_AFTER: Duration = Duration::from_millis(100);

/// What an acknowledgement has passed over is sent again after so long: either it was lost, and so was the NACK that asked
/// for it, or the peer does not know that it missed it, or an earlier acknowledgement was lost. Longer than datagrams
/// overtake each other.
const PASSED_FOR: Duration = Duration::from_millis(100);

/// No datagram of ours is on its way for so long.
const LATE: Duration = Duration::from_secs(1);

/// What a frame means before its content is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Whether to look at its content; otherwise it is late or a duplicate.
    pub deliver: bool,
    /// Whether what it says of a flow may be older than what we hold, so that it must not be applied.
    pub stale: bool,
    /// How many numbers were missing before it.
    pub lost: u32,
    /// The peer's hello began with it: what was unacknowledged (that many items) went back into the queue.
    pub episode: Option<u32>,
    /// It answered our hello.
    pub answered: bool,
    /// The peer was silent before, or never heard.
    pub returned: bool,
    /// The peer's numbers went back, or far ahead, without a hello.
    pub stuck: bool,
    /// It is late, and was neither heard nor missed before: what it says is lost.
    pub skipped: bool,
    /// It answers a hello that was not ours: somebody else has told the peer where our numbers stand.
    pub foreign: bool,
    /// It is a hello that leaps over numbers nearby: what is lost among them, nobody will miss.
    pub leap: bool,
}

/// What the passing of time meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lapsed {
    /// The peer fell silent; so many items went back into the queue.
    pub lost: Option<u32>,
    /// Nothing was acknowledged: we say hello again; so many items went back into the queue.
    pub stuck: Option<u32>,
    /// So many items went back into the queue because the peer answered others but neither acknowledged these nor
    /// asked for them: it never noticed that they were missing (a fresh peer takes the first number it hears).
    pub overdue: u32,
}

/// A conversation with one peer.
#[derive(Debug)]
pub struct Session {
    send: Sender,
    recv: Receiver,
    hello: Hello,
    beat: Instant,
    /// When our last message with HELLO was sent.
    said_hello: Option<Instant>,
    ack_due: Option<Instant>,
    /// How long after our last message the next probe is due, while something needs an answer.
    probe_after: Duration,
    heard: Option<Instant>,
    silent: bool,
    silence: Duration,
    progress: Instant,
    /// When the present round of [`Sender::begin_round`] began.
    round: Instant,
    lag: Lag,
    /// Whatever was sent before this number and still awaits an answer [`STUCK`] after this instant is overdue.
    watermark: (Seq, Instant),
    /// An acknowledgement has passed over items that were sent before this number, at this instant.
    passed_items: Option<(Seq, Instant)>,
    /// An acknowledgement has passed over the RESYNC of this number; once that very one is acknowledged itself, the peer
    /// has shown that it keeps what it owes.
    passed_over: Option<Seq>,
    keeps: bool,
}

impl Session {
    /// A conversation that begins with hello under number `first`.
    #[must_use]
    pub fn new(first: Seq, now: Instant) -> Self {
        Self {
            send: Sender::new(first),
            recv: Receiver::default(),
            hello: Hello::new(),
            beat: now,
            said_hello: None,
            ack_due: None,
            probe_after: PROBE_AFTER,
            heard: None,
            silent: true,
            silence: SILENCE,
            progress: now,
            round: now,
            lag: Lag::default(),
            watermark: (first, now),
            passed_items: None,
            passed_over: None,
            keeps: false,
        }
    }

    /// After so long without a word the peer counts as lost; [`SILENCE`] unless this was called.
    pub const fn set_silence(&mut self, silence: Duration) {
        self.silence = silence;
    }

    /// Items waiting.
    #[must_use]
    pub const fn queued(&self) -> u32 {
        self.send.queued()
    }

    /// Items sent and not acknowledged.
    #[must_use]
    pub const fn in_flight(&self) -> u32 {
        self.send.in_flight()
    }

    /// See [`Sender::unacknowledged`].
    pub fn unacknowledged(&self) -> impl Iterator<Item = (Seq, Option<Control>)> {
        self.send.unacknowledged()
    }

    /// What is wrong with the places of items: see [`Sender::misplaced`].
    #[must_use]
    pub fn misplaced(&self) -> Option<&'static str> {
        self.send.misplaced()
    }

    /// What contradicts itself in the queues: see [`Sender::inconsistency`].
    #[must_use]
    pub fn inconsistency(&self) -> Option<&'static str> {
        self.send.inconsistency()
    }

    /// The last item of the transmit queue.
    #[must_use]
    pub const fn tail(&self) -> Option<Item> {
        self.send.tail()
    }

    /// When the peer was heard last.
    #[must_use]
    pub const fn heard(&self) -> Option<Instant> {
        self.heard
    }

    /// Whether the peer is heard and has answered our hello.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !self.silent && self.hello.is_answered()
    }

    /// Whether the peer is silent.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        self.silent
    }

    /// Whether numbers of the peer are missing whose NACK was not acknowledged yet.
    #[must_use]
    pub const fn has_gap(&self) -> bool {
        self.send.nacks() > 0
    }

    /// How many numbers of the peer those are. Looks at everything that is in flight.
    #[must_use]
    pub fn missing(&self) -> u32 {
        self.send.asked()
    }

    /// Whether a RESYNC of ours was not acknowledged yet.
    #[must_use]
    pub const fn awaits_resync(&self) -> bool {
        self.send.resyncs() > 0
    }

    /// Whether the peer has shown that it forgets nothing that was not acknowledged, however much it is: it has
    /// acknowledged what came after a RESYNC before the RESYNC itself, as we do. A conntrackd acknowledges without
    /// holes, and forgets what goes beyond its resend queue.
    #[must_use]
    pub const fn peer_keeps(&self) -> bool {
        self.keeps
    }

    /// Whether a hello of ours may still be on its way: one that comes late, even behind an answer to another, makes a
    /// conntrackd forget all that it should send again.
    #[must_use]
    pub fn has_just_said_hello(&self, now: Instant) -> bool {
        self.said_hello.is_some_and(|said| now.since(said) < LATE)
    }

    /// How far the peer's numbers have come beyond `seq`; none while none was heard.
    #[must_use]
    pub fn beyond(&self, seq: Seq) -> Option<u32> {
        self.recv.last().map(|last| last.distance_from(seq))
    }

    /// How many NACKs were dropped since the last call.
    pub fn take_dropped_nacks(&mut self) -> u32 {
        self.send.take_dropped_nacks()
    }

    /// When the peer last acknowledged something, or had nothing to acknowledge.
    #[must_use]
    pub const fn progress(&self) -> Instant {
        self.progress
    }

    /// Since when at least something has waited for the peer, queued or in flight and perhaps sent again meanwhile; none
    /// while nothing has for long. So a link that is too slow is noticed although the peer acknowledges all the time.
    #[must_use]
    pub fn waits_since(&self) -> Option<Instant> {
        (self.send.older() > 0).then_some(self.round)
    }

    /// How long the peer is behind, counted over all rounds.
    #[must_use]
    pub const fn lag(&self) -> &Lag {
        &self.lag
    }

    /// The number of our next message.
    #[must_use]
    pub const fn next_seq(&self) -> Seq {
        self.send.next_seq()
    }

    /// An item has news for the peer.
    pub fn enqueue(&mut self, item: Item) {
        self.send.enqueue(item);
    }

    /// An item is gone: it is neither sent nor awaited.
    pub fn forget(&mut self, item: Item) {
        self.send.forget(item);
    }

    /// Whether the item waits or is in flight.
    #[must_use]
    pub fn holds(&self, item: Item) -> bool {
        self.send.holds(item)
    }

    /// Asks the peer for everything it has. An earlier question is no longer one, whose answer would count for nothing: a
    /// peer that holds more of them than it can remember never acknowledges the first. The ALIVE behind it is something that
    /// can be acknowledged before the RESYNC is.
    pub fn ask_resync(&mut self) {
        self.passed_over = None;
        self.send.forget_resyncs();
        self.send.enqueue_control(Control::Resync);
        self.send.enqueue_control(Control::Alive);
    }

    /// Says hello again: whoever hears it asks for a resync.
    pub fn say_hello(&mut self, now: Instant) -> u32 {
        self.hello.start_over();
        self.progress = now;
        let taken_back = self.send.take_all_back();
        self.send.enqueue_control(Control::Alive);
        taken_back
    }

    /// A frame came in.
    pub fn arrive(&mut self, now: Instant, seq: Seq, flags: Flags) -> Arrival {
        let heard = self.hello.hear(flags);
        let returned = core::mem::replace(&mut self.silent, false);
        self.heard = Some(now);
        if returned {
            self.progress = now;
        }
        let episode = heard.episode.then(|| self.begin_episode(now));
        let tracked =
            if flags.has(Flags::HELLO) { self.recv.track_hello(now, seq) } else { self.recv.track(now, seq) };
        if let Some(range) = tracked.ack {
            self.send.enqueue_control(Control::Ack(range));
        }
        if let Some(range) = tracked.gap {
            self.send.enqueue_control(Control::Nack(range));
        }
        if tracked.deliver {
            self.owe_ack(now + ALIVE_EVERY);
        }
        Arrival {
            deliver: tracked.deliver,
            stale: tracked.stale,
            lost: tracked.gap.map_or(0, SeqRange::len),
            episode,
            answered: heard.answered,
            returned,
            stuck: tracked.stuck,
            skipped: tracked.skipped,
            leap: tracked.leap,
            foreign: tracked.deliver && heard.unasked && !self.has_just_said_hello(now),
        }
    }

    /// The frame that arrived last carried a flow: its acknowledgement frees the peer's memory, so it comes soon.
    pub fn acknowledge_soon(&mut self, now: Instant) {
        self.owe_ack(now + ACK_AFTER);
    }

    /// The frame that arrived last was a RESYNC: its acknowledgement is held until [`Self::release_resync`].
    pub fn hold_resync(&mut self) {
        if let Some(range) = self.recv.hold() {
            self.send.enqueue_control(Control::Ack(range));
        }
    }

    /// The last frame of the answer to all RESYNCs held was sent. What came after them is acknowledged first: so the
    /// peer sees that we held them.
    pub fn release_resync(&mut self) {
        if self.recv.holds()
            && let Some(range) = self.recv.take_ack()
        {
            self.send.enqueue_control(Control::Ack(range));
        }
        for seq in self.recv.release() {
            self.send.enqueue_control(Control::Ack(SeqRange { from: seq, to: seq }));
        }
    }

    /// The peer has these numbers. If some of them were never sent, it counts by something that is not ours, such as a
    /// stranger's hello: it is not believed, and hears our hello when nothing is acknowledged for [`STUCK`].
    pub fn acked(&mut self, now: Instant, range: SeqRange, settled: impl FnMut(Outgoing)) {
        if range.to.newer_than(self.send.next_seq().previous()) {
            return;
        }
        // While a frame is missing it may be the acknowledgement of the RESYNC.
        let passed = if self.has_gap() { None } else { self.send.passed_over(range.from) };
        let asked = self.send.resyncs();
        let waited = self.send.older() > 0;
        let progress = self.send.acked(range, settled);
        if waited && self.send.older() == 0 {
            self.lag.observe(now.since(self.round));
        }
        let keeps = self.passed_over.is_some_and(|resync| range.contains(resync));
        self.keeps |= keeps && self.send.resyncs() < asked;
        self.passed_over = passed.or(self.passed_over);
        if progress {
            self.progress = now;
        }
        if self.passed_items.is_none() && self.send.has_items_before(range.from) {
            self.passed_items = Some((range.from, now));
        }
        self.look_back(now);
    }

    /// The frame that arrived last was a NACK: the peer misses these numbers. Says how many items are sent again; only
    /// when they are sent is the NACK acknowledged.
    pub fn nacked(&mut self, range: SeqRange) -> u32 {
        if range.to.newer_than(self.send.next_seq().previous()) {
            // As in [`Self::acked`]: nobody misses what was never sent.
            return 0;
        }
        let again = self.send.nacked(range);
        if again > 0
            && let Some(range) = self.recv.hold_nack()
        {
            self.send.enqueue_control(Control::Ack(range));
        }
        again
    }

    /// What is to be sent now, and its flags.
    #[must_use]
    pub fn peek(&self) -> Option<(Outgoing, Flags)> {
        Some((self.send.peek(self.is_open())?, self.hello.flags()))
    }

    /// What [`Self::peek`] said was sent.
    pub fn sent(&mut self, now: Instant, outgoing: Outgoing) {
        if !self.send.awaits() {
            self.progress = now;
        }
        self.send.sent(outgoing);
        if self.send.asked_for_is_sent() {
            for seq in self.recv.release_nacks() {
                self.send.enqueue_control(Control::Ack(SeqRange { from: seq, to: seq }));
            }
        }
        if needs_an_answer(outgoing) {
            self.probe_after = PROBE_AFTER;
        }
        if self.hello.flags().has(Flags::HELLO) {
            self.said_hello = Some(now);
        }
        self.hello.sent();
        self.beat = now;
        self.look_back(now);
    }

    /// When [`Self::lapse`] is to be called.
    #[must_use]
    pub fn due(&self) -> Instant {
        // A peer that is heard has only missed our hello, or we its answer: flows wait for it.
        let unanswered = !self.silent && !self.hello.is_answered();
        let every = if unanswered { HELLO_EVERY } else { ALIVE_EVERY };
        let beat = self.beat + if self.probes() { every.min(self.probe_after) } else { every };
        // Whoever sends all the time must notice a silence too.
        let silence = self.heard.filter(|_| !self.silent).map(|heard| heard + self.silence);
        let overdue = (self.is_open() && self.send.awaits()).then(|| self.watermark.1 + STUCK);
        let passed = self.passed_items.map(|(_, since)| since + PASSED_FOR);
        let dues = [self.ack_due, silence, overdue, self.stuck_at(), passed];
        dues.into_iter().flatten().fold(beat, Instant::min)
    }

    /// When a peer that is heard will have acknowledged nothing for too long. One that is not heard may be gone, also
    /// where it does not count as silent yet.
    fn stuck_at(&self) -> Option<Instant> {
        let stuck = self.progress + STUCK;
        let is_heard = self.heard.is_some_and(|heard| heard + SILENCE > stuck);
        (self.is_open() && self.send.awaits() && is_heard).then_some(stuck)
    }

    /// Time has passed.
    pub fn lapse(&mut self, now: Instant) -> Lapsed {
        let mut lapsed = Lapsed::default();
        if !self.silent && self.heard.is_some_and(|heard| now.since(heard) >= self.silence) {
            self.silent = true;
            lapsed.lost = Some(self.send.take_all_back());
        }
        if self.stuck_at().is_some_and(|stuck| stuck <= now) {
            lapsed.stuck = Some(self.say_hello(now));
        }
        if let Some((before, since)) = self.passed_items
            && now.since(since) >= PASSED_FOR
        {
            self.passed_items = None;
            lapsed.overdue = self.send.items_again(before);
        }
        if now.since(self.watermark.1) >= STUCK {
            lapsed.overdue += self.send.overdue(self.watermark.0);
            self.watermark = (self.send.next_seq(), now);
        }
        if self.due() <= now {
            if self.probes() && now.since(self.beat) >= self.probe_after {
                self.probe_after = (self.probe_after + self.probe_after).min(ALIVE_EVERY);
            }
            self.ack_due = None;
            let control = self.recv.take_ack().map_or(Control::Alive, Control::Ack);
            self.send.enqueue_control(control);
            self.beat = now;
        }
        lapsed
    }

    /// When nothing is left of what waited at the last look, whatever waits now is looked at.
    fn look_back(&mut self, now: Instant) {
        if self.send.older() == 0 {
            self.send.begin_round();
            self.round = now;
        }
    }

    /// The peer started over: what it had not acknowledged is sent again, its hello is answered at once.
    fn begin_episode(&mut self, now: Instant) -> u32 {
        self.recv.start_over();
        (self.passed_over, self.keeps) = (None, false);
        self.ack_due = None;
        self.progress = now;
        let taken_back = self.send.take_all_back();
        self.send.enqueue_control(Control::Alive);
        taken_back
    }

    /// Whether something is under way that the peer would have answered, had it come. A peer sees that the last thing it
    /// was sent is missing only by what follows it.
    const fn probes(&self) -> bool {
        self.is_open() && (self.send.in_flight() > 0 || self.send.nacks() > 0 || self.send.resyncs() > 0)
    }

    fn owe_ack(&mut self, due: Instant) {
        self.ack_due = Some(self.ack_due.map_or(due, |earlier| earlier.min(due)));
    }
}

/// Whether the peer acknowledges it for its own sake, and not merely because it has a number.
const fn needs_an_answer(outgoing: Outgoing) -> bool {
    matches!(outgoing, Outgoing::Item(_) | Outgoing::Control(Control::Nack(_) | Control::Resync))
}
