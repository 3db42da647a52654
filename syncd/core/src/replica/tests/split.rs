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
    let failed = replica.external().iter_from(0).find(|(_, entry)| entry.flow.original.source_port == 2);
    assert_eq!(replica.external().failure(failed.expect("it stays").0).expect("with its reason").errno, 17);
    let replies: Vec<_> = core::iter::from_fn(|| replica.poll_reply()).filter(|(id, _)| id.0 >= 7).collect();
    assert!(replies.len() == 3 && replies.iter().all(|(_, reply)| *reply == Reply::Done), "{replies:?}");
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
