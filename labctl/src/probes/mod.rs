//! What is seen of a running lab: roles, addresses, flow tables, the daemons' own words.
//!
//! Looks the way an operator looks: VRRP's notifications, the kernel, the daemons' commands. Never changes anything and
//! never judges; `lab` turns what is seen into observations. Tested beside each part.

pub(crate) mod caches;
mod dump;
pub(crate) mod expectations;
pub(crate) mod flows;
pub(crate) mod roles;
pub(crate) mod syncd;
