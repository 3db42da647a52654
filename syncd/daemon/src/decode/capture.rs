//! Files that `tcpdump -w` and its relatives write: pcap in both byte orders with micro- or nanoseconds, and pcapng.
//!
//! Hands out packets one by one, so that a file of any size needs no memory; believes no length. Knows nothing of what
//! is in a packet. Driven by [`super::print`]; tested in `tests.rs` beside it.

use std::io::{self, Read};

/// No packet is longer, in bytes: tcpdump's own limit.
const LONGEST: usize = 256 * 1024;

/// Why a file cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CaptureError {
    /// The file system refuses.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("this is no capture; write one with 'tcpdump -i INTERFACE -w FILE udp port 3780'")]
    Foreign,
    /// It ends in the middle of a packet, or a length in it cannot be.
    #[error("the capture breaks off after {packets} packets; the rest cannot be read")]
    Broken {
        /// So many were whole.
        packets: u64,
    },
}

/// One packet as it was captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet<'a> {
    /// Nanoseconds since 1970.
    pub(crate) time: u64,
    /// What the packet begins with (`LINKTYPE_*`).
    pub(crate) link: u32,
    /// Its bytes, as far as they were captured.
    pub(crate) bytes: &'a [u8],
    /// Whether bytes at its end were not captured.
    pub(crate) cut: bool,
}

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl Order {
    const fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    const fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }
}

#[derive(Debug)]
enum Format {
    /// One kind of packet, time in so many parts of a second.
    Classic { link: u32, parts: u64 },
    /// Blocks; for each interface its kind of packet and the parts of a second of its times.
    Blocks { interfaces: Vec<(u32, u64)> },
}

/// A capture that is being read.
#[derive(Debug)]
pub(crate) struct Capture<R> {
    input: R,
    order: Order,
    format: Format,
    buffer: Vec<u8>,
    packets: u64,
}

impl<R: Read> Capture<R> {
    /// Reads the beginning.
    ///
    /// # Errors
    ///
    /// When this is no capture.
    pub(crate) fn open(mut input: R) -> Result<Self, CaptureError> {
        let magic: [u8; 4] = head(&mut input)?;
        let (order, format) = match (u32::from_le_bytes(magic), u32::from_be_bytes(magic)) {
            (0x0a0d_0d0a, _) => (Order::Little, Format::Blocks { interfaces: Vec::new() }),
            (0xa1b2_c3d4, _) => (Order::Little, Format::Classic { link: 0, parts: 1_000_000 }),
            (0xa1b2_3c4d, _) => (Order::Little, Format::Classic { link: 0, parts: 1_000_000_000 }),
            (_, 0xa1b2_c3d4) => (Order::Big, Format::Classic { link: 0, parts: 1_000_000 }),
            (_, 0xa1b2_3c4d) => (Order::Big, Format::Classic { link: 0, parts: 1_000_000_000 }),
            _ => return Err(CaptureError::Foreign),
        };
        let mut capture = Self { input, order, format, buffer: Vec::new(), packets: 0 };
        match &mut capture.format {
            Format::Classic { link, .. } => {
                // Versions, zone, accuracy, longest packet, kind of packet; whatever stands above its 28 bits is not it.
                let rest: [u8; 20] = head(&mut capture.input)?;
                *link = capture.order.u32(word(&rest, 16)) & 0x0fff_ffff;
            }
            Format::Blocks { .. } => capture.begin_section()?,
        }
        Ok(capture)
    }

