//! What a command has printed against what a page shows of it: `…` stands for any text in a line, and alone in a line for
//! any lines.
//!
//! Pure. Tested in `tests.rs` beside it.

const ANYTHING: &str = "…";

/// Whether the page tells the truth; otherwise the first line that was not found, with its number in the block.
pub(super) fn holds(shown: &str, printed: &str) -> Result<(), (usize, String)> {
    let printed: Vec<&str> = printed.lines().map(str::trim_end).collect();
    let shown: Vec<&str> = shown.lines().map(str::trim_end).collect();
    match furthest(&shown, &printed) {
        Ok(()) => Ok(()),
        Err(at) => Err((at + 1, shown.get(at).map_or("nothing more", |line| *line).to_owned())),
    }
}

/// All lines, in order; an error is the furthest line that nothing matches.
fn furthest(shown: &[&str], printed: &[&str]) -> Result<(), usize> {
    let Some((first, rest)) = shown.split_first() else {
        return if printed.is_empty() { Ok(()) } else { Err(0) };
    };
    if first.trim() == ANYTHING {
        let mut best = 0;
        for skipped in 0..=printed.len() {
            match furthest(rest, &printed[skipped..]) {
                Ok(()) => return Ok(()),
                Err(at) => best = best.max(at),
            }
        }
        return Err(best + 1);
    }
    match printed.split_first() {
        Some((line, after)) if is_like(first, line) => furthest(rest, after).map_err(|at| at + 1),
        _ => Err(0),
    }
}

/// Whether a line is as shown.
fn is_like(shown: &str, printed: &str) -> bool {
    let mut parts = shown.split(ANYTHING);
    let Some(rest) = parts.next().and_then(|first| printed.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    let mut rest = rest;
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}
