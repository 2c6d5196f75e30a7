//! Where a replica of the log stands and what it applied, for whoever decides about voters and for
//! people.

use std::collections::{BTreeMap, BTreeSet};

use crate::command::Command;
use crate::effect::Effect;
use crate::ids::NodeId;

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
    /// Whether it leads, and its state holds everything that was committed before it did: an entry
    /// of its own term is applied. Until then it must not answer questions.
    pub serves: bool,
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
