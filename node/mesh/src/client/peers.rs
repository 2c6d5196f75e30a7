//! Calls of a node at other nodes, by their ids: where they are, the roster says.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Streaming};

use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::members::Process;
use fruitnode_proto::v1;

use crate::client::link::Link;
use crate::error::{MeshError, Refusal, RefusalKind};
use crate::generated::consensus_client::ConsensusClient;
use crate::generated::reduction_client::ReductionClient;
use crate::generated::work_client::WorkClient;
use crate::handler::Inbound;
use crate::identity::{self, Certified};
use crate::inbound::{self, Ending};
use crate::roster::{Roster, RosterBook};
use crate::tls::{Dial, Tls};
use crate::{MESSAGE_BYTES_MAX, PIECE_BYTES_MAX};

/// Batches for one voter that wait to be sent.
const BATCHES_MAX: usize = 64;

/// How long a call with one answer may take.
const CALL_LIMIT: Duration = Duration::from_secs(15);

/// How long it may take to hand over a snapshot.
const INSTALL_LIMIT: Duration = Duration::from_secs(120);

/// A generated client with the mesh's limits.
macro_rules! client {
    ($client:ident, $link:expr) => {
        $client::new($link.channel())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    };
}

/// The other nodes, as this one calls them. Connections are made when they are needed, and let go
/// of when the roster says so. Clones share them.
#[derive(Clone)]
pub struct Peers {
    tls: Tls,
    book: RosterBook,
    links: Arc<Mutex<BTreeMap<(NodeId, Lane), Kept>>>,
}

/// What a connection is for. A stream that nobody reads can stop its whole connection: so the
/// bulk of the data goes by another one than what the cluster lives on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    Consensus,
    Work,
    Bulk,
}

/// A connection, and what it was made with.
#[derive(Clone)]
struct Kept {
    link: Link,
    address: String,
    generation: u64,
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Peers")
    }
}

impl Peers {
    /// The nodes of this book.
    pub fn new(tls: Tls, book: RosterBook) -> Self {
        Self { tls, book, links: Arc::default() }
    }

    /// What the certificate says that is shown to them.
    pub fn certified(&self) -> Certified {
        self.tls.certified()
    }

    /// A stream of raft's messages to a voter. Sending never waits (`try_send`); once the stream
    /// is broken the sender is closed, and the next one is to be asked for.
    pub fn exchange(&self, node: NodeId) -> Result<mpsc::Sender<v1::RaftBatch>, MeshError> {
        let link = self.link(node, Lane::Consensus)?;
        let (sender, batches) = mpsc::channel(BATCHES_MAX);
        let mut ending = self.ending(node);
        let exchange = async move {
            let mut consensus = client!(ConsensusClient, link);
            tokio::select! {
                refusal = &mut ending => Err(refusal.into()),
                ended = consensus.exchange(ReceiverStream::new(batches)) => {
                    ended.map_err(|status| link.error(&status))
                }
            }
        };
        // Lives for as long as the sender, or the connection.
        Handle::current().spawn(async move {
            if let Err(error) = exchange.await {
                tracing::debug!(%node, %error, "lost the connection to a voter");
            }
        });
        Ok(sender)
    }

    /// Hands a voter a message of raft that carries a snapshot, from this process.
    pub async fn install(
        &self,
        node: NodeId,
        process: Process,
        message: Vec<u8>,
    ) -> Result<(), MeshError> {
        let link = self.link(node, Lane::Consensus)?;
        let Process { starts, incarnation } = process;
        let piece = |bytes: &[u8]| v1::Piece { bytes: bytes.to_vec(), starts, incarnation };
        let pieces: Vec<v1::Piece> = message.chunks(PIECE_BYTES_MAX).map(piece).collect();
        let mut consensus = client!(ConsensusClient, link);
        let call = consensus.install(tokio_stream::iter(pieces));
        within("sending a snapshot", INSTALL_LIMIT, &link, call).await.map(|_| ())
    }

    /// Makes a member a voter-to-be.
    pub async fn admit(&self, node: NodeId, request: v1::AdmitRequest) -> Result<(), MeshError> {
        let link = self.link(node, Lane::Consensus)?;
        let mut consensus = client!(ConsensusClient, link);
        within("admitting a voter", CALL_LIMIT, &link, consensus.admit(request)).await.map(|_| ())
    }

