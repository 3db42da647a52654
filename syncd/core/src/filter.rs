//! Which flows are replicated.
