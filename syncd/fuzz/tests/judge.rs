//! The judge judges: what must not happen is seen, made small, written down and found again; the same seed throws the
//! same bytes.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use syncd_fuzz::allocator;
use syncd_fuzz::campaign::{self, Plan};
use syncd_fuzz::chance::Chance;
use syncd_fuzz::judge::{self, Fault};
use syncd_fuzz::minimise::minimise;
use syncd_fuzz::mutate::mutate;
use syncd_fuzz::seen::Seen;
use syncd_fuzz::shape::{FRAMES, Shape};
use syncd_fuzz::targets::{Limits, Target, named};

const fn target(run: fn(&[u8], &mut Seen)) -> Target {
    let limits = Limits { largest: 1000, peak: 2000, time: Duration::from_millis(200) };
    Target { name: "notification", shape: Shape::Tree(&FRAMES), longest: 1000, limits, seeds: Vec::new, run }
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

#[test]
fn a_panic_is_caught_with_its_place_and_words() {
    let target = target(|bytes, _| assert!(bytes.len() < 3, "{} bytes are too many", bytes.len()));
    assert!(judge::run(&target, b"ab", 1).is_ok());
    let Err(Fault::Panic { place, message }) = judge::run(&target, b"abc", 1) else { panic!("no panic") };
    assert!(place.contains("judge.rs:"), "{place}");
    assert_eq!(message, "3 bytes are too many");
}

#[test]
fn memory_is_counted() {
    let target = target(|bytes, _| {
        let parts: Vec<Vec<u8>> =
            bytes.iter().map(|byte| black_box(vec![0; usize::from(*byte) * 10])).collect();
        drop(parts);
    });
    assert!(judge::run(&target, &[50, 50], 1).is_ok());
    let Err(Fault::Memory(usage)) = judge::run(&target, &[101], 1) else { panic!("1010 bytes in one go") };
    assert_eq!(usage.largest, 1010);
    let Err(Fault::Memory(usage)) = judge::run(&target, &[99, 99, 99], 1) else {
        panic!("2970 bytes at a time")
    };
    assert_eq!((usage.largest, usage.count), (990, 4));
    assert!(usage.peak >= 2970, "{usage:?}");
}

#[test]
fn what_is_given_back_does_not_count() {
    let (_, usage) = allocator::measure(|| {
        for _ in 0..10 {
            drop(black_box(vec![0_u8; 100]));
        }
        let mut grows = Vec::new();
        for byte in 0..100_u8 {
            grows.push(byte);
        }
        grows
    });
    assert_eq!((usage.largest, usage.peak), (128, 128));
}

#[test]
fn time_is_counted() {
    let target = target(|bytes, seen| {
        let rounds = if bytes.is_empty() { 10 } else { u64::MAX };
        let mut chance = Chance::new(0, "time");
        for _ in 0..rounds {
            seen.note(chance.next());
            if rounds > 10 && chance.one_in(100_000_000) {
                break;
            }
        }
    });
    assert!(judge::run(&target, b"", 1).is_ok());
    assert!(matches!(judge::run(&target, b"x", 1), Err(Fault::Slow(_))));
}

#[test]
fn a_finding_is_made_as_small_as_it_can_be() {
    let target = target(|bytes, _| assert!(!(contains(bytes, b"ab") && contains(bytes, b"yz"))));
    let bytes = [&[1; 300][..], b"ab", &[2; 300], b"yz", &[3; 300]].concat();
    let fault = judge::run(&target, &bytes, 1).expect_err("it fails");
    assert_eq!(minimise(&target, &bytes, &fault, 1), b"abyz");
}

#[test]
fn a_campaign_finds_what_is_there_and_writes_it_down() {
    static TARGET: Target = target(|bytes, seen| {
        seen.note(bytes.contains(&0xfe));
        assert!(!contains(bytes, &[0xfe, 0xff]));
    });
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("judge");
    let plan = Plan { seed: 3, time: Duration::from_secs(60), slack: 1, directory: &directory };
    let finding = campaign::lead(&TARGET, plan).unwrap().finding.expect("two bytes are soon found");
    assert_eq!(fs::read(&finding.file).unwrap(), [0xfe, 0xff]);
    assert!(judge::run(&TARGET, &[0xfe, 0xff], 1).is_err_and(|fault| fault.is_like(&finding.fault)));
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "and leaves nothing else");
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn the_same_seed_throws_the_same_bytes() {
    static TARGET: Target = target(|bytes, seen| {
        let sum: usize = bytes.iter().map(|byte| usize::from(*byte)).sum();
        seen.note(sum % 64);
        assert!(bytes.len() < 100 || sum % 500 != 499);
    });
    let of_seed = |seed, directory| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(directory);
        let plan = Plan { seed, time: Duration::from_secs(60), slack: 1, directory: &directory };
        let report = campaign::lead(&TARGET, plan).unwrap();
        let input = fs::read(report.finding.expect("one in 500 is soon found").file).unwrap();
        fs::remove_dir_all(&directory).unwrap();
        (report.runs, report.pool, input)
    };
    let first = of_seed(7, "seed-7");
    assert_eq!(first, of_seed(7, "seed-7-again"));
    assert_ne!(first, of_seed(8, "seed-8"));
}

#[test]
fn mutations_are_no_longer_than_they_may_and_leave_no_kind_of_bytes_out() {
    for name in ["datagram", "ctnetlink", "life", "recording", "control", "configuration", "notification"] {
        let target = named(name).expect("a target");
        let mut chance = Chance::new(1, name);
        let base = b"\x11\x00\x00\x18\x00\x00\x00\x01\x00\x08\x00\x05\x00\x00\x01\x8e\x00\x05\x00\x02\x06\x00\x00\x00";
        let mutants: Vec<_> =
            (0..2000).map(|_| mutate(base, b"donor", target.shape, 300, &mut chance)).collect();
        assert!(mutants.iter().all(|mutant| mutant.len() <= 300));
        assert!(mutants.iter().any(|mutant| mutant.len() == 300), "{name}");
        let changed = mutants.iter().filter(|mutant| mutant.as_slice() != base).count();
        assert!(changed > 1500, "{name}: {changed} of 2000");
    }
}
