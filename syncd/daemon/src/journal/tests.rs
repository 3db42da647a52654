//! What operators read, and how loud it is.

use syncd_core::flow::{Family, Flow, Protocol, Tuple};
use syncd_core::replica::{Errno, Reason, Role};

use super::*;

#[test]
fn every_consequence_has_its_level_and_its_words() {
    let took = Duration::from_micros(12_400);
    let table = [
        (
            Notice::RoleEntered { from: Role::Backup, to: Role::Primary },
            Level::Info,
            "role primary (was backup)",
        ),
        (Notice::PeerLost, Level::Warn, "the peer is silent"),
        (
            Notice::CommitDone { committed: 200, failed: 0, took },
            Level::Info,
            "committed 200 flows in 0.012 s, 0 failed",
        ),
        (
            Notice::CommitDone { committed: 199, failed: 1, took },
            Level::Warn,
            "committed 199 flows in 0.012 s, 1 failed",
        ),
        (
            Notice::CatchingUp(Reason::BecameBackup),
            Level::Info,
            "resync requested: this router became backup",
        ),
        (
            Notice::CacheFull { internal: true, limit: 10 },
            Level::Error,
            "the internal cache is full: flows beyond 10 are not replicated; \
             raise nf_conntrack_max and restart syncd",
        ),
    ];
    for (notice, loud, text) in table {
        assert_eq!((level(&notice), Line(&notice).to_string().as_str()), (loud, text));
    }
}

#[test]
fn a_flow_that_could_not_be_committed_is_shown_with_the_one_in_its_place() {
    let flow = |port| {
        let tuple = Tuple { source_port: port, ..Tuple::default() };
        Flow::new(Family::V4, Protocol::UDP, tuple)
    };
    let notice = Notice::CommitFailed { wanted: flow(1), error: Errno::EEXIST, existing: Some(flow(2)) };
    assert_eq!(
        Line(&notice).to_string(),
        "cannot commit: EEXIST: udp      17 src=0.0.0.0 dst=0.0.0.0 sport=1 dport=0; \
         in its place: udp      17 src=0.0.0.0 dst=0.0.0.0 sport=2 dport=0"
    );
}
