//! The doors by which things come in, and the steps that follow from them.

use super::Replica;
use super::command::{Command, RequestId};
use super::commit::Settled;
use super::kernel::{Errno, KernelReply};
use super::notice::{BulkCause, Notice};
use super::resync::Ends;
use super::role::{JobKind, Role};
use super::status::Reason;
use super::subject::Subject;
use super::turn::ChannelId;
use crate::cache::Slot;
use crate::cache::external;
use crate::cache::internal::Applied;
use crate::flow::{AttrSet, Change, ExtraSet, Flow, FlowRef, Origin};
use crate::ftfw::{Arrival, Outgoing};
use crate::time::Instant;
use crate::wire::{self, Control, Flags, FrameError, FrameView, Seq, SeqRange};

/// A hello whose number is so close to what was heard before is of the same life of the peer.
const SAME_LIFE: u32 = 1 << 20;

impl Replica {
    /// An event of our kernel.
    pub fn handle_flow<'a>(
        &mut self,
        now: Instant,
        origin: Origin,
        change: Change,
        flow: impl Into<FlowRef<'a>>,
    ) {
        let flow = flow.into();
        self.stats.kernel.count_event(change);
        self.audit.event();
        if !self.filter.accepts(&flow) {
            self.stats.kernel.filtered += 1;
            self.audit.filtered(change);
            self.gives_back_kept_out(flow);
            return;
        }
        let (said, lent) = self.without_lent(flow);
        let flow = FlowRef { flow: &said, ..flow };
        let applied = self.internal.apply(change, flow, self.second(now));
        // An end may be that of a timer.
        if origin == Origin::Kernel && change != Change::Destroy {
            self.accounts.present().first_packet.get_or_insert(now);
        }
        if lent && self.role == Role::Primary {
            self.internal.exceeds_here(&said.key());
        } else if lent {
            self.internal.is_lent_by(change, &said.key());
        }
        self.heard_of_copy(now, origin, change, &said.key());
        match applied {
            Applied::Again(_) => {
                self.stats.kernel.unheard_ends += 1;
                let certain = self.resync.is_certain();
                self.resync.events_lost(now);
                self.tell(certain.then_some(Notice::EndMissed));
            }
            Applied::Added(slot) if change == Change::New => self.doubt_expectations(now, slot),
            Applied::Unknown
                if origin == Origin::Kernel && self.hears_all() && self.resync.birth_lost(now) =>
            {
                self.stats.kernel.unheard_births += 1;
                self.tell(Some(Notice::BirthMissed));
            }
            _ => {}
        }
        self.news(applied, origin);
    }

    /// The kernel dropped events.
    pub fn handle_overrun(&mut self, now: Instant) {
        self.stats.kernel.overruns += 1;
        self.resync.events_lost(now);
        self.tell(Some(Notice::EventsLost));
    }

    /// A datagram came in on a dedicated link.
    pub fn handle_datagram(&mut self, now: Instant, from: ChannelId, bytes: &[u8]) {
        self.stats.link.datagrams_received += 1;
        self.stats.link.bytes_received += bytes.len() as u64;
        for frame in wire::frames(bytes) {
            match frame {
                Ok(view) => {
                    self.stats.link.frames_received += 1;
                    self.channels.heard(from);
                    let arrival = self.arrive(now, view.seq(), view.flags());
                    if arrival.deliver {
                        self.deliver(now, &view, arrival);
                    }
                }
                Err(bad) => {
                    self.stats.link.count_bad_frame(bad.reason);
                    if let Some(seq) = bad.seq {
                        // Not understood, but it came: asking for it again would bring the same.
                        self.arrive(now, seq, Flags::NONE);
                    }
                }
            }
        }
    }

    /// A dedicated link went up or down.
    pub fn handle_channel(&mut self, _now: Instant, channel: ChannelId, up: bool) {
        self.channels.set(channel, up);
    }

    /// The kernel answered a request.
    pub fn handle_kernel(&mut self, now: Instant, reply: KernelReply<'_>) {
        let second = self.second(now);
        if let KernelReply::Dumped(token, flow) = reply {
            if self.resync.is_dump(token) {
                self.dumped(flow, second);
            }
            return;
        }
        match self.commit.reply(second, reply, &mut self.external) {
            Settled::Written { flow, ran_out, before } => {
                self.stats.commit.committed += 1;
                self.accounts.present().carry(&flow, ran_out, before);
                self.committed(&flow, second);
            }
            Settled::Refused { flow, error, before } => {
                self.stats.commit.failed += 1;
                self.accounts.present().refuse(&flow, error, before);
            }
            Settled::Conflict => self.stats.commit.conflicts += 1,
            Settled::Relaxed => self.stats.commit.relaxed += 1,
            Settled::Replaced => self.stats.commit.replaced += 1,
            Settled::LeftOut(ExtraSet::HELPER) => {
                self.stats.commit.without_helper += 1;
                self.accounts.present().without_helper += 1;
            }
            Settled::LeftOut(ExtraSet::PARENT) => {
                self.stats.commit.without_parent += 1;
                self.accounts.present().without_parent += 1;
            }
            // Labels that no rule here uses are no loss.
            Settled::LeftOut(_) | Settled::Nothing => {}
            Settled::NotOurs if self.preload_reply(now, reply) || self.lent_reply(reply) => {}
            Settled::NotOurs if self.expectation_reply(now, reply) => {}
            Settled::NotOurs => self.resync_reply(now, reply),
        }
    }

    /// An operator or VRRP wants something.
    pub fn handle_command(&mut self, now: Instant, id: RequestId, command: Command) {
        match command {
            Command::Role(role) => {
                if role != self.role {
                    self.enter(now, role);
                }
                // With the peer's flows in our kernel there is nothing else that readiness needs.
                let warm = self.preload.is_on() && role == Role::Primary && !self.jobs.has(JobKind::Commit);
                self.jobs.wait_for(id, warm.then_some(JobKind::Flush));
                self.jobs.answer();
            }
            Command::PeerYielded => {
                self.twin.settle();
                self.jobs.append(self.role.on_peer_yielded());
                self.jobs.wait(id);
                self.step_jobs(now);
            }
            Command::Step(step) => self.take_step(now, id, step),
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let lapsed = self.session.lapse(now);
        if let Some(requeued) = lapsed.lost {
            self.stats.ftfw.peer_lost += 1;
            self.stats.ftfw.requeued += u64::from(requeued);
            self.bulk.interrupt(now);
            self.catch_up.interrupt(now);
            self.tell(Some(Notice::PeerLost));
        }
        if let Some(requeued) = lapsed.stuck {
            self.stats.ftfw.sending_stuck += 1;
            self.stats.ftfw.requeued += u64::from(requeued);
            self.bulk.interrupt(now);
            self.catch_up.want(now, Reason::Starting);
            self.tell(Some(Notice::SendingStuck));
        }
        self.stats.ftfw.resent += u64::from(lapsed.overdue);
        let dropped = self.session.take_dropped_nacks();
        if dropped > 0 {
            self.stats.ftfw.nacks_dropped += u64::from(dropped);
            let notice = self.catch_up.want(now, Reason::LargeGap);
            self.tell(notice);
            self.question_lost(now);
        }
        self.limit_ends(now);
        self.sift();
        self.compare_copies();
        self.release(now);
        self.feed(now);
        self.step_jobs(now);
        self.room_again(now);
        let sync = self.sync(now);
        if sync != self.sync.0 {
            self.sync = (sync, now);
        }
    }

    // ----- A frame. -----

    /// Numbers and hello of a frame.
    fn arrive(&mut self, now: Instant, seq: Seq, flags: Flags) -> Arrival {
        // Each start draws its first number; whoever greets again for another reason goes on with its numbers.
        let began_anew =
            self.session.beyond(seq).is_none_or(|beyond| beyond.min(beyond.wrapping_neg()) > SAME_LIFE);
        let arrival = self.session.arrive(now, seq, flags);
        let stats = &mut self.stats.ftfw;
        stats.lost += u64::from(arrival.lost);
        stats.nacks_sent += u64::from(arrival.lost > 0);
        stats.before += u64::from(!arrival.deliver);
        if arrival.lost > 0 && self.session.has_just_said_hello(now) {
            self.catch_up.doubt();
            self.question_lost(now);
        }
        if arrival.returned {
            self.tell(Some(Notice::PeerHeard));
            let notice = self.catch_up.want(now, Reason::PeerReturned);
            self.tell(notice);
        }
        if let Some(requeued) = arrival.episode {
            self.stats.ftfw.hello_episodes += 1;
            self.stats.ftfw.requeued += u64::from(requeued);
            if began_anew {
                self.twin.started(now);
            }
            self.tell(Some(Notice::PeerHello));
            if self.role.replicates() {
                self.bulk.peer_hello(now);
            }
            let notice = self.catch_up.want(now, Reason::PeerHello);
            self.tell(notice);
            if arrival.leap {
                self.catch_up.suspect();
            }
        }
        if arrival.answered {
            self.catch_up.want(now, Reason::Starting);
        }
        if arrival.skipped {
            self.catch_up.lost();
            self.question_lost(now);
        }
        if arrival.foreign {
            self.stats.ftfw.foreign_hellos += 1;
            self.stats.ftfw.requeued += u64::from(self.session.say_hello(now));
            self.tell(Some(Notice::ForeignHello));
            self.catch_up.want(now, Reason::Starting);
            self.question_lost(now);
        }
        if arrival.stuck {
            self.stats.ftfw.receiving_stuck += 1;
            self.tell(Some(Notice::ReceivingStuck));
            self.catch_up.want(now, Reason::ReceivingStuck);
            self.question_lost(now);
        }
        arrival
    }

    fn deliver(&mut self, now: Instant, view: &FrameView<'_>, arrival: Arrival) {
        match (view.control(), view.change()) {
            (Some(control), _) => self.control(now, control),
            (None, about_flow) => {
                self.session.acknowledge_soon(now);
                if arrival.stale {
                    self.stats.ftfw.stale_hello += 1;
                } else if about_flow.is_some() {
                    self.flow_frame(now, view);
                } else {
                    self.expectation_frame(now, view);
                }
            }
        }
    }

    fn control(&mut self, now: Instant, control: Control) {
        match control {
            Control::Alive => {}
            Control::Ack(range) => self.acked(now, range),
            Control::Nack(range) => {
                self.stats.ftfw.nacks_received += 1;
                self.stats.ftfw.resent += u64::from(self.session.nacked(range));
            }
            Control::Resync => {
                self.stats.ftfw.resyncs_received += 1;
                self.session.hold_resync();
                self.bulk.want(now, BulkCause::PeerAsked, &self.internal);
                if self.role == Role::Primary {
                    self.twin.asked(now);
                }
            }
        }
    }

    fn acked(&mut self, now: Instant, range: SeqRange) {
        self.stats.ftfw.acks_received += 1;
        let (mut answered, mut oldest_gap) = (false, None::<Seq>);
        let births = self.role.births();
        let Self { session, internal, expectations, .. } = self;
        session.acked(now, range, |outgoing| match outgoing {
            Outgoing::Item(item) => match Subject::from(item) {
                Subject::Flow(slot) if internal.is_alive(slot) => internal.acknowledged(slot, births),
                Subject::Flow(slot) => internal.bury(slot),
                Subject::Expectation(slot) if expectations.internal.is_shown(slot) => {}
                Subject::Expectation(slot) => expectations.internal.bury(slot),
            },
            Outgoing::Control(Control::Nack(gap)) => {
                oldest_gap =
                    Some(oldest_gap.filter(|oldest| !oldest.newer_than(gap.from)).unwrap_or(gap.from));
            }
            Outgoing::Control(control) => answered |= control == Control::Resync,
        });
        if self.session.peer_keeps() {
            self.twin.is_ours();
        }
        if let Some(beyond) = oldest_gap.and_then(|gap| self.session.beyond(gap)) {
            let (gap_stays, notice) = self.catch_up.gap_closed(now, beyond, self.session.peer_keeps());
            self.tell(notice);
            if gap_stays {
                self.question_lost(now);
            }
        }
        // The answer to an earlier question says nothing about the last one.
        if answered && !self.session.awaits_resync() {
            self.catch_up.answered();
        }
    }

    /// Frames of the peer may be lost for good, and one of them may have asked for all that we have. A conntrackd asks
    /// once.
    fn question_lost(&mut self, now: Instant) {
        if self.role.replicates() && !self.session.peer_keeps() {
            self.bulk.want(now, BulkCause::PeerUnheard, &self.internal);
        }
    }

    fn flow_frame(&mut self, now: Instant, view: &FrameView<'_>) {
        let decoded = match wire::decode_flow(view) {
            Ok(decoded) => decoded,
            Err(_) => {
                self.stats.link.malformed += 1;
                self.stats.link.bad_payload += 1;
                self.catch_up.refused(now);
                return;
            }
        };
        self.stats.link.attributes_skipped += u64::from(decoded.skipped);
        match decoded.change {
            Change::New if self.role == Role::Primary => {
                self.twin.told_birth(now, self.role_since);
            }
            Change::Destroy => {
                let known = self.external.find(&decoded.flow.key()).and_then(|slot| self.external.get(slot));
                self.ended_there(decoded.flow, known.map(|entry| entry.flow));
            }
            Change::New | Change::Update => {}
        }
        // One that was refused is counted as such.
        let ends_untaken = self.role == Role::Primary && self.takes_over() && {
            let slot = self.external.find(&decoded.flow.key());
            slot.is_some_and(|slot| self.external.failure(slot).is_none())
        };
        let applied = self.external.apply(decoded.change, decoded.whole(), self.second(now));
        self.warm(now, &decoded.flow.key(), applied);
        let stats = &mut self.stats.external;
        match applied {
            external::Applied::Added => stats.created += 1,
            external::Applied::Changed => stats.updated += 1,
            external::Applied::Removed => {
                stats.destroyed += 1;
                self.accounts.present().ended += u32::from(ends_untaken);
            }
            external::Applied::Nothing => {}
            external::Applied::Full => {
                stats.create_failed += 1;
                self.cache_full(false);
            }
        }
    }

    // ----- A reply of the kernel. -----

    fn dumped(&mut self, flow: FlowRef<'_>, second: u32) {
        self.resync.count_seen();
        if !self.filter.accepts(&flow) {
            self.stats.kernel.filtered += 1;
            self.audit.filtered(Change::New);
            self.gives_back_kept_out(flow);
            return;
        }
        let applied = self.apply_picture(flow, second);
        if matches!(applied, Applied::Added(_) | Applied::Changed(_)) {
            self.resync.count_added();
        }
    }

    /// Takes over a flow from a dump or a single look-up. What an earlier life of this daemon has put there for the peer is
    /// no news of ours.
    fn apply_picture(&mut self, flow: FlowRef<'_>, second: u32) -> Applied {
        let (said, lent) = self.without_lent(flow);
        let applied = self.internal.apply_dumped(FlowRef { flow: &said, ..flow }, second);
        if lent {
            self.found_lent(flow.flow, applied);
        }
        let by_us = lent && self.role != Role::Primary;
        self.news(applied, if by_us { Origin::Ourselves } else { Origin::Kernel });
        applied
    }

    /// A flow of the peer is in our kernel: it is ours now. The bulk that follows tells the peer. What few flows have is
    /// left to the dump that follows, because the kernel drops labels without a word.
    fn committed(&mut self, flow: &Flow, second: u32) {
        if self.filter.accepts(flow) {
            let mut flow = *flow;
            flow.present = flow.present.without(AttrSet::ID.with(AttrSet::EXTRAS));
            let applied = self.internal.adopt(&flow, second);
            let origin = if self.commit.is_told_singly() { Origin::Kernel } else { Origin::Ourselves };
            self.internal.took_over(&flow.key());
            self.resync.written(&flow.key());
            self.news(applied, origin);
        }
    }

    fn resync_reply(&mut self, now: Instant, reply: KernelReply<'_>) {
        let second = self.second(now);
        match reply {
            KernelReply::Done(token) if self.resync.is_dump(token) => {
                self.stats.kernel.dumps += 1;
                self.resync.dumped(&mut self.internal);
                self.internal.doubt_ends(self.ends == Ends::Untold);
                self.read_expectations(now);
            }
            KernelReply::Failed(token, error) if self.resync.is_dump(token) => {
                self.stats.kernel.dump_failures += 1;
                let notice = self.resync.failed(now, error, &mut self.internal);
                self.tell(Some(notice));
            }
            // A flow that the filter keeps out since it was asked for: it is let go as such.
            KernelReply::Found(token, flow) if !self.filter.accepts(&flow) => {
                let _ =
                    self.parents.take(token) || self.resync.take_confirmed(token, &self.internal).is_some();
            }
            KernelReply::Found(token, flow) if self.parents.take(token) => {
                // Or it was looked up before the end that was heard meanwhile.
                if self.internal.has(&flow.key()) {
                    self.apply_picture(flow, second);
                }
            }
            KernelReply::Found(token, flow) => match self.resync.take_confirmed(token, &self.internal) {
                Some(slot) if self.internal.is_unnamed(slot) => self.confirmed(now, slot, Some(flow)),
                // An event has named it meanwhile and may have said only a part: the rest is taken from here.
                Some(slot) if self.internal.get(slot).is_some_and(|entry| entry.flow.key() == flow.key()) => {
                    self.apply_picture(flow, second);
                }
                Some(_) | None => {}
            },
            // It has ended meanwhile, and that is an event.
            KernelReply::Failed(token, _) if self.parents.take(token) => {}
            KernelReply::Failed(token, _) if self.audit.is_ours(token) => self.audit.failed(now),
            KernelReply::Failed(token, error) => {
                if let Some(slot) = self.resync.take_confirmed(token, &self.internal)
                    && self.internal.is_unsaid(slot)
                {
                    // Only "there is none" ends a flow; any other answer leaves it for another dump.
                    let gone = error == Errno::ENOENT;
                    if gone {
                        self.confirmed(now, slot, None);
                    } else {
                        self.internal.name(slot);
                        self.resync.events_lost(now);
                    }
                }
            }
            KernelReply::Begun(token) if self.resync.is_dump(token) => {
                self.resync.begin_dump(&mut self.internal);
                self.audit.begin_dump();
                if self.sifting.begin_dump() {
                    self.internal.doubt_ends(self.ends != Ends::Told);
                }
            }
            KernelReply::Counted(token, kernel) if self.audit.is_ours(token) => self.counted(now, kernel),
            KernelReply::Done(_)
            | KernelReply::Dumped(..)
            | KernelReply::Begun(_)
            | KernelReply::Counted(..)
            | KernelReply::Expectation(..) => {}
        }
    }

    /// Whether the internal cache holds all flows of the kernel's table, unless events were lost in silence.
    pub(super) fn hears_all(&self) -> bool {
        self.resync.is_idle() && self.commit.is_idle() && self.sifting.is_idle() && !self.room.internal_full()
    }

    /// The kernel said how many flows it holds.
    fn counted(&mut self, now: Instant, kernel: u32) {
        let known = self.hears_all().then(|| self.internal.len());
        if let Some(difference) = self.audit.counted(now, kernel, known) {
            self.stats.kernel.count_mismatches += 1;
            self.resync.events_lost(now);
            self.tell(Some(Notice::CountDiffers { kernel, difference }));
        }
    }

    /// A flow that a dump did not name was looked up.
    fn confirmed(&mut self, now: Instant, slot: Slot, found: Option<FlowRef<'_>>) {
        self.stats.kernel.confirmations += 1;
        let key = self.internal.get(slot).expect("it was looked up").flow.key();
        if let Some(flow) = found.filter(|flow| flow.key() == key) {
            self.apply_picture(flow, self.second(now));
            return;
        }
        let applied = self.internal.sweep(slot);
        self.stats.internal.swept += 1;
        self.resync.count_swept();
        self.missed_copy(&key);
        self.news(applied, Origin::Kernel);
    }
}

impl super::stats::LinkStats {
    fn count_bad_frame(&mut self, reason: FrameError) {
        self.malformed += 1;
        *match reason {
            FrameError::Truncated => &mut self.truncated,
            FrameError::BadSize => &mut self.bad_size,
            FrameError::WrongVersion => &mut self.wrong_version,
            FrameError::UnknownType | FrameError::BadFlags | FrameError::BadRange => &mut self.bad_header,
        } += 1;
    }
}

impl super::stats::KernelStats {
    fn count_event(&mut self, change: Change) {
        *match change {
            Change::New => &mut self.events_new,
            Change::Update => &mut self.events_update,
            Change::Destroy => &mut self.events_destroy,
        } += 1;
    }
}
