//! What was found of keeping the peer's flows in the kernel of the router that stands by (`preload`).

use super::holds_with;

/// Asked for while the router stood by, answered when it was primary, and shown by no dump after.
#[test]
fn time_lent_before_a_router_became_primary_is_taken_back() {
    holds_with(
        2593,
        "--seconds 5 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes \
         0 --stalls 0 --failovers 0 --traffic 150 --pool 39 --ends 105 --nat 333 --events 32 --missed 0 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 \
         --reliable 1 --silent 0 --uncounted 0 --mute 1 --lag 0 --early-drop 0 --refusals 0 --freezes 0 \
         --jumps 0 --splits 0 --operators 2 --strangers 0 --replacements 1 --wishes 0 --reloads 0 \
         --helpers 117 --purge 0 --preload 1",
    );
}

/// The event of the creation came after the answer, and was taken for another life, which nobody had lent anything.
#[test]
fn a_birth_told_late_does_not_hide_what_was_lent() {
    holds_with(
        4112,
        "--seconds 15 --loss 128 --duplicate 104 --reorder 0 --delay 200 --cuts 0 --crashes 0 \
         --router-crashes 0 --stalls 1 --failovers 4 --traffic 300 --pool 4 --ends 208 --nat 39 --events \
         32 --missed 23 --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 \
         --conntrackd 0 --reliable 0 --silent 0 --uncounted 0 --mute 0 --lag 500 --early-drop 0 \
         --refusals 0 --freezes 2 --jumps 0 --splits 0 --operators 1 --strangers 0 --replacements 0 \
         --wishes 0 --reloads 1 --helpers 0 --purge 0 --preload 1",
    );
}

/// Told as news, and not named by the bulk that followed, so that the peer forgot them.
#[test]
fn copies_of_an_earlier_life_of_the_daemon_are_no_news() {
    holds_with(
        4467,
        "--seconds 20 --loss 250 --duplicate 194 --reorder 0 --delay 50 --cuts 0 --crashes 1 \
         --router-crashes 0 --stalls 0 --failovers 3 --traffic 300 --pool 4 --ends 455 --nat 0 --events \
         500 --missed 0 --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 \
         --conntrackd 0 --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals \
         0 --freezes 0 --jumps 0 --splits 0 --operators 0 --strangers 0 --replacements 1 --wishes 0 \
         --reloads 1 --helpers 500 --purge 0 --preload 1",
    );
}

/// It stepped back, and no bulk named them any more.
#[test]
fn copies_of_an_earlier_life_are_its_own_where_it_is_primary_from_the_start() {
    holds_with(
        4166,
        "--seconds 5 --loss 0 --duplicate 0 --reorder 0 --delay 20000 --cuts 1 --crashes 2 \
         --router-crashes 0 --stalls 0 --failovers 4 --traffic 5 --pool 2 --ends 191 --nat 0 --events 500 \
         --missed 1 --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 \
         --conntrackd 0 --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals \
         0 --freezes 2 --jumps 0 --splits 1 --operators 0 --strangers 0 --replacements 0 --wishes 0 \
         --reloads 1 --helpers 0 --purge 0 --preload 1 --without 22,25",
    );
}

/// Primary for a moment: packets had come, and the copies still counted as the peer's.
#[test]
fn a_takeover_that_was_broken_off_leaves_no_flow_unnamed() {
    holds_with(
        4909,
        "--seconds 18 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes \
         0 --stalls 0 --failovers 0 --traffic 100 --pool 40 --ends 117 --nat 0 --events 500 --missed 1 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 \
         --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 296 --freezes 0 \
         --jumps 0 --splits 2 --operators 0 --strangers 0 --replacements 0 --wishes 0 --reloads 0 \
         --helpers 0 --purge 0 --preload 1",
    );
}

/// Its record was released later than a commit would have removed it.
#[test]
fn what_has_ended_since_it_was_taken_over_is_not_adopted() {
    holds_with(
        2277,
        "--seconds 15 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes \
         2 --stalls 0 --failovers 0 --traffic 23 --pool 15 --ends 113 --nat 0 --events 500 --missed 0 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 \
         --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 292 --freezes 0 \
         --jumps 0 --splits 1 --operators 0 --strangers 0 --replacements 0 --wishes 0 --reloads 0 \
         --helpers 0 --purge 0 --preload 1",
    );
}

