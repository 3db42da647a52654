//! A stretch of the kernel's table: so many flows from an id on, in the order of their ids.
//!
//! The kernel lists flows in the order of its hash table and from its beginning only, so each stretch costs a walk through
//! all of them. The order of ids is ours: a flow keeps its id for life, so one that lives while somebody goes from
//! stretch to stretch is in exactly one of them, whatever else comes and goes. Holds no more than the stretch. Tested
//! below and end to end.

use std::collections::BTreeMap;

use syncd_conntrack::{Carried, Decoded};
use syncd_core::flow::{Change, Extras, Flow, Origin};

/// A stretch in the making.
#[derive(Debug)]
pub(super) struct Stretch {
    from: u32,
    most: usize,
    /// By id, and a number among those with the same one.
    kept: BTreeMap<(u32, u32), Kept>,
    /// The least id that did not fit.
    next: Option<u32>,
}

/// A flow with what it has carried. What few flows have would take four times as much, and few have it.
#[derive(Debug)]
struct Kept {
    flow: Flow,
    extras: Option<Box<Extras>>,
    carried: [Carried; 2],
}

impl Stretch {
    /// At most so many flows from this id on.
    pub(super) fn new(from: u32, most: u64) -> Self {
        Self { from, most: usize::try_from(most).unwrap_or(usize::MAX), kept: BTreeMap::new(), next: None }
    }

    /// One more flow of the table. A dump may list one twice that moves meanwhile.
    pub(super) fn take(&mut self, of: &Decoded) {
        let id = of.flow.id;
        if id < self.from || self.next.is_some_and(|next| id >= next) {
            return;
        }
        let mut number = 0;
        for ((_, last), other) in self.kept.range((id, 0)..=(id, u32::MAX)) {
            if other.flow.key() == of.flow.key() {
                return;
            }
            number = last + 1;
        }
        let extras = (of.extras != Extras::default()).then(|| Box::new(of.extras));
        self.kept.insert((id, number), Kept { flow: of.flow, extras, carried: of.carried });
        if self.kept.len() > self.most {
            self.drop_last();
        }
    }

    /// Flows with the same id stay together, because the next stretch begins with an id: there are a few such pairs among a
    /// million flows. A stretch of one id only is longer than what is wanted.
    fn drop_last(&mut self) {
        let (Some(&(first, _)), Some(&(last, _))) = (self.kept.keys().next(), self.kept.keys().next_back())
        else {
            return;
        };
        if first != last {
            while self.kept.last_key_value().is_some_and(|(key, _)| key.0 == last) {
                self.kept.pop_last();
            }
            self.next = Some(last);
        }
    }

    /// The flows, and the id with which the next stretch begins.
    pub(super) fn finish(self) -> (impl Iterator<Item = Decoded>, Option<u32>) {
        let flows = self.kept.into_values().map(|Kept { flow, extras, carried }| Decoded {
            flow,
            extras: extras.map(|extras| *extras).unwrap_or_default(),
            carried,
            // As every entry of a dump.
            change: Change::Update,
            origin: Origin::Kernel,
            skipped: 0,
            measured: 0,
        });
        (flows, self.next)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use syncd_conntrack::{Carried, Decoded};
    use syncd_core::flow::{Address, Change, Extras, Family, Flow, Origin, Protocol, Tuple};

    use super::Stretch;

    /// Flow number `port`, with an id as scattered as the kernel's; every tenth has that of the flow before.
    fn decoded(port: u16) -> Decoded {
        let [source, target] = [1, 2].map(|last| Address::from_v4([10, 1, 0, last]));
        let original = Tuple { source, target, source_port: port, target_port: 80 };
        let mut flow = Flow::new(Family::V4, Protocol::UDP, original);
        let number = u32::from(port) - u32::from(port.is_multiple_of(10));
        flow.id = number.wrapping_mul(2_654_435_761);
        Decoded {
            change: Change::Update,
            origin: Origin::Kernel,
            flow,
            extras: Extras::default(),
            skipped: 0,
            measured: 0,
            carried: [Carried::default(); 2],
        }
    }

    fn ports(from: u32, most: u64, table: &[Decoded]) -> (Vec<u16>, Option<u32>) {
        let mut stretch = Stretch::new(from, most);
        for flow in table {
            stretch.take(flow);
        }
        let (flows, next) = stretch.finish();
        (flows.map(|flow| flow.flow.original.source_port).collect(), next)
    }

    #[test]
    fn stretch_by_stretch_every_flow_is_there_once_whatever_comes_and_goes() {
        let mut table: Vec<Decoded> = (1..=1000).map(decoded).collect();
        let staying: BTreeSet<u16> = (101..=1000).collect();
        for most in [1, 2, 7, 300, 5000] {
            let (mut seen, mut from, mut round) = (BTreeSet::new(), Some(0), 0);
            while let Some(id) = from {
                let (page, next) = ports(id, most, &table);
                assert!(page.len() as u64 <= most.max(2));
                assert!(page.iter().all(|port| seen.insert(*port)), "twice");
                assert!(next.is_none_or(|next| next > id), "it goes on");
                from = next;
                // Others come and go, and the kernel lists all in another order.
                round += 1;
                table.retain(|flow| staying.contains(&flow.flow.original.source_port));
                table.push(decoded(1000 + round));
                table.rotate_left(37);
            }
            assert!(staying.is_subset(&seen), "{most}");
        }
    }

    #[test]
    fn a_flow_that_a_dump_lists_twice_is_shown_once_and_no_more_than_is_wanted_is_held() {
        let twice: Vec<Decoded> = (1..=50).chain(1..=50).map(decoded).collect();
        assert_eq!(ports(0, 100, &twice).0.len(), 50);
        let mut stretch = Stretch::new(0, 10);
        for flow in (1..=1000).map(decoded) {
            stretch.take(&flow);
            assert!(stretch.kept.len() <= 10);
        }
    }
}
