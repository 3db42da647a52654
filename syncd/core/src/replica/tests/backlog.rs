//! What the sender says while more waits than a moment explains.

use super::*;
use crate::wire::datagram::LONGEST_FRAME;

/// A primary with much in its queue, of which the link carries a few at a time.
struct Narrow {
    replica: Replica,
    peer: Peer,
}

impl Narrow {
    fn new(count: u16) -> Self {
        let (mut replica, peer) = settled();
        for port in 0..count {
            replica.handle_flow(at(100), Origin::Kernel, Change::New, &flow(port));
        }
        Self { replica, peer }
    }

    /// The link carries one datagram with few flows, and the peer acknowledges it at once.
    fn carry(&mut self, now: Instant) {
        let mut datagram = Datagram::with_limit(LONGEST_FRAME);
        if self.replica.poll_transmit(now, &mut datagram).is_none() {
            return;
        }
        for view in frames(datagram.as_bytes()) {
            let seq = view.expect("our own frames are well formed").seq();
            self.peer.says(&mut self.replica, now, Control::Ack(wire_range(seq)), Flags::NONE);
        }
        self.replica.handle_timeout(now);
    }
}

#[test]
fn a_backlog_is_said_although_something_is_always_acknowledged_and_no_longer_when_it_is_gone() {
    let mut narrow = Narrow::new(400);
    let mut said = Vec::new();
    let mut progress = Vec::new();
    for tick in 0.. {
        let now = at(101 + 100 * tick);
        narrow.carry(now);
        let status = narrow.replica.status(now);
        if said.last() != Some(&status.sync) {
            said.push(status.sync);
        }
        progress.extend(status.progress);
        if status.queued + status.in_flight == 0 {
            break;
        }
        assert!(tick < 1000, "{status:?}");
    }
    assert_eq!(said, [Sync::InSync, Sync::CatchingUp(Reason::Backlog), Sync::InSync]);
    assert!(progress.iter().all(|progress| progress.of == Some(400)), "{progress:?}");
    let done: Vec<u32> = progress.iter().map(|progress| progress.done).collect();
    assert!(done.len() > 10 && done.is_sorted() && done[0] > 50, "{done:?}");
}

#[test]
fn a_moment_of_much_is_no_backlog() {
    let mut narrow = Narrow::new(400);
    for tick in 0..15 {
        narrow.carry(at(101 + 100 * tick));
        let status = narrow.replica.status(at(101 + 100 * tick));
        assert!(status.queued > 200 && status.sync == Sync::InSync, "{tick}: {status:?}");
    }
}

#[test]
fn one_flow_that_always_has_news_is_no_backlog() {
    let (mut replica, mut peer) = settled();
    for tick in 0..500 {
        let now = at(100 + 10 * tick);
        replica.handle_flow(now, Origin::Kernel, Change::Update, &flow(1));
        replica.handle_flow(now, Origin::Kernel, Change::Update, &flow(2 + (tick % 7) as u16));
        let sent = transmitted(&mut replica, now);
        let (last, ..) = *sent.last().expect("news are sent");
        // The acknowledgement is always a little late: something is in flight at each look.
        peer.says(&mut replica, now, Control::Ack(wire_range(Seq(last.0 - 2))), Flags::NONE);
        let status = replica.status(now);
        assert!(status.in_flight > 0 && status.sync == Sync::InSync, "{tick}: {status:?}");
    }
}
