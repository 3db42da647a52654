//! The frame header, and a frame whose header has been checked.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------+-------+---------------+-------------------------------+
//! |version| type  |     flags     | length of the whole frame     |
//! +-------+-------+---------------+-------------------------------+
//! |                        sequence number                        |
//! +---------------------------------------------------------------+
//! | attributes of a flow, or the two ends of an ACK, NACK, RESYNC |
//! ```
//!
//! Everything is big endian. Driven by [`super::datagram::frames`]; never looks beyond its own frame. Tested in
//! `tests/header.rs` and by the captured frames.

use core::fmt;

use super::attr::pair;
use super::seq::{Seq, SeqRange};
use crate::flow::Change;

/// The only version there is; it stands in the high half of the first byte.
pub(super) const VERSION: u8 = 1;

/// Bytes before the body.
pub(super) const HEADER_SIZE: usize = 8;

/// What a frame is about: the low half of its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MessageType {
    /// A flow was born (conntrackd's `CT_NEW`). Often missing: what follows quickly takes its place.
    New = 0,
    /// A flow changed, or its birth was not told (`CT_UPD`).
    Update = 1,
    /// A flow ended (`CT_DEL`); repeats all that was known of it.
    Destroy = 2,
    /// An expectation was made (`EXP_NEW`).
    ExpectNew = 3,
    /// An expectation changed (`EXP_UPD`).
    ExpectUpdate = 4,
    /// An expectation ended (`EXP_DEL`).
    ExpectDestroy = 5,
    /// About the conversation itself (`CTL`); [`Control`] says what.
    Control = 10,
}

impl MessageType {
    /// The type of this number, unless nobody ever gave it a meaning.
    const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::New,
            1 => Self::Update,
            2 => Self::Destroy,
            3 => Self::ExpectNew,
            4 => Self::ExpectUpdate,
            5 => Self::ExpectDestroy,
            10 => Self::Control,
            _ => return None,
        })
    }

    /// What happened to a flow, when the frame is about one.
    #[must_use]
    pub const fn change(self) -> Option<Change> {
        match self {
            Self::New => Some(Change::New),
            Self::Update => Some(Change::Update),
            Self::Destroy => Some(Change::Destroy),
            Self::ExpectNew | Self::ExpectUpdate | Self::ExpectDestroy | Self::Control => None,
        }
    }

    /// What happened to an expectation, when the frame is about one.
    #[must_use]
    pub const fn expectation_change(self) -> Option<Change> {
        match self {
            Self::ExpectNew => Some(Change::New),
            Self::ExpectUpdate => Some(Change::Update),
            Self::ExpectDestroy => Some(Change::Destroy),
            Self::New | Self::Update | Self::Destroy | Self::Control => None,
        }
    }

    /// The type of a frame about an expectation.
    pub(super) const fn of_expectation(change: Change) -> Self {
        match change {
            Change::New => Self::ExpectNew,
            Change::Update => Self::ExpectUpdate,
            Change::Destroy => Self::ExpectDestroy,
        }
    }
}

impl From<Change> for MessageType {
    fn from(change: Change) -> Self {
        match change {
            Change::New => Self::New,
            Change::Update => Self::Update,
            Change::Destroy => Self::Destroy,
        }
    }
}

/// The flags of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// No flag: the usual frame about a flow.
    pub const NONE: Self = Self(0);
    /// Control: send me all you have.
    pub const RESYNC: Self = Self(0x02);
    /// Control: these numbers did not arrive.
    pub const NACK: Self = Self(0x04);
    /// Control: these numbers arrived.
    pub const ACK: Self = Self(0x08);
    /// Control: I am here.
    pub const ALIVE: Self = Self(0x10);
    /// On any frame: I am new here, my numbers begin anew.
    pub const HELLO: Self = Self(0x20);
    /// On any frame: I heard your hello.
    pub const HELLO_BACK: Self = Self(0x40);

    /// The flags a frame of any type may carry.
    const GREETINGS: Self = Self::HELLO.with(Self::HELLO_BACK);
    /// The flags of which a control frame carries one.
    const CONTROLS: Self = Self::RESYNC.with(Self::NACK).with(Self::ACK).with(Self::ALIVE);

    /// Whether all flags of `other` are set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether nothing but HELLO and HELLO_BACK is set.
    #[must_use]
    pub const fn only_greets(self) -> bool {
        self.0 & !Self::GREETINGS.0 == 0
    }
}

