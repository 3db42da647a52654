//! Time comes in through the doors: of syncd's crates only one file of the daemon reads a clock.
//!
//! clippy could ban the methods too, but for tests as well, which may measure.

use super::Finding;
use super::source::Source;

/// Where syncd is.
const SYNCD: &str = "syncd/";

/// The only reading of a clock.
const CLOCK: &str = "syncd/daemon/src/clock.rs";

/// The fuzzer judges what a run costs; what it throws at does not know.
const STOPWATCH: &str = "syncd/fuzz/src/stopwatch.rs";

/// What reads a clock.
const READINGS: [&str; 4] = ["Instant::now", "SystemTime::now", "clock_gettime", "gettimeofday"];

/// No clock elsewhere.
pub(crate) fn one_reading(source: &Source) -> Vec<Finding> {
    if !source.path.starts_with(SYNCD) || [CLOCK, STOPWATCH].contains(&source.path) || source.is_test() {
        return Vec::new();
    }
    let readings = READINGS.iter().flat_map(|reading| source.words(reading));
    let text = format!("a clock is read only in {CLOCK}: take `now` as an argument");
    readings.map(|at| Finding::new(source.path, source.line_at(at), text.clone())).collect()
}
