//! When a router that was primary is emptied, and of what.

use super::leftover::{removed, with};
use super::*;

const AFTER: Duration = Duration::from_secs(2);

/// A router that is primary, has flows 1, 2 and 3 since, and shall be emptied after [`AFTER`].
fn primary() -> (Replica, Peer) {
    let (mut replica, peer) = settled();
    replica.handle_settings(at(3), &settings::purging(Some(AFTER)));
    role(&mut replica, at(3), Role::Primary);
    play_kernel(&mut replica, at(3), |_, request| match request {
        KernelRequest::Dump { token } => Some(Played::Done(token)),
        other => panic!("{other:?}"),
    });
    for (port, id) in [(1, 11), (2, 12), (3, 13)] {
        replica.handle_flow(at(4), Origin::Kernel, Change::New, &with(port, id, TcpState::ESTABLISHED));
    }
    (replica, peer)
}

/// The peer has heard all there is, and has told what it has: flow 1, and flow 2 until it timed out there. Of flow 3 it has
/// said nothing.
fn agree(replica: &mut Replica, peer: &mut Peer, now: Instant) {
    hear(replica, peer, now);
    assert_eq!(replica.status(now).sync, Sync::InSync);
}

fn hear(replica: &mut Replica, peer: &mut Peer, now: Instant) {
    // It answers the question for all it has, too.
    let mut sent = transmitted(replica, now);
    for port in [1, 2] {
        peer.tells(replica, now, Change::Update, &with(port, 77, TcpState::ESTABLISHED));
    }
    peer.tells(replica, now, Change::Destroy, &with(2, 77, TcpState::ESTABLISHED));
    while !sent.is_empty() {
        for (seq, ..) in sent {
            peer.says(replica, now, Control::Ack(wire_range(seq)), Flags::NONE);
        }
        sent = transmitted(replica, now);
        sent.retain(|(.., frame)| !matches!(frame, Frame::Control(Control::Ack(_))));
    }
}

fn told(replica: &mut Replica) -> Vec<Notice> {
    let purge = |notice: &Notice| matches!(notice, Notice::PurgeScheduled { .. } | Notice::PurgeBegun { .. });
    core::iter::from_fn(|| replica.poll_notice()).filter(purge).collect()
}

/// What is removed at that time; the kernel answers whatever else is asked.
fn removed_at(replica: &mut Replica, peer: &mut Peer, now: Instant) -> Vec<(u16, u32)> {
    // It is there, and says so.
    peer.says(replica, now, Control::Alive, Flags::NONE);
    replica.handle_timeout(now);
    removed(replica, now)
}

#[test]
fn what_was_had_as_primary_goes_when_the_while_is_over() {
    let (mut replica, mut peer) = primary();
    role(&mut replica, at(10), Role::Backup);
    assert_eq!(told(&mut replica), [Notice::PurgeScheduled { after: AFTER }]);
    agree(&mut replica, &mut peer, at(11));
    // A flow of this router's own, begun since.
    replica.handle_flow(at(12), Origin::Kernel, Change::New, &with(4, 14, TcpState::ESTABLISHED));
    peer.tells(&mut replica, at(12), Change::Update, &with(4, 77, TcpState::ESTABLISHED));
    assert_eq!(removed_at(&mut replica, &mut peer, at(2009)), []);
    assert_eq!(removed_at(&mut replica, &mut peer, at(2010)), [(1, 11), (2, 12)]);
    assert_eq!(told(&mut replica), [Notice::PurgeBegun { flows: 2 }]);
    for (port, id) in [(1, 11), (2, 12)] {
        replica.handle_flow(at(2011), Origin::Ourselves, Change::Destroy, &with(port, id, TcpState::CLOSE));
    }
    let ends = flows(&mut replica, at(2011));
    assert_eq!((ends.len(), replica.internal().len()), (0, 2), "the peer hears of no end");
    // Once.
    assert_eq!(removed_at(&mut replica, &mut peer, at(3000)), []);
}

#[test]
fn nothing_goes_while_the_peer_may_not_have_it() {
    let (mut replica, mut peer) = primary();
    role(&mut replica, at(10), Role::Backup);
    // The births are not acknowledged.
    assert_eq!(removed_at(&mut replica, &mut peer, at(2010)), []);
    assert_ne!(replica.status(at(2010)).sync, Sync::InSync);
    assert!(replica.poll_timeout().is_some_and(|due| due > at(2010)), "and nobody is kept awake");
    agree(&mut replica, &mut peer, at(2020));
    assert_eq!(removed_at(&mut replica, &mut peer, at(2020)), [(1, 11), (2, 12)]);
}

#[test]
fn whoever_is_primary_again_or_commits_keeps_what_it_has() {
    for commits in [false, true] {
        let (mut replica, mut peer) = primary();
        role(&mut replica, at(10), Role::Fault);
        agree(&mut replica, &mut peer, at(11));
        if commits {
            replica.handle_command(at(20), RequestId(9), Command::Step(Step::Commit));
        } else {
            role(&mut replica, at(20), Role::Primary);
        }
        play_kernel(&mut replica, at(20), |_, request| match request {
            KernelRequest::Dump { token } | KernelRequest::Create { token, .. } => Some(Played::Done(token)),
            KernelRequest::Find { token, flow, .. } => Some(Played::Found(token, *flow)),
            KernelRequest::ListenNew(_) => None,
            other => panic!("{other:?}"),
        });
        hear(&mut replica, &mut peer, at(30));
        assert_eq!(removed_at(&mut replica, &mut peer, at(2010)), []);
    }
}

#[test]
fn only_who_configures_it_gets_it_and_only_who_was_primary() {
    for (before, after) in [(Role::Primary, None), (Role::Unknown, Some(AFTER))] {
        let (mut replica, mut peer) = primary();
        if before == Role::Unknown {
            (replica, peer) = settled();
            replica.handle_flow(at(4), Origin::Kernel, Change::New, &with(1, 11, TcpState::ESTABLISHED));
        }
        replica.handle_settings(at(9), &settings::purging(after));
        role(&mut replica, at(10), Role::Backup);
        agree(&mut replica, &mut peer, at(11));
        assert_eq!(removed_at(&mut replica, &mut peer, at(2010)), [], "{before:?}");
        assert_eq!(told(&mut replica), []);
    }
}

/// The peer's word empties it: see [`super::super::preload`].
#[test]
fn a_kernel_that_is_kept_as_the_peers_is_never_emptied() {
    let (mut replica, mut peer) = primary();
    replica.handle_settings(at(9), &Settings { preload: true, ..settings::purging(Some(AFTER)) });
    role(&mut replica, at(10), Role::Backup);
    // Known to both, and so to be removed where the key is off.
    for port in [1, 2] {
        peer.tells(&mut replica, at(11), Change::Update, &with(port, 77, TcpState::ESTABLISHED));
    }
    replica.handle_timeout(at(2010));
    assert_eq!(told(&mut replica), []);
}
