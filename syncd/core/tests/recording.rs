//! Two replicas live through a bad day, each with a recorder; then each recording is replayed and gives the same outputs,
//! whole, cut off anywhere, and not when something in it was changed.

use std::collections::BTreeMap;

use syncd_core::filter::{Filter, Helpers};
use syncd_core::flow::{
    Address, AttrSet, Change, Expectation, ExtraSet, Extras, Family, Flow, HelperName, Key, Origin, Parent,
    Protocol, Status, TcpState, Tuple, Whole,
};
use syncd_core::recording::{self, Decoder, Entry, Input, Recorder, Replay, Scratch, Start, Stop, replay};
use syncd_core::replica::{
    ChannelId, Command, Config, Ends, Errno, ExpectRequest, KernelReply, KernelRequest, Notice, Outside,
    PEER_KEEPS, Replica, Reply, RequestId, Role, Token,
};
use syncd_core::time::{Duration, Instant};
use syncd_core::wire::{Datagram, Options};

const LINK: ChannelId = ChannelId(0);

/// Flows that come and go.
const FLOWS: u64 = 300;

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

fn flow(port: u64, state: u64) -> Flow {
    let port = u16::try_from(port).expect("a port");
    let (source, target) = (Address::from_v4([10, 1, 0, 2]), Address::from_v4([10, 2, 0, 2]));
    let original = Tuple { source, target, source_port: port, target_port: 80 };
    let mut flow = Flow::new(Family::V4, Protocol::TCP, original);
    flow.reply.target_port = port / 2;
    flow.tcp_state = TcpState(u8::try_from(state).expect("a state"));
    flow.status = Status(0x19e);
    flow.timeout = 300;
    flow.present = AttrSet::REPLY.with(AttrSet::TCP_STATE).with(AttrSet::STATUS).with(AttrSet::TIMEOUT);
    flow
}

/// The flow, which a helper reads.
fn with_helper(flow: Flow) -> Whole {
    let helper = HelperName::new(b"ftp").expect("a name");
    Whole::new(flow, Extras { helper, present: ExtraSet::HELPER, ..Extras::EMPTY })
}

/// A router: its replica, its kernel's table, and what it has not carried out yet.
struct Router {
    replica: Replica,
    recorder: Recorder,
    table: BTreeMap<u16, Whole>,
    expectations: BTreeMap<u16, Expectation>,
    around: Around,
    outputs: u64,
    inputs: u64,
}

#[derive(Default)]
struct Around {
    datagram: Option<Datagram>,
    room: usize,
    requests: Vec<(Token, What)>,
    can_request: usize,
    sent: Vec<Vec<u8>>,
    outputs: u64,
}

enum What {
    Create(Whole),
    Update(Whole),
    Relax(Key),
    Delete(Key),
    Find(Key),
    Dump,
    Count,
    Expect(Expectation),
    NoExpectation,
    DumpExpectations,
}

impl Outside for Around {
    fn datagram(&mut self) -> Option<&mut Datagram> {
        self.datagram.as_mut().filter(|_| self.room > 0)
    }

    fn transmit(&mut self, _channel: ChannelId) {
        self.room -= 1;
        self.outputs += 1;
        self.sent.push(self.datagram.as_ref().expect("it was handed out").as_bytes().to_vec());
    }

    fn can_request(&self) -> bool {
        self.can_request > 0
    }

