//! The moving parts of a node, as plain tokio tasks: one file, one message enum, one bounded
//! mailbox each.
//!
//! ```text
//!             commands                 effects            envelope             leases
//! proposer ------------> consensus -----------> leader <----------> attend <----------> worker
//!     ^                                           |      (mesh)             reports
//!     +-------------- reports, grants ------------+
//! ```
//!
//! The log is in [`fruitnode_consensus`]: on a disk, and of several voters, in a cluster; in
//! memory, and with nothing between leader and attend, where a process is alone ([`crate::local`]).
//!
//! No actor waits for one to its right: the leader never waits for a member, and a worker's mailbox
//! is always emptied, so no cycle of full mailboxes can stand still.

pub(crate) mod attend;
pub(crate) mod envelope;
pub(crate) mod leader;
pub(crate) mod patience;
pub(crate) mod proposer;
pub(crate) mod spawn;
pub(crate) mod worker;
