//! A small world to try the mesh in: an authority, whoever it certifies, and nodes that answer.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use fruitnode_coordinator::ids::NodeId;
use fruitnode_env as env;
use fruitnode_proto::v1;

use crate::authority::{Authority, Validity};
use crate::credentials::{Credentials, NodeKey};
use crate::error::{MeshError, Refusal, RefusalKind};
use crate::handler::{Caller, Handler, Inbound, Outbound};
use crate::identity::Identity;
use crate::roster::RosterBook;
use crate::server::serve_with;
use crate::tls::{Patience, Tls};

/// The cluster of these tests.
pub(super) const CLUSTER: &str = "ab12cd34";

/// How long a test waits for what must happen before it fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// Life of a node's certificate.
pub(super) const NODE_LIFE: Duration = Duration::from_hours(30 * 24);

/// An hour, in milliseconds.
pub(super) const HOUR_MS: u64 = 3_600_000;

/// An authority and whoever it certifies.
pub(super) struct World {
    pub(super) authority: Authority,
}

/// A node that answers.
pub(super) struct Running {
    pub(super) address: String,
    pub(super) book: RosterBook,
    pub(super) tls: Tls,
    pub(super) stop: watch::Sender<bool>,
    pub(super) served: JoinHandle<Result<(), MeshError>>,
}

/// What a node of these tests saw and says.
pub(super) struct Told {
    node: u64,
    pub(super) callers: Mutex<Vec<Caller>>,
    pub(super) enrolled: Mutex<Vec<v1::EnrollRequest>>,
    pub(super) batches: Mutex<Vec<v1::RaftBatch>>,
    pub(super) installed: Mutex<Vec<u8>>,
    pub(super) leader: Mutex<Leader>,
    /// What ended the streams it was reading.
    pub(super) ended: mpsc::UnboundedSender<Result<(), MeshError>>,
    reply: Mutex<v1::EnrollReply>,
}

/// Who decides, as a node says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Leader {
    Me,
    Nobody,
    Another(NodeId, String),
}

impl World {
    pub(super) fn new() -> Self {
        Self::of(CLUSTER)
    }

    pub(super) fn of(cluster: &str) -> Self {
        Self { authority: Authority::create(cluster).unwrap() }
    }

    pub(super) fn node(&self, node: u64) -> Credentials {
        self.valid(&Identity::Node(NodeId(node)), -1, 1)
    }

    pub(super) fn person(&self, name: &str) -> Credentials {
        self.valid(&Identity::Person(name.to_owned()), -1, 1)
    }

    /// Credentials that are valid from and until so many hours from now.
    pub(super) fn valid(&self, identity: &Identity, from: i64, until: i64) -> Credentials {
        let at = |hours: i64| env::wall_ms().saturating_add_signed(hours * HOUR_MS as i64);
        let validity = Validity { not_before_ms: at(from), not_after_ms: at(until) };
        let key = NodeKey::generate().unwrap();
        let chain = self.authority.sign(identity, &key.request_der().unwrap(), validity).unwrap();
        key.with(chain).unwrap()
    }

    /// Credentials that are valid for so long from now.
    pub(super) fn valid_for(&self, identity: &Identity, life: Duration) -> Credentials {
        let validity = Validity::from_now(life);
        let key = NodeKey::generate().unwrap();
        let chain = self.authority.sign(identity, &key.request_der().unwrap(), validity).unwrap();
        key.with(chain).unwrap()
    }

    /// Starts node 1 with this roster.
    pub(super) async fn start(&self, told: Arc<Told>, roster: v1::Roster) -> Running {
        self.start_as(&self.node(told.node), told, roster, Patience::default()).await
    }

    pub(super) async fn start_as(
        &self,
        credentials: &Credentials,
        told: Arc<Told>,
        roster: v1::Roster,
        patience: Patience,
    ) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::start_on(listener, credentials, told, roster, patience)
    }

    pub(super) fn start_on(
        listener: TcpListener,
        credentials: &Credentials,
        told: Arc<Told>,
        roster: v1::Roster,
        patience: Patience,
    ) -> Running {
        let address = listener.local_addr().unwrap().to_string();
        let (tls, book) = (Tls::new(credentials).unwrap(), RosterBook::new(roster));
        let (stop, stopped) = watch::channel(false);
        let served = serve_with(patience, listener, tls.clone(), book.clone(), told, stopped);
        let served = Handle::current().spawn(served);
        Running { address, book, tls, stop, served }
    }
}