/// What a control frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Control {
    /// Send me all you have.
    Resync,
    /// These did not arrive: say their flows again, under new numbers.
    Nack(SeqRange),
    /// These arrived.
    Ack(SeqRange),
    /// I am here; the peer learns my newest number from it.
    Alive,
}

impl Control {
    /// The flag that says so.
    #[must_use]
    pub const fn flag(self) -> Flags {
        match self {
            Self::Resync => Flags::RESYNC,
            Self::Nack(_) => Flags::NACK,
            Self::Ack(_) => Flags::ACK,
            Self::Alive => Flags::ALIVE,
        }
    }
}

/// Why bytes are not a frame that we understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameError {
    /// Fewer bytes left than a header.
    Truncated,
    /// The length field is smaller than a header or larger than what is left.
    BadSize,
    /// Another version than 1.
    WrongVersion,
    /// A type nobody ever gave a meaning.
    UnknownType,
    /// A control frame without exactly one of RESYNC, NACK, ACK, ALIVE, or another frame with more than greetings.
    BadFlags,
    /// An ACK, NACK or RESYNC without its two numbers, or an ACK or NACK whose end is older than its beginning.
    BadRange,
}

impl FrameError {
    /// Whether the sequence number counts as arrived although the frame is not applied.
    ///
    /// It does whenever version and length are sane. conntrackd does not count these frames, asks for them with a
    /// NACK, gets the same again under a new number, and so on without end; we prefer one lost message.
    #[must_use]
    pub const fn takes_sequence(self) -> bool {
        match self {
            Self::UnknownType | Self::BadFlags | Self::BadRange => true,
            Self::Truncated | Self::BadSize | Self::WrongVersion => false,
        }
    }

    /// Whether the rest of the datagram is lost too, because it is unknown where the next frame begins.
    #[must_use]
    pub const fn ends_datagram(self) -> bool {
        match self {
            Self::Truncated | Self::BadSize => true,
            Self::WrongVersion | Self::UnknownType | Self::BadFlags | Self::BadRange => false,
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "fewer bytes than a frame header",
            Self::BadSize => "impossible frame length",
            Self::WrongVersion => "unknown protocol version",
            Self::UnknownType => "unknown message type",
            Self::BadFlags => "flags that do not fit the message type",
            Self::BadRange => "control message without a valid range",
        })
    }
}

impl core::error::Error for FrameError {}

/// The header's fields as they came, with a length that fits into the datagram.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawHeader {
    version: u8,
    number: u8,
    flags: Flags,
    /// Bytes of the whole frame: at least [`HEADER_SIZE`], at most what was given to [`RawHeader::read`].
    pub(super) length: usize,
    pub(super) seq: Seq,
}

impl RawHeader {
    /// Reads the header at the head of `rest`.
    pub(super) fn read(rest: &[u8]) -> Result<Self, FrameError> {
        let header: &[u8; HEADER_SIZE] = rest.first_chunk().ok_or(FrameError::Truncated)?;
        let [version_and_type, flags, length_high, length_low, seq @ ..] = *header;
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        if length < HEADER_SIZE || length > rest.len() {
            return Err(FrameError::BadSize);
        }
        Ok(Self {
            version: version_and_type >> 4,
            number: version_and_type & 0x0f,
            flags: Flags(flags),
            length,
            seq: Seq(u32::from_be_bytes(seq)),
        })
    }

