//! The way of raft's messages to other voters: one stream each, opened when there is something to
//! say. Nothing waits: what cannot be sent is dropped, and raft says it again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use fruitnode_consensus::{Consensus, Outbox};
use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::members::Process;
use fruitnode_mesh::client::Peers;
use fruitnode_proto::v1;

/// Consensus, once it runs: told what became of messages.
#[derive(Debug, Clone, Default)]
pub(super) struct ConsensusSlot(Arc<OnceLock<Consensus>>);

impl ConsensusSlot {
    pub(super) fn set(&self, consensus: Consensus) {
        // It is set once, by whoever started it.
        let _ = self.0.set(consensus);
    }

    fn unreachable(&self, node: NodeId) {
        if let Some(consensus) = self.0.get() {
            consensus.unreachable(node);
        }
    }

    fn snapshot_sent(&self, node: NodeId, arrived: bool) {
        if let Some(consensus) = self.0.get() {
            consensus.snapshot_sent(node, arrived);
        }
    }
}

/// Sends over the mesh.
pub(super) struct MeshOutbox {
    /// The process that speaks.
    process: Process,
    peers: Peers,
    reactor: Handle,
    streams: Mutex<BTreeMap<NodeId, mpsc::Sender<v1::RaftBatch>>>,
    consensus: ConsensusSlot,
}

impl MeshOutbox {
    pub(super) fn new(process: Process, peers: Peers) -> Self {
        let (reactor, consensus) = (Handle::current(), ConsensusSlot::default());
        Self { process, peers, reactor, streams: Mutex::default(), consensus }
    }

    /// Where consensus is to be put when it has started.
    pub(super) fn handle(&self) -> ConsensusSlot {
        self.consensus.clone()
    }

    fn stream(&self, to: NodeId) -> Option<mpsc::Sender<v1::RaftBatch>> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = streams.get(&to).filter(|open| !open.is_closed()) {
            return Some(open.clone());
        }
        // Consensus has a thread of its own, outside the reactor.
        let _reactor = self.reactor.enter();
        let out = self.peers.exchange(to).ok()?;
        streams.insert(to, out.clone());
        Some(out)
    }
}

impl fmt::Debug for MeshOutbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MeshOutbox")
    }
}

impl Outbox for MeshOutbox {
    fn send(&self, to: NodeId, messages: Vec<Vec<u8>>) {
        let Process { starts, incarnation } = self.process;
        let batch = v1::RaftBatch { messages, starts, incarnation };
        let sent = self.stream(to).map(|out| out.try_send(batch));
        if !matches!(sent, Some(Ok(()))) {
            self.consensus.unreachable(to);
        }
    }

    fn install(&self, to: NodeId, message: Vec<u8>) {
        let (peers, consensus) = (self.peers.clone(), self.consensus.clone());
        let process = self.process;
        self.reactor.spawn(async move {
            let arrived = match peers.install(to, process, message).await {
                Ok(()) => true,
                Err(error) => {
                    tracing::info!(%to, %error, "cannot send a snapshot");
                    false
                }
            };
            consensus.snapshot_sent(to, arrived);
        });
    }
}
