//! Datagrams on their way, and a stranger's, who can send to the dedicated link and knows no secret, for there is none.

use syncd_core::wire::{
    Control, Datagram, Flags, Seq, SeqRange, decode_expectation, decode_flow, encode_control, frames,
    payload_limit,
};

use super::{Event, Verdict, World};
use crate::host::Daemon;
use crate::trace::{Glance, Side};

/// Datagrams that wait for a daemon which does not read; more are lost. A real socket holds some hundreds.
const INBOX: usize = 40;

/// A datagram on its way to one side.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    /// Both copies of one have one number.
    pub(super) number: u64,
    pub(super) bytes: Vec<u8>,
    /// It waits in the socket of that life of the daemon.
    pub(super) waited_in: Option<u32>,
}

/// What a stranger sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// A hello, under any number.
    Hello,
    /// A hello, under a number close to the peer's.
    HelloNearby,
    /// A control message under any number, about any numbers.
    Control,
    /// Bytes.
    Noise,
    /// The beginning of what was heard last.
    Stump,
    /// What was heard last, of another version or kind.
    Distorted,
    /// A flow message without a flow.
    Empty,
}

impl Stranger {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Hello,
        Self::HelloNearby,
        Self::Control,
        Self::Noise,
        Self::Stump,
        Self::Distorted,
        Self::Empty,
    ];
}

impl World {
    pub(super) fn send(&mut self, side: Side, glance: Glance, bytes: &[u8]) {
        let now = self.now;
        let journey = self.network.send(now, side, bytes.len());
        let door = if journey.first.is_some() { "transmit" } else { "dropped" };
        if journey.first.is_some() {
            self.clear_up(side, bytes);
        }
        self.trace.mix_bytes(bytes);
        self.trace.note(now, Some(side), glance, door, || describe(bytes));
        self.datagrams += 1;
        for at in [journey.first, journey.second].into_iter().flatten() {
            self.on_the_way += 1;
            let parcel = Parcel { number: self.datagrams, bytes: bytes.to_vec(), waited_in: None };
            self.plan(at, Event::Arrive(side.other(), parcel));
        }
    }

    /// A router hears that its peer answers a hello that was not its own, or says hello itself: they begin anew.
    fn clear_up(&mut self, from: Side, bytes: &[u8]) {
        for view in frames(bytes).flatten() {
            self.hosts[from.index()].misled &= !view.hello_back();
            self.hosts[from.other().index()].misled &= !view.hello();
        }
    }

    /// The daemon does not read: the datagram waits in its socket, if there is room.
    pub(super) fn let_wait(&mut self, side: Side, mut parcel: Parcel) {
        let host = &mut self.hosts[side.index()];
        if parcel.waited_in.is_none() {
            if host.inbox == INBOX || !host.is_up() {
                self.on_the_way -= 1;
                return self.note("full", || describe(&parcel.bytes));
            }
            host.inbox += 1;
            parcel.waited_in = Some(host.life);
        }
        let at = host.frozen_until;
        self.plan(at, Event::Arrive(side, parcel));
    }

    /// A stranger's datagram arrives.
    pub(super) fn intrude(&mut self, side: Side, stranger: Stranger) -> Verdict {
        let bytes = self.forge(side, stranger);
        self.note("stranger", || describe(&bytes));
        self.datagrams += 1;
        self.on_the_way += 1;
        self.oracle.intruded(side, &bytes, &self.hosts, self.now);
        let host = &mut self.hosts[side.index()];
        let greets = matches!(stranger, Stranger::Hello | Stranger::HelloNearby);
        host.misled |= greets && matches!(host.daemon, Daemon::Conntrackd(_));
        let parcel = Parcel { number: self.datagrams, bytes, waited_in: None };
        self.plan(self.now, Event::Arrive(side, parcel));
        Ok(())
    }

    fn forge(&mut self, side: Side, stranger: Stranger) -> Vec<u8> {
        let heard = self.heard[side.index()].clone();
        let newest = frames(&heard).flatten().last().map_or(0, |view| view.seq().0);
        let chance = &mut self.strangers;
        let any = Seq(low(chance.next()));
        let control = |control, flags, seq| {
            let mut datagram = Datagram::with_limit(payload_limit(1500));
            encode_control(&mut datagram, control, flags, seq).expect("an empty datagram has room");
            datagram.as_bytes().to_vec()
        };
        match stranger {
            Stranger::Hello => control(Control::Alive, Flags::HELLO, any),
            Stranger::HelloNearby => {
                let near = newest.wrapping_add(low(chance.below(100))).wrapping_sub(50);
                control(Control::Alive, Flags::HELLO, Seq(near))
            }
            Stranger::Control => {
                let from = Seq(low(chance.next()));
                let to = Seq(from.0.wrapping_add(low(chance.below(1 << 31))));
                let range = SeqRange { from, to };
                let message = chance.pick(&[
                    Control::Alive,
                    Control::Resync,
                    Control::Ack(range),
                    Control::Nack(range),
                ]);
                let flags = chance.pick(&[Flags::NONE, Flags::HELLO, Flags::HELLO_BACK]);
                control(message, flags, any)
            }
            Stranger::Noise => (0..chance.between(1, 120)).map(|_| chance.next().to_le_bytes()[0]).collect(),
            Stranger::Stump => {
                let length = usize::try_from(chance.below(heard.len() as u64 + 1)).expect("a length");
                heard[..length].to_vec()
            }
            Stranger::Distorted => {
                let mut distorted = heard;
                if let Some(first) = distorted.first_mut() {
                    *first = first.wrapping_add(chance.pick(&[0x10, 0x06, 0x40]));
                }
                distorted
            }
            Stranger::Empty => {
                let mut empty = vec![0x10, 0, 0, 8];
                empty.extend(any.0.to_be_bytes());
                empty
            }
        }
    }
}

fn low(word: u64) -> u32 {
    u32::try_from(word & 0xffff_ffff).expect("32 bits are left")
}

/// A datagram in a line.
pub(super) fn describe(bytes: &[u8]) -> String {
    let mut text = String::new();
    for view in frames(bytes) {
        let Ok(view) = view else {
            text.push_str("[?] ");
            continue;
        };
        let flags = (if view.hello() { "H" } else { "" }, if view.hello_back() { "b" } else { "" });
        let what = match (view.control(), view.change()) {
            (Some(control), _) => format!("{control:?}"),
            (None, Some(change)) => {
                let flow = decode_flow(&view).map(|decoded| decoded.flow.to_string());
                format!("{change:?} {}", flow.unwrap_or_default())
            }
            (None, None) => match decode_expectation(&view) {
                Ok(decoded) => format!("{:?} {}", decoded.change, decoded.expectation),
                Err(_) => "?".into(),
            },
        };
        text.push_str(&format!("[{}{}{} {what}] ", view.seq(), flags.0, flags.1));
    }
    text
}
