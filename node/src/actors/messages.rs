//! What passes between the coordinator, the dispatcher and the workers, in either direction.

use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::ids::{Attempt, JobId, NodeId};
use fruitnode_coordinator::job::Outcome;
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
    },
    /// Moments were dropped to stay within the memory of the node.
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
            Self::Done { job, task, attempt, result } => {
                Command::Accept { job, task, attempt, result, facts: AttemptFacts::default() }
            }
            Self::Failed { job, task, attempt, failure } => Command::Fail {
                job,
                task,
                attempt,
                reason: failure.reason,
                detail: failure.words,
                facts: AttemptFacts::default(),
            },
            Self::Dropped { job, tree_node } => Command::DropMoments { job, tree_node, node },
        }
    }
}