    fn request(&mut self, request: KernelRequest<'_>) {
        self.can_request -= 1;
        self.outputs += 1;
        self.requests.push(match request {
            KernelRequest::Create { token, flow, .. } => (token, What::Create(flow.whole())),
            KernelRequest::Update { token, flow, .. } => (token, What::Update(flow.whole())),
            KernelRequest::Relax { token, flow } | KernelRequest::Shorten { token, flow, .. } => {
                (token, What::Relax(flow.key()))
            }
            KernelRequest::Delete { token, flow } => (token, What::Delete(flow.key())),
            KernelRequest::Find { token, flow, .. } => (token, What::Find(flow.key())),
            KernelRequest::Dump { token } => (token, What::Dump),
            KernelRequest::Count { token } => (token, What::Count),
            KernelRequest::ListenNew(_) => return,
            KernelRequest::Expect(request) => match request {
                ExpectRequest::Create { token, expectation }
                | ExpectRequest::Renew { token, expectation, .. } => (token, What::Expect(*expectation)),
                ExpectRequest::Delete { token, .. } | ExpectRequest::Find { token, .. } => {
                    (token, What::NoExpectation)
                }
                ExpectRequest::Dump { token } => (token, What::DumpExpectations),
            },
        });
    }

    fn reply(&mut self, _id: RequestId, _reply: Reply) {
        self.outputs += 1;
    }

    fn notice(&mut self, _notice: Notice) {
        self.outputs += 1;
    }
}

impl Router {
    fn new(entropy: u8, now: Instant) -> Self {
        let config = Config {
            filter: Filter::new(vec![Protocol::TCP], Vec::new()).with_helpers(Helpers::All),
            internal_limit: 250,
            external_limit: 250,
            channels: 2,
            wire: Options { window_scale: true },
            ends: Ends::Told,
            peer_keeps: PEER_KEEPS,
        };
        let entropy = [entropy; 32];
        let start = Start {
            config: config.clone(),
            entropy,
            datagram_limit: 600,
            unix_seconds: 0,
            program: "a test",
        };
        let datagram = Some(Datagram::with_limit(600));
        let recorder = Recorder::new(now, start);
        let replica = Replica::new(config, entropy, now);
        let around = Around { datagram, ..Around::default() };
        let mut router = Self {
            replica,
            recorder,
            table: BTreeMap::new(),
            expectations: BTreeMap::new(),
            around,
            outputs: 0,
            inputs: 0,
        };
        router.feed(now, Input::Channel(LINK, true));
        router
    }

    fn feed(&mut self, now: Instant, input: Input<'_>) {
        self.inputs += 1;
        self.recorder.write(&Entry::Input(now, input));
        input.apply(&mut self.replica, now);
    }

    fn turn(&mut self, now: Instant, chance: &mut Chance) {
        self.around.room = usize::try_from(chance.below(4)).expect("small");
        self.around.can_request = usize::try_from(chance.below(6)).expect("small");
        let Self { replica, recorder, around, .. } = self;
        recording::turn(replica, now, around, |entry| recorder.write(entry));
        self.outputs = self.around.outputs;
        for (token, what) in std::mem::take(&mut self.around.requests) {
            self.answer(now, token, &what);
        }
    }

    fn answer(&mut self, now: Instant, token: Token, what: &What) {
        let gone = KernelReply::Failed(token, Errno::ENOENT);
        match what {
            What::Create(flow) if self.table.contains_key(&flow.original.source_port) => {
                self.feed(now, Input::Kernel(KernelReply::Failed(token, Errno::EEXIST)));
            }
            What::Create(flow) | What::Update(flow) => {
                self.table.insert(flow.original.source_port, *flow);
                self.feed(now, Input::Kernel(KernelReply::Done(token)));
            }
            What::Relax(key) => {
                let there = self.table.contains_key(&key.original.source_port);
                self.feed(now, Input::Kernel(if there { KernelReply::Done(token) } else { gone }));
            }
            What::Delete(key) => {
                let there = self.table.remove(&key.original.source_port).is_some();
                self.feed(now, Input::Kernel(if there { KernelReply::Done(token) } else { gone }));
            }
            What::Find(key) => match self.table.get(&key.original.source_port).copied() {
                Some(flow) => self.feed(now, Input::Kernel(KernelReply::Found(token, (&flow).into()))),
                None => self.feed(now, Input::Kernel(gone)),
            },
            What::Dump => {
                self.feed(now, Input::Kernel(KernelReply::Begun(token)));
                for flow in self.table.values().copied().collect::<Vec<_>>() {
                    self.feed(now, Input::Kernel(KernelReply::Dumped(token, (&flow).into())));
                }
                self.feed(now, Input::Kernel(KernelReply::Done(token)));
            }
            What::Count => {
                let count = u32::try_from(self.table.len()).expect("few");
                self.feed(now, Input::Kernel(KernelReply::Counted(token, count)));
            }
            What::Expect(expectation) => {
                self.expectations.insert(expectation.tuple.target_port, *expectation);
                self.feed(now, Input::Kernel(KernelReply::Done(token)));
            }
            What::NoExpectation => self.feed(now, Input::Kernel(gone)),
            What::DumpExpectations => {
                self.feed(now, Input::Kernel(KernelReply::Begun(token)));
                for expectation in self.expectations.values().copied().collect::<Vec<_>>() {
                    self.feed(now, Input::Kernel(KernelReply::Expectation(token, &expectation)));
                }
                self.feed(now, Input::Kernel(KernelReply::Done(token)));
            }
        }
    }

