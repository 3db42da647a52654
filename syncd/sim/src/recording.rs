//! `sim replay FILE`: what a daemon recorded happens once more, to a replica at a desk.
//!
//! Reads a stream of any length, prints one line per entry when asked to, and says where the first difference is. Knows no
//! file. The form of a recording and the replay itself are the core's. Driven by `main`; tested in `tests/replay.rs`.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read};

use syncd_core::recording::{
    Damage, Decoder, Difference, Entry, Input, Output, Played, Replay, Scratch, Stop,
};
use syncd_core::replica::{KernelReply, KernelRequest};
use syncd_core::time::Instant;

/// So many bytes are read at once.
const PIECE: usize = 1 << 16;

/// How a replay ended.
#[derive(Debug)]
pub enum Outcome {
    /// The replica did what it did then.
    Same {
        /// How much that was.
        played: Played,
        /// Bytes at the end that are no whole entry: the daemon was killed while it wrote.
        cut_off: usize,
    },
    /// It did something else.
    Different {
        /// The first of it.
        difference: Difference,
        /// Seconds after the beginning.
        seconds: f64,
    },
    /// Something is no recording, or no more.
    Damaged {
        /// What.
        damage: Damage,
        /// After so many good bytes.
        offset: u64,
    },
}

impl Outcome {
    /// Whether nothing differs.
    #[must_use]
    pub const fn is_same(&self) -> bool {
        matches!(self, Self::Same { .. })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same { played, cut_off } => {
                let Played { inputs, turns, outputs, ended } = played;
                write!(f, "the same: {inputs} inputs, {turns} turns, {outputs} outputs; ")?;
                match (ended, cut_off) {
                    (true, 0) => f.write_str("ended on purpose"),
                    (true, bytes) => {
                        write!(f, "ended on purpose, {bytes} bytes behind the end are not looked at")
                    }
                    (false, 0) => f.write_str("it has no end: its daemon was killed or has panicked"),
                    (false, bytes) => {
                        write!(
                            f,
                            "it has no end: its daemon was killed, {bytes} bytes of an entry are left over"
                        )
                    }
                }
            }
            Self::Different { difference, seconds } => write!(f, "DIFFERENT at {seconds:.6} s: {difference}"),
            Self::Damaged { damage, offset } => write!(f, "DAMAGED after {offset} good bytes: {damage}"),
        }
    }
}

/// Replays `source`. Every entry is told to `tell` before it is taken, as a line.
///
/// # Errors
/// When `source` cannot be read.
pub fn replay(source: &mut impl Read, mut tell: impl FnMut(&dyn fmt::Display)) -> io::Result<Outcome> {
    let (mut decoder, mut scratch, mut replay) = (Decoder::default(), Scratch::default(), Replay::new());
    let (mut buffer, mut done, mut offset) = (Vec::new(), 0, 0);
    let mut clock = Clock::default();
    loop {
        let (entry, consumed) = match decoder.next(&buffer[done..], &mut scratch) {
            Err(damage) => return Ok(Outcome::Damaged { damage, offset }),
            Ok(Some(found)) => found,
            Ok(None) => {
                buffer.drain(..done);
                done = 0;
                if source.by_ref().take(PIECE as u64).read_to_end(&mut buffer)? > 0 {
                    continue;
                }
                if replay.replica().is_none() {
                    return Ok(Outcome::Damaged { damage: Damage::NoRecording, offset });
                }
                PLAYED.set(Some(replay.played()));
                let outcome = replay.finish();
                PLAYED.set(None);
                let cut_off = buffer.len();
                return Ok(outcome.map_or_else(
                    |stop| clock.stopped(stop, offset),
                    |played| Outcome::Same { played, cut_off },
                ));
            }
        };
        let seconds = clock.see(&entry);
        tell(&Line { seconds, entry: &entry });
        PLAYED.set(Some(replay.played()));
        let taken = replay.take(&entry);
        PLAYED.set(None);
        if let Err(stop) = taken {
            return Ok(clock.stopped(stop, offset));
        }
        done += consumed;
        offset += consumed as u64;
    }
}

thread_local! {
    static PLAYED: Cell<Option<Played>> = const { Cell::new(None) };
}

/// What this thread had replayed when it panicked: for the message.
#[must_use]
pub fn running() -> Option<Played> {
    PLAYED.get()
}

/// Times as seconds after the beginning.
#[derive(Debug, Default)]
struct Clock {
    begin: Instant,
    now: Instant,
}

