//! The way of a handover, and every doubt on it.

use super::*;

fn at(millis: u64) -> Instant {
    Instant::default() + Duration::from_millis(millis)
}

/// A primary with 1,000 flows that is ready, and nothing waits; the peer says something each millisecond.
fn seen(millis: u64) -> Seen {
    Seen {
        now: at(millis),
        role: Role::Primary,
        sync: Sync::InSync,
        unready: None,
        all_acknowledged: true,
        waits_since: None,
        heard: millis,
        internal: 1000,
        told: 0,
    }
}

fn backup(millis: u64, told: u32) -> Seen {
    Seen { role: Role::Backup, told, ..seen(millis) }
}

fn begun() -> Handover {
    Handover::begin(at(0), Duration::from_secs(30))
}

/// One whose priority is lowered at 100 ms.
fn lowered() -> Handover {
    let mut handover = begun();
    assert_eq!(handover.step(&seen(99)), Order::Wait);
    assert_eq!(handover.step(&seen(100)), Order::Lower);
    assert!(handover.moves());
    handover
}

/// One that keepalived has carried out at 400 ms.
fn moved() -> Handover {
    let mut handover = lowered();
    assert_eq!(handover.step(&backup(400, 0)), Order::Wait);
    assert!(!handover.moves());
    handover
}

fn steps(handover: &Handover) -> Vec<&'static str> {
    handover.steps().iter().map(|taken| taken.step).collect()
}

fn why(handover: &Handover) -> &str {
    &handover.steps().last().unwrap().text
}

#[test]
fn all_the_way() {
    let mut handover = moved();
    // Not a part.
    let catching_up =
        Seen { sync: Sync::CatchingUp(syncd_core::replica::Reason::BecameBackup), ..backup(500, 900) };
    assert_eq!(handover.step(&catching_up), Order::Wait);
    assert_eq!(handover.step(&backup(600, 979)), Order::Wait);
    assert_eq!(handover.outcome(), None);
    assert_eq!(handover.step(&backup(700, 980)), Order::Wait);
    assert_eq!(handover.outcome(), Some(Outcome::Done));
    assert_eq!(steps(&handover), ["prepared", "acknowledged", "moved", "confirmed"]);
    assert_eq!(handover.flows(), Some((1000, 980)));
    assert_eq!(handover.step(&seen(800)), Order::Wait, "it is over");
}

#[test]
fn only_a_primary_hands_over() {
    for role in [Role::Backup, Role::Fault, Role::Unknown] {
        let mut handover = begun();
        assert_eq!(handover.step(&Seen { role, ..seen(1) }), Order::Wait);
        assert_eq!(handover.outcome(), Some(Outcome::Refused));
        assert!(why(&handover).starts_with(&format!("this router is {}", role.name())));
    }
}

#[test]
fn who_is_not_ready_is_waited_for_and_then_nothing_is_begun() {
    let mut handover = begun();
    let behind = |millis| Seen { unready: Some("the peer is behind".to_owned()), ..seen(millis) };
    assert_eq!(handover.step(&behind(1)), Order::Wait);
    assert_eq!(handover.step(&behind(29_999)), Order::Wait);
    let mut in_time = handover.clone();
    in_time.step(&seen(29_999));
    assert_eq!(in_time.step(&seen(30_001)), Order::Lower, "it got ready in time");
    assert_eq!(handover.step(&behind(30_000)), Order::Wait);
    assert_eq!(handover.outcome(), Some(Outcome::Refused));
    assert!(why(&handover).ends_with("the peer is behind"));
    assert!(!handover.moves());
}

#[test]
fn under_traffic_a_round_that_began_later_must_have_come_to_its_end() {
    let mut handover = begun();
    let busy =
        |millis, round: u64| Seen { all_acknowledged: false, waits_since: Some(at(round)), ..seen(millis) };
    // This round began before, and what was born since is not in it.
    assert_eq!(handover.step(&busy(100, 95)), Order::Wait);
    assert_eq!(handover.step(&busy(110, 95)), Order::Wait);
    // This one has all of it, but is not over.
    assert_eq!(handover.step(&busy(120, 112)), Order::Wait);
    assert_eq!(handover.step(&busy(130, 112)), Order::Wait);
    assert_eq!(handover.step(&busy(140, 131)), Order::Lower);

    let mut stuck = begun();
    stuck.step(&busy(100, 95));
    assert_eq!(stuck.step(&busy(30_099, 95)), Order::Wait);
    assert_eq!(stuck.outcome(), None);
    stuck.step(&busy(30_100, 95));
    assert_eq!(stuck.outcome(), Some(Outcome::Refused));
}

