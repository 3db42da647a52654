//! `syncd ready` as an operator and a machine see it.

use std::path::PathBuf;

use syncd_core::replica::{Role, Status, Sync};

use super::{at, snapshot};
use crate::readiness::Standing;
use crate::readiness::judge::{Code, Table, Unready};
use crate::readiness::priority::Level;
use crate::show::ready::{self, ReadyView};
use std::time::Duration;

/// Of a primary in that state.
pub(super) fn standing(sync: Sync) -> Standing {
    let gap = Unready {
        code: Code::Lag,
        text: "frames of the peer are missing and were asked for again".to_owned(),
    };
    Standing {
        reasons: if sync == Sync::InSync { Vec::new() } else { vec![gap] },
        to_commit: 0,
        table: Some(Table { count: 211, limit: 262_144 }),
        track_file: Some(PathBuf::from("/run/keepalived/syncd.track")),
        level: Level::Ready,
        waits_since: None,
        gave_up: false,
        patience: Duration::from_secs(120),
        given_up: 0,
    }
}

fn status() -> Status {
    Status {
        role: Role::Backup,
        role_since: at(100),
        sync: Sync::InSync,
        sync_since: at(160),
        progress: None,
        commit: None,
        preload: None,
        internal: 2,
        mute: 0,
        external: 200_000,
        internal_expectations: 0,
        external_expectations: 0,
        queued: 0,
        in_flight: 0,
        waits_since: None,
    }
}

/// A backup that waits.
pub(super) fn waiting() -> ReadyView {
    let reasons = [
        (
            Code::Bulk,
            "the peer was asked for its flows and has not sent all of them yet (1200 of 5000 flows)",
        ),
        (
            Code::TableSpace,
            "the kernel's table has room for 100 flows (of 262144), and 200000 of the peer's would come",
        ),
    ];
    let reasons = reasons.map(|(code, text)| Unready { code, text: text.to_owned() }).to_vec();
    let level = Level::Unready;
    let standing =
        Standing { reasons, level, to_commit: 200_000, waits_since: Some(at(150)), ..standing(Sync::InSync) };
    ReadyView::new(at(165), &status(), &standing)
}

/// One to whom nobody listens, and whose kernel says nothing.
pub(super) fn untold() -> ReadyView {
    let standing = Standing { track_file: None, table: None, ..standing(Sync::InSync) };
    ReadyView::new(at(165), &status(), &standing)
}

/// A primary has its flows: what is asked there is whether the other one has them.
#[test]
fn on_the_primary_it_is_about_the_other_router() {
    let of = |sync| {
        let view = ReadyView::new(at(165), &Status { role: Role::Primary, ..status() }, &standing(sync));
        ready::text(&view).lines().next().unwrap().to_owned()
    };
    let known =
        "ready: the other router could take over now without loss, as far as this one (primary) knows";
    assert_eq!(of(Sync::InSync), known);
    let unknown = "not ready (primary): the other router could not take over now without loss:";
    assert_eq!(of(Sync::PeerLost { heard: None }), unknown);
}

#[test]
fn as_text_and_json() {
    snapshot("ready-not", &ready::text(&waiting()));
    snapshot("ready-json", &serde_json::to_string_pretty(&waiting()).unwrap());
    snapshot("ready", &ready::text(&untold()));
    let mut gave_up = waiting();
    (gave_up.keepalived.gave_up, gave_up.keepalived.says, gave_up.keepalived.level) =
        (true, "ready".to_owned(), 0);
    snapshot("ready-gave-up", &ready::text(&gave_up));
}
