//! Many requests in one system call, in one reused buffer.
//!
//! ctnetlink has no transactions: a batch is plain concatenation, each request stands for itself and is executed in
//! order. A batch never sends itself; [`RequestSocket::send`](crate::RequestSocket::send) does. After its first use
//! nothing is allocated (`tests/no_alloc.rs`). Tested in `tests/kernel.rs`.

use syncd_core::flow::{Expectation, Flow, FlowRef};

use crate::uapi::flag;
use crate::{encode, expect, message};

/// Requests that wait to be sent together, each named by a token of the caller's choice.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    tokens: Vec<u32>,
    /// `nlmsg_seq` of the first request; the others count on. The token itself would not do, because the caller may
    /// use it twice (delete, then create again).
    first_seq: u32,
    /// Where the last request begins.
    last: usize,
}

impl Batch {
    /// So many requests fit.
    ///
    /// One turn of the daemon must stay short (128 creations last about 1 ms), the answers must fit a default receive
    /// buffer (256), and beyond 64 KiB nothing is gained.
    pub const CAPACITY: usize = 128;

    /// An empty batch. This allocates its buffers, about 96 KiB.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bytes: Vec::with_capacity(Self::CAPACITY * encode::MAX_REQUEST),
            tokens: Vec::with_capacity(Self::CAPACITY),
            first_seq: 0,
            last: 0,
        }
    }

    /// Adds a creation; see [`encode::create`].
    ///
    /// # Panics
    /// This and the other additions, when the batch is full.
    pub fn create<'a>(&mut self, token: u32, flow: impl Into<FlowRef<'a>>, timeout: u32) {
        self.add(token, |out, seq| encode::create(out, seq, flow, timeout));
    }

    /// Adds an update; see [`encode::update`].
    pub fn update<'a>(&mut self, token: u32, flow: impl Into<FlowRef<'a>>, timeout: u32) {
        self.add(token, |out, seq| encode::update(out, seq, flow, timeout));
    }

    /// Adds an update that leaves the status alone; see [`encode::update_without_status`].
    pub fn update_without_status<'a>(&mut self, token: u32, flow: impl Into<FlowRef<'a>>, timeout: u32) {
        self.add(token, |out, seq| encode::update_without_status(out, seq, flow, timeout));
    }

    /// Adds a relaxation; see [`encode::relax`].
    pub fn relax(&mut self, token: u32, flow: &Flow) {
        self.add(token, |out, seq| encode::relax(out, seq, flow));
    }

    /// Adds another time to live; see [`encode::shorten`].
    pub fn shorten(&mut self, token: u32, flow: &Flow, timeout: u32) {
        self.add(token, |out, seq| encode::shorten(out, seq, flow, timeout));
    }

    /// Adds a deletion; see [`encode::delete`].
    pub fn delete(&mut self, token: u32, flow: &Flow) {
        self.add(token, |out, seq| encode::delete(out, seq, flow));
    }

    /// Adds the creation of an expectation; see [`expect::create`].
    pub fn create_expectation(&mut self, token: u32, expectation: &Expectation) {
        self.add(token, |out, seq| expect::create(out, seq, expectation));
    }

    /// Adds the renewal of an expectation; see [`expect::renew`].
    pub fn renew_expectation(&mut self, token: u32, expectation: &Expectation, timeout: u32) {
        self.add(token, |out, seq| expect::renew(out, seq, expectation, timeout));
    }

    /// Adds the deletion of an expectation; see [`expect::delete`].
    pub fn delete_expectation(&mut self, token: u32, expectation: &Expectation) {
        self.add(token, |out, seq| expect::delete(out, seq, expectation));
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
        self.first_seq = self.first_seq.wrapping_add(self.tokens.len() as u32);
        self.bytes.clear();
        self.tokens.clear();
    }

    /// Counts on behind `other`, which is sent before: an answer that comes late is to one of them only.
    ///
    /// # Panics
    /// When a request waits.
    pub fn follow(&mut self, other: &Self) {
        assert!(self.is_empty(), "requests were counted already");
        self.first_seq = other.first_seq.wrapping_add(other.tokens.len() as u32);
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

    /// The requests, of which the last asks for an answer also when it succeeds: when that answer is there, all
    /// requests were executed and every failure before it was answered.
    pub(crate) fn seal(&mut self) -> &[u8] {
        if !self.is_empty() {
            message::add_flags(&mut self.bytes[self.last..], flag::ACK);
        }
        &self.bytes
    }

    /// `nlmsg_seq` of the first request.
    pub(crate) const fn first_seq(&self) -> u32 {
        self.first_seq
    }

    fn add(&mut self, token: u32, encode: impl FnOnce(&mut Vec<u8>, u32)) {
        assert!(!self.is_full(), "a full batch was not sent");
        let seq = self.first_seq.wrapping_add(self.tokens.len() as u32);
        self.last = self.bytes.len();
        self.tokens.push(token);
        encode(&mut self.bytes, seq);
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}
