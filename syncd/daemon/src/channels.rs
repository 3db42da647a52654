//! The dedicated links: one channel each, multicast or unicast UDP over IPv4.
//!
//! Receives and sends datagrams and knows which links are up; never looks into a datagram, and a failed send is
//! counted, not an error, because the protocol repairs loss. Driven by the event loop; tested end to end.

mod socket;

use std::io::{self, ErrorKind};
use std::task::{Context, Poll};

use syncd_core::replica::ChannelId;
use syncd_core::wire::payload_limit;

use crate::config::{Config, Interface, Link};
use socket::Sockets;

pub(crate) use socket::OpenError;

/// The largest UDP payload there is, and a bit.
const LONGEST_DATAGRAM: usize = 65_536;

/// What went wrong on the channels, in datagrams.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ChannelErrors {
    /// Not sent.
    pub(crate) send: u64,
    /// Not received, although something was there.
    pub(crate) receive: u64,
}

/// What became of a datagram to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It left, or failed and was counted.
    Done,
    /// The socket's buffer is full: later.
    Later,
}

/// All channels, in the order of the configuration.
#[derive(Debug)]
pub(crate) struct Channels {
    channels: Vec<Channel>,
    buffer: Box<[u8]>,
    errors: ChannelErrors,
}

#[derive(Debug)]
struct Channel {
    link: Link,
    own: std::net::Ipv4Addr,
    buffer_bytes: usize,
    index: Option<u32>,
    up: bool,
    /// None after the interface went away and until it is back.
    sockets: Option<Sockets>,
}

impl Channels {
    /// Opens every link of the configuration; `own` is our address on each.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub(crate) fn open(config: &Config, own: &[std::net::Ipv4Addr]) -> Result<Self, OpenError> {
        let mut channels = Vec::new();
        for (link, own) in config.links.iter().zip(own) {
            let mut channel = Channel {
                link: link.clone(),
                own: *own,
                buffer_bytes: config.channel_buffer,
                index: None,
                up: false,
                sockets: None,
            };
            channel.open()?;
            channels.push(channel);
        }
        Ok(Self { channels, buffer: vec![0; LONGEST_DATAGRAM].into(), errors: ChannelErrors::default() })
    }

    /// How many bytes a datagram may have so that no link has to fragment it.
    pub(crate) fn payload_limit(&self) -> usize {
        let mtus =
            self.channels.iter().filter_map(|channel| channel.sockets.as_ref()).map(|sockets| sockets.mtu);
        payload_limit(mtus.min().unwrap_or(1500))
    }

    /// What went wrong so far.
    pub(crate) const fn errors(&self) -> ChannelErrors {
        self.errors
    }

    /// Ready when a datagram waits on any channel.
    pub(crate) fn poll_read(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut ready = Poll::Pending;
        for sockets in self.channels.iter().filter_map(|channel| channel.sockets.as_ref()) {
            if sockets.ready.poll_read(context).is_ready() {
                ready = Poll::Ready(());
            }
        }
        ready
    }

    /// Hands over at most `budget` datagrams per channel.
    pub(crate) fn gather(&mut self, budget: usize, mut take: impl FnMut(ChannelId, &[u8])) {
        for (channel, id) in self.channels.iter().zip(0..) {
            let Some(sockets) = channel.sockets.as_ref().filter(|sockets| sockets.ready.is_readable()) else {
                continue;
            };
            for _ in 0..budget {
                match sockets.receive.recv(&mut self.buffer) {
                    Ok(len) => take(ChannelId(id), &self.buffer[..len]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        sockets.ready.exhausted();
                        break;
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    // A pending error of the socket: reading it clears it.
                    Err(_) => self.errors.receive += 1,
                }
            }
        }
    }

    /// Sends one datagram.
    pub(crate) fn send(&mut self, id: ChannelId, datagram: &[u8]) -> Sent {
        let sockets = self.channels.get(usize::from(id.0)).and_then(|channel| channel.sockets.as_ref());
        let Some(sockets) = sockets else {
            self.errors.send += 1;
            return Sent::Done;
        };
        match sockets.send.send_to(datagram, sockets.target) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Sent::Later,
            Err(_) => self.errors.send += 1,
        }
        Sent::Done
    }

    /// Looks at the interfaces again and tells which links went up or down. One that was replaced by another of the
    /// same name gets new sockets.
    ///
    /// # Errors
    ///
    /// When the kernel refuses the list of interfaces.
    pub(crate) fn refresh(&mut self, mut tell: impl FnMut(ChannelId, bool)) -> io::Result<()> {
        let interfaces = Interface::all()?;
        for (channel, id) in self.channels.iter_mut().zip(0..) {
            let interface = interfaces.iter().find(|interface| interface.name == channel.link.interface);
            let index = interface.and_then(Interface::index);
            if channel.index != index {
                channel.sockets = None;
                channel.index = None;
            }
            if channel.sockets.is_none()
                && interface.is_some_and(|found| found.addresses.contains(&channel.own))
            {
                // Not yet usable: the next look tries again.
                drop(channel.open());
            }
            let up = channel.sockets.is_some() && interface.is_some_and(|found| found.running);
            if up != channel.up {
                channel.up = up;
                tell(ChannelId(id), up);
            }
        }
        Ok(())
    }

    /// Name of the channel's interface.
    pub(crate) fn interface(&self, id: ChannelId) -> &str {
        self.channels.get(usize::from(id.0)).map_or("?", |channel| &channel.link.interface)
    }
}

impl Channel {
    fn open(&mut self) -> Result<(), OpenError> {
        let index = nix::net::if_::if_nametoindex(self.link.interface.as_str())
            .map_err(|error| OpenError::new("find the interface of", &self.link, io::Error::from(error)))?;
        self.sockets = Some(Sockets::open(&self.link, self.own, index, self.buffer_bytes)?);
        self.index = Some(index);
        Ok(())
    }
}
