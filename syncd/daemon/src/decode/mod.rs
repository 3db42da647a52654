//! `syncd decode`: what a capture of a dedicated link says. Needs no daemon, no rights and no network.
//!
//! From the outside in: a file of packets ([`capture`]), UDP in a packet ([`packet`]) or in several ([`fragments`]),
//! messages in a payload ([`message`]), what a line leaves out ([`words`]). Tested in `tests.rs` beside it, on captures of
//! a real conntrackd, whose texts are in `snapshots/cli`.

mod capture;
mod fragments;
mod message;
mod packet;
mod words;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use capture::{Capture, CaptureError};
use fragments::{Fragments, Joined};
use message::{Envelope, MessageView};
use packet::{Contents, Udp};

/// Which datagrams are of the dedicated link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ports {
    /// Those to or from this port.
    One(u16),
    /// All whose first message is well formed.
    Any,
}

/// Why nothing, or not all, was printed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    /// The file cannot be opened.
    #[error("cannot read {}: {source}", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no capture, or breaks off.
    #[error("cannot read {}: {source}", file.display())]
    Capture {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: CaptureError,
    },
    /// Standard output is gone; a closed pipe is success and decided at the top.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

/// What was met on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    datagrams: u64,
    messages: u64,
    wrong: u64,
    /// Datagrams of which a part is missing in the packet.
    partial: u64,
    /// Datagrams of which a fragment is missing.
    torn: u64,
    /// Datagrams of which the first fragment is missing, so that nobody knows for which port they are.
    headless: u64,
    /// Packets that are something else.
    others: u64,
    /// Packets of a kind of link that is not understood.
    unknown_links: u64,
}

/// Prints every message of a capture.
///
/// # Errors
///
/// See [`DecodeError`]; what was read until then is printed.
pub(crate) fn print(file: &Path, ports: Ports, json: bool, out: &mut impl Write) -> Result<(), DecodeError> {
    let input =
        File::open(file).map_err(|source| DecodeError::Unreadable { file: file.to_owned(), source })?;
    print_from(BufReader::new(input), file, ports, json, out)
}

/// Prints every message of the capture that `input` reads; `file` is its name in messages.
///
/// # Errors
///
/// As [`print()`].
pub(crate) fn print_from(
    input: impl Read,
    file: &Path,
    ports: Ports,
    json: bool,
    out: &mut impl Write,
) -> Result<(), DecodeError> {
    let failed = |source| DecodeError::Capture { file: file.to_owned(), source };
    let mut capture = Capture::open(input).map_err(failed)?;
    if json {
        out.write_all(b"{\"version\":1,\"messages\":[")?;
    }
    let mut tally = Tally::default();
    let done = all(&mut capture, ports, json, out, &mut tally);
    let broken = match done {
        Err(Stop::Capture(error)) => Some(error),
        Err(Stop::Output(error)) => return Err(error.into()),
        Ok(()) => None,
    };
    let summary = summary(&tally);
    if json {
        writeln!(out, "\n],\"summary\":{}}}", serde_json::json!(summary))?;
    } else {
        writeln!(out, "-- {summary}")?;
    }
    broken.map_or(Ok(()), |source| Err(failed(source)))
}

/// Why the reading stops.
enum Stop {
    Capture(CaptureError),
    Output(io::Error),
}

fn all(
    capture: &mut Capture<impl Read>,
    ports: Ports,
    json: bool,
    out: &mut impl Write,
    tally: &mut Tally,
) -> Result<(), Stop> {
    let (mut printer, mut fragments) = (Printer { ports, json, out, tally }, Fragments::default());
    let done = packets(capture, &mut printer, &mut fragments);
    if !matches!(done, Err(Stop::Output(_))) {
        for joined in fragments.finish() {
            printer.joined(&joined).map_err(Stop::Output)?;
        }
    }
    done
}

