//! What the daemon says by itself: one line each, on standard error and to whoever watches, with a level by consequence.
//!
//! error: something operators must act on now; warn: worth waking someone; info: roles, peer, jobs. No line per flow
//! or per packet, save for flows a commit could not write. Under systemd the level is journald's prefix, else a word.
//! Tested in `journal/tests.rs`.

mod details;
pub(crate) mod told;

#[cfg(test)]
mod tests;

use std::env;
use std::fmt::{self, Display};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use serde_json::{Map, Value};
use syncd_core::replica::Notice;

use crate::clock;
use told::{LineView, Told};

/// By consequence, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// We stop, or connections will be lost.
    Error,
    /// Worth waking someone.
    Warn,
    /// Roles, peer, jobs.
    Info,
}

impl Level {
    /// The level of that word of the configuration.
    pub(crate) fn named(word: &str) -> Option<Self> {
        [Self::Error, Self::Warn, Self::Info].into_iter().find(|level| level.marks().1 == word)
    }

    /// syslog's number, as `sd-daemon(3)` wants it, and the word.
    const fn marks(self) -> (u8, &'static str) {
        match self {
            Self::Error => (3, "error"),
            Self::Warn => (4, "warn"),
            Self::Info => (6, "info"),
        }
    }
}

/// Where lines go. Clones say what the first one says.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    /// Whether journald reads our standard error.
    journald: bool,
    /// syslog's number of the last level that is written.
    last: Arc<AtomicU8>,
    told: Arc<Told>,
}

impl Journal {
    /// Standard error, as it is connected now.
    pub(crate) fn new() -> Self {
        let last = Arc::new(AtomicU8::new(Level::Info.marks().0));
        Self { journald: env::var_os("JOURNAL_STREAM").is_some(), last, told: Arc::new(Told::new()) }
    }

    /// Writes from now on only what is as grave as `level`; nothing, if there is none. Whoever watches hears all.
    pub(crate) fn limit(&self, level: Option<Level>) {
        self.last.store(level.map_or(0, |level| level.marks().0), Ordering::Relaxed);
    }

    /// Whether a line of that level is written.
    fn says(&self, level: Level) -> bool {
        level.marks().0 <= self.last.load(Ordering::Relaxed)
    }

    /// The last lines, for whoever asks on the control socket.
    pub(crate) const fn told(&self) -> &Arc<Told> {
        &self.told
    }

    /// One line. A standard error that is closed is nobody's loss but the reader's.
    pub(crate) fn say(&self, level: Level, text: impl Display) {
        self.tell(level, "said", Map::new(), text.to_string());
    }

    /// The same with a word for what happened and what belongs to it.
    pub(crate) fn happened(&self, level: Level, event: &str, details: &Value, text: impl Display) {
        self.tell(level, event, details.as_object().cloned().unwrap_or_default(), text.to_string());
    }

    fn tell(&self, level: Level, event: &str, details: Map<String, Value>, text: String) {
        let (number, word) = level.marks();
        if !self.says(level) {
            return;
        }
        let line =
            if self.journald { format!("<{number}>{text}\n") } else { format!("syncd: {word}: {text}\n") };
        drop(io::stderr().write_all(line.as_bytes()));
        self.told.say(LineView {
            version: 1,
            number: 0,
            unix_ms: clock::unix_millis(),
            monotonic_ns: clock::now().as_nanos(),
            level: word.to_owned(),
            event: event.to_owned(),
            details,
            text,
        });
    }

    /// What the replica says.
    pub(crate) fn notice(&self, notice: &Notice) {
        let (event, details) = details::details(notice);
        self.tell(level(notice), event, details, Line(notice).to_string());
    }

    /// The receive buffer for events was enlarged after an overrun, or could not be.
    pub(crate) fn event_buffer(&self, bytes: usize, at_limit: bool) {
        if at_limit {
            let remedy = "raise event-listen-queue-size if this repeats";
            self.say(
                Level::Warn,
                format_args!("kernel events overran the buffer of {bytes} bytes; {remedy}"),
            );
        } else {
            self.say(Level::Info, format_args!("event socket buffer size has been doubled to {bytes} bytes"));
        }
    }
}

const fn level(notice: &Notice) -> Level {
    match notice {
        Notice::CacheFull { .. } => Level::Error,
        Notice::CommitFailed { .. }
        | Notice::ExpectationFailed { .. }
        | Notice::ExpectationsFull { .. }
        | Notice::ExpectationsUnavailable(_)
        | Notice::HelperUnknown { .. }
        | Notice::PeerLost
        | Notice::EventsLost
        | Notice::EndMissed
        | Notice::CountDiffers { .. }
        | Notice::EndsUnheard { .. }
        | Notice::ReloadFailed(_)
        | Notice::SendingStuck
        | Notice::ReceivingStuck
        | Notice::ForeignHello
        | Notice::EndsForgotten { .. } => Level::Warn,
        Notice::CommitDone { failed, .. } if *failed > 0 => Level::Warn,
        _ => Level::Info,
    }
}

/// A notice as a sentence.
struct Line<'a>(&'a Notice);

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
            Notice::BulkBegun { flows } => write!(f, "sending bulk update of {flows} flows"),
            Notice::BulkDone { flows, took } => {
                write!(f, "sent bulk update of {flows} flows in {}", Took(*took))
            }
            Notice::EventsLost => f.write_str("the kernel dropped events; its table is read again"),
            Notice::EndMissed => {
                f.write_str("a flow began again whose end was not heard: events were lost; the kernel's table is read again")
            }
            Notice::CountDiffers { kernel, difference } => {
                let (count, word) = (difference.unsigned_abs(), if *difference > 0 { "more" } else { "fewer" });
                write!(f, "the kernel has {kernel} flows, {count} {word} than were heard of; its table is read again")
            }
            Notice::EndsUnheard { flows } => {
                write!(f, "{flows} flows may end without an event, because nf_conntrack_events was not 1 when they ")?;
                f.write_str("were born; until they have ended the table is read again and again")
            }
            Notice::Reloaded { flows, added, swept, took } => {
                write!(
                    f,
                    "read the kernel's table: {flows} flows, {added} new, {swept} gone, in {}",
                    Took(*took)
                )
            }
            Notice::ReloadFailed(error) => {
                write!(f, "cannot read the kernel's table: {error}; it is tried again")
            }
            Notice::CommitBegun { flows } => write!(f, "committing {flows} flows"),
            Notice::CommitDone { committed, failed, took } => {
                write!(f, "committed {committed} flows in {}, {failed} failed", Took(*took))
            }
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
            Notice::EndsForgotten { flows } => {
                write!(f, "the ends of {flows} flows were never acknowledged and are forgotten")
            }
        }
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
