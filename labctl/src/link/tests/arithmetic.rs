//! Weather and chance are functions of their seed.

use std::time::{Duration, Instant};

use crate::link::chance::Chance;
use crate::link::line::Line;
use crate::link::weather::{Cut, Direction, Fate, Sky, Weather};

const FRAMES: usize = 20_000;

fn fates(direction: Direction, weather: Weather) -> Vec<Fate> {
    let mut sky = Sky::new(direction, weather);
    (0..FRAMES).map(|frame| sky.decide(60 + frame % 1_400)).collect()
}

fn rough() -> Weather {
    Weather {
        loss: 0.2,
        duplicate: 0.1,
        reorder: 0.1,
        corrupt: 0.05,
        delay_ms: 3,
        jitter_ms: 2,
        seed: 7,
        ..Weather::default()
    }
}

#[test]
fn chance_is_splitmix64() {
    // The first numbers of the reference implementation for seed 1234567.
    let mut chance = Chance::new(1_234_567);
    assert_eq!(chance.bits(), 6_457_827_717_110_365_317);
    assert_eq!(chance.bits(), 3_203_168_211_198_807_973);
    assert_eq!(chance.bits(), 9_817_491_932_198_370_423);
}

#[test]
fn same_seed_and_frames_same_fates() {
    assert_eq!(fates(Direction::AToB, rough()), fates(Direction::AToB, rough()));
    assert_ne!(fates(Direction::AToB, rough()), fates(Direction::BToA, rough()));
    assert_ne!(fates(Direction::AToB, rough()), fates(Direction::AToB, Weather { seed: 8, ..rough() }));
}

#[test]
fn the_default_weather_does_nothing() {
    let untouched = Fate::Carried { delay: Duration::ZERO, held: false, again: None, damage: None };
    assert!(fates(Direction::AToB, Weather::default()).iter().all(|fate| *fate == untouched));
}

#[test]
fn shares_are_kept() {
    let fates = fates(Direction::AToB, rough());
    let near = |count: usize, share: f64, of: usize| {
        let (count, expected) = (count as f64, share * of as f64);
        assert!((count - expected).abs() < 5.0 * expected.sqrt(), "{count} instead of about {expected}");
    };
    let lost = fates.iter().filter(|fate| **fate == Fate::Lost).count();
    let carried = FRAMES - lost;
    near(lost, 0.2, FRAMES);
    near(
        fates.iter().filter(|fate| matches!(fate, Fate::Carried { again: Some(_), .. })).count(),
        0.1,
        carried,
    );
    near(fates.iter().filter(|fate| matches!(fate, Fate::Carried { held: true, .. })).count(), 0.1, carried);
    near(
        fates.iter().filter(|fate| matches!(fate, Fate::Carried { damage: Some(_), .. })).count(),
        0.05,
        carried,
    );
}

#[test]
fn delays_and_damage_stay_in_their_bounds() {
    for (frame, fate) in fates(Direction::AToB, rough()).into_iter().enumerate() {
        let Fate::Carried { delay, held, again, damage } = fate else { continue };
        let hold = if held { Duration::from_millis(10) } else { Duration::ZERO };
        assert!(delay >= Duration::from_millis(3) && delay < Duration::from_millis(5) + hold);
        assert!(
            again.is_none_or(|again| again >= Duration::from_millis(3) && again < Duration::from_millis(5))
        );
        assert!(
            damage
                .is_none_or(|(position, change)| (14..60 + frame % 1_400).contains(&position) && change != 0)
        );
    }
}

#[test]
fn a_frame_without_payload_is_not_damaged() {
    let mut sky = Sky::new(Direction::AToB, Weather { corrupt: 1.0, ..Weather::default() });
    assert!(matches!(sky.decide(14), Fate::Carried { damage: None, .. }));
    assert!(matches!(sky.decide(0), Fate::Carried { damage: None, .. }));
}

#[test]
fn a_changed_share_leaves_other_fates_alone() {
    let lossless = fates(Direction::AToB, Weather { loss: 0.0, ..rough() });
    let lossy = fates(Direction::AToB, rough());
    assert!(lossy.iter().zip(&lossless).all(|(with, without)| *with == Fate::Lost || with == without));
}

#[test]
fn a_cut_silences_its_directions_only() {
    for (cut, a_to_b, b_to_a) in [
        (Cut::None, false, false),
        (Cut::Both, true, true),
        (Cut::AToB, true, false),
        (Cut::BToA, false, true),
    ] {
        for (direction, silent) in [(Direction::AToB, a_to_b), (Direction::BToA, b_to_a)] {
            let mut sky = Sky::new(direction, Weather { cut, ..Weather::default() });
            assert_eq!(sky.decide(60) == Fate::Cut, silent);
        }
    }
}

#[test]
fn draws_start_anew_only_with_a_new_seed() {
    let mut sky = Sky::new(Direction::AToB, rough());
    let first: Vec<_> = (0..100).map(|_| sky.decide(100)).collect();
    sky.change(rough());
    let second: Vec<_> = (0..100).map(|_| sky.decide(100)).collect();
    assert_ne!(first, second);
    sky.change(Weather { seed: 1, ..rough() });
    sky.change(rough());
    assert_eq!(first, (0..100).map(|_| sky.decide(100)).collect::<Vec<_>>());
}

#[test]
fn a_line_takes_its_time_for_each_frame_and_drops_what_its_queue_cannot_hold() {
    let (now, rate, queue) = (Instant::now(), 8_000_000, 2_500);
    let mut line = Line::default();
    let leaves = |milliseconds| Some(Duration::from_millis(milliseconds));
    // A thousand bytes are a millisecond; two and a half may wait behind the one that leaves.
    assert_eq!(line.take(now, 1_000, rate, queue), leaves(1));
    assert_eq!(line.take(now, 1_000, rate, queue), leaves(2));
    assert_eq!(line.take(now, 1_000, rate, queue), leaves(3));
    assert_eq!(line.take(now, 1_000, rate, queue), None);
    let later = now + Duration::from_millis(2);
    assert_eq!(line.take(later, 1_000, rate, queue), leaves(2));
    let much_later = now + Duration::from_secs(1);
    assert_eq!(line.take(much_later, 1_000, rate, queue), leaves(1), "what was not used is not saved");
}

#[test]
fn a_line_without_a_limit_takes_no_time() {
    assert_eq!(Line::default().take(Instant::now(), 1_000_000, 0, 0), Some(Duration::ZERO));
}