/// With the flow its expectations had ended, and no event told of either.
#[test]
fn the_next_life_of_a_flow_without_events_shows_the_end_of_the_last() {
    holds_with(
        1608,
        "--seconds 4 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes \
         0 --stalls 2 --failovers 3 --traffic 300 --pool 4 --ends 408 --nat 317 --events 500 --missed 0 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 \
         --reliable 1 --silent 0 --uncounted 0 --mute 1 --lag 0 --early-drop 0 --refusals 0 --freezes 0 \
         --jumps 0 --splits 1 --operators 2 --strangers 0 --replacements 0 --wishes 0 --reloads 0 \
         --helpers 41 --purge 0 --preload 1 --without 15,20,21,40",
    );
}

/// The peer's end of a flow that was here before is believed only after a look, for which the kernel had no memory.
#[test]
fn a_look_up_that_failed_does_not_leave_what_was_lent() {
    holds_with(
        2379,
        "--seconds 12 --loss 50 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 \
         --router-crashes 0 --stalls 0 --failovers 2 --traffic 100 --pool 40 --ends 193 --nat 492 \
         --events 500 --missed 21 --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit \
         1000 --conntrackd 0 --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 499 --early-drop 0 \
         --refusals 50 --freezes 0 --jumps 0 --splits 0 --operators 0 --strangers 1 --replacements 0 \
         --wishes 2 --reloads 2 --helpers 46 --purge 0 --preload 1",
    );
}

/// The mark was lost with the last life, and each dump showed the long time.
#[test]
fn another_life_does_not_keep_what_was_lent_to_the_last() {
    holds_with(
        16881,
        "--seconds 7 --loss 0 --duplicate 0 --reorder 0 --delay 1000 --cuts 0 --crashes 1 \
         --router-crashes 0 --stalls 1 --failovers 4 --traffic 20 --pool 1 --ends 439 --nat 0 --events 4 \
         --missed 24 --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 \
         --conntrackd 0 --reliable 1 --silent 0 --uncounted 0 --mute 2 --lag 0 --early-drop 0 --refusals \
         0 --freezes 0 --jumps 0 --splits 0 --operators 4 --strangers 0 --replacements 0 --wishes 0 \
         --reloads 1 --helpers 0 --purge 0 --preload 1 --without 40,42",
    );
}

/// A conntrackd names a flow that has ended, and the one that has its port now: each was written ten times a second.
#[test]
fn two_flows_of_the_peer_do_not_take_each_others_place_for_ever() {
    holds_with(
        19923,
        "--seconds 10 --loss 0 --duplicate 0 --reorder 0 --delay 20000 --cuts 0 --crashes 3 \
         --router-crashes 0 --stalls 1 --failovers 0 --traffic 100 --pool 16 --ends 228 --nat 586 \
         --events 4 --missed 0 --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit \
         1000 --conntrackd 1 --reliable 1 --silent 0 --uncounted 0 --mute 1 --lag 0 --early-drop 0 \
         --refusals 0 --freezes 0 --jumps 2 --splits 1 --operators 0 --strangers 0 --replacements 0 \
         --wishes 0 --reloads 0 --helpers 0 --purge 0 --preload 1 --without 5,30",
    );
}

/// A flow that was created for the peer ended there at once, and was remembered without its translation.
#[test]
fn what_ended_before_it_was_heard_of_is_not_told() {
    holds_with(
        11125,
        "--seconds 3 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes \
         0 --stalls 0 --failovers 0 --traffic 20 --pool 40 --ends 157 --nat 0 --events 500 --missed 0 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 \
         --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 0 --freezes 2 \
         --jumps 0 --splits 0 --operators 0 --strangers 0 --replacements 1 --wishes 0 --reloads 2 \
         --helpers 0 --purge 0 --preload 1 --without 25",
    );
}

