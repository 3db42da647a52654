//! What an operator may want by itself, besides a role: nothing goes before its replacement is here.

use super::*;

fn wants(replica: &mut Replica, now: Instant, id: u64, step: Step) {
    replica.handle_command(now, RequestId(id), Command::Step(step));
}

fn replies(replica: &mut Replica) -> Vec<(u64, Reply)> {
    core::iter::from_fn(|| replica.poll_reply()).map(|(id, reply)| (id.0, reply)).collect()
}

#[test]
fn a_reset_of_the_external_cache_removes_what_the_peer_does_not_name_when_it_has_named_the_rest() {
    let (mut replica, mut peer) = settled();
    for port in [1, 2] {
        peer.tells(&mut replica, at(3), Change::New, &flow(port));
    }
    transmitted(&mut replica, at(3));
    wants(&mut replica, at(4), 7, Step::ResetExternal);
    let sent = transmitted(&mut replica, at(4));
    let asked = sent.iter().find(|(.., frame)| *frame == Frame::Control(Control::Resync)).expect("asked").0;
    assert_eq!(replica.status(at(5)).sync, Sync::CatchingUp(Reason::Operator));
    assert_eq!((replica.external().len(), replies(&mut replica).len()), (2, 0), "nothing is thrown away yet");
    peer.tells(&mut replica, at(5), Change::New, &flow(2));
    peer.says(&mut replica, at(6), Control::Ack(wire_range(asked)), Flags::NONE);
    transmitted(&mut replica, at(6));
    replica.handle_timeout(at(6));
    assert_eq!(replica.external().len(), 1);
    assert_eq!(replies(&mut replica), [(7, Reply::Done)]);
}

#[test]
fn a_reset_of_the_external_cache_is_refused_while_nobody_could_fill_it_again() {
    let (mut replica, mut peer) = settled();
    peer.tells(&mut replica, at(3), Change::New, &flow(1));
    let mut now = at(3);
    for _ in 0..10 {
        now = replica.poll_timeout().expect("hello").max(now + Duration::from_millis(500));
        replica.handle_timeout(now);
        transmitted(&mut replica, now);
    }
    wants(&mut replica, now, 7, Step::ResetExternal);
    assert_eq!(replies(&mut replica), [(7, Reply::Refused(Refusal::PeerSilent))]);
    assert_eq!(replica.external().len(), 1);
}

#[test]
fn a_reset_that_waits_ends_when_the_peer_goes() {
    let (mut replica, _) = settled();
    wants(&mut replica, at(3), 7, Step::ResetExternal);
    wants(&mut replica, at(3), 8, Step::Bulk);
    assert_eq!(replies(&mut replica), [(8, Reply::Done)], "nobody else waits for that");
    let mut now = at(3);
    for _ in 0..10 {
        now = replica.poll_timeout().expect("hello").max(now + Duration::from_millis(500));
        replica.handle_timeout(now);
        transmitted(&mut replica, now);
    }
    assert_eq!(replies(&mut replica), [(7, Reply::Done)]);
    assert!(matches!(replica.status(now).sync, Sync::PeerLost { .. }), "and the status says so");
}

#[test]
fn the_kernels_table_is_read_and_told_again() {
    let (mut replica, _) = settled();
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
    assert_eq!(flows(&mut replica, at(3)), [(Change::New, 1)]);
    wants(&mut replica, at(4), 7, Step::ReloadInternal);
    wants(&mut replica, at(4), 8, Step::Bulk);
    assert_eq!(replies(&mut replica), []);
    play_kernel(&mut replica, at(4), |_, request| match request {
        KernelRequest::Dump { token } => Some(Played::Done(token)),
        KernelRequest::Find { token, flow, .. } => Some(Played::Found(token, *flow)),
        other => panic!("{other:?}"),
    });
    assert_eq!(replies(&mut replica), [(7, Reply::Done), (8, Reply::Done)]);
    assert_eq!(flows(&mut replica, at(5)).len(), 1, "the bulk");
}

#[test]
fn a_commit_that_is_wanted_during_the_one_of_a_role_is_that_one() {
    let (mut replica, mut peer) = settled();
    peer.tells(&mut replica, at(3), Change::New, &flow(1));
    role(&mut replica, at(4), Role::Primary);
    wants(&mut replica, at(4), 7, Step::Commit);
    play_kernel(&mut replica, at(4), |_, request| match request {
        KernelRequest::Create { token, .. } => Some(Played::Done(token)),
        // The reload of the role is not answered: nobody waits for it who wants only the commit.
        _ => None,
    });
    assert_eq!(replies(&mut replica), [(7, Reply::Done)]);
    assert_eq!((replica.stats().commit.begun, replica.stats().commit.committed), (1, 1));
    role(&mut replica, at(5), Role::Backup);
    assert_eq!(replies(&mut replica)[0], (1, Reply::Refused(Refusal::Overtaken { by: Role::Backup })));
}

#[test]
fn a_router_that_stands_by_and_commits_asks_for_what_has_left_its_cache() {
    let (mut replica, mut peer) = settled();
    role(&mut replica, at(3), Role::Backup);
    peer.tells(&mut replica, at(3), Change::New, &flow(1));
    transmitted(&mut replica, at(3));
    wants(&mut replica, at(4), 7, Step::Commit);
    play_kernel(&mut replica, at(4), |_, request| match request {
        KernelRequest::Create { token, .. } => Some(Played::Done(token)),
        _ => None,
    });
    assert_eq!((replica.external().len(), replies(&mut replica).last()), (0, Some(&(7, Reply::Done))));
    assert_eq!(replica.status(at(5)).sync, Sync::CatchingUp(Reason::Operator));
    assert!(contents(&mut replica, at(5)).contains(&Frame::Control(Control::Resync)));
    assert!(flows(&mut replica, at(6)).is_empty(), "and says no word of its own");
}

#[test]
fn a_router_that_stands_by_sends_no_bulk() {
    let (mut replica, _) = settled();
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
    transmitted(&mut replica, at(3));
    role(&mut replica, at(4), Role::Backup);
    wants(&mut replica, at(5), 7, Step::Bulk);
    assert_eq!(replies(&mut replica).last(), Some(&(7, Reply::Done)));
    assert!(flows(&mut replica, at(6)).is_empty());
}

/// Many flows have ended, and nothing of the few that live is in the slots that are looked at first: nothing is sent which
/// would bring the bulk on, so it must do so itself.
#[test]
fn a_bulk_goes_on_over_slots_that_are_empty() {
    let mut internal = InternalCache::new(60_000, 1);
    let slots: Vec<Slot> = (0..50_000)
        .map(|port| match internal.apply(Change::New, &flow(port), 0) {
            Applied::Added(slot) => slot,
            other => panic!("{other:?}"),
        })
        .collect();
    for port in 0..49_000_u16 {
        assert_eq!(
            internal.apply(Change::Destroy, &flow(port), 0),
            Applied::Vanished(slots[usize::from(port)])
        );
        internal.bury(slots[usize::from(port)]);
    }
    let expectations = crate::cache::expect::InternalExpectations::new(10);
    let (mut session, mut bulk) = (Session::new(Seq(1), at(0)), Bulk::new());
    bulk.demand(at(0), &internal);
    let mut feeds = 0;
    while bulk.due(&session).is_some_and(|due| due <= at(0)) {
        bulk.feed(at(0), &internal, true, &expectations, &mut session);
        feeds += 1;
        assert!(feeds < 100, "it comes to an end");
    }
    assert_eq!(session.queued(), 1000);
    assert_eq!(bulk.progress(&internal), Progress { done: 1000, of: Some(1000) });
}
