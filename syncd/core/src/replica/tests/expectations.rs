//! Expectations in the replica: who hears of them when, and how they get into the kernel.

use std::string::String;
use std::vec::Vec;

use super::*;
use crate::cache::expect::ExpectEntry;
use crate::filter::Helpers;
use crate::flow::{Expectation, ExtraSet, Extras, HelperName, Parent, SequenceShift, Whole};
use crate::wire::{decode_expectation, encode_expectation};

/// The expectation of `port` that the flow of port `parent` has announced.
fn expectation(parent: u16, port: u16) -> Expectation {
    let original = flow(parent).original;
    let parent = Parent { original, family: Family::V4, protocol: Protocol::TCP };
    let everything = Address::from_v4([255; 4]);
    let tuple = Tuple { source_port: 0, target_port: port, ..original };
    let mask = Tuple { source: everything, target: everything, source_port: 0, target_port: u16::MAX };
    let mut expectation = Expectation::new(parent, Protocol::TCP, tuple, mask);
    expectation.helper = HelperName::new(b"ftp").expect("a name");
    expectation.timeout = Some(300);
    expectation
}

/// A settled replica that replicates expectations of every helper.
fn expecting() -> (Replica, Peer) {
    settled_with(Filter::default().with_helpers(Helpers::All))
}

fn born(replica: &mut Replica, now: Instant, expectation: &Expectation) {
    replica.handle_expectation(now, Origin::Kernel, Change::New, expectation);
}

fn ended(replica: &mut Replica, now: Instant, expectation: &Expectation) {
    replica.handle_expectation(now, Origin::Kernel, Change::Destroy, expectation);
}

/// What the replica tells now, in the order in which it does: `new 1` for a flow, `new ->5` for an expectation.
fn told(replica: &mut Replica, now: Instant) -> Vec<String> {
    let mut datagram = Datagram::with_limit(payload_limit(1500));
    let mut told = Vec::new();
    while replica.poll_transmit(now, &mut datagram).is_some() {
        for view in frames(datagram.as_bytes()) {
            let view = view.expect("our own frames are well formed");
            if let Ok(decoded) = decode_flow(&view) {
                told.push(std::format!("{:?} {}", decoded.change, decoded.flow.original.source_port));
            }
            if let Ok(decoded) = decode_expectation(&view) {
                told.push(std::format!("{:?} ->{}", decoded.change, decoded.expectation.tuple.target_port));
            }
        }
        datagram.clear();
    }
    told
}

impl Peer {
    fn expects(&mut self, replica: &mut Replica, now: Instant, change: Change, expectation: &Expectation) {
        let mut datagram = Datagram::with_limit(1000);
        encode_expectation(&mut datagram, change, Flags::NONE, self.0, expectation).unwrap();
        self.0 = self.0.next();
        replica.handle_datagram(now, LINK, datagram.as_bytes());
    }

    fn acknowledges(&mut self, replica: &mut Replica, now: Instant) {
        let newest = replica.session.next_seq().previous();
        let range = crate::wire::SeqRange::new(Seq(newest.0.wrapping_sub(1000)), newest).expect("a range");
        self.says(replica, now, Control::Ack(range), Flags::NONE);
    }
}

#[test]
fn a_life_is_told_with_its_end() {
    let (mut replica, mut peer) = expecting();
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
    born(&mut replica, at(3), &expectation(1, 5));
    assert_eq!(told(&mut replica, at(3)), ["New 1", "New ->5"]);
    ended(&mut replica, at(4), &expectation(1, 5));
    assert_eq!(told(&mut replica, at(4)), ["Destroy ->5"]);
    assert_eq!(replica.internal_expectations().dead(), 1);
    peer.acknowledges(&mut replica, at(5));
    assert_eq!(replica.internal_expectations().dead(), 0);
    born(&mut replica, at(6), &expectation(1, 6));
    ended(&mut replica, at(6), &expectation(1, 6));
    assert_eq!(told(&mut replica, at(6)), Vec::<String>::new(), "over before anybody was told");
}

#[test]
fn one_that_comes_before_its_parent_is_told_after_it() {
    let (mut replica, _) = expecting();
    born(&mut replica, at(3), &expectation(1, 5));
    assert_eq!(told(&mut replica, at(3)), Vec::<String>::new());
    assert_eq!(replica.status(at(3)).internal_expectations, 0);
    replica.handle_flow(at(4), Origin::Kernel, Change::New, &flow(1));
    assert_eq!(told(&mut replica, at(4)), ["New 1", "New ->5"]);
}

