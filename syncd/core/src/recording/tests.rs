//! Whatever there is goes into bytes and back; no door is left out; bytes may be anything.

extern crate std;

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};
use core::time::Duration;

use super::*;
use crate::filter::{Filter, Helpers, Network};
use crate::flow::{
    Address, AttrSet, Change, Dccp, ExpectFlags, ExpectNat, Expectation, ExtraSet, Extras, Family, Flow,
    FlowRef, Labels, Name, Origin, Parent, Protocol, SctpState, SequenceShift, Status, Synproxy, TcpFlags,
    TcpState, Tuple, Whole,
};
use crate::replica::{
    BulkCause, By, ChannelId, Command, Config, Ends, Errno, ExpectRequest, KernelReply, KernelRequest,
    Notice, Reason, Refusal, Reply, RequestId, Role, Settings, Step, Token,
};
use crate::time::Instant;
use crate::wire::Options;

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

/// Flows with a value of its own in every field, with what is rare about them.
fn wholes() -> [Whole; 3] {
    let [long, plain] = flows();
    let numbers = |first: u32| SequenceShift { position: first, before: first + 1, after: u32::MAX };
    let extras = Extras {
        parent: parent(),
        sequence: [numbers(7), numbers(70)],
        labels: Labels::new([1, 0x8000_0000, 3]),
        synproxy: Synproxy { isn: 4, its: 5, offset: u32::MAX },
        sctp_tags: [0xfeed, 0xface],
        helper: name("amanda"),
        sctp_state: SctpState(8),
        dccp: Dccp { state: 3, role: 1 },
        present: ExtraSet::PARENT.with(ExtraSet::LABELS),
    };
    let few = Extras { parent: parent(), present: ExtraSet::PARENT, ..Extras::EMPTY };
    [Whole::new(long, extras), Whole::from(plain), Whole::new(plain, few)]
}

fn parent() -> Parent {
    Parent { original: flows()[0].original, family: Family::V6, protocol: Protocol::SCTP }
}

fn name<const N: usize>(text: &str) -> Name<N> {
    Name::new(text.as_bytes()).expect("it is short")
}

fn expectations() -> [Expectation; 2] {
    let [flow, plain] = flows();
    let bare = Expectation::new(parent(), Protocol::TCP, plain.original, plain.reply);
    let nat = ExpectNat { tuple: flow.reply, protocol: Protocol::UDP, direction: 1 };
    let full = Expectation {
        mask_protocol: Protocol(255),
        nat: Some(nat),
        helper: name("ftp"),
        function: name("nf-nat-follow-master"),
        timeout: Some(300),
        class: Some(u32::MAX),
        flags: ExpectFlags(ExpectFlags::INACTIVE),
        id: 0xdead_beef,
        zone: 9,
        ..bare
    };
    [full, bare]
}

/// Flows with a value of its own in every field.
fn flows() -> [Flow; 2] {
    let address = |byte: u8| Address::from_v6(core::array::from_fn(|i| byte + u8::try_from(i).unwrap_or(0)));
    let tuple = |byte: u8| Tuple {
        source: address(byte),
        target: address(byte + 16),
        source_port: u16::from(byte) << 8 | 1,
        target_port: 65_535,
    };
    let long = Flow {
        original: tuple(1),
        reply: tuple(50),
        status: Status(0x218e),
        timeout: u32::MAX,
        mark: 0x8000_0001,
        id: 0xdead_beef,
        zone: 65_534,
        present: AttrSet::REPLY.with(AttrSet::TCP_FLAGS).with(AttrSet::SYNPROXY_ZERO),
        protocol: Protocol(255),
        family: Family::V6,
        tcp_state: TcpState(9),
        tcp_scale_original: 14,
        tcp_scale_reply: 7,
        tcp_flags_original: TcpFlags(0x23),
        tcp_flags_reply: TcpFlags(0xff),
    };
    let v4 = |last| Address::from_v4([10, 0, 0, last]);
    let original = Tuple { source: v4(1), target: v4(2), source_port: 1, target_port: 2 };
    [long, Flow::new(Family::V4, Protocol::TCP, original)]
}

