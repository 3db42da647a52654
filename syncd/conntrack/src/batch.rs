//! Many requests in one system call, in one reused buffer.
//!
//! ctnetlink has no transactions: a batch is plain concatenation, each request stands for itself and is executed in
//! order. A batch never sends itself; [`RequestSocket::send`](crate::RequestSocket::send) does. After its first use
//! nothing is allocated (`tests/no_alloc.rs`). Tested in `tests/kernel.rs`.

use syncd_core::flow::Flow;

use crate::encode;

/// Requests that wait to be sent together, each named by a token of the caller's choice.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    tokens: Vec<u32>,
}

impl Batch {
    /// So many requests fit.
    ///
    /// One turn of the daemon must stay short (128 creations last about 1 ms), the answers must fit a default receive
    /// buffer (256), and beyond 64 KiB nothing is gained.
    pub const CAPACITY: usize = 128;

    /// An empty batch. This allocates its buffers, about 64 KiB.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bytes: Vec::with_capacity(Self::CAPACITY * encode::MAX_REQUEST),
            tokens: Vec::with_capacity(Self::CAPACITY),
        }
    }

    /// Adds a creation; see [`encode::create`].
    ///
    /// # Panics
    /// This and the other additions, when the batch is full.
    pub fn create(&mut self, token: u32, flow: &Flow, timeout: u32) {
        encode::create(self.next(token), token, flow, timeout);
    }

    /// Adds an update; see [`encode::update`].
    pub fn update(&mut self, token: u32, flow: &Flow, timeout: u32) {
        encode::update(self.next(token), token, flow, timeout);
    }

    /// Adds an update that leaves the status alone; see [`encode::update_without_status`].
    pub fn update_without_status(&mut self, token: u32, flow: &Flow, timeout: u32) {
        encode::update_without_status(self.next(token), token, flow, timeout);
    }

    /// Adds a deletion; see [`encode::delete`].
    pub fn delete(&mut self, token: u32, flow: &Flow) {
        encode::delete(self.next(token), token, flow);
    }

    /// How many requests wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether none waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Whether no further request fits.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.tokens.len() >= Self::CAPACITY
    }

    /// Forgets all requests.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.tokens.clear();
    }

    /// The requests, one behind the other. Each has a length of a multiple of four, so no padding is between them.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The tokens, in the order of the requests.
    #[must_use]
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    fn next(&mut self, token: u32) -> &mut Vec<u8> {
        assert!(!self.is_full(), "a full batch was not sent");
        self.tokens.push(token);
        &mut self.bytes
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}