/// It was marked as known to the peer after its end, and kept its place for ever.
#[test]
fn a_flow_that_ended_while_it_was_flushed_is_buried() {
    holds_with(
        10676,
        "--seconds 15 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes \
         0 --stalls 0 --failovers 0 --traffic 148 --pool 9 --ends 47 --nat 0 --events 500 --missed 0 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 \
         --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 0 --freezes 2 \
         --jumps 0 --splits 0 --operators 0 --strangers 0 --replacements 1 --wishes 0 --reloads 0 \
         --helpers 45 --purge 0 --preload 1 --without 25",
    );
}

/// It was primary, and told of a flow that had ended unheard. Its copy of an earlier life, whose primary was dead, it does not
/// name when it is asked.
#[test]
fn a_copy_whose_flow_was_told_before_is_not_named() {
    holds_with(
        53949,
        "--seconds 4 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes \
         0 --stalls 3 --failovers 2 --traffic 298 --pool 1 --ends 326 --nat 0 --events 500 --missed 0 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 \
         --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 35 --freezes 0 \
         --jumps 3 --splits 1 --operators 0 --strangers 0 --replacements 1 --wishes 0 --reloads 0 \
         --helpers 0 --purge 0 --preload 1 --without 20",
    );
}

/// VRRP says several times that the peer yields. The last time the flows of an adoption were done, and its expectations not.
#[test]
fn what_the_peer_tells_at_the_end_of_an_adoption_is_adopted() {
    holds_with(
        49641,
        "--seconds 20 --loss 132 --duplicate 0 --reorder 13 --delay 200 --cuts 0 --crashes 0 \
         --router-crashes 0 --stalls 0 --failovers 0 --traffic 300 --pool 16 --ends 174 --nat 0 --events \
         4 --missed 0 --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 \
         --conntrackd 0 --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals \
         0 --freezes 3 --jumps 0 --splits 1 --operators 0 --strangers 0 --replacements 0 --wishes 0 \
         --reloads 0 --helpers 496 --purge 0 --preload 1 --without 25,26",
    );
}

/// Of a flow that was born since, nobody had told when it was answered.
#[test]
fn a_question_from_before_the_peer_yielded_does_not_count() {
    holds_with(
        94393,
        "--seconds 17 --loss 290 --duplicate 66 --reorder 0 --delay 200 --cuts 0 --crashes 0 \
         --router-crashes 0 --stalls 0 --failovers 0 --traffic 100 --pool 4 --ends 366 --nat 0 --events \
         500 --missed 4 --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 \
         --conntrackd 0 --reliable 1 --silent 0 --uncounted 0 --mute 1 --lag 0 --early-drop 0 --refusals \
         50 --freezes 3 --jumps 1 --splits 1 --operators 0 --strangers 0 --replacements 0 --wishes 2 \
         --reloads 0 --helpers 500 --purge 0 --preload 1",
    );
}

/// The peer ended the flow and began it again with another translation while a conflict was resolved.
#[test]
fn what_was_written_is_not_what_the_peer_has_told_since() {
    holds_with(
        65166,
        "--seconds 19 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 1 --router-crashes \
         2 --stalls 0 --failovers 0 --traffic 298 --pool 39 --ends 351 --nat 390 --events 500 --missed 0 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 \
         --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 0 --freezes 0 \
         --jumps 0 --splits 0 --operators 0 --strangers 0 --replacements 0 --wishes 0 --reloads 3 \
         --helpers 0 --purge 0 --preload 1",
    );
}

/// The event of the creation was lost, and the peer's end was looked up: the id that was found was not the one that was known.
#[test]
fn time_lent_to_a_flow_whose_id_nobody_has_told_is_taken_back() {
    holds_with(
        70836,
        "--seconds 11 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes \
         0 --stalls 0 --failovers 0 --traffic 50 --pool 39 --ends 304 --nat 0 --events 32 --missed 0 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 \
         --reliable 1 --silent 708 --uncounted 1 --mute 0 --lag 0 --early-drop 0 --refusals 0 --freezes 0 \
         --jumps 0 --splits 0 --operators 3 --strangers 0 --replacements 0 --wishes 0 --reloads 0 \
         --helpers 0 --purge 0 --preload 1 --without 40",
    );
}

