//! A cluster of one member in this process: the same actors, log and data flow as any other, with
//! the log in memory and without a network.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use fruitnode_consensus as consensus;
use fruitnode_consensus::{Consensus, ConsensusOptions, Outbox, StartError};
use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::control::message::Hello;
use fruitnode_coordinator::ids::{Digest, JobId, NodeId};
use fruitnode_coordinator::job::{Counts, Job, ListingProgress};
use fruitnode_coordinator::phase::{Outcome, Phase};
use fruitnode_coordinator::spec::JobSpec;
use fruitnode_coordinator::state::ClusterState;
use fruitnode_coordinator::task::Listing;
use fruitnode_env::wall_ms;
use fruitnode_mesh::error::{MeshError, Refusal, RefusalKind};
use fruitnode_mesh::handler::Inbound;
use fruitnode_mesh::roster::RosterBook;
use fruitnode_pca as pca;
use fruitnode_proto::v1;
use fruitnode_proto::v1::from_member::Message;
use fruitnode_replica::{MemoryLog, Replica, Role, Status};

use crate::actors::attend::{self, AttendParts, Coordinators};
use crate::actors::leader::{self, LeaderHandle, LeaderParts};
use crate::actors::{patience, worker};
use crate::tasks::{COMPUTE_CLASS, JobContext, NodeContext};

/// Leases that the node takes at a time: one is computed while the next is fetched.
const SLOTS: u32 = 2;

/// The only member.
pub(crate) const NODE: NodeId = NodeId(1);

/// Its process: there is never another.
const INCARNATION: u64 = 1;

/// The name of its cluster, and of its log: nobody else ever reads either.
const ALONE: &str = "alone";

/// Index of the entry that founds it.
const FOUNDED_INDEX: u64 = 1;

/// Why the cluster does not start.
#[derive(Debug, Error)]
pub(crate) enum LocalError {
    /// The log.
    #[error(transparent)]
    Log(#[from] StartError),
    /// The only voter was not elected.
    #[error(
        "the coordinator stopped before it started; this is a bug in fruitnode, please report it"
    )]
    Stopped,
}

/// What a client sees of the jobs.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    jobs: Vec<JobView>,
}

/// What a client sees of one job.
#[derive(Debug, Clone)]
pub(crate) struct JobView {
    /// The job.
    pub id: JobId,
    /// How far it is.
    pub phase: Phase,
    /// Sums over accepted attempts.
    pub counts: Counts,
    /// How far the listing is of a source that was cut.
    pub ranges: Option<ListingProgress>,
    /// The accepted listing.
    pub listing: Option<Listing>,
    /// Components kept by the accepted fit.
    pub components: Option<u32>,
}

/// Handles to the cluster, which runs for as long as the reactor.
#[derive(Debug, Clone)]
pub(crate) struct LocalCluster {
    consensus: Consensus,
    view: watch::Receiver<Arc<View>>,
    node: Arc<NodeContext>,
}

impl LocalCluster {
    /// Starts the actors, and returns when the node is the coordinator.
    ///
    /// # Errors
    /// When the system gives no thread for the log.
    pub(crate) async fn start(node: NodeContext) -> Result<Self, LocalError> {
        let node = Arc::new(node);
        let mut options = ConsensusOptions::new(NODE, founded());
        let view = options.view(View::of);
        let (consensus, events) = consensus::start(options, Box::new(Nobody))?;
        let roster = v1::Roster { voters: vec![NODE.0], ..v1::Roster::default() };
        let book = RosterBook::new(roster);
        let leader = leader::start(
            LeaderParts {
                consensus: consensus.clone(),
                book: book.clone(),
                admission: None,
                // A log in memory does not fail.
                failed: watch::channel(None).0,
                terms: patience::terms(),
            },
            events,
        );
        // Before that the member would only be sent away, and look again a little later.
        let mut status = consensus.status();
        let leads = |status: &Status| status.role == Role::Leader && status.applied > FOUNDED_INDEX;
        let led = status.wait_for(leads);
        led.await.map_err(|_| LocalError::Stopped)?;
        let (leases, inbox) = mpsc::channel(worker::MAILBOX_MESSAGES_MAX);
        let (told, reports) = mpsc::channel(worker::MAILBOX_REPORTS_MAX);
        worker::start(Arc::clone(&node), told, inbox);
        attend::start(AttendParts {
            hello: hello(),
            coordinators: Arc::new(Here(leader)),
            book,
            worker: leases,
            reports,
            story: Arc::clone(&node.story),
            running: Arc::clone(&node.running),
            // It stays to the end.
            leave: watch::channel(false).1,
        });
        Ok(Self { consensus, view, node })
    }

