//! conntrackd's configuration, and what its operator's notify script makes it do.
//!
//! No socket buffer is asked for: without root it would be refused, and the plan is the same for everybody. Facts come
//! from conntrack-tools 1.4.7 as Debian ships it. Driven by `mod.rs`; tested through `labctl/tests/plans.rs`.

use super::step::{Actor, Step, Text};
use crate::scenario::{Channel, Router, Scenario};

const FILE: &str = "conntrackd.conf";

/// What a change of role makes it do, command by command: the usual notify script's work, without its timer that
/// deletes living flows of the kernel a minute later.
pub(crate) const NOTIFY: [(&str, &[&str]); 2] = [
    // External cache into the kernel; both caches emptied; the kernel read again; all of it sent to the peer.
    ("MASTER", &["-c", "-f", "-R", "-B"]),
    // The peer is asked for all it has.
    ("BACKUP", &["-n"]),
];

pub(super) fn configure(steps: &mut Vec<Step>, name: &str, router: &Router, scenario: &Scenario) {
    let (_, peer) = scenario.topology.peer_of(name);
    let (ours, theirs) = (router.sync.address, peer.sync.address);
    let channel = match scenario.channel {
        Channel::Multicast => format!(
            "Multicast {{\n    IPv4_address 225.0.0.50\n    Group 3780\n    IPv4_interface {ours}\n    \
             Interface sync\n    Checksum on\n  }}"
        ),
        Channel::Unicast => format!(
            "UDP {{\n    IPv4_address {ours}\n    IPv4_Destination_Address {theirs}\n    Port 3780\n    \
             Interface sync\n    Checksum on\n  }}"
        ),
    };
    let directory = Step::directory(name);
    let reliable = if scenario.conntrackd.reliable_events {
        "NetlinkOverrunResync Off\n  NetlinkEventsReliable On\n  "
    } else {
        ""
    };
    let queue = scenario.conntrackd.resend_queue_size;
    let queue = queue.map(|size| format!("    ResendQueueSize {size}\n")).unwrap_or_default();
    let expectations = if scenario.helpers.is_empty() { "" } else { "    ExpectationSync On\n" };
    let text = format!(
        "Sync {{\n  Mode FTFW {{\n{queue}  }}\n  {channel}\n  Options {{\n    TCPWindowTracking Off\n{expectations}  }}\n}}\n\
         General {{\n  HashSize 32768\n  HashLimit 2097152\n  LogFile {directory}/conntrackd-own.log\n  \
         LockFile /run/lock/conntrackd.lock\n  UNIX {{\n    Path /run/conntrackd.ctl\n  }}\n  \
         NetlinkBufferSize 2097152\n  NetlinkBufferSizeMaxGrowth 8388608\n  {reliable}Filter From Userspace {{\n    \
         Protocol Accept {{\n      TCP\n      UDP\n      ICMP\n      IPv6-ICMP\n    }}\n    \
         Address Ignore {{\n      IPv4_address 127.0.0.1\n      IPv4_address {}\n      IPv6_address ::1\n    \
         }}\n  }}\n}}\n",
        router.sync.network(),
    );
    steps.push(Step::File { node: name.to_owned(), name: FILE, text: Text(text) });
}

/// The configuration's path, which every command of conntrackd needs.
pub(crate) fn config(name: &str) -> String {
    format!("{}/{FILE}", Step::directory(name))
}

pub(super) fn start(name: &str) -> Step {
    Step::Start {
        node: name.to_owned(),
        actor: Actor::Conntrackd,
        arguments: vec!["-C".to_owned(), config(name)],
    }
}
