//! The moving parts of a node, as plain tokio tasks: one file, one message enum, one bounded
//! mailbox each.
//!
//! ```text
//!            commands                 effects              leases
//! client ----------------> coordinator -------> dispatcher -------> worker
//!                               ^                                      |
//!                               +--------------- reports --------------+
//! ```
//!
//! That is `run`, alone in its process. In a cluster the log is in [`crate::consensus`], and the
//! same worker is reached over the mesh:
//!
//! ```text
//!             commands                 effects            envelope             leases
//! proposer ------------> consensus -----------> leader <----------> attend <----------> worker
//!     ^                                           |      (mesh)             reports
//!     +-------------- reports, grants ------------+
//! ```
//!
//! No actor waits for one to its left: the coordinator never waits for a worker, and a worker's
//! mailbox is always emptied, so no cycle of full mailboxes can stand still.

pub mod attend;
pub mod coordinator;
pub mod dispatcher;
pub mod envelope;
pub mod leader;
pub mod messages;
pub mod proposer;
pub mod spawn;
pub mod worker;
