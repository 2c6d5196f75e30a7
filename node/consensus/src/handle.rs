//! What everybody else holds of the thread.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::Sender;
use thiserror::Error;
use tokio::sync::{oneshot, watch};

use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::members::Process;
use fruitnode_coordinator::state::ClusterState;
use fruitnode_coordinator::voters::VoterChange;
use fruitnode_replica::Status;

/// Commands that may wait in the mailbox. More are refused as busy.
pub(super) const COMMANDS_MAX: usize = 16_384;

/// Bytes of messages that may wait in the mailbox: 64 MiB. What comes then is dropped. A message
/// that is larger is taken while there is less.
pub(super) const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// What a message costs besides its bytes.
const MESSAGE_COST_BYTES: usize = 64;

/// Why a command was not applied, or is not known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProposeError {
    /// Another node leads.
    #[error("{}", not_leader(*.leader))]
    NotLeader {
        /// Which, if that is known.
        leader: Option<NodeId>,
    },
    /// Too much waits already. Some commands of a batch may have been taken.
    #[error("the log is overloaded: wait a little, then try again")]
    Busy,
    /// Another entry took its place, or this node cannot learn what became of it. Commands are
    /// idempotent: try again.
    #[error("the coordinator changed before the command was applied: try again")]
    Lost,
    /// It makes no sense, whoever is asked.
    #[error("the log rejects this: {0}")]
    Refused(&'static str),
    /// Consensus has stopped on this node.
    #[error("consensus has stopped on this node: ask another")]
    Stopped,
}

fn not_leader(leader: Option<NodeId>) -> String {
    match leader {
        Some(leader) => format!("this node is not the coordinator: ask {leader}"),
        None => {
            "there is no coordinator at the moment: wait for an election, then try again".to_owned()
        }
    }
}

/// The thread has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("consensus has stopped on this node: ask another")]
pub struct Stopped;

/// A look at the state, and at where the replica stands with it.
pub(super) type Turn = Box<dyn FnOnce(&ClusterState, &Status) + Send>;

/// One wish to the thread.
pub(super) enum Request {
    Messages { from: NodeId, process: Process, messages: Vec<Vec<u8>>, cost: usize },
    Propose { commands: Vec<Command>, reply: Reply },
    Change { change: VoterChange, reply: Reply },
    Read(Box<dyn FnOnce(&ClusterState) + Send>),
    Turn(Turn),
    Confirm(Reply),
    Silences(oneshot::Sender<BTreeMap<NodeId, Duration>>),
    Transfer(NodeId),
    Unreachable(NodeId),
    SnapshotSent { node: NodeId, arrived: bool },
    Stop(oneshot::Sender<()>),
}

/// Takes the index at which an entry was applied, or why it was not.
pub(super) type Reply = oneshot::Sender<Result<u64, ProposeError>>;

/// What waits in the mailbox, counted: the channel itself has no limit.
#[derive(Debug, Default)]
pub(super) struct Room {
    message_bytes: AtomicUsize,
    commands: AtomicUsize,
}

