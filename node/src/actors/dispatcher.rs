//! Carries the coordinator's effects to the workers. It knows where a node is reached, and nothing
//! of what the messages mean.

use std::collections::BTreeMap;

use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::retry::FailureReason;
use tokio::sync::mpsc;

use crate::actors::coordinator::CoordinatorHandle;
use crate::actors::messages::{Dispatch, Report, ToWorker};
use crate::actors::spawn::spawn;
use crate::failure::Failure;
use crate::tasks::AttemptFacts;

/// Effects that wait to be carried out.
pub const MAILBOX_EFFECTS_MAX: usize = 1_024;

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
            let facts = AttemptFacts::default();
            let report = Report::Failed { job, task, attempt, failure, facts };
            propose(coordinator, report.into_command(node));
            return;
        }
    };
    let Some(worker) = workers.get(&node) else { return };
    if worker.send(message).await.is_err() {
        propose(coordinator, Command::LoseNode { node, incarnation: 0 });
    }
}

/// Proposes from a task of its own: the coordinator may be waiting for this mailbox.
fn propose(coordinator: &CoordinatorHandle, command: Command) {
    let coordinator = coordinator.clone();
    spawn("dispatcher-proposal", async move { coordinator.propose(command).await });
}
