//! Datagrams: frames packed up to a limit, and split again.
//!
//! Never knows who sends or receives them. A [`Datagram`] is owned by whoever batches the sending and is used again
//! and again without allocating. Tested in `tests/datagram.rs`.

use alloc::vec::Vec;
use core::fmt;

use super::attr::AttrWriter;
use super::header::{Flags, FrameError, FrameView, LENGTH, MessageType, RawHeader};
use super::seq::Seq;

/// No frame we write is longer, in bytes: a translated TCP flow over IPv6 with everything takes 304.
pub const LONGEST_FRAME: usize = 320;

/// IPv4 and UDP header, and one byte more because conntrackd's comparison is strict.
const OVERHEAD: u16 = 20 + 8 + 1;

/// How many bytes conntrackd puts at most into one datagram on an interface of this MTU: 1471 at 1500.
///
/// Never less than [`LONGEST_FRAME`]: where the MTU is smaller than that, IP has to fragment.
#[must_use]
pub const fn payload_limit(mtu: u16) -> usize {
    let room = mtu.saturating_sub(OVERHEAD) as usize;
    if room < LONGEST_FRAME { LONGEST_FRAME } else { room }
}

/// The frame does not fit into what is left; the datagram is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no room left in the datagram")
    }
}

impl core::error::Error for Full {}

/// One UDP payload in the making.
#[derive(Clone, Debug)]
pub struct Datagram {
    bytes: Vec<u8>,
    limit: usize,
}

impl Datagram {
    /// An empty datagram for at most `limit` bytes, usually [`payload_limit`]. The only place that allocates.
    ///
    /// # Panics
    ///
    /// When `limit` is less than [`LONGEST_FRAME`]: a frame that fits into no datagram would never leave.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        assert!(limit >= LONGEST_FRAME, "a datagram must take any frame");
        // Frames are written first and taken back when they do not fit, so there is room for one beyond the limit.
        Self { bytes: Vec::with_capacity(limit + LONGEST_FRAME), limit }
    }

    /// What there is to send.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether there is nothing to send. An empty datagram has room for any frame.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The most bytes it takes.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Forgets the frames and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Appends one frame whose body `write` writes.
    pub(super) fn append(
        &mut self,
        kind: MessageType,
        flags: Flags,
        seq: Seq,
        write: impl FnOnce(&mut AttrWriter<'_>),
    ) -> Result<(), Full> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&RawHeader::bytes(kind, flags, seq));
        write(&mut AttrWriter { bytes: &mut self.bytes });
        let length = self.bytes.len() - start;
        assert!(length <= LONGEST_FRAME, "LONGEST_FRAME is wrong: {length} bytes");
        if self.bytes.len() > self.limit {
            self.bytes.truncate(start);
            return Err(Full);
        }
        let stated = u16::try_from(length).expect("LONGEST_FRAME fits into 16 bits");
        self.bytes[start..][LENGTH].copy_from_slice(&stated.to_be_bytes());
        Ok(())
    }
}

/// A place in a datagram where no frame that we understand stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadFrame {
    /// Why not.
    pub reason: FrameError,
    /// Where it begins, in bytes from the head of the datagram.
    pub offset: usize,
    /// The sequence number, when it counts as arrived ([`FrameError::takes_sequence`]).
    pub seq: Option<Seq>,
}

/// The frames in a received datagram, in their order.
#[must_use]
pub const fn frames(bytes: &[u8]) -> Frames<'_> {
    Frames { bytes, offset: 0 }
}

/// See [`frames`]. After an error that [ends the datagram](FrameError::ends_datagram) there is nothing more.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<FrameView<'a>, BadFrame>;

    fn next(&mut self) -> Option<Self::Item> {
        let offset = self.offset;
        let rest = self.bytes.get(offset..).filter(|rest| !rest.is_empty())?;
        let header = match RawHeader::read(rest) {
            Ok(header) => header,
            Err(reason) => {
                self.offset = self.bytes.len();
                return Some(Err(BadFrame { reason, offset, seq: None }));
            }
        };
        self.offset = offset + header.length;
        Some(FrameView::check(header, header.body(rest)).map_err(|reason| BadFrame {
            reason,
            offset,
            seq: reason.takes_sequence().then_some(header.seq),
        }))
    }
}
