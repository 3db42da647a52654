//! Everything that is counted: one struct. Counters only grow, and wrap never in practice (64 bits).

use super::notice::BulkCause;
use super::status::Reason;

/// Counters since the start of the daemon. Unless said otherwise the unit is events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The internal cache.
    pub internal: CacheStats,
    /// The external cache.
    pub external: CacheStats,
    /// The internal cache of expectations.
    pub internal_expectations: CacheStats,
    /// The external cache of expectations.
    pub external_expectations: CacheStats,
    /// What came from the kernel.
    pub kernel: KernelStats,
    /// What went over the dedicated link.
    pub link: LinkStats,
    /// What was done for reliability.
    pub ftfw: FtfwStats,
    /// Commits.
    pub commit: CommitStats,
    /// Keeping the peer's flows in the kernel while this router stands by.
    pub preload: PreloadStats,
    /// Notices that nobody took in time: the oldest go when too many wait.
    pub notices_dropped: u64,
}

/// What happened in one cache, of flows or of expectations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Added.
    pub created: u64,
    /// Not added because the cache was full.
    pub create_failed: u64,
    /// Changed, or said again.
    pub updated: u64,
    /// Removed because they ended.
    pub destroyed: u64,
    /// Removed by a sweep: their end had gone unheard.
    pub swept: u64,
}

/// What came from the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelStats {
    /// Births.
    pub events_new: u64,
    /// Changes.
    pub events_update: u64,
    /// Ends.
    pub events_destroy: u64,
    /// Events and dumped flows that the filter keeps out.
    pub filtered: u64,
    /// Ends of an earlier life of a flow that lives again.
    pub late_destroys: u64,
    /// Times the kernel reported lost events.
    pub overruns: u64,
    /// Times the kernel held more or fewer flows than we knew of, without having reported a loss.
    pub count_mismatches: u64,
    /// Births of flows whose earlier life had not ended for us: its end was lost.
    pub unheard_ends: u64,
    /// Ends of flows that we did not know, although nothing was under way: their birth was lost.
    pub unheard_births: u64,
    /// Dumps carried out.
    pub dumps: u64,
    /// Dumps that failed.
    pub dump_failures: u64,
    /// Flows left over in our kernel that were removed because the peer has seen their end.
    pub leftovers_removed: u64,
    /// Ends that the peer told while we did not know our kernel yet and that there was no room to remember: should such a flow
    /// be left over in our kernel, its timer ends it.
    pub early_ends_dropped: u64,
    /// Single look-ups to confirm the end of a flow or an expectation.
    pub confirmations: u64,
    /// Births and ends of expectations.
    pub expectation_events: u64,
    /// Events and dumped expectations of helpers that are not replicated.
    pub expectations_filtered: u64,
    /// Dumps of expectations that failed.
    pub expectation_dump_failures: u64,
}

/// What went over the dedicated link. Counts of frames unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Datagrams sent.
    pub datagrams_sent: u64,
    /// Payload bytes sent.
    pub bytes_sent: u64,
    /// Datagrams received.
    pub datagrams_received: u64,
    /// Payload bytes received.
    pub bytes_received: u64,
    /// Frames sent.
    pub frames_sent: u64,
    /// Frames received that were well formed.
    pub frames_received: u64,
    /// Frames or rests of datagrams that were malformed, all kinds.
    pub malformed: u64,
    /// Of these: shorter than a header, or than their kind needs.
    pub truncated: u64,
    /// Of these: a length that cannot be.
    pub bad_size: u64,
    /// Of these: another protocol version.
    pub wrong_version: u64,
    /// Of these: unknown kind or impossible flags.
    pub bad_header: u64,
    /// Of these: attributes of a flow or an expectation that contradict their definition, or no address.
    pub bad_payload: u64,
    /// Attributes of accepted flows and expectations that we do not carry.
    pub attributes_skipped: u64,
    /// Attributes that were not sent because conntrackd's dialect has no room for them: a helper's name of more than
    /// 11 characters, an ICMP id that is translated, an IPv6 address that an expectation announces.
    pub attributes_unsaid: u64,
    /// Frames sent whose flow or expectation the dialect cannot tell from others: ports of UDPlite, keys of GRE, the
    /// zone of an expectation.
    pub ambiguous_sent: u64,
    /// Ends of flows in whose place another was told that the dialect cannot tell from them, and that lives.
    pub ends_unsaid: u64,
    /// Frames about expectations of helpers that are not replicated here.
    pub expectations_skipped: u64,
}