#[test]
fn helpers_are_chosen() {
    let only_sip = Helpers::Named([HelperName::new(b"sip").expect("a name")].to_vec());
    let (mut replica, mut peer) = settled_with(Filter::default().with_helpers(only_sip));
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
    born(&mut replica, at(3), &expectation(1, 5));
    assert_eq!(told(&mut replica, at(3)), ["New 1"]);
    peer.expects(&mut replica, at(4), Change::New, &expectation(9, 5));
    let stats = replica.stats();
    assert_eq!((stats.kernel.expectations_filtered, stats.link.expectations_skipped), (1, 1));
    assert!(replica.external_expectations().is_empty());
}

#[test]
fn where_none_are_wanted_they_are_counted() {
    let (mut replica, mut peer) = settled();
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
    born(&mut replica, at(3), &expectation(1, 5));
    assert_eq!(told(&mut replica, at(3)), ["New 1"]);
    peer.expects(&mut replica, at(4), Change::New, &expectation(9, 5));
    assert_eq!((replica.stats().link.expectations_skipped, replica.stats().link.malformed), (1, 0));
}

#[test]
fn a_backup_tells_nothing_and_makes_up_for_it() {
    let (mut replica, _) = expecting();
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
    born(&mut replica, at(3), &expectation(1, 5));
    told(&mut replica, at(3));
    role(&mut replica, at(4), Role::Backup);
    ended(&mut replica, at(5), &expectation(1, 5));
    born(&mut replica, at(5), &expectation(1, 6));
    assert_eq!(told(&mut replica, at(5)), Vec::<String>::new());
    role(&mut replica, at(6), Role::Primary);
    play_kernel(&mut replica, at(6), |_, request| match request {
        KernelRequest::Dump { token } | KernelRequest::Expect(ExpectRequest::Dump { token }) => {
            Some(Played::Done(token))
        }
        KernelRequest::Find { token, flow, .. } => Some(Played::Found(token, *flow)),
        KernelRequest::Expect(ExpectRequest::Find { token, .. }) => Some(Played::Failed(token, Errno::EBUSY)),
        _ => None,
    });
    let notices: Vec<_> = core::iter::from_fn(|| replica.poll_notice()).collect();
    assert!(notices.contains(&Notice::EndsForgotten { flows: 1 }), "{notices:?}");
}

#[test]
fn our_own_writing_is_no_news() {
    let (mut replica, _) = expecting();
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
    told(&mut replica, at(3));
    replica.handle_expectation(at(4), Origin::Ourselves, Change::New, &expectation(1, 5));
    assert_eq!(told(&mut replica, at(4)), Vec::<String>::new());
    assert_eq!(replica.status(at(4)).internal_expectations, 1);
}

#[test]
fn a_bulk_names_expectations_after_all_flows() {
    let (mut replica, mut peer) = expecting();
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
    born(&mut replica, at(3), &expectation(1, 5));
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(2));
    told(&mut replica, at(3));
    peer.acknowledges(&mut replica, at(4));
    peer.says(&mut replica, at(5), Control::Resync, Flags::NONE);
    replica.handle_timeout(at(5));
    assert_eq!(
        told(&mut replica, at(5)),
        ["Update 1", "Update 2", "New ->5"].map(|line| line.replace("Update", "New"))
    );
}