impl Told {
    pub(super) fn node(node: u64) -> (Arc<Self>, mpsc::UnboundedReceiver<Result<(), MeshError>>) {
        let (ended, endings) = mpsc::unbounded_channel();
        let told = Self {
            node,
            callers: Mutex::default(),
            enrolled: Mutex::default(),
            batches: Mutex::default(),
            installed: Mutex::default(),
            leader: Mutex::new(Leader::Me),
            ended,
            reply: Mutex::default(),
        };
        (Arc::new(told), endings)
    }

    pub(super) fn alone(node: u64) -> Arc<Self> {
        Self::node(node).0
    }

    pub(super) fn will_reply(&self, reply: v1::EnrollReply) {
        *self.reply.lock().unwrap() = reply;
    }

    pub(super) fn say(&self, leader: Leader) {
        *self.leader.lock().unwrap() = leader;
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.callers.lock().unwrap().iter().map(|caller| caller.address).collect()
    }

    pub(super) fn serials(&self) -> Vec<String> {
        self.callers.lock().unwrap().iter().map(|caller| caller.serial.clone()).collect()
    }

    fn seen(&self, caller: Caller) -> Result<(), Refusal> {
        self.callers.lock().unwrap().push(caller);
        match self.leader.lock().unwrap().clone() {
            Leader::Me => Ok(()),
            Leader::Nobody => Err(Refusal::not_leader(None)),
            Leader::Another(node, address) => Err(Refusal::not_leader(Some((node, address)))),
        }
    }
}

#[async_trait]
impl Handler for Told {
    async fn enroll(
        &self,
        caller: Caller,
        request: v1::EnrollRequest,
    ) -> Result<v1::EnrollReply, Refusal> {
        self.enrolled.lock().unwrap().push(request);
        self.seen(caller)?;
        Ok(self.reply.lock().unwrap().clone())
    }

