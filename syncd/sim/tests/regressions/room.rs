//! What was found of caches without room, mostly of the judge: what a full cache excuses, and for how long.

use super::holds_with;

/// One question was answered and the next one asked in the same turn: the judge took that one for answered, and what had
/// found no room in between for held.
#[test]
fn what_found_no_room_before_the_next_question_is_owed_when_that_is_answered() {
    holds_with(
        25073,
        "--seconds 6 --loss 155 --duplicate 0 --reorder 96 --delay 1000 --cuts 0 --crashes 0 \
         --router-crashes 0 --stalls 0 --failovers 0 --traffic 19 --pool 16 --ends 95 --nat 227 --events \
         500 --missed 0 --same-id 0 --internal-limit 1000 --external-limit 40 --kernel-limit 1000 \
         --conntrackd 0 --reliable 1 --silent 0 --uncounted 0 --mute 2 --lag 3000 --early-drop 0 \
         --refusals 0 --freezes 0 --jumps 0 --splits 0 --operators 0 --strangers 0 --replacements 0 \
         --wishes 0 --reloads 0 --helpers 0 --purge 0 --preload 1",
    );
    holds_with(
        76481,
        "--seconds 12 --loss 0 --duplicate 0 --reorder 0 --delay 1000 --cuts 0 --crashes 0 \
         --router-crashes 0 --stalls 0 --failovers 1 --traffic 22 --pool 17 --ends 18 --nat 0 --events \
         500 --missed 0 --same-id 0 --internal-limit 1000 --external-limit 40 --kernel-limit 1000 \
         --conntrackd 0 --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals \
         0 --freezes 1 --jumps 0 --splits 0 --operators 0 --strangers 0 --replacements 0 --wishes 0 \
         --reloads 0 --helpers 22 --purge 0 --preload 1",
    );
    holds_with(
        50441,
        "--seconds 19 --loss 113 --duplicate 0 --reorder 0 --delay 20000 --cuts 0 --crashes 1 \
         --router-crashes 0 --stalls 4 --failovers 2 --traffic 100 --pool 40 --ends 297 --nat 0 --events \
         500 --missed 43 --same-id 0 --internal-limit 1000 --external-limit 40 --kernel-limit 1000 \
         --conntrackd 0 --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 3000 --early-drop 0 \
         --refusals 0 --freezes 1 --jumps 1 --splits 2 --operators 0 --strangers 0 --replacements 1 \
         --wishes 0 --reloads 0 --helpers 99 --purge 0 --preload 1 --without 20",
    );
    holds_with(
        55864,
        "--seconds 17 --loss 266 --duplicate 0 --reorder 0 --delay 20000 --cuts 2 --crashes 0 \
         --router-crashes 0 --stalls 0 --failovers 1 --traffic 20 --pool 16 --ends 378 --nat 488 --events \
         500 --missed 9 --same-id 0 --internal-limit 1000 --external-limit 40 --kernel-limit 1000 \
         --conntrackd 0 --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals \
         0 --freezes 0 --jumps 0 --splits 0 --operators 0 --strangers 1 --replacements 0 --wishes 3 \
         --reloads 0 --helpers 95 --purge 0 --preload 1 --without 55",
    );
    holds_with(
        59780,
        "--seconds 19 --loss 0 --duplicate 156 --reorder 102 --delay 20000 --cuts 2 --crashes 0 \
         --router-crashes 0 --stalls 2 --failovers 4 --traffic 20 --pool 40 --ends 133 --nat 0 --events 4 \
         --missed 0 --same-id 0 --internal-limit 1000 --external-limit 40 --kernel-limit 1000 \
         --conntrackd 0 --reliable 0 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals \
         0 --freezes 1 --jumps 3 --splits 1 --operators 0 --strangers 0 --replacements 0 --wishes 0 \
         --reloads 0 --helpers 0 --purge 0 --preload 1 --without 15,21",
    );
    holds_with(
        97018,
        "--seconds 17 --loss 13 --duplicate 164 --reorder 0 --delay 50 --cuts 2 --crashes 0 \
         --router-crashes 0 --stalls 0 --failovers 3 --traffic 100 --pool 16 --ends 481 --nat 696 \
         --events 32 --missed 0 --same-id 0 --internal-limit 1000 --external-limit 40 --kernel-limit 1000 \
         --conntrackd 0 --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals \
         0 --freezes 0 --jumps 0 --splits 0 --operators 0 --strangers 0 --replacements 1 --wishes 2 \
         --reloads 0 --helpers 500 --purge 0 --preload 1 --without 20,55",
    );
}

