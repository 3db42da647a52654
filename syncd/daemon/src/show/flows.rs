//! A flow as an object and as a line. Lines read like conntrackd's, which operators know and scripts grep.
//! Tested in `show/tests.rs`.

use serde::{Deserialize, Serialize};
use syncd_core::cache::external::Failure;
use syncd_core::flow::{AttrSet, Expectation, ExtraSet, Family, FlowRef, Protocol, Status, Tuple};
use syncd_core::replica::{Errno, Replica};

use super::expectations::{self, ExpectationView};
use super::extras::ExtrasView;
use crate::control::protocol::{Cache, Form, PAGE, Page};

/// A flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FlowView {
    /// `ipv4` or `ipv6`.
    pub(crate) family: String,
    /// As `conntrack(8)` names it.
    pub(crate) protocol: String,
    /// IANA's number.
    pub(crate) protocol_number: u8,
    /// Conntrack zone.
    pub(crate) zone: u16,
    /// Connection mark.
    pub(crate) mark: u32,
    /// The direction of the first packet.
    pub(crate) original: TupleView,
    /// The direction of the answers; none if it was not said.
    pub(crate) reply: Option<TupleView>,
    /// State of TCP's or SCTP's tracking.
    pub(crate) state: Option<String>,
    /// Whether it is never dropped early.
    pub(crate) assured: bool,
    /// Whether packets were seen in both directions.
    pub(crate) seen_reply: bool,
    /// Seconds the kernel would keep it, when it was last said.
    pub(crate) timeout: Option<u32>,
    /// Seconds it has been in the cache; none for the kernel's own table.
    pub(crate) age: Option<u32>,
    /// Why it could not be committed, if that was tried.
    pub(crate) failure: Option<String>,
    /// What few flows have.
    #[serde(flatten)]
    pub(crate) extras: ExtrasView,
}

/// One direction of a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TupleView {
    source: String,
    target: String,
    #[serde(flatten)]
    ends: Ends,
}

/// What tells flows between the same addresses apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Ends {
    Icmp { icmp_id: u16, icmp_type: u8, icmp_code: u8 },
    Ports { source_port: u16, target_port: u16 },
}

impl FlowView {
    /// A flow with what its cache knows about it.
    pub(crate) fn new<'a>(flow: impl Into<FlowRef<'a>>, age: Option<u32>, failure: Option<&Failure>) -> Self {
        let flow: FlowRef<'_> = flow.into();
        let tuple = |tuple| TupleView::new(flow.family, flow.protocol, tuple);
        let has_state = flow.protocol == Protocol::TCP && flow.has(AttrSet::TCP_STATE);
        let has_status = |bits| flow.has(AttrSet::STATUS) && flow.status.has(bits);
        Self {
            family: family_name(flow.family).to_owned(),
            protocol: flow.protocol.name().to_owned(),
            protocol_number: flow.protocol.0,
            zone: flow.zone,
            mark: if flow.has(AttrSet::MARK) { flow.mark } else { 0 },
            original: tuple(&flow.original),
            reply: flow.has(AttrSet::REPLY).then(|| tuple(&flow.reply)),
            state: if has_state {
                Some(flow.tcp_state.name().to_owned())
            } else {
                let sctp = flow.extras.filter(|extras| extras.has(ExtraSet::SCTP_STATE));
                sctp.map(|extras| extras.sctp_state.name().to_owned())
            },
            assured: has_status(Status::ASSURED),
            seen_reply: has_status(Status::SEEN_REPLY),
            timeout: flow.has(AttrSet::TIMEOUT).then_some(flow.timeout),
            age,
            failure: failure.map(failure_text),
            extras: flow.extras.map(ExtrasView::new).unwrap_or_default(),
        }
    }
}

