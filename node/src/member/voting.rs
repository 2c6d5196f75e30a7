//! What a node has besides, while it votes: the log, the coordinator's duties, the authority's key.

use std::sync::{Arc, PoisonError, RwLock};

use fruitnode_coordinator::ids::NodeId;

use crate::actors::leader::LeaderHandle;
use crate::consensus::Consensus;
use crate::mesh::authority::Authority;
use crate::mesh::error::Refusal;
use crate::mesh::roster::RosterBook;

/// A voter's parts.
#[derive(Debug, Clone)]
pub(super) struct Voting {
    pub(super) consensus: Consensus,
    pub(super) leader: LeaderHandle,
    pub(super) authority: Arc<Authority>,
}

/// The parts, on nodes that have them. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct VotingSlot(Arc<RwLock<Option<Voting>>>);

impl VotingSlot {
    /// The parts, on a voter.
    pub(super) fn get(&self) -> Option<Voting> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// This node votes from now on.
    pub(super) fn set(&self, voting: Voting) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(voting);
    }

    /// This node votes no longer.
    pub(super) fn take(&self) -> Option<Voting> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The parts, if this node is the coordinator; else where the coordinator is: as the log says,
    /// or `attended`, at whom this node attends.
    pub(super) fn leading(
        &self,
        book: &RosterBook,
        me: NodeId,
        attended: Option<NodeId>,
    ) -> Result<Voting, Refusal> {
        // The log of a node that votes no longer is out of date.
        let votes = book.now().voters.contains(&me);
        let Some(voting) = self.get().filter(|_| votes) else {
            return Err(book.not_leader(attended));
        };
        let (serves, leader) = {
            let status = voting.consensus.status();
            let status = status.borrow();
            // One that has just been elected may not know yet what its predecessor confirmed.
            (status.serves, status.leader.filter(|leader| *leader != me))
        };
        if serves { Ok(voting) } else { Err(book.not_leader(leader)) }
    }
}
