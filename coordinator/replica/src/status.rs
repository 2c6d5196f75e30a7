//! Where a replica stands.

use raft::StateRole;

use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::status::{Role, Status};

use crate::store::LogStore;
use crate::{Replica, conf};

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