    async fn exchange(
        &self,
        caller: Caller,
        mut inbound: Inbound<v1::RaftBatch>,
    ) -> Result<(), Refusal> {
        self.seen(caller)?;
        let ended = loop {
            match inbound.next().await {
                Ok(Some(batch)) => self.batches.lock().unwrap().push(batch),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        // A test that does not ask has let go of the other end.
        let _ = self.ended.send(ended);
        Ok(())
    }

    async fn install(
        &self,
        caller: Caller,
        mut inbound: Inbound<v1::Piece>,
    ) -> Result<(), Refusal> {
        self.seen(caller)?;
        while let Some(piece) = inbound.next().await.map_err(Refusal::failed)? {
            self.installed.lock().unwrap().extend(piece.bytes);
        }
        Ok(())
    }

    /// Answers each message with the roster of its number, for ever.
    async fn attend(
        &self,
        caller: Caller,
        mut inbound: Inbound<v1::FromMember>,
    ) -> Result<Outbound<v1::ToMember>, Refusal> {
        self.seen(caller)?;
        let (sender, outbound) = mpsc::channel(4);
        let ended = self.ended.clone();
        Handle::current().spawn(async move {
            let mut index = 0;
            let result = loop {
                match inbound.next().await {
                    Ok(Some(_)) => {
                        index += 1;
                        let roster = v1::Roster { index, ..v1::Roster::default() };
                        let message = v1::to_member::Message::Roster(roster);
                        let _ = sender.send(Ok(v1::ToMember { message: Some(message) })).await;
                    }
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            let _ = ended.send(result);
        });
        Ok(outbound)
    }

    async fn renew(&self, caller: Caller, _: v1::RenewRequest) -> Result<v1::RenewReply, Refusal> {
        self.seen(caller)?;
        Ok(v1::RenewReply::default())
    }

    /// As many pieces of 1 MiB as the job's name says.
    async fn moments(
        &self,
        caller: Caller,
        request: v1::MomentsRequest,
    ) -> Result<Outbound<v1::Piece>, Refusal> {
        self.seen(caller)?;
        let pieces: usize = request.job.parse().map_err(Refusal::failed)?;
        let (sender, outbound) = mpsc::channel(1);
        Handle::current().spawn(async move {
            for _ in 0..pieces {
                let piece = v1::Piece { bytes: vec![7; 1 << 20], ..v1::Piece::default() };
                if sender.send(Ok(piece)).await.is_err() {
                    return;
                }
            }
        });
        Ok(outbound)
    }

    /// Whoever it takes for the coordinator, for itself where that is allowed.
    async fn status(
        &self,
        caller: Caller,
        request: v1::StatusRequest,
    ) -> Result<v1::ClusterStatus, Refusal> {
        self.callers.lock().unwrap().push(caller);
        let (leader, at) = match self.leader.lock().unwrap().clone() {
            Leader::Another(node, address) => (node.0, address),
            Leader::Me => (self.node, String::new()),
            Leader::Nobody => (0, String::new()),
        };
        let node = |node, address| v1::NodeStatus { node, address, ..v1::NodeStatus::default() };
        Ok(v1::ClusterStatus {
            answered_by: self.node,
            leader,
            partial: request.partial_allowed && leader != self.node,
            nodes: vec![node(self.node, String::new()), node(leader, at)],
            ..v1::ClusterStatus::default()
        })
    }

    async fn list_jobs(&self, caller: Caller) -> Result<v1::JobList, Refusal> {
        self.seen(caller)?;
        let job = v1::JobStatus { job: format!("of n{}", self.node), ..v1::JobStatus::default() };
        Ok(v1::JobList { jobs: vec![job] })
    }

    async fn submit_job(
        &self,
        caller: Caller,
        request: v1::SubmitRequest,
    ) -> Result<v1::JobStatus, Refusal> {
        self.seen(caller)?;
        Ok(v1::JobStatus { job: request.job, ..v1::JobStatus::default() })
    }

    async fn cancel_job(&self, caller: Caller, request: v1::NameRequest) -> Result<(), Refusal> {
        self.seen(caller)?;
        let words = format!("there is no job {}", request.name);
        Err(Refusal::new(RefusalKind::NotFound, words))
    }

    /// Answers with the bytes of what is short, and of what is long with how long it is and
    /// whether more follows.
    async fn infer(
        &self,
        caller: Caller,
        mut inbound: Inbound<v1::InferRequest>,
    ) -> Result<Outbound<v1::InferReply>, Refusal> {
        self.seen(caller)?;
        let (sender, outbound) = mpsc::channel(1);
        Handle::current().spawn(async move {
            while let Ok(Some(request)) = inbound.next().await {
                let bytes = request.photograph;
                let row = match bytes.len() {
                    ..100 => bytes.into_iter().map(f32::from).collect(),
                    long => vec![long as f32, f32::from(u8::from(request.more))],
                };
                let reply = v1::InferReply { row, ..v1::InferReply::default() };
                if sender.send(Ok(reply)).await.is_err() {
                    return;
                }
            }
        });
        Ok(outbound)
    }

    async fn watch_job(
        &self,
        caller: Caller,
        request: v1::NameRequest,
    ) -> Result<Outbound<v1::JobStatus>, Refusal> {
        self.seen(caller)?;
        let (sender, outbound) = mpsc::channel(4);
        let job = v1::JobStatus { job: request.name, ..v1::JobStatus::default() };
        Handle::current().spawn(async move {
            let _ = sender.send(Ok(job)).await;
            // It never ends by itself.
            sender.closed().await;
        });
        Ok(outbound)
    }
}

/// A roster of these nodes, all reached at `address`, where the first decides.
pub(super) fn roster(index: u64, nodes: &[u64], address: &str) -> v1::Roster {
    let member = |node: &u64| {
        let (address, key) = (address.to_owned(), Vec::new());
        v1::roster::Member { node: *node, address, key }
    };
    v1::Roster {
        index,
        members: nodes.iter().map(member).collect(),
        voters: nodes.iter().copied().take(1).collect(),
        ..v1::Roster::default()
    }
}

/// Waits for what must happen, and fails if it does not.
pub(super) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("what must happen did not")
}
