//! The rules of the coordinator, one by one, with a peer and a kernel played by hand.
//! What follows from their interplay under faults is the simulator's business.

extern crate std;

mod expectations;
mod rare;

use std::vec::Vec;

use super::*;
use crate::flow::{
    Address, AttrSet, Change, Family, Flow, FlowRef, Protocol, Status as FlowStatus, TcpState, Tuple,
};
use crate::time::Duration;
use crate::wire::{
    Control, DecodedFlow, Flags, decode_flow, encode_control, encode_flow, frames, payload_limit,
};

mod account;
mod alike;
mod backlog;
mod certainty;
mod leftover;
mod order;
mod preload;
mod purge;
mod room;
mod settings;
mod split;
mod steps;

const LINK: ChannelId = ChannelId(0);

const fn at(millis: u64) -> Instant {
    Instant::from_nanos(1_000_000_000 + millis * 1_000_000)
}

fn flow(port: u16) -> Flow {
    let original = Tuple {
        source: Address::from_v4([10, 1, 0, 2]),
        target: Address::from_v4([10, 2, 0, 2]),
        source_port: port,
        target_port: 80,
    };
    let mut flow = Flow::new(Family::V4, Protocol::TCP, original);
    flow.tcp_state = TcpState::ESTABLISHED;
    flow.status = FlowStatus(FlowStatus::CONFIRMED | FlowStatus::SEEN_REPLY);
    flow.timeout = 300;
    flow.present = AttrSet::REPLY.with(AttrSet::TCP_STATE).with(AttrSet::STATUS).with(AttrSet::TIMEOUT);
    flow
}

fn config() -> Config {
    Config {
        filter: Filter::default(),
        internal_limit: 1000,
        external_limit: 1000,
        channels: 1,
        wire: Options::default(),
        ends: Ends::Told,
        peer_keeps: PEER_KEEPS,
    }
}

fn replica_with(filter: Filter) -> Replica {
    let mut replica = Replica::new(Config { filter, ..config() }, [7; 32], at(0));
    replica.handle_channel(at(0), LINK, true);
    replica
}

/// One frame on the wire, as the peer sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Frame {
    Control(Control),
    Flow(Change, u16),
}

/// Everything the replica sends now: number, flags, content.
fn transmitted(replica: &mut Replica, now: Instant) -> Vec<(Seq, Flags, Frame)> {
    let mut datagram = Datagram::with_limit(payload_limit(1500));
    let mut seen = Vec::new();
    while replica.poll_transmit(now, &mut datagram).is_some() {
        for view in frames(datagram.as_bytes()) {
            let view = view.expect("our own frames are well formed");
            let frame = match view.control() {
                Some(control) => Frame::Control(control),
                None => {
                    let DecodedFlow { change, flow, .. } = decode_flow(&view).expect("our own flows decode");
                    Frame::Flow(change, flow.original.source_port)
                }
            };
            seen.push((view.seq(), view.flags(), frame));
        }
        datagram.clear();
    }
    seen
}

fn contents(replica: &mut Replica, now: Instant) -> Vec<Frame> {
    transmitted(replica, now).into_iter().map(|(.., frame)| frame).collect()
}

fn flows(replica: &mut Replica, now: Instant) -> Vec<(Change, u16)> {
    let mut told: Vec<_> = contents(replica, now)
        .into_iter()
        .filter_map(|frame| if let Frame::Flow(change, port) = frame { Some((change, port)) } else { None })
        .collect();
    told.sort_by_key(|(_, port)| *port);
    told
}

/// The peer: what it says next, and its number.
struct Peer(Seq);

impl Peer {
    fn says(&mut self, replica: &mut Replica, now: Instant, control: Control, flags: Flags) {
        let mut datagram = Datagram::with_limit(1000);
        encode_control(&mut datagram, control, flags, self.0).unwrap();
        self.0 = self.0.next();
        replica.handle_datagram(now, LINK, datagram.as_bytes());
    }

    fn tells<'a>(
        &mut self,
        replica: &mut Replica,
        now: Instant,
        change: Change,
        flow: impl Into<FlowRef<'a>>,
    ) {
        let mut datagram = Datagram::with_limit(1000);
        encode_flow(&mut datagram, change, Flags::NONE, self.0, flow, Options::default()).unwrap();
        self.0 = self.0.next();
        replica.handle_datagram(now, LINK, datagram.as_bytes());
    }
}

/// A replica whose first dump is done, whose hello is answered and whose first resync is complete.
fn settled() -> (Replica, Peer) {
    settled_with(Filter::default())
}

