//! Who decides: changes to the set of voters.

use crate::ids::NodeId;

/// One change to the set of voters, made in one step: by a joint configuration where voters come
/// and go together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VoterChange {
    /// Members that begin to receive the log, without a vote.
    pub add_learners: Vec<NodeId>,
    /// Learners that get a vote.
    pub promote: Vec<NodeId>,
    /// Voters and learners that receive the log no longer.
    pub remove: Vec<NodeId>,
}
