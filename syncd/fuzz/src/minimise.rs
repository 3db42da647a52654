//! A smaller input with the same fault: parts are taken away as long as the fault stays.

use crate::judge::{self, Fault};
use crate::targets::Target;

/// Runs that a minimisation may take.
const RUNS: usize = 4000;

/// Makes `bytes` smaller while `target` goes on failing as it does. What it returns fails so, too.
#[must_use]
pub fn minimise(target: &Target, bytes: &[u8], fault: &Fault, slack: u32) -> Vec<u8> {
    let mut best = bytes.to_vec();
    let mut runs = RUNS;
    let mut still_fails = |candidate: &[u8]| {
        runs = runs.saturating_sub(1);
        runs > 0 && judge::run(target, candidate, slack).is_err_and(|other| other.is_like(fault))
    };
    let mut part = best.len() / 2;
    while part > 0 {
        let mut at = 0;
        while at < best.len() {
            let end = (at + part).min(best.len());
            let candidate = [&best[..at], &best[end..]].concat();
            if still_fails(&candidate) {
                best = candidate;
            } else {
                at = end;
            }
        }
        part /= 2;
    }
    for at in 0..best.len() {
        let filling = if best[at].is_ascii_graphic() { b'a' } else { 0 };
        let before = std::mem::replace(&mut best[at], filling);
        if before != filling && !still_fails(&best) {
            best[at] = before;
        }
    }
    best
}
