//! A recording goes into a replica once more, and what the replica does is compared with what it did.
//!
//! Outputs are compared as they are written, so whatever is recorded is compared. Ends at the first difference: after it
//! everything may differ.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::decoder::{Damage, Decoder, Scratch};
use super::doors::{Entry, Input, Output, Start, TurnEnd};
use super::number::Bytes;
use crate::replica::{ChannelId, KernelRequest, Notice, Outside, Replica, Reply, RequestId};
use crate::time::Instant;
use crate::wire::Datagram;

/// No turn brings about more, in bytes as they are written.
const LONGEST_TURN: usize = 1 << 22;

/// Why a replay ends before its recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The replica did something else.
    Different(Difference),
    /// The recording is damaged.
    Damaged(Damage),
}

impl From<Damage> for Stop {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

/// The first difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// When, by the recording's clock.
    pub at: Instant,
    /// In which turn, counted from 1.
    pub turn: u64,
    /// What was recorded.
    pub recorded: String,
    /// What was done now.
    pub replayed: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { turn, recorded, replayed, .. } = self;
        write!(f, "turn {turn} differs\n  recorded: {recorded}\n  replayed: {replayed}")
    }
}

/// What was replayed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Inputs, turns not included.
    pub inputs: u64,
    /// Turns.
    pub turns: u64,
    /// Outputs, all of them the same.
    pub outputs: u64,
    /// Whether the recording was ended on purpose; otherwise it ends where its daemon did.
    pub ended: bool,
}

/// Replays as much of a recording as there is in `bytes`; `each` hears of every entry before it is taken.
///
/// # Errors
/// See [`Replay::take`] and [`Decoder::next`].
pub fn replay(mut bytes: &[u8], mut each: impl FnMut(&Entry<'_>)) -> Result<Played, Stop> {
    let (mut decoder, mut scratch, mut replay) = (Decoder::default(), Scratch::default(), Replay::new());
    while let Some((entry, consumed)) = decoder.next(bytes, &mut scratch)? {
        each(&entry);
        replay.take(&entry)?;
        bytes = &bytes[consumed..];
    }
    replay.finish()
}

/// A replica that lives through a recording.
#[derive(Debug, Default)]
pub struct Replay {
    running: Option<Running>,
    played: Played,
}

#[derive(Debug)]
struct Running {
    replica: Replica,
    room: Room,
    /// What the turn that is being read brought about then, and now.
    recorded: Outputs,
    done: Outputs,
    /// The turn whose outputs are being read.
    turn: Option<Instant>,
}

impl Replay {
    /// A replay that waits for the start of its recording.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was replayed so far.
    #[must_use]
    pub const fn played(&self) -> Played {
        self.played
    }

    /// The replica as it is now.
    #[must_use]
    pub fn replica(&self) -> Option<&Replica> {
        self.running.as_ref().map(|running| &running.replica)
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// A difference, or an entry that cannot stand there. After it the replay is of no use any more.
    pub fn take(&mut self, entry: &Entry<'_>) -> Result<(), Stop> {
        let running = match (self.running.as_mut(), entry) {
            (None, Entry::Start(now, start)) => {
                self.running = Some(Running::new(*now, start));
                return Ok(());
            }
            (Some(running), _) if !self.played.ended => running,
            _ => return Err(Damage::Order.into()),
        };
        match (entry, running.turn) {
            (Entry::Input(now, input), None) => {
                self.played.inputs += 1;
                if let Input::Settings(settings) = input {
                    running.room = Room::new(usize::from(settings.datagram_limit));
                }
                input.apply(&mut running.replica, *now);
            }
            (Entry::Turn(now), None) => {
                self.played.turns += 1;
                running.turn = Some(*now);
            }
            (Entry::Output(output), Some(_)) => running.expect(output)?,
            (Entry::TurnEnd(end), Some(now)) => {
                self.played.outputs += running.turn(now, self.played.turns, Some(end))?;
            }
            (Entry::End(_), None) => self.played.ended = true,
            _ => return Err(Damage::Order.into()),
        }
        Ok(())
    }

    /// There are no more entries. A turn that was not written to its end is taken as far as it was.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn finish(mut self) -> Result<Played, Stop> {
        if let Some(running) = &mut self.running
            && let Some(now) = running.turn
        {
            self.played.outputs += running.turn(now, self.played.turns, None)?;
        }
        Ok(self.played)
    }
}

impl Running {
    fn new(now: Instant, start: &Start<'_>) -> Self {
        Self {
            replica: Replica::new(start.config.clone(), start.entropy, now),
            room: Room::new(usize::from(start.datagram_limit)),
            recorded: Outputs::default(),
            done: Outputs::default(),
            turn: None,
        }
    }

    fn expect(&mut self, output: &Output<'_>) -> Result<(), Damage> {
        if self.recorded.bytes.len() > LONGEST_TURN {
            return Err(Damage::Long);
        }
        self.recorded.push(output);
        Ok(())
    }

    /// Takes the turn whose outputs were read, and compares. How many there were.
    fn turn(&mut self, now: Instant, number: u64, end: Option<&TurnEnd>) -> Result<u64, Difference> {
        let Self { replica, room, recorded, done, turn } = self;
        *turn = None;
        let different = |recorded, replayed| Difference { at: now, turn: number, recorded, replayed };
        room.be_as_it_was(recorded);
        done.clear();
        super::turn(replica, now, room, |entry| {
            if let Entry::Output(output) = entry {
                done.push(output);
            }
        });
        let outputs = recorded.len();
        for index in 0..outputs.max(done.len()) {
            let (recorded, done) = (recorded.get(index), done.get(index));
            // What follows the last output of a turn that was cut off was not written.
            let unwritten = end.is_none() && recorded.is_none();
            if recorded != done && !unwritten {
                return Err(different(describe(recorded), describe(done)));
            }
        }
        let due = replica.poll_timeout();
        if let Some(end) = end
            && end.due != due
        {
            let wakes = |due: Option<Instant>| match due {
                Some(due) => format!("wants to be woken at {} ns", due.as_nanos()),
                None => String::from("wants not to be woken"),
            };
            return Err(different(wakes(end.due), wakes(due)));
        }
        let carried_out = (0..outputs).filter(|index| !is_about_room(recorded.get(*index))).count();
        recorded.clear();
        Ok(carried_out as u64)
    }
}

impl From<Difference> for Stop {
    fn from(difference: Difference) -> Self {
        Self::Different(difference)
    }
}

fn is_about_room(output: Option<&[u8]>) -> bool {
    let kind = output.and_then(<[u8]>::first);
    matches!(kind, Some(&(Output::NO_MORE_REQUESTS | Output::NO_MORE_DATAGRAMS)))
}

/// An output in words.
fn describe(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return String::from("nothing") };
    match Output::take(&mut Bytes(bytes), &mut Scratch::default()) {
        Ok(Output::Request(request)) => format!("request {request:?}"),
        Ok(output) => format!("{output:?}"),
        Err(damage) => format!("{damage}"),
    }
}

