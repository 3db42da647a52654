//! A model of conntrackd in FTFW mode, as it was measured: the peer that does not do as we do.
//!
//! It does not hold flows back while its hello is unanswered, says HELLO on every message until then, notices no gap
//! in messages with HELLO, forgets its resend queue at each of ours, asks for what is missing once, answers a RESYNC
//! with everything at once, never sweeps, and tells the ends of flows also while it stands by.
//! Driven by the world in place of a replica. It speaks through the core's codec, which is tested against captures.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use syncd_core::filter::Filter;
use syncd_core::flow::{Change, Flow, Origin};
use syncd_core::replica::{Errno, Role};
use syncd_core::time::{Duration, Instant};
use syncd_core::wire::{
    Control, Datagram, Flags, Options, Seq, SeqRange, decode_flow, encode_control, encode_flow, frames,
    payload_limit,
};

use crate::kernel::{About, Event, Kernel, Name};

/// `ACKWindowSize`.
const WINDOW: u32 = 300;

/// `ResendQueueSize`, in messages; far less than the usual 131,072, so that it overflows at times.
pub const RESEND: u32 = 2000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    New,
    Alive,
    Dead,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hello {
    Say,
    Done,
}

/// What a hello means. The model is conntrackd's with the first; the second is syncd's rule in its place, to show
/// that the hello is the hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloRule {
    /// Objects are sent while our hello is unanswered; each of the peer's hellos empties the resend queue.
    Original,
    /// Objects wait until our hello is answered; what is unacknowledged is sent again at the peer's hello.
    Repaired,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    Object(Name),
    Control(Control),
}

/// What was sent, and under which number.
type Sent = (Seq, Message);

/// conntrackd.
#[derive(Debug)]
pub struct Conntrackd {
    filter: Filter,
    rule: HelloRule,
    role: Role,
    internal: BTreeMap<Name, (Flow, Life)>,
    /// Flows whose last change was an echo of our own, which the peer is not told.
    untold: BTreeSet<Name>,
    external: BTreeMap<Name, Flow>,
    next: Seq,
    hello: Hello,
    owes_hello_back: bool,
    transmit: VecDeque<Message>,
    resend: VecDeque<Sent>,
    /// The newest number that the peer has acknowledged.
    acknowledged: Option<Seq>,
    last: Option<Seq>,
    ack_from: Option<Seq>,
    window: u32,
    timer: Instant,
}

impl Conntrackd {
    /// conntrackd as it starts; `first` stands for the seconds since 1970.
    #[must_use]
    pub fn new(now: Instant, first: u32, filter: Filter, rule: HelloRule) -> Self {
        Self {
            filter,
            rule,
            role: Role::Unknown,
            internal: BTreeMap::new(),
            untold: BTreeSet::new(),
            external: BTreeMap::new(),
            next: Seq(first),
            hello: Hello::Say,
            owes_hello_back: false,
            transmit: VecDeque::new(),
            resend: VecDeque::new(),
            acknowledged: None,
            last: None,
            ack_from: None,
            window: WINDOW,
            timer: now,
        }
    }

    /// Flows of its kernel that live.
    pub fn internal(&self) -> impl Iterator<Item = &Flow> {
        self.internal.values().filter(|(_, life)| *life != Life::Dead).map(|(flow, _)| flow)
    }

    /// Whether the peer knows what became of the flow last.
    #[must_use]
    pub fn has_told(&self, name: &Name) -> bool {
        !self.untold.contains(name)
    }

    /// Flows of its peer.
    pub fn external(&self) -> impl Iterator<Item = &Flow> {
        self.external.values()
    }

