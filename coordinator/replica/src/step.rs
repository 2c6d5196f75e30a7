//! What comes out of a replica.

use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::status::Applied;

/// One thing that a voter has done or wants done.
#[derive(Debug)]
pub enum Step {
    /// To be sent. Order and arrival do not matter for safety.
    Send(Vec<Outgoing>),
    /// The others followed this node after they were asked so.
    Confirmed(Vec<Confirmed>),
    /// Entries or vote were stored.
    Persisted,
    /// The snapshot of another was stored and is the state now.
    Installed {
        /// Last entry that it includes.
        index: u64,
    },
    /// Entries were applied.
    Applied(Vec<Applied>),
    /// The state was kept as a snapshot, and old entries were removed.
    Compacted,
    /// A round is complete.
    Advanced,
}

/// An answer to [`Replica::confirm`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirmed {
    /// Of the question.
    pub number: u64,
    /// The state is as new as the question, once this entry is applied.
    pub index: u64,
}

/// A message to another voter or learner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// To whom.
    pub to: NodeId,
    /// In raft's form.
    pub bytes: Vec<u8>,
    /// It carries a snapshot, and may be large. Say what became of it: [`Replica::snapshot_sent`].
    pub snapshot: bool,
}

/// Where a proposal will stand, unless another leader's takes that place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proposed {
    /// Term of the leader that proposed it. An entry of another term at this index is another.
    pub term: u64,
    /// Its place.
    pub index: u64,
}
