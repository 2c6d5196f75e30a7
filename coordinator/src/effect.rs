//! What the leader must do after a command was applied. Plain data; followers ignore it, and a new
//! leader derives what is outstanding from the state.

use crate::ids::{Attempt, JobId, NodeId};
use crate::phase::Outcome;
use crate::story::AttemptRecord;
use crate::task::Task;
use crate::tree::TreeNode;

/// One consequence in the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send the lease to its node, with [`crate::state::ClusterState::inputs`].
    Start {
        /// The job.
        job: JobId,
        /// The task.
        task: Task,
        /// The attempt.
        attempt: Attempt,
        /// The node.
        node: NodeId,
    },
    /// Tell the node that this attempt is no longer wanted.
    Cancel {
        /// The job.
        job: JobId,
        /// The task.
        task: Task,
        /// The attempt.
        attempt: Attempt,
        /// The node.
        node: NodeId,
    },
    /// Tell the node that these moments are no longer needed.
    Release {
        /// The job.
        job: JobId,
        /// Which moments.
        tree_node: TreeNode,
        /// The node.
        node: NodeId,
    },
    /// Tell whoever waits that the job is over.
    End {
        /// The job.
        job: JobId,
        /// How it ended.
        outcome: Outcome,
        /// Attempts that ended, in this order, then those that were called back: the state
        /// remembers them no longer.
        story: Vec<AttemptRecord>,
    },
    /// Have some node clear away what the job, which did not succeed, left at its target. Nothing
    /// depends on it, so that it is not said again after an election.
    Abandon {
        /// The job.
        job: JobId,
    },
}

/// What one transition hands back: effects for the world, and the slots that became free.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) effects: Vec<Effect>,
    pub(crate) freed: Vec<NodeId>,
    /// Merges that became possible, of which it is not known yet whether somebody can do them.
    pub(crate) unsettled: Vec<Task>,
}
