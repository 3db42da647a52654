//! Both routers were primary: what the one that stays primary takes over from the other.

use super::*;

/// A primary whose peer, primary too until now, has flows 1 (ours as well), 2 (translated to where ours is), 3 (over)
/// and 4.
fn healed() -> (Replica, Peer) {
    let (mut replica, mut peer) = settled();
    role(&mut replica, at(3), Role::Primary);
    play_kernel(&mut replica, at(3), |_, request| match request {
        KernelRequest::Dump { token } => Some(Played::Done(token)),
        other => panic!("{other:?}"),
    });
    replica.handle_flow(at(4), Origin::Kernel, Change::New, &flow(1));
    transmitted(&mut replica, at(4));
    let mut over = flow(3);
    over.tcp_state = TcpState::TIME_WAIT;
    for flow in [flow(1), flow(2), over, flow(4)] {
        peer.tells(&mut replica, at(5), Change::New, &flow);
    }
    (replica, peer)
}

/// The flows that are created now. Where flow 2 would be is another one.
fn created(replica: &mut Replica, now: Instant) -> Vec<u16> {
    let mut ports = Vec::new();
    play_kernel(replica, now, |_, request| match request {
        KernelRequest::Create { token, flow, .. } => {
            let port = flow.original.source_port;
            ports.push(port);
            Some(if port == 2 { Played::Failed(token, Errno::EEXIST) } else { Played::Done(token) })
        }
        KernelRequest::Relax { token, flow } => {
            assert!([1, 4].contains(&flow.original.source_port), "not both have {flow}");
            Some(Played::Done(token))
        }
        KernelRequest::Dump { token } => Some(Played::Done(token)),
        KernelRequest::Find { token, .. } => Some(Played::Failed(token, Errno::EINVAL)),
        other => panic!("{other:?}"),
    });
    ports
}

#[test]
fn the_survivor_takes_over_what_it_has_not_and_nothing_gives_way() {
    let (mut replica, mut peer) = healed();
    assert_eq!(replica.internal().len(), 1, "nothing is taken over while both claim the role");
    for id in 7..10 {
        // keepalived says it several times.
        replica.handle_command(at(6), RequestId(id), Command::PeerYielded);
    }
    // What is known is taken over at once.
    assert_eq!(created(&mut replica, at(6)), [2, 4]);
    let sent = transmitted(&mut replica, at(7));
    let frame = |wanted| sent.iter().find(|(.., frame)| *frame == wanted);
    assert!(frame(Frame::Flow(Change::New, 4)).is_some(), "the peer hears that it lives here now: {sent:?}");
    let asked = frame(Frame::Control(Control::Resync)).expect("asked").0;
    // Of a fifth flow the peer speaks only when it is asked.
    for entry in [1, 2, 4, 5] {
        peer.tells(&mut replica, at(8), Change::Update, &flow(entry));
    }
    peer.says(&mut replica, at(8), Control::Ack(wire_range(asked)), Flags::NONE);
    transmitted(&mut replica, at(8));
    assert_eq!(created(&mut replica, at(8)), [2, 5]);
    assert_eq!(flows(&mut replica, at(9)), [(Change::New, 5)]);
    assert_eq!((replica.internal().len(), replica.stats().commit.adoptions), (3, 2));
    assert_eq!(replica.stats().commit.relaxed, 3, "1, and at the second time 4 too");
    let failed = replica.external().iter_from(0).find(|(_, entry)| entry.flow.original.source_port == 2);
    assert_eq!(replica.external().failure(failed.expect("it stays").0).expect("with its reason").errno, 17);
    let replies: Vec<_> = core::iter::from_fn(|| replica.poll_reply()).filter(|(id, _)| id.0 >= 7).collect();
    assert!(replies.len() == 3 && replies.iter().all(|(_, reply)| *reply == Reply::Done), "{replies:?}");
}

/// The other one's packets went through another translation: ours is not what they belong to.
#[test]
fn a_flow_that_is_translated_otherwise_here_is_left_as_it_is() {
    let (mut replica, mut peer) = healed();
    let mut other = flow(1);
    other.reply.target_port = 4444;
    other.status = FlowStatus(other.status.0 | FlowStatus::SRC_NAT | FlowStatus::SRC_NAT_DONE);
    peer.tells(&mut replica, at(5), Change::Update, &other);
    replica.handle_command(at(6), RequestId(7), Command::PeerYielded);
    assert_eq!(created(&mut replica, at(6)), [2, 4]);
    assert_eq!(replica.stats().commit.relaxed, 0);
}

