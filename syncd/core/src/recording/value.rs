//! What goes through the doors besides flows, as bytes: an arm to write and an arm to read for each variant.

use alloc::vec::Vec;
use core::time::Duration;

use super::decoder::{Damage, Scratch};
use super::number::{Bytes, Coded};
use crate::flow::FlowRef;
use crate::replica::{
    BulkCause, By, Command, Errno, ExpectRequest, KernelReply, KernelRequest, Notice, Reason, Refusal, Reply,
    Role, Step, Token,
};

// ----- The kernel. -----

pub(super) fn put_kernel_reply(reply: &KernelReply<'_>, out: &mut Vec<u8>) {
    match reply {
        KernelReply::Done(token) => put(0, token, out),
        KernelReply::Failed(token, error) => {
            put(1, token, out);
            error.0.put(out);
        }
        KernelReply::Begun(token) => put(2, token, out),
        KernelReply::Dumped(token, flow) => {
            put(3, token, out);
            put_whole(*flow, out);
        }
        KernelReply::Found(token, flow) => {
            put(4, token, out);
            put_whole(*flow, out);
        }
        KernelReply::Counted(token, count) => {
            put(5, token, out);
            count.put(out);
        }
        KernelReply::Expectation(token, expectation) => {
            put(6, token, out);
            expectation.put(out);
        }
    }
}

pub(super) fn take_kernel_reply<'s>(
    from: &mut Bytes<'_>,
    scratch: &'s mut Scratch,
) -> Result<KernelReply<'s>, Damage> {
    let (kind, token) = (u8::take(from)?, Token(Coded::take(from)?));
    Ok(match kind {
        0 => KernelReply::Done(token),
        1 => KernelReply::Failed(token, Coded::take(from)?),
        2 => KernelReply::Begun(token),
        3 => KernelReply::Dumped(token, scratch.whole(from)?),
        4 => KernelReply::Found(token, scratch.whole(from)?),
        5 => KernelReply::Counted(token, Coded::take(from)?),
        6 => KernelReply::Expectation(token, scratch.expectation(from)?),
        _ => return Err(Damage::Kind),
    })
}

pub(super) fn put_kernel_request(request: &KernelRequest<'_>, out: &mut Vec<u8>) {
    match request {
        KernelRequest::Create { token, flow, timeout } => {
            put(0, token, out);
            put_whole(*flow, out);
            timeout.put(out);
        }
        KernelRequest::Update { token, flow, timeout, with_status } => {
            put(1, token, out);
            put_whole(*flow, out);
            timeout.put(out);
            with_status.put(out);
        }
        KernelRequest::Delete { token, flow } => {
            put(2, token, out);
            flow.put(out);
        }
        KernelRequest::Find { token, flow, by } => {
            put(3, token, out);
            flow.put(out);
            by.put(out);
        }
        KernelRequest::Dump { token } => put(4, token, out),
        KernelRequest::Count { token } => put(5, token, out),
        KernelRequest::ListenNew(listen) => {
            out.push(LISTEN_NEW);
            listen.put(out);
        }
        KernelRequest::Expect(request) => put_expect_request(request, out),
        KernelRequest::Relax { token, flow } => {
            put(12, token, out);
            flow.put(out);
        }
        KernelRequest::Shorten { token, flow, timeout } => {
            put(13, token, out);
            flow.put(out);
            timeout.put(out);
        }
    }
}

fn put_expect_request(request: &ExpectRequest<'_>, out: &mut Vec<u8>) {
    match request {
        ExpectRequest::Create { token, expectation } => {
            put(7, token, out);
            expectation.put(out);
        }
        ExpectRequest::Renew { token, expectation, timeout } => {
            put(8, token, out);
            expectation.put(out);
            timeout.put(out);
        }
        ExpectRequest::Delete { token, expectation } => {
            put(9, token, out);
            expectation.put(out);
        }
        ExpectRequest::Find { token, expectation } => {
            put(10, token, out);
            expectation.put(out);
        }
        ExpectRequest::Dump { token } => put(11, token, out),
    }
}

