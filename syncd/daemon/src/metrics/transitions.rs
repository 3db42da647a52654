//! How often the role has changed, from which to which. Driven by the event loop.

use syncd_core::replica::Role;

/// Every role, in the order of the page.
pub(super) const ROLES: [Role; 4] = [Role::Primary, Role::Backup, Role::Fault, Role::Unknown];

/// Counts since the start of the daemon.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transitions {
    counts: [[u64; ROLES.len()]; ROLES.len()],
}

impl Transitions {
    /// The role has changed.
    pub(crate) fn count(&mut self, from: Role, to: Role) {
        self.counts[place(from)][place(to)] += 1;
    }

    /// Every change of one role to another and how often it was seen: those that were not are there with 0, so that
    /// the first is an increase.
    pub(super) fn all(&self) -> impl Iterator<Item = (Role, Role, u64)> + '_ {
        let pairs = ROLES.into_iter().flat_map(|from| ROLES.into_iter().map(move |to| (from, to)));
        let counted = pairs.map(|(from, to)| (from, to, self.counts[place(from)][place(to)]));
        // Who enters the same role again is seen only where it happened; nobody becomes unknown.
        counted.filter(|(from, to, count)| *count > 0 || (from != to && *to != Role::Unknown))
    }
}

fn place(role: Role) -> usize {
    ROLES.iter().position(|known| *known == role).expect("ROLES has every role")
}
