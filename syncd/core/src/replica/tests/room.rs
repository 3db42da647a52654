//! What a router asks its peer for because a cache that was full has room again.

use super::certainty::asks_from;
use super::settings::settings;
use super::*;

/// A router that stands by, holds flows 1 and 2, and has no room for a third one.
fn full() -> (Replica, Peer) {
    let (mut replica, mut peer) = settled();
    role(&mut replica, at(3), Role::Backup);
    replica.handle_settings(at(4), &Settings { external_limit: 2, ..settings(Filter::default()) });
    for port in 1..=3 {
        peer.tells(&mut replica, at(5), Change::New, &flow(port));
    }
    transmitted(&mut replica, at(5));
    assert_eq!(replica.status(at(5)).sync, Sync::Diverged(Divergence::ExternalFull { limit: 2 }));
    (replica, peer)
}

/// The peer answers a question with so many flows, more than fit; one that is held ends, and a new one takes its place.
fn refilled(replica: &mut Replica, peer: &mut Peer, second: u64, asked: Seq) {
    let now = at(second * 1000 + 1);
    for port in 1..=3 {
        peer.tells(replica, now, Change::Update, &flow(port));
    }
    peer.says(replica, now, Control::Ack(wire_range(asked)), Flags::NONE);
    replica.handle_timeout(now);
    peer.tells(replica, now, Change::Destroy, &flow(1));
}

#[test]
fn a_cache_that_is_full_again_and_again_asks_more_and_more_seldom() {
    let (mut replica, mut peer) = full();
    peer.tells(&mut replica, at(6), Change::Destroy, &flow(1));
    let mut asked_at = Vec::new();
    let mut from = 1;
    for _ in 0..7 {
        let (second, asked) = asks_from(&mut replica, &mut peer, from);
        asked_at.push(second);
        refilled(&mut replica, &mut peer, second, asked);
        assert_eq!(replica.external().len(), 1, "there is room");
        let sync = replica.status(at(second * 1000 + 2)).sync;
        assert_eq!(
            sync,
            Sync::Diverged(Divergence::ExternalFull { limit: 2 }),
            "and what it was for is not here"
        );
        from = second + 1;
    }
    let pauses: Vec<u64> = asked_at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!((asked_at[0], pauses), (1, std::vec![5, 10, 20, 40, 60, 60]));
}

#[test]
fn room_that_an_operator_has_made_is_filled_at_once() {
    let (mut replica, mut peer) = full();
    peer.tells(&mut replica, at(6), Change::Destroy, &flow(1));
    for from in [1, 2] {
        let (second, asked) = asks_from(&mut replica, &mut peer, from);
        refilled(&mut replica, &mut peer, second, asked);
    }
    replica.handle_settings(at(6500), &settings(Filter::default()));
    assert_eq!(asks_from(&mut replica, &mut peer, 7).0, 7);
}

/// The answer to another question shows that everything fits.
#[test]
fn whoever_was_told_everything_since_is_not_full() {
    let (mut replica, mut peer) = full();
    peer.tells(&mut replica, at(6), Change::Destroy, &flow(1));
    peer.says(&mut replica, at(7), Control::Alive, Flags::HELLO);
    let (second, asked) = asks_from(&mut replica, &mut peer, 1);
    for port in 2..=3 {
        peer.tells(&mut replica, at(second * 1000), Change::Update, &flow(port));
    }
    peer.says(&mut replica, at(second * 1000), Control::Ack(wire_range(asked)), Flags::NONE);
    replica.handle_timeout(at(second * 1000));
    assert_eq!(replica.external().len(), 2);
    let sync = replica.status(at(second * 1000)).sync;
    assert!(!matches!(sync, Sync::Diverged(_)), "{sync:?}");
}
