//! A notice as a word and what belongs to it, for machines that watch. Words are a contract: they are added, never
//! changed. Tested in `journal/tests.rs`.

use std::time::Duration;

use serde_json::{Map, Value, json};
use syncd_core::replica::Notice;

/// The word, and what belongs to it.
pub(super) fn details(notice: &Notice) -> (&'static str, Map<String, Value>) {
    let (event, details) = match notice {
        Notice::RoleEntered { from, to } => ("role-entered", json!({ "from": from.name(), "to": to.name() })),
        Notice::PeerHello => ("peer-hello", Value::Null),
        Notice::PeerLost => ("peer-lost", Value::Null),
        Notice::PeerHeard => ("peer-heard", Value::Null),
        Notice::CaughtUp { flows, swept, took } => {
            ("caught-up", json!({ "flows": flows, "swept": swept, "took_s": seconds(*took) }))
        }
        Notice::CatchingUp(reason) => ("catching-up", json!({ "reason": reason.to_string() })),
        Notice::BulkBegun { flows, cause } => {
            ("bulk-begun", json!({ "flows": flows, "cause": cause.word() }))
        }
        Notice::BulkDone { flows, took } => {
            ("bulk-done", json!({ "flows": flows, "took_s": seconds(*took) }))
        }
        Notice::EventsLost => ("events-lost", Value::Null),
        Notice::EndMissed => ("end-missed", Value::Null),
        Notice::BirthMissed => ("birth-missed", Value::Null),
        Notice::CountDiffers { kernel, difference } => {
            ("count-differs", json!({ "kernel": kernel, "difference": difference }))
        }
        Notice::EndsUnheard { flows } => ("ends-unheard", json!({ "flows": flows })),
        Notice::Reloaded { flows, added, swept, took } => {
            let took = seconds(*took);
            ("reloaded", json!({ "flows": flows, "added": added, "swept": swept, "took_s": took }))
        }
        Notice::ReloadFailed(error) => ("reload-failed", json!({ "error": error.to_string() })),
        Notice::CommitBegun { flows } => ("commit-begun", json!({ "flows": flows })),
        Notice::CommitDone { committed, failed, took } => {
            ("commit-done", json!({ "committed": committed, "failed": failed, "took_s": seconds(*took) }))
        }
        _ => rare(notice),
    };
    match details {
        Value::Object(details) => (event, details),
        _ => (event, Map::new()),
    }
}

/// What goes wrong.
fn rare(notice: &Notice) -> (&'static str, Value) {
    match notice {
        Notice::CommitFailed { wanted, error, existing } => {
            let existing = existing.map(|existing| existing.to_string());
            let details =
                json!({ "flow": wanted.to_string(), "error": error.to_string(), "existing": existing });
            ("commit-failed", details)
        }
        Notice::HelperUnknown { helper } => ("helper-unknown", json!({ "helper": helper.to_string() })),
        Notice::ExpectationFailed { wanted, error } => {
            let details = json!({ "expectation": wanted.to_string(), "error": error.to_string() });
            ("expectation-failed", details)
        }
        Notice::ExpectationsUnavailable(error) => {
            ("expectations-unavailable", json!({ "error": error.to_string() }))
        }
        Notice::ExpectationsFull { internal, limit } => {
            ("expectations-full", json!({ "internal": internal, "limit": limit }))
        }
        Notice::CacheFull { internal, limit } => {
            ("cache-full", json!({ "internal": internal, "limit": limit }))
        }
        Notice::PurgeScheduled { after } => ("purge-scheduled", json!({ "after_s": seconds(*after) })),
        Notice::PurgeBegun { flows } => ("purge-begun", json!({ "flows": flows })),
        Notice::SendingStuck => ("sending-stuck", Value::Null),
        Notice::ReceivingStuck => ("receiving-stuck", Value::Null),
        Notice::ForeignHello => ("foreign-hello", Value::Null),
        Notice::EndsForgotten { flows } => ("ends-forgotten", json!({ "flows": flows })),
        Notice::EarlyEndsDropped { flows } => ("early-ends-dropped", json!({ "flows": flows })),
        Notice::NoticesDropped { notices } => ("notices-dropped", json!({ "notices": notices })),
        // In the list above.
        Notice::RoleEntered { .. }
        | Notice::PeerHello
        | Notice::PeerLost
        | Notice::PeerHeard
        | Notice::CaughtUp { .. }
        | Notice::CatchingUp(_)
        | Notice::BulkBegun { .. }
        | Notice::BulkDone { .. }
        | Notice::EventsLost
        | Notice::EndMissed
        | Notice::BirthMissed
        | Notice::CountDiffers { .. }
        | Notice::EndsUnheard { .. }
        | Notice::Reloaded { .. }
        | Notice::ReloadFailed(_)
        | Notice::CommitBegun { .. }
        | Notice::CommitDone { .. } => ("said", Value::Null),
    }
}

fn seconds(took: Duration) -> f64 {
    took.as_secs_f64()
}
