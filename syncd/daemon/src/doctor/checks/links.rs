//! The dedicated links: whether they work, how large a packet they take, whether the kernel believes what comes by them.

use std::net::IpAddr;

use super::Seen;
use crate::doctor::machine::{Machine, Road, Way};

/// Ethernet's, which the other router has unless somebody changed it.
const USUAL_MTU: u16 = 1500;

fn roads<'a>(machine: &'a Machine, seen: &mut Seen) -> &'a [Road] {
    if machine.config.is_err() {
        seen.unseen("without a configuration of syncd the dedicated links are not known");
    }
    seen.take(&machine.interfaces);
    &machine.roads
}

fn is_running(machine: &Machine, road: &Road) -> Option<bool> {
    let mut here = machine.interfaces.iter().flatten();
    here.find(|here| here.name == road.interface).map(|here| here.running)
}

pub(super) fn link(machine: &Machine, seen: &mut Seen) {
    for road in roads(machine, seen) {
        let name = &road.interface;
        match (is_running(machine, road), road.own) {
            (None, _) => seen.wrong(
                format!("there is no interface {name}"),
                "make it, or name another in the configuration",
            ),
            (_, None) => {
                let (family, example) =
                    if road.target.is_ipv4() { ("IPv4", "192.0.2.1/30") } else { ("IPv6", "2001:db8::1/64") };
                let remedy = format!("for example: ip address add {example} dev {name}");
                seen.wrong(format!("interface {name} has no {family} address"), remedy);
            }
            (Some(false), _) => seen.wrong(
                format!("interface {name} is down or has no carrier"),
                format!("ip link set {name} up; then look at the cable and at the other router"),
            ),
            (Some(true), Some(_)) => {}
        }
    }
}

/// Whether the address is on the link: an IPv6 socket may choose another one than ours.
fn is_on(machine: &Machine, road: &Road, local: IpAddr) -> bool {
    let mut here = machine.interfaces.iter().flatten().filter(|here| here.name == road.interface);
    road.own == Some(local) || here.any(|here| here.addresses.iter().any(|(address, _)| *address == local))
}

/// The links that work: of the others `link` has told.
fn working<'a>(machine: &'a Machine, seen: &mut Seen) -> Vec<&'a Road> {
    let mut working = Vec::new();
    for road in roads(machine, seen) {
        if is_running(machine, road) == Some(true) && road.own.is_some() {
            working.push(road);
        } else {
            seen.unseen(format!("{} does not work", road.interface));
        }
    }
    working
}

pub(super) fn mtu(machine: &Machine, seen: &mut Seen) {
    for road in working(machine, seen) {
        let Some(mtu) = seen.take(&road.mtu) else { continue };
        let name = &road.interface;
        if *mtu < USUAL_MTU {
            let what = format!(
                "{name} takes packets of {mtu} bytes, while a peer with the usual {USUAL_MTU} sends larger ones"
            );
            let remedy = format!(
                "ip link set {name} mtu {USUAL_MTU} on both routers, and on whatever is between them"
            );
            seen.wrong(what, remedy);
        } else if *mtu > USUAL_MTU {
            seen.unseen(format!(
                "{name} takes packets of {mtu} bytes; whether the other router does cannot be seen from here: \
                 look there, it must be the same"
            ));
        }
    }
}

/// A route to the group is not asked for: both daemons name the interface, and the kernel then needs none. What the other
/// router sends, though, is compared with the route back.
pub(super) fn route(machine: &Machine, seen: &mut Seen) {
    for road in working(machine, seen) {
        let Some(peer) = road.peer else {
            seen.unseen(format!("{}: no other address is in its network", road.interface));
            continue;
        };
        let Some(way) = seen.take(&road.way) else { continue };
        let name = &road.interface;
        let unicast = !road.target.is_multicast();
        let back = match way {
            Way::From(local) if is_on(machine, road, *local) => continue,
            Way::From(local) if road.rp_filter == 1 => {
                format!("{peer} is looked for from {local} and not by {name}, whose rp_filter is strict")
            }
            Way::From(local) if unicast => {
                format!("the peer {peer} is looked for from {local} and not by {name}")
            }
            Way::None if road.rp_filter > 0 || unicast => {
                format!("there is no route to {peer}, which is at the other end of {name}")
            }
            // Nothing is compared.
            Way::From(_) | Way::None => continue,
        };
        let remedy = format!(
            "give {name} an address in the peer's network, which no other interface may have, and look for rules and routes \
             that forbid it: ip route get {peer}"
        );
        seen.wrong(back, remedy);
    }
}
