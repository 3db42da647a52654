//! The replica behind doors that know whether somebody records: the only way by which the daemon feeds it.
//!
//! Looking at the replica goes through [`Deref`]; feeding it does not, since that takes `&mut` and there is no
//! `DerefMut`. So a new door of the replica cannot be used here without a line in this file, and that line records.
//! Decides nothing. Tested end to end, and by the core that no door is left out.

use std::ops::Deref;

use syncd_core::flow::{Change, Expectation, FlowRef, Origin};
use syncd_core::recording::{self, Entry, Input};
use syncd_core::replica::{self, ChannelId, Command, KernelReply, Outside, Replica, RequestId, Settings};
use syncd_core::time::Instant;

use crate::recorder::Recording;

/// A replica and its recording, if there is one.
#[derive(Debug)]
pub(crate) struct Doors {
    replica: Replica,
    recording: Option<Recording>,
}

impl Deref for Doors {
    type Target = Replica;

    fn deref(&self) -> &Replica {
        &self.replica
    }
}

impl Doors {
    /// The doors of `replica`, which was made as the recording says.
    pub(crate) const fn new(replica: Replica, recording: Option<Recording>) -> Self {
        Self { replica, recording }
    }

    /// [`Replica::handle_flow`].
    pub(crate) fn handle_flow<'a>(
        &mut self,
        now: Instant,
        origin: Origin,
        change: Change,
        flow: impl Into<FlowRef<'a>>,
    ) {
        self.feed(now, Input::Flow(origin, change, flow.into()));
    }

    /// [`Replica::handle_expectation`].
    pub(crate) fn handle_expectation(
        &mut self,
        now: Instant,
        origin: Origin,
        change: Change,
        expectation: &Expectation,
    ) {
        self.feed(now, Input::Expectation(origin, change, expectation));
    }

    /// [`Replica::handle_overrun`].
    pub(crate) fn handle_overrun(&mut self, now: Instant) {
        self.feed(now, Input::Overrun);
    }

    /// [`Replica::handle_datagram`].
    pub(crate) fn handle_datagram(&mut self, now: Instant, from: ChannelId, bytes: &[u8]) {
        self.feed(now, Input::Datagram(from, bytes));
    }

    /// [`Replica::handle_channel`].
    pub(crate) fn handle_channel(&mut self, now: Instant, channel: ChannelId, up: bool) {
        self.feed(now, Input::Channel(channel, up));
    }

    /// [`Replica::handle_kernel`].
    pub(crate) fn handle_kernel(&mut self, now: Instant, reply: KernelReply<'_>) {
        self.feed(now, Input::Kernel(reply));
    }

    /// [`Replica::handle_command`].
    pub(crate) fn handle_command(&mut self, now: Instant, id: RequestId, command: Command) {
        self.feed(now, Input::Command(id, command));
    }

    /// [`Replica::handle_settings`].
    pub(crate) fn handle_settings(&mut self, now: Instant, settings: &Settings) {
        self.feed(now, Input::Settings(settings));
    }

    /// [`replica::turn()`].
    pub(crate) fn turn(&mut self, now: Instant, outside: &mut impl Outside) {
        match &self.recording {
            None => replica::turn(&mut self.replica, now, outside),
            Some(recording) => {
                recording::turn(&mut self.replica, now, outside, |entry| recording.write(entry));
            }
        }
    }

    /// Lets the recording go on. Why it ended, when it just did.
    pub(crate) fn keep_recording(&mut self, now: Instant) -> Option<String> {
        let ended = self.recording.as_ref()?.keep_up(now)?;
        self.recording = None;
        Some(ended)
    }

    /// The daemon is ending.
    pub(crate) fn end_recording(&mut self, now: Instant) {
        if let Some(recording) = self.recording.take() {
            recording.end(now);
        }
    }

    /// What happens is recorded before it does, so that a panic has its cause on record.
    fn feed(&mut self, now: Instant, input: Input<'_>) {
        if let Some(recording) = &self.recording {
            recording.write(&Entry::Input(now, input));
        }
        input.apply(&mut self.replica, now);
    }
}
