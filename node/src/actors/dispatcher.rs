//! Carries the coordinator's effects to the workers. It knows where a node is reached, and nothing
//! of what the messages mean.

use std::collections::BTreeMap;

use fruitnode_coordinator::ids::{Attempt, JobId, NodeId};
use fruitnode_coordinator::job::Outcome;
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::task::Task;
use fruitnode_coordinator::tree::TreeNode;
use tokio::sync::mpsc;

use crate::actors::coordinator::CoordinatorHandle;
use crate::actors::messages::{Report, ToWorker};
use crate::actors::spawn::spawn;
use crate::failure::Failure;
use crate::tasks::Lease;

/// Effects that wait to be carried out.
pub const MAILBOX_EFFECTS_MAX: usize = 1_024;

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

/// Starts the dispatcher over the workers' mailboxes. It stops with the coordinator.
pub fn start(
    mut inbox: mpsc::Receiver<Dispatch>,
    workers: BTreeMap<NodeId, mpsc::Sender<ToWorker>>,
    coordinator: CoordinatorHandle,
) {
    spawn("dispatcher", async move {
        while let Some(dispatch) = inbox.recv().await {
            carry_out(dispatch, &workers, &coordinator).await;
        }
    });
}

async fn carry_out(
    dispatch: Dispatch,
    workers: &BTreeMap<NodeId, mpsc::Sender<ToWorker>>,
    coordinator: &CoordinatorHandle,
) {
    let (node, message) = match dispatch {
        Dispatch::Start { node, lease } => (node, ToWorker::Start(lease)),
        Dispatch::Cancel { node, job, task, attempt } => {
            (node, ToWorker::Cancel { job, task, attempt })
        }
        Dispatch::Release { node, job, tree_node } => (node, ToWorker::Release { job, tree_node }),
        Dispatch::End { job, outcome } => {
            tracing::debug!(%job, ?outcome, "job ended");
            for worker in workers.values() {
                let _ = worker.send(ToWorker::Forget { job: job.clone() }).await;
            }
            return;
        }
        Dispatch::Impossible { node, job, task, attempt } => {
            let words = format!("the moments that {task} needs were lost before it began");
            let failure = Failure::new(FailureReason::MomentsMissing, words);
            let report = Report::Failed { job, task, attempt, failure };
            propose(coordinator, report.into_command(node));
            return;
        }
    };
    let Some(worker) = workers.get(&node) else { return };
    if worker.send(message).await.is_err() {
        propose(coordinator, fruitnode_coordinator::command::Command::LoseNode { node });
    }
}

/// Proposes from a task of its own: the coordinator may be waiting for this mailbox.
fn propose(coordinator: &CoordinatorHandle, command: fruitnode_coordinator::command::Command) {
    let coordinator = coordinator.clone();
    spawn("dispatcher-proposal", async move { coordinator.propose(command).await });
}
