//! One pass over a replica's wishes, in the one order there is. Daemon and simulator share it.

use super::Replica;
use super::command::{Reply, RequestId};
use super::kernel::KernelRequest;
use super::notice::Notice;
use crate::time::Instant;
use crate::wire::Datagram;

pub use crate::ftfw::channels::ChannelId;

/// What surrounds a replica: sockets and kernel in the daemon, models in the simulator.
///
/// Back-pressure is "we are not asked": [`turn`] polls the replica only while there is room.
pub trait Outside {
    /// The next free buffer of the batch, or `None` when the batch is full.
    fn datagram(&mut self) -> Option<&mut Datagram>;
    /// Sends the buffer handed out last.
    fn transmit(&mut self, channel: ChannelId);
    /// Whether one more kernel request has room.
    fn can_request(&self) -> bool;
    /// Takes a kernel request; its replies come through [`Replica::handle_kernel`].
    fn request(&mut self, request: KernelRequest<'_>);
    /// Answers whoever asked.
    fn reply(&mut self, id: RequestId, reply: Reply);
    /// Tells the operator.
    fn notice(&mut self, notice: Notice);
}

/// One turn: time first, then everything the replica wants done.
pub fn turn(replica: &mut Replica, now: Instant, outside: &mut impl Outside) {
    if replica.poll_timeout().is_some_and(|due| due <= now) {
        replica.handle_timeout(now);
    }
    while outside.can_request() {
        let Some(request) = replica.poll_kernel(now) else { break };
        outside.request(request);
    }
    while let Some(datagram) = outside.datagram() {
        datagram.clear();
        let Some(channel) = replica.poll_transmit(now, datagram) else { break };
        outside.transmit(channel);
    }
    while let Some((id, reply)) = replica.poll_reply() {
        outside.reply(id, reply);
    }
    while let Some(notice) = replica.poll_notice() {
        outside.notice(notice);
    }
}
