//! Where a replica stands, for whoever decides about voters and for people.

use std::collections::{BTreeMap, BTreeSet};

use raft::StateRole;

use crate::ids::NodeId;
use crate::replica::store::LogStore;
use crate::replica::{Replica, conf};

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

impl<S: LogStore> Replica<S> {
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
            serves: leads && raft.raft_log.term(self.applied).is_ok_and(|term| term == raft.term),
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
}
