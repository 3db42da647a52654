//! The kernel's connection tracking.
