//! The checks, each a function of what was seen: what it is called, what it would cost, and whether it is so here.
//!
//! Never looks at the machine itself. A check says what it found, or what it could not see; both are nothing when all is
//! well. Driven by `doctor::report`; tested in `doctor/tests`.

mod kernel;
mod links;
mod rules;
mod vrrp;

use super::machine::{Machine, Unusable};

/// One check.
pub(super) struct Check {
    /// Its name; the heading in docs/doctor.md.
    pub(super) name: &'static str,
    /// What a failover costs where it fires.
    pub(super) costs: &'static str,
    /// Looks.
    pub(super) look: fn(&Machine, &mut Seen),
}

/// What a check has to say.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// What is wrong, and what to do.
    pub(super) wrong: Vec<(String, String)>,
    /// What could not be looked at, and why.
    pub(super) unseen: Vec<String>,
}

impl Seen {
    fn wrong(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.wrong.push((what.into(), remedy.into()));
    }

    fn unseen(&mut self, why: impl Into<String>) {
        let why = why.into();
        if !self.unseen.contains(&why) {
            self.unseen.push(why);
        }
    }

    /// The value, or why there is none.
    fn take<'a, T>(&mut self, value: &'a Result<T, String>) -> Option<&'a T> {
        match value {
            Ok(value) => Some(value),
            Err(why) => {
                self.unseen(why.clone());
                None
            }
        }
    }
}

/// All of them, in the order of the answer.
pub(super) const CHECKS: [Check; 18] = [
    Check {
        name: "configuration",
        costs: "syncd does not start without a valid one, and without syncd every flow is lost",
        look: configuration,
    },
    Check {
        name: "events",
        costs: "a flow that was born while nobody listened makes no event, not even its last: the other router never hears of it",
        look: kernel::events,
    },
    Check {
        name: "tcp-loose",
        costs: "a packet in the middle of a stream makes a flow of its own before the commit, without translation and in the \
                place of the true one",
        look: kernel::tcp_loose,
    },
    Check {
        name: "table-fill",
        costs: "what does not fit is not committed, and new connections and untranslated advertisements are dropped",
        look: kernel::table_fill,
    },
    Check {
        name: "input-invalid",
        costs: "between the move of the addresses and the commit, packets of translated streams are for the router itself, \
                whose TCP answers them with a reset",
        look: rules::input_invalid,
    },
    Check {
        name: "forward-invalid",
        costs: "between the move of the addresses and the commit, packets of streams that are not known yet go on untranslated \
                or are answered, and the far end resets the stream",
        look: rules::forward_invalid,
    },
    Check {
        name: "vrrp-tracked",
        costs: "advertisements are flows: a full table or a rule of NAT stops them, and both routers become primary",
        look: rules::vrrp_tracked,
    },
    Check {
        name: "sync-tracked",
        costs: "datagrams of the dedicated link are flows: each makes news that has to be sent, and a full table stops them",
        look: rules::sync_tracked,
    },
    Check {
        name: "snat-wide",
        costs: "what the router itself sends gets a shared address as its source: advertisements fail and both routers become \
                primary, and answers go to the other router",
        look: rules::snat_wide,
    },
    Check {
        name: "snat-target",
        costs: "flows are bound to an address that stays with the router that died",
        look: rules::snat_target,
    },
    Check {
        name: "role-told",
        costs: "nobody tells syncd that this router is primary: nothing is committed",
        look: vrrp::role_told,
    },
    Check {
        name: "role-reload",
        costs: "after a reload of keepalived, or a start of syncd beside it, nobody knows the role until it changes",
        look: vrrp::role_reload,
    },
    Check {
        name: "sync-group",
        costs: "a side that moves alone leaves the flows with one router and an address with the other",
        look: vrrp::sync_group,
    },
    Check {
        name: "return",
        costs: "a router that comes back takes over before it knows the flows",
        look: vrrp::takes_back,
    },
    Check {
        name: "track-file",
        costs: "keepalived does not know whether this router is ready: it takes over before it knows the flows, or does not \
                take over from one that hands over",
        look: vrrp::track_file,
    },
    Check {
        name: "link",
        costs: "nothing reaches the other router, which then knows no flow",
        look: links::link,
    },
    Check {
        name: "mtu",
        costs: "full datagrams are dropped on the way, so that what is sent in bulk never arrives, while single flows do",
        look: links::mtu,
    },
    Check {
        name: "route",
        costs: "what one router sends the other drops or never sees, because the kernel looks for the sender elsewhere",
        look: links::route,
    },
];

fn configuration(machine: &Machine, seen: &mut Seen) {
    match &machine.config {
        Ok(_) => {}
        Err(Unusable::Missing(file)) => seen.wrong(
            format!("there is no {}", file.display()),
            "write it (README, 'A first configuration'), or name the one that syncd runs with: --config FILE",
        ),
        Err(Unusable::Unread(why)) => seen.unseen(why.clone()),
        Err(Unusable::Wrong(what)) => {
            seen.wrong(what.clone(), "repair it; 'syncd check FILE' says when it is valid");
        }
    }
}
