//! What else is going on: other work, other labs. Then figures say less, and not the same for both daemons.
//!
//! Looks once, before anything is started. Never waits for quiet. Driven by `outside.rs`; the reading is tested below.

use std::fs;
use std::time::Duration;

use crate::poll;
use crate::sandbox::socket;

/// How long others are watched.
const WATCHED: Duration = Duration::from_millis(500);
/// So much of all processors is noticeable.
const MUCH: f64 = 0.2;

/// What one should know of this machine before one believes a figure.
pub(super) fn remarks() -> Vec<String> {
    [busy(), labs()].into_iter().flatten().collect()
}

/// A remark about other labs. syncd does not listen to NEW while it commits, which saves the kernel the event; but the
/// kernel (6.18) asks only whether anybody listens in any namespace of the host.
fn labs() -> Option<String> {
    let labs = socket::list().ok().filter(|labs| !labs.is_empty())?.join(", ");
    Some(format!(
        "other labs run on this host ({labs}): their listeners make the kernel tell every flow that is committed, which \
         slows down syncd only"
    ))
}

/// A remark about other work, if there is much: conntrackd gives itself the highest real-time priority (`SCHED_RR`, 99),
/// syncd leaves that to whoever starts it, so other work slows down only one of them.
fn busy() -> Option<String> {
    let before = Processors::read()?;
    poll::pause(WATCHED);
    let share = Processors::read()?.busy_since(before)?;
    let percent = share * 100.0;
    (share >= MUCH).then(|| {
        format!(
            "the machine had other work ({percent:.0} % of its processors): it slows down syncd, which runs with \
             ordinary priority, and not conntrackd, which takes real-time priority"
        )
    })
}

/// What all processors have done since boot, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Processors {
    idle: u64,
    all: u64,
}

impl Processors {
    fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// `cpu  user nice system idle iowait irq softirq steal ...` of proc(5).
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> =
            line.split_whitespace().take(8).map(str::parse).collect::<Result<_, _>>().ok()?;
        Some(Self { idle: ticks.get(3)? + ticks.get(4)?, all: ticks.iter().sum() })
    }

    #[expect(clippy::cast_precision_loss, reason = "ticks of half a second")]
    fn busy_since(self, before: Self) -> Option<f64> {
        let all = self.all.checked_sub(before.all).filter(|all| *all > 0)?;
        let idle = self.idle.saturating_sub(before.idle).min(all);
        Some((all - idle) as f64 / all as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::Processors;

    #[test]
    fn the_share_of_work_is_what_was_not_idle() {
        let before = Processors::parse("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 1 1 1\n").unwrap();
        assert_eq!(before, Processors { idle: 800, all: 1000 });
        let after = Processors::parse("cpu  120 0 105 760 115 0 0 0 0 0\n").unwrap();
        assert_eq!(after.busy_since(before), Some(0.25));
        assert_eq!(before.busy_since(before), None);
        assert_eq!(Processors::parse("intr 1 2 3\n"), None);
    }
}
