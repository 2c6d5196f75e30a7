//! What passes between the coordinator, the dispatcher and the workers, in either direction.

use std::collections::BTreeSet;

use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::ids::{Attempt, JobId, NodeId};
use fruitnode_coordinator::job::{JobSpec, Outcome};
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

/// To the dispatcher.
#[derive(Debug)]
pub enum Dispatch {
    /// Send a lease.
    Start {
        /// To whom.
        node: NodeId,
        /// The lease.
        lease: Box<Lease>,
    },
    /// The inputs of a lease were lost before it could be sent.
    Impossible {
        /// To whom it was granted.
        node: NodeId,
        /// The job.
        job: JobId,
        /// The task.
        task: Task,
        /// The attempt.
        attempt: Attempt,
    },
    /// Call a lease back.
    Cancel {
        /// From whom.
        node: NodeId,
        /// The job.
        job: JobId,
        /// The task.
        task: Task,
        /// The attempt.
        attempt: Attempt,
    },
    /// Moments are no longer needed.
    Release {
        /// Who holds them.
        node: NodeId,
        /// The job.
        job: JobId,
        /// Which moments.
        tree_node: TreeNode,
    },
    /// A job is over.
    End {
        /// The job.
        job: JobId,
        /// How it ended.
        outcome: Outcome,
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

impl Report {
    /// The command that tells the log of it.
    pub fn into_command(self, node: NodeId) -> Command {
        match self {
            Self::Done { job, task, attempt, result, facts } => {
                Command::Accept { job, task, attempt, result, facts }
            }
            Self::Failed { job, task, attempt, failure, facts } => Command::Fail {
                job,
                task,
                attempt,
                reason: failure.reason,
                detail: failure.words,
                facts,
            },
            Self::Dropped { job, tree_node } => Command::DropMoments { job, tree_node, node },
        }
    }
}
