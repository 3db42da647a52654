//! Flows by the hundred thousand: written into a kernel's table as fast as it takes them, and counted.
//!
//! A few constant attributes per flow, so no library is needed and none slows the writer down. Never reads a flow back:
//! a count is enough here, and `probes::flows` is for looking closely. Driven by `pair.rs`; the messages are tested
//! below, the rest through `labctl bench`.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use nix::sys::prctl;
use serde::{Deserialize, Serialize};

use crate::link::namespace;
use crate::poll;

/// What the flows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// TCP, established, no NAT.
    Plain,
    /// The same behind source NAT to one address.
    Translated,
    /// GRE, no NAT: between two hosts they differ by their keys only.
    Gre,
    /// UDPlite, no NAT.
    Udplite,
}

impl Kind {
    /// In a table for people.
    #[must_use]
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Translated => "translated",
            Self::Gre => "GRE",
            Self::Udplite => "UDPlite",
        }
    }

    /// `IPPROTO_*`.
    const fn protocol(self) -> u8 {
        match self {
            Self::Plain | Self::Translated => 6,
            Self::Gre => 47,
            Self::Udplite => 136,
        }
    }
}

/// Messages per `sendmsg`: more bring nothing, and the kernel's complaints about so many fit a receive buffer.
pub(crate) const BATCH: u32 = 128;
/// Flows between one pair of addresses; with more, ports would run out.
const PER_PAIR: u32 = 60_000;
/// The client's first port.
const FIRST_PORT: u16 = 1024;
/// The most flows there are addresses for.
pub(crate) const MOST: u32 = PER_PAIR * 200;

/// From this number on flows only fill a table.
pub(crate) const FILLERS: u32 = MOST / 2;

/// Seconds a flow lives: longer than any run.
const TIMEOUT: u32 = 3600;
/// `IPS_SEEN_REPLY`, `IPS_ASSURED` and `IPS_CONFIRMED`, which the kernel demands (linux/netfilter/nf_conntrack_common.h).
const STATUS: u32 = 0x2 | 0x4 | 0x8;

// linux/netfilter/nfnetlink.h and nfnetlink_conntrack.h: subsystem 1, messages 0 and 2.
const NEW: u16 = 0x100;
const DELETE: u16 = 0x102;
/// `NLM_F_REQUEST`, and `NLM_F_CREATE | NLM_F_EXCL`.
pub(super) const REQUEST: u16 = 0x1;
const CREATE: u16 = 0x600;
const NESTED: u16 = 0x8000;

/// How flows are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writing {
    /// What they are.
    pub(crate) kind: Kind,
    /// The number of the first.
    pub(crate) first: u32,
    /// How many.
    pub(crate) count: u32,
    /// At most so many in a second.
    pub(crate) pace: Option<u32>,
    /// So many at once, which the kernel takes without a pause; [`BATCH`] is as fast as it goes.
    pub(crate) burst: u32,
}

/// Writes flows into the table of a namespace; says how long the writing took.
///
/// # Errors
/// What the kernel said to the first flow that it did not take.
pub(crate) fn insert(ns: BorrowedFd<'_>, writing: Writing) -> io::Result<Duration> {
    in_batches(ns, writing, |batch, index| create(batch, writing.kind, index))
}

/// Ends flows that were written; says how long that took.
///
/// # Errors
/// What the kernel said of the first flow that was not there.
pub(crate) fn erase(ns: BorrowedFd<'_>, writing: Writing) -> io::Result<Duration> {
    in_batches(ns, writing, |batch, index| delete(batch, writing.kind, index))
}

fn in_batches(
    ns: BorrowedFd<'_>,
    writing: Writing,
    say: impl Fn(&mut Vec<u8>, u32) + Sync,
) -> io::Result<Duration> {
    let Writing { first, count, pace, burst, .. } = writing;
    namespace::run_in(ns, || {
        // A sleep ends up to 50 us late by default (PR_SET_TIMERSLACK). The thread is ours.
        prctl::set_timerslack(1)?;
        let socket = open()?;
        let mut batch = Vec::new();
        let start = Instant::now();
        for done in (0..count).step_by(burst as usize) {
            if let Some(pace) = pace {
                let due = start + Duration::from_secs_f64(f64::from(done) / f64::from(pace));
                let early = due.saturating_duration_since(Instant::now());
                if !early.is_zero() {
                    poll::pause(early);
                }
            }
            batch.clear();
            for index in done..count.min(done + burst) {
                say(&mut batch, first + index);
            }
            // Executed by the time it returns.
            socket.send(&batch, 0)?;
            complaint(&socket)?;
        }
        Ok(start.elapsed())
    })
}