/// What the peer was asked before it yielded it may have answered as a primary. (The simulator found it.)
#[test]
fn a_peer_that_yields_while_it_is_asked_is_asked_again() {
    let (mut replica, mut peer) = healed();
    let question = |replica: &mut Replica, now| {
        let sent = transmitted(replica, now);
        sent.iter().find(|(.., frame)| *frame == Frame::Control(Control::Resync)).map(|sent| sent.0)
    };
    replica.handle_command(at(6), RequestId(7), Command::PeerYielded);
    created(&mut replica, at(6));
    let first = question(&mut replica, at(7)).expect("asked");
    replica.handle_command(at(8), RequestId(8), Command::PeerYielded);
    assert_eq!(created(&mut replica, at(8)), [], "nothing is known that was not");
    peer.says(&mut replica, at(9), Control::Ack(wire_range(first)), Flags::NONE);
    transmitted(&mut replica, at(9));
    created(&mut replica, at(9));
    let second = question(&mut replica, at(9)).expect("asked again");
    peer.tells(&mut replica, at(10), Change::Update, &flow(5));
    peer.says(&mut replica, at(10), Control::Ack(wire_range(second)), Flags::NONE);
    transmitted(&mut replica, at(10));
    created(&mut replica, at(10));
    assert!(replica.internal().has(&flow(5).key()));
    let replies: Vec<_> = core::iter::from_fn(|| replica.poll_reply()).filter(|(id, _)| id.0 >= 7).collect();
    assert_eq!(replies.len(), 2, "{replies:?}");
}

#[test]
fn only_a_primary_takes_over() {
    let (mut replica, mut peer) = settled();
    role(&mut replica, at(3), Role::Backup);
    peer.tells(&mut replica, at(4), Change::New, &flow(1));
    replica.handle_command(at(5), RequestId(7), Command::PeerYielded);
    assert!(replica.poll_kernel(at(6)).is_none());
    assert_eq!(replica.stats().commit.adoptions, 0);
}

#[test]
fn an_end_at_the_other_primary_ends_nothing_here() {
    let (mut replica, mut peer) = healed();
    peer.tells(&mut replica, at(6), Change::Destroy, &flow(1));
    assert!(replica.poll_kernel(at(6)).is_none());
    assert_eq!(replica.internal().len(), 1);
}

/// What the peer's word is worth in the end: `told` at 10 s, then a question at `asked`.
fn adopts_after(
    replica: &mut Replica,
    peer: &mut Peer,
    told: &[(Change, u16)],
    (heard, asked): (u64, u64),
) -> bool {
    for (change, port) in told {
        peer.tells(replica, at(heard), *change, &flow(*port));
    }
    peer.says(replica, at(asked), Control::Resync, Flags::NONE);
    assert_eq!(created(replica, at(asked)), [], "not before it is certain");
    replica.handle_timeout(at(asked + 1000));
    !created(replica, at(asked + 1000)).is_empty()
}

/// The peer greets, and answers our question as only one of us does: see `Session::peer_keeps`.
fn greets(replica: &mut Replica, peer: &mut Peer, millis: u64) {
    peer.says(replica, at(millis), Control::Alive, Flags::HELLO);
    let sent = transmitted(replica, at(millis));
    let number = |wanted| sent.iter().rfind(|(.., frame)| *frame == Frame::Control(wanted)).expect("asked").0;
    for asked in [number(Control::Alive), number(Control::Resync)] {
        peer.says(replica, at(millis + 1), Control::Ack(wire_range(asked)), Flags::NONE);
    }
    transmitted(replica, at(millis + 1));
}

/// A primary for long, beside one of us.
fn primary_for_long() -> (Replica, Peer) {
    let (mut replica, mut peer) = settled();
    role(&mut replica, at(3), Role::Primary);
    play_kernel(&mut replica, at(3), |_, request| match request {
        KernelRequest::Dump { token } => Some(Played::Done(token)),
        other => panic!("{other:?}"),
    });
    greets(&mut replica, &mut peer, 4);
    (replica, peer)
}

#[test]
fn births_at_the_peer_and_then_its_question_say_that_it_yields() {
    let (mut replica, mut peer) = primary_for_long();
    assert!(adopts_after(&mut replica, &mut peer, &[(Change::New, 5)], (10_000, 11_000)));
    replica.handle_timeout(at(12_000));
    // Without news of births, another question means nothing.
    assert!(!adopts_after(&mut replica, &mut peer, &[(Change::Update, 6)], (12_000, 13_000)));
}

#[test]
fn a_peer_that_stands_by_may_ask_and_answer_as_it_likes() {
    let (mut replica, mut peer) = primary_for_long();
    let told = [(Change::Update, 5), (Change::Destroy, 6)];
    assert!(!adopts_after(&mut replica, &mut peer, &told, (10_000, 11_000)));
}

#[test]
fn the_last_words_of_the_primary_before_us_are_no_births() {
    let (mut replica, mut peer) = primary_for_long();
    assert!(!adopts_after(&mut replica, &mut peer, &[(Change::New, 5)], (2_000, 2_500)));
}

#[test]
fn a_twin_that_asks_and_goes_on_to_tell_of_births_has_not_yielded() {
    let (mut replica, mut peer) = primary_for_long();
    peer.tells(&mut replica, at(10_000), Change::New, &flow(5));
    peer.says(&mut replica, at(11_000), Control::Resync, Flags::NONE);
    for port in 6..20 {
        let now = at(11_000 + u64::from(port) * 100);
        peer.tells(&mut replica, now, Change::New, &flow(port));
        replica.handle_timeout(now);
        assert_eq!(created(&mut replica, now), []);
    }
    replica.handle_timeout(at(13_900));
    assert_eq!(created(&mut replica, at(13_900)).len(), 15, "until it is quiet");
}

