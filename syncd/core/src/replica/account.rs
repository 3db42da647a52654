//! The account of each change of role: which of the peer's flows are in our kernel since, which are not and why, by class.
//!
//! Counts only; that something is counted changes nothing. Begun by [`super::Replica::enter`], and it goes on until the
//! next change, because what found no room is tried again. Tested in `tests/account.rs` and by the simulator.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::kernel::Errno;
use super::role::Role;
use crate::flow::{AttrSet, Family, Flow, Protocol, Status, TcpState};
use crate::time::Instant;

/// More kinds of errors are told as one, the last.
const KINDS: usize = 16;

/// So many changes of role are remembered, the present role's included: at one a day a month of them, in some 20 kB. Where
/// there are more, those are forgotten first that carried nothing: routers that change their roles to and fro all night
/// must not hide what became of flows before.
pub const REMEMBERED: usize = 32;

/// What a flow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// TCP between its handshake and its end.
    TcpEstablished,
    /// TCP before.
    TcpOpening,
    /// TCP after.
    TcpClosing,
    /// UDP and `UDPlite`.
    Udp,
    /// ICMP of both families.
    Icmp,
    /// SCTP.
    Sctp,
    /// Everything else.
    Other,
}

impl Class {
    /// Each of them.
    pub const ALL: [Self; 7] = [
        Self::TcpEstablished,
        Self::TcpOpening,
        Self::TcpClosing,
        Self::Udp,
        Self::Icmp,
        Self::Sctp,
        Self::Other,
    ];

    /// That of a flow.
    #[must_use]
    pub fn of(flow: &Flow) -> Self {
        match flow.protocol {
            Protocol::TCP if !flow.has(AttrSet::TCP_STATE) => Self::TcpEstablished,
            Protocol::TCP if flow.tcp_state == TcpState::ESTABLISHED => Self::TcpEstablished,
            // NONE, SYN_SENT, SYN_RECV, and SYN_SENT2, which comes last; between them is the end of a flow.
            Protocol::TCP
                if flow.tcp_state.0 < TcpState::ESTABLISHED.0 || flow.tcp_state == TcpState::MAX =>
            {
                Self::TcpOpening
            }
            Protocol::TCP => Self::TcpClosing,
            Protocol::UDP | Protocol::UDPLITE => Self::Udp,
            Protocol::ICMP | Protocol::ICMP6 => Self::Icmp,
            Protocol::SCTP => Self::Sctp,
            _ => Self::Other,
        }
    }

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::TcpEstablished => "tcp-established",
            Self::TcpOpening => "tcp-opening",
            Self::TcpClosing => "tcp-closing",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Sctp => "sctp",
            Self::Other => "other",
        }
    }

    fn place(self) -> usize {
        Self::ALL.iter().position(|known| *known == self).expect("ALL has every class")
    }
}

/// Flows, counted by what they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// In the order of [`Class::ALL`].
    pub classes: [u32; Class::ALL.len()],
    /// Of these: IPv6.
    pub ipv6: u32,
    /// Of these: translated.
    pub translated: u32,
    /// Of these: related to another flow.
    pub related: u32,
    /// Of these: in a zone other than 0.
    pub zoned: u32,
}

impl Tally {
    /// All of them.
    #[must_use]
    pub fn flows(&self) -> u32 {
        self.classes.iter().sum()
    }

    /// One more.
    pub fn count(&mut self, flow: &Flow) {
        for (sum, one) in self.parts(flow) {
            *sum += one;
        }
    }

    fn discount(&mut self, flow: &Flow) {
        for (sum, one) in self.parts(flow) {
            // The class of a flow may have changed between its two tries.
            *sum = sum.saturating_sub(one);
        }
    }

    fn parts(&mut self, flow: &Flow) -> [(&mut u32, u32); 5] {
        let translated = flow.has(AttrSet::REPLY) && flow.reply != flow.original.inverse(flow.protocol);
        let Self { classes, ipv6, translated: nat, related, zoned } = self;
        [
            (&mut classes[Class::of(flow).place()], 1),
            (ipv6, u32::from(flow.family == Family::V6)),
            (nat, u32::from(translated)),
            (related, u32::from(flow.status.has(Status::EXPECTED))),
            (zoned, u32::from(flow.zone != 0)),
        ]
    }
}

/// The accounts of the last changes of role.
#[derive(Clone, Debug)]
pub(super) struct Accounts {
    /// The oldest first; the last one goes on. The first of all is of a router that has just started, and no change.
    list: VecDeque<Account>,
}

impl Accounts {
    /// Of a router that has just started.
    pub(super) fn new(now: Instant) -> Self {
        Self { list: VecDeque::from([Account::begin(Role::Unknown, Role::Unknown, now)]) }
    }