    /// What belongs to the frame behind the header; `rest` is what was given to [`RawHeader::read`].
    pub(super) fn body<'a>(&self, rest: &'a [u8]) -> &'a [u8] {
        rest.get(HEADER_SIZE..self.length).unwrap_or_default()
    }

    /// The eight bytes of this header, without the length, which is known only when the body is written.
    pub(super) const fn bytes(kind: MessageType, flags: Flags, seq: Seq) -> [u8; HEADER_SIZE] {
        let [a, b, c, d] = seq.0.to_be_bytes();
        [VERSION << 4 | kind as u8, flags.0, 0, 0, a, b, c, d]
    }
}

/// Where the length stands in the header.
pub(super) const LENGTH: core::ops::Range<usize> = 2..4;

/// One frame in a received datagram, checked: no accessor can panic.
#[derive(Clone, Copy, Debug)]
pub struct FrameView<'a> {
    kind: MessageType,
    flags: Flags,
    seq: Seq,
    control: Option<Control>,
    body: &'a [u8],
}

impl<'a> FrameView<'a> {
    /// Checks what follows the length: version, type, flags, range.
    pub(super) fn check(header: RawHeader, body: &'a [u8]) -> Result<Self, FrameError> {
        if header.version != VERSION {
            return Err(FrameError::WrongVersion);
        }
        let kind = MessageType::from_number(header.number).ok_or(FrameError::UnknownType)?;
        let control = match kind {
            MessageType::Control => Some(read_control(header.flags, body)?),
            _ if header.flags.only_greets() => None,
            _ => return Err(FrameError::BadFlags),
        };
        Ok(Self { kind, flags: header.flags, seq: header.seq, control, body })
    }

    /// What it is about.
    #[must_use]
    pub const fn kind(&self) -> MessageType {
        self.kind
    }

    /// All flags, those without meaning too.
    #[must_use]
    pub const fn flags(&self) -> Flags {
        self.flags
    }

    /// Its number.
    #[must_use]
    pub const fn seq(&self) -> Seq {
        self.seq
    }

    /// Whether the speaker says hello.
    #[must_use]
    pub const fn hello(&self) -> bool {
        self.flags.has(Flags::HELLO)
    }

    /// Whether the speaker answers our hello.
    #[must_use]
    pub const fn hello_back(&self) -> bool {
        self.flags.has(Flags::HELLO_BACK)
    }

    /// What it says about the conversation, when it is a control frame.
    #[must_use]
    pub const fn control(&self) -> Option<Control> {
        self.control
    }

    /// What happened to a flow, when it is about one.
    #[must_use]
    pub const fn change(&self) -> Option<Change> {
        self.kind.change()
    }

    /// What happened to an expectation, when it is about one.
    #[must_use]
    pub const fn expectation_change(&self) -> Option<Change> {
        self.kind.expectation_change()
    }

    /// What follows the header: the attributes of a flow or expectation.
    #[must_use]
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }
}

/// Which of the four things a control frame says. Bits without meaning and bytes behind what is known are
/// ignored, as conntrackd does.
fn read_control(flags: Flags, body: &[u8]) -> Result<Control, FrameError> {
    let range = || {
        pair(body.first_chunk::<8>()?)
            .map(|(from, to)| (Seq(u32::from_be_bytes(from)), Seq(u32::from_be_bytes(to))))
    };
    let ordered = || range().and_then(|(from, to)| SeqRange::new(from, to)).ok_or(FrameError::BadRange);
    match Flags(flags.0 & Flags::CONTROLS.0) {
        Flags::ALIVE => Ok(Control::Alive),
        Flags::RESYNC => range().map(|_| Control::Resync).ok_or(FrameError::BadRange),
        Flags::ACK => Ok(Control::Ack(ordered()?)),
        Flags::NACK => Ok(Control::Nack(ordered()?)),
        _ => Err(FrameError::BadFlags),
    }
}
