//! Who is primary: VRRP, which may elect two or none, and operators, who give roles by hand at bad moments.
//!
//! r1's place has the higher priority, and nobody preempts. The addresses move first, the daemons hear of it soon
//! after, in any order. Facts: after a partition the router of lower priority steps back, the other one has no
//! transition and only hears that there was somebody (`MASTER_RX_LOWER_PRI`), several times.

use syncd_core::flow::{Flow, TcpState};
use syncd_core::replica::{Reason, Role, Status, Sync};
use syncd_core::time::{Duration, Instant};

use super::{Event, Verdict, World};
use crate::kernel::{Kernel, Name};
use crate::trace::Side;

/// A split that lasted for so long has made two primaries, also where a daemon hears of it late.
const LASTS: Duration = Duration::from_millis(900);

/// So long after the start of a run both daemons have said hello long ago, and whoever is primary has been it for long.
const UNDER_WAY: Duration = Duration::from_secs(9);

/// A moment that an operator waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Now.
    Any,
    /// Flows of the peer are being written to the kernel.
    Commit,
    /// The kernel's table is being read.
    Dump,
    /// The peer was asked for its flows.
    Resync,
    /// Flows are being sent to the peer.
    Bulk,
}

impl Moment {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Any, Self::Commit, Self::Dump, Self::Resync, Self::Bulk];

    fn is(self, status: &Status) -> bool {
        match self {
            Self::Any => true,
            Self::Commit => status.commit.is_some_and(|commit| commit.end.is_none()),
            Self::Dump => status.sync == Sync::CatchingUp(Reason::ReadingKernel),
            Self::Bulk => status.sync == Sync::CatchingUp(Reason::Sending),
            Self::Resync => {
                let others = [
                    Reason::ReadingKernel,
                    Reason::Sending,
                    Reason::GapOpen,
                    Reason::Unacknowledged,
                    Reason::Backlog,
                ];
                matches!(status.sync, Sync::CatchingUp(reason) if !others.contains(&reason))
            }
        }
    }
}

/// What an operator does, and for how long it stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// To which daemon.
    pub side: Side,
    /// When.
    pub moment: Moment,
    /// What it is told.
    pub role: Role,
    /// Milliseconds until it is told again what VRRP says.
    pub lasts: u64,
}

impl World {
    /// Which kernel a packet meets; none if nobody has the addresses.
    pub(super) fn owner(&mut self) -> Option<Side> {
        let owns = |side: &Side| self.owners[side.index()] && self.powered[side.index()];
        let owners: Vec<Side> = Side::BOTH.into_iter().filter(owns).collect();
        match owners[..] {
            [one] => Some(one),
            // Whoever answered for the address last gets it.
            [_, _] => Some(self.splits.pick(&owners)),
            _ => None,
        }
    }

    /// VRRP tells a daemon what it is.
    pub(super) fn tell_role(&mut self, side: Side) -> Verdict {
        self.command_role(side, self.vrrp[side.index()], "role")
    }

    /// The addresses move to the other router.
    pub(super) fn failover(&mut self) {
        let to = match self.owners {
            [true, true] => return,
            [true, false] => Side::Second,
            [false, _] => Side::First,
        };
        if !self.powered[to.index()] {
            return;
        }
        self.vrrp[to.index()] = Role::Primary;
        self.vrrp[to.other().index()] = self.chance.pick(&[Role::Backup, Role::Backup, Role::Fault]);
        self.own(to);
        Side::BOTH.into_iter().for_each(|side| self.plan_role(side, 300));
    }

    /// Neither router is primary.
    pub(super) fn nobody(&mut self) {
        (self.vrrp, self.owners, self.split) = ([Role::Backup, Role::Fault], [false; 2], false);
        Side::BOTH.into_iter().for_each(|side| self.plan_role(side, 200));
    }

    /// The routers do not hear each other's adverts: each one that runs is primary.
    pub(super) fn part(&mut self) {
        (self.split, self.parted) = (true, self.now);
        for side in Side::BOTH {
            if !self.powered[side.index()] {
                continue;
            }
            self.owners[side.index()] = true;
            if std::mem::replace(&mut self.vrrp[side.index()], Role::Primary) != Role::Primary {
                self.plan_role(side, 500);
            }
        }
    }

