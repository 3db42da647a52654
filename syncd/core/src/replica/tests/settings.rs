//! What is changed while the replica runs: nothing is lost that is not meant.

use alloc::vec;

use super::*;
use crate::filter::{Filter, Network};

/// As [`config`], with this filter.
pub(super) fn settings(filter: Filter) -> Settings {
    let Config { internal_limit, external_limit, channels, .. } = config();
    Settings {
        filter,
        internal_limit,
        external_limit,
        channels,
        datagram_limit: 1471,
        commit_timeout: None,
        silence: crate::ftfw::SILENCE,
        purge: None,
        preload: false,
        lent_shows: true,
    }
}

/// As [`config`], and the peer's flows in the kernel of a router that stands by, or not.
pub(super) fn preloading(preload: bool) -> Settings {
    Settings { preload, ..settings(Filter::default()) }
}

/// As [`config`], and a kernel that is emptied.
pub(super) fn purging(after: Option<Duration>) -> Settings {
    Settings { purge: after, ..settings(Filter::default()) }
}

fn only(protocol: Protocol) -> Filter {
    Filter::new(vec![protocol], vec![])
}

/// A primary with these flows, which the peer has acknowledged.
fn primary_with(ports: &[u16]) -> (Replica, Peer) {
    let (mut replica, mut peer) = settled();
    role(&mut replica, at(3), Role::Primary);
    dump(&mut replica, at(3), &[]);
    for port in ports {
        replica.handle_flow(at(4), Origin::Kernel, Change::New, &flow(*port));
    }
    let sent = transmitted(&mut replica, at(4));
    let (first, last) = (sent.first().expect("sent").0, sent.last().expect("sent").0);
    peer.says(
        &mut replica,
        at(5),
        Control::Ack(crate::wire::SeqRange { from: first, to: last }),
        Flags::NONE,
    );
    (replica, peer)
}

/// Answers everything the replica asks its kernel; a dump brings `flows`, and no other flow is there.
fn dump(replica: &mut Replica, now: Instant, there: &[Flow]) -> u32 {
    let mut dumps = 0;
    replica.handle_timeout(now);
    while let Some(request) = replica.poll_kernel(now) {
        match request {
            KernelRequest::Dump { token } => {
                dumps += 1;
                replica.handle_kernel(now, KernelReply::Begun(token));
                for flow in there {
                    replica.handle_kernel(now, KernelReply::Dumped(token, flow.into()));
                }
                replica.handle_kernel(now, KernelReply::Done(token));
            }
            KernelRequest::Find { token, flow, .. } => {
                let found = there.iter().find(|there| there.key() == flow.key()).copied();
                match found {
                    Some(found) => replica.handle_kernel(now, KernelReply::Found(token, (&found).into())),
                    None => replica.handle_kernel(now, KernelReply::Failed(token, Errno::ENOENT)),
                }
            }
            KernelRequest::Count { token } => {
                let there = u32::try_from(there.len()).expect("few");
                replica.handle_kernel(now, KernelReply::Counted(token, there));
            }
            KernelRequest::Expect(ExpectRequest::Dump { token }) => {
                replica.handle_kernel(now, KernelReply::Done(token));
            }
            KernelRequest::ListenNew(_) => {}
            other => panic!("{other:?}"),
        }
        replica.handle_timeout(now);
    }
    dumps
}

#[test]
fn flows_that_are_kept_out_leave_and_the_peer_hears_so() {
    let (mut replica, _) = primary_with(&[1, 2, 3]);
    let ignored = Network::new(Family::V4, Address::from_v4([10, 1, 0, 2]), 32).expect("a host");
    replica.handle_settings(at(10), &settings(Filter::new(vec![], vec![ignored])));
    assert_eq!(replica.poll_timeout(), Some(Instant::PAST), "it goes on by itself");
    replica.handle_timeout(at(10));
    assert_eq!(replica.internal().len(), 0);
    assert_eq!(
        flows(&mut replica, at(10)),
        [(Change::Destroy, 1), (Change::Destroy, 2), (Change::Destroy, 3)]
    );
    // Their own ends are nobody's news any more.
    replica.handle_flow(at(11), Origin::Kernel, Change::Destroy, &flow(1));
    assert_eq!(flows(&mut replica, at(11)), []);
    assert_eq!(replica.inconsistency(), None);
}

