//! What few flows have: it is kept, told, committed; what our kernel will not have is left out.

use std::string::String;
use std::vec::Vec;

use super::*;
use crate::flow::{ExtraSet, Extras, HelperName, Labels, Parent, Whole};

fn parent_of(port: u16) -> Parent {
    Parent { original: flow(port).original, family: Family::V4, protocol: Protocol::TCP }
}

fn with(port: u16, fill: impl FnOnce(&mut Extras)) -> Whole {
    let mut extras = Extras::EMPTY;
    fill(&mut extras);
    Whole::new(flow(port), extras)
}

fn helped(port: u16) -> Whole {
    with(port, |extras| {
        extras.helper = HelperName::new(b"ftp").expect("a name");
        extras.said(ExtraSet::HELPER);
    })
}

fn labelled(port: u16, label: u32) -> Whole {
    with(port, |extras| {
        extras.labels = Labels::new([label, 0, 0, 0]);
        extras.said(ExtraSet::LABELS);
    })
}

fn related(port: u16, parent: u16) -> Whole {
    let mut whole = with(port, |extras| {
        extras.parent = parent_of(parent);
        extras.said(ExtraSet::PARENT);
    });
    whole.flow.status.0 |= FlowStatus::EXPECTED;
    whole
}

/// The extras of every flow that the replica tells now, by port.
fn told(replica: &mut Replica, now: Instant) -> Vec<(u16, Extras)> {
    let mut datagram = Datagram::with_limit(payload_limit(1500));
    let mut told = Vec::new();
    while replica.poll_transmit(now, &mut datagram).is_some() {
        for view in frames(datagram.as_bytes()) {
            if let Ok(decoded) = decode_flow(&view.expect("our own frames are well formed")) {
                told.push((decoded.flow.original.source_port, decoded.extras));
            }
        }
        datagram.clear();
    }
    told
}

#[test]
fn an_update_keeps_what_it_does_not_say() {
    let (mut replica, _) = settled();
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &labelled(1, 5));
    replica.handle_flow(at(3), Origin::Kernel, Change::Update, &helped(1));
    replica.handle_flow(at(3), Origin::Kernel, Change::Update, &flow(1));
    let both = ExtraSet::LABELS.with(ExtraSet::HELPER);
    let said = told(&mut replica, at(4));
    assert_eq!(said.len(), 1);
    assert_eq!((said[0].1.present, said[0].1.labels.bits(), said[0].1.helper.as_str()), (both, 5, "ftp"));
    replica.handle_flow(at(5), Origin::Kernel, Change::New, &flow(1));
    assert_eq!(told(&mut replica, at(5)), [(1, Extras::EMPTY)], "the next life has none of it");
}

#[test]
fn what_only_a_dump_says_is_told() {
    let (mut replica, _) = settled();
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
    told(&mut replica, at(3));
    replica.handle_overrun(at(2000));
    let Some(KernelRequest::Dump { token }) = replica.poll_kernel(at(2000)) else { panic!("a dump") };
    replica.handle_flow(at(2001), Origin::Kernel, Change::Update, &helped(1));
    told(&mut replica, at(2001));
    replica.handle_kernel(at(2002), KernelReply::Dumped(token, (&labelled(1, 5)).into()));
    let said = told(&mut replica, at(2002));
    let both = ExtraSet::LABELS.with(ExtraSet::HELPER);
    assert_eq!(said.iter().map(|(port, extras)| (*port, extras.present)).collect::<Vec<_>>(), [(1, both)]);
    replica.handle_kernel(at(2003), KernelReply::Dumped(token, (&labelled(1, 5)).into()));
    assert_eq!(told(&mut replica, at(2003)), [], "the same again is no news");
}

#[test]
fn a_picture_does_not_undo_what_an_event_said() {
    let (mut replica, _) = settled();
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &labelled(1, 1));
    replica.handle_overrun(at(2000));
    let Some(KernelRequest::Dump { token }) = replica.poll_kernel(at(2000)) else { panic!("a dump") };
    replica.handle_flow(at(2001), Origin::Kernel, Change::Update, &labelled(1, 3));
    replica.handle_kernel(at(2002), KernelReply::Dumped(token, (&labelled(1, 1)).into()));
    assert_eq!(told(&mut replica, at(2002))[0].1.labels.bits(), 3);
}

