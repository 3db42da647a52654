//! From what waits in the queue to a frame, and what its sending means for the caches.

use super::Replica;
use super::subject::Subject;
use crate::ftfw::{Item, Outgoing};
use crate::time::Instant;
use crate::wire::{
    Control, Datagram, Flags, Full, Seq, Unsaid, encode_control, encode_expectation, encode_flow, unsaid,
    unsaid_of_expectation,
};

impl Replica {
    /// A flow that is in two queues towards the peer, or elsewhere than it says. Walks these queues; for whoever tests.
    #[must_use]
    pub fn misplaced(&self) -> Option<&'static str> {
        self.session.misplaced()
    }

    /// Appends the present state of what is to be sent.
    pub(super) fn write(
        &self,
        into: &mut Datagram,
        outgoing: Outgoing,
        flags: Flags,
        seq: Seq,
    ) -> Result<(), Full> {
        match outgoing {
            Outgoing::Control(control) => encode_control(into, control, flags, seq),
            Outgoing::Item(item) => match Subject::from(item) {
                Subject::Flow(slot) => {
                    let (change, flow) =
                        self.internal.news(slot, self.role.births()).expect("what waits is in the cache");
                    encode_flow(into, change, flags, seq, flow, self.wire)
                }
                Subject::Expectation(slot) => {
                    let cache = &self.expectations.internal;
                    let (change, expectation) = cache.news(slot).expect("what waits is in the cache");
                    encode_expectation(into, change, flags, seq, expectation)
                }
            },
        }
    }

    /// What was written is on its way.
    pub(super) fn sent(&mut self, now: Instant, outgoing: Outgoing) {
        self.session.sent(now, outgoing);
        self.stats.link.frames_sent += 1;
        match outgoing {
            Outgoing::Control(Control::Ack(_)) => self.stats.ftfw.acks_sent += 1,
            Outgoing::Control(_) => {}
            Outgoing::Item(item) => self.sent_item(now, item),
        }
    }

    fn sent_item(&mut self, now: Instant, item: Item) {
        let Unsaid { attributes, ambiguous } = match Subject::from(item) {
            Subject::Flow(slot) => {
                self.internal.told(slot);
                self.stats.link.ends_unsaid += u64::from(self.internal.has_survivor(slot));
                self.internal.flow(slot).map(unsaid).unwrap_or_default()
            }
            Subject::Expectation(slot) => {
                let cache = &mut self.expectations.internal;
                cache.told(slot);
                cache.get(slot).map(|entry| unsaid_of_expectation(&entry.expectation)).unwrap_or_default()
            }
        };
        self.stats.link.attributes_unsaid += u64::from(attributes);
        self.stats.link.ambiguous_sent += u64::from(ambiguous);
        let notice = self.bulk.sent(now, item, &mut self.session);
        self.tell(notice);
    }
}