/// The flow's number, if its client is one of ours.
pub(super) fn index(client: Ipv4Addr, port: u16) -> Option<u32> {
    let [10, 64, pair, 2] = client.octets() else { return None };
    Some(u32::from(pair) * PER_PAIR + u32::from(port.checked_sub(FIRST_PORT)?))
}

/// Empties the table of a namespace.
///
/// # Errors
/// What the kernel said.
pub(crate) fn flush(ns: BorrowedFd<'_>) -> io::Result<()> {
    namespace::run_in(ns, || {
        let socket = open()?;
        let mut message = Vec::new();
        // Without a tuple a deletion is of everything.
        write_message(&mut message, DELETE, REQUEST, |_| {});
        socket.send(&message, 0)?;
        complaint(&socket)
    })
}

/// How many flows a namespace holds.
///
/// # Errors
/// When there is no connection tracking in this kernel.
pub(crate) fn count(ns: BorrowedFd<'_>) -> io::Result<u64> {
    // What is read belongs to the network namespace of whoever opens it.
    let text = namespace::run_in(ns, || fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count"))?;
    text.trim().parse().map_err(|_| io::Error::other(format!("nf_conntrack_count says {text:?}")))
}

pub(super) fn open() -> io::Result<Socket> {
    let socket = Socket::new(NETLINK_NETFILTER)?;
    socket.connect(&SocketAddr::new(0, 0))?;
    Ok(socket)
}

/// Success is silent (no message asks for an acknowledgement); whatever there is to read is an error.
fn complaint(socket: &Socket) -> io::Result<()> {
    let mut buffer = [0_u8; 512];
    match socket.recv(&mut &mut buffer[..], libc::MSG_DONTWAIT) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
        // struct nlmsgerr: a negative errno behind the header.
        Ok(_) => {
            let code = i32::from_ne_bytes([buffer[16], buffer[17], buffer[18], buffer[19]]);
            Err(io::Error::from_raw_os_error(code.wrapping_neg()))
        }
    }
}

/// Client and server of a flow.
fn ends(index: u32) -> ((Ipv4Addr, u16), (Ipv4Addr, u16)) {
    assert!(index < MOST, "there are addresses for {MOST} flows");
    let pair = u8::try_from(index / PER_PAIR).unwrap_or(u8::MAX);
    let port = FIRST_PORT + u16::try_from(index % PER_PAIR).unwrap_or(0);
    ((Ipv4Addr::new(10, 64, pair, 2), port), (Ipv4Addr::new(198, 51, 100, 10 + pair), 443))
}

/// One deletion.
fn delete(batch: &mut Vec<u8>, kind: Kind, index: u32) {
    let (client, server) = ends(index);
    write_message(batch, DELETE, REQUEST, |out| nest(out, 1, |out| tuple(out, kind, client, server)));
}

/// One creation.
fn create(batch: &mut Vec<u8>, kind: Kind, index: u32) {
    let (client, server) = ends(index);
    write_message(batch, NEW, REQUEST | CREATE, |out| {
        nest(out, 1, |out| tuple(out, kind, client, server));
        // The plain inverse even with NAT: the kernel translates it itself, and believes nobody who has done so.
        nest(out, 2, |out| tuple(out, kind, server, client));
        attribute(out, 3, &STATUS.to_be_bytes());
        if kind.protocol() == 6 {
            nest(out, 4, |out| nest(out, 1, established));
        }
        attribute(out, 7, &TIMEOUT.to_be_bytes());
        if kind == Kind::Translated {
            nest(out, 6, |out| source_nat(out, Ipv4Addr::new(198, 51, 100, 1), client.1));
        }
    });
}

/// `CTA_TUPLE_*`: addresses, then protocol and ports, which are keys for GRE (`nf_ct_port_nlattr_to_tuple`).
fn tuple(out: &mut Vec<u8>, kind: Kind, source: (Ipv4Addr, u16), target: (Ipv4Addr, u16)) {
    nest(out, 1, |out| {
        attribute(out, 1, &source.0.octets());
        attribute(out, 2, &target.0.octets());
    });
    nest(out, 2, |out| {
        attribute(out, 1, &[kind.protocol()]);
        attribute(out, 2, &source.1.to_be_bytes());
        attribute(out, 3, &target.1.to_be_bytes());
    });
}

