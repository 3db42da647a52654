//! The dedicated links: one channel each, multicast or unicast UDP over IPv4 or IPv6.
//!
//! Receives and sends datagrams and knows which links are up; never looks into a datagram, and a failed send is
//! counted, not an error, because the protocol repairs loss. Driven by the event loop; tested end to end.

mod links;
mod socket;

use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::task::{Context, Poll};

use syncd_core::replica::ChannelId;
use syncd_core::wire::payload_limit;

use crate::config::{Config, Interface, Link, Transport};
use crate::show::view::{LinkTraffic, LinkView};
use links::{LinkNews, LinkState};
use socket::{End, Sockets};

pub(crate) use socket::{OpenError, mtu};

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
    news: LinkNews,
}

#[derive(Debug)]
struct Channel {
    link: Link,
    own: IpAddr,
    buffer_bytes: usize,
    index: Option<u32>,
    up: bool,
    state: LinkState,
    traffic: LinkTraffic,
    /// None after the interface went away and until it is back.
    sockets: Option<Sockets>,
}

/// Channels for a changed configuration, open beside those of now.
#[derive(Debug)]
pub(crate) struct Prepared {
    channels: Vec<Wanted>,
    buffer_bytes: usize,
}

#[derive(Debug)]
enum Wanted {
    /// The channel of now at that place.
    Kept(usize),
    /// Another one.
    New(Box<Channel>),
}

impl Channels {
    /// Opens every link of the configuration; `own` is our address on each.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub(crate) fn open(config: &Config, own: &[IpAddr]) -> Result<Self, OpenError> {
        let mut channels = Vec::new();
        for (link, own) in config.links.iter().zip(own) {
            let mut channel = Channel::closed(link, *own, config.channel_buffer);
            channel.open(None)?;
            channels.push(channel);
        }
        let news = LinkNews::open().map_err(|error| OpenError::news(&config.links, error))?;
        Ok(Self { channels, buffer: vec![0; LONGEST_DATAGRAM].into(), news })
    }

    /// Opens what `config` wants otherwise, beside what there is. What it wants as it is stays open all the time.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]; nothing has changed then.
    pub(crate) fn prepare(&self, config: &Config, own: &[IpAddr]) -> Result<Prepared, OpenError> {
        let mut channels = Vec::new();
        for (link, own) in config.links.iter().zip(own) {
            let is_same = |channel: &Channel| channel.link.is_same(link) && channel.own == *own;
            let wanted = match self.channels.iter().position(is_same) {
                Some(at) => Wanted::Kept(at),
                None => {
                    let mut channel = Channel::closed(link, *own, config.channel_buffer);
                    // The port can be bound once: who only talks to another peer goes on listening.
                    let listens = self.channels.iter().find(|known| known.listens_as(&channel));
                    channel.open(listens.and_then(|known| known.sockets.as_ref()))?;
                    Wanted::New(Box::new(channel))
                }
            };
            channels.push(wanted);
        }
        Ok(Prepared { channels, buffer_bytes: config.channel_buffer })
    }

    /// Changes over to what was prepared. Says which channels are others than before, and how many there are.
    pub(crate) fn change(&mut self, prepared: Prepared) -> (Vec<ChannelId>, io::Result<()>) {
        let mut before: Vec<Option<Channel>> = self.channels.drain(..).map(Some).collect();
        let mut others = Vec::new();
        let mut resized = Ok(());
        for (place, wanted) in prepared.channels.into_iter().enumerate() {
            let kept = match wanted {
                Wanted::New(channel) => Err(*channel),
                Wanted::Kept(at) => Ok((at, before[at].take().expect("two links are never the same"))),
            };
            let mut channel = match kept {
                Ok((at, channel)) if at == place => channel,
                Ok((_, channel)) | Err(channel) => {
                    others.extend(u8::try_from(place).ok().map(ChannelId));
                    Channel { up: false, ..channel }
                }
            };
            resized = resized.and(channel.resize(prepared.buffer_bytes));
            self.channels.push(channel);
        }
        (others, resized)
    }

    /// How many bytes a datagram may have so that no link has to fragment it.
    pub(crate) fn payload_limit(&self) -> usize {
        let mtus =
            self.channels.iter().filter_map(|channel| channel.sockets.as_ref()).map(|sockets| sockets.mtu);
        payload_limit(mtus.min().unwrap_or(1500))
    }

    /// What went wrong so far.
    pub(crate) fn errors(&self) -> ChannelErrors {
        let mut all = ChannelErrors::default();
        for channel in &self.channels {
            all.send += channel.traffic.send_errors;
            all.receive += channel.traffic.receive_errors;
        }
        all
    }

    /// The dedicated links as an operator sees them; `active` is the one that is sent on.
    pub(crate) fn views(&self, active: Option<ChannelId>) -> Vec<LinkView> {
        let view = |(channel, id): (&Channel, u8)| LinkView {
            interface: channel.link.interface.clone(),
            state: channel.state.word().to_owned(),
            active: active == Some(ChannelId(id)),
            traffic: channel.traffic,
        };
        self.channels.iter().zip(0..).map(view).collect()
    }

    /// Every dedicated link and its state, if none works, as of the last look.
    pub(crate) fn all_down(&self) -> Option<String> {
        let word = |channel: &Channel| format!("{} {}", channel.link.interface, channel.state.word());
        let none = self.channels.iter().all(|channel| !channel.up);
        none.then(|| self.channels.iter().map(word).collect::<Vec<_>>().join(", "))
    }

    /// Whether the kernel has said that an interface changed since this was asked last.
    pub(crate) fn take_link_news(&self) -> bool {
        self.news.take()
    }

    /// Ready when a datagram waits on any channel, or an interface has changed.
    pub(crate) fn poll_read(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut ready = self.news.poll(context);
        for sockets in self.channels.iter().filter_map(|channel| channel.sockets.as_ref()) {
            if sockets.ready.poll_read(context).is_ready() {
                ready = Poll::Ready(());
            }
        }
        ready
    }

    /// Hands over at most `budget` datagrams per channel.
    pub(crate) fn gather(&mut self, budget: usize, mut take: impl FnMut(ChannelId, &[u8])) {
        for (channel, id) in self.channels.iter_mut().zip(0..) {
            let traffic = &mut channel.traffic;
            let Some(sockets) = channel.sockets.as_ref().filter(|sockets| sockets.ready.is_readable()) else {
                continue;
            };
            for _ in 0..budget {
                match sockets.receive.recv(&mut self.buffer) {
                    Ok(len) => {
                        traffic.datagrams_received += 1;
                        traffic.bytes_received += len as u64;
                        take(ChannelId(id), &self.buffer[..len]);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        sockets.ready.exhausted();
                        break;
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    // A pending error of the socket: reading it clears it.
                    Err(_) => traffic.receive_errors += 1,
                }
            }
        }
    }

    /// Sends one datagram.
    pub(crate) fn send(&mut self, id: ChannelId, datagram: &[u8]) -> Sent {
        let Some(channel) = self.channels.get_mut(usize::from(id.0)) else { return Sent::Done };
        let traffic = &mut channel.traffic;
        let Some(sockets) = &channel.sockets else {
            traffic.send_errors += 1;
            return Sent::Done;
        };
        match sockets.send.send_to(datagram, sockets.target) {
            Ok(_) => {
                traffic.datagrams_sent += 1;
                traffic.bytes_sent += datagram.len() as u64;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Sent::Later,
            Err(_) => traffic.send_errors += 1,
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
        let (interfaces, states) = (Interface::all()?, LinkState::all()?);
        for (channel, id) in self.channels.iter_mut().zip(0..) {
            channel.state = states.get(&channel.link.interface).copied().unwrap_or_default();
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
                drop(channel.open(None));
            }
            let up = channel.sockets.is_some() && interface.is_some_and(|found| found.running);
            if up != channel.up {
                channel.up = up;
                tell(ChannelId(id), up);
            }
        }
        Ok(())
    }

    /// What the kernel said of the channel's interface at the last look.
    pub(crate) fn state(&self, id: ChannelId) -> &'static str {
        self.channels.get(usize::from(id.0)).map_or("?", |channel| channel.state.word())
    }

    /// Name of the channel's interface.
    pub(crate) fn interface(&self, id: ChannelId) -> &str {
        self.channels.get(usize::from(id.0)).map_or("?", |channel| &channel.link.interface)
    }
}

