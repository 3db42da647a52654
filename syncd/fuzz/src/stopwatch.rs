//! How much processor time a piece of work takes: of this thread alone, so that a busy machine makes no finding.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Does `work` and says how long the processor was busy with it.
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = thread_time();
    let done = work();
    (done, thread_time().saturating_sub(begun))
}

fn thread_time() -> Duration {
    let spec = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every Linux counts a thread's time");
    let nanos = u32::try_from(spec.tv_nsec()).expect("below a second");
    Duration::new(u64::try_from(spec.tv_sec()).expect("it begins at 0"), nanos)
}
