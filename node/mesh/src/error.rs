//! What goes wrong on the mesh: refusals, as they cross it, and errors, as a caller sees them.

use std::fmt;

use thiserror::Error;

use fruitnode_coordinator::ids::NodeId;

/// Why a node does not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{words}")]
pub struct Refusal {
    /// What the caller can do about it.
    pub kind: RefusalKind,
    /// What happened and what to do, for people.
    pub words: String,
}

/// What a caller can do about a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalKind {
    /// Ask the coordinator, if it is known.
    NotLeader {
        /// It, and its address.
        leader: Option<(NodeId, String)>,
    },
    /// Nothing: the caller may not.
    Denied,
    /// There is no such thing.
    NotFound,
    /// It does not go with what is there already.
    Conflict,
    /// Say it otherwise.
    Invalid,
    /// Try again later.
    Unavailable,
    /// Ask for less.
    Exhausted,
    /// The node could not, for a reason of its own.
    Failed,
    /// The node does not know the call.
    Unimplemented,
}

/// Why a call, or a stream, came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MeshError {
    /// Nobody answers there, or the connection broke.
    #[error("cannot reach {address}: {words}")]
    Unreachable {
        /// Where.
        address: String,
        /// What happened.
        words: String,
    },
    /// The node asked is not the coordinator.
    #[error("{words}")]
    NotLeader {
        /// The coordinator, if the node knows it.
        leader: Option<(NodeId, String)>,
        /// In words.
        words: String,
    },
    /// For as long as was waited, the cluster had no coordinator.
    #[error("the cluster has no coordinator: {words}")]
    NoLeader {
        /// What to do.
        words: String,
    },
    /// The caller may not.
    #[error("{0}")]
    Denied(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// It does not go with what is there already.
    #[error("{0}")]
    Conflict(String),
    /// It was not understood.
    #[error("{0}")]
    Invalid(String),
    /// The node cannot now.
    #[error("{0}")]
    Unavailable(String),
    /// It is more than the node takes.
    #[error("{0}")]
    Exhausted(String),
    /// The node could not.
    #[error("{0}")]
    Failed(String),
    /// The two sides do not trust each other.
    #[error("{address}: {words}")]
    Tls {
        /// Who is at the other end.
        address: String,
        /// What is wrong with whose certificate.
        words: String,
    },
    /// It took too long.
    #[error(
        "{what} took longer than {seconds} seconds: try again, or allow more time with --timeout"
    )]
    TimedOut {
        /// What.
        what: String,
        /// How long was waited.
        seconds: u64,
    },
}

impl Refusal {
    /// A refusal in words.
    pub fn new(kind: RefusalKind, words: impl Into<String>) -> Self {
        Self { kind, words: words.into() }
    }

    /// The node is not the coordinator; that one is `leader`, if it is known.
    pub fn not_leader(leader: Option<(NodeId, String)>) -> Self {
        let words = match &leader {
            Some((node, address)) => format!("the coordinator is {node} at {address}"),
            None => "the cluster has no coordinator at the moment".to_owned(),
        };
        Self::new(RefusalKind::NotLeader { leader }, words)
    }

    /// Whether another node is to be asked, because this one is not the coordinator.
    pub fn is_not_leader(&self) -> bool {
        matches!(self.kind, RefusalKind::NotLeader { .. })
    }

    /// The node is about to end.
    pub fn stopping() -> Self {
        Self::new(RefusalKind::Unavailable, "the node is stopping: try another one")
    }

    /// The caller may not.
    pub fn denied(words: impl Into<String>) -> Self {
        Self::new(RefusalKind::Denied, words)
    }

    /// The node does not answer this call.
    pub(crate) fn unimplemented(method: &str) -> Self {
        let words =
            format!("this node does not support the call {method}: it runs a different release");
        Self::new(RefusalKind::Unimplemented, words)
    }

    /// An error of the node's own, and what caused it.
    pub fn failed(error: impl fmt::Display) -> Self {
        Self::new(RefusalKind::Failed, error.to_string())
    }
}

impl From<Refusal> for MeshError {
    fn from(refusal: Refusal) -> Self {
        let words = refusal.words;
        match refusal.kind {
            RefusalKind::NotLeader { leader } => Self::NotLeader { leader, words },
            RefusalKind::Denied => Self::Denied(words),
            RefusalKind::NotFound => Self::NotFound(words),
            RefusalKind::Conflict => Self::Conflict(words),
            RefusalKind::Invalid => Self::Invalid(words),
            RefusalKind::Unavailable => Self::Unavailable(words),
            RefusalKind::Exhausted => Self::Exhausted(words),
            RefusalKind::Failed | RefusalKind::Unimplemented => Self::Failed(words),
        }
    }
}