fn settled_with(filter: Filter) -> (Replica, Peer) {
    let mut replica = replica_with(filter);
    match replica.poll_kernel(at(0)) {
        Some(KernelRequest::Count { token }) => replica.handle_kernel(at(0), KernelReply::Counted(token, 0)),
        other => panic!("a count comes first, not {other:?}"),
    }
    let token = match replica.poll_kernel(at(0)) {
        Some(KernelRequest::Dump { token }) => token,
        other => panic!("a dump comes first, not {other:?}"),
    };
    replica.handle_kernel(at(0), KernelReply::Done(token));
    play_kernel(&mut replica, at(0), |_, request| match request {
        KernelRequest::Expect(ExpectRequest::Dump { token }) => Some(Played::Done(token)),
        _ => None,
    });
    replica.handle_timeout(at(0));
    let mut peer = Peer(Seq(5000));
    transmitted(&mut replica, at(0));
    peer.says(&mut replica, at(1), Control::Alive, Flags::HELLO_BACK);
    let sent = transmitted(&mut replica, at(1));
    let (asked, ..) =
        *sent.iter().find(|(.., frame)| *frame == Frame::Control(Control::Resync)).expect("asked");
    peer.says(&mut replica, at(2), Control::Ack(wire_range(asked)), Flags::NONE);
    transmitted(&mut replica, at(2));
    assert_eq!(replica.status(at(2)).sync, Sync::InSync);
    while replica.poll_notice().is_some() {}
    (replica, peer)
}

fn wire_range(seq: Seq) -> crate::wire::SeqRange {
    crate::wire::SeqRange::one(seq)
}

fn role(replica: &mut Replica, now: Instant, role: Role) {
    replica.handle_command(now, RequestId(1), Command::Role(role));
}

#[test]
fn news_of_the_kernel_are_told_and_coalesce() {
    let (mut replica, _) = settled();
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
    replica.handle_flow(at(3), Origin::Kernel, Change::Update, &flow(1));
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(2));
    assert_eq!(flows(&mut replica, at(3)), [(Change::New, 1), (Change::New, 2)]);
    replica.handle_flow(at(4), Origin::Kernel, Change::Destroy, &flow(1));
    assert_eq!(flows(&mut replica, at(4)), [(Change::Destroy, 1)]);
}

#[test]
fn a_flow_the_peer_never_heard_of_ends_without_a_word() {
    let (mut replica, _) = settled();
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
    replica.handle_flow(at(3), Origin::Kernel, Change::Destroy, &flow(1));
    assert_eq!(flows(&mut replica, at(3)), []);
}

#[test]
fn a_backup_tells_nothing_and_never_an_end() {
    let (mut replica, _) = settled();
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
    assert_eq!(flows(&mut replica, at(3)).len(), 1);
    replica.handle_flow(at(4), Origin::Kernel, Change::Destroy, &flow(1));
    role(&mut replica, at(4), Role::Backup);
    replica.handle_flow(at(5), Origin::Kernel, Change::New, &flow(2));
    replica.handle_flow(at(5), Origin::Kernel, Change::Destroy, &flow(2));
    assert_eq!(flows(&mut replica, at(5)), []);
    assert_eq!((replica.internal().len(), replica.internal().dead()), (0, 0));
}

#[test]
fn our_own_inserts_are_not_news() {
    let (mut replica, _) = settled();
    replica.handle_flow(at(3), Origin::Ourselves, Change::New, &flow(1));
    assert_eq!(flows(&mut replica, at(3)), []);
    assert_eq!(replica.internal().len(), 1);
}

#[test]
fn a_resync_is_answered_with_everything_and_acknowledged_last() {
    let (mut replica, mut peer) = settled();
    for port in 1..=3 {
        replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(port));
    }
    transmitted(&mut replica, at(3));
    let asked = peer.0;
    peer.says(&mut replica, at(4), Control::Resync, Flags::NONE);
    let sent = contents(&mut replica, at(4));
    let is_answer =
        |frame: &Frame| matches!(frame, Frame::Control(Control::Ack(range)) if range.contains(asked));
    let last = sent.iter().rposition(|frame| matches!(frame, Frame::Flow(..))).expect("flows were sent");
    assert_eq!(sent.iter().filter(|frame| matches!(frame, Frame::Flow(..))).count(), 3);
    assert!(sent.iter().position(is_answer).is_some_and(|index| index > last), "{sent:?}");
}

