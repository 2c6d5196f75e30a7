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
//! Architecture invariant: types of raft and protobuf do not leave this crate. Raft panics on
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
mod error;
mod guard;
mod hand;
mod memory;
mod open;
mod ready;
mod status;
mod step;
mod store;
mod tail;

use std::collections::VecDeque;

use raft::eraftpb::{ConfState, Message};
use raft::{RawNode, SnapshotStatus, StateRole};

use entry::COMMAND_BYTES_MAX;
pub use error::{Fatal, ProposeError, ReplicaError};
use fruitnode_coordinator::codec;
use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::state::ClusterState;
pub use fruitnode_coordinator::status::{Applied, Role, Status};
pub use fruitnode_coordinator::voters::VoterChange;
pub use guard::{MESSAGE_BYTES_MAX, StepError};
use hand::Hand;
pub use memory::{MemoryLog, MemoryLogError};
pub use step::{Confirmed, Outgoing, Proposed, Step};
pub use store::{LogEntry, LogStore, Snapshot, Vote};
use tail::Tail;

/// Ticks between two heartbeats of a leader. A tick is 100 ms.
pub(crate) const HEARTBEAT_TICKS: usize = 2;
/// Ticks without a leader until the first voter campaigns; each further one waits a tick longer.
pub const ELECTION_TICKS: usize = 20;

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

/// What came while a round was not complete.
#[derive(Debug)]
enum Input {
    Tick,
    Message(Box<Message>),
    Campaign,
    Transfer(NodeId),
    Unreachable(NodeId),
    SnapshotSent(NodeId, bool),
    Confirm(u64),
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
        let bytes = codec::encode(command, now_ms);
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

    /// Asks the others, if this node leads, whether they still follow it: what its state says could
    /// be out of date by then. The answer is [`Step::Confirmed`] with this number, unless this node
    /// leads no longer before it comes. Numbers of one process differ.
    ///
    /// Source: Ongaro, "Consensus: Bridging Theory and Practice" (2014), 6.4, ReadIndex.
    pub fn confirm(&mut self, number: u64) {
        self.input(Input::Confirm(number));
    }

    /// The state after the last applied entry.
    pub fn state(&self) -> &ClusterState {
        &self.state
    }

    /// The store, for whoever wants it to fail, or to measure it. The replica reads it no more.
    pub fn store_mut(&mut self) -> &mut S {
        &mut self.store
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
            Input::Confirm(number) => {
                if self.node.raft.state == StateRole::Leader {
                    self.node.read_index(number.to_le_bytes().to_vec());
                }
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
        let ticks = ELECTION_TICKS + rank.min(conf::RANKS_MAX - 1);
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