fn settings() -> Settings {
    let Config { filter, internal_limit, external_limit, channels, .. } = config();
    let (commit_timeout, silence) = (Some(u32::MAX), Duration::from_millis(2500));
    let (datagram_limit, purge) = (1451, Some(Duration::from_secs(60)));
    Settings {
        datagram_limit,
        filter,
        internal_limit,
        external_limit,
        channels,
        commit_timeout,
        silence,
        purge,
        preload: true,
        lent_shows: true,
    }
}

fn config() -> Config {
    let helpers = Helpers::Named(vec![name("ftp"), name("sip")]);
    let network = |family, prefix| Network::new(family, Address::from_v4([192, 0, 2, 0]), prefix);
    let networks = [network(Family::V4, 24), network(Family::V6, 128)].into_iter().flatten().collect();
    Config {
        filter: Filter::new(vec![Protocol::TCP, Protocol(99)], networks).with_helpers(helpers),
        internal_limit: u32::MAX,
        external_limit: 70_000,
        channels: 4,
        wire: Options { window_scale: true },
        ends: Ends::UntoldBefore,
        peer_keeps: 65_536,
    }
}

/// One of each reason. A new one does not compile here, and fails the test until it is in the list.
fn reasons() -> Vec<Reason> {
    let number = |reason: &Reason| match reason {
        Reason::Starting => 0,
        Reason::AwaitingFlows => 1,
        Reason::PeerHello => 2,
        Reason::PeerReturned => 3,
        Reason::BecameBackup => 4,
        Reason::GapDuringResync => 5,
        Reason::NoAnswer => 6,
        Reason::ReceivingStuck => 7,
        Reason::GapOpen => 8,
        Reason::ReadingKernel => 9,
        Reason::Sending => 10,
        Reason::Unacknowledged => 11,
        Reason::LargeGap => 12,
        Reason::RoomAgain => 13,
        Reason::Reconfigured => 18,
        Reason::PeerYielded => 14,
        Reason::Backlog => 15,
        Reason::Refused => 16,
        Reason::Operator => 17,
    };
    all_of(
        vec![
            Reason::Starting,
            Reason::AwaitingFlows,
            Reason::PeerHello,
            Reason::PeerReturned,
            Reason::BecameBackup,
            Reason::GapDuringResync,
            Reason::NoAnswer,
            Reason::ReceivingStuck,
            Reason::GapOpen,
            Reason::ReadingKernel,
            Reason::Sending,
            Reason::Unacknowledged,
            Reason::LargeGap,
            Reason::RoomAgain,
            Reason::Reconfigured,
            Reason::PeerYielded,
            Reason::Backlog,
            Reason::Refused,
            Reason::Operator,
        ],
        number,
    )
}

fn kernel_replies<'a>(flow: FlowRef<'a>, expectation: &'a Expectation) -> Vec<KernelReply<'a>> {
    let number = |reply: &KernelReply<'_>| match reply {
        KernelReply::Done(_) => 0,
        KernelReply::Failed(..) => 1,
        KernelReply::Begun(_) => 2,
        KernelReply::Dumped(..) => 3,
        KernelReply::Found(..) => 4,
        KernelReply::Counted(..) => 5,
        KernelReply::Expectation(..) => 6,
    };
    let token = Token(u32::MAX);
    all_of(
        vec![
            KernelReply::Done(token),
            KernelReply::Failed(token, Errno(u16::MAX)),
            KernelReply::Begun(token),
            KernelReply::Dumped(token, flow),
            KernelReply::Found(token, flow),
            KernelReply::Counted(token, 1_000_000),
            KernelReply::Expectation(token, expectation),
        ],
        number,
    )
}

