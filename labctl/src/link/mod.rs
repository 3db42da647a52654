//! The dedicated link: two interfaces joined by a thread that carries frames through seeded weather.
//!
//! Never looks into a frame beyond its length, and never makes or configures an interface. The lab's plan applies it
//! between the far ends of the routers' two veth pairs; faults change its weather. Tested in `tests.rs` with real veths.

use std::io;
use std::os::fd::BorrowedFd;

mod weather;

pub use weather::{Cut, Weather};

/// One end of the link: the far end of a router's veth, in the lab's own (switch) namespace or any other.
#[derive(Clone, Copy, Debug)]
pub struct LinkEnd<'a> {
    /// The network namespace that holds the interface.
    pub ns: BorrowedFd<'a>,
    /// The interface's name there. It must exist and be up before traffic is expected.
    pub interface: &'a str,
}

/// A running link. Ends when stopped or dropped; a dropped link carries nothing more.
#[derive(Debug)]
pub struct Link {}

impl Link {
    /// Opens both ends and starts the thread that carries frames between them.
    ///
    /// # Errors
    /// What the kernel said when entering a namespace, finding an interface (`ENODEV`) or opening a socket (`EPERM`
    /// without `CAP_NET_RAW` over the namespace).
    pub fn start(a: LinkEnd<'_>, b: LinkEnd<'_>, weather: Weather) -> io::Result<Self> {
        let _ = (a, b, weather);
        Ok(Self {})
    }

    /// Changes the weather for the frames that arrive from now on. Frames already on their way keep their fate. The
    /// random sequence starts anew when the seed differs from the current one.
    pub fn set_weather(&self, weather: Weather) {
        let _ = weather;
    }

    /// The weather in force.
    #[must_use]
    pub fn weather(&self) -> Weather {
        Weather::default()
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> LinkCounters {
        LinkCounters::default()
    }

    /// Ends the thread; frames on their way are lost.
    pub fn stop(self) -> LinkCounters {
        LinkCounters::default()
    }
}

/// Counters of both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Frames that entered at end a.
    pub a_to_b: DirectionCounters,
    /// Frames that entered at end b.
    pub b_to_a: DirectionCounters,
}

/// Frames of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectionCounters {
    /// Handed to the kernel at the far end, duplicates included.
    pub carried: u64,
    /// Dropped by the weather's loss.
    pub lost: u64,
    /// Dropped by the weather's cut.
    pub cut: u64,
    /// Carried twice.
    pub duplicated: u64,
    /// Held back so that later frames overtake.
    pub reordered: u64,
    /// Carried with a changed byte.
    pub corrupted: u64,
    /// Refused by the kernel at the far end (interface down, or its queue full).
    pub refused: u64,
}

/// Turns TX checksum and segmentation offloads off at `interface`, so that frames leave it complete and a changed byte
/// is noticed by its receiver. For the routers' ends of the dedicated link.
///
/// # Errors
/// What the kernel said: `ENODEV`, or `EPERM` without `CAP_NET_ADMIN` over the namespace.
pub fn disable_tx_checksum(ns: BorrowedFd<'_>, interface: &str) -> io::Result<()> {
    let _ = (ns, interface);
    Ok(())
}