    /// They hear each other again.
    pub(super) fn reunite(&mut self) {
        if !std::mem::take(&mut self.split) || self.vrrp != [Role::Primary; 2] || self.powered != [true; 2] {
            return;
        }
        self.vrrp[Side::Second.index()] = Role::Backup;
        self.own(Side::First);
        // Where the lower priority hears first, it steps back before the higher one has heard anything.
        let told = self.splits.between(0, 3);
        let lasted = self.now.since(self.parted) > LASTS && self.parted.since(Instant::PAST) > UNDER_WAY;
        self.untold.heals += u64::from(told == 0 && lasted);
        for _ in 0..told {
            let soon = Duration::from_micros(self.splits.below(100_000));
            self.plan(self.now + soon, Event::Yield(Side::First));
        }
        self.plan_role(Side::Second, 200);
    }

    /// At the end of a run, after splits of which VRRP told the survivor nothing: what became of the flows that were born at
    /// the other router only.
    pub(super) fn count_forsaken(&mut self) {
        if self.untold.heals == 0 {
            return;
        }
        let [survivor, other] = &self.hosts;
        let over = [TcpState::TIME_WAIT, TcpState::CLOSE];
        let lives = |(_, flow): &(&Name, &Flow)| self.filter.accepts(flow) && !over.contains(&flow.tcp_state);
        for (name, flow) in other.kernel.flows().filter(lives) {
            let free = |tuple: Name| survivor.kernel.find(&tuple).is_none();
            let never = survivor.kernel.born(name).is_none() && free(*name) && free(Name::reply(flow));
            let here =
                survivor.kernel.born(name) > other.kernel.born(name) && survivor.kernel.get(name).is_some();
            self.untold.forsaken += u64::from(never);
            self.untold.saved += u64::from(here);
        }
    }

    fn own(&mut self, side: Side) {
        self.owners = [side == Side::First, side == Side::Second];
    }

    /// A router crashes with its kernel; if it was primary, the other one takes over.
    pub(super) fn router_crash(&mut self, side: Side) {
        self.powered[side.index()] = false;
        self.owners[side.index()] = false;
        let host = &mut self.hosts[side.index()];
        self.oracle.crashed(side, Some(host));
        host.crash();
        let name = format!("{} after {}", host.name, host.life);
        host.kernel = Kernel::new(self.seed, &name, &self.options);
        let was_primary = std::mem::replace(&mut self.vrrp[side.index()], Role::Backup) == Role::Primary;
        let other = side.other();
        if was_primary && self.powered[other.index()] {
            self.owners[other.index()] = true;
            if std::mem::replace(&mut self.vrrp[other.index()], Role::Primary) != Role::Primary {
                self.plan_role(other, 500);
            }
        }
    }

    /// A router has power again. It is primary only if it hears nobody who is.
    pub(super) fn router_back(&mut self, side: Side) -> Verdict {
        if self.powered[side.index()] {
            return Ok(());
        }
        self.powered[side.index()] = true;
        let other = side.other();
        let heard = self.powered[other.index()] && !self.split;
        if !heard || (self.vrrp[other.index()] != Role::Primary && self.owners == [false; 2]) {
            (self.vrrp[side.index()], self.owners[side.index()]) = (Role::Primary, true);
        }
        self.start_again(side)
    }

    /// Exactly one router is primary from now on. Says which.
    pub(super) fn settle_election(&mut self) -> Side {
        self.reunite();
        let primary = Side::BOTH.into_iter().find(|side| self.vrrp[side.index()] == Role::Primary);
        let primary = primary.unwrap_or(Side::First);
        self.vrrp = [Role::Backup; 2];
        self.vrrp[primary.index()] = Role::Primary;
        self.own(primary);
        for side in Side::BOTH {
            self.plan_role(side, 300);
        }
        primary
    }

    /// The moment an operator has waited for may be here.
    pub(super) fn tempt_operator(&mut self, side: Side, status: &Status) {
        let waits = |order: &Order| order.side == side && order.moment.is(status);
        let Some(index) = self.orders.iter().position(waits) else { return };
        let order = self.orders.swap_remove(index);
        self.plan(self.now + Duration::from_micros(10), Event::Operator(side, order.role));
        self.plan(self.now + Duration::from_millis(order.lasts), Event::Role(side));
    }

    /// An operator gives a role by hand.
    pub(super) fn operator(&mut self, side: Side, role: Role) -> Verdict {
        if self.calm { Ok(()) } else { self.command_role(side, role, "operator") }
    }
}