fn kernel_requests<'a>(whole: FlowRef<'a>, expectation: &'a Expectation) -> Vec<KernelRequest<'a>> {
    let number = |request: &KernelRequest<'_>| match request {
        KernelRequest::Create { .. } => 0,
        KernelRequest::Update { .. } => 1,
        KernelRequest::Delete { .. } => 2,
        KernelRequest::Find { .. } => 3,
        KernelRequest::Dump { .. } => 4,
        KernelRequest::Count { .. } => 5,
        KernelRequest::ListenNew(_) => 6,
        KernelRequest::Expect(ExpectRequest::Create { .. }) => 7,
        KernelRequest::Expect(ExpectRequest::Renew { .. }) => 8,
        KernelRequest::Expect(ExpectRequest::Delete { .. }) => 9,
        KernelRequest::Expect(ExpectRequest::Find { .. }) => 10,
        KernelRequest::Expect(ExpectRequest::Dump { .. }) => 11,
        KernelRequest::Relax { .. } => 12,
        KernelRequest::Shorten { .. } => 13,
    };
    let (token, flow) = (Token(1), whole.flow);
    all_of(
        vec![
            KernelRequest::Create { token, flow: whole, timeout: 7 },
            KernelRequest::Update { token, flow: whole, timeout: 8, with_status: true },
            KernelRequest::Delete { token, flow },
            KernelRequest::Find { token, flow, by: By::Original },
            KernelRequest::Find { token, flow, by: By::Reply },
            KernelRequest::Dump { token },
            KernelRequest::Count { token },
            KernelRequest::ListenNew(true),
            KernelRequest::ListenNew(false),
            KernelRequest::Expect(ExpectRequest::Create { token, expectation }),
            KernelRequest::Expect(ExpectRequest::Renew { token, expectation, timeout: 5 }),
            KernelRequest::Expect(ExpectRequest::Delete { token, expectation }),
            KernelRequest::Expect(ExpectRequest::Find { token, expectation }),
            KernelRequest::Expect(ExpectRequest::Dump { token }),
            KernelRequest::Relax { token, flow },
            KernelRequest::Shorten { token, flow, timeout: 300 },
        ],
        number,
    )
}

fn number_of_notice(notice: &Notice) -> usize {
    match notice {
        Notice::RoleEntered { .. } => 0,
        Notice::PeerHello => 1,
        Notice::PeerLost => 2,
        Notice::PeerHeard => 3,
        Notice::CaughtUp { .. } => 4,
        Notice::CatchingUp(_) => 5,
        Notice::BulkBegun { .. } => 6,
        Notice::BulkDone { .. } => 7,
        Notice::EventsLost => 8,
        Notice::EndMissed => 9,
        Notice::CountDiffers { .. } => 10,
        Notice::EndsUnheard { .. } => 11,
        Notice::Reloaded { .. } => 12,
        Notice::ReloadFailed(_) => 13,
        Notice::CommitBegun { .. } => 14,
        Notice::CommitDone { .. } => 15,
        Notice::CommitFailed { .. } => 16,
        Notice::CacheFull { .. } => 17,
        Notice::SendingStuck => 18,
        Notice::ReceivingStuck => 19,
        Notice::EndsForgotten { .. } => 20,
        Notice::HelperUnknown { .. } => 21,
        Notice::ExpectationFailed { .. } => 22,
        Notice::ExpectationsUnavailable(_) => 23,
        Notice::ExpectationsFull { .. } => 24,
        Notice::ForeignHello => 25,
        Notice::PurgeScheduled { .. } => 26,
        Notice::PurgeBegun { .. } => 27,
        Notice::BirthMissed => 28,
        Notice::EarlyEndsDropped { .. } => 29,
        Notice::NoticesDropped { .. } => 30,
    }
}

