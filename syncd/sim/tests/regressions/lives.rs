//! What was found where one life of a flow, or of a daemon, was taken for another.

use super::holds_with;

/// A conntrackd crashed and its next life counted from below: a late datagram of the one before was the first that a fresh
/// router heard. What the peer told after that was put aside as late, and its answer, without it, was taken for all.
#[test]
fn what_is_told_below_the_first_number_that_was_heard_makes_an_answer_doubtful() {
    holds_with(
        55476,
        "--seconds 20 --loss 0 --duplicate 52 --reorder 153 --delay 1000 --cuts 3 --crashes 2 \
         --router-crashes 1 --stalls 5 --failovers 1 --traffic 20 --pool 16 --ends 249 --nat 68 --events 4 \
         --missed 38 --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 \
         --conntrackd 1 --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 0 --refusals 0 \
         --freezes 0 --jumps 0 --splits 1 --operators 0 --strangers 0 --replacements 1 --wishes 0 \
         --reloads 0 --helpers 100 --purge 1 --preload 0 --rate 3000",
    );
}

/// The judge: an end and the next birth were on their way while the peer stepped back, and what was held was the life before.
#[test]
fn a_life_whose_birth_is_on_its_way_is_adopted_when_it_is_here() {
    holds_with(
        59167,
        "--seconds 19 --loss 0 --duplicate 0 --reorder 0 --delay 50 --cuts 0 --crashes 0 --router-crashes 1 \
         --stalls 4 --failovers 4 --traffic 300 --pool 16 --ends 169 --nat 0 --events 500 --missed 0 \
         --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 --conntrackd 0 \
         --reliable 1 --silent 0 --uncounted 0 --mute 1 --lag 0 --early-drop 1 --refusals 300 --freezes 0 \
         --jumps 0 --splits 2 --operators 0 --strangers 1 --replacements 0 --wishes 0 --reloads 0 --helpers \
         0 --purge 0 --preload 0 --rate 3000",
    );
    holds_with(
        82125,
        "--seconds 14 --loss 0 --duplicate 0 --reorder 0 --delay 1000 --cuts 0 --crashes 0 \
         --router-crashes 0 --stalls 0 --failovers 2 --traffic 300 --pool 1 --ends 303 --nat 0 --events 4 \
         --missed 10 --same-id 479 --internal-limit 40 --external-limit 1000 --kernel-limit 1000 \
         --conntrackd 0 --reliable 1 --silent 200 --uncounted 1 --mute 2 --lag 0 --early-drop 0 --refusals \
         50 --freezes 1 --jumps 0 --splits 2 --operators 0 --strangers 0 --replacements 1 --wishes 3 \
         --reloads 4 --helpers 0 --purge 0 --preload 0 --rate 3000",
    );
}
