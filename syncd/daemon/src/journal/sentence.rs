//! A notice as a sentence for operators.
//!
//! Where conntrackd has a line that people look for in logs, its words are in ours: they are a contract, listed in
//! `docs/log.md`. Tested in `journal/tests.rs`.

use std::fmt::{self, Display};
use std::time::Duration;

use syncd_core::replica::{BulkCause, Notice};

/// A notice as a sentence.
pub(super) struct Line<'a>(pub(super) &'a Notice);

impl Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Notice::RoleEntered { from, to } => write!(f, "role {} (was {})", to.name(), from.name()),
            Notice::PeerHello => f.write_str("the peer says hello: it has started or restarted"),
            Notice::PeerLost => f.write_str("the peer is silent"),
            Notice::PeerHeard => f.write_str("the peer is heard"),
            Notice::CaughtUp { flows, swept, took } => {
                write!(
                    f,
                    "in sync: {flows} flows of the peer, {swept} stale ones removed, in {}",
                    Took(*took)
                )
            }
            Notice::CatchingUp(reason) => write!(f, "resync requested: {reason}"),
            Notice::EventsLost => f.write_str("the kernel dropped events; its table is read again"),
            Notice::EndMissed => {
                f.write_str("a flow began again whose end was not heard: events were lost; the kernel's table is read again")
            }
            Notice::BirthMissed => {
                f.write_str("a flow ended of which nothing was heard before: events were lost; the kernel's table is read again")
            }
            Notice::CountDiffers { kernel, difference } => {
                let (count, word) = (difference.unsigned_abs(), if *difference > 0 { "more" } else { "fewer" });
                write!(f, "the kernel has {kernel} flows, {count} {word} than were heard of; its table is read again")
            }
            Notice::EndsUnheard { flows } => {
                write!(f, "{flows} flows may end without an event, because nf_conntrack_events was not 1 when they ")?;
                f.write_str("were born; until they have ended the table is read again and again")
            }
            Notice::BulkBegun { .. }
            | Notice::BulkDone { .. }
            | Notice::Reloaded { .. }
            | Notice::ReloadFailed(_)
            | Notice::CommitBegun { .. }
            | Notice::CommitDone { .. } => job(f, self.0),
            Notice::CommitFailed { .. }
            | Notice::HelperUnknown { .. }
            | Notice::ExpectationFailed { .. }
            | Notice::ExpectationsUnavailable(_)
            | Notice::ExpectationsFull { .. } => refused(f, self.0),
            Notice::CacheFull { internal, limit } => {
                let cache = if *internal { "internal" } else { "external" };
                write!(f, "the {cache} cache is full: flows beyond {limit} are not replicated; ")?;
                f.write_str("raise cache-limit, or nf_conntrack_max where that is left out, and reload")
            }
            Notice::SendingStuck => {
                f.write_str("the peer acknowledges nothing although it is heard; starting over")
            }
            Notice::ReceivingStuck => {
                f.write_str("the peer's sequence numbers went back, or far ahead, without a hello; resync requested")
            }
            Notice::ForeignHello => f.write_str(
                "the peer answers a hello that is not ours: somebody else speaks on the dedicated link; starting over",
            ),
            Notice::PurgeScheduled { after } => {
                write!(f, "flushing conntrack table in {} secs: this router was primary", after.as_secs())
            }
            Notice::PurgeBegun { flows } => {
                write!(f, "flushing kernel conntrack table (scheduled): {flows} flows")
            }
            Notice::EndsForgotten { flows } => {
                write!(f, "the ends of {flows} flows were never acknowledged and are forgotten")
            }
            Notice::EarlyEndsDropped { .. } | Notice::NoticesDropped { .. } => dropped(f, self.0),
        }
    }
}

/// What there was no room for.
fn dropped(f: &mut fmt::Formatter<'_>, notice: &Notice) -> fmt::Result {
    match notice {
        Notice::EarlyEndsDropped { flows } => write!(
            f,
            "the peer told of {flows} ends more than are remembered while the kernel's table is read; \
             what of them is left over here goes by its timer"
        ),
        Notice::NoticesDropped { notices } => {
            write!(f, "{notices} notices came too fast to be told; see the counters")
        }
        _ => Ok(()),
    }
}

/// What is done for a while: its beginning and its end.
fn job(f: &mut fmt::Formatter<'_>, notice: &Notice) -> fmt::Result {
    match notice {
        Notice::BulkBegun { flows, cause } => {
            f.write_str(match cause {
                BulkCause::Ourselves => "",
                BulkCause::PeerStarted => "the peer has started: ",
                BulkCause::PeerAsked => "resync requested by other node: ",
                BulkCause::PeerUnheard => "the peer may have asked and not been heard: ",
            })?;
            write!(f, "sending bulk update of {flows} flows")
        }
        Notice::BulkDone { flows, took } => {
            write!(f, "sent bulk update of {flows} flows in {}", Took(*took))
        }
        Notice::Reloaded { flows, added, swept, took } => {
            write!(f, "read the kernel's table: {flows} flows, {added} new, {swept} gone, in {}", Took(*took))
        }
        Notice::ReloadFailed(error) => {
            write!(f, "cannot read the kernel's table: {error}; it is tried again")
        }
        Notice::CommitBegun { flows } => write!(f, "committing conntrack cache: {flows} flows"),
        Notice::CommitDone { committed, failed, took } => {
            write!(f, "Committed {committed} new entries; ")?;
            if *failed > 0 {
                write!(f, "{failed} entries can't be committed; ")?;
            }
            write!(f, "commit has taken {}.{:06} seconds", took.as_secs(), took.subsec_micros())
        }
        _ => Ok(()),
    }
}

/// What the kernel would not take, and what is told of helpers and their expectations.
fn refused(f: &mut fmt::Formatter<'_>, notice: &Notice) -> fmt::Result {
    match notice {
        Notice::CommitFailed { wanted, error, existing } => {
            write!(f, "cannot commit: {error}: {wanted}")?;
            match existing {
                Some(existing) => write!(f, "; in its place: {existing}"),
                None => Ok(()),
            }
        }
        Notice::HelperUnknown { helper } => {
            write!(f, "this kernel has no helper {helper}: flows that have it are committed without; ")?;
            f.write_str("load its module on both routers")
        }
        Notice::ExpectationFailed { wanted, error } => {
            write!(f, "cannot commit an expectation: {error}: {wanted}")
        }
        Notice::ExpectationsUnavailable(error) => {
            write!(f, "this kernel tells of no expectations ({error}): none are replicated; ")?;
            f.write_str("leave expect-sync out, or run a kernel with conntrack helpers")
        }
        Notice::ExpectationsFull { internal, limit } => {
            let cache = if *internal { "internal" } else { "external" };
            write!(f, "the {cache} cache of expectations is full: those beyond {limit} are not replicated")
        }
        _ => Ok(()),
    }
}

/// A duration in seconds, to the millisecond.
struct Took(Duration);

impl Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s", self.0.as_secs_f64())
    }
}
