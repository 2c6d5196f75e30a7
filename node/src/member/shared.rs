//! What the parts of a running node share, and what it has besides while it votes.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use fruitnode_consensus::{Consensus, LogFailure};
use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::members::Process;
use fruitnode_mesh::authority::Authority;
use fruitnode_mesh::client::Peers;
use fruitnode_mesh::error::Refusal;
use fruitnode_mesh::roster::RosterBook;
use fruitnode_mesh::tls::Tls;
use fruitnode_storage::S3Options;

use crate::actors::leader::LeaderHandle;
use crate::member::data_dir::{DataDir, NodeFile};
use crate::tasks::NodeContext;

/// What the parts of a running node share.
pub(super) struct Shared {
    pub(super) me: NodeId,
    /// This process, of all that were started on the folder.
    pub(super) process: Process,
    pub(super) file: NodeFile,
    pub(super) dir: DataDir,
    pub(super) tls: Tls,
    pub(super) book: RosterBook,
    pub(super) peers: Peers,
    pub(super) voting: VotingSlot,
    pub(super) context: Arc<NodeContext>,
    /// Where S3 is, for what is read back.
    pub(super) storage: S3Options,
    /// Told when the log can no longer be trusted.
    pub(super) failed: watch::Sender<Option<LogFailure>>,
}

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