impl Channel {
    fn closed(link: &Link, own: IpAddr, buffer_bytes: usize) -> Self {
        Self {
            link: link.clone(),
            own,
            buffer_bytes,
            index: None,
            up: false,
            state: LinkState::default(),
            traffic: LinkTraffic::default(),
            sockets: None,
        }
    }

    /// Whether both receive the same.
    fn listens_as(&self, other: &Self) -> bool {
        let (one, two) = (self.link.transport, other.link.transport);
        let port = |transport| match transport {
            Transport::Unicast(peer) => Some(peer.port()),
            Transport::Multicast(_) => None,
        };
        self.link.interface == other.link.interface
            && self.own == other.own
            && port(one).is_some()
            && port(one) == port(two)
    }

    /// Gives its sockets buffers of another size.
    fn resize(&mut self, bytes: usize) -> io::Result<()> {
        if self.buffer_bytes == bytes {
            return Ok(());
        }
        self.buffer_bytes = bytes;
        self.sockets.as_ref().map_or(Ok(()), |sockets| sockets.resize(bytes))
    }

    /// Opens its sockets; `listening` receives already what it is to receive.
    fn open(&mut self, listening: Option<&Sockets>) -> Result<(), OpenError> {
        let index = nix::net::if_::if_nametoindex(self.link.interface.as_str())
            .map_err(|error| OpenError::new("find the interface of", &self.link, io::Error::from(error)))?;
        let end = End { link: &self.link, own: self.own, index };
        self.sockets = Some(Sockets::open(end, self.buffer_bytes, listening)?);
        self.index = Some(index);
        Ok(())
    }
}