/// `CTA_PROTOINFO_TCP_*`: state, window scales, flags (each with a mask that says that it is meant).
fn established(out: &mut Vec<u8>) {
    attribute(out, 1, &[3]);
    attribute(out, 2, &[7]);
    attribute(out, 3, &[7]);
    attribute(out, 4, &[0x03, 0x03]);
    attribute(out, 5, &[0x03, 0x03]);
}

/// `CTA_NAT_*`: one address and one port.
fn source_nat(out: &mut Vec<u8>, address: Ipv4Addr, port: u16) {
    attribute(out, 1, &address.octets());
    attribute(out, 2, &address.octets());
    nest(out, 3, |out| {
        attribute(out, 1, &port.to_be_bytes());
        attribute(out, 2, &port.to_be_bytes());
    });
}

/// `struct nlmsghdr` and `struct nfgenmsg` (IPv4), then what `fill` writes.
pub(super) fn write_message(out: &mut Vec<u8>, kind: u16, flags: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend([0; 4]);
    out.extend(kind.to_ne_bytes());
    out.extend(flags.to_ne_bytes());
    out.extend([0; 8]);
    out.extend([2, 0, 0, 0]);
    fill(out);
    let length = u32::try_from(out.len() - at).expect("a few hundred bytes");
    out[at..at + 4].copy_from_slice(&length.to_ne_bytes());
}

pub(super) fn nest(out: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend([0; 4]);
    fill(out);
    write_head(out, at, kind | NESTED);
}

pub(super) fn attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let at = out.len();
    out.extend([0; 4]);
    out.extend(value);
    write_head(out, at, kind);
    out.resize(out.len().next_multiple_of(4), 0);
}

fn write_head(out: &mut [u8], at: usize, kind: u16) {
    let length = u16::try_from(out.len() - at).expect("a few hundred bytes");
    out[at..at + 2].copy_from_slice(&length.to_ne_bytes());
    out[at + 2..at + 4].copy_from_slice(&kind.to_ne_bytes());
}

#[cfg(test)]
mod tests {
    use super::{Kind, PER_PAIR, create, delete, index};
    use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
    use netlink_packet_netfilter::NetfilterMessage;
    use std::collections::BTreeSet;
    use std::net::Ipv4Addr;

    #[test]
    fn another_decoder_understands_a_creation() {
        let kinds =
            [(Kind::Plain, "tcp"), (Kind::Translated, "tcp"), (Kind::Gre, "gre"), (Kind::Udplite, "udplite")];
        for (kind, protocol) in kinds {
            let mut bytes = Vec::new();
            create(&mut bytes, kind, 7);
            assert_eq!(bytes.len() % 4, 0);
            let message = NetlinkMessage::<NetfilterMessage>::deserialize(&bytes).unwrap();
            assert_eq!(message.header.length as usize, bytes.len());
            let NetlinkPayload::InnerMessage(inner) = message.payload else { panic!("a creation") };
            let text = format!("{inner:?}");
            assert!(text.contains("10.64.0.2") && text.contains("198.51.100.10"), "{text}");
            assert!(text.contains("1031") && text.contains("CtaTimeout(3600)"), "{text}");
            assert!(text.to_lowercase().contains(&format!("protocol({protocol})")), "{text}");
        }
    }

    #[test]
    fn a_flow_is_known_by_its_client() {
        assert_eq!(index(Ipv4Addr::new(10, 64, 2, 2), 1027), Some(2 * PER_PAIR + 3));
        assert_eq!(index(Ipv4Addr::new(10, 64, 2, 3), 1027), None);
        assert_eq!(index(Ipv4Addr::new(10, 64, 2, 2), 80), None);
    }

    #[test]
    fn another_decoder_understands_a_deletion_of_one_flow() {
        let mut bytes = Vec::new();
        delete(&mut bytes, Kind::Plain, 7);
        let message = NetlinkMessage::<NetfilterMessage>::deserialize(&bytes).unwrap();
        let NetlinkPayload::InnerMessage(inner) = message.payload else { panic!("a deletion") };
        let text = format!("{inner:?}");
        // Without its tuple it would be a deletion of everything.
        assert!(text.contains("10.64.0.2") && text.contains("1031"), "{text}");
    }

    #[test]
    fn no_two_flows_are_equal() {
        let flow = |index| {
            let mut bytes = Vec::new();
            create(&mut bytes, Kind::Translated, index);
            bytes
        };
        let around = (0..10).chain(PER_PAIR - 10..PER_PAIR + 10).chain(3 * PER_PAIR - 1..3 * PER_PAIR + 1);
        assert_eq!(around.clone().map(flow).collect::<BTreeSet<_>>().len(), around.count());
    }
}
