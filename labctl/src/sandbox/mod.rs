//! Private namespaces, and the processes that hold them: the lab's, and one per node.
//!
//! There is no teardown code. Never leaves a name on the host: no named namespace, no file, no interface. Three kinds
//! of process, all of them this program, started again under a hidden verb. Tested in `labctl/tests/scenarios/holder.rs`.
//!
//! ```text
//! labctl up ── starts ──► holder          host's network namespace: owns the abstract socket
//!                           │             user namespace of its own, where it needs one
//!                           ▼
//!                         inside          PID 1 of the lab: private PID, mount and network namespaces,
//!                           │             dies with the holder (PR_SET_PDEATHSIG)
//!                           ▼
//!                         node (each)     PID 1 of a node: private PID, mount and network namespaces
//! ```
//!
//! A node's PID 1 only reaps. Killing it kills every process of the node at once, as a power failure does.

mod descriptors;
mod holder;
mod inside;
mod mounts;
mod node;
pub(crate) mod socket;

pub(crate) use descriptors::{receive_descriptors, send_descriptors};
pub(crate) use holder::{StartError, hold, start};
pub(crate) use inside::{Inside, LAB_DIRECTORY, enter_lab};
pub(crate) use node::{Node, NodeNamespaces, join_node, serve_node};
