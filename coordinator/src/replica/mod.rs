//! The replicated log: raft behind plain types.
//!
//! A [`Replica`] is one voter (or learner) without threads, clock, network or disk. Ticks and
//! messages of others go in; [`Replica::next`] then hands out, one at a time, the steps that a
//! voter takes: what is to be sent, what was stored, what was applied. Whoever drives it calls
//! `next` until nothing is left, and only then turns to the next message. A simulator may stop
//! between any two steps, which is where processes die.
//!
//! The steps of one round, in raft's words of one `Ready`: messages of a leader; a snapshot of
//! another; entries and vote in one transaction; messages that promise what was just stored;
//! committed entries; the commit index that follows; its entries.
//!
//! Architecture invariant: types of raft and protobuf do not leave this module. Raft panics on
//! what it believes impossible, so everything from outside goes through `guard`, and raft reads
//! from memory alone (`tail`).
//!
//! What raft 0.7.0 lacks, and what is done instead:
//! - a rejection that was overtaken moves a follower's next entry back before what it is known to
//!   have (tikv/raft-rs#555, mended by #557 after 0.7.0): `guard` drops or corrects it;
//! - a campaign looks through all entries that are committed and not applied at once (#530): here
//!   these are applied before the next tick, and pages bound what is left;
//! - a leader that applies its own removal goes on leading, and panics at its next commit: it
//!   tells the others what is committed and steps down; [`Replica::change_voters`] refuses that
//!   change, so that it takes a change of leader in between to get there;
//! - election time-outs are drawn at random: here each is set, before every tick, from the place
//!   of the node among the voters;
//! - a snapshot that was taken before its receiver was added is thrown away by it (#472): a newer
//!   one is taken first;
//! - `campaign` does not ask whether the node votes, and a lone voter that has something unstored
//!   may not campaign: both are asked here.

mod conf;
mod entry;
mod guard;
mod memory;
mod open;
mod ready;
mod store;
mod tail;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use raft::eraftpb::{ConfState, Message};
use raft::{RawNode, SnapshotStatus, StateRole};
use thiserror::Error;

use crate::codec::CodecError;
use crate::command::Command;
use crate::effect::Effect;
use crate::ids::NodeId;
use crate::state::ClusterState;
use crate::voters::VoterChange;
pub use guard::{MESSAGE_BYTES_MAX, SNAPSHOT_BYTES_MAX, StepError};
pub use memory::{MemoryLog, MemoryLogError};
use ready::Hand;
pub use store::{LogEntry, LogStore, Snapshot, Vote};
use tail::Tail;

/// Ticks between two heartbeats of a leader. A tick is 100 ms.
pub const HEARTBEAT_TICKS: usize = 2;
/// Ticks without a leader until the first voter campaigns; each further one waits a tick longer.
pub const ELECTION_TICKS: usize = 20;
/// Bytes of one command.
pub const COMMAND_BYTES_MAX: usize = 1024 * 1024;

/// Who the replica is, and how much log it keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaConfig {
    /// The node.
    pub id: NodeId,
    /// Entries after which the state is kept as a snapshot.
    pub compact_entries: u64,
    /// Bytes of entries after which it is, too.
    pub compact_bytes: u64,
    /// Entries kept behind a snapshot, for followers that are not far behind.
    pub keep_entries: u64,
}

impl ReplicaConfig {
    /// The figures for a node of a cluster.
    pub fn new(id: NodeId) -> Self {
        Self { id, compact_entries: 4_096, compact_bytes: 16 * 1024 * 1024, keep_entries: 1_024 }
    }
}

/// One thing that a voter has done or wants done.
#[derive(Debug)]
pub enum Step {
    /// To be sent. Order and arrival do not matter for safety.
    Send(Vec<Outgoing>),
    /// Entries or vote were stored.
    Persisted,
    /// The snapshot of another was stored and is the state now.
    Installed {
        /// Last entry that it includes.
        index: u64,
    },
    /// Entries were applied.
    Applied(Vec<Applied>),
    /// The state was kept as a snapshot, and old entries were removed.
    Compacted,
    /// A round is complete.
    Advanced,
}