#[test]
fn bulks_are_five_seconds_apart() {
    let (mut replica, mut peer) = settled();
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
    peer.says(&mut replica, at(10), Control::Resync, Flags::NONE);
    assert_eq!(flows(&mut replica, at(10)).len(), 1);
    peer.says(&mut replica, at(1000), Control::Resync, Flags::NONE);
    assert_eq!(flows(&mut replica, at(1000)), []);
    peer.says(&mut replica, at(3000), Control::Alive, Flags::NONE);
    assert_eq!(flows(&mut replica, at(5009)), []);
    assert_eq!(flows(&mut replica, at(5010)).len(), 1);
}

#[test]
fn the_bulk_of_a_role_does_not_make_the_peer_wait() {
    let (mut replica, mut peer) = settled();
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
    transmitted(&mut replica, at(3));
    role(&mut replica, at(4), Role::Primary);
    play_kernel(&mut replica, at(4), |_, request| match request {
        KernelRequest::Dump { token } => Some(Played::Done(token)),
        KernelRequest::Find { token, flow, .. } => Some(Played::Found(token, *flow)),
        other => panic!("{other:?}"),
    });
    assert_eq!(flows(&mut replica, at(5)).len(), 1, "the role's own");
    peer.says(&mut replica, at(100), Control::Resync, Flags::NONE);
    assert_eq!(flows(&mut replica, at(100)).len(), 1, "the peer's");
    peer.says(&mut replica, at(1000), Control::Resync, Flags::NONE);
    assert_eq!(flows(&mut replica, at(1000)), [], "but not twice in five seconds");
}

#[test]
fn a_hello_causes_one_bulk_with_the_resync_the_peer_asks_for() {
    let (mut replica, mut peer) = settled();
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
    transmitted(&mut replica, at(3));
    for millis in 10..15 {
        peer.says(&mut replica, at(millis), Control::Alive, Flags::HELLO);
    }
    transmitted(&mut replica, at(15));
    peer.says(&mut replica, at(20), Control::Resync, Flags::NONE);
    assert_eq!(flows(&mut replica, at(20)).len(), 1, "at once, not after the grace");
    assert_eq!(replica.stats().ftfw.hello_episodes, 1);
    assert_eq!(replica.stats().ftfw.bulks, 1);
}

#[test]
fn what_a_bulk_did_not_name_is_swept_but_not_if_something_is_lost_for_good() {
    for gap in [false, true] {
        let (mut replica, mut peer) = settled();
        peer.tells(&mut replica, at(3), Change::New, &flow(1));
        peer.tells(&mut replica, at(3), Change::New, &flow(2));
        // The peer says hello, so the replica asks for a resync.
        peer.says(&mut replica, at(4), Control::Alive, Flags::HELLO);
        let sent = transmitted(&mut replica, at(4));
        let (asked, ..) = *sent.iter().find(|(.., frame)| *frame == Frame::Control(Control::Resync)).unwrap();
        if gap {
            peer.0 = Seq(peer.0.0 + PEER_KEEPS);
        }
        peer.tells(&mut replica, at(5), Change::Update, &flow(2));
        peer.says(&mut replica, at(6), Control::Ack(wire_range(asked)), Flags::NONE);
        let sent = transmitted(&mut replica, at(6));
        if let Some((nack, ..)) =
            sent.iter().find(|(.., frame)| matches!(frame, Frame::Control(Control::Nack(_))))
        {
            peer.says(&mut replica, at(6), Control::Ack(wire_range(*nack)), Flags::NONE);
            transmitted(&mut replica, at(6));
        }
        let status = replica.status(at(6));
        if gap {
            assert_eq!(status.external, 2);
            assert_eq!(status.sync, Sync::CatchingUp(Reason::GapDuringResync));
            assert_eq!(replica.stats().ftfw.resyncs_doubted, 1);
        } else {
            assert_eq!(status.external, 1);
            assert_eq!(status.sync, Sync::CatchingUp(Reason::Sending), "our own bulk is still to come");
        }
    }
}

#[test]
fn silence_is_said() {
    let (mut replica, _) = settled();
    let mut now = at(2);
    for _ in 0..10 {
        now = replica.poll_timeout().unwrap().max(now + Duration::from_millis(500));
        replica.handle_timeout(now);
        transmitted(&mut replica, now);
    }
    assert_eq!(replica.status(now).sync, Sync::PeerLost { heard: Some(at(2)) });
    assert!(core::iter::from_fn(|| replica.poll_notice()).any(|notice| notice == Notice::PeerLost));
}

