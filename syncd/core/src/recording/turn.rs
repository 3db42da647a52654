//! A turn that is watched: as [`replica::turn()`](crate::replica::turn()), and everything it brings about is told.

use core::cell::Cell;

use super::doors::{Entry, Output, Sent, TurnEnd};
use crate::replica::{self, ChannelId, KernelRequest, Notice, Outside, Replica, Reply, RequestId};
use crate::time::Instant;
use crate::wire::Datagram;

/// One turn, of which `tell` hears: [`Entry::Turn`], each [`Entry::Output`] before it is carried out,
/// [`Entry::TurnEnd`].
pub fn turn(
    replica: &mut Replica,
    now: Instant,
    outside: &mut impl Outside,
    mut tell: impl FnMut(&Entry<'_>),
) {
    tell(&Entry::Turn(now));
    let mut watched = Watched { outside, tell, requests: Cell::new(Room::Enough) };
    replica::turn(replica, now, &mut watched);
    watched.say_if_full();
    let due = replica.poll_timeout();
    (watched.tell)(&Entry::TurnEnd(TurnEnd { due }));
}

struct Watched<'o, O, F> {
    outside: &'o mut O,
    tell: F,
    /// A cell, because it is met where nothing can be told.
    requests: Cell<Room>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    Enough,
    Full,
    FullAndTold,
}

impl<O: Outside, F: FnMut(&Entry<'_>)> Watched<'_, O, F> {
    fn tell(&mut self, output: Output<'_>) {
        self.say_if_full();
        (self.tell)(&Entry::Output(output));
    }

    /// That there was no room is on record before what follows from it.
    fn say_if_full(&mut self) {
        if self.requests.get() == Room::Full {
            self.requests.set(Room::FullAndTold);
            (self.tell)(&Entry::Output(Output::NoMoreRequests));
        }
    }
}

impl<O: Outside, F: FnMut(&Entry<'_>)> Outside for Watched<'_, O, F> {
    fn datagram(&mut self) -> Option<&mut Datagram> {
        self.say_if_full();
        let datagram = self.outside.datagram();
        if datagram.is_none() {
            (self.tell)(&Entry::Output(Output::NoMoreDatagrams));
        }
        datagram
    }

    fn transmit(&mut self, channel: ChannelId) {
        if let Some(datagram) = self.outside.datagram() {
            let sent = Sent::of(datagram.as_bytes());
            self.tell(Output::Sent(channel, sent));
        }
        self.outside.transmit(channel);
    }

    fn can_request(&self) -> bool {
        let can = self.outside.can_request();
        if !can {
            self.requests.set(Room::Full);
        }
        can
    }

    fn request(&mut self, request: KernelRequest<'_>) {
        self.tell(Output::Request(request));
        self.outside.request(request);
    }

    fn reply(&mut self, id: RequestId, reply: Reply) {
        self.tell(Output::Reply(id, reply));
        self.outside.reply(id, reply);
    }

    fn notice(&mut self, notice: Notice) {
        self.tell(Output::Notice(notice));
        self.outside.notice(notice);
    }
}
