//! What packets do to the kernel of the router that holds the addresses: flows are born, change, end, and soon the
//! same tuple lives again, or a translated port is reused by another flow.
//!
//! It knows nothing of replication. Driven by the world, one change at a time.

use syncd_core::flow::{Address, Family, Flow, Protocol, Status, TcpState, Tuple};
use syncd_core::time::Instant;

use crate::chance::Chance;
use crate::kernel::{CONTROL, Kernel, Name};
use crate::options::Options;

/// Sources of changes.
#[derive(Debug)]
pub struct Traffic {
    chance: Chance,
    pool: u64,
    ends: u32,
    nat: u32,
    same_id: u32,
    helpers: u32,
    /// What helpers announce, and what comes of it.
    announcing: Chance,
}

impl Traffic {
    /// The traffic of a run.
    #[must_use]
    pub fn new(seed: u64, options: &Options) -> Self {
        Self {
            chance: Chance::new(seed, "traffic"),
            pool: u64::from(options.pool.max(1)),
            ends: options.ends,
            nat: options.nat,
            same_id: options.same_id,
            helpers: options.with_helpers(),
            announcing: Chance::new(seed, "announcing"),
        }
    }

    /// One change. Says what it was.
    pub fn act(&mut self, now: Instant, kernel: &mut Kernel) -> &'static str {
        if self.helpers > 0
            && self.announcing.permille(250)
            && let Some(what) = self.help(now, kernel)
        {
            return what;
        }
        let lives = kernel.len() as u64;
        // About half of the pool lives at a time, so that both reuse and growth happen.
        if self.chance.below(self.pool * 8) >= lives || lives == 0 {
            let flow = self.draw();
            let seconds = self.lifetime(flow.protocol);
            let same_id = self.chance.permille(self.same_id);
            if kernel.birth(now, &flow, seconds, same_id) {
                return "new";
            }
        }
        let Some(name) = self.one_of(kernel) else { return "nothing" };
        if self.chance.permille(self.ends) {
            kernel.end(now, &name);
            return "end";
        }
        if self.chance.permille(250) {
            kernel.refresh(now, &name);
            return "refresh";
        }
        let protocol = kernel.get(&name).map_or(Protocol::UDP, |flow| flow.protocol);
        let seconds = self.lifetime(protocol);
        let (mark, step) = (self.chance.below(6), self.chance.below(3));
        kernel.change(now, &name, seconds, |flow| advance(flow, mark, step));
        "update"
    }

    /// What a helper does: it announces a flow, or one that was announced comes.
    fn help(&mut self, now: Instant, kernel: &mut Kernel) -> Option<&'static str> {
        let waiting = kernel.expectations().count() as u64;
        if self.announcing.permille(300) && waiting > 0 {
            let index = usize::try_from(self.announcing.below(waiting)).expect("below a count");
            let met = kernel.expectations().nth(index).copied()?;
            let source_port = self.port(1000);
            let tuple = Tuple { source_port, ..met.tuple };
            let mut flow = Flow::new(met.family(), met.protocol, tuple);
            let done = Status::SRC_NAT_DONE | Status::DST_NAT_DONE;
            flow.status = Status(Status::CONFIRMED | Status::EXPECTED | done);
            flow.tcp_state = TcpState::SYN_SENT;
            let seconds = self.announcing.pick(&[3, 10, 3600]);
            kernel.meet(now, &met.key(), &flow, seconds);
            return Some("announced flow");
        }
        let parents = kernel.controls().count() as u64;
        let index = usize::try_from(self.announcing.below(parents.max(1))).expect("below a count");
        let parent = kernel.controls().nth(index).copied()?;
        let (port, seconds) = (self.port(5000), self.announcing.pick(&[2, 10, 300]));
        kernel.announce(now, &parent, port, seconds).then_some("announcement")
    }

    fn port(&mut self, first: u64) -> u16 {
        u16::try_from(first + self.announcing.below(self.pool)).expect("pools are small")
    }

    fn one_of(&mut self, kernel: &Kernel) -> Option<Name> {
        let index = usize::try_from(self.chance.below(kernel.len() as u64)).expect("below a length");
        kernel.flows().nth(index).map(|(name, _)| *name)
    }

    /// Seconds a flow lives without packets; short ones, so that timers run out within a run.
    fn lifetime(&mut self, protocol: Protocol) -> u32 {
        let longest = if protocol == Protocol::TCP { 3600 } else { 40 };
        u32::try_from(self.chance.pick(&[3, 10, longest, longest])).expect("small")
    }

    /// A flow as its first packet makes it.
    fn draw(&mut self) -> Flow {
        let port = u16::try_from(1000 + self.chance.below(self.pool)).expect("pools are small");
        let kind = self.chance.below(8);
        let (family, protocol) = match kind {
            0 => (Family::V4, Protocol::ICMP),
            1 => (Family::V6, Protocol::ICMP6),
            2 | 3 => (Family::V4, Protocol::UDP),
            4 => (Family::V6, Protocol::TCP),
            _ => (Family::V4, Protocol::TCP),
        };
        let (client, server) = (address(family, 1), address(family, 2));
        let helped = self.helpers > 0 && kind != 7 && self.announcing.permille(self.helpers);
        let target_port = if helped { CONTROL } else { 80 };
        let original = match protocol {
            Protocol::ICMP => Tuple::icmp(client, server, port, 8, 0),
            Protocol::ICMP6 => Tuple::icmp(client, server, port, 128, 0),
            _ => Tuple { source: client, target: server, source_port: port, target_port },
        };
        let mut flow = Flow::new(family, protocol, original);
        flow.zone = u16::from(kind == 7);
        let done = Status::SRC_NAT_DONE | Status::DST_NAT_DONE;
        flow.status = Status(Status::CONFIRMED | done);
        if protocol == Protocol::TCP {
            flow.tcp_state = TcpState::SYN_SENT;
        }
        if self.chance.permille(100) {
            flow.status = Status(flow.status.0 | Status::EXPECTED);
        }
        if self.chance.permille(200) {
            flow.mark = u32::try_from(self.chance.below(5)).expect("small");
        }
        if self.chance.permille(self.nat) {
            self.translate(&mut flow);
        }
        flow
    }

    /// Source translation to the shared address, with ports so few that they are soon reused by another flow; or
    /// target translation.
    fn translate(&mut self, flow: &mut Flow) {
        if self.chance.permille(700) {
            flow.reply.target = address(flow.family, 9);
            if !flow.protocol.is_icmp() {
                flow.reply.target_port = u16::try_from(2000 + self.chance.below(self.pool)).expect("small");
            }
            flow.status = Status(flow.status.0 | Status::SRC_NAT);
        } else {
            flow.reply.source = address(flow.family, 7);
            flow.status = Status(flow.status.0 | Status::DST_NAT);
        }
    }
}

/// What packets do to the state of a flow.
fn advance(flow: &mut Flow, mark: u64, step: u64) {
    flow.status = Status(flow.status.0 | Status::SEEN_REPLY);
    if step > 0 {
        flow.status = Status(flow.status.0 | Status::ASSURED);
    }
    if flow.protocol == Protocol::TCP {
        flow.tcp_state = TcpState((flow.tcp_state.0 + 1).min(TcpState::TIME_WAIT.0));
    }
    if mark == 0 {
        flow.mark = (flow.mark + 1) % 4;
    }
}

/// The client is 1, the server 2, the server behind a target translation 7, the shared address 9.
fn address(family: Family, host: u8) -> Address {
    match family {
        Family::V4 => Address::from_v4([10, host, 0, 2]),
        Family::V6 => {
            let mut bytes = [0; 16];
            (bytes[0], bytes[1], bytes[3], bytes[15]) = (0xfd, 0, host, 2);
            Address::from_v6(bytes)
        }
    }
}
