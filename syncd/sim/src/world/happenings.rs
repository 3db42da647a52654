//! What happens by itself: packets, timers of kernels, faults and starts.

use syncd_core::filter::Filter;
use syncd_core::ftfw::SILENCE;
use syncd_core::replica::{Config, Ends, Settings};
use syncd_core::time::Duration;
use syncd_core::wire::{Options as WireOptions, payload_limit};

use super::{DROPS, EXPIRY, Event, Verdict, World, filter, uptime};
use crate::conntrackd::HelloRule;
use crate::conntrackd::RESEND;
use crate::faults::Fault;
use crate::host::{Daemon, Host};
use crate::kernel::Kernel;
use crate::options::Options;
use crate::trace::Side;

impl World {
    pub(super) fn packets(&mut self) -> Verdict {
        if self.calm {
            return Ok(());
        }
        let mean = 1_000_000 / u64::from(self.options.traffic.max(1));
        // Sometimes a burst, sometimes a pause.
        let pause = self.chance.pick(&[mean / 8, mean / 4, mean, mean * 2]);
        self.plan(self.now + Duration::from_micros(pause.max(1)), Event::Traffic);
        if self.options.traffic > 0
            && let Some(side) = self.owner()
        {
            let what = self.traffic.act(self.now, &mut self.hosts[side.index()].kernel);
            self.note("traffic", || what.into());
            self.gather_soon(side);
        }
        Ok(())
    }

    pub(super) fn expiry(&mut self) -> Verdict {
        for side in Side::BOTH {
            self.hosts[side.index()].kernel.expire(self.now);
            self.gather_soon(side);
        }
        self.plan(self.now + EXPIRY, Event::Expiry);
        Ok(())
    }

    pub(super) fn fault(&mut self, fault: Fault, number: Option<u32>) -> Verdict {
        if self.calm {
            return Ok(());
        }
        self.note("fault", || match number {
            Some(number) => format!("{fault:?}, number {number}"),
            None => format!("{fault:?}"),
        });
        match fault {
            Fault::Cut(sides) => {
                Side::BOTH.into_iter().for_each(|side| self.network.cut(side, sides[side.index()]));
            }
            Fault::Mend => Side::BOTH.into_iter().for_each(|side| self.network.cut(side, false)),
            Fault::Stall(side, length) => self.hosts[side.index()].stalled_until = self.now + length,
            Fault::Freeze(side, length) => {
                let host = &mut self.hosts[side.index()];
                if host.frozen_until <= self.now {
                    host.frozen_until = self.now + length;
                }
            }
            Fault::Jump(side, length) => self.jump(side, length),
            Fault::Crash(side) => {
                self.hosts[side.index()].crash();
                self.oracle.crashed(side, None);
            }
            Fault::RouterCrash(side) => self.router_crash(side),
            Fault::Replace(side) => {
                self.router_crash(side);
                self.gone[side.index()] = true;
            }
            Fault::RouterBack(side) if self.gone[side.index()] => {}
            Fault::RouterBack(side) => self.router_back(side)?,
            Fault::Replacement(side) => {
                if std::mem::take(&mut self.gone[side.index()]) {
                    self.replace(side);
                    self.router_back(side)?;
                }
            }
            Fault::Start(side) => self.start_again(side)?,
            Fault::Failover => self.failover(),
            Fault::NoPrimary => self.nobody(),
            Fault::Part => self.part(),
            Fault::Reunite => self.reunite(),
            Fault::Operator(order) => self.orders.push(order),
            Fault::Stranger(side, stranger) => self.intrude(side, stranger)?,
            Fault::Wish(side, step) => self.wish(side, step)?,
            Fault::Narrow(side, protocol) => {
                self.plan_reload(side, filter(vec![protocol], &self.options));
            }
            Fault::Widen(side) => self.plan_reload(side, self.filter.clone()),
        }
        Ok(())
    }

