//! Owns the log and the state that it makes. Every command becomes bytes, an entry, and then a
//! change, in this order; while it leads, it grants what the scheduler proposes.
//!
//! With one member the log is a vector in memory and every entry is committed at once. Nothing here
//! decides: that is `fruitnode_coordinator`'s part.

use std::sync::Arc;

use fruitnode_coordinator::codec;
use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::effect::Effect;
use fruitnode_coordinator::ids::JobId;
use fruitnode_coordinator::job::{Counts, Job, Phase};
use fruitnode_coordinator::schedule;
use fruitnode_coordinator::state::ClusterState;
use fruitnode_coordinator::task::Listing;
use tokio::sync::{mpsc, watch};

use crate::actors::messages::Dispatch;
use crate::actors::spawn::spawn;
use crate::env::wall_ms;
use crate::tasks::Lease;

/// Commands that wait to become entries.
const MAILBOX_COMMANDS_MAX: usize = 1_024;

/// To the coordinator.
#[derive(Debug)]
enum CoordinatorMsg {
    Propose(Command),
}

/// What a client sees of the jobs.
#[derive(Debug, Clone, Default)]
pub struct View {
    jobs: Vec<JobView>,
}

/// What a client sees of one job.
#[derive(Debug, Clone)]
pub struct JobView {
    /// The job.
    pub id: JobId,
    /// How far it is.
    pub phase: Phase,
    /// Sums over accepted attempts.
    pub counts: Counts,
    /// The accepted listing.
    pub listing: Option<Listing>,
    /// Components kept by the accepted fit.
    pub components: Option<u32>,
}

impl View {
    /// One job.
    pub fn job(&self, id: &JobId) -> Option<&JobView> {
        self.jobs.iter().find(|job| job.id == *id)
    }
}

/// Where commands go in and the view comes out. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CoordinatorHandle {
    mailbox: mpsc::Sender<CoordinatorMsg>,
    view: watch::Receiver<Arc<View>>,
}

impl CoordinatorHandle {
    /// Proposes a command. It is lost without a word when the coordinator has stopped: who needs
    /// to know watches the view.
    pub async fn propose(&self, command: Command) {
        let _ = self.mailbox.send(CoordinatorMsg::Propose(command)).await;
    }

    /// The view, now and whenever it changes.
    pub fn watch(&self) -> watch::Receiver<Arc<View>> {
        self.view.clone()
    }
}

/// Starts the coordinator. It stops when every handle is gone.
pub fn start(dispatcher: mpsc::Sender<Dispatch>) -> CoordinatorHandle {
    let (mailbox, inbox) = mpsc::channel(MAILBOX_COMMANDS_MAX);
    let (show, view) = watch::channel(Arc::new(View::default()));
    let coordinator =
        Coordinator { state: ClusterState::default(), log: Vec::new(), dispatcher, show };
    spawn("coordinator", coordinator.run(inbox));
    CoordinatorHandle { mailbox, view }
}

struct Coordinator {
    state: ClusterState,
    log: Vec<Vec<u8>>,
    dispatcher: mpsc::Sender<Dispatch>,
    show: watch::Sender<Arc<View>>,
}

impl Coordinator {
    async fn run(mut self, mut inbox: mpsc::Receiver<CoordinatorMsg>) {
        while let Some(CoordinatorMsg::Propose(command)) = inbox.recv().await {
            self.commit(&command).await;
            for grant in schedule::grants(&self.state) {
                self.commit(&grant).await;
            }
            let jobs = self.state.jobs().map(JobView::of).collect();
            self.show.send_replace(Arc::new(View { jobs }));
        }
    }

    /// Appends one entry and applies it. What is applied is what the bytes say, so that a log read
    /// again makes the same state.
    async fn commit(&mut self, command: &Command) {
        let bytes = codec::encode(command, wall_ms());
        let entry = match codec::decode(&bytes) {
            Ok(entry) => entry,
            Err(error) => {
                tracing::error!(%error, "a command does not survive its own encoding");
                return;
            }
        };
        self.log.push(bytes);
        let index = self.log.len() as u64;
        tracing::debug!(index, command = ?entry.command, "committed");
        for effect in self.state.apply(index, entry.now_ms, &entry.command) {
            let Some(dispatch) = self.dispatch(effect) else {
                continue;
            };
            if self.dispatcher.send(dispatch).await.is_err() {
                tracing::debug!("the dispatcher has stopped");
            }
        }
    }

    fn dispatch(&self, effect: Effect) -> Option<Dispatch> {
        Some(match effect {
            Effect::Start { job, task, attempt, node } => {
                let spec = self.state.job(&job).map(|job| job.spec().clone());
                match (spec, self.state.inputs(&job, task)) {
                    (Some(spec), Some(inputs)) => Dispatch::Start {
                        node,
                        lease: Box::new(Lease { job, spec, task, attempt, inputs }),
                    },
                    _ => Dispatch::Impossible { node, job, task, attempt },
                }
            }
            Effect::Cancel { job, task, attempt, node } => {
                Dispatch::Cancel { node, job, task, attempt }
            }
            Effect::Release { job, tree_node, node } => Dispatch::Release { node, job, tree_node },
            Effect::End { job, outcome } => Dispatch::End { job, outcome },
            // Whoever opened the job clears away what it left.
            Effect::Abandon { .. } => return None,
        })
    }
}

impl JobView {
    fn of(job: &Job) -> Self {
        Self {
            id: job.id().clone(),
            phase: job.phase().clone(),
            counts: *job.counts(),
            listing: job.listing().copied(),
            components: job.fit().map(|fit| fit.components),
        }
    }
}