/// The only request without a name.
const LISTEN_NEW: u8 = 6;

pub(super) fn take_kernel_request<'s>(
    from: &mut Bytes<'_>,
    scratch: &'s mut Scratch,
) -> Result<KernelRequest<'s>, Damage> {
    let kind = u8::take(from)?;
    if kind == LISTEN_NEW {
        return Ok(KernelRequest::ListenNew(Coded::take(from)?));
    }
    let token = Token(Coded::take(from)?);
    Ok(match kind {
        0 => {
            let flow = scratch.whole(from)?;
            KernelRequest::Create { token, flow, timeout: Coded::take(from)? }
        }
        1 => {
            let flow = scratch.whole(from)?;
            let (timeout, with_status) = (Coded::take(from)?, Coded::take(from)?);
            KernelRequest::Update { token, flow, timeout, with_status }
        }
        2 => KernelRequest::Delete { token, flow: scratch.flow(from)? },
        3 => {
            let flow = scratch.flow(from)?;
            KernelRequest::Find { token, flow, by: Coded::take(from)? }
        }
        4 => KernelRequest::Dump { token },
        5 => KernelRequest::Count { token },
        7 => KernelRequest::Expect(ExpectRequest::Create { token, expectation: scratch.expectation(from)? }),
        8 => {
            let expectation = scratch.expectation(from)?;
            KernelRequest::Expect(ExpectRequest::Renew { token, expectation, timeout: Coded::take(from)? })
        }
        9 => KernelRequest::Expect(ExpectRequest::Delete { token, expectation: scratch.expectation(from)? }),
        10 => KernelRequest::Expect(ExpectRequest::Find { token, expectation: scratch.expectation(from)? }),
        11 => KernelRequest::Expect(ExpectRequest::Dump { token }),
        12 => KernelRequest::Relax { token, flow: scratch.flow(from)? },
        13 => {
            let flow = scratch.flow(from)?;
            KernelRequest::Shorten { token, flow, timeout: Coded::take(from)? }
        }
        _ => return Err(Damage::Kind),
    })
}

/// A flow with what is rare about it.
pub(super) fn put_whole(flow: FlowRef<'_>, out: &mut Vec<u8>) {
    let FlowRef { flow, extras } = flow;
    flow.put(out);
    extras.copied().put(out);
}

fn put(kind: u8, token: &Token, out: &mut Vec<u8>) {
    out.push(kind);
    token.0.put(out);
}

impl Coded for By {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Original => 0,
            Self::Reply => 1,
        });
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        Ok(match u8::take(from)? {
            0 => Self::Original,
            1 => Self::Reply,
            _ => return Err(Damage::Value),
        })
    }
}

impl Coded for Errno {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        Coded::take(from).map(Self)
    }
}

// ----- Commands. -----

impl Coded for Command {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Role(role) => {
                out.push(0);
                role.put(out);
            }
            Self::PeerYielded => out.push(1),
            Self::Step(step) => put1(2, step, out),
        }
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        Ok(match u8::take(from)? {
            0 => Self::Role(Coded::take(from)?),
            1 => Self::PeerYielded,
            2 => Self::Step(Coded::take(from)?),
            _ => return Err(Damage::Kind),
        })
    }
}

impl Coded for Step {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Commit => 0,
            Self::ReloadInternal => 1,
            Self::Bulk => 2,
            Self::AskPeer => 3,
            Self::ResetExternal => 4,
        });
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        Ok(match u8::take(from)? {
            0 => Self::Commit,
            1 => Self::ReloadInternal,
            2 => Self::Bulk,
            3 => Self::AskPeer,
            4 => Self::ResetExternal,
            _ => return Err(Damage::Value),
        })
    }
}

impl Coded for Reply {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Done => out.push(0),
            Self::Refused(Refusal::Overtaken { by }) => {
                out.push(1);
                by.put(out);
            }
            Self::Refused(Refusal::TooManyWaiting) => out.push(2),
            Self::Refused(Refusal::PeerSilent) => out.push(3),
        }
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        Ok(match u8::take(from)? {
            0 => Self::Done,
            1 => Self::Refused(Refusal::Overtaken { by: Coded::take(from)? }),
            2 => Self::Refused(Refusal::TooManyWaiting),
            3 => Self::Refused(Refusal::PeerSilent),
            _ => return Err(Damage::Kind),
        })
    }
}