    fn packets(&mut self, now: Instant, chance: &mut Chance) {
        let plain = flow(1 + chance.below(FLOWS), 1 + chance.below(7));
        let flow = if chance.below(4) == 0 { with_helper(plain) } else { plain.into() };
        let known = self.table.contains_key(&flow.original.source_port);
        let change = match (known, chance.below(3)) {
            (false, _) => Change::New,
            (true, 0) => Change::Destroy,
            (true, _) => Change::Update,
        };
        if change == Change::Destroy {
            self.table.remove(&flow.original.source_port);
        } else {
            self.table.insert(flow.original.source_port, flow);
        }
        // Some events are lost, with a word or without.
        match chance.below(200) {
            0 => self.feed(now, Input::Overrun),
            1 => {}
            _ => self.feed(now, Input::Flow(Origin::Kernel, change, (&flow).into())),
        }
    }

    fn announcement(&mut self, now: Instant, chance: &mut Chance) {
        let control = flow(1 + chance.below(FLOWS), 3);
        let parent = Parent { original: control.original, family: Family::V4, protocol: Protocol::TCP };
        let data = flow(1000 + chance.below(20), 0).original;
        let mut expectation = Expectation::new(parent, Protocol::TCP, data, data);
        expectation.helper = HelperName::new(b"ftp").expect("a name");
        expectation.timeout = Some(300);
        let change = if chance.below(3) == 0 { Change::Destroy } else { Change::New };
        self.feed(now, Input::Expectation(Origin::Kernel, change, &expectation));
    }
}

/// A bad day from a seed: two recordings, and how many inputs and outputs are in each.
fn bad_day(seed: u64) -> [(Vec<u8>, u64, u64); 2] {
    let mut chance = Chance(seed);
    let mut now = Instant::from_nanos(5_000_000_000);
    let mut routers = [Router::new(1, now), Router::new(2, now)];
    for step in 0..4000_u64 {
        now = now
            + Duration::from_micros(
                [0, 30, 1000, 20_000, 400_000][usize::try_from(chance.below(5)).unwrap()],
            );
        let index = usize::try_from(chance.below(2)).unwrap();
        match chance.below(100) {
            0 => {
                let role =
                    [Role::Primary, Role::Backup, Role::Fault][usize::try_from(chance.below(3)).unwrap()];
                routers[index].feed(now, Input::Command(RequestId(step), Command::Role(role)));
            }
            1 => routers[index].feed(now, Input::Command(RequestId(step), Command::PeerYielded)),
            2 => {
                let up = chance.below(2) == 0;
                routers[index].feed(now, Input::Channel(LINK, up));
                routers[index].feed(now, Input::Channel(ChannelId(1), !up));
            }
            3 => routers[index].feed(now, Input::Datagram(LINK, &[0x1a, 0x08, 0, 9, 1, 2, 3, 4, 5])),
            4..8 => routers[index].announcement(now, &mut chance),
            8..60 => routers[index].packets(now, &mut chance),
            _ => {}
        }
        routers[index].turn(now, &mut chance);
        for bytes in std::mem::take(&mut routers[index].around.sent) {
            // Some datagrams are lost, some come twice.
            for _ in 0..[1, 1, 1, 1, 1, 1, 1, 0, 2][usize::try_from(chance.below(9)).unwrap()] {
                routers[1 - index].feed(now, Input::Datagram(LINK, &bytes));
            }
        }
    }
    routers.map(|mut router| {
        router.recorder.write(&Entry::End(now));
        assert!(router.replica.stats().commit.committed > 0, "and there was a failover");
        (router.recorder.take(Vec::new()), router.inputs, router.outputs)
    })
}