/// What was done for reliability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FtfwStats {
    /// Frames of the peer that were missing when a later one came.
    pub lost: u64,
    /// Frames that came too late or twice.
    pub before: u64,
    /// Flow frames with hello that were older than what we hold.
    pub stale_hello: u64,
    /// ACKs sent.
    pub acks_sent: u64,
    /// ACKs received.
    pub acks_received: u64,
    /// NACKs sent.
    pub nacks_sent: u64,
    /// NACKs that could not be sent for so long that they were dropped; a resync was asked for instead.
    pub nacks_dropped: u64,
    /// NACKs received.
    pub nacks_received: u64,
    /// Flows put back into the transmit queue by a NACK.
    pub resent: u64,
    /// Flows put back into the transmit queue by a hello or a silence.
    pub requeued: u64,
    /// Hello episodes of the peer.
    pub hello_episodes: u64,
    /// Times we started over because nothing was acknowledged.
    pub sending_stuck: u64,
    /// Hellos that the peer answered and we had not said.
    pub foreign_hellos: u64,
    /// Times we followed the peer to lower numbers without a hello.
    pub receiving_stuck: u64,
    /// Silences of the peer.
    pub peer_lost: u64,
    /// Resyncs asked of the peer.
    pub resyncs_asked: u64,
    /// Of these, by reason: in the order of [`Reason::ASKING`].
    pub asked_because: [u64; Reason::ASKING.len()],
    /// Resyncs that could not be trusted because a gap was open meanwhile.
    pub resyncs_doubted: u64,
    /// Resyncs the peer asked of us.
    pub resyncs_received: u64,
    /// Bulks sent.
    pub bulks: u64,
    /// Of these, by what caused them: in the order of [`BulkCause::ALL`].
    pub bulks_because: [u64; BulkCause::ALL.len()],
    /// Ends of flows the peer was never told.
    pub ends_forgotten: u64,
}

impl FtfwStats {
    /// The peer was asked for a resync.
    pub(super) fn ask_resync(&mut self, reason: Reason) {
        let place = Reason::ASKING.iter().position(|asking| *asking == reason);
        self.resyncs_asked += 1;
        self.asked_because[place.expect("nothing else makes us ask")] += 1;
    }

    /// A bulk was begun.
    pub(super) fn begin_bulk(&mut self, cause: BulkCause) {
        self.bulks += 1;
        self.bulks_because[cause as usize] += 1;
    }
}

/// What commits did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitStats {
    /// Times the flows of a peer that stepped back were taken over.
    pub adoptions: u64,
    /// TCP flows that both had by then, whose packets are taken as they come from now on.
    pub relaxed: u64,
    /// Commits begun.
    pub begun: u64,
    /// Flows written to the kernel.
    pub committed: u64,
    /// Flows that could not be written.
    pub failed: u64,
    /// Flows that found their place taken and were looked up.
    pub conflicts: u64,
    /// Entries of our kernel that had to give way.
    pub replaced: u64,
    /// Flows written without their helper, which our kernel does not have.
    pub without_helper: u64,
    /// Flows written without their parent, which is not in our kernel.
    pub without_parent: u64,
    /// Expectations written to the kernel, or found there.
    pub expectations_committed: u64,
    /// Expectations that could not be written.
    pub expectations_failed: u64,
    /// Expectations of our kernel that had to give way.
    pub expectations_replaced: u64,
}

/// What was done to keep the peer's flows in the kernel while this router stood by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PreloadStats {
    /// Flows created in the kernel.
    pub created: u64,
    /// Flows of the kernel brought to what the peer says of them.
    pub updated: u64,
    /// Times the peer said again what is in the kernel already, so that nothing was written.
    pub unchanged: u64,
    /// Times the peer said something of a flow that waited to be written.
    pub gathered: u64,
    /// Flows removed because the peer has them no more.
    pub removed: u64,
    /// Flows that the peer has no more and that live here by themselves: packets come.
    pub spared: u64,
    /// Flows that ended here without a word of the peer: they are written again.
    pub ended_here: u64,
    /// Flows that found their place taken and were looked up.
    pub conflicts: u64,
    /// Entries of our kernel that had to give way.
    pub replaced: u64,
    /// Flows that could not be written.
    pub refused: u64,
    /// Flows written without their helper, which our kernel does not have.
    pub without_helper: u64,
    /// Flows written without their parent, which is not in our kernel.
    pub without_parent: u64,
    /// Times this router became primary with the flows in its kernel.
    pub takeovers: u64,
    /// Flows that still waited then, and were written first.
    pub flushed: u64,
    /// Flows that were given the time of their protocol after that, because no packet had done so.
    pub shortened: u64,
}