#[test]
fn a_peer_that_greets_when_it_becomes_primary_has_not_just_started() {
    let (mut replica, mut peer) = primary_for_long();
    greets(&mut replica, &mut peer, 9_000);
    assert!(adopts_after(&mut replica, &mut peer, &[(Change::New, 5)], (9_500, 10_000)));
}

#[test]
fn a_peer_that_has_just_started_does_not_know_what_it_is() {
    let (mut replica, mut peer) = primary_for_long();
    peer.0 = Seq(peer.0.0 ^ 0x5a5a_5a5a);
    greets(&mut replica, &mut peer, 20_000);
    assert!(!adopts_after(&mut replica, &mut peer, &[(Change::New, 5)], (22_000, 23_000)));
    assert!(adopts_after(&mut replica, &mut peer, &[(Change::New, 6)], (26_000, 27_000)), "it does by now");
}

#[test]
fn whoever_stands_by_tells_of_births_only_if_it_got_them_as_primary() {
    let (mut replica, mut peer) = settled();
    role(&mut replica, at(3), Role::Backup);
    replica.handle_flow(at(4), Origin::Kernel, Change::New, &flow(1));
    peer.says(&mut replica, at(5), Control::Resync, Flags::NONE);
    assert_eq!(flows(&mut replica, at(5)), [(Change::Update, 1)]);
    role(&mut replica, at(6), Role::Primary);
    play_kernel(&mut replica, at(6), |_, request| match request {
        KernelRequest::Dump { token } => Some(Played::Done(token)),
        KernelRequest::Find { token, flow, .. } => Some(Played::Found(token, *flow)),
        other => panic!("{other:?}"),
    });
    transmitted(&mut replica, at(6));
    replica.handle_flow(at(7), Origin::Kernel, Change::New, &flow(2));
    role(&mut replica, at(8), Role::Backup);
    peer.says(&mut replica, at(6000), Control::Resync, Flags::NONE);
    let told = flows(&mut replica, at(6000));
    assert!(told.contains(&(Change::New, 2)) && told.contains(&(Change::Update, 1)), "{told:?}");
}

#[test]
fn whoever_stepped_back_unheard_asks_once_more_when_all_is_told() {
    let (mut replica, mut peer) = settled();
    role(&mut replica, at(3), Role::Primary);
    play_kernel(&mut replica, at(3), |_, request| match request {
        KernelRequest::Dump { token } => Some(Played::Done(token)),
        other => panic!("{other:?}"),
    });
    transmitted(&mut replica, at(3));
    // The peer falls silent.
    let mut now = at(4);
    while !matches!(replica.status(now).sync, Sync::PeerLost { .. }) {
        now = now + Duration::from_millis(500);
        replica.handle_timeout(now);
        transmitted(&mut replica, now);
    }
    replica.handle_flow(now, Origin::Kernel, Change::New, &flow(1));
    role(&mut replica, now, Role::Backup);
    peer.says(&mut replica, now, Control::Alive, Flags::NONE);
    let sent = transmitted(&mut replica, now);
    let number = |wanted: Frame| sent.iter().find(|(.., frame)| *frame == wanted).expect("it was sent").0;
    let birth = number(Frame::Flow(Change::New, 1));
    let asked = number(Frame::Control(Control::Resync));
    peer.says(&mut replica, now, Control::Ack(wire_range(asked)), Flags::NONE);
    let question = |replica: &mut Replica| contents(replica, now).contains(&Frame::Control(Control::Resync));
    assert!(!question(&mut replica), "the birth is still under way");
    peer.says(&mut replica, now, Control::Ack(wire_range(birth)), Flags::NONE);
    assert!(question(&mut replica));
    assert!(!question(&mut replica), "once");
}

/// Our kernel loses a flow while it is to be relaxed, before we have read of its end. (The simulator found it.)
#[test]
fn a_flow_that_our_kernel_has_just_lost_lives_on_as_the_peers() {
    let (mut replica, _) = healed();
    replica.handle_command(at(6), RequestId(7), Command::PeerYielded);
    let mut created = Vec::new();
    play_kernel(&mut replica, at(6), |_, request| match request {
        KernelRequest::Create { token, flow, .. } => {
            created.push(flow.original.source_port);
            Some(Played::Done(token))
        }
        KernelRequest::Relax { token, .. } => Some(Played::Failed(token, Errno::ENOENT)),
        KernelRequest::Dump { token } => Some(Played::Done(token)),
        KernelRequest::Find { token, .. } => Some(Played::Failed(token, Errno::EINVAL)),
        other => panic!("{other:?}"),
    });
    created.sort_unstable();
    assert_eq!(created, [1, 2, 4]);
}