#[test]
fn what_was_recorded_happens_again() {
    for seed in 1..=4 {
        for (bytes, inputs, outputs) in bad_day(seed) {
            let played = replay(&bytes, |_| {}).unwrap_or_else(|stop| panic!("seed {seed}: {stop:?}"));
            assert_eq!((played.inputs, played.turns > 1500, played.ended), (inputs, true, true));
            assert!(outputs > 1000, "{outputs} outputs");
            assert_eq!(played.outputs, outputs);
        }
    }
}

#[test]
fn what_was_cut_off_happens_again_up_to_there() {
    let [(bytes, ..), _] = bad_day(11);
    for length in (0..bytes.len()).step_by(bytes.len() / 50 + 1) {
        let played = replay(&bytes[..length], |_| {}).unwrap_or_else(|stop| panic!("{length}: {stop:?}"));
        assert!(!played.ended);
    }
}

#[test]
fn an_input_less_makes_a_difference_that_is_named() {
    let [(bytes, ..), _] = bad_day(12);
    let (mut decoder, mut scratch, mut replay) = (Decoder::default(), Scratch::default(), Replay::new());
    let (mut rest, mut left_out, mut number) = (bytes.as_slice(), false, 0);
    let stop = loop {
        let Some((entry, consumed)) = decoder.next(rest, &mut scratch).expect("undamaged") else {
            panic!("the same")
        };
        number += 1;
        let is_birth = matches!(entry, Entry::Input(_, Input::Flow(_, Change::New, _)));
        if is_birth && number > 500 && !left_out {
            left_out = true;
        } else if let Err(stop) = replay.take(&entry) {
            break stop;
        }
        rest = &rest[consumed..];
    };
    let Stop::Different(difference) = stop else { panic!("{stop:?}") };
    assert!(left_out);
    assert_ne!(difference.recorded, difference.replayed);
    let said = difference.to_string();
    assert!(said.contains(&format!("turn {} differs\n  recorded: ", difference.turn)), "{said}");
}

#[test]
fn another_entropy_makes_other_numbers() {
    let [(bytes, ..), _] = bad_day(13);
    let (mut decoder, mut scratch, mut replay) = (Decoder::default(), Scratch::default(), Replay::new());
    let mut rest = bytes.as_slice();
    let stop = loop {
        let Some((entry, consumed)) = decoder.next(rest, &mut scratch).expect("undamaged") else {
            panic!("the same")
        };
        let taken = match entry {
            Entry::Start(now, start) => replay.take(&Entry::Start(now, Start { entropy: [77; 32], ..start })),
            entry => replay.take(&entry),
        };
        if let Err(stop) = taken {
            break stop;
        }
        rest = &rest[consumed..];
    };
    let Stop::Different(difference) = stop else { panic!("{stop:?}") };
    assert!(difference.recorded.contains("Sent") && difference.replayed.contains("Sent"), "{difference}");
}

#[test]
fn an_input_takes_few_bytes() {
    let [(bytes, inputs, outputs), _] = bad_day(14);
    let each = bytes.len() as u64 / (inputs + outputs);
    println!("{} bytes, {inputs} inputs, {outputs} outputs: {each} bytes each", bytes.len());
    assert!(each < 150, "{each} bytes");
}
