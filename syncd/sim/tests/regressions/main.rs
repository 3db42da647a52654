//! One named seed per bug the simulator has found. Each failed before the repair and must hold ever after.
//!
//! A seed keeps its meaning only as long as nothing else draws from its streams; when that changes, the name says
//! what to look for again.

mod late;
mod lives;
mod preload;
mod room;

use clap::{Args as _, Command, FromArgMatches as _};
use syncd_sim::options::Overrides;
use syncd_sim::sweep::run;

/// What was added to the simulator after a seed was found draws nothing in it; reloads, purges, helpers, preloading and a narrow
/// link never, see [`holds_with`].
const AS_IT_WAS: &str = "--reliable 0 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 0 \
                         --wishes 0";

/// Runs a seed with options as a sweep prints them.
fn holds_with(seed: u64, options: &str) {
    let names = ["--reloads", "--purge", "--helpers", "--preload", "--rate"];
    let neutral = names.into_iter().filter(|name| !options.contains(name)).flat_map(|name| [name, "0"]);
    let words = ["sim"].into_iter().chain(neutral).chain(options.split_whitespace());
    let matches = Overrides::augment_args(Command::new("sim")).try_get_matches_from(words);
    let overrides = Overrides::from_arg_matches(&matches.expect("options as a sweep prints them"));
    let (options, outcome) = run(seed, &overrides.expect("options of these names"), false);
    assert_eq!(outcome.failure, None, "seed {seed}: {options}");
}

