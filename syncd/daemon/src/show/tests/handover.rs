//! `syncd handover` as an operator and a machine see it.

use std::time::Duration;

use syncd_core::replica::{Role, Sync};

use super::{at, snapshot};
use crate::handover::{Handover, Seen};
use crate::show::handover::{self, HandoverView};

fn seen(seconds: u64, role: Role) -> Seen {
    Seen {
        now: at(seconds),
        role,
        sync: Sync::InSync,
        unready: None,
        all_acknowledged: true,
        waits_since: None,
        heard: seconds,
        internal: 230,
        told: if role == Role::Backup { 231 } else { 0 },
    }
}

/// One that sees these, one after the other, to its end.
fn after(all: &[Seen]) -> HandoverView {
    let mut handover = Handover::begin(at(100), Duration::from_secs(30));
    for seen in all {
        handover.step(seen);
    }
    HandoverView::new(handover.outcome().expect("it is over"), &handover)
}

pub(super) fn done() -> HandoverView {
    after(&[
        seen(100, Role::Primary),
        seen(101, Role::Primary),
        seen(102, Role::Backup),
        seen(103, Role::Backup),
    ])
}

pub(super) fn rolled_back() -> HandoverView {
    after(&[100, 101, 112, 114].map(|seconds| seen(seconds, Role::Primary)))
}

#[test]
fn as_text_and_json() {
    snapshot("handover", &handover::text(&done()));
    snapshot("handover-json", &serde_json::to_string_pretty(&done()).unwrap());
    snapshot("handover-rolled-back", &handover::text(&rolled_back()));
    snapshot("handover-refused", &handover::text(&after(&[seen(100, Role::Backup)])));
    let fault = after(&[seen(100, Role::Primary), seen(101, Role::Primary), seen(102, Role::Fault)]);
    snapshot("handover-unclear", &handover::text(&fault));
    assert!(done().is_done() && !rolled_back().is_done() && !fault.is_done());
}