fn notices() -> Vec<Notice> {
    let took = Duration::from_nanos(u64::MAX - 1);
    let [wanted, other] = flows();
    let mut all = vec![
        Notice::RoleEntered { from: Role::Fault, to: Role::Unknown },
        Notice::PeerHello,
        Notice::PeerLost,
        Notice::PeerHeard,
        Notice::CaughtUp { flows: 1, swept: 2, took },
        Notice::BulkDone { flows: 4, took },
        Notice::EventsLost,
        Notice::ForeignHello,
        Notice::PurgeScheduled { after: took },
        Notice::PurgeBegun { flows: 16 },
        Notice::EndMissed,
        Notice::BirthMissed,
        Notice::CountDiffers { kernel: 5, difference: i64::MIN },
        Notice::EndsUnheard { flows: 6 },
        Notice::Reloaded { flows: 7, added: 8, swept: 9, took },
        Notice::ReloadFailed(Errno::ENOMEM),
        Notice::CommitBegun { flows: 10 },
        Notice::CommitDone { committed: 11, failed: 12, took },
        Notice::CommitFailed { wanted, error: Errno::EEXIST, existing: Some(other) },
        Notice::CommitFailed { wanted, error: Errno::EEXIST, existing: None },
        Notice::CacheFull { internal: true, limit: 13 },
        Notice::SendingStuck,
        Notice::ReceivingStuck,
        Notice::EndsForgotten { flows: 14 },
        Notice::EarlyEndsDropped { flows: 17 },
        Notice::NoticesDropped { notices: 18 },
        Notice::HelperUnknown { helper: name("h323") },
        Notice::ExpectationFailed { wanted: expectations()[0], error: Errno::EINVAL },
        Notice::ExpectationsUnavailable(Errno::EINVAL),
        Notice::ExpectationsFull { internal: false, limit: 15 },
    ];
    all.extend(reasons().into_iter().map(Notice::CatchingUp));
    let causes = [BulkCause::Ourselves, BulkCause::PeerStarted, BulkCause::PeerAsked, BulkCause::PeerUnheard];
    all.extend(causes.map(|cause| Notice::BulkBegun { flows: 3, cause }));
    all_of(all, number_of_notice)
}

fn commands() -> Vec<Command> {
    let number = |command: &Command| match command {
        Command::Role(Role::Unknown) => 0,
        Command::Role(Role::Primary) => 1,
        Command::Role(Role::Backup) => 2,
        Command::Role(Role::Fault) => 3,
        Command::PeerYielded => 4,
        Command::Step(Step::Commit) => 5,
        Command::Step(Step::ReloadInternal) => 6,
        Command::Step(Step::Bulk) => 7,
        Command::Step(Step::AskPeer) => 8,
        Command::Step(Step::ResetExternal) => 9,
    };
    let mut all: Vec<Command> =
        [Role::Unknown, Role::Primary, Role::Backup, Role::Fault].map(Command::Role).to_vec();
    all.push(Command::PeerYielded);
    let steps = [Step::Commit, Step::ReloadInternal, Step::Bulk, Step::AskPeer, Step::ResetExternal];
    all.extend(steps.map(Command::Step));
    all_of(all, number)
}

fn replies() -> Vec<Reply> {
    let number = |reply: &Reply| match reply {
        Reply::Done => 0,
        Reply::Refused(Refusal::Overtaken { .. }) => 1,
        Reply::Refused(Refusal::TooManyWaiting) => 2,
        Reply::Refused(Refusal::PeerSilent) => 3,
    };
    let by = Role::Primary;
    let overtaken = Reply::Refused(Refusal::Overtaken { by });
    let refused = [Refusal::TooManyWaiting, Refusal::PeerSilent].map(Reply::Refused);
    all_of([Reply::Done, overtaken].into_iter().chain(refused).collect(), number)
}

