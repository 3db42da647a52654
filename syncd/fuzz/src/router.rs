//! A router for targets: a replica in the midst of a conversation, and a kernel that answers whatever is asked.
//!
//! What the replica wants of its kernel is written as netlink requests, so that a flow that a stranger made goes the
//! whole way to the bytes that would have gone to a kernel. Nothing is sent. Everything can be recorded. Driven by the
//! targets.

use syncd_conntrack::{encode, expect};
use syncd_core::filter::{Filter, Helpers};
use syncd_core::flow::{
    Address, AttrSet, Change, Expectation, Family, Flow, Origin, Protocol, Status, TcpState, Tuple,
};
use syncd_core::recording::{self, Entry, Input, Recorder, Start};
use syncd_core::replica::{
    self, By, ChannelId, Command, Config, Ends, Errno, ExpectRequest, KernelReply, KernelRequest, Notice,
    Outside, PEER_KEEPS, Replica, Reply, RequestId, Role, Token,
};
use syncd_core::time::{Duration, Instant};
use syncd_core::wire::{Control, Datagram, Flags, Options, Seq, encode_control, payload_limit};

use crate::seen::Seen;

/// The dedicated link.
pub const LINK: ChannelId = ChannelId(0);

/// Flows in either cache: two pages of the slab.
const LIMIT: u32 = 5000;

/// Flows in either cache of a router that shall see them full.
const FEW: u32 = 40;

/// Turns in a row, before time goes on: none of ours needs nearly so many.
const TURNS: usize = 64;

/// So many requests and datagrams in one turn.
const PER_TURN: usize = 32;

/// A replica and what is around it.
#[derive(Debug)]
pub struct Router {
    replica: Replica,
    now: Instant,
    around: Around,
    recorder: Option<Recorder>,
    /// How the kernel answers.
    mood: u8,
}