impl Clock {
    fn see(&mut self, entry: &Entry<'_>) -> f64 {
        match entry {
            Entry::Start(now, _) => (self.begin, self.now) = (*now, *now),
            Entry::Input(now, _) | Entry::Turn(now) | Entry::End(now) => self.now = *now,
            Entry::Output(_) | Entry::TurnEnd(_) => {}
        }
        self.seconds(self.now)
    }

    fn seconds(&self, now: Instant) -> f64 {
        now.since(self.begin).as_secs_f64()
    }

    fn stopped(&self, stop: Stop, offset: u64) -> Outcome {
        match stop {
            Stop::Different(difference) => {
                let seconds = self.seconds(difference.at);
                Outcome::Different { difference, seconds }
            }
            Stop::Damaged(damage) => Outcome::Damaged { damage, offset },
        }
    }
}

/// An entry in a line.
struct Line<'a> {
    seconds: f64,
    entry: &'a Entry<'a>,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>13.6} ", self.seconds)?;
        match self.entry {
            Entry::Start(_, start) => write!(
                f,
                "start     by {} at {} s since 1970, datagrams of at most {} bytes, {:?}",
                start.program, start.unix_seconds, start.datagram_limit, start.config
            ),
            Entry::Input(_, input) => write_input(f, input),
            Entry::Turn(_) => f.write_str("turn"),
            Entry::Output(output) => write_output(f, output),
            Entry::TurnEnd(end) => write!(f, "          {end:?}"),
            Entry::End(_) => f.write_str("end"),
        }
    }
}

fn write_input(f: &mut fmt::Formatter<'_>, input: &Input<'_>) -> fmt::Result {
    match input {
        Input::Flow(origin, change, flow) => write!(f, "flow      {change:?} {origin:?} {flow}"),
        Input::Expectation(origin, change, expectation) => {
            write!(f, "expect    {change:?} {origin:?} {expectation}")
        }
        Input::Overrun => f.write_str("overrun"),
        Input::Datagram(from, bytes) => write!(f, "datagram  link {}, {} bytes", from.0, bytes.len()),
        Input::Channel(channel, up) => {
            write!(f, "channel   link {} {}", channel.0, if *up { "up" } else { "down" })
        }
        Input::Kernel(KernelReply::Dumped(token, flow)) => write!(f, "kernel    {token:?} dumped {flow}"),
        Input::Kernel(KernelReply::Found(token, flow)) => write!(f, "kernel    {token:?} found {flow}"),
        Input::Kernel(reply) => write!(f, "kernel    {reply:?}"),
        Input::Command(id, command) => write!(f, "command   {} {command:?}", id.0),
        Input::Settings(settings) => write!(f, "settings  {settings:?}"),
    }
}

fn write_output(f: &mut fmt::Formatter<'_>, output: &Output<'_>) -> fmt::Result {
    f.write_str("          ")?;
    match output {
        Output::Sent(channel, sent) => {
            let [.., a, b, c, d] = sent.first;
            let number = u32::from_be_bytes([a, b, c, d]);
            write!(f, "sent      link {}, {} bytes from number {number} on", channel.0, sent.length)
        }
        Output::Request(KernelRequest::Create { token, flow, timeout }) => {
            write!(f, "create    {token:?} for {timeout} s: {flow}")
        }
        Output::Request(KernelRequest::Update { token, flow, timeout, .. }) => {
            write!(f, "update    {token:?} for {timeout} s: {flow}")
        }
        Output::Request(KernelRequest::Shorten { token, flow, timeout }) => {
            write!(f, "shorten   {token:?} {flow} for {timeout} s")
        }
        Output::Request(KernelRequest::Relax { token, flow }) => write!(f, "relax     {token:?} {flow}"),
        Output::Request(KernelRequest::Delete { token, flow }) => write!(f, "delete    {token:?} {flow}"),
        Output::Request(KernelRequest::Find { token, flow, by }) => {
            write!(f, "find      {token:?} by {by:?}: {flow}")
        }
        Output::Request(request) => write!(f, "request   {request:?}"),
        Output::NoMoreRequests => f.write_str("no room for one more request"),
        Output::NoMoreDatagrams => f.write_str("no room for one more datagram"),
        Output::Reply(id, reply) => write!(f, "reply     {} {reply:?}", id.0),
        Output::Notice(notice) => write!(f, "notice    {notice:?}"),
    }
}
