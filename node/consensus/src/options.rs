//! What the thread is started with.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;

use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::state::ClusterState;
use fruitnode_replica::ReplicaConfig;

/// Time of one tick. Heartbeats leave every second tick, elections begin after twenty.
const TICK: Duration = Duration::from_millis(100);

/// Where messages to other voters go. Neither method waits: what cannot be sent is dropped, and
/// raft sends again.
pub trait Outbox: Send {
    /// Sends messages, in this order if possible.
    fn send(&self, to: NodeId, messages: Vec<Vec<u8>>);

    /// Sends one message that holds a snapshot, out of band and in [`super::pieces`]. Whoever
    /// carried it says [`super::Consensus::snapshot_sent`], whether it arrived or not.
    fn install(&self, to: NodeId, message: Vec<u8>);
}

/// A closure that looks at the state after each batch of applied entries.
pub(super) type Look = Box<dyn FnMut(&ClusterState) + Send>;

/// What the thread is started with.
pub struct ConsensusOptions<S> {
    /// Who this is, and when the log is compacted.
    pub replica: ReplicaConfig,
    /// The log.
    pub store: S,
    /// Time of one tick: 100 ms, but in tests.
    pub tick: Duration,
    pub(super) looks: Vec<Look>,
}

impl<S> ConsensusOptions<S> {
    /// The figures of production.
    pub fn new(id: NodeId, store: S) -> Self {
        let replica = ReplicaConfig {
            id,
            compact_entries: 4_096,
            compact_bytes: 16 << 20,
            keep_entries: 1_024,
        };
        Self { replica, store, tick: TICK, looks: Vec::new() }
    }

    /// Shows what `map` makes of the state, anew after each batch of applied entries. `map` runs on
    /// the thread: it should be cheap.
    pub fn view<T, F>(&mut self, mut map: F) -> watch::Receiver<Arc<T>>
    where
        T: Send + Sync + 'static,
        F: FnMut(&ClusterState) -> T + Send + 'static,
    {
        let (sender, receiver) = watch::channel(Arc::new(map(&ClusterState::default())));
        self.looks.push(Box::new(move |state| {
            sender.send_replace(Arc::new(map(state)));
        }));
        receiver
    }
}

/// Why the thread does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The log cannot be read, or holds what no replica wrote.
    #[error("cannot start consensus: {0}")]
    Open(String),
    /// The system gives no thread.
    #[error("cannot start the consensus thread: {0}; raise the thread limit")]
    Thread(#[from] std::io::Error),
}
