//! Applying a changed configuration: all of it or nothing.
//!
//! What can fail is done first, beside what there is; then everything changes over at once. Tested end to end.

use syncd_core::time::Instant;

use super::EventLoop;
use crate::channels::Prepared;
use crate::config::{self, Config};
use crate::control::protocol::{Reloaded, Response};
use crate::journal::Level;
use crate::reload::{Fitting, Read, Unfit};
use crate::run;

/// Everything a change needs that can fail.
struct Ready {
    fitting: Fitting,
    changed: Vec<&'static str>,
    prepared: Prepared,
}

impl EventLoop {
    /// Applies what was read, says so, and answers who waits.
    pub(super) fn reload(&mut self, now: Instant, Read { read, answer }: Read) {
        let response = match read.and_then(|fitting| self.get_ready(fitting)) {
            Ok(ready) => Response::Reloaded(self.change_over(now, ready)),
            Err(Unfit { reasons, remedy }) => {
                let journal = &self.parts.journal;
                for reason in &reasons {
                    journal.say(Level::Error, format_args!("cannot reload, nothing is changed: {reason}"));
                }
                Response::refused(
                    format!("cannot reload, nothing is changed: {}", reasons.join("; ")),
                    remedy,
                )
            }
        };
        if let Some(answer) = answer {
            // A client that has gone wants no answer.
            drop(answer.send(response));
        }
    }

    /// Opens what is needed. Nothing has changed yet.
    fn get_ready(&self, fitting: Fitting) -> Result<Ready, Unfit> {
        let changed = self.parts.config.changed(&fitting.config);
        let restart = config::needing_restart(&changed);
        let unfit = |reason: String| Unfit {
            reasons: vec![reason],
            remedy: "restart syncd: the standby first, and the primary when it is in sync again".to_owned(),
        };
        if !restart.is_empty() {
            return Err(unfit(format!("{} changed, which takes a restart", restart.join(", "))));
        }
        let Config { filter, .. } = &self.parts.config;
        let prepared = self.parts.channels.prepare(&fitting.config, &fitting.own).map_err(|error| Unfit {
            reasons: vec![error.to_string()],
            remedy: "nothing was closed: repair it and reload again".to_owned(),
        })?;
        // The last step that can fail. Hearing of expectations that the filter keeps out changes nothing.
        if fitting.config.filter.wants_expectations() && !filter.wants_expectations() {
            let heard = self.parts.kernel.hear_expectations();
            heard.map_err(|error| unfit(format!("cannot hear of expectations: {error}")))?;
        }
        Ok(Ready { fitting, changed, prepared })
    }

    /// From here on nothing fails.
    fn change_over(&mut self, now: Instant, Ready { fitting, changed, prepared }: Ready) -> Reloaded {
        let Fitting { config, remarks, .. } = fitting;
        let parts = &mut self.parts;
        // What is said about the change is said as loud as the louder of both.
        if config.log > parts.config.log {
            parts.journal.limit(config.log);
        }
        parts.kernel.limit_buffer(config.event_buffer);
        let (others, resized) = parts.channels.change(prepared);
        if let Err(error) = resized {
            parts
                .journal
                .say(Level::Warn, format_args!("cannot set the buffer of a dedicated link: {error}"));
        }
        let datagram_limit = parts.channels.payload_limit();
        self.outbox.change_limit(datagram_limit);
        parts.replica.handle_settings(now, &run::settings(&config, datagram_limit));
        self.readiness.change(&config.failover, &parts.replica);
        for channel in others {
            parts.replica.handle_channel(now, channel, false);
        }
        (parts.setting, parts.transport) = (run::setting(&config, self.start), run::transport(&config));
        let what = if changed.is_empty() { "nothing".to_owned() } else { changed.join(", ") };
        parts.journal.say(Level::Info, format_args!("reloaded {}: changed {what}", config.file().display()));
        run::warn_of_limit(&config, &parts.journal);
        for remark in &remarks {
            parts.journal.say(Level::Warn, remark);
        }
        parts.journal.limit(config.log);
        parts.config = config;
        self.look_at_links(now);
        let changed = changed.into_iter().map(str::to_owned).collect();
        Reloaded { changed, remarks }
    }
}
