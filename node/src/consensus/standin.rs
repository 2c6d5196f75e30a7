//! Stand-in for `fruitnode_coordinator::replica` until it is merged: a sole voter without raft.

#![allow(dead_code, missing_docs, unreachable_pub)]

use std::collections::{BTreeMap, VecDeque};

use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::effect::Effect;
use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::state::ClusterState;
use thiserror::Error;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    pub index: u64,
    pub term: u64,
    pub bytes: Vec<u8>,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vote {
    pub term: u64,
    pub vote: u64,
    pub commit: u64,
}
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    pub index: u64,
    pub term: u64,
    pub conf: Vec<u8>,
    pub state: Vec<u8>,
}
#[cfg(test)]
pub use super::standin_memory::MemoryLog;
pub trait LogStore {
    type Error: std::error::Error + Send + Sync + 'static;
    fn vote(&self) -> Result<Vote, Self::Error>;
    fn snapshot(&self) -> Result<Option<Snapshot>, Self::Error>;
    fn last(&self) -> Result<u64, Self::Error>;
    fn first(&self) -> Result<u64, Self::Error>;
    fn entries(&self, from: u64, to: u64, bytes_max: u64) -> Result<Vec<LogEntry>, Self::Error>;
    fn term(&self, index: u64) -> Result<Option<u64>, Self::Error>;
    fn append(&mut self, entries: &[LogEntry], vote: Option<Vote>) -> Result<(), Self::Error>;
    fn install(&mut self, snapshot: &Snapshot, vote: Option<Vote>) -> Result<(), Self::Error>;
    fn compact(&mut self, snapshot: &Snapshot, remove_to: u64) -> Result<(), Self::Error>;
}
#[derive(Debug, Clone)]
pub struct ReplicaConfig {
    pub id: NodeId,
    pub compact_entries: u64,
    pub compact_bytes: u64,
    pub keep_entries: u64,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Leader,
    Follower,
    Candidate,
    Learner,
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub id: NodeId,
    pub role: Role,
    pub leader: Option<NodeId>,
    pub term: u64,
    pub committed: u64,
    pub applied: u64,
    pub voters: Vec<NodeId>,
    pub learners: Vec<NodeId>,
    pub matched: BTreeMap<NodeId, u64>,
    pub recent_active: Vec<NodeId>,
}
#[derive(Debug, Clone, Copy)]
pub struct Proposed {
    pub term: u64,
    pub index: u64,
}
#[derive(Debug, Error)]
pub enum ProposeError {
    #[error("not leader")]
    NotLeader { leader: Option<NodeId> },
    #[error("busy")]
    Busy,
}
#[derive(Debug, Error)]
#[error("step")]
pub struct StepError;
#[derive(Debug, Error)]
#[error("replica")]
pub struct ReplicaError<E>(pub E);
#[derive(Debug, Error)]
#[error("fatal")]
pub struct Fatal<E>(pub E);
#[derive(Debug, Clone, Default)]
pub struct VoterChange {
    pub add_learners: Vec<NodeId>,
    pub promote: Vec<NodeId>,
    pub demote_or_remove: Vec<NodeId>,
}
pub enum Step {
    Send(Vec<Outgoing>),
    Persisted,
    Installed { index: u64 },
    Applied(Vec<Applied>),
    Compacted,
    Advanced,
}
pub struct Outgoing {
    pub to: NodeId,
    pub bytes: Vec<u8>,
    pub snapshot: bool,
}
pub struct Applied {
    pub index: u64,
    pub term: u64,
    pub command: Option<Command>,
    pub effects: Vec<Effect>,
}
pub struct Replica<S> {
    status: Status,
    state: ClusterState,
    waiting: VecDeque<Command>,
    _store: S,
}
impl<S: LogStore> Replica<S> {
    pub fn found(store: &mut S, _id: NodeId, _state: &ClusterState) -> Result<(), S::Error> {
        store.install(&Snapshot { index: 1, term: 1, ..Snapshot::default() }, None)
    }
    pub fn open(config: ReplicaConfig, store: S) -> Result<Self, ReplicaError<S::Error>> {
        Ok(Self {
            status: Status {
                id: config.id,
                role: Role::Leader,
                leader: Some(config.id),
                term: 2,
                committed: 1,
                applied: 1,
                voters: vec![config.id],
                learners: Vec::new(),
                matched: BTreeMap::new(),
                recent_active: Vec::new(),
            },
            state: ClusterState::default(),
            waiting: VecDeque::new(),
            _store: store,
        })
    }
    pub fn tick(&mut self) {}
    pub fn step(&mut self, _from: NodeId, _message: &[u8]) -> Result<(), StepError> {
        Ok(())
    }
    pub fn propose(&mut self, command: &Command, _now_ms: u64) -> Result<Proposed, ProposeError> {
        self.waiting.push_back(command.clone());
        let index = self.status.applied + self.waiting.len() as u64;
        Ok(Proposed { term: self.status.term, index })
    }
    pub fn change_voters(&mut self, _change: &VoterChange) -> Result<Proposed, ProposeError> {
        Err(ProposeError::Busy)
    }
    pub fn transfer(&mut self, _to: NodeId) {}
    pub fn campaign(&mut self) {}
    pub fn unreachable(&mut self, _node: NodeId) {}
    pub fn snapshot_sent(&mut self, _node: NodeId, _arrived: bool) {}
    pub fn next(&mut self) -> Result<Option<Step>, Fatal<S::Error>> {
        let mut applied = Vec::new();
        while let Some(command) = self.waiting.pop_front() {
            self.status.applied += 1;
            let index = self.status.applied;
            let effects = self.state.apply(index, &command);
            let term = self.status.term;
            applied.push(Applied { index, term, command: Some(command), effects });
        }
        Ok((!applied.is_empty()).then_some(Step::Applied(applied)))
    }
    pub fn status(&self) -> Status {
        self.status.clone()
    }
    pub fn state(&self) -> &ClusterState {
        &self.state
    }
}
