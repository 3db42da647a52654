//! The swarm: which faults a seed has and how strong they are. Drawn from the seed, printed in the words of the
//! command line, so that one of them can be overridden to bisect a failure (`--loss 0`).
//!
//! A seed never has everything: each fault is absent in about half of them, because faults hide each other.

use std::fmt;

use clap::Args;

use crate::chance::Chance;

/// Everything that is drawn for a run. All are whole numbers, so that they read the same in and out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Seconds with faults.
    pub seconds: u32,
    /// Datagrams lost, per mille.
    pub loss: u32,
    /// Datagrams that come twice, per mille.
    pub duplicate: u32,
    /// Datagrams that are overtaken by later ones, per mille.
    pub reorder: u32,
    /// Delay on the dedicated link, microseconds.
    pub delay: u32,
    /// Times the dedicated link is cut, in one direction or both.
    pub cuts: u32,
    /// Times a daemon crashes and starts again; its kernel lives on.
    pub crashes: u32,
    /// Times a router crashes with its kernel; if it was primary, the other one takes over.
    pub router_crashes: u32,
    /// Times a daemon does not get to read for a while, so that events overrun.
    pub stalls: u32,
    /// Times the role moves although nothing crashed.
    pub failovers: u32,
    /// Changes in the primary's kernel per second.
    pub traffic: u32,
    /// How many ports (times eight kinds of flows) there are to draw from: few mean quick reuse.
    pub pool: u32,
    /// How many changes of a thousand are ends.
    pub ends: u32,
    /// New flows that are translated, per mille.
    pub nat: u32,
    /// How many kernel events wait at most.
    pub events: u32,
    /// Living flows a dump misses, per mille.
    pub missed: u32,
    /// The next life of a flow has the id of the last, per mille.
    pub same_id: u32,
    /// The most flows in the internal cache.
    pub internal_limit: u32,
    /// The most flows in the external cache.
    pub external_limit: u32,
    /// The most flows in a kernel.
    pub kernel_limit: u32,
    /// Which router runs a model of conntrackd: 0 none, 1 r1, 2 r2.
    pub conntrackd: u32,
}

/// What the command line takes instead of what was drawn.
#[derive(Args, Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "each is the field of the same name in `Options`")]
pub struct Overrides {
    #[arg(long, value_name = "SECONDS")]
    pub seconds: Option<u32>,
    #[arg(long, value_name = "PERMILLE")]
    pub loss: Option<u32>,
    #[arg(long, value_name = "PERMILLE")]
    pub duplicate: Option<u32>,
    #[arg(long, value_name = "PERMILLE")]
    pub reorder: Option<u32>,
    #[arg(long, value_name = "MICROSECONDS")]
    pub delay: Option<u32>,
    #[arg(long, value_name = "TIMES")]
    pub cuts: Option<u32>,
    #[arg(long, value_name = "TIMES")]
    pub crashes: Option<u32>,
    #[arg(long, value_name = "TIMES")]
    pub router_crashes: Option<u32>,
    #[arg(long, value_name = "TIMES")]
    pub stalls: Option<u32>,
    #[arg(long, value_name = "TIMES")]
    pub failovers: Option<u32>,
    #[arg(long, value_name = "PER_SECOND")]
    pub traffic: Option<u32>,
    #[arg(long, value_name = "PORTS")]
    pub pool: Option<u32>,
    #[arg(long, value_name = "PERMILLE")]
    pub ends: Option<u32>,
    #[arg(long, value_name = "PERMILLE")]
    pub nat: Option<u32>,
    #[arg(long, value_name = "COUNT")]
    pub events: Option<u32>,
    #[arg(long, value_name = "PERMILLE")]
    pub missed: Option<u32>,
    #[arg(long, value_name = "PERMILLE")]
    pub same_id: Option<u32>,
    #[arg(long, value_name = "FLOWS")]
    pub internal_limit: Option<u32>,
    #[arg(long, value_name = "FLOWS")]
    pub external_limit: Option<u32>,
    #[arg(long, value_name = "FLOWS")]
    pub kernel_limit: Option<u32>,
    #[arg(long, value_name = "0|1|2")]
    pub conntrackd: Option<u32>,
}

