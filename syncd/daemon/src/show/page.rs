//! One page of a cache: made within one turn of the event loop, so both what it holds and what it looks at are bounded.
//!
//! A client asks again from where the last page ended; between two pages the daemon does everything else, and the cache
//! may change: what came into a slot that was passed is not shown. Tested in `show/tests/page.rs` and end to end.

use syncd_core::cache::Slot;
use syncd_core::cache::external::Failure;
use syncd_core::flow::{Expectation, FlowRef};
use syncd_core::replica::Replica;

use super::expectations::{self, ExpectationView};
use super::flows::{self, FlowView};
use super::selection::Chosen;
use super::xml;
use crate::control::protocol::{Cache, Form, PAGE, Page};

/// So many slots are looked at for one page, whatever is found in them: a quarter of a millisecond.
const SLOTS: u32 = 2048;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    /// Which cache.
    pub(crate) cache: Cache,
    /// Where the page begins.
    pub(crate) from: u32,
    /// How it is written.
    pub(crate) form: Form,
    /// What is wanted of it.
    pub(crate) chosen: Chosen,
    /// At most so many.
    pub(crate) most: usize,
}

/// The page, as of `second` of the replica's clock.
pub(crate) fn page(replica: &Replica, second: u32, ask: Ask) -> Page {
    let mut making = Making { page: Page::default(), ask };
    let age = |created: u32| second.saturating_sub(created);
    let (internal, external) = (replica.internal(), replica.external());
    match ask.cache {
        Cache::Internal => making.walk(internal.end(), |making, slot| {
            if let Some(entry) = internal.get(Slot(slot)).filter(|_| internal.is_alive(Slot(slot)))
                && let Some(flow) = internal.flow(Slot(slot))
            {
                making.flow(flow, age(entry.created), None);
            }
        }),
        Cache::External => making.walk(external.end(), |making, slot| {
            if let Some(entry) = external.get(Slot(slot))
                && let Some(flow) = external.flow(Slot(slot))
            {
                making.flow(flow, age(entry.created), external.failure(Slot(slot)).as_ref());
            }
        }),
        // There are never many of these, and the first test of each is whether the page is full.
        Cache::InternalExpectations => {
            let found = replica.internal_expectations().iter_from(ask.from);
            making.list(found.map(|(slot, entry)| (slot.0, &entry.expectation, age(entry.created), None)));
        }
        Cache::ExternalExpectations => {
            let cache = replica.external_expectations();
            let found = cache.iter_from(ask.from);
            making.list(
                found.map(|(slot, entry)| {
                    (slot.0, &entry.expectation, age(entry.created), cache.failure(slot))
                }),
            );
        }
    }
    making.page
}

/// A page in the making.
struct Making {
    page: Page,
    ask: Ask,
}

impl Making {
    /// Shows slots until the page is full or enough of them were looked at.
    fn walk(&mut self, end: u32, mut show: impl FnMut(&mut Self, u32)) {
        let stop = end.min(self.ask.from.saturating_add(SLOTS));
        let mut slot = self.ask.from;
        while slot < stop && !self.is_full() {
            show(self, slot);
            slot += 1;
        }
        self.page.next = (slot < end).then_some(slot);
    }

    /// Shows what is found until the page is full: slot, expectation, age, error number.
    fn list<'a>(&mut self, found: impl Iterator<Item = (u32, &'a Expectation, u32, Option<u16>)>) {
        for (slot, expectation, age, failure) in found {
            if self.is_full() {
                self.page.next = Some(slot);
                return;
            }
            self.expectation(expectation, age, failure);
        }
    }

    fn is_full(&self) -> bool {
        self.page.len() >= self.ask.most.min(PAGE)
    }

    fn flow(&mut self, flow: FlowRef<'_>, age: u32, failure: Option<&Failure>) {
        if !self.ask.chosen.admits(flow) {
            return;
        }
        match self.ask.form {
            Form::Lines => self.page.lines.push(flows::line(flow, age, failure)),
            Form::Xml => self.page.lines.push(xml::flow(flow)),
            Form::Objects => self.page.flows.push(FlowView::new(flow, Some(age), failure)),
        }
    }

    fn expectation(&mut self, expectation: &Expectation, age: u32, failure: Option<u16>) {
        if !self.ask.chosen.admits_expectation(expectation) {
            return;
        }
        match self.ask.form {
            Form::Lines => self.page.lines.push(expectations::line(expectation, age, failure)),
            Form::Xml => self.page.lines.push(xml::expectation(expectation)),
            Form::Objects => {
                self.page.expectations.push(ExpectationView::new(expectation, Some(age), failure));
            }
        }
    }
}