#[test]
fn flows_that_are_let_in_come_by_a_dump() {
    let (mut replica, _) = primary_with(&[1]);
    replica.handle_settings(at(10), &settings(only(Protocol::UDP)));
    assert_eq!(dump(&mut replica, at(10), &[flow(1), flow(2)]), 1);
    assert_eq!(flows(&mut replica, at(10)), [(Change::Destroy, 1)]);
    replica.handle_settings(at(2000), &settings(Filter::default()));
    assert_eq!(dump(&mut replica, at(2000), &[flow(1), flow(2)]), 1);
    assert_eq!(flows(&mut replica, at(2000)), [(Change::New, 1), (Change::New, 2)]);
    assert_eq!((replica.internal().len(), replica.inconsistency()), (2, None));
}

#[test]
fn the_same_filter_asks_nothing_and_tells_nothing() {
    let (mut replica, _) = primary_with(&[1, 2]);
    replica.handle_settings(at(10), &settings(Filter::default()));
    assert_eq!(dump(&mut replica, at(10), &[flow(1), flow(2)]), 0);
    assert_eq!(flows(&mut replica, at(10)), []);
    assert_eq!(replica.internal().len(), 2);
}

#[test]
fn a_look_up_that_was_asked_before_does_not_bring_back_what_is_kept_out() {
    let (mut replica, _) = primary_with(&[1]);
    replica.handle_overrun(at(10));
    replica.handle_timeout(at(1100));
    let mut asked = None;
    while let Some(request) = replica.poll_kernel(at(1100)) {
        match request {
            KernelRequest::Dump { token } => {
                replica.handle_kernel(at(1100), KernelReply::Begun(token));
                replica.handle_kernel(at(1100), KernelReply::Done(token));
            }
            KernelRequest::Find { token, .. } => asked = Some(token),
            KernelRequest::Count { token } => replica.handle_kernel(at(1100), KernelReply::Counted(token, 1)),
            other => panic!("{other:?}"),
        }
    }
    replica.handle_settings(at(1101), &settings(only(Protocol::UDP)));
    replica.handle_kernel(at(1101), KernelReply::Found(asked.expect("it was not listed"), (&flow(1)).into()));
    replica.handle_timeout(at(1102));
    assert_eq!((replica.internal().len(), replica.inconsistency()), (0, None));
    assert_eq!(flows(&mut replica, at(1102)), [(Change::Destroy, 1)]);
}

#[test]
fn a_limit_that_is_raised_lets_in_what_found_no_room() {
    let (mut replica, _) = primary_with(&[1, 2]);
    replica.handle_settings(at(10), &Settings { internal_limit: 2, ..settings(Filter::default()) });
    replica.handle_flow(at(11), Origin::Kernel, Change::New, &flow(3));
    assert_eq!(replica.internal().len(), 2, "what is there stays, what comes finds no room");
    assert!(matches!(replica.status(at(11)).sync, Sync::Diverged(Divergence::InternalFull { limit: 2 })));
    replica.handle_settings(at(12), &settings(Filter::default()));
    assert_eq!(dump(&mut replica, at(2000), &[flow(1), flow(2), flow(3)]), 1);
    assert_eq!(flows(&mut replica, at(2000)), [(Change::New, 3)]);
}

/// How many flows there are says nothing to a cache that cannot hold them all. (The simulator found it.)
#[test]
fn a_full_cache_finds_by_dumps_what_has_ended_unheard() {
    let (mut replica, _) = primary_with(&[1, 2]);
    replica.handle_settings(at(10), &Settings { internal_limit: 2, ..settings(Filter::default()) });
    replica.handle_flow(at(11), Origin::Kernel, Change::New, &flow(3));
    let there = [flow(1), flow(3)];
    assert_eq!((dump(&mut replica, at(10_000), &there), replica.internal().len()), (0, 2), "not at once");
    assert_eq!((dump(&mut replica, at(10_003), &there), replica.internal().len()), (1, 1));
    assert_eq!((dump(&mut replica, at(12_000), &there), replica.internal().len()), (1, 2), "there is room");
}