impl Router {
    /// A router in sync: `ours` will be the number of its next frame, `theirs` the one it expects of its peer.
    #[must_use]
    pub fn in_conversation(ours: Seq, theirs: Seq) -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        let mut entropy = [7; 32];
        // Three frames go before: an acknowledgement and two flows.
        entropy[..4].copy_from_slice(&ours.0.wrapping_sub(3).to_le_bytes());
        let replica = Replica::new(config(LIMIT), entropy, now);
        let mut router = Self { replica, now, around: Around::new(), recorder: None, mood: 1 };
        router.feed(Input::Channel(LINK, true));
        let mut greeting = Datagram::with_limit(payload_limit(1500));
        let both = Flags::HELLO.with(Flags::HELLO_BACK);
        encode_control(&mut greeting, Control::Alive, both, theirs.previous()).expect("it is empty");
        router.feed(Input::Datagram(LINK, greeting.as_bytes()));
        for port in [1, 2] {
            router.feed(Input::Flow(Origin::Kernel, Change::New, (&flow(port)).into()));
        }
        router.settle(&mut Seen::default());
        router
    }

    /// A router that has just started, with small caches and a recorder.
    #[must_use]
    pub fn recorded() -> Self {
        let (now, entropy, config) = (Instant::from_nanos(1), [9; 32], config(FEW));
        let datagram_limit = u16::try_from(payload_limit(1500)).expect("below 1500");
        let start =
            Start { config: config.clone(), entropy, datagram_limit, unix_seconds: 0, program: "a fuzzer" };
        let recorder = Some(Recorder::new(now, start));
        let replica = Replica::new(config, entropy, now);
        Self { replica, now, around: Around::new(), recorder, mood: 1 }
    }

    /// The replica, to look at.
    #[must_use]
    pub const fn replica(&self) -> &Replica {
        &self.replica
    }

    /// The recording, ended.
    #[must_use]
    pub fn into_recording(self) -> Option<Vec<u8>> {
        let mut recorder = self.recorder?;
        recorder.write(&Entry::End(self.now));
        Some(recorder.take(Vec::new()))
    }

    /// Something comes in.
    pub fn feed(&mut self, input: Input<'_>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.write(&Entry::Input(self.now, input));
        }
        input.apply(&mut self.replica, self.now);
    }

    /// The kernel answers in another way from now on.
    pub const fn set_mood(&mut self, mood: u8) {
        self.mood = mood;
    }

    /// Turns until nothing is left to do at this instant, or it seems endless.
    pub fn settle(&mut self, seen: &mut Seen) {
        for _ in 0..TURNS {
            (self.around.requests, self.around.datagrams) = (PER_TURN, PER_TURN);
            match &mut self.recorder {
                None => replica::turn(&mut self.replica, self.now, &mut self.around),
                Some(recorder) => recording::turn(&mut self.replica, self.now, &mut self.around, |entry| {
                    recorder.write(entry);
                }),
            }
            let quiet = self.around.wants.is_empty()
                && self.around.requests > 0
                && self.around.datagrams > 0
                && self.replica.poll_timeout().is_none_or(|due| due > self.now);
            for (index, (token, want)) in std::mem::take(&mut self.around.wants).into_iter().enumerate() {
                self.answer(token, &want, index);
            }
            if quiet {
                break;
            }
        }
        for notice in self.around.notices.drain(..) {
            seen.note(std::mem::discriminant(&notice));
        }
    }

    /// Time goes on.
    pub fn wait(&mut self, span: Duration, seen: &mut Seen) {
        self.now = self.now + span;
        self.settle(seen);
    }

    /// The router gets a role.
    pub fn become_(&mut self, role: Role, seen: &mut Seen) {
        self.feed(Input::Command(RequestId(1), Command::Role(role)));
        self.settle(seen);
    }

    /// One kernel for all. Its mood is a row of bits: it fails or surprises in one of four ways (the lower two), each
    /// third time or each time (4), does not finish dumps (8), and miscounts (16).
    fn answer(&mut self, token: Token, want: &Want, index: usize) {
        let surprises = self.mood & 4 != 0 || index % 3 == 1;
        let error = [Errno::ENOMEM, Errno::EEXIST, Errno::ENOENT, Errno::EBUSY][usize::from(self.mood & 3)];
        let failed = KernelReply::Failed(token, error);
        let end_of_dump = if self.mood & 8 == 0 { KernelReply::Done(token) } else { failed };
        let reply = match want {
            Want::Dump => {
                self.feed(Input::Kernel(KernelReply::Begun(token)));
                self.feed(Input::Kernel(KernelReply::Dumped(token, (&flow(1)).into())));
                end_of_dump
            }
            Want::DumpExpectations => {
                self.feed(Input::Kernel(KernelReply::Begun(token)));
                end_of_dump
            }
            Want::Count if self.mood & 16 != 0 => KernelReply::Counted(token, u32::MAX),
            Want::Count => KernelReply::Counted(token, self.replica.internal().len()),
            Want::Create | Want::Change if surprises => failed,
            Want::Create | Want::Change => KernelReply::Done(token),
            Want::Find(_) if self.mood & 3 == 3 => {
                self.feed(Input::Kernel(KernelReply::Found(token, (&flow(1)).into())));
                return;
            }
            Want::Find(flow) if surprises => KernelReply::Found(token, (&**flow).into()),
            Want::FindExpectation(known) if surprises => KernelReply::Expectation(token, known),
            Want::Find(_) | Want::FindExpectation(_) => KernelReply::Failed(token, Errno::ENOENT),
        };
        self.feed(Input::Kernel(reply));
    }
}

fn config(limit: u32) -> Config {
    Config {
        filter: Filter::default().with_helpers(Helpers::All),
        internal_limit: limit,
        external_limit: limit,
        channels: 2,
        wire: Options { window_scale: true },
        ends: Ends::UntoldBefore,
        peer_keeps: PEER_KEEPS,
    }
}

/// What the kernel was asked.
#[derive(Debug)]
enum Want {
    Create,
    Change,
    Find(Box<Flow>),
    FindExpectation(Box<Expectation>),
    DumpExpectations,
    Dump,
    Count,
}