/// Becomes primary with these flows of the peer; `answer` says how a creation of the flow with that port ends.
fn commit(
    flows: &[Whole],
    mut answer: impl FnMut(u16, Option<&Extras>) -> Result<(), Errno>,
) -> (Vec<String>, Replica) {
    let (mut replica, mut peer) = settled();
    role(&mut replica, at(3), Role::Backup);
    for flow in flows {
        peer.tells(&mut replica, at(4), Change::New, flow);
    }
    role(&mut replica, at(5), Role::Primary);
    let asked = play_kernel(&mut replica, at(5), |asked, request| match request {
        KernelRequest::Create { token, flow, .. } => {
            let what = flow.extras.map_or("plain".into(), |extras| {
                let helper = if extras.helper().is_some() { "helper" } else { "" };
                let parent = if extras.parent().is_some() { "parent" } else { "" };
                std::format!("{helper}{parent}")
            });
            asked.push(std::format!("{} {what}", flow.original.source_port));
            Some(match answer(flow.original.source_port, flow.extras) {
                Ok(()) => Played::Done(token),
                Err(errno) => Played::Failed(token, errno),
            })
        }
        KernelRequest::Find { token, .. } => Some(Played::Failed(token, Errno::ENOENT)),
        KernelRequest::Dump { token } => Some(Played::Done(token)),
        KernelRequest::ListenNew(_) => None,
        other => panic!("{other:?}"),
    });
    (asked, replica)
}

fn notices(replica: &mut Replica) -> Vec<Notice> {
    core::iter::from_fn(|| replica.poll_notice()).collect()
}

#[test]
fn a_flow_whose_helper_is_unknown_here_is_written_without_it() {
    let (asked, mut replica) = commit(&[helped(1), helped(2)], |_, extras| match extras {
        Some(_) => Err(Errno::EOPNOTSUPP),
        None => Ok(()),
    });
    assert_eq!(asked, ["1 helper", "1 plain", "2 helper", "2 plain"]);
    let stats = replica.stats().commit;
    assert_eq!((stats.committed, stats.failed, stats.without_helper), (2, 0, 2));
    assert_eq!(replica.accounts().next().map(|account| account.without_helper), Some(2));
    let helper = HelperName::new(b"ftp").expect("a name");
    let told = notices(&mut replica).into_iter().filter(|notice| *notice == Notice::HelperUnknown { helper });
    assert_eq!(told.count(), 1, "once is enough");
}

#[test]
fn a_flow_whose_parent_is_nowhere_is_written_without_it() {
    let (asked, replica) = commit(&[related(2, 1)], |_, extras| match extras {
        Some(_) => Err(Errno::ENOENT),
        None => Ok(()),
    });
    assert_eq!(asked, ["2 parent", "2 plain"]);
    let stats = replica.stats().commit;
    assert_eq!((stats.committed, stats.failed, stats.without_parent), (1, 0, 1));
    assert_eq!(replica.accounts().next().map(|account| account.without_parent), Some(1));
}

#[test]
fn a_chain_of_related_flows_is_written_from_its_head() {
    // The grandchild stands before the child in the cache.
    let mut written = Vec::new();
    let (asked, replica) = commit(&[related(3, 2), related(2, 1), flow(1).into()], |port, extras| {
        let parent = extras.and_then(Extras::parent).map(|parent| parent.original.source_port);
        if parent.is_none_or(|parent| written.contains(&parent)) {
            written.push(port);
            Ok(())
        } else {
            Err(Errno::ENOENT)
        }
    });
    assert_eq!(asked, ["1 plain", "3 parent", "2 parent", "3 parent"]);
    assert_eq!(replica.stats().commit.without_parent, 0);
}

#[test]
fn what_is_left_out_does_not_hide_another_refusal() {
    let (asked, replica) = commit(&[helped(1)], |_, extras| match extras {
        Some(_) => Err(Errno::EOPNOTSUPP),
        None => Err(Errno::ENOMEM),
    });
    assert_eq!(asked, ["1 helper", "1 plain"]);
    assert_eq!((replica.stats().commit.failed, replica.external().len()), (1, 1));
    let slot = replica.external().iter_from(0).next().expect("it stays").0;
    assert_eq!(replica.external().failure(slot).map(|failure| failure.errno), Some(Errno::ENOMEM.0));
    assert!(
        replica.external().flow(slot).is_some_and(|flow| flow.extras.is_some()),
        "with all that was said"
    );
}

#[test]
fn a_flow_that_the_dialect_cannot_tell_from_others_is_counted() {
    let (mut replica, _) = settled();
    let gre = |key| {
        let mut flow = Flow::new(Family::V4, Protocol::GRE, Tuple { source_port: key, ..flow(0).original });
        flow.present = AttrSet::REPLY;
        flow
    };
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &gre(1));
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &gre(2));
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
    transmitted(&mut replica, at(3));
    assert_eq!((replica.stats().link.ambiguous_sent, replica.stats().link.attributes_unsaid), (2, 0));
}