/// A message to another voter or learner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// To whom.
    pub to: NodeId,
    /// In raft's form.
    pub bytes: Vec<u8>,
    /// It carries a snapshot, and may be large. Say what became of it: [`Replica::snapshot_sent`].
    pub snapshot: bool,
}

/// An entry that was applied.
#[derive(Debug)]
pub struct Applied {
    /// Its place in the log.
    pub index: u64,
    /// The term of the leader that put it there.
    pub term: u64,
    /// `None` for what raft needs itself.
    pub command: Option<Command>,
    /// What follows in the world. They are the leader's to carry out.
    pub effects: Vec<Effect>,
}

/// Where a proposal will stand, unless another leader's takes that place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proposed {
    /// Term of the leader that proposed it. An entry of another term at this index is another.
    pub term: u64,
    /// Its place.
    pub index: u64,
}

/// What a replica does in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It leads.
    Leader,
    /// It votes and follows.
    Follower,
    /// It wants to lead.
    Candidate,
    /// It has the log, without a vote.
    Learner,
}

/// Where a replica stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The node.
    pub id: NodeId,
    /// What it does.
    pub role: Role,
    /// Whom it follows; itself, if it leads.
    pub leader: Option<NodeId>,
    /// Newest term that it knows of.
    pub term: u64,
    /// Entries up to this one are committed.
    pub committed: u64,
    /// Entries up to this one are in the state.
    pub applied: u64,
    /// Who votes; of both halves while voters change.
    pub voters: Vec<NodeId>,
    /// Who has the log without a vote.
    pub learners: Vec<NodeId>,
    /// Whether voters are being changed.
    pub changing: bool,
    /// Of a leader: up to which entry each has the log.
    pub matched: BTreeMap<NodeId, u64>,
    /// Of a leader: who has replied within the last election time-out.
    pub recent_active: BTreeSet<NodeId>,
}

