//! What an operator asks of the kernel's table as a whole: what each processor has counted, and to empty it.
//!
//! Never on the way of a flow. Driven by the commands, not by the daemon; tested in `tests/kernel.rs`.

use super::query::{QueryError, QuerySocket};
use crate::message::{self, MessageView};
use crate::nla::DecodeError;
use crate::uapi::{cpu_stats, flag, kind};

/// What one processor has counted in this network namespace (`struct ip_conntrack_stat`). What the kernel does not say
/// is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ProcessorStats {
    /// Which processor.
    pub cpu: u16,
    /// Look-ups that found a flow. No kernel since 4.10 counts all of them.
    pub found: u32,
    /// Packets that cannot be tracked.
    pub invalid: u32,
    /// Flows entered.
    pub insert: u32,
    /// Flows that could not be entered, because the same was there.
    pub insert_failed: u32,
    /// Packets dropped because a flow could not be entered.
    pub drop: u32,
    /// Flows that made room for others in a full table.
    pub early_drop: u32,
    /// Packets whose protocol part made no sense.
    pub error: u32,
    /// Look-ups that had to begin again.
    pub search_restart: u32,
    /// Packets let through although another of their flow was faster.
    pub clash_resolve: u32,
    /// Flows not entered because their hash chain was too long.
    pub chain_too_long: u32,
}

impl ProcessorStats {
    fn read(message: &MessageView<'_>) -> Result<Self, DecodeError> {
        let mut read = Self { cpu: message.resource(), ..Self::default() };
        for attribute in message.attributes() {
            let attribute = attribute?;
            let field = match attribute.kind {
                cpu_stats::FOUND => &mut read.found,
                cpu_stats::INVALID => &mut read.invalid,
                cpu_stats::INSERT => &mut read.insert,
                cpu_stats::INSERT_FAILED => &mut read.insert_failed,
                cpu_stats::DROP => &mut read.drop,
                cpu_stats::EARLY_DROP => &mut read.early_drop,
                cpu_stats::ERROR => &mut read.error,
                cpu_stats::SEARCH_RESTART => &mut read.search_restart,
                cpu_stats::CLASH_RESOLVE => &mut read.clash_resolve,
                cpu_stats::CHAIN_TOOLONG => &mut read.chain_too_long,
                _ => continue,
            };
            *field = attribute.be32()?;
        }
        Ok(read)
    }
}

impl QuerySocket {
    /// What each processor has counted, in the order of their numbers.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn processors(&mut self) -> Result<Vec<ProcessorStats>, QueryError> {
        self.renew()?;
        let mut found = Vec::new();
        let ask = |out: &mut Vec<u8>, seq| {
            let start = message::begin(out, (kind::SUBSYSTEM, kind::GET_STATS_CPU), flag::DUMP, seq, 0);
            message::end(out, start);
        };
        self.converse(ask, |message| {
            found.push(ProcessorStats::read(&message)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// Removes every flow of this network namespace.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn remove_all_flows(&mut self) -> Result<(), QueryError> {
        self.remove_all(kind::SUBSYSTEM)
    }

    /// Removes every expectation of this network namespace.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn remove_all_expectations(&mut self) -> Result<(), QueryError> {
        self.remove_all(kind::EXPECTATIONS)
    }

    /// A deletion that names nothing means everything (`ctnetlink_flush_conntrack`).
    fn remove_all(&mut self, subsystem: u8) -> Result<(), QueryError> {
        let ask = |out: &mut Vec<u8>, seq| {
            let start = message::begin(out, (subsystem, kind::DELETE), flag::ACK, seq, 0);
            message::end(out, start);
        };
        self.converse(ask, |_| Ok(()))
    }
}