/// The peer tells no mark where there is none. So the difference stayed, was written after each dump, and overran the buffer
/// of events, after which there was another dump.
#[test]
fn a_mark_of_an_earlier_life_gives_way() {
    holds_with(
        81930,
        "--seconds 9 --loss 173 --duplicate 0 --reorder 40 --delay 1000 --cuts 1 --crashes 3 \
         --router-crashes 2 --stalls 2 --failovers 2 --traffic 100 --pool 16 --ends 80 --nat 0 --events 4 \
         --missed 1 --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 \
         --conntrackd 0 --reliable 1 --silent 0 --uncounted 0 --mute 2 --lag 0 --early-drop 0 --refusals \
         0 --freezes 0 --jumps 0 --splits 0 --operators 0 --strangers 0 --replacements 0 --wishes 7 \
         --reloads 0 --helpers 0 --purge 0 --preload 1 --without 5,6,10,15,20,55,56,57,58,59",
    );
}

/// It had been primary, and its daemon was started again before the flow was adopted by the one that stays so: as a copy it was
/// not named, and removed.
#[test]
fn what_may_be_its_own_is_named_by_a_daemon_that_starts_again() {
    holds_with(
        3519,
        "--seconds 17 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 1 --router-crashes \
         0 --stalls 0 --failovers 0 --traffic 300 --pool 39 --ends 34 --nat 0 --events 4 --missed 1 \
         --same-id 0 --internal-limit 1000 --external-limit 40 --kernel-limit 1000 --conntrackd 0 \
         --reliable 0 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 300 --freezes 1 \
         --jumps 0 --splits 1 --operators 0 --strangers 0 --replacements 1 --wishes 0 --reloads 0 \
         --helpers 0 --purge 0 --preload 1",
    );
}

/// A router in fault became backup, and forgot what its kernel had had no memory for: nothing tried it again, also not
/// the takeover.
#[test]
fn what_a_kernel_refused_is_not_forgotten_with_another_word_for_standing_by() {
    holds_with(
        82025,
        "--seconds 9 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes \
         2 --stalls 0 --failovers 0 --traffic 1 --pool 1 --ends 1 --nat 0 --events 500 --missed 0 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 \
         --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 104 --freezes 0 \
         --jumps 0 --splits 0 --operators 1 --strangers 0 --replacements 0 --wishes 0 --reloads 0 \
         --helpers 0 --purge 0 --preload 1",
    );
}

/// The peer took over a flow and told of it before this router was told its role. Here it was as the peer had it, so
/// nobody wrote it; it ran out, and made no event.
#[test]
fn what_was_here_when_a_daemon_started_does_not_end_by_its_own_timer() {
    holds_with(
        91762,
        "--seconds 11 --loss 0 --duplicate 0 --reorder 0 --delay 20000 --cuts 0 --crashes 0 \
         --router-crashes 1 --stalls 0 --failovers 1 --traffic 5 --pool 40 --ends 1 --nat 0 --events 500 \
         --missed 0 --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 \
         --conntrackd 0 --reliable 1 --silent 0 --uncounted 0 --mute 1 --lag 0 --early-drop 0 --refusals \
         0 --freezes 0 --jumps 0 --splits 0 --operators 0 --strangers 0 --replacements 0 --wishes 0 \
         --reloads 0 --helpers 0 --purge 0 --preload 1",
    );
}

/// The end had found no room in the buffer, the dump showed it, and the peer, which was dead, had not named all its
/// flows.
#[test]
fn what_a_dump_shows_to_be_gone_is_written_whatever_the_peer_still_owes() {
    holds_with(
        3414,
        "--seconds 10 --loss 0 --duplicate 0 --reorder 0 --delay 1000 --cuts 0 --crashes 0 \
         --router-crashes 0 --stalls 3 --failovers 1 --traffic 100 --pool 4 --ends 184 --nat 0 --events 4 \
         --missed 1 --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 \
         --conntrackd 0 --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals \
         0 --freezes 0 --jumps 0 --splits 0 --operators 0 --strangers 0 --replacements 1 --wishes 0 \
         --reloads 0 --helpers 0 --purge 0 --preload 1 --without 15,16",
    );
}