    /// Submits a job whose context is open already.
    pub(crate) async fn submit(&self, job: Arc<JobContext>, spec: JobSpec) {
        let id = job.id.clone();
        self.node.prepare(job);
        self.propose(Command::SubmitJob { job: id, spec }).await;
    }

    /// Cancels a job.
    pub(crate) async fn cancel(&self, job: &JobId) {
        self.propose(Command::CancelJob { job: job.clone() }).await;
    }

    /// What a client sees, now and whenever it changes.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<View>> {
        self.view.clone()
    }

    /// Waits until a job is over. `None` when the coordinator stopped before.
    pub(crate) async fn wait(&self, job: &JobId) -> Option<(Outcome, JobView)> {
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

    async fn propose(&self, command: Command) {
        if let Err(error) = self.consensus.propose(command).await {
            // Whoever needs to know watches the view.
            tracing::error!(%error, "a command had no effect");
        }
    }
}

impl View {
    /// One job.
    pub(crate) fn job(&self, id: &JobId) -> Option<&JobView> {
        self.jobs.iter().find(|job| job.id == *id)
    }

    fn of(state: &ClusterState) -> Self {
        Self { jobs: state.jobs().map(JobView::of).collect() }
    }
}

impl JobView {
    fn of(job: &Job) -> Self {
        Self {
            id: job.id().clone(),
            phase: job.phase().clone(),
            counts: *job.counts(),
            ranges: job.listing_progress(),
            listing: job.listing().copied(),
            components: job.fit().map(|fit| fit.components),
        }
    }
}

/// The log of a cluster that was founded this moment.
fn founded() -> MemoryLog {
    let found = Command::FoundCluster {
        cluster: ALONE.to_owned(),
        name: ALONE.to_owned(),
        voters_wanted: 1,
        address: String::new(),
        storage: ALONE.to_owned(),
        key: Digest::default(),
        certificate_life_ms: 0,
    };
    let mut state = ClusterState::default();
    state.apply(FOUNDED_INDEX, wall_ms(), &found);
    let mut log = MemoryLog::new();
    Replica::found(&mut log, NODE, &state).expect("a log in memory fails only where it is told to");
    log
}

fn hello() -> Hello {
    Hello {
        incarnation: INCARNATION,
        starts: 0,
        slots: SLOTS,
        compute_class: COMPUTE_CLASS.to_owned(),
        fit_class: pca::fit_class(),
        address: String::new(),
        storage: ALONE.to_owned(),
        release: String::new(),
    }
}

/// Other voters, of which there are none.
struct Nobody;

impl Outbox for Nobody {
    fn send(&self, _: NodeId, _: Vec<Vec<u8>>) {}

    fn install(&self, _: NodeId, _: Vec<u8>) {}
}

/// The coordinator of this process.
#[derive(Debug)]
struct Here(LeaderHandle);

#[async_trait]
impl Coordinators for Here {
    async fn attend(
        &self,
        node: NodeId,
        mut outbound: mpsc::Receiver<v1::FromMember>,
    ) -> Result<Inbound<v1::ToMember>, MeshError> {
        let first = outbound.recv().await.and_then(|first| first.message);
        let Some(Message::Hello(hello)) = first else {
            let words = "a member's first word is its hello";
            return Err(Refusal::new(RefusalKind::Invalid, words).into());
        };
        let said = Inbound::from_stream(ReceiverStream::new(outbound).map(Ok));
        let told = self.0.attend(node, hello, said).await?;
        Ok(Inbound::from_stream(ReceiverStream::new(told).map(|told| told.map_err(Into::into))))
    }
}