    /// Another one begins; the one that goes on until now is over.
    pub(super) fn begin(&mut self, account: Account) {
        let number = self.present().number + 1;
        if self.list.len() == REMEMBERED {
            let idle = self.list.iter().position(|account| !account.has_flows());
            self.list.remove(idle.unwrap_or(0));
        }
        self.list.push_back(Account { number, ..account });
    }

    /// The one that goes on.
    pub(super) fn present(&mut self) -> &mut Account {
        self.list.back_mut().expect("one always goes on")
    }

    /// Those of changes, the newest first.
    pub(super) fn latest(&self) -> impl Iterator<Item = &Account> {
        self.list.iter().rev().filter(|account| account.number > 0)
    }
}

/// The account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Which change since the start it is; the first is 1.
    pub number: u32,
    /// The role before.
    pub from: Role,
    /// The role since.
    pub to: Role,
    /// When it was entered.
    pub entered: Instant,
    /// Flows of the peer that were known then.
    pub known: u32,
    /// Flows of our kernel that were known then.
    pub internal: u32,
    /// Frames of the peer that were missing then, and asked for.
    pub missing: u32,
    /// Flows of our kernel that the peer had never acknowledged then.
    pub unacknowledged: u32,
    /// Flows of our kernel that the filter kept out then.
    pub kept_out: u32,
    /// Flows of the peer that were written into our kernel since.
    pub carried: Tally,
    /// Of these: their own time had run out by what the peer had said of them last. They were written all the same, for a
    /// minute: packets refresh a flow without a word.
    pub ran_out: u32,
    /// Of these: without their helper, which our kernel does not have.
    pub without_helper: u32,
    /// Of these: without their parent, which is not in our kernel.
    pub without_parent: u32,
    /// Expectations of the peer that were written into our kernel since.
    pub expectations_carried: u32,
    /// Expectations that our kernel has refused, each time it was asked.
    pub expectations_refused: u32,
    /// Flows that our kernel has refused, by what it said.
    pub refused: Vec<(Errno, Tally)>,
    /// Flows that ended, by the peer's word, before it was their turn.
    pub ended: u32,
    /// When our kernel first told of a flow by itself: a packet has come. Packets of flows that it knows, and that change
    /// nothing about them, are not told; nor are births during a commit.
    pub first_packet: Option<Instant>,
    /// When the commit of this change began.
    pub commit_begun: Option<Instant>,
    /// When every flow was tried. None if the role changed before.
    pub commit_done: Option<Instant>,
}

impl Account {
    /// Of a router that has just started.
    pub(super) fn begin(from: Role, to: Role, entered: Instant) -> Self {
        Self {
            number: 0,
            from,
            to,
            entered,
            known: 0,
            internal: 0,
            missing: 0,
            unacknowledged: 0,
            kept_out: 0,
            carried: Tally::default(),
            ran_out: 0,
            without_helper: 0,
            without_parent: 0,
            expectations_carried: 0,
            expectations_refused: 0,
            refused: Vec::new(),
            ended: 0,
            first_packet: None,
            commit_begun: None,
            commit_done: None,
        }
    }

    /// Flows that our kernel has refused.
    #[must_use]
    pub fn refusals(&self) -> u32 {
        self.refused.iter().map(|(_, tally)| tally.flows()).sum()
    }

    /// Whether something of the peer was carried, or refused.
    fn has_flows(&self) -> bool {
        let flows = self.carried.flows() > 0 || self.refusals() > 0;
        flows || self.expectations_carried > 0 || self.expectations_refused > 0
    }

    /// A flow was written; `before` is why it was refused the last time.
    pub(super) fn carry(&mut self, flow: &Flow, ran_out: bool, before: Option<Errno>) {
        self.forgive(flow, before);
        self.carried.count(flow);
        self.ran_out += u32::from(ran_out);
    }

    /// A flow was refused, perhaps once more.
    pub(super) fn refuse(&mut self, flow: &Flow, error: Errno, before: Option<Errno>) {
        self.forgive(flow, before);
        if let Some((_, tally)) = self.kind(error) {
            tally.count(flow);
            return;
        }
        let mut tally = Tally::default();
        tally.count(flow);
        self.refused.push((error, tally));
    }

    fn forgive(&mut self, flow: &Flow, before: Option<Errno>) {
        if let Some((_, tally)) = before.and_then(|error| self.kind(error)) {
            tally.discount(flow);
        }
    }

    fn kind(&mut self, error: Errno) -> Option<&mut (Errno, Tally)> {
        let full = self.refused.len() >= KINDS;
        let place = self.refused.iter().position(|(known, _)| *known == error);
        let place = place.or(full.then_some(KINDS - 1))?;
        self.refused.get_mut(place)
    }
}
