//! Takes leases and carries them out, each in a task of its own. The actor itself only starts,
//! stops and lets go, so that its mailbox is always emptied at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use fruitnode_coordinator::ids::{Attempt, JobId, NodeId};
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::task::Task;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use crate::actors::coordinator::CoordinatorHandle;
use crate::actors::messages::{Report, ToWorker};
use crate::actors::spawn::spawn;
use crate::env::Moment;
use crate::failure::Failure;
use crate::tasks::{self, JobContext, Lease, NodeContext};

/// Messages that wait for a worker.
pub const MAILBOX_MESSAGES_MAX: usize = 256;

type Key = (JobId, Task, Attempt);

/// Starts the worker of a node. It stops when its mailbox is closed.
pub fn start(
    node: Arc<NodeContext>,
    coordinator: CoordinatorHandle,
    inbox: mpsc::Receiver<ToWorker>,
) {
    let worker = Worker {
        node,
        coordinator,
        running: JoinSet::new(),
        keys: BTreeMap::new(),
        jobs: BTreeMap::new(),
    };
    spawn("worker", worker.run(inbox));
}

struct Worker {
    node: Arc<NodeContext>,
    coordinator: CoordinatorHandle,
    running: JoinSet<()>,
    keys: BTreeMap<Key, AbortHandle>,
    jobs: BTreeMap<JobId, Arc<JobContext>>,
}

impl Worker {
    async fn run(mut self, mut inbox: mpsc::Receiver<ToWorker>) {
        loop {
            tokio::select! {
                biased;
                Some(ended) = self.running.join_next_with_id() => self.ended(ended),
                message = inbox.recv() => match message {
                    Some(message) => self.receive(message).await,
                    None => return,
                },
            }
        }
    }

    async fn receive(&mut self, message: ToWorker) {
        match message {
            ToWorker::Start(lease) => self.begin(*lease).await,
            ToWorker::Cancel { job, task, attempt } => {
                if let Some(running) = self.keys.remove(&(job, task, attempt)) {
                    running.abort();
                }
            }
            ToWorker::Release { job, tree_node } => self.node.moments.release(&job, tree_node),
            ToWorker::Forget { job } => {
                self.jobs.remove(&job);
                self.node.moments.forget(&job);
            }
        }
    }

    async fn begin(&mut self, lease: Lease) {
        let key = (lease.job.clone(), lease.task, lease.attempt);
        let job = match self.job(&lease).await {
            Ok(job) => job,
            Err(failure) => return self.report_failure(key, failure),
        };
        let node = Arc::clone(&self.node);
        let coordinator = self.coordinator.clone();
        let handle = self.running.spawn(async move {
            let began = Moment::now();
            let (id, task, attempt) = (lease.job.clone(), lease.task, lease.attempt);
            let outcome = tasks::carry_out(&node, &job, lease).await;
            node.story.ended(node.id, (task, attempt), began, outcome.as_ref().err());
            let report = match outcome {
                Ok(result) => Report::Done { job: id, task, attempt, result },
                Err(failure) => {
                    let (code, words) = (failure.reason.code(), &failure.words);
                    tracing::warn!(%task, %attempt, code, words, "attempt failed");
                    Report::Failed { job: id, task, attempt, failure }
                }
            };
            coordinator.propose(report.into_command(node.id)).await;
        });
        self.keys.insert(key, handle);
    }

    /// The job's context, opened at the first lease.
    async fn job(&mut self, lease: &Lease) -> Result<Arc<JobContext>, Failure> {
        if let Some(job) = self.jobs.get(&lease.job) {
            return Ok(Arc::clone(job));
        }
        let job = Box::pin(self.node.open(&lease.job, &lease.spec)).await?;
        self.jobs.insert(lease.job.clone(), Arc::clone(&job));
        Ok(job)
    }

    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let (id, error) = match ended {
            Ok((id, ())) => (id, None),
            Err(error) => (error.id(), Some(error)),
        };
        let Some(key) =
            self.keys.iter().find(|(_, run)| run.id() == id).map(|(key, _)| key.clone())
        else {
            return;
        };
        self.keys.remove(&key);
        if error.is_some_and(|error| error.is_panic()) {
            let words = format!("{} panicked; this is a bug in fruitnode: report it", key.1);
            self.report_failure(key, Failure::new(FailureReason::Panic, words));
        }
    }

    /// Reports from a task of its own: the worker must not wait for the coordinator.
    fn report_failure(&self, key: Key, failure: Failure) {
        let (job, task, attempt) = key;
        let node: NodeId = self.node.id;
        self.node.story.ended(node, (task, attempt), Moment::now(), Some(&failure));
        let command = Report::Failed { job, task, attempt, failure }.into_command(node);
        let coordinator = self.coordinator.clone();
        spawn("failure-report", async move { coordinator.propose(command).await });
    }
}
