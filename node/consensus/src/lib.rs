//! Consensus on this node: the durable log, and the one thread that drives the replica.
//!
//! [`start`] opens the replica on a thread of its own, so that neither photographs nor I/O keep it
//! from its ticks. Everybody else holds a [`Consensus`], which never blocks: commands go in by
//! [`Consensus::propose`], messages of other voters by [`Consensus::deliver`]; what is to be sent
//! comes out of the [`Outbox`], what is to be done as [`Event`]s. The thread waits for its mailbox,
//! its next tick and the disk alone.
//!
//! redb is known by [`store`] alone, raft by `fruitnode_replica` alone.

mod clock;
mod driver;
mod events;
mod handle;
mod options;
pub mod pieces;
mod questions;
mod silence;
pub mod store;
#[cfg(test)]
mod tests;
mod twins;

pub use events::{Event, LogFailure};
pub use handle::{Consensus, ProposeError, Stopped};
pub use options::{ConsensusOptions, Outbox, StartError};

pub use driver::start;