/// Why a store cannot be opened as a replica.
#[derive(Debug, Error)]
pub enum ReplicaError<E: std::error::Error + 'static> {
    /// The store failed.
    #[error("log cannot be read: {0}")]
    Store(#[source] E),
    /// The store holds what no replica left there.
    #[error("log is damaged: {0}; remove this node from the cluster and join again under a new id")]
    Damaged(&'static str),
    /// An entry or a snapshot cannot be understood.
    #[error("log cannot be applied: {0}")]
    Codec(#[from] CodecError),
}

/// Why a replica cannot go on. Whoever drives it ends the process.
#[derive(Debug, Error)]
pub enum Fatal<E: std::error::Error + 'static> {
    /// The store failed. What was being written may be there or not; nothing was sent or applied
    /// because of it.
    #[error("log cannot be written: {0}")]
    Store(#[source] E),
    /// A committed entry cannot be understood.
    #[error("entry {index} of the log cannot be applied: {why}")]
    Entry {
        /// Its place.
        index: u64,
        /// Why.
        why: CodecError,
    },
    /// It stopped for one of the other reasons before.
    #[error("the log was given up after an earlier failure")]
    Stopped,
}

/// Why nothing was proposed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProposeError {
    /// Another leads, or nobody.
    #[error("this node does not lead")]
    NotLeader {
        /// Who does, as far as is known here.
        leader: Option<NodeId>,
    },
    /// Too much waits to be committed, voters are being changed, or leadership is being handed
    /// over: try again.
    #[error("the log takes nothing at the moment: try again")]
    Busy,
    /// The command has more bytes than an entry may have.
    #[error("command of {bytes} bytes is larger than {COMMAND_BYTES_MAX}")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
    },
    /// The change of voters makes no sense.
    #[error("voters cannot be changed so: {0}")]
    Refused(&'static str),
}

/// What came while a round was not complete.
#[derive(Debug)]
enum Input {
    Tick,
    Message(Box<Message>),
    Campaign,
    Transfer(NodeId),
    Unreachable(NodeId),
    SnapshotSent(NodeId, bool),
}

/// One voter or learner.
pub struct Replica<S: LogStore> {
    config: ReplicaConfig,
    node: RawNode<Tail>,
    store: S,
    state: ClusterState,
    /// The last entry in `state`.
    applied: u64,
    /// Bytes of entries applied since the last snapshot.
    bytes_since: u64,
    hand: Option<Hand>,
    inbox: VecDeque<Input>,
    /// Last words of a leader that was removed.
    farewell: Vec<Message>,
    stopped: bool,
}

impl<S: LogStore> Replica<S> {
    /// A tick of the clock, 100 ms.
    pub fn tick(&mut self) {
        self.input(Input::Tick);
    }

    /// A message that `from`, whose certificate was checked, sent to this node. In the midst of a
    /// round it waits for the end of that, and if it turns out then that it must be refused, that
    /// is not told.
    pub fn step(&mut self, from: NodeId, message: &[u8]) -> Result<(), StepError> {
        let message = guard::read(from, self.config.id, message)?;
        if self.hand.is_some() {
            self.inbox.push_back(Input::Message(Box::new(message)));
            return Ok(());
        }
        self.step_now(message)
    }

    /// Proposes a command, as leader alone. That it is applied some day is not promised.
    pub fn propose(&mut self, command: &Command, now_ms: u64) -> Result<Proposed, ProposeError> {
        self.may_propose()?;
        let bytes = entry::encode_command(command, now_ms);
        if bytes.len() > COMMAND_BYTES_MAX {
            return Err(ProposeError::TooLarge { bytes: bytes.len() });
        }
        self.node.propose(Vec::new(), bytes).map_err(|_| ProposeError::Busy)?;
        Ok(self.last_proposed())
    }

    /// Proposes other voters, as leader alone. More than one step at a time goes through a state
    /// in which both old and new voters must agree, which is left again without being asked.
    pub fn change_voters(&mut self, change: &VoterChange) -> Result<Proposed, ProposeError> {
        self.may_propose()?;
        let conf = self.conf();
        if self.node.raft.has_pending_conf() || !conf.voters_outgoing.is_empty() {
            return Err(ProposeError::Busy);
        }
        let change = conf::change(change, &conf, self.config.id).map_err(ProposeError::Refused)?;
        let proposed = self.node.propose_conf_change(Vec::new(), change);
        proposed.map_err(|_| ProposeError::Busy)?;
        Ok(self.last_proposed())
    }

    /// Hands leadership to another voter, if this node leads.
    pub fn transfer(&mut self, to: NodeId) {
        self.input(Input::Transfer(to));
    }

    /// Asks the others to follow this node, if it votes.
    pub fn campaign(&mut self) {
        self.input(Input::Campaign);
    }

    /// What was sent to this node probably did not arrive.
    pub fn unreachable(&mut self, node: NodeId) {
        self.input(Input::Unreachable(node));
    }

    /// What became of a snapshot. Until this is said nothing else is sent to that node.
    pub fn snapshot_sent(&mut self, node: NodeId, arrived: bool) {
        self.input(Input::SnapshotSent(node, arrived));
    }

    /// Where the replica stands.
    pub fn status(&self) -> Status {
        let raft = &self.node.raft;
        let conf = self.conf();
        let ids = |ids: &[u64]| ids.iter().copied().map(NodeId).collect::<Vec<_>>();
        let leads = raft.state == StateRole::Leader;
        let progress = || raft.prs().iter().filter(|_| leads);
        Status {
            id: self.config.id,
            role: match raft.state {
                StateRole::Leader => Role::Leader,
                StateRole::Candidate | StateRole::PreCandidate => Role::Candidate,
                StateRole::Follower if raft.promotable() => Role::Follower,
                StateRole::Follower => Role::Learner,
            },
            leader: self.leader(),
            term: raft.term,
            committed: raft.raft_log.committed,
            applied: self.applied,
            voters: conf::voters(&conf).into_iter().map(NodeId).collect(),
            learners: ids(&conf.learners),
            changing: raft.has_pending_conf() || !conf.voters_outgoing.is_empty(),
            matched: progress().map(|(id, at)| (NodeId(*id), at.matched)).collect(),
            recent_active: progress()
                .filter(|(id, at)| at.recent_active || **id == raft.id)
                .map(|(id, _)| NodeId(*id))
                .collect(),
        }
    }

    /// The state after the last applied entry.
    pub fn state(&self) -> &ClusterState {
        &self.state
    }

    /// The store, as a crash at this moment would leave it.
    pub fn into_store(self) -> S {
        self.store
    }

    fn may_propose(&self) -> Result<(), ProposeError> {
        if self.node.raft.state != StateRole::Leader {
            return Err(ProposeError::NotLeader { leader: self.leader() });
        }
        if self.hand.is_some() || self.stopped {
            return Err(ProposeError::Busy);
        }
        Ok(())
    }

    fn last_proposed(&self) -> Proposed {
        let raft = &self.node.raft;
        Proposed { term: raft.term, index: raft.raft_log.last_index() }
    }

    fn leader(&self) -> Option<NodeId> {
        Some(NodeId(self.node.raft.leader_id)).filter(|leader| leader.0 != raft::INVALID_ID)
    }

    fn conf(&self) -> ConfState {
        conf::sorted(self.node.raft.prs().conf().to_conf_state())
    }

    fn input(&mut self, input: Input) {
        if self.hand.is_some() {
            self.inbox.push_back(input);
        } else {
            self.input_now(input);
        }
    }

    fn input_now(&mut self, input: Input) {
        match input {
            Input::Tick => self.tick_now(),
            // Whoever sent it was not told then, and cannot be told now.
            Input::Message(message) => drop(self.step_now(*message)),
            Input::Campaign => self.campaign_now(),
            Input::Transfer(to) => {
                if self.node.raft.state == StateRole::Leader {
                    self.node.transfer_leader(to.0);
                }
            }
            Input::Unreachable(node) => self.node.report_unreachable(node.0),
            Input::SnapshotSent(node, arrived) => {
                let status = if arrived { SnapshotStatus::Finish } else { SnapshotStatus::Failure };
                self.node.report_snapshot(node.0, status);
            }
        }
    }

    fn step_now(&mut self, mut message: Message) -> Result<(), StepError> {
        let by = NodeId(message.from);
        if self.stopped || !guard::admit(&mut self.node.raft, &mut message)? {
            return Ok(());
        }
        match self.node.step(message) {
            Err(raft::Error::StepPeerNotFound) => Err(StepError::Stranger { by }),
            // Of what `guard` lets through, raft refuses nothing else.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// A follower that has just been given something is not without a leader: its clock waits
    /// until that is stored.
    fn tick_now(&mut self) {
        if self.node.raft.state != StateRole::Leader && self.has_unstored() {
            return;
        }
        let voters = conf::voters(&self.conf());
        let rank = voters.iter().take_while(|id| **id != self.config.id.0).count();
        let ticks = ELECTION_TICKS + rank.min(open::RANKS_MAX - 1);
        self.node.raft.set_randomized_election_timeout(ticks);
        self.node.tick();
    }

    fn campaign_now(&mut self) {
        if self.node.raft.promotable() && !self.has_unstored() {
            // Raft answers nothing to its own wish but what the steps show.
            drop(self.node.campaign());
        }
    }

    fn has_unstored(&self) -> bool {
        let log = &self.node.raft.raft_log;
        !log.unstable_entries().is_empty() || log.unstable_snapshot().is_some()
    }
}
