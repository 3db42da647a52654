//! Voice: RTP packets (RFC 3550) with 20 ms of seeded bytes each, both ways, verified.
//!
//! One side begins and the other follows when it has heard it: each direction's expectation is used in turn. A packet
//! that is lost is not sent again; both sides talk until each has heard enough. Used by both sides; tested in
//! `../tests.rs`.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::super::{Session, broken};
use super::{BUFFER, PATIENCE};
use crate::traffic::pattern::{Course, Pattern};

/// Between two packets.
const TICK: Duration = Duration::from_millis(20);
/// Packets that each side must hear: two and a half seconds. After two the kernel calls the flow assured, however slow the
/// machine is.
const ENOUGH: u64 = 125;
const HEADER: usize = 12;
const PAYLOAD: usize = 160;

/// One side of a call.
pub(super) struct Talk<'a> {
    pub(super) session: &'a Session,
    pub(super) number: usize,
    pub(super) socket: &'a UdpSocket,
    /// Where the other side expects voice, and from where it must come.
    pub(super) other: SocketAddr,
    /// Which way our own voice goes.
    pub(super) course: Course,
}

impl Talk<'_> {
    /// Talks until both sides have heard enough. Even calls are begun by the caller, odd ones by the callee.
    ///
    /// # Errors
    /// `TimedOut` with what was heard, `InvalidData` for voice from elsewhere, or the kernel's.
    pub(super) fn run(&self) -> io::Result<()> {
        let begins = (self.course == Course::Up) == self.number.is_multiple_of(2);
        let deadline = Instant::now() + PATIENCE;
        let (mut next, mut sequence) = (Instant::now(), 0_u16);
        let (mut heard, mut last) = (false, None);
        let mut buffer = [0; BUFFER];
        loop {
            let now = Instant::now();
            if now >= next && (begins || heard) {
                // Not sent is as good as lost: the other side counts what it hears.
                let _ = self
                    .socket
                    .send_to(&packet(&self.session.pattern, self.course, self.number, sequence), self.other);
                sequence = sequence.wrapping_add(1);
                next = now + TICK;
            }
            if self.both_have_heard_enough() {
                return Ok(());
            }
            if now >= deadline {
                return Err(self.too_little());
            }
            let until = if begins || heard { next.min(deadline) } else { deadline };
            match self.session.signals.readable(self.socket, until) {
                Ok(()) => {
                    self.hear(&mut buffer, &mut last)?;
                    // The first word is answered at once.
                    (heard, next) = (true, if heard { next } else { Instant::now() });
                }
                Err(error) if error.kind() == ErrorKind::TimedOut => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn hear(&self, buffer: &mut [u8], last: &mut Option<u16>) -> io::Result<()> {
        let (length, from) = match self.socket.recv_from(buffer) {
            Ok(received) => received,
            // An ICMP error about an earlier packet: what is missed is counted.
            Err(_) => return Ok(()),
        };
        if from != self.other {
            return Err(broken(format!("voice comes from {from} instead of {}", self.other)));
        }
        let theirs = if self.course == Course::Up { Course::Down } else { Course::Up };
        let Some((sequence, corrupted)) = read(&buffer[..length], &self.session.pattern, theirs, self.number)
        else {
            return Err(broken("a packet that is no voice"));
        };
        // A packet that comes twice counts once.
        if last.replace(sequence) == Some(sequence) {
            return Ok(());
        }
        self.session.ledger.note(self.number, |detail| {
            let heard =
                if theirs == Course::Down { &mut detail.received } else { &mut detail.server_received };
            *heard += if corrupted == 0 { PAYLOAD as u64 } else { 0 };
            detail.corrupted += corrupted;
        });
        Ok(())
    }

    fn heard(&self) -> (u64, u64) {
        let detail = self.session.ledger.detail(self.number);
        (detail.received / PAYLOAD as u64, detail.server_received / PAYLOAD as u64)
    }

    fn both_have_heard_enough(&self) -> bool {
        let (caller, callee) = self.heard();
        caller >= ENOUGH && callee >= ENOUGH
    }

    fn too_little(&self) -> io::Error {
        let (caller, callee) = self.heard();
        let what = format!("the caller has heard {caller} and the callee {callee} of {ENOUGH} packets");
        io::Error::new(ErrorKind::TimedOut, what)
    }
}

/// A packet: version 2, PCMU, 160 samples from the last one, the call's number as its source.
fn packet(pattern: &Pattern, course: Course, number: usize, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&(u32::from(sequence) * PAYLOAD as u32).to_be_bytes());
    packet.extend_from_slice(&(number as u32).to_be_bytes());
    packet.extend_from_slice(payload(pattern, course, number, sequence));
    packet
}

fn payload(pattern: &Pattern, course: Course, number: usize, sequence: u16) -> &[u8] {
    pattern.piece(course, number as u32, u64::from(sequence) * PAYLOAD as u64, PAYLOAD)
}

/// The packet's number and how many of its bytes differ; None if it is not of this call.
fn read(packet: &[u8], pattern: &Pattern, course: Course, number: usize) -> Option<(u16, u64)> {
    let (header, body) = packet.split_first_chunk::<HEADER>()?;
    let ours = header[..2] == [0x80, 0] && header[8..] == (number as u32).to_be_bytes();
    let sequence = u16::from_be_bytes([header[2], header[3]]);
    let differing = || pattern.differing(course, number as u32, u64::from(sequence) * PAYLOAD as u64, body);
    (ours && body.len() == PAYLOAD).then(|| (sequence, differing()))
}

#[cfg(test)]
mod tests {
    use super::{packet, read};
    use crate::traffic::pattern::{Course, Pattern};

    #[test]
    fn a_packet_belongs_to_its_call_and_its_direction() {
        let pattern = Pattern::new(7);
        let mut sent = packet(&pattern, Course::Up, 3, 50);
        assert_eq!(sent.len(), 172);
        assert_eq!(read(&sent, &pattern, Course::Up, 3), Some((50, 0)));
        assert_eq!(read(&sent, &pattern, Course::Up, 4), None);
        assert!(read(&sent, &pattern, Course::Down, 3).unwrap().1 > 0);
        sent[100] ^= 1;
        assert_eq!(read(&sent, &pattern, Course::Up, 3), Some((50, 1)));
        assert_eq!(read(&sent[..171], &pattern, Course::Up, 3), None);
    }
}
