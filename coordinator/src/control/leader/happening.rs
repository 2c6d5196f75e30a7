//! What happens to a cluster, as its leader sees it.

use std::fmt;

use crate::ids::{JobId, NodeId};
use crate::leases::LeaseName;
use crate::phase::Outcome;
use crate::voters::VoterChange;

/// One thing that happened, for logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// This node is the leader.
    Elected {
        /// Of this term.
        term: u64,
    },
    /// This node is the leader no longer.
    Resigned,
    /// A member attends, with so many leases.
    Attends {
        /// The member.
        node: NodeId,
        /// Leases that are out to it.
        leases: usize,
    },
    /// A member is not heard of.
    Lost(NodeId),
    /// A member's stream ended.
    StreamEnded(NodeId),
    /// A member attends that the log does not have.
    Stray(NodeId),
    /// A member leaves with its work done.
    Left(NodeId),
    /// A member that leaves for ever votes no longer, and is removed.
    Removed(NodeId),
    /// An attempt makes no progress.
    Overdue {
        /// The attempt.
        name: LeaseName,
        /// Who has it.
        node: NodeId,
    },
    /// A job ended.
    JobEnded {
        /// The job.
        job: JobId,
        /// How.
        outcome: Outcome,
    },
    /// Voters are changed.
    Changing(VoterChange),
    /// Another node is to lead.
    HandedOver(NodeId),
    /// A voter attends and takes no part in the log.
    Mute(NodeId),
    /// A node cannot become a voter yet.
    NotAdmitted(NodeId),
}

impl Happening {
    /// Whether somebody should look at it.
    pub fn is_trouble(&self) -> bool {
        match self {
            Self::Lost(_) | Self::Stray(_) | Self::Overdue { .. } => true,
            Self::Mute(_) | Self::NotAdmitted(_) => true,
            Self::Elected { .. } | Self::Resigned | Self::Attends { .. } => false,
            Self::StreamEnded(_) | Self::Left(_) | Self::Removed(_) => false,
            Self::JobEnded { .. } | Self::Changing(_) | Self::HandedOver(_) => false,
        }
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elected { term } => write!(f, "this node is now the coordinator, in term {term}"),
            Self::Resigned => f.write_str("this node is no longer the coordinator"),
            Self::Attends { node, leases: 0 } => write!(f, "{node} is connected"),
            Self::Attends { node, leases } => {
                write!(f, "{node} is connected; leases held: {leases}")
            }
            Self::Lost(node) => {
                write!(f, "{node} is lost: other nodes take over its work")
            }
            Self::StreamEnded(node) => write!(f, "{node} is disconnected"),
            Self::Stray(node) => {
                write!(
                    f,
                    "{node} is connected, but the log does not know the connection: it has to \
                     reconnect"
                )
            }
            Self::Left(node) => write!(f, "{node} has handed over its work and is stopping"),
            Self::Removed(node) => write!(f, "{node} is no longer a voter and is now removed"),
            Self::Overdue { name: (job, task, attempt), node } => {
                write!(f, "attempt {attempt} of {task} in job {job} makes no progress on {node}")
            }
            Self::JobEnded { job, outcome: Outcome::Succeeded { digest } } => {
                write!(f, "job {job} succeeded: the SHA-256 of its _SUCCESS is {digest}")
            }
            Self::JobEnded { job, outcome: Outcome::Failed { task, reason, detail } } => {
                write!(f, "job {job} failed at {task} ({}): {detail}", reason.code())
            }
            Self::JobEnded { job, outcome: Outcome::Cancelled } => {
                write!(f, "job {job} was cancelled")
            }
            Self::Changing(change) => {
                f.write_str("changing the voters:")?;
                let parts = [
                    ("add", &change.add_learners),
                    ("promote", &change.promote),
                    ("drop", &change.remove),
                ];
                for (what, nodes) in parts.into_iter().filter(|(_, nodes)| !nodes.is_empty()) {
                    let nodes: Vec<_> = nodes.iter().map(NodeId::to_string).collect();
                    write!(f, " {what} {}", nodes.join(", "))?;
                }
                Ok(())
            }
            Self::HandedOver(node) => write!(f, "handing the role of coordinator over to {node}"),
            Self::Mute(node) => {
                write!(f, "{node} is a connected voter, but takes no part in the log: asking it to")
            }
            Self::NotAdmitted(node) => write!(f, "{node} cannot become a voter yet"),
        }
    }
}