impl Coded for Role {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Unknown => 0,
            Self::Primary => 1,
            Self::Backup => 2,
            Self::Fault => 3,
        });
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        Ok(match u8::take(from)? {
            0 => Self::Unknown,
            1 => Self::Primary,
            2 => Self::Backup,
            3 => Self::Fault,
            _ => return Err(Damage::Value),
        })
    }
}

// ----- Notices. -----

impl Coded for Notice {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::RoleEntered { from, to } => put2(0, from, to, out),
            Self::PeerHello => out.push(1),
            Self::PeerLost => out.push(2),
            Self::PeerHeard => out.push(3),
            Self::CaughtUp { flows, swept, took } => {
                put2(4, flows, swept, out);
                took.put(out);
            }
            Self::CatchingUp(reason) => put1(5, reason, out),
            Self::BulkBegun { flows, cause } => put2(6, flows, cause, out),
            Self::BulkDone { flows, took } => put2(7, flows, took, out),
            Self::EventsLost => out.push(8),
            Self::EndMissed => out.push(9),
            Self::CountDiffers { kernel, difference } => put2(10, kernel, difference, out),
            Self::EndsUnheard { flows } => put1(11, flows, out),
            Self::Reloaded { flows, added, swept, took } => {
                put2(12, flows, added, out);
                swept.put(out);
                took.put(out);
            }
            Self::ReloadFailed(error) => put1(13, error, out),
            Self::CommitBegun { flows } => put1(14, flows, out),
            Self::CommitDone { committed, failed, took } => {
                put2(15, committed, failed, out);
                took.put(out);
            }
            Self::CommitFailed { wanted, error, existing } => {
                put2(16, wanted, error, out);
                existing.put(out);
            }
            Self::CacheFull { internal, limit } => put2(17, internal, limit, out),
            Self::SendingStuck => out.push(18),
            Self::ReceivingStuck => out.push(19),
            Self::EndsForgotten { flows } => put1(20, flows, out),
            Self::HelperUnknown { helper } => put1(21, helper, out),
            Self::ExpectationFailed { wanted, error } => put2(22, wanted, error, out),
            Self::ExpectationsUnavailable(error) => put1(23, error, out),
            Self::ExpectationsFull { internal, limit } => put2(24, internal, limit, out),
            Self::ForeignHello => out.push(25),
            Self::PurgeScheduled { after } => put1(26, after, out),
            Self::PurgeBegun { flows } => put1(27, flows, out),
            Self::BirthMissed => out.push(28),
            Self::EarlyEndsDropped { flows } => put1(29, flows, out),
            Self::NoticesDropped { notices } => put1(30, notices, out),
        }
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        Ok(match u8::take(from)? {
            0 => Self::RoleEntered { from: Coded::take(from)?, to: Coded::take(from)? },
            1 => Self::PeerHello,
            2 => Self::PeerLost,
            3 => Self::PeerHeard,
            4 => Self::CaughtUp {
                flows: Coded::take(from)?,
                swept: Coded::take(from)?,
                took: Coded::take(from)?,
            },
            5 => Self::CatchingUp(Coded::take(from)?),
            6 => Self::BulkBegun { flows: Coded::take(from)?, cause: Coded::take(from)? },
            7 => Self::BulkDone { flows: Coded::take(from)?, took: Coded::take(from)? },
            8 => Self::EventsLost,
            9 => Self::EndMissed,
            10 => Self::CountDiffers { kernel: Coded::take(from)?, difference: Coded::take(from)? },
            11 => Self::EndsUnheard { flows: Coded::take(from)? },
            12 => Self::Reloaded {
                flows: Coded::take(from)?,
                added: Coded::take(from)?,
                swept: Coded::take(from)?,
                took: Coded::take(from)?,
            },
            13 => Self::ReloadFailed(Coded::take(from)?),
            14 => Self::CommitBegun { flows: Coded::take(from)? },
            15 => Self::CommitDone {
                committed: Coded::take(from)?,
                failed: Coded::take(from)?,
                took: Coded::take(from)?,
            },
            16 => Self::CommitFailed {
                wanted: Coded::take(from)?,
                error: Coded::take(from)?,
                existing: Coded::take(from)?,
            },
            17 => Self::CacheFull { internal: Coded::take(from)?, limit: Coded::take(from)? },
            18 => Self::SendingStuck,
            19 => Self::ReceivingStuck,
            20 => Self::EndsForgotten { flows: Coded::take(from)? },
            21 => Self::HelperUnknown { helper: Coded::take(from)? },
            22 => Self::ExpectationFailed { wanted: Coded::take(from)?, error: Coded::take(from)? },
            23 => Self::ExpectationsUnavailable(Coded::take(from)?),
            24 => Self::ExpectationsFull { internal: Coded::take(from)?, limit: Coded::take(from)? },
            25 => Self::ForeignHello,
            26 => Self::PurgeScheduled { after: Coded::take(from)? },
            27 => Self::PurgeBegun { flows: Coded::take(from)? },
            28 => Self::BirthMissed,
            29 => Self::EarlyEndsDropped { flows: Coded::take(from)? },
            30 => Self::NoticesDropped { notices: Coded::take(from)? },
            _ => return Err(Damage::Kind),
        })
    }
}