/// Outputs as they are written, one after the other.
#[derive(Debug, Default)]
struct Outputs {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Outputs {
    fn push(&mut self, output: &Output<'_>) {
        output.put(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    const fn len(&self) -> usize {
        self.ends.len()
    }

    fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.bytes[start..end])
    }
}

/// What surrounds the replica once more: room exactly for what there was room for then.
#[derive(Debug)]
struct Room {
    datagram: Datagram,
    /// So many more requests and datagrams have room; none where there was always room.
    requests: Option<usize>,
    datagrams: Option<usize>,
}

impl Room {
    fn new(limit: usize) -> Self {
        Self { datagram: Datagram::with_limit(limit), requests: None, datagrams: None }
    }

    fn be_as_it_was(&mut self, recorded: &Outputs) {
        let count = |kind: u8| {
            let outputs = (0..recorded.len()).filter_map(|index| recorded.get(index));
            outputs.filter(|bytes| bytes.first() == Some(&kind)).count()
        };
        let limit = |full, of| (count(full) > 0).then(|| count(of));
        self.requests = limit(Output::NO_MORE_REQUESTS, Output::REQUEST);
        self.datagrams = limit(Output::NO_MORE_DATAGRAMS, Output::SENT);
    }
}

impl Outside for Room {
    fn datagram(&mut self) -> Option<&mut Datagram> {
        (self.datagrams != Some(0)).then_some(&mut self.datagram)
    }

    fn transmit(&mut self, _channel: ChannelId) {
        self.datagrams = self.datagrams.map(|left| left - 1);
    }

    fn can_request(&self) -> bool {
        self.requests != Some(0)
    }

    fn request(&mut self, _request: KernelRequest<'_>) {
        self.requests = self.requests.map(|left| left - 1);
    }

    fn reply(&mut self, _id: RequestId, _reply: Reply) {}

    fn notice(&mut self, _notice: Notice) {}
}
