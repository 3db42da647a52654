//! The swarm: which faults a seed has and how strong they are. Drawn from the seed, printed in the words of the
//! command line, so that one of them can be overridden to bisect a failure (`--loss 0`).
//!
//! A seed never has everything: each fault is absent in about half of them or more, because faults hide each other.
//! What was added later draws from a stream of its own, so that seeds keep their meaning with the new option at its
//! neutral value.

use std::fmt;

use clap::Args;

use crate::chance::Chance;

/// One option is one line here: what it means, its unit, and the value with which it does nothing. Those without a
/// neutral value are made as small as possible when a failure is shrunk. Of what is `scarce` the least disturbs most.
macro_rules! options {
    ($($(#[doc = $doc:literal])+ $name:ident $unit:literal $neutral:expr $(, $scarce:ident)?;)+) => {
        /// Everything that is drawn for a run. All are whole numbers, so that they read the same in and out.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Options {
            $($(#[doc = $doc])+ pub $name: u32,)+
            /// Planned faults that are left out, by their number.
            pub without: Without,
        }

        /// What the command line takes instead of what was drawn.
        #[derive(Args, Clone, Copy, Debug, Default)]
        pub struct Overrides {
            $($(#[doc = $doc])+ #[arg(long, value_name = $unit)] pub $name: Option<u32>,)+
            /// Leaves out planned faults by their number, as a replay prints it.
            #[arg(long, value_name = "NUMBERS")]
            pub without: Option<Without>,
        }

        impl Overrides {
            /// Whatever can disturb anything does not.
            #[must_use]
            pub const fn calm() -> Self {
                Self { $($name: $neutral,)+ without: None }
            }
        }

        impl Options {
            /// With what the command line says instead.
            #[must_use]
            pub fn with(self, other: &Overrides) -> Self {
                Self {
                    $($name: other.$name.unwrap_or(self.$name),)+
                    without: other.without.unwrap_or(self.without),
                }
            }

            /// All of them, to be changed one by one.
            pub fn dials(&mut self) -> Vec<Dial<'_>> {
                vec![$(Dial {
                    neutral: $neutral,
                    is_scarce: { let words: &[&str] = &[$(stringify!($scarce))?]; !words.is_empty() },
                    value: &mut self.$name,
                },)+]
            }
        }

        /// The options as the command line takes them.
        impl fmt::Display for Options {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut gap = "";
                $(
                    write!(f, "{gap}--{} {}", stringify!($name).replace('_', "-"), self.$name)?;
                    gap = " ";
                )+
                if self.without != Without::NOTHING {
                    write!(f, "{gap}--without {}", self.without)?;
                }
                Ok(())
            }
        }
    };
}

options! {
    /// Seconds with faults.
    seconds "SECONDS" None;
    /// Datagrams lost, per mille.
    loss "PERMILLE" Some(0);
    /// Datagrams that come twice, per mille.
    duplicate "PERMILLE" Some(0);
    /// Datagrams that are overtaken by later ones, per mille.
    reorder "PERMILLE" Some(0);
    /// Delay on the dedicated link, microseconds.
    delay "MICROSECONDS" Some(50);
    /// Times the dedicated link is cut, in one direction or both.
    cuts "TIMES" Some(0);
    /// Times a daemon crashes and starts again; its kernel lives on.
    crashes "TIMES" Some(0);
    /// Times a router crashes with its kernel; if it was primary, the other one takes over.
    router_crashes "TIMES" Some(0);
    /// Times a daemon does not get to read events for a while, so that they overrun.
    stalls "TIMES" Some(0);
    /// Times the role moves although nothing crashed.
    failovers "TIMES" Some(0);
    /// Changes in the primary's kernel per second.
    traffic "PER_SECOND" None;
    /// How many ports (times eight kinds of flows) there are to draw from: few mean quick reuse.
    pool "PORTS" None;
    /// How many changes of a thousand are ends.
    ends "PERMILLE" None;
    /// New flows that are translated, per mille.
    nat "PERMILLE" Some(0);
    /// How many kernel events wait at most.
    events "COUNT" Some(500), scarce;
    /// Living flows a dump misses, per mille.
    missed "PERMILLE" Some(0);
    /// The next life of a flow has the id of the last, per mille.
    same_id "PERMILLE" Some(0);
    /// The most flows in the internal cache.
    internal_limit "FLOWS" Some(1000), scarce;
    /// The most flows in the external cache.
    external_limit "FLOWS" Some(1000), scarce;
    /// The most flows in a kernel.
    kernel_limit "FLOWS" Some(1000), scarce;
    /// Which router runs a model of conntrackd: 0 none, 1 r1, 2 r2, 3 both, 4 both with the hello rule repaired.
    conntrackd "0..4" Some(0);
    /// Whether an end that found no room in the event buffer is told again (`NETLINK_BROADCAST_ERROR`): 0 or 1.
    reliable "0|1" Some(1);
    /// Losses of events of which the kernel says nothing, per mille of them.
    silent "PERMILLE" Some(0);
    /// Whether the kernel's count of lost events cannot be read: 0 or 1.
    uncounted "0|1" Some(0);
    /// Flows of which nobody ever hears: 0 none, 1 those born before a daemon first starts, 2 all that are born while
    /// none runs (`nf_conntrack_events` is 2 and can, or cannot, be set to 1).
    mute "0|1|2" Some(0);
    /// Milliseconds until the end of a flow whose timer ran out is told, at most.
    lag "MILLISECONDS" Some(0);
    /// Whether a full kernel drops flows that were never answered: 0 or 1.
    early_drop "0|1" Some(0);
    /// Requests the kernel refuses for reasons of its own, per mille.
    refusals "PERMILLE" Some(0);
    /// Times a daemon is stopped for a while and goes on.
    freezes "TIMES" Some(0);
    /// Times the monotonic clock of a machine goes ahead at once.
    jumps "TIMES" Some(0);
    /// Times VRRP does not hear itself, so that both routers are primary.
    splits "TIMES" Some(0);
    /// Times an operator gives a role by hand, often at a bad moment.
    operators "TIMES" Some(0);
    /// Datagrams of a stranger.
    strangers "TIMES" Some(0);
    /// Whether a router dies for good and a third machine takes its place: 0 or 1.
    replacements "0|1" Some(0);
    /// Times an operator wants one step by itself: a reload, a bulk, a reset of a cache.
    wishes "TIMES" Some(0);
    /// Times an operator changes what a daemon replicates, and changes it back.
    reloads "TIMES" Some(0);
    /// New TCP and UDP flows with a helper that announces other flows, per mille. conntrackd's is not modelled.
    helpers "PERMILLE" Some(0);
    /// Seconds after which the kernel of a router that was primary is emptied; 0 is never.
    purge "SECONDS" Some(0);
    /// Whether a router that stands by keeps its peer's flows in its kernel: 0 or 1.
    preload "0|1" Some(0);
    /// What the dedicated link carries in each direction; what would wait for longer than half a second is lost. 0 is no
    /// limit.
    rate "BYTES_PER_SECOND" Some(0), scarce;
}

/// One option, to be changed.
#[derive(Debug)]
pub struct Dial<'a> {
    /// The value with which it does nothing, if there is one.
    pub neutral: Option<u32>,
    /// The more there is of it, the less it disturbs.
    pub is_scarce: bool,
    /// Its value.
    pub value: &'a mut u32,
}

/// Numbers of planned faults that are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Without(u64);

impl Without {
    /// All faults happen.
    pub const NOTHING: Self = Self(0);

    /// Without this fault too. Numbers above 63 are never left out.
    #[must_use]
    pub const fn and(self, number: u32) -> Self {
        if number < u64::BITS { Self(self.0 | 1 << number) } else { self }
    }

    /// Whether this fault is left out.
    #[must_use]
    pub const fn leaves_out(self, number: u32) -> bool {
        number < u64::BITS && self.0 >> number & 1 == 1
    }
}

impl fmt::Display for Without {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers =
            (0..u64::BITS).filter(|number| self.leaves_out(*number)).map(|number| number.to_string());
        f.write_str(&numbers.collect::<Vec<String>>().join(","))
    }
}

impl std::str::FromStr for Without {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').try_fold(Self::NOTHING, |without, number| Ok(without.and(number.parse()?)))
    }
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
            without: Without::NOTHING,
            reliable: 1,
            silent: 0,
            uncounted: 0,
            mute: 0,
            lag: 0,
            early_drop: 0,
            refusals: 0,
            freezes: 0,
            jumps: 0,
            splits: 0,
            operators: 0,
            strangers: 0,
            replacements: 0,
            wishes: 0,
            reloads: 0,
            helpers: 0,
            purge: 0,
            preload: 0,
            rate: 0,
        }
        .with_what_came_later(seed)
    }

    /// How many new flows of a thousand have a helper. A conntrackd's expectations are not modelled.
    #[must_use]
    pub const fn with_helpers(&self) -> u32 {
        if self.conntrackd == 0 { self.helpers } else { 0 }
    }

    /// Each with a stream of its own.
    fn with_what_came_later(self, seed: u64) -> Self {
        let rarely = |name: &str, absent: u32, values: &[u32]| {
            let mut chance = Chance::new(seed, name);
            if chance.permille(absent) { 0 } else { chance.pick(values) }
        };
        let reliable = rarely("reliable", 200, &[1]);
        let silent = rarely("silent", 600, &[200, 1000]);
        Self {
            reliable,
            silent,
            // An end that is lost without any trace is made up for by a birth that is: nobody can notice that.
            uncounted: if silent > 0 && reliable == 1 { rarely("uncounted", 500, &[1]) } else { 0 },
            mute: rarely("mute", 600, &[1, 2]),
            lag: rarely("lag", 500, &[500, 3_000, 20_000]),
            early_drop: rarely("early drop", 500, &[1]),
            refusals: rarely("refusals", 700, &[5, 50, 300]),
            freezes: rarely("freezes", 600, &[1, 2, 3]),
            jumps: rarely("jumps", 700, &[1, 3]),
            splits: rarely("splits", 600, &[1, 2]),
            operators: rarely("operators", 600, &[1, 2, 4]),
            strangers: rarely("intruders", 700, &[1, 4]),
            replacements: rarely("replaced", 700, &[1]),
            wishes: rarely("wishes", 700, &[1, 3, 8]),
            reloads: rarely("reloads", 600, &[1, 2, 4]),
            helpers: rarely("helpers", 500, &[100, 500]),
            purge: rarely("purge", 700, &[1, 2, 5]),
            preload: rarely("preload", 600, &[1]),
            // A table of 300 flows is 30 kB, and so is a second of the busiest traffic.
            rate: rarely("rate", 700, &[3_000, 10_000, 50_000]),
            ..self
        }
    }
}

fn draw(chance: &mut Chance, from: u64, to: u64) -> u32 {
    u32::try_from(chance.between(from, to)).expect("the bounds are small")
}
