//! What passes between a worker and the coordinator, in either direction.

use std::collections::BTreeSet;

use fruitnode_coordinator::ids::{Attempt, JobId};
use fruitnode_coordinator::job::JobSpec;
use fruitnode_coordinator::story::AttemptFacts;
use fruitnode_coordinator::task::{Task, TaskResult};
use fruitnode_coordinator::tree::TreeNode;

use crate::failure::Failure;
use crate::tasks::Lease;

/// To a worker.
#[derive(Debug, Clone)]
pub enum ToWorker {
    /// Do this.
    Start(Box<Lease>),
    /// Stop doing this; whatever it yields is not wanted.
    Cancel {
        /// The job.
        job: JobId,
        /// The task.
        task: Task,
        /// The attempt.
        attempt: Attempt,
    },
    /// End this, which makes no progress, and report that it has stalled.
    GiveUp {
        /// The job.
        job: JobId,
        /// The task.
        task: Task,
        /// The attempt.
        attempt: Attempt,
    },
    /// Let go of these moments.
    Release {
        /// The job.
        job: JobId,
        /// Which moments.
        tree_node: TreeNode,
    },
    /// The job is over: let go of everything that belongs to it.
    Forget {
        /// The job.
        job: JobId,
    },
    /// The job failed or was cancelled: let go of everything that belongs to it, and clear away
    /// what it left at its target.
    Abandon {
        /// The job.
        job: JobId,
        /// What the user asked for.
        spec: Box<JobSpec>,
    },
    /// What the coordinator believes of this node, said anew. Whatever is not named is void. Leases
    /// of attempts that are named and never arrived follow; those that are here already are not
    /// begun twice.
    Reconcile {
        /// Attempts that it granted and that it does not know the end of.
        attempts: BTreeSet<(JobId, Task, Attempt)>,
        /// Moments in this node's memory.
        held: BTreeSet<(JobId, TreeNode)>,
    },
}

/// From a worker.
#[derive(Debug, Clone)]
pub enum Report {
    /// An attempt is done.
    Done {
        /// The job.
        job: JobId,
        /// The task.
        task: Task,
        /// The attempt.
        attempt: Attempt,
        /// What it says.
        result: TaskResult,
        /// What it took.
        facts: AttemptFacts,
    },
    /// An attempt failed.
    Failed {
        /// The job.
        job: JobId,
        /// The task.
        task: Task,
        /// The attempt.
        attempt: Attempt,
        /// Why.
        failure: Failure,
        /// What it took.
        facts: AttemptFacts,
    },
    /// Moments are not here, whatever is believed: dropped to stay within the memory of the node,
    /// or lost.
    Dropped {
        /// The job.
        job: JobId,
        /// Which moments.
        tree_node: TreeNode,
    },
}
