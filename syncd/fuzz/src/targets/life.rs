//! The life of a router: datagrams, events, time, roles, links and moods of its kernel, in any order; and its recording.
//!
//! A step is a kind, a length of two bytes, and as many bytes: see [`step`]. What was recorded happens again, whatever it
//! was.

use syncd_core::filter::{Filter, Helpers};
use syncd_core::flow::Protocol;
use syncd_core::recording::{self, Input};
use syncd_core::replica::{ChannelId, Command, RequestId, Role, Settings, Step};
use syncd_core::time::Duration;
use syncd_core::wire::payload_limit;

use super::ctnetlink;
use crate::router::Router;
use crate::seen::Seen;

/// More steps than a life needs; each may take as long as a datagram.
const STEPS: usize = 200;

pub(super) fn run(bytes: &[u8], seen: &mut Seen) {
    let recording = live(bytes, seen);
    if let Err(stop) = recording::replay(&recording, |_| {}) {
        panic!("the recording does not happen again: {stop:?}");
    }
}

/// Lives, and says what was recorded.
pub(super) fn live(bytes: &[u8], seen: &mut Seen) -> Vec<u8> {
    let mut router = Router::recorded();
    let mut rest = bytes;
    for _ in 0..STEPS {
        let Some((&[kind, high, low], after)) = rest.split_first_chunk() else { break };
        let length = usize::from(u16::from_be_bytes([high, low])).min(after.len() + 3).max(3) - 3;
        let (content, after) = after.split_at(length);
        step(kind, content, &mut router, seen);
        rest = after;
    }
    router.wait(Duration::from_secs(1), seen);
    syncd::strangers::pages(router.replica());
    seen.much(usize::try_from(router.replica().external().len()).unwrap_or(0));
    seen.note((router.replica().role(), router.replica().internal().is_empty()));
    router.into_recording().expect("it was recorded")
}

/// Every command has numbers.
fn command(number: u8) -> Command {
    match number % 10 {
        0 => Command::Role(Role::Primary),
        1 => Command::Role(Role::Backup),
        2 => Command::Role(Role::Fault),
        3 => Command::Role(Role::Unknown),
        4 => Command::PeerYielded,
        5 => Command::Step(Step::Commit),
        6 => Command::Step(Step::ReloadInternal),
        7 => Command::Step(Step::Bulk),
        8 => Command::Step(Step::AskPeer),
        _ => Command::Step(Step::ResetExternal),
    }
}

/// One step. The number of a command is its first byte, so that many may wait.
fn step(kind: u8, content: &[u8], router: &mut Router, seen: &mut Seen) {
    let first = content.first().copied().unwrap_or(0);
    match kind & 7 {
        0 => router.feed(Input::Datagram(ChannelId(kind >> 3 & 3), content)),
        1 => ctnetlink::feed(content, router),
        2 => {
            let millis = content.iter().take(2).fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            router.wait(Duration::from_millis(millis), seen);
        }
        3 => {
            router.feed(Input::Command(RequestId(u64::from(first)), command(first)));
        }
        4 => router.feed(Input::Channel(ChannelId(first >> 1 & 3), first & 1 == 0)),
        // What an operator changes, and what the kernel drops.
        5 if first & 1 == 1 => router.feed(Input::Settings(&settings(first))),
        5 => router.feed(Input::Overrun),
        6 => router.set_mood(first),
        _ => router.settle(seen),
    }
}

/// Settings of every kind, by the bits of `choice`.
fn settings(choice: u8) -> Settings {
    let accepted = if choice & 2 == 0 { vec![] } else { vec![Protocol::TCP] };
    let helpers = if choice & 4 == 0 { Helpers::All } else { Helpers::None };
    let limit = if choice & 8 == 0 { 64 } else { 3 };
    Settings {
        filter: Filter::new(accepted, vec![]).with_helpers(helpers),
        internal_limit: limit,
        external_limit: limit,
        datagram_limit: u16::try_from(payload_limit(1500)).expect("below 1500"),
        channels: 1 + (choice >> 4 & 3),
        commit_timeout: (choice & 64 != 0).then_some(60),
        silence: Duration::from_secs(2 + u64::from(choice >> 7)),
        purge: (choice & 96 == 96).then_some(Duration::from_secs(1)),
        preload: choice & 1 != 0,
        lent_shows: choice & 8 == 0,
    }
}