/// Its daemon hangs, or the link is down, and `peer-timeout` is not over: nothing waits for an acknowledgement, and it looks
/// as if both knew the same.
#[test]
fn whoever_has_just_fallen_silent_is_handed_nothing() {
    // The patience of an operator who does not want to wait is none for a peer that says something each second.
    for patience in [0, 30] {
        let mut handover = Handover::begin(at(0), Duration::from_secs(patience));
        let deaf = |millis| Seen { heard: 7, ..seen(millis) };
        assert_eq!(handover.step(&deaf(100)), Order::Wait);
        assert_eq!(handover.step(&deaf(3_099)), Order::Wait);
        assert_eq!(handover.outcome(), None);
        assert_eq!(
            handover.clone().step(&Seen { heard: 8, ..deaf(3_099) }),
            Order::Lower,
            "it was late only"
        );
        assert_eq!(handover.step(&deaf(3_100)), Order::Wait);
        assert_eq!(handover.outcome(), Some(Outcome::Refused));
        assert_eq!(why(&handover), "the other router has said nothing for 3 s");
        assert_eq!(steps(&handover), ["prepared", "refused"]);
    }
}

#[test]
fn whoever_loses_the_role_before_has_nothing_to_hand_over() {
    let mut handover = begun();
    let busy = Seen { all_acknowledged: false, waits_since: Some(at(1)), ..seen(100) };
    handover.step(&busy);
    handover.step(&Seen { role: Role::Backup, ..busy });
    assert_eq!(handover.outcome(), Some(Outcome::Refused));
}

#[test]
fn if_nobody_takes_over_it_is_as_it_was() {
    let mut handover = lowered();
    assert_eq!(handover.step(&seen(10_099)), Order::Wait);
    assert_eq!(handover.step(&seen(10_100)), Order::Raise);
    assert_eq!(handover.step(&seen(10_500)), Order::Wait);
    assert_eq!(handover.outcome(), None);
    assert_eq!(handover.step(&seen(11_100)), Order::Wait);
    assert_eq!(handover.outcome(), Some(Outcome::RolledBack));
    assert!(why(&handover).contains("did not take over within 10 s"));
}

#[test]
fn if_the_peer_falls_silent_it_is_as_it_was_at_once() {
    let mut handover = lowered();
    let silent = Seen { sync: Sync::PeerLost { heard: Some(at(50)) }, ..seen(200) };
    assert_eq!(handover.step(&silent), Order::Raise);
    // Too late: the election had begun.
    let mut late = handover.clone();
    assert_eq!(late.step(&backup(300, 0)), Order::Wait);
    assert_eq!(steps(&late).last(), Some(&"moved"));
    handover.step(&seen(1200));
    assert_eq!(handover.outcome(), Some(Outcome::RolledBack));
}

#[test]
fn a_new_primary_that_does_not_have_the_flows_gives_the_role_back() {
    let mut handover = moved();
    // 10 s, and 50 ms for 1,000 flows.
    assert_eq!(handover.step(&backup(10_449, 500)), Order::Wait);
    assert_eq!(handover.step(&backup(10_450, 500)), Order::Reclaim);
    assert!(why(&handover).contains("500 flows only, of 1000"));
    let mut refused = handover.clone();
    handover.step(&seen(11_000));
    assert_eq!(handover.outcome(), Some(Outcome::RolledBack));
    refused.step(&backup(20_449, 500));
    assert_eq!(refused.outcome(), None);
    refused.step(&backup(20_450, 500));
    assert_eq!(refused.outcome(), Some(Outcome::Unclear));
    assert!(why(&refused).contains("did not get it"));
}

#[test]
fn a_role_that_comes_back_by_itself_is_no_success() {
    let mut handover = moved();
    handover.step(&seen(500));
    assert_eq!(handover.outcome(), Some(Outcome::RolledBack));
    for step in [lowered(), moved()] {
        let mut handover = step;
        handover.step(&Seen { role: Role::Fault, ..seen(500) });
        assert_eq!(handover.outcome(), Some(Outcome::Unclear));
    }
}