#[test]
fn a_dump_follows_that_of_the_flows_and_sweeps_what_is_gone() {
    let (mut replica, _) = expecting();
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
    for port in [5, 6, 7] {
        born(&mut replica, at(3), &expectation(1, port));
    }
    told(&mut replica, at(3));
    while looked_up(&mut replica, at(6)).is_some() {}
    replica.handle_overrun(at(2000));
    let Some(KernelRequest::Dump { token }) = replica.poll_kernel(at(2000)) else { panic!("flows first") };
    replica.handle_kernel(at(2000), KernelReply::Dumped(token, (&flow(1)).into()));
    replica.handle_kernel(at(2000), KernelReply::Done(token));
    assert_eq!(replica.status(at(2000)).sync, Sync::CatchingUp(Reason::ReadingKernel));
    let Some(KernelRequest::Expect(ExpectRequest::Dump { token })) = replica.poll_kernel(at(2000)) else {
        panic!("then expectations")
    };
    for expectation in [expectation(1, 5), expectation(1, 8)] {
        replica.handle_kernel(at(2001), KernelReply::Expectation(token, &expectation));
    }
    replica.handle_kernel(at(2001), KernelReply::Done(token));
    // 6 is gone; of 7 nothing is known for sure.
    let mut looked_up = Vec::new();
    while let Some(request) = replica.poll_kernel(at(2002)) {
        let KernelRequest::Expect(ExpectRequest::Find { token, expectation }) = request else {
            panic!("{request:?}")
        };
        let port = expectation.tuple.target_port;
        looked_up.push(port);
        let errno = if port == 6 { Errno::ENOENT } else { Errno::EBUSY };
        replica.handle_kernel(at(2002), KernelReply::Failed(token, errno));
    }
    assert_eq!(looked_up, [6, 7]);
    replica.handle_timeout(at(2002));
    let mut lines = told(&mut replica, at(2002));
    lines.sort();
    assert_eq!(lines, ["Destroy ->6", "New ->8"]);
    assert_eq!(replica.status(at(2002)).internal_expectations, 3);
}

