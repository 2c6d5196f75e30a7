//! A cluster of one member in this process: the same actors, coordinator and data flow as any
//! other, over mailboxes instead of a network and with the log in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::ids::{JobId, NodeId};
use fruitnode_coordinator::job::{JobSpec, Outcome, Phase};
use tokio::sync::{mpsc, watch};

use crate::actors::coordinator::{self, CoordinatorHandle, JobView, View};
use crate::actors::messages::Report;
use crate::actors::spawn::spawn;
use crate::actors::{dispatcher, worker};
use crate::pca;
use crate::tasks::{COMPUTE_CLASS, JobContext, NodeContext};

/// Leases that the node takes at a time: one is computed while the next is fetched.
const SLOTS: u32 = 2;

/// The only member.
pub const NODE: NodeId = NodeId(1);

/// Its process: there is never another.
const INCARNATION: u64 = 1;

/// Handles to the running cluster.
#[derive(Debug, Clone)]
pub struct LocalCluster {
    coordinator: CoordinatorHandle,
    node: Arc<NodeContext>,
}

impl LocalCluster {
    /// Starts the actors and adds the member.
    pub async fn start(node: NodeContext) -> Self {
        let node = Arc::new(node);
        let (effects, dispatcher_inbox) = mpsc::channel(dispatcher::MAILBOX_EFFECTS_MAX);
        let (leases, worker_inbox) = mpsc::channel(worker::MAILBOX_MESSAGES_MAX);
        let coordinator = coordinator::start(effects);
        let workers = BTreeMap::from([(NODE, leases)]);
        dispatcher::start(dispatcher_inbox, workers, coordinator.clone());
        let (reports, told) = mpsc::channel(worker::MAILBOX_REPORTS_MAX);
        worker::start(Arc::clone(&node), reports, worker_inbox);
        spawn("reports", hand_over(told, coordinator.clone()));
        coordinator
            .propose(Command::AddNode {
                node: NODE,
                incarnation: INCARNATION,
                address: String::new(),
                release: String::new(),
                slots: SLOTS,
                compute_class: COMPUTE_CLASS.to_owned(),
                fit_class: pca::fit_class(),
            })
            .await;
        Self { coordinator, node }
    }

    /// Submits a job whose context is open already.
    pub async fn submit(&self, job: Arc<JobContext>, spec: JobSpec) {
        let id = job.id.clone();
        self.node.prepare(job);
        self.coordinator.propose(Command::SubmitJob { job: id, spec }).await;
    }

    /// Cancels a job.
    pub async fn cancel(&self, job: &JobId) {
        self.coordinator.propose(Command::CancelJob { job: job.clone() }).await;
    }

    /// What a client sees, now and whenever it changes.
    pub fn watch(&self) -> watch::Receiver<Arc<View>> {
        self.coordinator.watch()
    }

    /// Waits until a job is over. `None` when the coordinator stopped before.
    pub async fn wait(&self, job: &JobId) -> Option<(Outcome, JobView)> {
        let mut view = self.watch();
        let ended = |view: &Arc<View>| {
            view.job(job).is_some_and(|job| matches!(job.phase, Phase::Ended(_)))
        };
        let view = view.wait_for(ended).await.ok()?.clone();
        let job = view.job(job)?.clone();
        match &job.phase {
            Phase::Ended(outcome) => Some((outcome.clone(), job.clone())),
            _ => None,
        }
    }
}

/// Makes commands of the worker's reports. The coordinator may wait for the worker's mailbox, and
/// the worker for none.
async fn hand_over(mut reports: mpsc::Receiver<Report>, coordinator: CoordinatorHandle) {
    while let Some(report) = reports.recv().await {
        coordinator.propose(report.into_command(NODE)).await;
    }
}