    /// Attends at a node, which refuses with [`MeshError::NotLeader`] unless it is the
    /// coordinator.
    pub async fn attend(
        &self,
        node: NodeId,
        outbound: mpsc::Receiver<v1::FromMember>,
    ) -> Result<Inbound<v1::ToMember>, MeshError> {
        let link = self.link(node, Lane::Work)?;
        let mut work = client!(WorkClient, link);
        let call = work.attend(ReceiverStream::new(outbound));
        let answer = within("attending", CALL_LIMIT, &link, call).await?;
        Ok(self.inbound(node, &link, answer))
    }

    /// Has the certificate of this node signed anew.
    pub async fn renew(
        &self,
        node: NodeId,
        request: v1::RenewRequest,
    ) -> Result<v1::RenewReply, MeshError> {
        let link = self.link(node, Lane::Work)?;
        let mut work = client!(WorkClient, link);
        let call = work.renew(request);
        within("renewing the certificate", CALL_LIMIT, &link, call).await.map(Response::into_inner)
    }

    /// Moments that a node holds, of `limit` bytes at most.
    pub async fn moments(
        &self,
        node: NodeId,
        request: v1::MomentsRequest,
        limit: usize,
    ) -> Result<Vec<u8>, MeshError> {
        let link = self.link(node, Lane::Bulk)?;
        let mut reduction = client!(ReductionClient, link);
        let call = reduction.moments(request);
        let answer = within("fetching moments", CALL_LIMIT, &link, call).await?;
        let mut pieces = self.inbound(node, &link, answer);
        let mut moments = Vec::new();
        while let Some(piece) = pieces.next().await? {
            if moments.len() + piece.bytes.len() > limit {
                let words = format!("{node} sent moments of more than {limit} bytes");
                return Err(MeshError::Exhausted(words));
            }
            moments.extend_from_slice(&piece.bytes);
        }
        Ok(moments)
    }

    /// Rows of a job as a node makes them.
    pub async fn rows(
        &self,
        node: NodeId,
        request: v1::RowsRequest,
    ) -> Result<Inbound<v1::RowBatch>, MeshError> {
        let link = self.link(node, Lane::Bulk)?;
        let mut reduction = client!(ReductionClient, link);
        let call = reduction.rows(request);
        let answer = within("fetching rows", CALL_LIMIT, &link, call).await?;
        Ok(self.inbound(node, &link, answer))
    }

    /// A connection to a node, made with the certificate in use and to its address of now.
    fn link(&self, node: NodeId, lane: Lane) -> Result<Link, MeshError> {
        let roster = self.book.now();
        standing(node, &roster)?;
        let generation = self.tls.generation();
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|(node, _), kept| {
            kept.generation == generation && roster.addresses.get(node) == Some(&kept.address)
        });
        if let Some(kept) = links.get(&(node, lane)) {
            return Ok(kept.link.clone());
        }
        let address = roster.addresses.get(&node).cloned().ok_or_else(|| {
            MeshError::NotFound(format!(
                "the address of {node} is not known: it has left, or has only just joined"
            ))
        })?;
        let name = identity::node_name(node, &self.tls.cluster());
        let dial = Dial::to(&self.tls, &name, &address)?;
        let link = Link::lazy(dial.of_key(roster.keys.get(&node).copied()));
        links.insert((node, lane), Kept { link: link.clone(), address, generation });
        Ok(link)
    }

    fn inbound<T>(&self, node: NodeId, link: &Link, answer: Response<Streaming<T>>) -> Inbound<T> {
        Inbound::from_wire(answer.into_inner(), self.ending(node), link.explain())
    }

    fn ending(&self, node: NodeId) -> Ending {
        let (_, never) = watch::channel(false);
        inbound::ending(move |roster| standing(node, roster), &self.book, never)
    }
}

/// Whether a node may be called at all. That it may not says nothing about who calls.
fn standing(node: NodeId, roster: &Roster) -> Result<(), Refusal> {
    if roster.removed.contains(&node) {
        let words = format!("{node} was removed from the cluster: ask another one");
        return Err(Refusal::new(RefusalKind::Unavailable, words));
    }
    Ok(())
}

async fn within<T>(
    what: &str,
    limit: Duration,
    link: &Link,
    call: impl Future<Output = Result<T, tonic::Status>>,
) -> Result<T, MeshError> {
    match timeout(limit, call).await {
        Ok(answer) => answer.map_err(|status| link.error(&status)),
        Err(_) => Err(MeshError::TimedOut { what: what.to_owned(), seconds: limit.as_secs() }),
    }
}