#[derive(Debug)]
struct Around {
    datagram: Datagram,
    request: Vec<u8>,
    requests: usize,
    datagrams: usize,
    wants: Vec<(Token, Want)>,
    notices: Vec<Notice>,
}

impl Around {
    fn new() -> Self {
        Self {
            datagram: Datagram::with_limit(payload_limit(1500)),
            request: Vec::new(),
            requests: 0,
            datagrams: 0,
            wants: Vec::new(),
            notices: Vec::new(),
        }
    }
}

impl Outside for Around {
    fn datagram(&mut self) -> Option<&mut Datagram> {
        (self.datagrams > 0).then_some(&mut self.datagram)
    }

    fn transmit(&mut self, _channel: ChannelId) {
        self.datagrams -= 1;
    }

    fn can_request(&self) -> bool {
        self.requests > 0
    }

    fn request(&mut self, request: KernelRequest<'_>) {
        self.requests -= 1;
        self.request.clear();
        let out = &mut self.request;
        let want = match request {
            KernelRequest::Create { token, flow, timeout } => {
                encode::create(out, 1, flow, timeout);
                (token, Want::Create)
            }
            KernelRequest::Update { token, flow, timeout, with_status } => {
                if with_status {
                    encode::update(out, 1, flow, timeout);
                } else {
                    encode::update_without_status(out, 1, flow, timeout);
                }
                (token, Want::Change)
            }
            KernelRequest::Relax { token, flow } => {
                encode::relax(out, 1, flow);
                (token, Want::Change)
            }
            KernelRequest::Shorten { token, flow, timeout } => {
                encode::shorten(out, 1, flow, timeout);
                (token, Want::Change)
            }
            KernelRequest::Delete { token, flow } => {
                encode::delete(out, 1, flow);
                (token, Want::Change)
            }
            KernelRequest::Find { token, flow, by } => {
                match by {
                    By::Original => encode::get_by_original(out, 1, flow),
                    By::Reply => encode::get_by_reply(out, 1, flow),
                }
                (token, Want::Find(Box::new(*flow)))
            }
            KernelRequest::Dump { token } => (token, Want::Dump),
            KernelRequest::Count { token } => (token, Want::Count),
            KernelRequest::ListenNew(_) => return,
            KernelRequest::Expect(request) => expectation(out, request),
        };
        self.wants.push(want);
    }

    fn reply(&mut self, _id: RequestId, _reply: Reply) {}

    fn notice(&mut self, notice: Notice) {
        self.notices.push(notice);
    }
}

/// Writes a request about an expectation.
fn expectation(out: &mut Vec<u8>, request: ExpectRequest<'_>) -> (Token, Want) {
    match request {
        ExpectRequest::Create { token, expectation } => {
            expect::create(out, 1, expectation);
            (token, Want::Create)
        }
        ExpectRequest::Renew { token, expectation, timeout } => {
            expect::renew(out, 1, expectation, timeout);
            (token, Want::Change)
        }
        ExpectRequest::Delete { token, expectation } => {
            expect::delete(out, 1, expectation);
            (token, Want::Change)
        }
        ExpectRequest::Find { token, expectation } => {
            expect::get(out, 1, expectation);
            (token, Want::FindExpectation(Box::new(*expectation)))
        }
        ExpectRequest::Dump { token } => (token, Want::DumpExpectations),
    }
}

/// A flow of our own.
#[must_use]
pub fn flow(port: u16) -> Flow {
    let (source, target) = (Address::from_v4([10, 1, 0, 2]), Address::from_v4([10, 2, 0, 2]));
    let original = Tuple { source, target, source_port: port, target_port: 80 };
    let mut flow = Flow::new(Family::V4, Protocol::TCP, original);
    flow.tcp_state = TcpState::ESTABLISHED;
    flow.status = Status(0x18e);
    flow.timeout = 300;
    flow.present = AttrSet::REPLY.with(AttrSet::TCP_STATE).with(AttrSet::STATUS).with(AttrSet::TIMEOUT);
    flow
}