/// Plays the kernel for as long as the replica has requests, with `answer`; says what was asked. Counts are answered
/// with what the replica knows of.
fn play_kernel(
    replica: &mut Replica,
    now: Instant,
    mut answer: impl FnMut(&mut Vec<std::string::String>, KernelRequest<'_>) -> Option<Played>,
) -> Vec<std::string::String> {
    let mut asked = Vec::new();
    for _ in 0..1000 {
        let Some(request) = replica.poll_kernel(now) else {
            // A slice may end without a request although there is more to do.
            if replica.poll_timeout() != Some(Instant::PAST) {
                break;
            }
            replica.handle_timeout(now);
            continue;
        };
        if let KernelRequest::Count { token } = request {
            let flows = replica.internal().len();
            replica.handle_kernel(now, KernelReply::Counted(token, flows));
            continue;
        }
        match answer(&mut asked, request) {
            Some(Played::Done(token)) => replica.handle_kernel(now, KernelReply::Done(token)),
            Some(Played::Failed(token, errno)) => {
                replica.handle_kernel(now, KernelReply::Failed(token, errno));
            }
            Some(Played::Found(token, flow)) => {
                replica.handle_kernel(now, KernelReply::Found(token, (&flow).into()));
            }
            None => {}
        }
    }
    asked
}

enum Played {
    Done(Token),
    Failed(Token, Errno),
    Found(Token, Flow),
}

#[test]
fn a_primary_commits_dumps_and_tells_everything() {
    let (mut replica, mut peer) = settled();
    role(&mut replica, at(3), Role::Backup);
    let mut related = flow(1);
    related.status = FlowStatus(related.status.0 | FlowStatus::EXPECTED);
    peer.tells(&mut replica, at(4), Change::New, &related);
    peer.tells(&mut replica, at(4), Change::New, &flow(2));
    transmitted(&mut replica, at(4));
    role(&mut replica, at(5), Role::Primary);
    let asked = play_kernel(&mut replica, at(5), |asked, request| match request {
        KernelRequest::ListenNew(on) => {
            asked.push(std::format!("listen {on}"));
            None
        }
        KernelRequest::Create { token, flow, timeout } => {
            asked.push(std::format!("create {} for {timeout}", flow.original.source_port));
            Some(Played::Done(token))
        }
        KernelRequest::Dump { token } => {
            asked.push("dump".into());
            Some(Played::Done(token))
        }
        KernelRequest::Find { token, flow, .. } => Some(Played::Found(token, *flow)),
        other => panic!("{other:?}"),
    });
    assert_eq!(asked, ["listen false", "create 2 for 300", "create 1 for 300", "listen true", "dump"]);
    assert_eq!((replica.external().len(), replica.internal().len()), (0, 2));
    assert_eq!(replica.poll_reply(), Some((RequestId(1), Reply::Done)));
    let commit = replica.status(at(5)).commit.unwrap();
    assert_eq!((commit.committed, commit.failed), (2, 0));
    assert_eq!(flows(&mut replica, at(6)).len(), 2, "the bulk");
}

/// Commits one flow whose first creation finds its place taken by `existing` (looked up by the original, by the
/// reply); says what was asked and what stayed in the external cache.
fn conflict(
    by_original: Option<Flow>,
    by_reply: Option<Flow>,
    second: Option<Errno>,
) -> (Vec<std::string::String>, Replica) {
    let (mut replica, mut peer) = settled();
    role(&mut replica, at(3), Role::Backup);
    peer.tells(&mut replica, at(4), Change::New, &flow(1));
    role(&mut replica, at(5), Role::Primary);
    let mut creations = 0;
    let asked = play_kernel(&mut replica, at(5), |asked, request| match request {
        KernelRequest::Create { token, .. } => {
            creations += 1;
            asked.push("create".into());
            match (creations, second) {
                (1, _) => Some(Played::Failed(token, Errno::EEXIST)),
                (_, Some(errno)) => Some(Played::Failed(token, errno)),
                (_, None) => Some(Played::Done(token)),
            }
        }
        KernelRequest::Find { token, by, .. } => {
            let found = if by == By::Original { by_original } else { by_reply };
            asked.push(std::format!("find by {by:?}"));
            Some(found.map_or(Played::Failed(token, Errno::ENOENT), |flow| Played::Found(token, flow)))
        }
        KernelRequest::Relax { .. } | KernelRequest::Shorten { .. } => {
            panic!("nothing is adopted, or was lent")
        }
        KernelRequest::Delete { token, flow } => {
            asked.push(std::format!("delete {}", flow.original.source_port));
            Some(Played::Done(token))
        }
        KernelRequest::Update { token, with_status, .. } => {
            asked.push(std::format!("update {with_status}"));
            Some(if with_status { Played::Failed(token, Errno::EBUSY) } else { Played::Done(token) })
        }
        KernelRequest::Dump { token } => Some(Played::Done(token)),
        KernelRequest::ListenNew(_) | KernelRequest::Count { .. } | KernelRequest::Expect(_) => None,
    });
    (asked, replica)
}

#[test]
fn a_flow_that_is_there_already_is_brought_up_to_date() {
    let (asked, replica) = conflict(Some(flow(1)), None, None);
    assert_eq!(asked[..4], ["create", "find by Original", "update true", "update false"]);
    assert_eq!(replica.stats().commit.committed, 1);
}

#[test]
fn what_stands_in_the_way_is_removed() {
    let mut other_nat = flow(1);
    other_nat.reply.target_port = 4444;
    let (asked, replica) = conflict(Some(other_nat), Some(flow(9)), None);
    assert_eq!(asked[..6], ["create", "find by Original", "find by Reply", "delete 1", "delete 9", "create"]);
    assert_eq!((replica.stats().commit.committed, replica.external().len()), (1, 0));
    assert_eq!((replica.stats().commit.conflicts, replica.stats().commit.replaced), (1, 2));
}

#[test]
fn a_second_refusal_is_a_failure_that_shows_who_stands_there_now() {
    let (asked, mut replica) = conflict(None, Some(flow(9)), Some(Errno::EEXIST));
    let after_removal = ["delete 9", "create", "find by Original", "find by Reply"];
    assert_eq!(asked[3..], after_removal, "flow 9 is gone; who stands there now is asked anew");
    assert_eq!(replica.external().len(), 1);
    let (slot, _) = replica.external().iter_from(0).next().unwrap();
    let failure = replica.external().failure(slot).unwrap();
    assert_eq!((failure.errno, failure.existing), (17, Some(flow(9))));
    assert!(core::iter::from_fn(|| replica.poll_notice()).any(|notice| matches!(
        notice,
        Notice::CommitFailed { error: Errno::EEXIST, existing: Some(_), .. }
    )));
}

#[test]
fn a_role_that_is_overtaken_is_answered() {
    let (mut replica, mut peer) = settled();
    role(&mut replica, at(3), Role::Backup);
    peer.tells(&mut replica, at(4), Change::New, &flow(1));
    while replica.poll_reply().is_some() {}
    replica.handle_command(at(5), RequestId(2), Command::Role(Role::Primary));
    assert!(matches!(replica.poll_kernel(at(5)), Some(KernelRequest::ListenNew(false))));
    replica.handle_command(at(6), RequestId(3), Command::Role(Role::Fault));
    assert_eq!(
        replica.poll_reply(),
        Some((RequestId(2), Reply::Refused(Refusal::Overtaken { by: Role::Fault })))
    );
    assert!(matches!(replica.poll_kernel(at(6)), Some(KernelRequest::ListenNew(true))), "not deaf for ever");
    assert!(
        matches!(replica.poll_kernel(at(6)), Some(KernelRequest::Dump { .. })),
        "what was not heard is read"
    );
}

#[test]
fn an_end_is_believed_only_after_a_look_up() {
    let (mut replica, _) = settled();
    for port in [1, 2] {
        replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(port));
    }
    transmitted(&mut replica, at(3));
    replica.handle_overrun(at(2000));
    play_kernel(&mut replica, at(2000), |_, request| match request {
        KernelRequest::Dump { token } => Some(Played::Done(token)),
        KernelRequest::Find { token, flow, .. } if flow.original.source_port == 1 => {
            Some(Played::Found(token, *flow))
        }
        KernelRequest::Find { token, .. } => Some(Played::Failed(token, Errno::ENOENT)),
        other => panic!("{other:?}"),
    });
    assert_eq!(flows(&mut replica, at(2000)), [(Change::Destroy, 2)]);
    assert_eq!(replica.internal().len(), 1);
}

#[test]
fn malformed_frames_are_counted_and_never_asked_for_again() {
    let (mut replica, mut peer) = settled();
    let number = peer.0.0.to_be_bytes();
    // A flow frame (type 0) with a STATUS attribute of impossible length.
    let mut bytes = std::vec![0x10, 0, 0, 16, number[0], number[1], number[2], number[3]];
    bytes.extend([0, 7, 0, 5, 1, 2, 3, 0]);
    replica.handle_datagram(at(3), LINK, &bytes);
    peer.0 = peer.0.next();
    peer.says(&mut replica, at(4), Control::Alive, Flags::NONE);
    assert_eq!(replica.stats().link.bad_payload, 1);
    assert_eq!(replica.stats().ftfw.nacks_sent, 0);
    for garbage in [&[0_u8; 3][..], &[0xff; 64], &[0x10, 0, 0, 200, 0, 0, 0, 0]] {
        replica.handle_datagram(at(5), LINK, garbage);
    }
    assert!(replica.stats().link.malformed >= 3);
}
