//! Which dedicated link is used: the current one, until it goes down or the peer is heard on another.

use alloc::vec::Vec;

/// Name of a socket on a dedicated link: its index in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId(pub u8);

/// The dedicated links and which of them is used.
#[derive(Debug)]
pub struct Channels {
    up: Vec<bool>,
    current: Option<ChannelId>,
}

impl Channels {
    /// `count` links, all of them down.
    #[must_use]
    pub fn new(count: u8) -> Self {
        Self { up: alloc::vec![false; usize::from(count)], current: None }
    }

    /// The link to send on; none while all are down.
    #[must_use]
    pub const fn current(&self) -> Option<ChannelId> {
        self.current
    }

    /// A link went up or down.
    pub fn set(&mut self, channel: ChannelId, up: bool) {
        let Some(state) = self.up.get_mut(usize::from(channel.0)) else { return };
        *state = up;
        if up && self.current.is_none() {
            self.current = Some(channel);
        } else if !up && self.current == Some(channel) {
            self.current = self.first_up();
        }
    }

    /// There are so many links from now on; those that come are down.
    pub fn resize(&mut self, count: u8) {
        self.up.resize(usize::from(count), false);
        if self.current.is_some_and(|current| current.0 >= count) {
            self.current = self.first_up();
        }
    }

    /// The peer was heard on this link: it is the one that works.
    pub fn heard(&mut self, channel: ChannelId) {
        if self.up.get(usize::from(channel.0)) == Some(&true) {
            self.current = Some(channel);
        }
    }

    fn first_up(&self) -> Option<ChannelId> {
        let index = self.up.iter().position(|up| *up)?;
        u8::try_from(index).ok().map(ChannelId)
    }
}