#[test]
fn a_peer_counts_as_lost_after_the_silence_that_was_set() {
    let (mut replica, mut peer) = settled();
    let patient = Settings { silence: Duration::from_secs(20), ..settings(Filter::default()) };
    replica.handle_settings(at(10), &patient);
    peer.says(&mut replica, at(1000), Control::Alive, Flags::NONE);
    role(&mut replica, at(1000), Role::Primary);
    replica.handle_flow(at(1000), Origin::Kernel, Change::New, &flow(1));
    assert_eq!(flows(&mut replica, at(1000)), [(Change::New, 1)]);
    dump(&mut replica, at(15_000), &[flow(1)]);
    assert!(!matches!(replica.status(at(15_000)).sync, Sync::PeerLost { .. }));
    assert_eq!(replica.stats().ftfw.sending_stuck, 0, "who is not heard is not stuck");
    // The end of a sweep is seen in the next round.
    dump(&mut replica, at(15_000), &[flow(1)]);
    let due = replica.poll_timeout();
    assert!(due > Some(at(15_000)), "nothing is to be done again and again: {due:?}");
    replica.handle_timeout(at(21_001));
    assert!(matches!(replica.status(at(21_001)).sync, Sync::PeerLost { .. }));
}

#[test]
fn committed_flows_live_as_long_as_was_set() {
    let (mut replica, mut peer) = settled();
    peer.tells(&mut replica, at(3), Change::New, &flow(1));
    let short = Settings { commit_timeout: Some(17), ..settings(Filter::default()) };
    replica.handle_settings(at(4), &short);
    role(&mut replica, at(5), Role::Primary);
    let mut lived = Vec::new();
    play_kernel(&mut replica, at(5), |_, request| match request {
        KernelRequest::Create { token, timeout, .. } => {
            lived.push(timeout);
            Some(Played::Done(token))
        }
        KernelRequest::Dump { token } => Some(Played::Done(token)),
        _ => None,
    });
    assert_eq!(lived, [17]);
}

#[test]
fn links_that_come_are_down_and_links_that_go_are_not_used() {
    let (mut replica, _) = primary_with(&[1]);
    replica.handle_settings(at(10), &Settings { channels: 2, ..settings(Filter::default()) });
    replica.handle_channel(at(10), LINK, false);
    replica.handle_flow(at(10), Origin::Kernel, Change::New, &flow(2));
    assert_eq!(flows(&mut replica, at(10)), [], "no link is up");
    replica.handle_channel(at(11), ChannelId(1), true);
    assert_eq!(flows(&mut replica, at(11)), [(Change::New, 2)]);
    replica.handle_settings(at(12), &settings(Filter::default()));
    replica.handle_channel(at(12), LINK, true);
    replica.handle_flow(at(12), Origin::Kernel, Change::New, &flow(3));
    assert_eq!(flows(&mut replica, at(12)), [(Change::New, 3)]);
}

/// A backup tells no news: what it lets in, the peer hears only by asking. (The simulator found it.)
#[test]
fn a_backup_whose_filter_was_changed_makes_the_peer_ask() {
    let (mut replica, _) = settled();
    role(&mut replica, at(3), Role::Backup);
    dump(&mut replica, at(3), &[flow(1)]);
    transmitted(&mut replica, at(3));
    replica.handle_settings(at(10), &settings(only(Protocol::TCP)));
    replica.handle_timeout(at(10));
    let greets = |sent: &[(Seq, Flags, Frame)]| sent.iter().any(|(_, flags, _)| flags.has(Flags::HELLO));
    assert!(!greets(&transmitted(&mut replica, at(10))), "not before the table is read");
    assert_eq!(dump(&mut replica, at(10), &[flow(1)]), 1);
    dump(&mut replica, at(11), &[flow(1)]);
    assert!(greets(&transmitted(&mut replica, at(11))));
}

/// Kept out and let in again, a flow whose end makes no event is still looked at by dumps. (The simulator found it.)
#[test]
fn flows_that_end_unheard_are_still_known_as_such() {
    let config = Config { ends: Ends::UntoldBefore, ..config() };
    let mut replica = Replica::new(config, [7; 32], at(0));
    dump(&mut replica, at(0), &[flow(1)]);
    assert_eq!(replica.internal().unheard(), 1);
    for (begun, filter) in [(2000, only(Protocol::UDP)), (4000, Filter::default())] {
        replica.handle_settings(at(begun), &settings(filter));
        dump(&mut replica, at(begun), &[flow(1)]);
    }
    assert_eq!((replica.internal().len(), replica.internal().unheard()), (1, 1));
}