fn inputs<'a>(flow: FlowRef<'a>, expectation: &'a Expectation, settings: &'a Settings) -> Vec<Input<'a>> {
    let number = |input: &Input<'_>| match input {
        Input::Flow(..) => 0,
        Input::Overrun => 1,
        Input::Datagram(..) => 2,
        Input::Channel(..) => 3,
        Input::Kernel(_) => 4,
        Input::Command(..) => 5,
        Input::Expectation(..) => 6,
        Input::Settings(_) => 7,
    };
    let mut all =
        vec![Input::Overrun, Input::Datagram(ChannelId(3), b""), Input::Datagram(ChannelId(0), &[7; 33])];
    all.extend([true, false].map(|up| Input::Channel(ChannelId(255), up)));
    for change in [Change::New, Change::Update, Change::Destroy] {
        all.extend([Origin::Kernel, Origin::Ourselves].map(|origin| Input::Flow(origin, change, flow)));
        all.push(Input::Expectation(Origin::Kernel, change, expectation));
    }
    all.push(Input::Settings(settings));
    all.extend(kernel_replies(flow, expectation).into_iter().map(Input::Kernel));
    all.extend(commands().into_iter().map(|command| Input::Command(RequestId(u64::MAX), command)));
    all_of(all, number)
}

fn outputs<'a>(flow: FlowRef<'a>, expectation: &'a Expectation) -> Vec<Output<'a>> {
    let number = |output: &Output<'_>| match output {
        Output::Sent(..) => 0,
        Output::Request(_) => 1,
        Output::Reply(..) => 2,
        Output::Notice(_) => 3,
        Output::NoMoreRequests => 4,
        Output::NoMoreDatagrams => 5,
    };
    let mut all =
        vec![Output::Sent(ChannelId(1), Sent::of(b"")), Output::Sent(ChannelId(0), Sent::of(&[9; 1000]))];
    all.extend(kernel_requests(flow, expectation).into_iter().map(Output::Request));
    all.extend([Output::NoMoreRequests, Output::NoMoreDatagrams]);
    all.extend(replies().into_iter().map(|reply| Output::Reply(RequestId(0), reply)));
    all.extend(notices().into_iter().map(Output::Notice));
    all_of(all, number)
}

/// `all`, if each number that `number` gives, from 0 on, is there.
fn all_of<T>(all: Vec<T>, number: impl Fn(&T) -> usize) -> Vec<T> {
    let there: BTreeSet<usize> = all.iter().map(number).collect();
    assert_eq!(there, (0..there.len()).collect(), "a variant is missing in the list");
    all
}

/// A recording of all there is, and how its entries read.
fn everything() -> (Vec<u8>, Vec<String>) {
    let (wholes, expectations) = (wholes(), expectations());
    let start = || Start {
        config: config(),
        entropy: [0xa5; 32],
        datagram_limit: 1471,
        unix_seconds: 9,
        program: "syncd 0",
    };
    let mut recorder = Recorder::new(at(1 << 60), start());
    let mut read = vec![format!("{:?}", Entry::Start(at(1 << 60), start()))];
    let mut write = |entry: Entry<'_>| {
        recorder.write(&entry);
        read.push(format!("{entry:?}"));
    };
    for (whole, expectation) in wholes.iter().zip(expectations.iter().cycle()) {
        let flow = FlowRef::from(whole);
        for (number, input) in inputs(flow, expectation, &settings()).into_iter().enumerate() {
            write(Entry::Input(at((1 << 60) + 1_000 * number as u64), input));
        }
        write(Entry::Turn(at(5)));
        for output in outputs(flow, expectation) {
            write(Entry::Output(output));
        }
    }
    for due in [None, Some(at(0)), Some(at(u64::MAX))] {
        write(Entry::TurnEnd(TurnEnd { due }));
    }
    write(Entry::End(at(u64::MAX)));
    (recorder.take(Vec::new()), read)
}

/// How the entries of `bytes` read, until they end or are damaged.
fn read(bytes: &[u8]) -> (Vec<String>, Result<(), Damage>) {
    let mut read = Vec::new();
    let end = each(bytes, |entry| read.push(format!("{entry:?}")));
    (read, end)
}

/// How many entries there are.
fn count(bytes: &[u8]) -> (usize, Result<(), Damage>) {
    let mut count = 0;
    let end = each(bytes, |_| count += 1);
    (count, end)
}

