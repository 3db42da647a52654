//! Bytes to entries. They may come in pieces, from anywhere, and be anything: what is no entry is an error with its
//! place, never a panic.

use core::fmt;

use super::doors::{Entry, Input, Output, Start, TurnEnd};
use super::number::{Bytes, Coded};
use super::recorder::{Thread, digest, kind};
use super::{MAGIC, VERSION};
use crate::flow::{Expectation, Extras, Family, Flow, FlowRef, Parent, Protocol, Tuple};
use crate::replica::Settings;
use crate::time::Instant;

/// No entry is longer, in bytes: the longest holds a datagram, or a configuration.
const LONGEST: u64 = 1 << 17;

/// Why bytes are no recording, or none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// It does not begin as a recording does.
    NoRecording,
    /// It was written by a syncd with other entries.
    Version(u16),
    /// An entry of a kind that does not exist.
    Kind,
    /// An entry ends before it has said everything.
    Short,
    /// An entry goes on after it has said everything, or is longer than any can be.
    Long,
    /// A number is too large for what it counts.
    Number,
    /// A value that does not exist.
    Value,
    /// Entries stand where they cannot.
    Order,
    /// Something before it is not what was written.
    Digest,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRecording => f.write_str("it is no recording of syncd"),
            Self::Version(version) => {
                write!(f, "it is of version {version}, and this program reads version {VERSION}: ")?;
                f.write_str("use the sim of the syncd that wrote it")
            }
            Self::Kind => f.write_str("an entry of a kind that does not exist"),
            Self::Short => f.write_str("an entry ends too early"),
            Self::Long => f.write_str("an entry is too long"),
            Self::Number => f.write_str("a number is too large"),
            Self::Value => f.write_str("a value that does not exist"),
            Self::Order => f.write_str("an entry where none like it can be"),
            Self::Digest => f.write_str("what stands before is not what was written"),
        }
    }
}

impl core::error::Error for Damage {}

/// Where an entry keeps what it refers to.
#[derive(Debug)]
pub struct Scratch {
    flow: Flow,
    extras: Extras,
    expectation: Expectation,
    settings: Option<Settings>,
}

impl Default for Scratch {
    fn default() -> Self {
        let (protocol, tuple) = (Protocol(0), Tuple::default());
        let parent = Parent { original: tuple, family: Family::V4, protocol };
        Self {
            flow: Flow::new(Family::V4, protocol, tuple),
            extras: Extras::EMPTY,
            expectation: Expectation::new(parent, protocol, tuple, tuple),
            settings: None,
        }
    }
}

impl Scratch {
    pub(super) fn flow(&mut self, from: &mut Bytes<'_>) -> Result<&Flow, Damage> {
        self.flow = Flow::take(from)?;
        Ok(&self.flow)
    }

    pub(super) fn whole(&mut self, from: &mut Bytes<'_>) -> Result<FlowRef<'_>, Damage> {
        self.flow = Flow::take(from)?;
        let extras = if bool::take(from)? {
            self.extras = Extras::take(from)?;
            Some(&self.extras)
        } else {
            None
        };
        Ok(FlowRef { flow: &self.flow, extras })
    }

    pub(super) fn expectation(&mut self, from: &mut Bytes<'_>) -> Result<&Expectation, Damage> {
        self.expectation = Expectation::take(from)?;
        Ok(&self.expectation)
    }

    pub(super) fn settings(&mut self, from: &mut Bytes<'_>) -> Result<&Settings, Damage> {
        let settings = Settings::take(from)?;
        Ok(self.settings.insert(settings))
    }
}

/// Reads a recording.
#[derive(Debug, Default)]
pub struct Decoder {
    begun: bool,
    thread: Thread,
}

impl Decoder {
    /// The entry at the beginning of `bytes`, which are what follows the one before, and how many bytes it takes. None
    /// when more bytes are needed.
    ///
    /// # Errors
    /// When there is no entry of a recording.
    pub fn next<'a>(
        &mut self,
        bytes: &'a [u8],
        scratch: &'a mut Scratch,
    ) -> Result<Option<(Entry<'a>, usize)>, Damage> {
        let mut rest = Bytes(bytes);
        if !self.begun {
            let Ok(magic) = rest.array() else {
                return if MAGIC.starts_with(bytes) { Ok(None) } else { Err(Damage::NoRecording) };
            };
            if magic != MAGIC {
                return Err(Damage::NoRecording);
            }
            let Ok(version) = rest.array() else { return Ok(None) };
            let version = u16::from_le_bytes(version);
            if version != VERSION {
                return Err(Damage::Version(version));
            }
        }
        let length = match u64::take(&mut rest) {
            Ok(length) => length,
            Err(Damage::Short) => return Ok(None),
            Err(damage) => return Err(damage),
        };
        if length > LONGEST {
            return Err(Damage::Long);
        }
        let Ok(body) =
            usize::try_from(length).map_err(|_| Damage::Long).and_then(|length| rest.bytes(length))
        else {
            return Ok(None);
        };
        let consumed = bytes.len() - rest.0.len();
        let entry = self.entry(body, scratch)?;
        self.thread.digest = digest(self.thread.digest, body);
        Ok(Some((entry, consumed)))
    }

    fn entry<'a>(&mut self, body: &'a [u8], scratch: &'a mut Scratch) -> Result<Entry<'a>, Damage> {
        let mut from = Bytes(body);
        let kind = u8::take(&mut from)?;
        // The first entry, and no other, is a start.
        if (kind == kind::START) == self.begun {
            return Err(Damage::Order);
        }
        let entry = match kind {
            kind::START => {
                let now = self.take_time(&mut from)?;
                self.begun = true;
                Entry::Start(now, Start::take(&mut from)?)
            }
            kind::INPUT => {
                let now = self.take_time(&mut from)?;
                Entry::Input(now, Input::take(&mut from, scratch)?)
            }
            kind::TURN => Entry::Turn(self.take_time(&mut from)?),
            kind::OUTPUT => Entry::Output(Output::take(&mut from, scratch)?),
            kind::TURN_END => Entry::TurnEnd(self.take_end(&mut from)?),
            kind::END => Entry::End(self.take_time(&mut from)?),
            _ => return Err(Damage::Kind),
        };
        from.end()?;
        Ok(entry)
    }

    fn take_time(&mut self, from: &mut Bytes<'_>) -> Result<Instant, Damage> {
        self.thread.now = self.thread.after(i64::take(from)?);
        Ok(self.thread.now)
    }

    fn take_end(&self, from: &mut Bytes<'_>) -> Result<TurnEnd, Damage> {
        let due: Option<i64> = Coded::take(from)?;
        let due = due.map(|after| self.thread.after(after));
        if u64::from_le_bytes(from.array()?) != self.thread.digest {
            return Err(Damage::Digest);
        }
        Ok(TurnEnd { due })
    }
}

impl Thread {
    const fn after(&self, difference: i64) -> Instant {
        Instant::from_nanos(self.now.as_nanos().wrapping_add(difference.cast_unsigned()))
    }
}
