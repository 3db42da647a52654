//! The model of conntrackd as a speaker: each item is a flow, its version the flow's mark.
//!
//! [`Original`] says hello as conntrackd does, [`Repaired`] differs in that rule alone.

use std::collections::BTreeMap;

use syncd_core::filter::Filter;
use syncd_core::flow::{Address, AttrSet, Change, Family, Flow, Origin, Protocol, Status, Tuple};
use syncd_core::time::Instant;

use super::Speaker;
use crate::conntrackd::{Conntrackd, HelloRule};
use crate::kernel::{About, Event};

/// conntrackd.
#[derive(Debug)]
pub struct Original(Conntrackd);

/// conntrackd with the hello rule of syncd.
#[derive(Debug)]
pub struct Repaired(Conntrackd);

/// Item `item` in version `version`.
fn flow(item: u32, version: u32) -> Flow {
    let original = Tuple {
        source: Address::from_v4([10, 1, 0, 2]),
        target: Address::from_v4([10, 2, 0, 2]),
        source_port: u16::try_from(item).expect("there are few items"),
        target_port: 80,
    };
    let mut flow = Flow::new(Family::V4, Protocol::UDP, original);
    (flow.status, flow.mark) = (Status(Status::CONFIRMED), version);
    flow.present = AttrSet::STATUS.with(AttrSet::MARK);
    flow
}

fn versions<'a>(flows: impl Iterator<Item = &'a Flow>) -> BTreeMap<u32, u32> {
    flows.map(|flow| (u32::from(flow.original.source_port), flow.mark)).collect()
}

fn change(conntrackd: &mut Conntrackd, item: u32) {
    let known = versions(conntrackd.internal());
    let change = if known.contains_key(&item) { Change::Update } else { Change::New };
    let version = known.get(&item).copied().unwrap_or(0) + 1;
    conntrackd.event(&Event { origin: Origin::Kernel, change, about: About::Flow(flow(item, version)) });
}

fn unsettled(conntrackd: &Conntrackd) -> Option<String> {
    (!conntrackd.is_settled()).then(|| "flows are queued or unacknowledged".to_owned())
}

macro_rules! speaker {
    ($name:ident, $rule:expr) => {
        impl Speaker for $name {
            type Datagram = Vec<u8>;

            fn start(first: u32, now: Instant) -> Self {
                Self(Conntrackd::new(now, first, Filter::default(), $rule))
            }

            fn change(&mut self, _now: Instant, item: u32) {
                change(&mut self.0, item);
            }

            fn due(&self) -> Instant {
                self.0.due()
            }

            fn turn(&mut self, now: Instant) -> Vec<Vec<u8>> {
                self.0.transmit(now)
            }

            fn receive(&mut self, _now: Instant, datagram: &Vec<u8>) {
                self.0.datagram(datagram);
            }

            fn mine(&self) -> BTreeMap<u32, u32> {
                versions(self.0.internal())
            }

            fn theirs(&self) -> BTreeMap<u32, u32> {
                versions(self.0.external())
            }

            fn is_open(&self) -> bool {
                self.0.is_open()
            }

            fn unsettled(&self) -> Option<String> {
                unsettled(&self.0)
            }
        }
    };
}

speaker!(Original, HelloRule::Original);
speaker!(Repaired, HelloRule::Repaired);