    /// The next packet, or none at the end.
    ///
    /// # Errors
    ///
    /// When the file breaks off.
    pub(crate) fn next(&mut self) -> Result<Option<Packet<'_>>, CaptureError> {
        let found = match self.format {
            Format::Classic { link, parts } => self.record(link, parts)?,
            Format::Blocks { .. } => self.block()?,
        };
        let Some(Found { time, link, from, to, cut }) = found else { return Ok(None) };
        self.packets += 1;
        Ok(Some(Packet { time, link, bytes: &self.buffer[from..to], cut }))
    }

    const fn broken(&self) -> CaptureError {
        CaptureError::Broken { packets: self.packets }
    }

    /// A record of the classic format: seconds, parts, captured and real length.
    fn record(&mut self, link: u32, parts: u64) -> Result<Option<Found>, CaptureError> {
        let Some(head) = take::<16>(&mut self.input).map_err(|_| self.broken())? else { return Ok(None) };
        let [seconds, fraction, captured, real] = [0, 4, 8, 12].map(|at| self.order.u32(word(&head, at)));
        self.fill(captured)?;
        let time = u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * (1_000_000_000 / parts);
        Ok(Some(Found { time, link, from: 0, to: self.buffer.len(), cut: real > captured }))
    }

    /// Reads blocks up to the next with a packet.
    fn block(&mut self) -> Result<Option<Found>, CaptureError> {
        loop {
            let Some(head) = take::<4>(&mut self.input).map_err(|_| self.broken())? else { return Ok(None) };
            // The mark of a section reads the same in both byte orders.
            if u32::from_le_bytes(head) == 0x0a0d_0d0a {
                self.begin_section().map_err(|_| self.broken())?;
                continue;
            }
            let kind = self.order.u32(head);
            // A block's length counts its own head and its repetition at the end.
            let length = self.number()?;
            self.fill(length.checked_sub(12).ok_or_else(|| self.broken())?)?;
            self.number()?;
            match kind {
                1 => self.interface()?,
                6 => return self.packet().map(Some),
                _ => {}
            }
        }
    }

    /// The next number of a block.
    fn number(&mut self) -> Result<u32, CaptureError> {
        let bytes = take::<4>(&mut self.input).ok().flatten().ok_or_else(|| self.broken())?;
        Ok(self.order.u32(bytes))
    }

    /// What follows the mark of a section: its length, its byte order, and options, which say nothing to us.
    fn begin_section(&mut self) -> Result<(), CaptureError> {
        let begin: [u8; 8] = head(&mut self.input)?;
        self.order = match word(&begin, 4) {
            [0x1a, 0x2b, 0x3c, 0x4d] => Order::Big,
            [0x4d, 0x3c, 0x2b, 0x1a] => Order::Little,
            _ => return Err(CaptureError::Foreign),
        };
        let length = self.order.u32(word(&begin, 0));
        self.fill(length.checked_sub(12).ok_or(CaptureError::Foreign)?)?;
        self.format = Format::Blocks { interfaces: Vec::new() };
        Ok(())
    }

    /// An interface: its kind of packet, and by an option the unit of its times.
    fn interface(&mut self) -> Result<(), CaptureError> {
        let (order, broken) = (self.order, self.broken());
        let Some((head, mut options)) = self.buffer.split_first_chunk::<8>() else { return Err(broken) };
        let link = u32::from(order.u16([head[0], head[1]]));
        let mut parts = 1_000_000;
        while let Some((head, rest)) = options.split_first_chunk::<4>() {
            let (kind, length) = (order.u16([head[0], head[1]]), order.u16([head[2], head[3]]));
            let Some(value) = rest.get(..usize::from(length)) else { break };
            if let (9, [unit]) = (kind, value) {
                let exponent = u32::from(unit & 0x7f);
                let base: u64 = if unit & 0x80 == 0 { 10 } else { 2 };
                parts = base.checked_pow(exponent).unwrap_or(parts);
            }
            options = rest.get(usize::from(length).next_multiple_of(4)..).unwrap_or_default();
        }
        if let Format::Blocks { interfaces } = &mut self.format {
            interfaces.push((link, parts));
        }
        Ok(())
    }

    /// An enhanced packet block: interface, time, captured and real length, packet, options.
    fn packet(&self) -> Result<Found, CaptureError> {
        let Some((head, rest)) = self.buffer.split_first_chunk::<20>() else { return Err(self.broken()) };
        let [interface, high, low, captured, real] =
            [0, 4, 8, 12, 16].map(|at| self.order.u32(word(head, at)));
        let Format::Blocks { interfaces } = &self.format else { return Err(self.broken()) };
        let Some((link, parts)) = interfaces.get(interface as usize).copied() else {
            return Err(self.broken());
        };
        if captured as usize > rest.len() {
            return Err(self.broken());
        }
        let ticks = u128::from(high) << 32 | u128::from(low);
        let time = ticks * 1_000_000_000 / u128::from(parts);
        Ok(Found {
            time: u64::try_from(time).unwrap_or(u64::MAX),
            link,
            from: head.len(),
            to: head.len() + captured as usize,
            cut: real > captured,
        })
    }

    /// Reads so many bytes into the buffer.
    fn fill(&mut self, length: u32) -> Result<(), CaptureError> {
        let length = length as usize;
        if length > LONGEST {
            return Err(self.broken());
        }
        self.buffer.resize(length, 0);
        self.input.read_exact(&mut self.buffer).map_err(|_| CaptureError::Broken { packets: self.packets })
    }
}

/// Where in the buffer a packet is.
struct Found {
    time: u64,
    link: u32,
    from: usize,
    to: usize,
    cut: bool,
}

/// The next `N` bytes; none at the end of the file, an error in the middle of them.
fn take<const N: usize>(input: &mut impl Read) -> io::Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    let mut read = 0;
    while read < N {
        match input.read(&mut bytes[read..]) {
            Ok(0) if read == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Some(bytes))
}

/// The next `N` bytes of what every capture begins with.
fn head<const N: usize>(input: &mut impl Read) -> Result<[u8; N], CaptureError> {
    match take(input) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(CaptureError::Foreign),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(CaptureError::Foreign),
        Err(error) => Err(error.into()),
    }
}

/// The four bytes from `at` on.
fn word(bytes: &[u8], at: usize) -> [u8; 4] {
    bytes[at..at + 4].try_into().expect("the caller knows how long it is")
}