impl Options {
    /// What the seed draws.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut chance = Chance::new(seed, "options");
        let mut sometimes = |most: u64| if chance.permille(500) { 0 } else { draw(&mut chance, 1, most) };
        let loss = sometimes(300);
        let duplicate = sometimes(200);
        let reorder = sometimes(200);
        let cuts = sometimes(3);
        let crashes = sometimes(3);
        let router_crashes = sometimes(2);
        let stalls = sometimes(5);
        let failovers = sometimes(4);
        let missed = sometimes(50);
        let same_id = sometimes(500);
        let nat = sometimes(900);
        Self {
            seconds: draw(&mut chance, 4, 20),
            loss,
            duplicate,
            reorder,
            delay: chance.pick(&[50, 200, 1000, 20_000]),
            cuts,
            crashes,
            router_crashes,
            stalls,
            failovers,
            traffic: chance.pick(&[5, 20, 100, 300]),
            pool: chance.pick(&[1, 4, 16, 40]),
            ends: draw(&mut chance, 50, 500),
            nat,
            events: chance.pick(&[4, 32, 500, 500]),
            missed,
            same_id,
            internal_limit: chance.pick(&[1000, 1000, 1000, 1000, 1000, 1000, 40]),
            external_limit: chance.pick(&[1000, 1000, 1000, 1000, 1000, 1000, 40]),
            kernel_limit: chance.pick(&[1000, 1000, 1000, 1000, 1000, 1000, 60]),
            conntrackd: chance.pick(&[0, 0, 0, 0, 0, 0, 1, 2]),
        }
    }

    /// With what the command line says instead.
    #[must_use]
    pub fn with(self, other: &Overrides) -> Self {
        Self {
            seconds: other.seconds.unwrap_or(self.seconds),
            loss: other.loss.unwrap_or(self.loss),
            duplicate: other.duplicate.unwrap_or(self.duplicate),
            reorder: other.reorder.unwrap_or(self.reorder),
            delay: other.delay.unwrap_or(self.delay),
            cuts: other.cuts.unwrap_or(self.cuts),
            crashes: other.crashes.unwrap_or(self.crashes),
            router_crashes: other.router_crashes.unwrap_or(self.router_crashes),
            stalls: other.stalls.unwrap_or(self.stalls),
            failovers: other.failovers.unwrap_or(self.failovers),
            traffic: other.traffic.unwrap_or(self.traffic),
            pool: other.pool.unwrap_or(self.pool),
            ends: other.ends.unwrap_or(self.ends),
            nat: other.nat.unwrap_or(self.nat),
            events: other.events.unwrap_or(self.events),
            missed: other.missed.unwrap_or(self.missed),
            same_id: other.same_id.unwrap_or(self.same_id),
            internal_limit: other.internal_limit.unwrap_or(self.internal_limit),
            external_limit: other.external_limit.unwrap_or(self.external_limit),
            kernel_limit: other.kernel_limit.unwrap_or(self.kernel_limit),
            conntrackd: other.conntrackd.unwrap_or(self.conntrackd),
        }
    }
}

/// The options as the command line takes them.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "--seconds {} --loss {} --duplicate {} --reorder {} --delay {} --cuts {} --crashes {} \
             --router-crashes {} --stalls {} --failovers {} --traffic {} --pool {} --ends {} --nat {} --events {} \
             --missed {} --same-id {} --internal-limit {} --external-limit {} --kernel-limit {} --conntrackd {}",
            self.seconds,
            self.loss,
            self.duplicate,
            self.reorder,
            self.delay,
            self.cuts,
            self.crashes,
            self.router_crashes,
            self.stalls,
            self.failovers,
            self.traffic,
            self.pool,
            self.ends,
            self.nat,
            self.events,
            self.missed,
            self.same_id,
            self.internal_limit,
            self.external_limit,
            self.kernel_limit,
            self.conntrackd
        )
    }
}

fn draw(chance: &mut Chance, from: u64, to: u64) -> u32 {
    u32::try_from(chance.between(from, to)).expect("the bounds are small")
}