impl Coded for BulkCause {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Ourselves => 0,
            Self::PeerStarted => 1,
            Self::PeerAsked => 2,
            Self::PeerUnheard => 3,
        });
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        Ok(match u8::take(from)? {
            0 => Self::Ourselves,
            1 => Self::PeerStarted,
            2 => Self::PeerAsked,
            3 => Self::PeerUnheard,
            _ => return Err(Damage::Value),
        })
    }
}

fn put1(kind: u8, value: &impl Coded, out: &mut Vec<u8>) {
    out.push(kind);
    value.put(out);
}

fn put2(kind: u8, first: &impl Coded, second: &impl Coded, out: &mut Vec<u8>) {
    put1(kind, first, out);
    second.put(out);
}

impl Coded for Duration {
    fn put(&self, out: &mut Vec<u8>) {
        u64::try_from(self.as_nanos()).unwrap_or(u64::MAX).put(out);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        Coded::take(from).map(Self::from_nanos)
    }
}

impl Coded for Reason {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Starting => 0,
            Self::AwaitingFlows => 1,
            Self::PeerHello => 2,
            Self::PeerReturned => 3,
            Self::BecameBackup => 4,
            Self::GapDuringResync => 5,
            Self::NoAnswer => 6,
            Self::ReceivingStuck => 7,
            Self::GapOpen => 8,
            Self::ReadingKernel => 9,
            Self::Sending => 10,
            Self::Unacknowledged => 11,
            Self::LargeGap => 12,
            Self::RoomAgain => 13,
            Self::Reconfigured => 18,
            Self::PeerYielded => 14,
            Self::Backlog => 15,
            Self::Refused => 16,
            Self::Operator => 17,
        });
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        Ok(match u8::take(from)? {
            0 => Self::Starting,
            1 => Self::AwaitingFlows,
            2 => Self::PeerHello,
            3 => Self::PeerReturned,
            4 => Self::BecameBackup,
            5 => Self::GapDuringResync,
            6 => Self::NoAnswer,
            7 => Self::ReceivingStuck,
            8 => Self::GapOpen,
            9 => Self::ReadingKernel,
            10 => Self::Sending,
            11 => Self::Unacknowledged,
            12 => Self::LargeGap,
            13 => Self::RoomAgain,
            18 => Self::Reconfigured,
            14 => Self::PeerYielded,
            15 => Self::Backlog,
            16 => Self::Refused,
            17 => Self::Operator,
            _ => return Err(Damage::Value),
        })
    }
}