impl TupleView {
    /// As it is.
    pub(crate) fn new(family: Family, protocol: Protocol, tuple: &Tuple) -> Self {
        let ends = if protocol.is_icmp() {
            Ends::Icmp {
                icmp_id: tuple.icmp_id(),
                icmp_type: tuple.icmp_type(),
                icmp_code: tuple.icmp_code(),
            }
        } else {
            Ends::Ports { source_port: tuple.source_port, target_port: tuple.target_port }
        };
        Self {
            source: tuple.source.ip(family).to_string(),
            target: tuple.target.ip(family).to_string(),
            ends,
        }
    }
}

/// The word of the command line and of JSON.
pub(crate) const fn family_name(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}

/// A flow as a line.
fn line(whole: FlowRef<'_>, age: u32, failure: Option<&Failure>) -> String {
    // The time the kernel would keep it is not shown: it is old news, and conntrackd does not show it either.
    let mut flow = *whole.flow;
    flow.present = flow.present.without(AttrSet::TIMEOUT);
    let flow = FlowRef { flow: &flow, extras: whole.extras };
    let failure =
        failure.map(|failure| format!(" [not committed: {}]", failure_text(failure))).unwrap_or_default();
    format!("{flow} [active since {age}s]{failure}")
}

fn failure_text(failure: &Failure) -> String {
    let errno = Errno(failure.errno);
    match failure.existing {
        Some(existing) => format!("{errno}, in its place: {existing}"),
        None => errno.to_string(),
    }
}

/// One page of a cache, as of `second` of the replica's clock.
pub(crate) fn page(replica: &Replica, second: u32, cache: Cache, from: u32, form: Form) -> Page {
    let mut page = Page::default();
    let age = |created: u32| second.saturating_sub(created);
    match cache {
        Cache::Internal => {
            let flows = replica.internal().iter_from(from);
            let flows =
                flows.map(|(slot, entry)| (slot.0, replica.internal().flow(slot), age(entry.created), None));
            fill(&mut page, flows, form);
        }
        Cache::External => {
            let flows = replica.external().iter_from(from).map(|(slot, entry)| {
                let (flow, failure) = (replica.external().flow(slot), replica.external().failure(slot));
                (slot.0, flow, age(entry.created), failure)
            });
            fill(&mut page, flows, form);
        }
        Cache::InternalExpectations => {
            let found = replica.internal_expectations().iter_from(from);
            let found = found.map(|(slot, entry)| (slot.0, &entry.expectation, age(entry.created), None));
            fill_expectations(&mut page, found, form);
        }
        Cache::ExternalExpectations => {
            let cache = replica.external_expectations();
            let found = cache
                .iter_from(from)
                .map(|(slot, entry)| (slot.0, &entry.expectation, age(entry.created), cache.failure(slot)));
            fill_expectations(&mut page, found, form);
        }
    }
    page
}

/// Fills a page with flows: slot, flow, age, failure.
fn fill<'a>(
    page: &mut Page,
    flows: impl Iterator<Item = (u32, Option<FlowRef<'a>>, u32, Option<Failure>)>,
    form: Form,
) {
    for (slot, flow, age, failure) in flows {
        if page.lines.len() + page.flows.len() == PAGE {
            page.next = Some(slot);
            return;
        }
        let Some(flow) = flow else { continue };
        match form {
            Form::Lines => page.lines.push(line(flow, age, failure.as_ref())),
            Form::Objects => page.flows.push(FlowView::new(flow, Some(age), failure.as_ref())),
        }
    }
}

/// Fills a page with expectations: slot, expectation, age, error number.
fn fill_expectations<'a>(
    page: &mut Page,
    found: impl Iterator<Item = (u32, &'a Expectation, u32, Option<u16>)>,
    form: Form,
) {
    for (slot, expectation, age, failure) in found {
        if page.lines.len() + page.expectations.len() == PAGE {
            page.next = Some(slot);
            return;
        }
        match form {
            Form::Lines => page.lines.push(expectations::line(expectation, age, failure)),
            Form::Objects => {
                page.expectations.push(ExpectationView::new(expectation, Some(age), failure));
            }
        }
    }
}