/// Packets had come to the kernel of a router whose daemon stood still, and given the flow a short life; the role was
/// told before its end.
#[test]
fn an_end_that_a_stopped_daemon_has_not_heard_is_made_up_for_later() {
    holds_with(
        47149,
        "--seconds 16 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes \
         1 --stalls 0 --failovers 0 --traffic 8 --pool 2 --ends 1 --nat 0 --events 500 --missed 0 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 \
         --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 0 --freezes 1 \
         --jumps 0 --splits 2 --operators 0 --strangers 0 --replacements 0 --wishes 0 --reloads 0 \
         --helpers 0 --purge 0 --preload 1",
    );
}

/// The table was full, a flow had to go for another one, and the event found no room, either.
#[test]
fn what_a_full_kernel_dropped_unheard_is_made_up_for_later() {
    holds_with(
        45746,
        "--seconds 4 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes \
         1 --stalls 0 --failovers 0 --traffic 297 --pool 16 --ends 230 --nat 0 --events 4 --missed 0 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 60 --conntrackd 0 \
         --reliable 1 --silent 0 --uncounted 0 --mute 1 --lag 0 --early-drop 1 --refusals 0 --freezes 0 \
         --jumps 0 --splits 0 --operators 0 --strangers 0 --replacements 0 --wishes 0 --reloads 0 \
         --helpers 0 --purge 0 --preload 1",
    );
}

/// Packets that came before the role was told ended a flow which its kernel tells nothing of.
#[test]
fn packets_may_end_a_flow_of_which_no_event_tells() {
    holds_with(
        4587,
        "--seconds 18 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes \
         2 --stalls 0 --failovers 2 --traffic 149 --pool 3 --ends 105 --nat 0 --events 500 --missed 0 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 \
         --reliable 1 --silent 0 --uncounted 0 --mute 1 --lag 0 --early-drop 0 --refusals 0 --freezes 0 \
         --jumps 0 --splits 0 --operators 0 --strangers 0 --replacements 0 --wishes 0 --reloads 0 \
         --helpers 498 --purge 0 --preload 1 --without 10,20",
    );
}

/// A split was too short for a daemon to hear of it: packets had changed a copy's mark, as they change the state of TCP.
#[test]
fn what_packets_have_done_to_a_copy_is_not_undone() {
    holds_with(
        30700,
        "--seconds 11 --loss 257 --duplicate 0 --reorder 0 --delay 200 --cuts 0 --crashes 0 \
         --router-crashes 0 --stalls 0 --failovers 0 --traffic 300 --pool 1 --ends 203 --nat 743 --events \
         500 --missed 0 --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 \
         --conntrackd 1 --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 0 \
         --freezes 3 --jumps 0 --splits 1 --operators 0 --strangers 0 --replacements 0 --wishes 0 \
         --reloads 0 --helpers 0 --purge 0 --preload 1 --without 25",
    );
}

/// Its end had not been heard, a look-up had shown it, and other look-ups were under way when the router became primary.
#[test]
fn what_a_look_up_has_not_found_is_owed_at_once() {
    holds_with(
        20833,
        "--seconds 12 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes \
         1 --stalls 4 --failovers 0 --traffic 100 --pool 4 --ends 103 --nat 681 --events 4 --missed 1 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 \
         --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 0 --freezes 0 \
         --jumps 0 --splits 0 --operators 0 --strangers 0 --replacements 1 --wishes 0 --reloads 0 \
         --helpers 486 --purge 0 --preload 1 --without 16,17",
    );
}

/// A flush was cut short, and went on for ever: what the filter keeps out was written, and its end never heard.
#[test]
fn a_flush_ends_with_the_role() {
    holds_with(
        31245,
        "--seconds 20 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes \
         2 --stalls 0 --failovers 0 --traffic 37 --pool 1 --ends 17 --nat 0 --events 500 --missed 0 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 \
         --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 0 --freezes 0 \
         --jumps 0 --splits 2 --operators 2 --strangers 0 --replacements 0 --wishes 0 --reloads 1 \
         --helpers 79 --purge 0 --preload 1 --without 10,35",
    );
}
