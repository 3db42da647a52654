//! A model of conntrackd. Written next.
use std::collections::BTreeMap;

use syncd_core::flow::Flow;
use syncd_core::replica::Role;
use syncd_core::time::Instant;

use crate::kernel::{Event, Kernel, Name};

/// conntrackd.
#[derive(Debug)]
pub struct Conntrackd {
    internal: BTreeMap<Name, Flow>,
    external: BTreeMap<Name, Flow>,
}
#[allow(missing_docs, unused_variables)]
impl Conntrackd {
    pub fn new(now: Instant, first: u32) -> Self {
        Self { internal: BTreeMap::new(), external: BTreeMap::new() }
    }
    pub fn read_kernel(&mut self, kernel: &Kernel) {}
    pub fn event(&mut self, event: &Event) {}
    pub fn datagram(&mut self, now: Instant, bytes: &[u8]) {}
    pub fn role(&mut self, now: Instant, role: Role, kernel: &mut Kernel) {}
    pub fn transmit(&mut self, now: Instant) -> Vec<Vec<u8>> {
        Vec::new()
    }
    pub fn due(&self) -> Instant {
        Instant::PAST
    }
    pub fn is_settled(&self) -> bool {
        true
    }
    pub fn internal(&self) -> &BTreeMap<Name, Flow> {
        &self.internal
    }
    pub fn external(&self) -> &BTreeMap<Name, Flow> {
        &self.external
    }
}
