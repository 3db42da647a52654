//! What the daemon says by itself: one line each, to the log and to whoever watches, with a level by consequence.
//!
//! error: something operators must act on now; warn: worth waking someone; info: roles, peer, jobs. No line per flow
//! or per packet, save for flows a commit could not write. What repeats is counted instead of written ([`repeats`]); where
//! lines go is [`sink`]'s. Whoever watches hears all. Tested in `journal/tests.rs`.

mod details;
mod repeats;
mod sentence;
mod sink;
pub(crate) mod told;

#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Map, Value, json};
use syncd_core::replica::Notice;
use syncd_core::time::Instant;

use crate::clock;
use repeats::{Repeated, Repeats};
use sentence::Line;
pub(crate) use sink::is_journalds;
use sink::{Entry, Sink};
use told::{LineView, Told};

/// The word of a line that has none.
const SAID: &str = "said";

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
        [Self::Error, Self::Warn, Self::Info].into_iter().find(|level| level.word() == word)
    }

    /// As operators read it.
    const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
        }
    }

    /// syslog's number, as `sd-daemon(3)` wants it.
    const fn priority(self) -> u8 {
        match self {
            Self::Error => 3,
            Self::Warn => 4,
            Self::Info => 6,
        }
    }
}

/// Where lines go. Clones say what the first one says.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    sink: Arc<Sink>,
    /// syslog's number of the last level that is written.
    last: Arc<AtomicU8>,
    repeats: Arc<Mutex<Repeats>>,
    told: Arc<Told>,
}

impl Journal {
    /// Standard error, as it is connected now.
    pub(crate) fn new() -> Self {
        Self {
            sink: Arc::new(Sink::new()),
            last: Arc::new(AtomicU8::new(Level::Info.priority())),
            repeats: Arc::default(),
            told: Arc::new(Told::new()),
        }
    }

    /// Writes from now on only what is as grave as `level`; nothing, if there is none. Whoever watches hears all.
    pub(crate) fn limit(&self, level: Option<Level>) {
        self.last.store(level.map_or(0, Level::priority), Ordering::Relaxed);
    }

    /// Whether a line of that level is written.
    fn says(&self, level: Level) -> bool {
        level.priority() <= self.last.load(Ordering::Relaxed)
    }

    /// The last lines, for whoever asks on the control socket.
    pub(crate) const fn told(&self) -> &Arc<Told> {
        &self.told
    }

    /// One line.
    pub(crate) fn say(&self, level: Level, text: impl Display) {
        self.tell(level, SAID, Map::new(), text.to_string());
    }

    /// The same with a word for what happened and what belongs to it.
    pub(crate) fn happened(&self, level: Level, event: &str, details: &Value, text: impl Display) {
        self.tell(level, event, details.as_object().cloned().unwrap_or_default(), text.to_string());
    }

    fn tell(&self, level: Level, event: &str, details: Map<String, Value>, text: String) {
        let logged =
            self.says(level) && self.repeats().admit(clock::now(), level, event, event == SAID, &text);
        self.put(logged, level, event, details, text);
    }

    fn put(&self, logged: bool, level: Level, event: &str, details: Map<String, Value>, text: String) {
        if logged {
            self.sink.write(&Entry { level, event, details: &details, text: &text });
        }
        self.told.say(LineView {
            version: 1,
            number: 0,
            unix_ms: clock::unix_millis(),
            monotonic_ns: clock::now().as_nanos(),
            level: level.word().to_owned(),
            event: event.to_owned(),
            details,
            text,
            logged,
        });
    }

    fn repeats(&self) -> MutexGuard<'_, Repeats> {
        self.repeats.lock().expect("nobody panics with it")
    }

    /// When [`Self::catch_up`] has something to say.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.repeats().due()
    }

    /// Says how often lines were repeated that were not written.
    pub(crate) fn catch_up(&self, now: Instant) {
        self.tell_repeated(now, false);
    }

    /// The same at the end, when nothing more can be waited for.
    pub(crate) fn settle(&self) {
        self.tell_repeated(clock::now(), true);
    }

    fn tell_repeated(&self, now: Instant, all: bool) {
        let repeated = self.repeats().take(now, all);
        for Repeated { level, event, times, text } in repeated {
            let details =
                Map::from_iter([("of".to_owned(), json!(event)), ("times".to_owned(), json!(times))]);
            let text = format!("{text} ... repeated {times} times");
            self.put(self.says(level), level, "repeated", details, text);
        }
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
            self.say(
                Level::Info,
                format_args!("netlink event socket buffer size has been doubled to {bytes} bytes"),
            );
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
        | Notice::BirthMissed
        | Notice::CountDiffers { .. }
        | Notice::EndsUnheard { .. }
        | Notice::ReloadFailed(_)
        | Notice::SendingStuck
        | Notice::ReceivingStuck
        | Notice::ForeignHello
        | Notice::EndsForgotten { .. }
        | Notice::EarlyEndsDropped { .. }
        | Notice::NoticesDropped { .. } => Level::Warn,
        Notice::CommitDone { failed, .. } if *failed > 0 => Level::Warn,
        _ => Level::Info,
    }
}