impl Room {
    /// Counts what was taken out of the mailbox.
    pub(super) fn taken(&self, request: &Request) {
        match request {
            Request::Messages { cost, .. } => {
                self.message_bytes.fetch_sub(*cost, Ordering::Relaxed);
            }
            Request::Propose { commands, .. } => {
                self.commands.fetch_sub(commands.len(), Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

/// A handle of the thread. When the last one is dropped, the thread ends.
#[derive(Clone)]
pub struct Consensus {
    pub(super) mailbox: Sender<Request>,
    pub(super) room: Arc<Room>,
    pub(super) status: watch::Receiver<Status>,
}

impl fmt::Debug for Consensus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consensus({})", self.status.borrow().id)
    }
}

impl Consensus {
    /// Proposes a command and waits until it is applied here; its index.
    pub async fn propose(&self, command: Command) -> Result<u64, ProposeError> {
        self.propose_all(vec![command]).await
    }

    /// Proposes commands that become durable together, and waits until all of them are applied
    /// here; the index of the last one.
    pub async fn propose_all(&self, commands: Vec<Command>) -> Result<u64, ProposeError> {
        let count = commands.len();
        if self.room.commands.fetch_add(count, Ordering::Relaxed) >= COMMANDS_MAX {
            self.room.commands.fetch_sub(count, Ordering::Relaxed);
            return Err(ProposeError::Busy);
        }
        self.ask(|reply| Request::Propose { commands, reply }).await
    }

    /// Changes who votes and who learns, and waits until that is committed; its index.
    pub async fn change_voters(&self, change: VoterChange) -> Result<u64, ProposeError> {
        self.ask(|reply| Request::Change { change, reply }).await
    }

    /// Runs a closure on the state as it is applied here, which may be older than the leader's.
    pub async fn read<T, F>(&self, look: F) -> Result<T, Stopped>
    where
        T: Send + 'static,
        F: FnOnce(&ClusterState) -> T + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        // Whoever asked may have gone.
        self.tell(Request::Read(Box::new(move |state| drop(reply.send(look(state))))));
        answer.await.map_err(|_| Stopped)
    }

    /// Runs a closure on the state as it is applied here, and on where the replica stands with it.
    pub async fn turn<T, F>(&self, look: F) -> Result<T, Stopped>
    where
        T: Send + 'static,
        F: FnOnce(&ClusterState, &Status) -> T + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        // Whoever asked may have gone.
        self.tell(Request::Turn(Box::new(move |state, at| drop(reply.send(look(state, at))))));
        answer.await.map_err(|_| Stopped)
    }

    /// Makes sure that this node leads, and that what it shows next is not older than this call: a
    /// majority was asked. A leader that was cut off learns here that it is none any more.
    pub async fn confirm(&self) -> Result<u64, ProposeError> {
        self.ask(Request::Confirm).await
    }

    /// How long the others have said nothing that this node should have heard: of all of them, if
    /// it leads or nobody does, else of its leader.
    pub async fn silences(&self) -> Result<BTreeMap<NodeId, Duration>, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.tell(Request::Silences(reply));
        answer.await.map_err(|_| Stopped)
    }

    /// Where this replica stands. Changes only when something changed.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Messages of a process of another voter, whose identity the caller has checked. Dropped when
    /// too much waits, for raft sends again, and when another process is that voter.
    pub fn deliver(&self, from: NodeId, process: Process, messages: Vec<Vec<u8>>) {
        let bytes = messages.iter().map(|message| message.len() + MESSAGE_COST_BYTES);
        let cost = bytes.sum();
        if self.room.message_bytes.fetch_add(cost, Ordering::Relaxed) >= MESSAGE_BYTES_MAX {
            self.room.message_bytes.fetch_sub(cost, Ordering::Relaxed);
            tracing::warn!(%from, "too many messages are waiting: dropping some");
            return;
        }
        self.tell(Request::Messages { from, process, messages, cost });
    }

    /// Hands leadership to another voter, if this node leads.
    pub fn transfer(&self, to: NodeId) {
        self.tell(Request::Transfer(to));
    }

    /// A voter could not be reached: nothing is sent ahead of its answers until it is heard again.
    pub fn unreachable(&self, node: NodeId) {
        self.tell(Request::Unreachable(node));
    }

    /// What became of a message that [`super::Outbox::install`] took. Said in any case: until then
    /// nothing else is sent to that node.
    pub fn snapshot_sent(&self, node: NodeId, arrived: bool) {
        self.tell(Request::SnapshotSent { node, arrived });
    }

    /// Hands leadership on if this node has it, for at most twenty ticks, and ends the thread. The
    /// log's file is closed afterwards.
    pub async fn stop(&self) {
        let (reply, done) = oneshot::channel();
        self.tell(Request::Stop(reply));
        // An error means that it has ended already.
        let _ = done.await;
    }

    async fn ask(&self, request: impl FnOnce(Reply) -> Request) -> Result<u64, ProposeError> {
        let (reply, answer) = oneshot::channel();
        self.tell(request(reply));
        answer.await.unwrap_or(Err(ProposeError::Stopped))
    }

    /// A thread that has ended drops what it is told, with the replies that somebody waits for.
    fn tell(&self, request: Request) {
        if let Err(unheard) = self.mailbox.send(request) {
            self.room.taken(&unheard.0);
        }
    }
}
