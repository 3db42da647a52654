//! A flow together with what is rare about it, owned or borrowed.
//!
//! Doors, codecs and requests take a [`FlowRef`]; a plain `&Flow` becomes one by itself. Whether there are extras is
//! said by [`FlowRef::extras`] alone; [`AttrSet::EXTRAS`] in a flow is kept equal to it by whoever stores both.
//! Tested in `tests.rs` beside it.

use core::ops::Deref;

use super::extras::Extras;
use super::record::{AttrSet, Flow};

/// A flow and its extras, borrowed from wherever each is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowRef<'a> {
    /// What every flow has.
    pub flow: &'a Flow,
    /// What few have; never empty.
    pub extras: Option<&'a Extras>,
}

impl<'a> FlowRef<'a> {
    /// The two together. Empty extras are none.
    #[must_use]
    pub fn new(flow: &'a Flow, extras: &'a Extras) -> Self {
        Self { flow, extras: (!extras.is_empty()).then_some(extras) }
    }

    /// A copy.
    #[must_use]
    pub fn whole(&self) -> Whole {
        Whole { flow: *self.flow, extras: self.extras.copied().unwrap_or(Extras::EMPTY) }
    }
}

impl<'a> From<&'a Flow> for FlowRef<'a> {
    fn from(flow: &'a Flow) -> Self {
        Self { flow, extras: None }
    }
}

impl<'a> From<&'a Whole> for FlowRef<'a> {
    fn from(whole: &'a Whole) -> Self {
        Self::new(&whole.flow, &whole.extras)
    }
}

/// What every flow has is what is asked for nearly always.
impl Deref for FlowRef<'_> {
    type Target = Flow;

    fn deref(&self) -> &Flow {
        self.flow
    }
}

/// A flow and its extras.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// What every flow has.
    pub flow: Flow,
    /// What few have; mostly empty.
    pub extras: Extras,
}

impl Whole {
    /// The two together, with [`AttrSet::EXTRAS`] as it must be.
    #[must_use]
    pub fn new(mut flow: Flow, extras: Extras) -> Self {
        let present = flow.present.without(AttrSet::EXTRAS);
        flow.present = if extras.is_empty() { present } else { present.with(AttrSet::EXTRAS) };
        Self { flow, extras }
    }
}

/// As for [`FlowRef`].
impl Deref for Whole {
    type Target = Flow;

    fn deref(&self) -> &Flow {
        &self.flow
    }
}

impl From<Flow> for Whole {
    fn from(flow: Flow) -> Self {
        Self::new(flow, Extras::EMPTY)
    }
}
