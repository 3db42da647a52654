//! What was found of routers that came to know the same in the end, and too late.

use super::holds_with;

/// Where a daemon starts anew, flows that are older than the first one tell nothing, and it does not know so: by their count
/// it would notice their ends, but a cache that is full never counted.
#[test]
fn a_full_cache_is_compared_with_the_table() {
    holds_with(
        20102,
        "--seconds 7 --loss 157 --duplicate 18 --reorder 68 --delay 200 --cuts 0 --crashes 2 \
         --router-crashes 0 --stalls 0 --failovers 4 --traffic 20 --pool 40 --ends 268 --nat 541 \
         --events 500 --missed 44 --same-id 0 --internal-limit 40 --external-limit 1000 --kernel-limit \
         1000 --conntrackd 0 --reliable 0 --silent 0 --uncounted 0 --mute 1 --lag 0 --early-drop 0 \
         --refusals 50 --freezes 0 --jumps 3 --splits 0 --operators 4 --strangers 0 --replacements 0 \
         --wishes 0 --reloads 0 --helpers 0 --purge 0 --preload 0 --rate 50000",
    );
}

/// Each doubted answer doubled the pause before the next question, also where that was asked at once for another reason: on a
/// bad link it came to 40 s although none of them had been waited for.
#[test]
fn the_pause_behind_a_doubted_answer_grows_only_by_what_was_waited_for() {
    holds_with(
        21004,
        "--seconds 14 --loss 153 --duplicate 0 --reorder 111 --delay 50 --cuts 0 --crashes 0 \
         --router-crashes 0 --stalls 5 --failovers 0 --traffic 100 --pool 1 --ends 163 --nat 45 --events 4 \
         --missed 0 --same-id 0 --internal-limit 1000 --external-limit 1000 --kernel-limit 1000 \
         --conntrackd 1 --reliable 1 --silent 0 --uncounted 0 --mute 0 --lag 0 --early-drop 1 --refusals 0 \
         --freezes 0 --jumps 0 --splits 0 --operators 0 --strangers 0 --replacements 0 --wishes 0 \
         --reloads 2 --helpers 100 --purge 0 --preload 0 --rate 0",
    );
}

/// A router whose cache was smaller than its peer's table asked at each end that made room, and on a narrow link its peer was
/// telling everything all the time.
#[test]
fn a_cache_that_is_never_large_enough_does_not_ask_for_ever() {
    holds_with(
        36914,
        "--seconds 20 --loss 235 --duplicate 200 --reorder 58 --delay 50 --cuts 2 --crashes 1 \
         --router-crashes 0 --stalls 5 --failovers 0 --traffic 20 --pool 40 --ends 241 --nat 53 --events 4 \
         --missed 12 --same-id 246 --internal-limit 1000 --external-limit 40 --kernel-limit 1000 \
         --conntrackd 0 --reliable 0 --silent 1000 --uncounted 0 --mute 2 --lag 0 --early-drop 1 --refusals \
         300 --freezes 0 --jumps 3 --splits 1 --operators 0 --strangers 0 --replacements 0 --wishes 3 \
         --reloads 2 --helpers 500 --purge 0 --preload 1 --rate 3000",
    );
}