    /// An operator changes what a daemon replicates.
    pub(super) fn reload(&mut self, side: Side, life: u32, filter: Filter) -> Verdict {
        let local = self.local(side);
        let host = &mut self.hosts[side.index()];
        let Daemon::Syncd(replica) = &mut host.daemon else { return Ok(()) };
        if host.life != life || *replica.filter() == filter {
            return Ok(());
        }
        let settings = settings(&self.options, filter);
        replica.handle_settings(local, &settings);
        self.oracle.narrowed(side, &self.hosts, &settings.filter);
        self.turn(side, "settings", || format!("{settings:?}"))
    }

    /// What one daemon replicates for the moment, both do from now on.
    pub(super) fn settle_filter(&mut self) {
        let mut filters = self.hosts.iter().filter_map(|host| Some(host.replica()?.filter()));
        if let Some(changed) = filters.find(|filter| **filter != self.filter) {
            self.filter = changed.clone();
        }
    }

    pub(super) fn start_again(&mut self, side: Side) -> Verdict {
        if self.hosts[side.index()].is_up() || !self.powered[side.index()] {
            return Ok(());
        }
        self.plan_role(side, 1000);
        self.start(side)
    }

    /// Another machine, which knows nothing, stands where the old one was.
    pub(super) fn replace(&mut self, side: Side) {
        let life = self.hosts[side.index()].life;
        let name = "r3";
        let kernel = Kernel::new(self.seed, name, &self.options);
        self.hosts[side.index()] = Host::new(name, uptime(&mut self.clocks), kernel);
        self.hosts[side.index()].life = life;
        self.trace.rename(side, name);
        self.oracle.replaced(side, name);
    }

    /// The clock of a machine goes ahead, as after a suspension.
    fn jump(&mut self, side: Side, length: Duration) {
        let host = &mut self.hosts[side.index()];
        host.clock += length;
        if host.is_up() {
            host.wake_at = None;
            self.plan_wake(side, self.now);
        }
    }

    pub(super) fn start(&mut self, side: Side) -> Verdict {
        let entropy = self.chance.entropy();
        let config = Config {
            filter: self.filter.clone(),
            internal_limit: self.options.internal_limit,
            external_limit: self.options.external_limit,
            channels: 1,
            // As the daemon.
            wire: WireOptions { window_scale: true },
            ends: Ends::Told,
            // Not one more than the model keeps: the simulator judges the rule, not its margin.
            peer_keeps: RESEND,
        };
        self.oracle.started(side, self.now);
        self.oracle.narrowed(side, &self.hosts, &self.filter);
        let host = &mut self.hosts[side.index()];
        let rule = match self.options.conntrackd {
            3 => Some(HelloRule::Original),
            4 => Some(HelloRule::Repaired),
            one => (one == side.index() as u32 + 1).then_some(HelloRule::Original),
        };
        if let Some(rule) = rule {
            // Seconds since 1970, as conntrackd takes them for its first number.
            let first =
                u32::try_from(1_790_000_000 + self.now.as_nanos() / 1_000_000_000).expect("runs are short");
            host.start_conntrackd(self.now, first, self.filter.clone(), rule);
        } else {
            let settings = settings(&self.options, self.filter.clone());
            let otherwise = self.options.purge > 0 || self.options.preload > 0;
            host.start(self.now, config, entropy, otherwise.then_some(&settings));
            let life = host.life;
            if self.options.silent > 0 || self.options.reliable == 1 {
                self.plan(self.now + DROPS, Event::LookAtDrops(side, life));
            }
        }
        self.turn(side, "start", String::new)
    }
}

/// What the operators of both routers want.
fn settings(options: &Options, filter: Filter) -> Settings {
    Settings {
        filter,
        internal_limit: options.internal_limit,
        external_limit: options.external_limit,
        channels: 1,
        datagram_limit: u16::try_from(payload_limit(1500)).expect("below 1500"),
        commit_timeout: None,
        silence: SILENCE,
        purge: (options.purge > 0).then(|| Duration::from_secs(u64::from(options.purge))),
        preload: options.preload > 0,
        lent_shows: true,
    }
}
