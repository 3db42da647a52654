//! The doors of a replica as one value each, and the entries of a recording.
//!
//! [`Input::apply`] is the list of doors: whoever feeds a replica through it records what he feeds. Their bytes are here
//! too, so that a new door is an arm in each of three functions that stand together.

use alloc::vec::Vec;

use super::decoder::{Damage, Scratch};
use super::number::{Bytes, Coded, put_counted};
use super::recorder::digest;
use super::value::{put_kernel_reply, put_kernel_request, put_whole, take_kernel_reply, take_kernel_request};
use crate::flow::{Change, Expectation, FlowRef, Origin};
use crate::replica::{
    ChannelId, Command, Config, KernelReply, KernelRequest, Notice, Replica, Reply, RequestId, Settings,
};
use crate::time::Instant;

/// What came in through a door.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// [`Replica::handle_flow`].
    Flow(Origin, Change, FlowRef<'a>),
    /// [`Replica::handle_expectation`].
    Expectation(Origin, Change, &'a Expectation),
    /// [`Replica::handle_overrun`].
    Overrun,
    /// [`Replica::handle_datagram`].
    Datagram(ChannelId, &'a [u8]),
    /// [`Replica::handle_channel`].
    Channel(ChannelId, bool),
    /// [`Replica::handle_kernel`].
    Kernel(KernelReply<'a>),
    /// [`Replica::handle_command`].
    Command(RequestId, Command),
    /// [`Replica::handle_settings`].
    Settings(&'a Settings),
}

impl<'a> Input<'a> {
    /// Goes through the door. ([`Replica::handle_timeout`] is called by a turn.)
    pub fn apply(self, replica: &mut Replica, now: Instant) {
        match self {
            Self::Flow(origin, change, flow) => replica.handle_flow(now, origin, change, flow),
            Self::Expectation(origin, change, expectation) => {
                replica.handle_expectation(now, origin, change, expectation);
            }
            Self::Overrun => replica.handle_overrun(now),
            Self::Datagram(from, bytes) => replica.handle_datagram(now, from, bytes),
            Self::Channel(channel, up) => replica.handle_channel(now, channel, up),
            Self::Kernel(reply) => replica.handle_kernel(now, reply),
            Self::Command(id, command) => replica.handle_command(now, id, command),
            Self::Settings(settings) => replica.handle_settings(now, settings),
        }
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Flow(origin, change, flow) => {
                out.push(0);
                origin.put(out);
                change.put(out);
                put_whole(*flow, out);
            }
            Self::Expectation(origin, change, expectation) => {
                out.push(6);
                origin.put(out);
                change.put(out);
                expectation.put(out);
            }
            Self::Overrun => out.push(1),
            Self::Datagram(from, bytes) => {
                out.extend_from_slice(&[2, from.0]);
                put_counted(bytes, out);
            }
            Self::Channel(channel, up) => {
                out.extend_from_slice(&[3, channel.0]);
                up.put(out);
            }
            Self::Kernel(reply) => {
                out.push(4);
                put_kernel_reply(reply, out);
            }
            Self::Command(id, command) => {
                out.push(5);
                id.0.put(out);
                command.put(out);
            }
            Self::Settings(settings) => {
                out.push(7);
                settings.put(out);
            }
        }
    }

    pub(super) fn take(from: &mut Bytes<'a>, scratch: &'a mut Scratch) -> Result<Self, Damage> {
        Ok(match u8::take(from)? {
            0 => Self::Flow(Coded::take(from)?, Coded::take(from)?, scratch.whole(from)?),
            1 => Self::Overrun,
            2 => Self::Datagram(ChannelId(Coded::take(from)?), from.counted()?),
            3 => Self::Channel(ChannelId(Coded::take(from)?), Coded::take(from)?),
            4 => Self::Kernel(take_kernel_reply(from, scratch)?),
            5 => Self::Command(RequestId(Coded::take(from)?), Coded::take(from)?),
            6 => Self::Expectation(Coded::take(from)?, Coded::take(from)?, scratch.expectation(from)?),
            7 => Self::Settings(scratch.settings(from)?),
            _ => return Err(Damage::Kind),
        })
    }
}

/// What a turn brought about.
#[derive(Clone, Copy, Debug)]
pub enum Output<'a> {
    /// [`Outside::transmit`](crate::replica::Outside::transmit).
    Sent(ChannelId, Sent),
    /// [`Outside::request`](crate::replica::Outside::request).
    Request(KernelRequest<'a>),
    /// There was no room for one more request.
    NoMoreRequests,
    /// There was no room for one more datagram.
    NoMoreDatagrams,
    /// [`Outside::reply`](crate::replica::Outside::reply).
    Reply(RequestId, Reply),
    /// [`Outside::notice`](crate::replica::Outside::notice).
    Notice(Notice),
}

impl<'a> Output<'a> {
    pub(super) const SENT: u8 = 0;
    pub(super) const REQUEST: u8 = 1;
    pub(super) const NO_MORE_REQUESTS: u8 = 4;
    pub(super) const NO_MORE_DATAGRAMS: u8 = 5;

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Sent(channel, Sent { length, first, digest }) => {
                out.extend_from_slice(&[Self::SENT, channel.0]);
                length.put(out);
                out.extend_from_slice(first);
                out.extend_from_slice(&digest.to_le_bytes());
            }
            Self::Request(request) => {
                out.push(Self::REQUEST);
                put_kernel_request(request, out);
            }
            Self::Reply(id, reply) => {
                out.push(2);
                id.0.put(out);
                reply.put(out);
            }
            Self::Notice(notice) => {
                out.push(3);
                notice.put(out);
            }
            Self::NoMoreRequests => out.push(Self::NO_MORE_REQUESTS),
            Self::NoMoreDatagrams => out.push(Self::NO_MORE_DATAGRAMS),
        }
    }

    pub(super) fn take(from: &mut Bytes<'_>, scratch: &'a mut Scratch) -> Result<Self, Damage> {
        Ok(match u8::take(from)? {
            Self::SENT => {
                let channel = ChannelId(Coded::take(from)?);
                let (length, first) = (Coded::take(from)?, from.array()?);
                Self::Sent(channel, Sent { length, first, digest: u64::from_le_bytes(from.array()?) })
            }
            Self::REQUEST => Self::Request(take_kernel_request(from, scratch)?),
            2 => Self::Reply(RequestId(Coded::take(from)?), Coded::take(from)?),
            3 => Self::Notice(Coded::take(from)?),
            Self::NO_MORE_REQUESTS => Self::NoMoreRequests,
            Self::NO_MORE_DATAGRAMS => Self::NoMoreDatagrams,
            _ => return Err(Damage::Kind),
        })
    }
}

/// What is kept of a datagram that was sent: enough to see that another one is not the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Bytes.
    pub length: u32,
    /// The header of its first frame, whose last four bytes are its number.
    pub first: [u8; 8],
    /// Of all bytes.
    pub digest: u64,
}

impl Sent {
    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let first = bytes.first_chunk().copied().unwrap_or_default();
        Self { length, first, digest: digest(0, bytes) }
    }
}

/// With what a replica was made.
#[derive(Clone, Debug)]
pub struct Start<'a> {
    /// Its configuration.
    pub config: Config,
    /// Its entropy.
    pub entropy: [u8; 32],
    /// Its datagrams' limit, in bytes.
    pub datagram_limit: u16,
    /// By the wall clock, in seconds since 1970; decides nothing.
    pub unix_seconds: u64,
    /// Name and version of the program.
    pub program: &'a str,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnEnd {
    /// [`Replica::poll_timeout`] after the turn.
    pub due: Option<Instant>,
}

/// One entry of a recording.
#[derive(Clone, Debug)]
pub enum Entry<'a> {
    /// The first.
    Start(Instant, Start<'a>),
    /// Something came in.
    Input(Instant, Input<'a>),
    /// A turn begins.
    Turn(Instant),
    /// It brought this about.
    Output(Output<'a>),
    /// It is over.
    TurnEnd(TurnEnd),
    /// The last, if there was time for it.
    End(Instant),
}