fn each(mut bytes: &[u8], mut what: impl FnMut(&Entry<'_>)) -> Result<(), Damage> {
    let (mut decoder, mut scratch) = (Decoder::default(), Scratch::default());
    while let Some((entry, consumed)) = decoder.next(bytes, &mut scratch)? {
        what(&entry);
        bytes = &bytes[consumed..];
    }
    Ok(())
}

#[test]
fn whatever_is_written_is_read() {
    let (bytes, written) = everything();
    let (read, end) = read(&bytes);
    assert_eq!(end, Ok(()));
    for (read, written) in read.iter().zip(&written) {
        assert_eq!(read, written);
    }
    assert_eq!(read.len(), written.len());
}

/// Every door of the replica is behind [`Input::apply`], but the one that a turn goes through.
#[test]
fn no_door_is_left_out() {
    let rooms = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/replica");
    let apply = include_str!("doors.rs");
    let mut doors = 0;
    for entry in std::fs::read_dir(rooms).expect("the replica's room is here") {
        let path = entry.expect("it can be listed").path();
        let Ok(source) = std::fs::read_to_string(path) else { continue };
        for after in source.split("pub fn handle_").skip(1) {
            let name = after.split(['(', '<']).next().unwrap_or_default();
            let called = format!("replica.handle_{name}(");
            assert!(name == "timeout" || apply.contains(&called), "handle_{name} is not recorded");
            doors += 1;
        }
    }
    assert!(doors > 6, "{doors} doors: the test looks in the wrong place");
}

#[test]
fn a_recording_that_is_cut_anywhere_is_good_up_to_there() {
    let (bytes, written) = everything();
    let mut before = 0;
    for length in (0..bytes.len()).step_by(3) {
        let (entries, end) = count(&bytes[..length]);
        assert_eq!(end, Ok(()), "{length}");
        assert!((before..=before + 2).contains(&entries), "{length}");
        before = entries;
    }
    assert!(before < written.len());
}

#[test]
fn damage_is_found_at_the_next_end_of_a_turn_and_is_never_a_panic() {
    let (bytes, written) = everything();
    for index in (0..bytes.len()).step_by(3) {
        let mut damaged = bytes.clone();
        damaged[index] ^= 1 << (index % 8);
        let (entries, end) = count(&damaged);
        // What was turned into the promise of more bytes ends early. The last entries have nothing after them that
        // would tell.
        let told = end.is_err() || entries < written.len();
        assert!(told || index > bytes.len() - 60, "byte {index}");
    }
}

#[test]
fn what_is_no_recording_is_told_apart_from_another_version() {
    assert_eq!(read(b"conntrack").1, Err(Damage::NoRecording));
    assert_eq!(read(b"SYNC").1, Ok(()));
    assert_eq!(read(b"SYNCDREC\xff\x00").1, Err(Damage::Version(255)));
    let (mut bytes, _) = everything();
    bytes.truncate(10);
    bytes.extend_from_slice(&[1, recorder::kind::TURN]);
    assert_eq!(read(&bytes).1, Err(Damage::Order));
    bytes.truncate(10);
    bytes.extend_from_slice(&[0xff; 9]);
    assert_eq!(read(&bytes).1, Ok(()));
    bytes.extend_from_slice(&[0xff; 9]);
    assert_eq!(read(&bytes).1, Err(Damage::Number));
}

#[test]
fn digests_differ_where_bytes_do() {
    let all = [&b""[..], &[0], &[0, 0], &[0; 8], &[0; 9], &[1; 8], &[1; 16], b"abcdefghi", b"abcdefghj"];
    let digests: BTreeSet<u64> = all.iter().map(|bytes| recorder::digest(0, bytes)).collect();
    assert_eq!(digests.len(), all.len());
    assert_ne!(recorder::digest(0, b"a"), recorder::digest(1, b"a"));
}