fn holds(seed: u64, conntrackd: u32) {
    holds_with(seed, &format!("{AS_IT_WAS} --conntrackd {conntrackd}"));
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

/// The kernel told the end of an earlier life late, for want of room: it was taken for the end of the living one.
#[test]
fn an_end_told_late_does_not_end_the_next_life() {
    holds_with(
        6066,
        "--seconds 6 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes 0 --stalls 1 \
         --failovers 0 --traffic 149 --pool 1 --ends 90 --nat 0 --events 32 --missed 0 --same-id 0 \
         --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 --reliable 1 --silent 0 \
         --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 0",
    );
}

/// A look-up failed for want of memory, and the flow it was about was believed alive for ever.
#[test]
fn a_look_up_that_failed_is_made_up_for() {
    holds_with(
        12456,
        "--seconds 15 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes 0 --stalls 1 \
         --failovers 0 --traffic 18 --pool 19 --ends 353 --nat 0 --events 32 --missed 0 --same-id 0 \
         --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 --reliable 0 --silent 0 \
         --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 10",
    );
    holds_with(
        1151,
        "--seconds 6 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes 0 --stalls 1 \
         --failovers 0 --traffic 300 --pool 40 --ends 310 --nat 806 --events 32 --missed 0 --same-id 0 \
         --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 --reliable 0 --silent 0 \
         --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 70",
    );
}

/// Flows of which nobody hears ended one after the other: the second difference was taken for one that no dump removes.
#[test]
fn ends_nobody_hears_of_are_noticed_again_and_again() {
    holds_with(
        1316,
        "--seconds 12 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 2 --router-crashes 0 --stalls 0 \
         --failovers 0 --traffic 23 --pool 8 --ends 4 --nat 0 --events 500 --missed 0 --same-id 0 \
         --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 --reliable 1 --silent 0 \
         --uncounted 0 --mute 1 --lag 0 --early-drop 0 --refusals 0",
    );
}

/// A filtered flow ended while a dump was read, and its end was counted where its life was not: that hid a lost end.
#[test]
fn what_the_filter_keeps_out_hides_no_loss() {
    holds_with(
        16126,
        "--seconds 8 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 2 --router-crashes 0 --stalls 0 \
         --failovers 0 --traffic 19 --pool 16 --ends 397 --nat 0 --events 500 --missed 1 --same-id 0 \
         --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 --reliable 1 --silent 0 \
         --uncounted 0 --mute 1 --lag 11 --early-drop 0 --refusals 111",
    );
}

/// A flow that the kernel took at the second try was told as the peer had it, and what the kernel made of it was not.
#[test]
fn what_is_written_singly_is_told_as_the_kernel_has_it() {
    holds_with(
        10166,
        "--seconds 5 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes 1 --stalls 1 \
         --failovers 0 --traffic 5 --pool 1 --ends 1 --nat 0 --events 500 --missed 0 --same-id 0 \
         --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 --reliable 1 --silent 0 \
         --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 25",
    );
}

/// A dump's picture of the life before, under the same id, lent its mark to the next one.
#[test]
fn a_picture_adds_nothing_to_a_birth() {
    holds_with(10639, "--mute 0 --silent 0 --refusals 100 --uncounted 0");
}

/// A stopped router read frames of the peer's life before its crash after those of the present one, believed them, and an
/// answer's updates did not take the old mark away.
#[test]
fn an_answer_takes_away_what_late_frames_brought_back() {
    holds_with(
        4057,
        "--seconds 18 --loss 196 --duplicate 163 --reorder 0 --delay 20000 --cuts 3 --crashes 2 --router-crashes 0 \
         --stalls 0 --failovers 4 --traffic 300 --pool 40 --ends 468 --nat 0 --events 500 --missed 0 --same-id 120 \
         --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 --reliable 1 --silent 0 \
         --uncounted 0 --mute 0 --lag 500 --early-drop 0 --refusals 0 --freezes 2 --jumps 0 --splits 1 --operators 1 \
         --strangers 0 --replacements 0 --wishes 0",
    );
}

/// Two routers whom a stranger had set half the numbers apart asked for each other's NACKs without end.
#[test]
fn nacks_of_nacks_come_to_rest() {
    holds_with(
        27630,
        "--seconds 7 --loss 0 --duplicate 0 --reorder 99 --delay 50 --cuts 0 --crashes 2 \
         --router-crashes 0 --stalls 0 --failovers 0 --traffic 5 --pool 16 --ends 111 --nat 113 --events \
         32 --missed 0 --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 \
         --conntrackd 0 --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 20000 --early-drop 1 \
         --refusals 0 --freezes 0 --jumps 0 --splits 0 --operators 4 --strangers 4 --replacements 0 \
         --wishes 0 --reloads 2",
    );
}

/// A conntrackd that counted by a stranger's hello acknowledged what was never sent, and was believed.
#[test]
fn an_acknowledgement_of_what_was_never_sent_is_not_believed() {
    holds_with(
        6298,
        "--seconds 8 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --router-crashes 0 --stalls \
         0 --failovers 0 --crashes 0 --traffic 3 --pool 1 --ends 1 --nat 0 --events 500 --missed 0 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 2 \
         --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 0 --freezes 0 \
         --jumps 0 --splits 1 --operators 0 --strangers 2 --replacements 0 --wishes 0",
    );
}

/// A mute flow ended while a restarted daemon read its first dump, and was accepted as an entry that no dump shows.
#[test]
fn a_flow_that_ends_unheard_during_the_first_dump_does_not_stay() {
    holds_with(
        12161,
        "--seconds 17 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --router-crashes 0 --stalls \
         0 --failovers 0 --crashes 1 --traffic 5 --pool 40 --ends 1 --nat 0 --events 500 --missed 1 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 \
         --reliable 1 --silent 0 --uncounted 0 --mute 1 --lag 499 --early-drop 0 --refusals 0 --freezes \
         0 --jumps 0 --splits 0 --operators 0 --strangers 0 --replacements 1 --wishes 0",
    );
}

/// What a stranger had said was refused, and the router said `diverged` ever after.
#[test]
fn garbage_does_not_make_a_router_diverge_for_ever() {
    holds_with(
        20555,
        "--seconds 4 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --router-crashes 0 --stalls \
         0 --failovers 0 --crashes 0 --traffic 3 --pool 2 --ends 217 --nat 0 --events 500 --missed 0 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 \
         --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 0 --freezes 0 \
         --jumps 0 --splits 0 --operators 0 --strangers 4 --replacements 0 --wishes 0",
    );
}

/// A conntrackd's question came while its numbers were taken for late ones, because of a stranger's, and was never
/// answered; and the answer to a later question of ours made it count as one of us.
#[test]
fn a_question_among_late_frames_is_answered() {
    holds_with(
        11145,
        "--seconds 19 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes \
         0 --stalls 0 --failovers 0 --traffic 100 --pool 40 --ends 185 --nat 0 --events 500 --missed 0 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 2 \
         --reliable 1 --silent 0 --uncounted 0 --mute 1 --lag 3000 --early-drop 0 --refusals 0 --freezes \
         0 --jumps 0 --splits 1 --operators 0 --strangers 4 --replacements 0 --wishes 0 --reloads 0 \
         --without 45",
    );
}

/// What had ended here, and whose end waited to be read, counted as ours and was not adopted.
#[test]
fn a_flow_whose_end_waits_to_be_read_is_adopted() {
    holds_with(
        54049,
        "--seconds 20 --loss 149 --duplicate 34 --reorder 0 --delay 50 --cuts 3 --crashes 0 \
         --router-crashes 0 --stalls 0 --failovers 2 --traffic 300 --pool 4 --ends 499 --nat 416 --events \
         500 --missed 0 --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 \
         --conntrackd 0 --reliable 1 --silent 0 --uncounted 0 --mute 1 --lag 0 --early-drop 0 --refusals \
         0 --freezes 2 --jumps 2 --splits 2 --operators 4 --strangers 0 --replacements 0 --wishes 3 \
         --reloads 2 --without 40,42,56",
    );
}

/// A late frame of a peer's life before its crash looked as if it were far ahead, and its count was followed.
#[test]
fn a_late_frame_of_an_earlier_life_is_not_followed() {
    holds_with(
        52281,
        "--seconds 9 --loss 0 --duplicate 0 --reorder 85 --delay 20000 --cuts 0 --crashes 1 \
         --router-crashes 0 --stalls 2 --failovers 1 --traffic 300 --pool 4 --ends 241 --nat 0 --events 4 \
         --missed 0 --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 \
         --conntrackd 0 --reliable 1 --silent 770 --uncounted 0 --mute 1 --lag 0 --early-drop 0 \
         --refusals 0 --freezes 0 --jumps 2 --splits 0 --operators 0 --strangers 0 --replacements 0 \
         --wishes 0 --reloads 0 --without 15,30",
    );
}

/// One late frame before a leap of the clock and one after it were taken for two seconds of late ones.
#[test]
fn a_leap_of_the_clock_makes_no_run_of_late_frames() {
    holds_with(
        80198,
        "--seconds 14 --loss 207 --duplicate 0 --reorder 178 --delay 50 --cuts 0 --crashes 0 \
         --router-crashes 0 --stalls 2 --failovers 0 --traffic 300 --pool 1 --ends 310 --nat 763 --events \
         32 --missed 43 --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 \
         --conntrackd 0 --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals \
         0 --freezes 3 --jumps 3 --splits 0 --operators 4 --strangers 0 --replacements 0 --wishes 2 \
         --reloads 1 --without 15,26,41,42,55",
    );
}

/// The helper had announced something, so its flow was looked up; the answer came behind the end of the flow, and the flow
/// lived on for the daemon.
#[test]
fn a_parent_that_was_looked_up_before_its_end_does_not_live_again() {
    holds_with(
        972,
        "--seconds 6 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes 0 \
         --stalls 2 --failovers 0 --traffic 300 --pool 40 --ends 461 --nat 0 --events 500 --missed 0 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 \
         --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 0 --freezes 0 \
         --jumps 0 --splits 0 --operators 0 --strangers 0 --replacements 0 --wishes 0 --reloads 0 --helpers \
         500 --purge 0",
    );
}

/// The event of what the survivor had written itself was no news, and no bulk follows an adoption.
#[test]
fn an_adopted_expectation_is_told() {
    holds_with(
        413,
        "--seconds 16 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes 0 \
         --stalls 0 --failovers 0 --traffic 3 --pool 7 --ends 54 --nat 0 --events 500 --missed 0 --same-id \
         0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 --reliable 1 \
         --silent 0 --uncounted 0 --mute 0 --lag 1499 --early-drop 0 --refusals 0 --freezes 1 --jumps 0 \
         --splits 1 --operators 0 --strangers 0 --replacements 0 --wishes 0 --reloads 4 --helpers 29 \
         --purge 0",
    );
}

/// Only the flows had been read when the bulk began, and the standby swept all expectations.
#[test]
fn a_bulk_names_expectations_that_were_read_after_a_restart() {
    holds_with(
        1194,
        "--seconds 14 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 2 --router-crashes 0 \
         --stalls 0 --failovers 2 --traffic 11 --pool 3 --ends 15 --nat 0 --events 500 --missed 0 --same-id \
         0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 --reliable 1 \
         --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 0 --freezes 0 --jumps 0 \
         --splits 0 --operators 1 --strangers 0 --replacements 1 --wishes 0 --reloads 0 --helpers 18 \
         --purge 0 --without 20",
    );
}

/// The kernel had no memory for the parent, which was written a second later; its expectation had been refused for good.
#[test]
fn an_expectation_whose_parent_was_written_late_is_committed() {
    holds_with(
        1610,
        "--seconds 2 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes 0 \
         --stalls 0 --failovers 1 --traffic 299 --pool 16 --ends 295 --nat 0 --events 500 --missed 0 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 \
         --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 34 --freezes 0 \
         --jumps 0 --splits 0 --operators 0 --strangers 0 --replacements 0 --wishes 0 --reloads 0 --helpers \
         94 --purge 0",
    );
}

/// A filtered flow ended while a dump was read that had not listed it: one too few were counted, and an end that nobody hears
/// of was taken for it.
#[test]
fn a_filtered_flow_that_was_never_counted_hides_no_end() {
    holds_with(
        13777,
        "--seconds 18 --loss 0 --duplicate 0 --reorder 0 --delay 200 --cuts 0 --crashes 2 --router-crashes \
         0 --stalls 0 --failovers 0 --traffic 100 --pool 40 --ends 395 --nat 287 --events 500 --missed 10 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 \
         --reliable 1 --silent 0 --uncounted 0 --mute 1 --lag 3000 --early-drop 0 --refusals 0 --freezes 0 \
         --jumps 0 --splits 0 --operators 0 --strangers 0 --replacements 0 --wishes 0 --reloads 1 --helpers \
         495 --purge 0",
    );
}

/// Ends of earlier lives were told late, when a take-over had written the flow and its id was not known: a dump's picture was
/// taken for that of what had ended.
#[test]
fn late_ends_do_not_hide_what_a_take_over_has_written() {
    holds_with(
        29714,
        "--seconds 15 --loss 0 --duplicate 0 --reorder 0 --delay 20000 --cuts 0 --crashes 2 \
         --router-crashes 2 --stalls 0 --failovers 0 --traffic 100 --pool 4 --ends 225 --nat 0 --events 32 \
         --missed 1 --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 \
         --conntrackd 0 --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 0 \
         --freezes 3 --jumps 0 --splits 0 --operators 0 --strangers 0 --replacements 0 --wishes 0 --reloads \
         0 --helpers 0 --purge 0 --without 5,25",
    );
}

/// The kernel had no memory for a look-up, and the expectation that was looked for, which was gone, counted as found.
#[test]
fn an_expectation_whose_look_up_fails_is_looked_for_again() {
    holds_with(
        40164,
        "--seconds 10 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes 2 \
         --stalls 5 --failovers 0 --traffic 300 --pool 16 --ends 316 --nat 196 --events 32 --missed 17 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 \
         --reliable 0 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 299 --freezes 0 \
         --jumps 0 --splits 1 --operators 0 --strangers 0 --replacements 0 --wishes 0 --reloads 3 --helpers \
         96 --purge 0 --without 15,16,17,60,61",
    );
}

/// The end of a flow that the filter keeps out was lost in silence, and the birth of another: the kernel's count fitted.
#[test]
fn the_end_of_an_unknown_flow_shows_what_no_count_does() {
    holds_with(
        28320,
        "--seconds 7 --loss 256 --duplicate 12 --reorder 0 --delay 50 --cuts 3 --crashes 1 --router-crashes 0 \
         --stalls 4 --failovers 2 --traffic 300 --pool 4 --ends 448 --nat 0 --events 32 --missed 0 \
         --same-id 143 --internal-limit 1000 --external-limit 40 --kernel-limit 1000 --conntrackd 0 \
         --reliable 1 --silent 1000 --uncounted 1 --mute 0 --lag 0 --early-drop 1 --refusals 0 --freezes 0 \
         --jumps 0 --splits 0 --operators 0 --strangers 0 --replacements 0 --wishes 1 --reloads 0 --helpers \
         500 --purge 0",
    );
}

/// The kernel had no room for a flow, whose expectation was refused so; the flow was written when the peer yielded, it was not.
#[test]
fn an_expectation_whose_parent_found_room_when_it_was_adopted_follows() {
    holds_with(
        73633,
        "--seconds 5 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes \
         0 --stalls 1 --failovers 0 --traffic 300 --pool 40 --ends 110 --nat 0 --events 32 --missed 0 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 60 --conntrackd 0 \
         --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 1 --refusals 300 --freezes \
         0 --jumps 0 --splits 1 --operators 0 --strangers 0 --replacements 1 --wishes 3 --reloads 0 \
         --helpers 498 --purge 0 --without 55,56",
    );
}

/// The peer's daemon had not read the birth of a flow when it yielded; what we held was an earlier life of it.
#[test]
fn what_a_stalled_peer_has_not_heard_of_is_not_adopted() {
    holds_with(
        78277,
        "--seconds 20 --loss 0 --duplicate 0 --reorder 0 --delay 20000 --cuts 0 --crashes 0 \
         --router-crashes 0 --stalls 4 --failovers 0 --traffic 150 --pool 40 --ends 296 --nat 0 --events \
         500 --missed 0 --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 \
         --conntrackd 0 --reliable 1 --silent 0 --uncounted 0 --mute 1 --lag 0 --early-drop 0 --refusals \
         0 --freezes 0 --jumps 0 --splits 2 --operators 0 --strangers 0 --replacements 0 --wishes 0 \
         --reloads 2 --helpers 0 --purge 0 --without 16,17",
    );
}

/// A flow that is older than the daemon ended without a word, and what it had announced stood in the cache for ever.
#[test]
fn what_a_mute_flow_has_announced_ends_with_it() {
    holds_with(
        2120,
        "--seconds 9 --loss 49 --duplicate 15 --reorder 47 --delay 200 --cuts 0 --crashes 1 --router-crashes \
         2 --stalls 0 --failovers 0 --traffic 20 --pool 16 --ends 318 --nat 0 --events 500 --missed 21 \
         --same-id 325 --internal-limit 1000 --external-limit 40 --kernel-limit 1000 --conntrackd 0 \
         --reliable 0 --silent 200 --uncounted 0 --mute 1 --lag 0 --early-drop 1 --refusals 0 --freezes 0 \
         --jumps 0 --splits 1 --operators 0 --strangers 0 --replacements 0 --wishes 0 --reloads 0 --helpers \
         500 --purge 0",
    );
}

/// A filter kept a flow out, and what it had announced was told on, and its end never.
#[test]
fn what_a_flow_that_is_kept_out_has_announced_is_told_no_more() {
    holds_with(
        95127,
        "--seconds 18 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 \
         --router-crashes 1 --stalls 0 --failovers 0 --traffic 17 --pool 1 --ends 9 --nat 0 --events 500 \
         --missed 0 --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 \
         --conntrackd 0 --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals \
         0 --freezes 0 --jumps 0 --splits 0 --operators 0 --strangers 0 --replacements 0 --wishes 0 \
         --reloads 1 --helpers 117 --purge 0",
    );
}

/// A router that stood by was asked what it had; that it told of a flow again hid that there was no room for it.
#[test]
fn a_flow_without_room_is_tried_again_although_the_peer_has_named_it_again() {
    holds_with(
        98783,
        "--seconds 6 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes \
         0 --stalls 3 --failovers 4 --traffic 149 --pool 39 --ends 211 --nat 0 --events 500 --missed 8 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 60 --conntrackd 0 \
         --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 0 --freezes 0 \
         --jumps 0 --splits 1 --operators 0 --strangers 0 --replacements 0 --wishes 0 --reloads 0 \
         --helpers 494 --purge 0 --without 15",
    );
}

/// Both had a flow after a split; our kernel had just lost it when it was to be relaxed, and we had not read of its end.
#[test]
fn what_our_kernel_loses_while_it_is_relaxed_is_adopted() {
    holds_with(
        1239,
        "--seconds 19 --loss 0 --duplicate 0 --reorder 94 --delay 20000 --cuts 0 --crashes 2 \
         --router-crashes 1 --stalls 4 --failovers 2 --traffic 100 --pool 40 --ends 468 --nat 0 --events \
         500 --missed 0 --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 \
         --conntrackd 0 --reliable 1 --silent 0 --uncounted 0 --mute 2 --lag 0 --early-drop 1 --refusals \
         50 --freezes 1 --jumps 0 --splits 2 --operators 0 --strangers 0 --replacements 0 --wishes 3 \
         --reloads 0 --helpers 500 --purge 2",
    );
}

/// A router was restarted with a narrower filter, and what it had told of before was demanded of its peer.
#[test]
fn a_daemon_that_starts_with_a_narrower_filter_owes_less() {
    holds_with(
        48609,
        "--seconds 8 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 2 --router-crashes \
         0 --stalls 0 --failovers 2 --traffic 6 --pool 1 --ends 1 --nat 0 --events 500 --missed 0 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 \
         --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 0 --freezes 0 \
         --jumps 0 --splits 0 --operators 0 --strangers 0 --replacements 0 --wishes 0 --reloads 3 \
         --helpers 0 --purge 0 --without 5,60,61",
    );
}

/// A conntrackd took a stranger's hello during a cut and acknowledged what it had leapt over; its answer to the hello was lost.
#[test]
fn what_a_misled_conntrackd_acknowledges_is_not_demanded_of_it() {
    holds_with(
        55031,
        "--seconds 19 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 2 --crashes 0 \
         --router-crashes 0 --stalls 0 --failovers 0 --traffic 10 --pool 1 --ends 1 --nat 0 --events 500 \
         --missed 0 --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 \
         --conntrackd 2 --reliable 1 --silent 0 --uncounted 0 --mute 1 --lag 0 --early-drop 0 --refusals \
         0 --freezes 0 --jumps 0 --splits 0 --operators 0 --strangers 2 --replacements 0 --wishes 0 \
         --reloads 0 --helpers 0 --purge 0 --without 0,60",
    );
}

/// A router was primary for a millisecond: what it had committed in that time was never read back.
#[test]
fn what_was_committed_is_read_back_whatever_the_role_is_by_then() {
    holds_with(
        134,
        "--seconds 9 --loss 275 --duplicate 167 --reorder 146 --delay 1000 --cuts 0 --crashes 0 \
         --router-crashes 0 --stalls 0 --failovers 0 --traffic 100 --pool 40 --ends 464 --nat 0 \
         --events 500 --missed 9 --same-id 435 --internal-limit 1000 --external-limit 1000 \
         --kernel-limit 1000 --conntrackd 0 --reliable 1 --silent 200 --uncounted 0 --mute 0 --lag \
         20000 --early-drop 1 --refusals 0 --freezes 3 --jumps 0 --splits 0 --operators 4 --strangers \
         0 --replacements 0 --wishes 0 --reloads 0 --helpers 500 --purge 0 --preload 0 --rate 10000",
    );
}

/// A stranger said hello under the next number of a conntrackd, whose own frame of that number was put aside as a copy.
#[test]
fn a_number_that_a_stranger_has_used_is_not_demanded() {
    holds_with(
        1729,
        "--seconds 19 --loss 210 --duplicate 20 --reorder 0 --delay 200 --cuts 1 --crashes 0 \
         --router-crashes 2 --stalls 0 --failovers 0 --traffic 5 --pool 4 --ends 261 --nat 391 \
         --events 500 --missed 0 --same-id 0 --internal-limit 1000 --external-limit 1000 \
         --kernel-limit 60 --conntrackd 1 --reliable 0 --silent 0 --uncounted 0 --mute 0 --lag 20000 \
         --early-drop 1 --refusals 0 --freezes 3 --jumps 1 --splits 0 --operators 4 --strangers 1 \
         --replacements 0 --wishes 0 --reloads 0 --helpers 500 --purge 0 --preload 1 --rate 3000",
    );
}

/// A router whose cache was full asked whenever it had room, and waited for answers that its peer had forgotten to owe.
#[test]
fn only_the_last_question_is_waited_for() {
    holds_with(
        2543,
        "--seconds 9 --loss 0 --duplicate 0 --reorder 143 --delay 50 --cuts 0 --crashes 0 \
         --router-crashes 0 --stalls 3 --failovers 0 --traffic 300 --pool 40 --ends 306 --nat 0 \
         --events 500 --missed 23 --same-id 0 --internal-limit 1000 --external-limit 40 \
         --kernel-limit 1000 --conntrackd 0 --reliable 0 --silent 200 --uncounted 0 --mute 1 --lag 0 \
         --early-drop 0 --refusals 0 --freezes 0 --jumps 0 --splits 1 --operators 0 --strangers 0 \
         --replacements 0 --wishes 8 --reloads 0 --helpers 0 --purge 0 --preload 1 --rate 0",
    );
}
