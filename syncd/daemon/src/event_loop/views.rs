//! What the loop shows: status, statistics, metrics, readiness, of everything that it holds.
//!
//! Looks only. Tested in `show/tests` and `metrics/tests.rs`, and end to end.

use syncd_core::time::Instant;

use super::EventLoop;
use super::Parts;
use crate::metrics::{self, page::Facts};
use crate::show::ready::ReadyView;
use crate::show::view::{Current, DaemonView, StatisticsView, StatusView};

impl EventLoop {
    pub(super) fn status(&self, now: Instant) -> StatusView {
        let Parts { replica, setting, channels, .. } = &self.parts;
        let links = channels.views(replica.channel());
        let status = replica.status(now);
        StatusView::new(now, &status, setting, self.last, links, &self.readiness.standing(status.external))
    }

    pub(super) fn metrics(&self, now: Instant) -> String {
        let Parts { replica, setting, .. } = &self.parts;
        metrics::page::write(&Facts {
            status: &self.status(now),
            statistics: &self.statistics(now),
            peer: &setting.peer,
            internal_limit: replica.internal().limit(),
            external_limit: replica.external().limit(),
            lag: replica.lag(),
            transitions: &self.transitions,
            handovers: &self.handovers,
        })
    }

    pub(super) fn statistics(&self, now: Instant) -> StatisticsView {
        let Parts { replica, kernel, channels, transport, .. } = &self.parts;
        let (errors, counts, gate) = (channels.errors(), kernel.counts(), self.gate.counts());
        let status = replica.status(now);
        let daemon = DaemonView {
            uptime_s: now.since(self.start).as_secs(),
            role: replica.role().name().to_owned(),
            transport: (*transport).to_owned(),
            active_interface: replica.channel().map(|channel| channels.interface(channel).to_owned()),
            send_errors: errors.send,
            receive_errors: errors.receive,
            event_buffer_bytes: kernel.event_buffer() as u64,
            events_malformed: counts.malformed,
            event_attributes_skipped: counts.attributes_skipped,
            batches_refused: counts.batches_refused,
            events_dropped: counts.events_dropped,
            fifo_garbage: self.fifo_garbage,
            notices_dropped: replica.stats().notices_dropped,
            gates_closed: gate.closed,
            gates_failed: gate.failed,
            gate_packets_dropped: gate.held,
            bytes_processed: counts.bytes,
            packets_processed: counts.packets,
            queued: status.queued,
            in_flight: status.in_flight,
            ended: replica.internal().dead(),
            mute: status.mute,
            expect_sync: replica.filter().wants_expectations(),
            links: channels.views(replica.channel()),
        };
        let current = Current {
            internal: replica.internal().len(),
            external: replica.external().len(),
            internal_expectations: replica.internal_expectations().len(),
            external_expectations: replica.external_expectations().len(),
        };
        StatisticsView::new(replica.stats(), current, daemon)
    }

    pub(super) fn ready(&self, now: Instant) -> ReadyView {
        let status = self.parts.replica.status(now);
        ReadyView::new(now, &status, &self.readiness.standing(status.external))
    }
}
