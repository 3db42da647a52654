//! Waiting for a condition that nothing announces: looked at again and again, until a deadline.
//!
//! The only sleep of labctl. Never waits a fixed time. Tested below.

use std::thread;
use std::time::{Duration, Instant};

/// Between two looks.
pub(crate) const INTERVAL: Duration = Duration::from_millis(20);

/// Looks until `look` finds something; None at the deadline.
pub(crate) fn until<T>(deadline: Instant, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        pause(INTERVAL);
    }
}

/// Lets time pass between two looks.
#[expect(clippy::disallowed_methods, reason = "what is waited for announces itself to nobody")]
pub(crate) fn pause(interval: Duration) {
    thread::sleep(interval);
}

#[cfg(test)]
mod tests {
    use super::until;
    use std::time::{Duration, Instant};

    #[test]
    fn what_is_found_ends_the_wait_and_so_does_the_deadline() {
        let mut looks = 0;
        let far = Instant::now() + Duration::from_secs(60);
        let found = until(far, || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(found, Some(3));
        assert_eq!(until(Instant::now(), || None::<u8>), None);
    }
}
