//! What passes between the coordinator's side and the workers, in either direction.

use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::ids::{Attempt, JobId, NodeId};
use fruitnode_coordinator::job::JobSpec;
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::task::{Inputs, Task, TaskResult};
use fruitnode_coordinator::tree::TreeNode;

/// One attempt at one task, with everything it needs.
#[derive(Debug, Clone)]
pub struct Lease {
    /// The job.
    pub job: JobId,
    /// What the user asked for.
    pub spec: JobSpec,
    /// The task.
    pub task: Task,
    /// The attempt; part of the name of whatever it writes.
    pub attempt: Attempt,
    /// What earlier tasks left for it.
    pub inputs: Inputs,
}

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

/// Why an attempt failed: the reason that decides what follows, and words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What the coordinator decides by.
    pub reason: FailureReason,
    /// What happened and what to do.
    pub words: String,
}

impl Failure {
    /// A failure with the words of an error and of all its causes.
    pub fn of(reason: FailureReason, error: &dyn std::error::Error) -> Self {
        let mut words = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Some errors repeat their cause in their own words.
            if !words.contains(&text) {
                words.push_str(": ");
                words.push_str(&text);
            }
            cause = error.source();
        }
        Self { reason, words }
    }

    /// A failure in words of our own.
    pub fn new(reason: FailureReason, words: impl Into<String>) -> Self {
        Self { reason, words: words.into() }
    }
}

impl Report {
    /// The command that tells the log of it.
    pub fn into_command(self, node: NodeId) -> Command {
        match self {
            Self::Done { job, task, attempt, result } => {
                Command::Accept { job, task, attempt, result }
            }
            Self::Failed { job, task, attempt, failure } => Command::Fail {
                job,
                task,
                attempt,
                reason: failure.reason,
                detail: failure.words,
            },
            Self::Dropped { job, tree_node } => Command::DropMoments { job, tree_node, node },
        }
    }
}