fn packets(
    capture: &mut Capture<impl Read>,
    printer: &mut Printer<'_, impl Write>,
    fragments: &mut Fragments,
) -> Result<(), Stop> {
    while let Some(packet) = capture.next().map_err(Stop::Capture)? {
        match packet::contents(packet.link, packet.bytes) {
            Contents::Udp(udp) => {
                let udp = Udp { partial: udp.partial || packet.cut, ..udp };
                printer.datagram(&udp, packet.time).map_err(Stop::Output)?;
            }
            Contents::Fragment(fragment) => {
                if let Some(joined) = fragments.take(&fragment, packet.time) {
                    printer.joined(&joined).map_err(Stop::Output)?;
                }
            }
            Contents::Other => printer.tally.others += 1,
            Contents::UnknownLink => printer.tally.unknown_links += 1,
        }
        while let Some(joined) = fragments.give_up(packet.time) {
            printer.joined(&joined).map_err(Stop::Output)?;
        }
    }
    Ok(())
}

/// Writes messages and counts them.
struct Printer<'a, W> {
    ports: Ports,
    json: bool,
    out: &'a mut W,
    tally: &'a mut Tally,
}

impl<W: Write> Printer<'_, W> {
    fn joined(&mut self, joined: &Joined) -> io::Result<()> {
        match packet::joined(joined) {
            Some(udp) => {
                self.tally.torn += u64::from(!joined.whole && is_wanted(&udp, self.ports));
                self.datagram(&Udp { partial: udp.partial || !joined.whole, ..udp }, joined.time)
            }
            None if joined.next.is_none() => {
                self.tally.headless += 1;
                Ok(())
            }
            None => {
                self.tally.others += 1;
                Ok(())
            }
        }
    }

    fn datagram(&mut self, udp: &Udp<'_>, time: u64) -> io::Result<()> {
        if !is_wanted(udp, self.ports) {
            self.tally.others += 1;
            return Ok(());
        }
        self.tally.datagrams += 1;
        self.tally.partial += u64::from(udp.partial);
        let envelope = Envelope { time, source: udp.source, target: udp.target };
        for message in message::messages(udp.payload) {
            let message = if udp.partial { message.of_a_part() } else { message };
            self.tally.wrong += u64::from(message.is_wrong());
            if self.json {
                let separator = if self.tally.messages == 0 { "\n" } else { ",\n" };
                let view = serde_json::json!(MessageView::new(&message, &envelope));
                write!(self.out, "{separator}{view}")?;
            } else {
                writeln!(self.out, "{}", message.line(&envelope))?;
            }
            self.tally.messages += 1;
        }
        Ok(())
    }
}

fn is_wanted(udp: &Udp<'_>, ports: Ports) -> bool {
    match ports {
        Ports::One(port) => udp.source.port() == port || udp.target.port() == port,
        Ports::Any => message::messages(udp.payload).next().is_some_and(|first| !first.is_wrong()),
    }
}

fn summary(tally: &Tally) -> String {
    let Tally { datagrams, messages, wrong, partial, torn, headless, others, unknown_links } = *tally;
    let (all, said) = (counted(datagrams, "datagram"), counted(messages, "message"));
    let mut text = format!("{all}, {said}, {wrong} of them malformed");
    // What a fragment is missing of was captured as long as it was.
    if let cut @ 1.. = partial - torn {
        text += &format!("; of {} a part was not captured: use 'tcpdump -s 0'", counted(cut, "datagram"));
    }
    if torn > 0 {
        text += &format!("; of {} a fragment was not captured", counted(torn, "datagram"));
    }
    if headless > 0 {
        text += &format!("; of {} the first fragment was not captured", counted(headless, "other datagram"));
    }
    if torn + headless > 0 {
        // Later fragments have no port by which a filter would know them.
        text += ": use tcpdump 'udp port 3780 or ip[6:2] & 0x1fff != 0 or ip6[6] = 44'";
    }
    if others > 0 {
        text += &format!("; {}", counted(others, "other packet"));
    }
    if unknown_links > 0 {
        let packets = counted(unknown_links, "packet");
        text += &format!("; {packets} of a kind of link that syncd does not know");
    }
    text
}

fn counted(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
