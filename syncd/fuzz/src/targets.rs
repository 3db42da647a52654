//! The targets: one per decoder, a few lines each, with what their bytes look like and what a run may cost.
//!
//! A target does with its bytes what the daemon would do, as far as no system is needed, and asserts what must hold for
//! any bytes. It says what it saw. Never draws a random number: the same bytes make the same run.

mod ctnetlink;
mod datagram;
mod life;
mod recording;
mod text;

use std::time::Duration;

use crate::allocator;
use crate::seen::Seen;
use crate::shape::{FRAMES, HTTP, JSON, NETLINK, NOTICES, STEPS, Shape, YAML};

/// Something that reads bytes of strangers.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// What its bytes look like.
    pub shape: Shape,
    /// Longer inputs do not exist, in bytes.
    pub longest: usize,
    /// What a run may cost, whatever the bytes.
    pub limits: Limits,
    /// Inputs besides those of the corpus.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// The run.
    pub run: fn(&[u8], &mut Seen),
}

/// What a run may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most memory in one go, in bytes.
    pub largest: usize,
    /// The most memory at a time, in bytes.
    pub peak: usize,
    /// The most processor time, with an optimised program.
    pub time: Duration,
}

const MIB: usize = 1 << 20;

/// All of them.
pub const TARGETS: [Target; 9] = [
    Target {
        name: "datagram",
        shape: Shape::Tree(&FRAMES),
        // The largest UDP payload.
        longest: 65_507,
        limits: Limits { largest: MIB, peak: 4 * MIB, time: Duration::from_millis(50) },
        seeds: Vec::new,
        run: datagram::run,
    },
    Target {
        name: "ctnetlink",
        shape: Shape::Tree(&NETLINK),
        longest: syncd_conntrack::EventSocket::LONGEST,
        limits: Limits { largest: MIB, peak: 4 * MIB, time: Duration::from_millis(50) },
        seeds: ctnetlink::seeds,
        run: ctnetlink::run,
    },
    Target {
        name: "life",
        shape: Shape::Tree(&STEPS),
        longest: 65_000,
        limits: Limits { largest: 2 * MIB, peak: 8 * MIB, time: Duration::from_millis(200) },
        seeds: Vec::new,
        run: life::run,
    },
    Target {
        name: "recording",
        shape: Shape::Bytes,
        longest: 65_000,
        limits: Limits { largest: 2 * MIB, peak: 8 * MIB, time: Duration::from_millis(200) },
        seeds: recording::seeds,
        run: recording::run,
    },
    Target {
        name: "control",
        shape: Shape::Text(&JSON),
        longest: syncd::strangers::LONGEST_REQUEST,
        limits: Limits { largest: MIB, peak: 2 * MIB, time: Duration::from_millis(50) },
        seeds: Vec::new,
        run: text::control,
    },
    Target {
        name: "configuration",
        shape: Shape::Text(&YAML),
        // More than is taken.
        longest: 65 * 1024,
        limits: Limits { largest: 16 * MIB, peak: 32 * MIB, time: Duration::from_secs(1) },
        seeds: Vec::new,
        run: text::configuration,
    },
    Target {
        name: "capture",
        shape: Shape::Bytes,
        longest: 64 * 1024,
        limits: Limits { largest: 16 * MIB, peak: 24 * MIB, time: Duration::from_millis(500) },
        seeds: Vec::new,
        run: text::capture,
    },
    Target {
        name: "notification",
        shape: Shape::Text(&NOTICES),
        longest: 64 * 1024,
        limits: Limits { largest: MIB, peak: MIB, time: Duration::from_millis(50) },
        seeds: Vec::new,
        run: text::notification,
    },
    Target {
        name: "scrape",
        shape: Shape::Text(&HTTP),
        // More than is taken.
        longest: 10 * 1024,
        limits: Limits { largest: MIB, peak: MIB, time: Duration::from_millis(50) },
        seeds: Vec::new,
        run: text::scrape,
    },
];

/// The target of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Does `work`, which must not ask for memory at all.
fn without_memory<T>(work: impl FnOnce() -> T) -> T {
    let before = allocator::count();
    let done = work();
    assert_eq!(allocator::count(), before, "it asked for memory");
    done
}
