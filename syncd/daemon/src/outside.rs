//! What surrounds the replica: datagrams to send, kernel requests, answers, notices.
//!
//! Collects during a turn and acts after it. Decides nothing. Driven by [`syncd_core::replica::turn()`] and by the
//! event loop; tested end to end.

use syncd_core::replica::{ChannelId, KernelRequest, Notice, Outside, Reply, RequestId};
use syncd_core::wire::Datagram;

use crate::channels::{Channels, Sent};
use crate::kernel::Kernel;

/// So many datagrams are filled in one turn at most: some 260 flows, a third of a millisecond.
const DATAGRAMS: usize = 32;

/// Datagrams that are filled and wait to be sent; their memory is used again and again.
#[derive(Debug)]
pub(crate) struct Outbox {
    datagrams: Vec<Datagram>,
    targets: Vec<ChannelId>,
    sent: usize,
    /// So many may be filled in this turn, those that wait already included.
    room: usize,
}

impl Outbox {
    /// An empty outbox for datagrams of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        let datagrams = (0..DATAGRAMS).map(|_| Datagram::with_limit(limit)).collect();
        Self { datagrams, targets: Vec::with_capacity(DATAGRAMS), sent: 0, room: DATAGRAMS }
    }

    /// From now on no datagram is longer than `limit`, in bytes. Those that wait and may be are left out: the peer asks
    /// for what is missing.
    pub(crate) fn change_limit(&mut self, limit: usize) {
        if self.datagrams.iter().any(|datagram| datagram.limit() != limit) {
            *self = Self::new(limit);
        }
    }

    /// In the next turn so many datagrams are filled at most; without a number, as many as there is memory for.
    pub(crate) fn allow(&mut self, datagrams: Option<usize>) {
        let all = datagrams.map(|more| self.targets.len().saturating_add(more));
        self.room = all.unwrap_or(DATAGRAMS).min(DATAGRAMS);
    }

    /// The most bytes a datagram takes.
    pub(crate) fn limit(&self) -> usize {
        self.datagrams[0].limit()
    }

    /// Whether no further datagram has room.
    pub(crate) const fn is_full(&self) -> bool {
        self.targets.len() == DATAGRAMS
    }

    /// Sends what waits. Whether all of it left; if not, the link's socket is full and the rest waits.
    pub(crate) fn flush(&mut self, channels: &mut Channels) -> bool {
        while let Some(target) = self.targets.get(self.sent) {
            if channels.send(*target, self.datagrams[self.sent].as_bytes()) == Sent::Later {
                return false;
            }
            self.sent += 1;
        }
        self.sent = 0;
        self.targets.clear();
        true
    }
}

/// Everything the replica reaches during one turn.
pub(crate) struct Surroundings<'a> {
    /// Datagrams.
    pub(crate) outbox: &'a mut Outbox,
    /// Kernel requests.
    pub(crate) kernel: &'a mut Kernel,
    /// Answers to commands.
    pub(crate) replies: &'a mut Vec<(RequestId, Reply)>,
    /// What is to be told.
    pub(crate) notices: &'a mut Vec<Notice>,
}

impl Outside for Surroundings<'_> {
    fn datagram(&mut self) -> Option<&mut Datagram> {
        let next = self.outbox.targets.len();
        self.outbox.datagrams[..self.outbox.room].get_mut(next)
    }

    fn transmit(&mut self, channel: ChannelId) {
        self.outbox.targets.push(channel);
    }

    fn can_request(&self) -> bool {
        self.kernel.can_request()
    }

    fn request(&mut self, request: KernelRequest<'_>) {
        self.kernel.request(request);
    }

    fn reply(&mut self, id: RequestId, reply: Reply) {
        self.replies.push((id, reply));
    }

    fn notice(&mut self, notice: Notice) {
        self.notices.push(notice);
    }
}
