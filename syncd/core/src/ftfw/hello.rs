//! Hello: how two routers find out that they hear each other, and that one of them started over.
//!
//! A hello is an episode, not a message: while it is unanswered, conntrackd puts HELLO on every message. An episode
//! begins with the first HELLO after messages without it; what it causes is caused once per episode.
//!
//! While our own hello is unanswered no flow is sent: a peer does not notice gaps in frames with HELLO, so what
//! would be lost then would stay lost.

use crate::wire::Flags;

/// Who has answered whom.
#[derive(Debug)]
pub struct Hello {
    /// Whether the peer has answered our hello.
    answered: bool,
    /// Whether the last message of the peer carried HELLO.
    episode: bool,
    /// Whether our next message answers the peer's hello.
    owed: bool,
}

/// What a message meant for hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// It began an episode.
    pub episode: bool,
    /// It answered ours.
    pub answered: bool,
    /// It answered a hello although ours is answered.
    pub unasked: bool,
}

impl Default for Hello {
    fn default() -> Self {
        Self::new()
    }
}

impl Hello {
    /// At the start: saying hello, nothing heard.
    #[must_use]
    pub const fn new() -> Self {
        Self { answered: false, episode: false, owed: false }
    }

    /// Whether the peer has answered our hello.
    #[must_use]
    pub const fn is_answered(&self) -> bool {
        self.answered
    }

    /// Starts over: says hello until it is answered.
    pub const fn start_over(&mut self) {
        self.answered = false;
    }

    /// A message of the peer came in.
    pub const fn hear(&mut self, flags: Flags) -> Heard {
        let hello = flags.has(Flags::HELLO);
        let answered = !self.answered && flags.has(Flags::HELLO_BACK);
        let unasked = self.answered && flags.has(Flags::HELLO_BACK);
        let episode = hello && !self.episode;
        self.episode = hello;
        self.owed |= hello;
        self.answered |= answered;
        Heard { episode, answered, unasked }
    }

    /// The flags of our next message.
    #[must_use]
    pub const fn flags(&self) -> Flags {
        let hello = if self.answered { 0 } else { Flags::HELLO.0 };
        let back = if self.owed { Flags::HELLO_BACK.0 } else { 0 };
        Flags(hello | back)
    }

    /// Our message was sent.
    pub const fn sent(&mut self) {
        self.owed = false;
    }
}
