//! The dedicated link: two interfaces joined by a thread that carries frames through seeded weather.
//!
//! Never looks into a frame and never makes or configures an interface, except for [`disable_tx_checksum`]. The lab's
//! plan applies it between the far ends of the routers' two veth pairs; faults change its weather. Tested in `tests.rs`
//! with real veths.
//!
//! ```text
//! r1 eth2 ---veth--- far end a == carrier thread == far end b ---veth--- eth2 r2
//! ```
//!
//! veth leaves checksums for later and large TCP packets in one piece, since it expects to hand them to a kernel. The
//! sockets therefore carry each frame with its `virtio_net_hdr` (otherwise: bad checksums everywhere, and `EMSGSIZE`).

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

mod carrier;
mod chance;
mod line;
pub(crate) mod namespace;
mod packet_socket;
#[cfg(test)]
pub(crate) mod stage;
#[cfg(test)]
mod tests;
mod weather;

use carrier::{Carrier, End, Shared};
pub(crate) use chance::Chance;
use packet_socket::PacketSocket;
pub(crate) use weather::{Cut, Weather};

/// One end of the link: the far end of a router's veth, in the lab's own (switch) namespace or any other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkEnd<'a> {
    /// The network namespace that holds the interface.
    pub(crate) ns: BorrowedFd<'a>,
    /// The interface's name there. It must exist, and be up before frames can pass.
    pub(crate) interface: &'a str,
}

impl LinkEnd<'_> {
    fn open(self) -> io::Result<PacketSocket> {
        let interface = self.interface;
        namespace::run_in(self.ns, || PacketSocket::open(interface))
    }
}

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

/// A running link. Ends when stopped or dropped; frames on their way are lost then.
#[derive(Debug)]
pub(crate) struct Link {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Link {
    /// Opens both ends and starts the thread that carries frames between them.
    ///
    /// # Errors
    /// What the kernel said when entering a namespace, finding an interface (`ENODEV`) or opening a socket (`EPERM`
    /// without `CAP_NET_RAW` over the namespace).
    pub(crate) fn start(a: LinkEnd<'_>, b: LinkEnd<'_>, weather: Weather) -> io::Result<Self> {
        let ends = [a.open()?, b.open()?];
        let shared = Arc::new(Shared::new(weather)?);
        let carrier = Carrier::new(Arc::clone(&shared), ends);
        let thread = thread::Builder::new().name("link".to_owned()).spawn(move || carrier.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Changes the weather; returns when it is in force for all frames that enter from now on. Frames already on their
    /// way keep their fate. The draws start anew only when the seed differs from the current one.
    pub(crate) fn set_weather(&self, weather: Weather) {
        self.shared.order_weather(weather);
    }

    /// The weather in force.
    #[must_use]
    pub(crate) fn weather(&self) -> Weather {
        self.shared.weather()
    }

    /// Takes another interface in the place of one end: a router that returns has a new one, even of the same name.
    /// Weather and counters go on.
    ///
    /// # Errors
    /// As [`Link::start`]; the old end stays then.
    pub(crate) fn rejoin(&self, side: Side, end: LinkEnd<'_>) -> io::Result<()> {
        let socket = end.open()?;
        self.shared.order_end(usize::from(side == Side::B), End::Joined(socket));
        Ok(())
    }

    /// Pulls one end out: nothing passes until [`Link::rejoin`]. The interface is left as it is, and may be removed.
    pub(crate) fn unplug(&self, side: Side) {
        self.shared.order_end(usize::from(side == Side::B), End::Unplugged);
    }

    /// What happened so far.
    #[must_use]
    pub(crate) fn counters(&self) -> LinkCounters {
        self.shared.counters()
    }

    /// Ends the thread and tells what happened. A lab's link is dropped instead.
    #[cfg(test)]
    pub(crate) fn stop(mut self) -> LinkCounters {
        self.end();
        self.shared.counters()
    }

    fn end(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.shared.order_stop();
            // A panic of the carrier has been printed; the link is gone either way.
            let _ = thread.join();
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.end();
    }
}

/// Counters of both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkCounters {
    /// Frames that entered at end a.
    pub(crate) a_to_b: DirectionCounters,
    /// Frames that entered at end b.
    pub(crate) b_to_a: DirectionCounters,
}

/// Frames of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DirectionCounters {
    /// Handed to the kernel at the far end, duplicates included.
    pub(crate) carried: u64,
    /// Dropped by the weather's loss.
    pub(crate) lost: u64,
    /// Dropped by the weather's cut.
    pub(crate) cut: u64,
    /// Dropped because too much waited for a line with a limit.
    pub(crate) congested: u64,
    /// Carried twice.
    pub(crate) duplicated: u64,
    /// Held back so that later frames overtake.
    pub(crate) reordered: u64,
    /// Carried with a changed byte.
    pub(crate) corrupted: u64,
    /// Dropped by the kernel where they entered because the thread came too late: never part of the weather, so a
    /// result with such frames says little about the weather. Grows only on an overloaded machine.
    pub(crate) overrun: u64,
    /// Refused at the far end: interface down, gone or unplugged, or too many frames on their way.
    pub(crate) refused: u64,
}

/// Turns transmit checksum and segmentation offloads off at `interface`, so that frames leave it complete, one per
/// packet, and a changed byte is noticed by its receiver. For the routers' ends of the dedicated link: weather then
/// meets single packets, and corruption is real.
///
/// # Errors
/// What the kernel said: `ENODEV`, or `EPERM` without `CAP_NET_ADMIN` over the namespace.
pub(crate) fn disable_tx_checksum(ns: BorrowedFd<'_>, interface: &str) -> io::Result<()> {
    namespace::run_in(ns, || packet_socket::disable_offloads(interface))
}