    /// Whether no flow waits to be sent or acknowledged. An acknowledgement that it put aside as late, because of a
    /// stranger's hello, is not repeated: what the peer has passed over since is not waited for.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let object = |message: &Message| matches!(message, Message::Object(_));
        let passed = |seq: Seq| self.acknowledged.is_some_and(|newest| !seq.newer_than(newest));
        let awaited = |(seq, message): &Sent| object(message) && !passed(*seq);
        !self.transmit.iter().any(object) && !self.resend.iter().any(awaited)
    }

    /// Whether the peer has answered its hello.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.hello == Hello::Done
    }

    /// When [`Self::transmit`] has something to do by itself.
    #[must_use]
    pub const fn due(&self) -> Instant {
        self.timer
    }

    /// Whether its internal cache holds the flow.
    #[must_use]
    pub fn knows(&self, name: &Name) -> bool {
        self.internal.get(name).is_some_and(|(_, life)| *life != Life::Dead)
    }

    /// Dumps the kernel into the internal cache: adds and overwrites, removes nothing, sends nothing (`-R`).
    pub fn read_kernel(&mut self, kernel: &Kernel) {
        for (name, flow) in kernel.flows().filter(|(_, flow)| self.filter.accepts(flow)) {
            self.internal.insert(*name, (*flow, Life::New));
        }
    }

    /// Events were lost: dumps the kernel and tells everything again.
    pub fn overrun(&mut self, kernel: &Kernel) {
        self.read_kernel(kernel);
        self.bulk();
    }

    /// An event of the kernel.
    pub fn event(&mut self, event: &Event) {
        let About::Flow(said) = &event.about else { return };
        if !self.filter.accepts(said) {
            return;
        }
        let name = Name::of(said);
        match (event.change, self.internal.get_mut(&name)) {
            (Change::Destroy, None) => return,
            (Change::Destroy, Some((_, life))) => *life = Life::Dead,
            (Change::Update, Some((flow, life))) if *life != Life::Dead => {
                flow.merge(said);
                *life = Life::Alive;
            }
            (Change::New | Change::Update, _) => {
                self.internal.insert(name, (*said, Life::New));
            }
        }
        if event.origin == Origin::Kernel {
            self.enqueue(name);
        } else {
            self.untold.insert(name);
        }
    }

    /// A transition of `primary-backup.sh`.
    pub fn role(&mut self, now: Instant, role: Role, kernel: &mut Kernel) {
        if std::mem::replace(&mut self.role, role) == role {
            return;
        }
        match role {
            Role::Primary => {
                self.commit(now, kernel);
                // -f, -R, -B
                (self.internal, self.external) = (BTreeMap::new(), BTreeMap::new());
                self.transmit.retain(|message| matches!(message, Message::Control(_)));
                self.resend.retain(|(_, message)| matches!(message, Message::Control(_)));
                self.read_kernel(kernel);
                self.bulk();
            }
            Role::Backup => self.transmit.push_back(Message::Control(Control::Resync)),
            Role::Unknown | Role::Fault => {}
        }
    }

    /// Creates everything of the external cache; whatever is in the way is deleted once.
    fn commit(&self, now: Instant, kernel: &mut Kernel) {
        let related = |flow: &&Flow| flow.status.0 & 1 != 0;
        let (last, first): (Vec<&Flow>, Vec<&Flow>) = self.external.values().partition(related);
        for flow in first.into_iter().chain(last) {
            if kernel.create(now, flow, flow.timeout.max(60)) == Err(Errno::EEXIST) {
                let tuple_only = Flow { present: syncd_core::flow::AttrSet::EMPTY, ..*flow };
                // The second attempt may fail: it is logged, and never repeated.
                let _ = kernel.delete(now, &tuple_only);
                let _ = kernel.create(now, flow, flow.timeout.max(60));
            }
        }
    }

    fn bulk(&mut self) {
        let names: Vec<Name> = self.internal.keys().copied().collect();
        names.into_iter().for_each(|name| self.enqueue(name));
    }

    /// An object is in at most one queue; new state moves it from the resend to the transmit queue.
    fn enqueue(&mut self, name: Name) {
        self.untold.remove(&name);
        let message = Message::Object(name);
        self.resend.retain(|(_, sent)| *sent != message);
        if !self.transmit.contains(&message) {
            self.transmit.push_back(message);
        }
    }

    // ----- Receiving. -----

    /// A datagram came in.
    pub fn datagram(&mut self, bytes: &[u8]) {
        for view in frames(bytes).flatten() {
            let (seq, hello) = (view.seq(), view.hello());
            if view.hello_back() {
                self.hello = Hello::Done;
            }
            let gap = match self.last {
                _ if hello => {
                    self.hear_hello(seq);
                    None
                }
                Some(last) if seq != last.next() && seq.newer_than(last) => Some((last, seq)),
                Some(last) if seq != last.next() => continue,
                _ => None,
            };
            match (view.control(), decode_flow(&view)) {
                (Some(control), _) => self.control(control),
                (None, Ok(decoded)) => self.take(decoded.change, &decoded.flow),
                (None, Err(_)) => {}
            }
            self.last = Some(seq);
            if let Some((last, seq)) = gap {
                if let Some(from) = self.ack_from {
                    self.transmit.push_back(Message::Control(Control::Ack(SeqRange { from, to: last })));
                }
                let missing = SeqRange { from: last.next(), to: seq.previous() };
                self.transmit.push_back(Message::Control(Control::Nack(missing)));
                (self.window, self.ack_from) = (WINDOW - 1, Some(seq));
                continue;
            }
            let from = *self.ack_from.get_or_insert(seq);
            self.window -= 1;
            if self.window == 0 {
                self.transmit.push_back(Message::Control(Control::Ack(SeqRange { from, to: seq })));
                (self.window, self.ack_from) = (WINDOW, None);
            }
        }
    }

    /// The peer says hello: what waited for its acknowledgement is forgotten.
    fn hear_hello(&mut self, seq: Seq) {
        self.owes_hello_back = true;
        if self.ack_from.is_some_and(|from| from.newer_than(seq)) {
            (self.ack_from, self.window) = (Some(seq), WINDOW - 1);
        }
        let unacknowledged = std::mem::take(&mut self.resend);
        match self.rule {
            HelloRule::Original => unacknowledged.into_iter().for_each(|(_, message)| self.settle(message)),
            HelloRule::Repaired => {
                // What control messages say is of numbers that mean nothing any more.
                let object = |message: &Message| matches!(message, Message::Object(_));
                let again = unacknowledged.into_iter().map(|(_, message)| message).filter(object);
                self.transmit.extend(again);
            }
        }
    }

    fn control(&mut self, control: Control) {
        match control {
            Control::Alive => {}
            Control::Resync => self.bulk(),
            Control::Ack(range) => {
                self.acknowledged = Some(range.to);
                let (settled, rest): (VecDeque<Sent>, _) =
                    self.resend.drain(..).partition(|(seq, _)| range.contains(*seq));
                self.resend = rest;
                settled.into_iter().for_each(|(_, message)| self.settle(message));
            }
            Control::Nack(range) => {
                let (missing, rest): (VecDeque<Sent>, _) =
                    self.resend.drain(..).partition(|(seq, _)| range.contains(*seq));
                self.resend = rest;
                self.transmit.extend(missing.into_iter().map(|(_, message)| message));
            }
        }
    }

    /// A dead object stays until its end is acknowledged, or forgotten.
    fn settle(&mut self, message: Message) {
        if let Message::Object(name) = message
            && self.internal.get(&name).is_some_and(|(_, life)| *life == Life::Dead)
        {
            self.internal.remove(&name);
        }
    }

    fn take(&mut self, change: Change, flow: &Flow) {
        let name = Name::of(flow);
        match (change, self.external.get_mut(&name)) {
            (Change::Destroy, _) => {
                self.external.remove(&name);
            }
            (Change::Update, Some(held)) => held.merge(flow),
            (Change::New | Change::Update, _) => {
                self.external.insert(name, *flow);
            }
        }
    }

    // ----- Sending. -----

    /// One run over the transmit queue, and the one-second timer.
    pub fn transmit(&mut self, now: Instant) -> Vec<Vec<u8>> {
        if self.timer <= now {
            let alive = self.ack_from.take().zip(self.last);
            let control = alive.map_or(Control::Alive, |(from, to)| Control::Ack(SeqRange { from, to }));
            self.transmit.push_back(Message::Control(control));
            self.timer = now + Duration::from_secs(1);
        }
        let mut sent = Vec::new();
        let mut held = VecDeque::new();
        let mut datagram = Datagram::with_limit(payload_limit(1500));
        while let Some(message) = self.transmit.pop_front() {
            if self.rule == HelloRule::Repaired && !self.is_open() && matches!(message, Message::Object(_)) {
                held.push_back(message);
                continue;
            }
            if self.write(&mut datagram, message) {
                continue;
            }
            sent.push(datagram.as_bytes().to_vec());
            datagram.clear();
            assert!(self.write(&mut datagram, message), "every frame fits into an empty datagram");
        }
        if !datagram.is_empty() {
            sent.push(datagram.as_bytes().to_vec());
        }
        self.transmit = held;
        if !sent.is_empty() {
            self.timer = now + Duration::from_secs(1);
        }
        sent
    }

    /// Says whether there was room.
    fn write(&mut self, datagram: &mut Datagram, message: Message) -> bool {
        let say = if self.hello == Hello::Say { Flags::HELLO } else { Flags::NONE };
        let back = if self.owes_hello_back { Flags::HELLO_BACK } else { Flags::NONE };
        let (flags, seq) = (say.with(back), self.next);
        let written = match message {
            Message::Control(control) => encode_control(datagram, control, flags, seq),
            Message::Object(name) => {
                // Whatever was flushed meanwhile is not sent.
                let Some((flow, life)) = self.internal.get(&name) else { return true };
                let change = match life {
                    Life::New => Change::New,
                    Life::Alive => Change::Update,
                    Life::Dead => Change::Destroy,
                };
                encode_flow(datagram, change, flags, seq, flow, Options::default())
            }
        };
        if written.is_err() {
            return false;
        }
        self.next = seq.next();
        self.owes_hello_back = false;
        if message != Message::Control(Control::Alive) {
            if self.resend.len() == RESEND as usize
                && let Some((_, oldest)) = self.resend.pop_front()
            {
                self.settle(oldest);
            }
            self.resend.push_back((seq, message));
        }
        true
    }
}
