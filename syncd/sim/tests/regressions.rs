//! One named seed per bug the simulator has found. Each failed before the repair and must hold ever after.
//!
//! A seed keeps its meaning only as long as nothing else draws from its streams; when that changes, the name says
//! what to look for again.

use syncd_sim::options::Overrides;
use syncd_sim::sweep::run;

fn holds(seed: u64, conntrackd: u32) {
    let overrides = Overrides { conntrackd: Some(conntrackd), ..Overrides::default() };
    let (options, outcome) = run(seed, &overrides, false);
    assert_eq!(outcome.failure, None, "seed {seed}: {options}");
}

/// A fresh peer takes the first number it hears; what was lost before that stayed in flight for ever.
#[test]
fn what_a_fresh_peer_never_missed_is_sent_again() {
    holds(247, 0);
}

/// A NACK of that kind left "gap open" for ever, and every resync was doubted.
#[test]
fn a_nack_nobody_missed_does_not_keep_a_gap_open() {
    holds(78, 0);
}

/// DESTROY, NEW, UPDATE coalesced into one UPD, which the peer merged into the earlier life.
#[test]
fn a_mark_of_an_earlier_life_does_not_survive() {
    holds(81, 0);
}

/// The same, the earlier life being from before the router's restart.
#[test]
fn a_mark_from_before_our_restart_does_not_survive() {
    holds(106, 0);
}

/// The end of what a commit had to delete arrived after the dump was asked for, and hid the committed flow.
#[test]
fn a_committed_flow_is_not_hidden_by_the_end_of_its_predecessor() {
    holds(190, 0);
    holds(209, 0);
}

/// A bulk before the first dump named nothing, and the standby swept all it had.
#[test]
fn a_daemon_that_restarts_does_not_empty_its_standby() {
    holds(240, 0);
}

/// Ends of flows while standing by were never made up for.
#[test]
fn ends_a_backup_kept_to_itself_reach_the_peer_when_it_is_primary() {
    holds(112, 0);
}

/// More control messages than there is room for: a dropped NACK left "gap open" for ever.
#[test]
fn a_nack_that_had_no_room_does_not_keep_a_gap_open() {
    holds(2829, 0);
}

/// A crashed router was back with an empty table within the commit.
#[test]
fn a_resync_takes_nothing_from_a_running_commit() {
    holds(5323, 0);
}

/// The late answer to a question from before the commit was taken for the answer to the next.
#[test]
fn an_answer_counts_for_its_own_question_only() {
    holds(393, 1);
}

/// Events were lost; the end of a life whose birth went unheard was put aside as late.
#[test]
fn the_end_of_a_life_never_heard_of_leaves_no_zombie() {
    holds(1707, 2);
    holds(15090, 0);
}

/// Events were lost, then a partial UPDATE made all that was known of the flow count as newer than the dump.
#[test]
fn a_dump_beats_what_was_known_before_it() {
    holds(10362, 0);
}

/// Events were lost and the dump missed the flow; a partial UPDATE named it before its look-up was answered.
#[test]
fn a_look_up_completes_what_a_partial_event_named() {
    holds(28228, 0);
}