#[test]
fn a_look_up_that_fails_for_another_reason_leads_to_another_dump() {
    let (mut replica, _) = expecting();
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
    born(&mut replica, at(3), &expectation(1, 5));
    replica.handle_overrun(at(2000));
    let read = |replica: &mut Replica, now, refused| {
        play_kernel(replica, now, |asked, request| match request {
            KernelRequest::Dump { token } => Some(Played::Done(token)),
            KernelRequest::Find { token, flow, .. } => Some(Played::Found(token, *flow)),
            KernelRequest::Expect(ExpectRequest::Dump { token }) => {
                asked.push("dump".into());
                Some(Played::Done(token))
            }
            KernelRequest::Expect(ExpectRequest::Find { token, .. }) => Some(Played::Failed(token, refused)),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(read(&mut replica, at(2000), Errno::ENOMEM), ["dump"]);
    assert_eq!(replica.internal_expectations().len(), 1, "only 'there is none' ends one");
    assert_eq!(read(&mut replica, at(3000), Errno::ENOENT), ["dump"]);
    assert_eq!(replica.internal_expectations().len(), 0);
    assert!(read(&mut replica, at(9000), Errno::ENOENT).is_empty());
}

/// The peer would sweep those that are not named.
#[test]
fn no_bulk_before_the_expectations_are_read() {
    let mut replica = replica_with(Filter::default().with_helpers(Helpers::All));
    let mut expectations = None;
    replica.handle_flow(at(0), Origin::Kernel, Change::New, &flow(1));
    play_kernel(&mut replica, at(0), |_, request| match request {
        KernelRequest::Dump { token } => Some(Played::Done(token)),
        KernelRequest::Find { token, .. } => Some(Played::Failed(token, Errno::EBUSY)),
        KernelRequest::Expect(ExpectRequest::Dump { token }) => {
            expectations = Some(token);
            None
        }
        other => panic!("{other:?}"),
    });
    let mut peer = Peer(Seq(5000));
    peer.says(&mut replica, at(1), Control::Resync, Flags::HELLO_BACK);
    told(&mut replica, at(2));
    let begun = |replica: &Replica| replica.stats().ftfw.bulks;
    replica.handle_timeout(at(1500));
    assert_eq!((told(&mut replica, at(1500)), begun(&replica)), (Vec::new(), 0));
    assert_ne!(replica.poll_timeout(), Some(Instant::PAST));
    let token = expectations.expect("they are read after the flows");
    replica.handle_kernel(at(1501), KernelReply::Begun(token));
    replica.handle_kernel(at(1501), KernelReply::Expectation(token, &expectation(1, 5)));
    replica.handle_kernel(at(1501), KernelReply::Done(token));
    replica.handle_timeout(at(1502));
    assert!(told(&mut replica, at(1502)).contains(&"New ->5".into()));
    assert_eq!(begun(&replica), 1);
}

#[test]
fn a_kernel_without_expectations_is_told_once_and_stops_nothing() {
    let (mut replica, _) = expecting();
    for round in 1..=2 {
        let now = at(2000 * round);
        replica.handle_overrun(now);
        play_kernel(&mut replica, now, |_, request| match request {
            KernelRequest::Dump { token } => Some(Played::Done(token)),
            KernelRequest::Expect(ExpectRequest::Dump { token }) => {
                Some(Played::Failed(token, Errno::EINVAL))
            }
            other => panic!("{other:?}"),
        });
        assert_ne!(replica.status(now).sync, Sync::CatchingUp(Reason::ReadingKernel));
    }
    let notices = core::iter::from_fn(|| replica.poll_notice());
    let told = notices.filter(|notice| *notice == Notice::ExpectationsUnavailable(Errno::EINVAL)).count();
    assert_eq!((told, replica.stats().kernel.expectation_dump_failures), (1, 2));
}

#[test]
fn what_the_peer_does_not_name_in_its_answer_is_swept() {
    let (mut replica, mut peer) = expecting();
    peer.tells(&mut replica, at(3), Change::New, &flow(1));
    peer.expects(&mut replica, at(3), Change::New, &expectation(1, 5));
    peer.expects(&mut replica, at(3), Change::Update, &expectation(1, 6));
    assert_eq!(replica.status(at(3)).external_expectations, 2);
    peer.says(&mut replica, at(9000), Control::Alive, Flags::HELLO);
    let sent = transmitted(&mut replica, at(9000));
    let asked = sent.iter().find(|(.., frame)| *frame == Frame::Control(Control::Resync)).expect("asked").0;
    peer.expects(&mut replica, at(9001), Change::New, &expectation(1, 6));
    peer.says(&mut replica, at(9001), Control::Ack(wire_range(asked)), Flags::NONE);
    replica.handle_timeout(at(9001));
    assert_eq!((replica.status(at(9001)).external_expectations, replica.external().len()), (1, 0));
    assert_eq!(replica.stats().external_expectations.swept, 1);
}

/// Becomes primary with one flow of the peer and one expectation; `found` stands in its place, `second` answers the
/// creation that follows. Says what was asked.
fn commit(first: Option<Errno>, found: Option<Expectation>, second: Option<Errno>) -> (Vec<String>, Replica) {
    let (mut replica, mut peer) = expecting();
    role(&mut replica, at(3), Role::Backup);
    peer.expects(&mut replica, at(4), Change::New, &expectation(1, 5));
    peer.tells(&mut replica, at(4), Change::New, &flow(1));
    role(&mut replica, at(5), Role::Primary);
    let (mut asked, mut creations) = (Vec::new(), 0);
    for _ in 0..100 {
        let Some(request) = replica.poll_kernel(at(5)) else {
            if replica.poll_timeout() != Some(Instant::PAST) {
                break;
            }
            replica.handle_timeout(at(5));
            continue;
        };
        let (line, token, answer) = match request {
            KernelRequest::ListenNew(_) | KernelRequest::Count { .. } => continue,
            KernelRequest::Create { token, .. } => ("create flow", token, None),
            KernelRequest::Dump { token } => ("dump flows", token, None),
            KernelRequest::Find { token, .. } => ("find flow", token, Some(Errno::EBUSY)),
            KernelRequest::Expect(ExpectRequest::Create { token, .. }) => {
                creations += 1;
                ("create", token, if creations == 1 { first } else { second })
            }
            KernelRequest::Expect(ExpectRequest::Find { token, .. }) => {
                asked.push("find".into());
                match &found {
                    Some(found) => replica.handle_kernel(at(5), KernelReply::Expectation(token, found)),
                    None => replica.handle_kernel(at(5), KernelReply::Failed(token, Errno::ENOENT)),
                }
                continue;
            }
            KernelRequest::Expect(ExpectRequest::Delete { token, .. }) => ("delete", token, None),
            KernelRequest::Expect(ExpectRequest::Renew { token, timeout, .. }) => {
                asked.push(std::format!("renew {timeout}"));
                replica.handle_kernel(at(5), KernelReply::Done(token));
                continue;
            }
            KernelRequest::Expect(ExpectRequest::Dump { token }) => ("dump", token, None),
            other => panic!("{other:?}"),
        };
        asked.push(line.into());
        let reply = answer.map_or(KernelReply::Done(token), |errno| KernelReply::Failed(token, errno));
        replica.handle_kernel(at(5), reply);
    }
    (asked, replica)
}

#[test]
fn a_commit_writes_expectations_after_flows_and_waits_for_them() {
    let (asked, mut replica) = commit(None, None, None);
    assert_eq!(asked, ["create flow", "create", "renew 300", "dump flows", "dump", "find flow"]);
    assert!(replica.external_expectations().is_empty());
    assert_eq!(replica.poll_reply(), Some((RequestId(1), Reply::Done)));
    let stats = replica.stats().commit;
    assert_eq!((stats.expectations_committed, stats.expectations_failed), (1, 0));
    let account = replica.accounts().next().unwrap();
    assert_eq!((account.expectations_carried, account.expectations_refused), (1, 0));
}

#[test]
fn what_stands_in_its_place_is_kept_if_it_is_the_same_and_replaced_if_not() {
    let taken = Some(Errno::EEXIST);
    let (asked, replica) = commit(taken, Some(expectation(1, 5)), None);
    assert_eq!(asked[1..4], ["create", "find", "renew 300"]);
    assert_eq!(replica.stats().commit.expectations_replaced, 0);
    let (asked, replica) = commit(taken, Some(expectation(9, 5)), None);
    assert_eq!(asked[1..6], ["create", "find", "delete", "create", "renew 300"]);
    assert_eq!(replica.stats().commit.expectations_replaced, 1);
    let (asked, _) = commit(taken, None, None);
    assert_eq!(asked[1..5], ["create", "find", "create", "renew 300"]);
}

/// The end of the other one is on its way, and the slot of a third was free again.
#[test]
fn of_two_that_claim_one_place_the_later_counts() {
    let (mut replica, mut peer) = expecting();
    role(&mut replica, at(3), Role::Backup);
    for parent in 1..=3 {
        peer.tells(&mut replica, at(4), Change::New, &flow(parent));
    }
    peer.expects(&mut replica, at(4), Change::New, &expectation(1, 5));
    peer.expects(&mut replica, at(4), Change::New, &expectation(2, 6));
    peer.expects(&mut replica, at(4), Change::Destroy, &expectation(1, 5));
    peer.expects(&mut replica, at(4), Change::New, &expectation(3, 6));
    role(&mut replica, at(5), Role::Primary);
    let asked = play_kernel(&mut replica, at(5), |asked, request| match request {
        KernelRequest::Expect(ExpectRequest::Create { token, expectation }) => {
            asked.push(std::format!("{}", expectation.parent.original.source_port));
            Some(Played::Done(token))
        }
        KernelRequest::Create { token, .. }
        | KernelRequest::Dump { token }
        | KernelRequest::Expect(ExpectRequest::Dump { token } | ExpectRequest::Renew { token, .. }) => {
            Some(Played::Done(token))
        }
        KernelRequest::Find { token, .. } => Some(Played::Failed(token, Errno::EBUSY)),
        _ => None,
    });
    assert_eq!(asked, ["2", "3"]);
}

#[test]
fn what_cannot_be_written_stays_with_its_reason() {
    let (asked, mut replica) = commit(Some(Errno::ENOENT), None, None);
    assert_eq!(asked[1..3], ["create", "dump flows"]);
    let slot = replica.external_expectations().iter_from(0).next().expect("it stays").0;
    assert_eq!(replica.external_expectations().failure(slot), Some(Errno::ENOENT.0));
    assert_eq!(replica.stats().commit.expectations_failed, 1);
    let wanted = expectation(1, 5);
    let notices: Vec<_> = core::iter::from_fn(|| replica.poll_notice()).collect();
    assert!(notices.contains(&Notice::ExpectationFailed { wanted, error: Errno::ENOENT }), "{notices:?}");
    let (asked, replica) = commit(Some(Errno::EEXIST), Some(expectation(9, 5)), Some(Errno::EBUSY));
    assert_eq!(asked[1..5], ["create", "find", "delete", "create"]);
    assert_eq!(replica.stats().commit.expectations_failed, 1);
}

/// The flow of port `port` as a look-up shows it once its helper has rewritten a line.
/// The kernel had no room for the flow that announced it, and has some a second later, though not for all.
#[test]
fn an_expectation_follows_its_parent_that_was_written_late() {
    let (mut replica, mut peer) = expecting();
    role(&mut replica, at(3), Role::Backup);
    peer.expects(&mut replica, at(4), Change::New, &expectation(1, 5));
    peer.tells(&mut replica, at(4), Change::New, &flow(1));
    peer.tells(&mut replica, at(4), Change::New, &flow(2));
    role(&mut replica, at(5), Role::Primary);
    let mut writes = |now, refusal: Option<Errno>, expected: Option<Errno>| {
        play_kernel(&mut replica, now, |asked, request| {
            let (what, token, refused) = match request {
                KernelRequest::Create { token, flow, .. } if flow.original.source_port == 2 => {
                    return Some(Played::Failed(token, Errno::ENOMEM));
                }
                KernelRequest::Create { token, .. } => ("flow", token, refusal),
                KernelRequest::Expect(ExpectRequest::Create { token, .. }) => {
                    ("expectation", token, expected)
                }
                KernelRequest::Dump { token }
                | KernelRequest::Expect(ExpectRequest::Dump { token } | ExpectRequest::Renew { token, .. }) =>
                {
                    return Some(Played::Done(token));
                }
                KernelRequest::Find { token, .. } => return Some(Played::Failed(token, Errno::EBUSY)),
                _ => return None,
            };
            asked.push(what.into());
            Some(refused.map_or(Played::Done(token), |errno| Played::Failed(token, errno)))
        })
    };
    assert_eq!(writes(at(5), Some(Errno::ENOMEM), Some(Errno::ENOENT)), ["flow", "expectation"]);
    assert_eq!(writes(at(1100), None, None), ["flow", "expectation"]);
    assert!(replica.external_expectations().is_empty());
}

#[test]
fn what_is_adopted_is_news() {
    let (mut replica, mut peer) = expecting();
    role(&mut replica, at(3), Role::Primary);
    let settle = |replica: &mut Replica, now| {
        play_kernel(replica, now, |_, request| match request {
            KernelRequest::Create { token, .. }
            | KernelRequest::Dump { token }
            | KernelRequest::Expect(
                ExpectRequest::Create { token, .. }
                | ExpectRequest::Dump { token }
                | ExpectRequest::Renew { token, .. },
            ) => Some(Played::Done(token)),
            _ => None,
        });
    };
    settle(&mut replica, at(3));
    told(&mut replica, at(3));
    peer.tells(&mut replica, at(4), Change::New, &flow(1));
    peer.expects(&mut replica, at(4), Change::New, &expectation(1, 5));
    replica.handle_command(at(5), RequestId(2), Command::PeerYielded);
    settle(&mut replica, at(5));
    replica.handle_expectation(at(6), Origin::Ourselves, Change::New, &expectation(1, 5));
    assert_eq!(told(&mut replica, at(6)), ["New 1", "New ->5"]);
}

fn shifted(port: u16, by: u32) -> Whole {
    let mut extras = Extras::EMPTY;
    extras.sequence[0] = SequenceShift { position: 1000, before: 0, after: by };
    extras.present = ExtraSet::SEQUENCE;
    Whole { flow: flow(port), extras }
}

/// The look-up that the replica asks for at `now`, if it asks for one.
fn looked_up(replica: &mut Replica, now: Instant) -> Option<(Token, u16)> {
    match replica.poll_kernel(now) {
        Some(KernelRequest::Find { token, flow, by: By::Original }) => {
            Some((token, flow.original.source_port))
        }
        _ => None,
    }
}

#[test]
fn the_parent_is_looked_up_since_no_event_tells_of_its_shift() {
    let (mut replica, _) = expecting();
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
    told(&mut replica, at(3));
    born(&mut replica, at(3), &expectation(1, 5));
    assert_eq!(looked_up(&mut replica, at(3)), None, "the line is not rewritten yet");
    assert_eq!(looked_up(&mut replica, at(4)), None, "nor now");
    assert_eq!(replica.poll_timeout(), Some(at(5)));
    let (token, port) = looked_up(&mut replica, at(5)).expect("a look-up");
    assert_eq!(port, 1);
    replica.handle_kernel(at(5), KernelReply::Found(token, (&shifted(1, 3)).into()));
    assert_eq!(told(&mut replica, at(5)), ["New ->5", "New 1"]);
    let slot = replica.internal().iter_from(0).next().expect("a flow").0;
    let known = replica.internal().flow(slot).expect("a flow").extras.expect("a shift");
    assert_eq!(known.sequence[0].after, 3);
    assert_eq!(looked_up(&mut replica, at(9)), None, "once for each announcement");
}

#[test]
fn only_what_the_kernel_has_announced_by_itself_over_tcp_is_looked_up() {
    let (mut replica, _) = expecting();
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
    replica.handle_expectation(at(3), Origin::Ourselves, Change::New, &expectation(1, 5));
    ended(&mut replica, at(3), &expectation(1, 5));
    let mut udp = flow(2);
    udp.protocol = Protocol::UDP;
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &udp);
    let mut voice = expectation(2, 6);
    (voice.parent.protocol, voice.protocol) = (Protocol::UDP, Protocol::UDP);
    born(&mut replica, at(3), &voice);
    assert_eq!(looked_up(&mut replica, at(9)), None);
}

#[test]
fn a_parent_that_has_ended_meanwhile_is_not_missed() {
    let (mut replica, _) = expecting();
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
    born(&mut replica, at(3), &expectation(1, 5));
    let (token, _) = looked_up(&mut replica, at(5)).expect("a look-up");
    replica.handle_kernel(at(5), KernelReply::Failed(token, Errno::ENOENT));
    assert_eq!(replica.internal().len(), 1, "its end is an event");
}

#[test]
fn a_parent_whose_end_is_heard_before_the_look_up_is_answered_does_not_live_again() {
    let (mut replica, _) = expecting();
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
    born(&mut replica, at(3), &expectation(1, 5));
    let (token, _) = looked_up(&mut replica, at(5)).expect("a look-up");
    replica.handle_flow(at(6), Origin::Kernel, Change::Destroy, &flow(1));
    replica.handle_kernel(at(7), KernelReply::Found(token, (&flow(1)).into()));
    assert!(replica.internal().is_empty());
}

#[test]
fn too_many_parents_are_read_with_the_table() {
    let (mut replica, _) = expecting();
    replica.handle_flow(at(2000), Origin::Kernel, Change::New, &flow(1));
    let mut dumps_after = |ports: core::ops::Range<u16>| {
        ports.for_each(|port| born(&mut replica, at(2000), &expectation(1, port)));
        core::iter::from_fn(|| {
            let request = replica.poll_kernel(at(2000))?;
            Some(usize::from(matches!(request, KernelRequest::Dump { .. })))
        })
        .sum::<usize>()
    };
    assert_eq!((dumps_after(0..1024), dumps_after(1024..1025)), (0, 1));
}

/// A primary whose flow 1 has announced port 5, which the peer was told.
fn announcing() -> Replica {
    let (mut replica, _) = expecting();
    role(&mut replica, at(3), Role::Primary);
    read(&mut replica, at(3), &[]);
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
    born(&mut replica, at(3), &expectation(1, 5));
    assert_eq!(told(&mut replica, at(3)), ["New 1", "New ->5"]);
    replica
}

/// The kernel lists these flows, and of each the expectation of port 5.
fn read(replica: &mut Replica, now: Instant, flows: &[Flow]) {
    replica.handle_timeout(now);
    while let Some(request) = replica.poll_kernel(now) {
        match request {
            KernelRequest::Dump { token } => {
                replica.handle_kernel(now, KernelReply::Begun(token));
                for flow in flows {
                    replica.handle_kernel(now, KernelReply::Dumped(token, flow.into()));
                }
                replica.handle_kernel(now, KernelReply::Done(token));
            }
            KernelRequest::Expect(ExpectRequest::Dump { token }) => {
                replica.handle_kernel(now, KernelReply::Begun(token));
                for flow in flows {
                    let announced = expectation(flow.original.source_port, 5);
                    replica.handle_kernel(now, KernelReply::Expectation(token, &announced));
                }
                replica.handle_kernel(now, KernelReply::Done(token));
            }
            KernelRequest::Find { token, .. } | KernelRequest::Expect(ExpectRequest::Find { token, .. }) => {
                replica.handle_kernel(now, KernelReply::Failed(token, Errno::ENOENT));
            }
            KernelRequest::Count { token } => {
                let flows = u32::try_from(flows.len()).expect("a few");
                replica.handle_kernel(now, KernelReply::Counted(token, flows));
            }
            KernelRequest::ListenNew(_) => {}
            other => panic!("{other:?}"),
        }
        replica.handle_timeout(now);
    }
}

#[test]
fn what_a_flow_has_announced_that_is_kept_out_from_now_on_ends_for_the_peer() {
    let mut replica = announcing();
    let narrow = Filter::new(std::vec![Protocol::UDP], Vec::new()).with_helpers(Helpers::All);
    replica.handle_settings(at(10), &settings::settings(narrow));
    read(&mut replica, at(10), &[flow(1)]);
    let mut ends = told(&mut replica, at(10));
    ends.sort();
    assert_eq!(ends, ["Destroy ->5", "Destroy 1"]);
    assert_eq!(replica.internal_expectations().len(), 0);
    // Its kernel goes on expecting it, and announces more, of which the peer hears nothing.
    born(&mut replica, at(11), &expectation(1, 6));
    ended(&mut replica, at(11), &expectation(1, 5));
    born(&mut replica, at(11), &expectation(1, 5));
    assert!(!told(&mut replica, at(11)).iter().any(|word| word.starts_with("New")));
    let wide = Filter::default().with_helpers(Helpers::All);
    replica.handle_settings(at(20), &settings::settings(wide));
    read(&mut replica, at(2000), &[flow(1)]);
    assert_eq!(told(&mut replica, at(2000)), ["New 1", "New ->5"]);
}

/// A flow that is older than the daemon may end without an event, and so do its expectations.
#[test]
fn what_a_flow_has_announced_ends_with_it_although_nobody_says_so() {
    let mut replica = announcing();
    replica.handle_flow(at(2000), Origin::Kernel, Change::Destroy, &flow(1));
    assert_eq!(told(&mut replica, at(2000)), ["Destroy 1", "Destroy ->5"]);
}

/// Only a dump has told of the life before, and its end made no event.
#[test]
fn a_birth_of_what_lives_leads_to_another_look_at_what_it_has_announced() {
    let (mut replica, _) = expecting();
    role(&mut replica, at(3), Role::Primary);
    read(&mut replica, at(3), &[flow(1), flow(2)]);
    assert_eq!(replica.internal_expectations().len(), 2);
    replica.handle_flow(at(2000), Origin::Kernel, Change::New, &flow(1));
    read(&mut replica, at(2000), &[flow(2)]);
    let left: Vec<u16> = replica
        .internal_expectations()
        .iter_from(0)
        .map(|(_, entry)| entry.expectation.parent.original.source_port)
        .collect();
    assert_eq!((replica.internal().len(), left), (2, std::vec![2]));
}

/// Nobody says the zone of an expectation, neither the kernel nor the dialect: of two that differ by nothing else one is
/// known, in the first zone, and the first end is the end of both, until the table is read again.
#[test]
fn two_that_differ_only_by_their_zone_are_one() {
    let (mut replica, _) = expecting();
    for zone in [3, 7] {
        let parent = Flow { zone, present: flow(1).present.with(AttrSet::ZONE), ..flow(1) };
        replica.handle_flow(at(3), Origin::Kernel, Change::New, &parent);
    }
    born(&mut replica, at(3), &expectation(1, 5));
    assert_eq!(told(&mut replica, at(3)), ["New 1", "New 1", "New ->5"]);
    born(&mut replica, at(4), &expectation(1, 5));
    assert_eq!(told(&mut replica, at(4)), ["New ->5"]);
    let zone = |(_, entry): (_, &ExpectEntry)| entry.expectation.zone;
    let known: Vec<u16> = replica.internal_expectations().iter_from(0).map(zone).collect();
    assert_eq!((known, replica.stats().link.ambiguous_sent), ([3].to_vec(), 2), "counted, too");
    ended(&mut replica, at(7), &expectation(1, 5));
    assert_eq!(told(&mut replica, at(7)), ["Destroy ->5"]);
    assert_eq!(replica.status(at(7)).internal_expectations, 0);
    replica.handle_overrun(at(2000));
    let mut shown = Vec::new();
    play_kernel(&mut replica, at(2000), |_, request| match request {
        KernelRequest::Dump { token } => Some(Played::Done(token)),
        KernelRequest::Find { token, flow, .. } => Some(Played::Found(token, *flow)),
        KernelRequest::Expect(ExpectRequest::Dump { token }) => {
            shown.push(token);
            None
        }
        _ => None,
    });
    replica.handle_kernel(at(2001), KernelReply::Expectation(shown[0], &expectation(1, 5)));
    replica.handle_kernel(at(2001), KernelReply::Done(shown[0]));
    replica.handle_timeout(at(2001));
    assert_eq!(told(&mut replica, at(2001)), ["New ->5"], "the other one lives");
}
