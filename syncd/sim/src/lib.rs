//! `syncd-sim`: router pairs, their dedicated link, their kernels and their faults, from one seed.
//!
//! It drives the very replica that runs on routers, through the same doors and the same
//! [`turn`](syncd_core::replica::turn()); only what surrounds it is a model. The same seed gives the same trace.
//!
//! | room | what it is |
//! | --- | --- |
//! | [`options`] | the swarm: which faults a seed has, how strong; overrides |
//! | [`world`] | hosts, link, agenda: takes the earliest event, feeds one door, calls one turn |
//! | [`host`] | one router: the daemon's half of the contract |
//! | [`kernel`] | the tables of flows and expectations, and ctnetlink's manners |
//! | [`conntrackd`] | the C peer as the facts describe it |
//! | [`network`] | weather on the dedicated link |
//! | [`traffic`] | what packets do to a kernel |
//! | [`faults`] | what goes wrong and when |
//! | [`oracle`] | what must hold after every step |
//! | [`convergence`] | what must hold in the end |
//! | [`trace`] | one line per event, and the hash |
//! | [`exhaustive`] | FTFW alone, all losses enumerated |
//! | [`sweep`] | many seeds on all cores |
//! | [`recording`] | what a daemon recorded, once more |
//! | [`shrink`] | a failing seed made small |

pub mod chance;
pub mod conntrackd;
pub mod convergence;
pub mod exhaustive;
pub mod faults;
pub mod host;
pub mod kernel;
pub mod network;
pub mod options;
pub mod oracle;
pub mod recording;
pub mod shrink;
pub mod sweep;
pub mod trace;
pub mod traffic;
pub mod world;