/// Its peer's internal cache had been full, so nothing was promised of the takeover, and what that wrote was judged as the
/// adoption that came after it.
#[test]
fn a_takeover_of_which_nothing_is_promised_is_no_adoption() {
    holds_with(
        68988,
        "--seconds 18 --loss 145 --duplicate 0 --reorder 0 --delay 20000 --cuts 2 --crashes 1 \
         --router-crashes 0 --stalls 0 --failovers 0 --traffic 300 --pool 40 --ends 270 --nat 0 --events \
         500 --missed 0 --same-id 0 --internal-limit 40 --external-limit 1000 --kernel-limit 1000 \
         --conntrackd 0 --reliable 1 --silent 0 --uncounted 0 --mute 1 --lag 9999 --early-drop 0 \
         --refusals 299 --freezes 3 --jumps 0 --splits 1 --operators 1 --strangers 0 --replacements 1 \
         --wishes 0 --reloads 1 --helpers 0 --purge 0 --preload 1 --without 25",
    );
}

/// In the turn in which an answer was complete the next question was asked, and that one's excuse was taken away.
#[test]
fn a_cache_without_room_owes_nothing_until_the_question_after_it_is_answered() {
    holds_with(
        77836,
        "--seconds 13 --loss 186 --duplicate 0 --reorder 0 --delay 20000 --cuts 1 --crashes 0 \
         --router-crashes 0 --stalls 0 --failovers 1 --traffic 99 --pool 39 --ends 149 --nat 357 --events \
         4 --missed 11 --same-id 0 --internal-limit 1000 --external-limit 40 --kernel-limit 1000 \
         --conntrackd 0 --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 0 \
         --freezes 1 --jumps 0 --splits 1 --operators 0 --strangers 0 --replacements 0 --wishes 0 \
         --reloads 0 --helpers 492 --purge 0 --preload 0",
    );
}

/// It was written over a state that an event had said, which counted for more; the event of the writing was lost without a
/// trace, and the next word of the peer seemed to be here already.
#[test]
fn what_was_written_counts_though_an_event_said_otherwise_before() {
    holds_with(
        206593,
        "--seconds 8 --loss 280 --duplicate 0 --reorder 0 --delay 1000 --cuts 0 --crashes 0 \
         --router-crashes 0 --stalls 0 --failovers 4 --traffic 100 --pool 16 --ends 429 --nat 783 \
         --events 32 --missed 44 --same-id 0 --internal-limit 1000 --external-limit 40 --kernel-limit \
         1000 --conntrackd 0 --reliable 1 --silent 87 --uncounted 1 --mute 0 --lag 0 --early-drop 0 \
         --refusals 0 --freezes 2 --jumps 0 --splits 0 --operators 0 --strangers 0 --replacements 0 \
         --wishes 8 --reloads 0 --helpers 0 --purge 0 --preload 1 --without 55",
    );
}

/// A router that stands by had written a flow and no room for it in its internal cache; packets ended it here when they came,
/// and that waited to be read.
#[test]
fn what_was_written_and_is_not_known_of_may_have_ended_unheard() {
    holds_with(
        83097,
        "--seconds 9 --loss 248 --duplicate 113 --reorder 67 --delay 20000 --cuts 0 --crashes 0 \
         --router-crashes 1 --stalls 5 --failovers 0 --traffic 300 --pool 40 --ends 416 --nat 0 --events \
         500 --missed 27 --same-id 431 --internal-limit 40 --external-limit 1000 --kernel-limit 1000 \
         --conntrackd 1 --reliable 1 --silent 1000 --uncounted 1 --mute 0 --lag 500 --early-drop 1 \
         --refusals 0 --freezes 0 --jumps 0 --splits 0 --operators 1 --strangers 4 --replacements 0 \
         --wishes 0 --reloads 4 --helpers 500 --purge 0 --preload 1 --rate 0",
    );
}
