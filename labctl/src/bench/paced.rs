//! Births at a given rate: how late the standby hears of them, and what that costs.
//!
//! The lag of a flow is the time from its birth in the first router's kernel until the first datagram that names it
//! reaches the second router's end of the dedicated link. Both are stamps of the kernel, so it is the same for both
//! daemons; what the second router does with the datagram is not in it. A burst is written with one system call: the
//! kernel takes it without a pause, as it takes what a network card has gathered. Driven by `measure.rs`; tested through
//! `labctl bench`.

use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::daemon::Daemon;
use super::flows::{Kind, Writing};
use super::measure::Sides;
use super::pair::{Meters, Pair, R1, R2};
use super::tap::Tap;
use super::{Plan, births};
use crate::plan::Step;

/// The daemons' port.
const PORT: u16 = 3780;

/// A rate, and how it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Rate {
    /// Births in a second; 0 means as fast as the kernel takes them.
    pub(crate) per_second: u32,
    /// So many at once.
    pub(crate) burst: u32,
}

/// The rates that are measured. Few flows come singly, many come in bursts.
pub(crate) const RATES: [Rate; 8] = [
    Rate { per_second: 100, burst: 1 },
    Rate { per_second: 1_000, burst: 1 },
    Rate { per_second: 5_000, burst: 1 },
    Rate { per_second: 10_000, burst: 1 },
    Rate { per_second: 20_000, burst: 64 },
    Rate { per_second: 40_000, burst: 64 },
    Rate { per_second: 50_000, burst: 64 },
    Rate { per_second: 0, burst: 64 },
];

/// How long each is kept up.
const SECONDS: u32 = 2;
/// How many flows at most.
const MOST: u32 = 100_000;

/// What was seen at one rate.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Paced {
    /// Who told whom.
    pub(crate) daemon: Daemon,
    /// At which rate.
    pub(crate) rate: Rate,
    /// The rate that came of it.
    pub(crate) per_second: f64,
    /// The middle lag and the one that one in a hundred exceeds, in milliseconds. None when so many were not seen that
    /// these would be of other flows.
    pub(crate) lag: Option<(f64, f64)>,
    /// Flows that no datagram was seen to name.
    pub(crate) unseen: u32,
    /// The daemon's CPU time, in microseconds per flow.
    pub(crate) cpu: Sides<f64>,
    /// Datagrams on the dedicated link in both directions, per flow.
    pub(crate) datagrams: f64,
    /// Events that the kernel could not deliver.
    pub(crate) dropped: u64,
}

/// One rate after the other with the same pair, as far as its kernels have room.
pub(super) fn paced(daemon: Daemon, plan: &Plan, tell: &mut dyn FnMut(Paced)) -> Result<()> {
    let mut pair = Pair::build(daemon, plan.full(), plan.root)?;
    let (node, key) = (R1.to_owned(), "net.netfilter.nf_conntrack_timestamp".to_owned());
    pair.extend([Step::Sysctl { node, key, value: "1".to_owned() }])?;
    pair.start_daemons(0)?;
    let mut first = 0;
    for rate in RATES {
        let wanted = if rate.per_second == 0 { MOST } else { (rate.per_second * SECONDS).min(MOST) };
        let count = wanted.min(plan.inserted).min(plan.full() - first);
        if count > 0 {
            tell(at(&pair, rate, first, count)?);
        }
        first += count;
    }
    pair.stop()
}

fn at(pair: &Pair, rate: Rate, first: u32, count: u32) -> Result<Paced> {
    let tap = Tap::open(pair.net(R2)?, PORT)?;
    let before = Meters::read(pair, true)?;
    let pace = (rate.per_second > 0).then_some(rate.per_second);
    let took = pair.insert(Writing { kind: Kind::Plain, first, count, pace, burst: rate.burst })?;
    pair.settle(first + count)?;
    let after = Meters::read(pair, true)?;
    let (mut born, mut named) = (vec![None; count as usize], vec![None; count as usize]);
    births::read(pair.net(R1)?, keep_first(&mut born, first))?;
    tap.read(keep_first(&mut named, first))?;
    let lags = born.iter().zip(&named).filter_map(|(born, named)| Some((*named)?.saturating_sub((*born)?)));
    let mut lags: Vec<Duration> = lags.collect();
    lags.sort_unstable();
    let unseen = count - u32::try_from(lags.len())?;
    let seen = unseen <= count / 100;
    let cpu = |spent: Duration| spent.as_secs_f64() * 1e6 / f64::from(count);
    Ok(Paced {
        daemon: pair.daemon(),
        rate,
        per_second: f64::from(count) / took.as_secs_f64(),
        lag: quantile(&lags, 0.5).zip(quantile(&lags, 0.99)).filter(|_| seen),
        unseen,
        cpu: Sides { r1: cpu(after.time.r1 - before.time.r1), r2: cpu(after.time.r2 - before.time.r2) },
        datagrams: f64::from(u32::try_from(after.frames.since(before.frames).number)?) / f64::from(count),
        dropped: after.dropped - before.dropped,
    })
}

/// Keeps the first moment of each flow from number `first` on.
fn keep_first(moments: &mut [Option<Duration>], first: u32) -> impl FnMut(u32, Duration) {
    move |index, when| {
        if let Some(moment) = index.checked_sub(first).and_then(|at| moments.get_mut(at as usize)) {
            moment.get_or_insert(when);
        }
    }
}

/// In milliseconds; of sorted lags.
fn quantile(lags: &[Duration], share: f64) -> Option<f64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in a list of at most a million"
    )]
    let place = (lags.len() as f64 * share) as usize;
    lags.get(place).map(|lag| lag.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::quantile;

    #[test]
    fn one_lag_in_a_hundred_exceeds_the_last_quantile() {
        let lags: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(quantile(&lags, 0.5), Some(101.0));
        assert_eq!(quantile(&lags, 0.99), Some(199.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
