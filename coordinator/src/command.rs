//! What may be proposed to the log. Commands are idempotent by natural keys: applying one twice,
//! or one that arrives too late, changes nothing.

use crate::ids::{Attempt, JobId, NodeId};
use crate::job::JobSpec;
use crate::retry::FailureReason;
use crate::task::{Task, TaskResult};
use crate::tree::TreeNode;

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A node offers its slots.
    AddNode {
        /// The node.
        node: NodeId,
        /// Leases that it takes at a time.
        slots: u32,
        /// What its features' bits depend on.
        compute_class: String,
        /// What its fits' bits depend on.
        fit_class: String,
    },
    /// A node is gone, whoever noticed it.
    LoseNode {
        /// The node.
        node: NodeId,
    },
    /// A client wants a job done. A known id changes nothing.
    SubmitJob {
        /// Id made by the client.
        job: JobId,
        /// What is to be done.
        spec: JobSpec,
    },
    /// A client no longer wants a job.
    CancelJob {
        /// The job.
        job: JobId,
    },
    /// The leader leases a task to a node.
    Grant {
        /// The job.
        job: JobId,
        /// The task.
        task: Task,
        /// The job's next attempt; any other number makes the grant void.
        attempt: Attempt,
        /// The node.
        node: NodeId,
    },
    /// An attempt is done.
    Accept {
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
    Fail {
        /// The job.
        job: JobId,
        /// The task.
        task: Task,
        /// The attempt.
        attempt: Attempt,
        /// Why, as what the decision needs.
        reason: FailureReason,
        /// Why, in words.
        detail: String,
    },
    /// A node let go of moments to stay within its memory.
    DropMoments {
        /// The job.
        job: JobId,
        /// Which moments.
        tree_node: TreeNode,
        /// The node.
        node: NodeId,
    },
}
