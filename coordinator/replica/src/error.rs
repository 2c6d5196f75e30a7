//! Why a replica cannot begin, cannot go on, or takes no proposal.

use thiserror::Error;

use crate::entry::COMMAND_BYTES_MAX;
use fruitnode_coordinator::codec::CodecError;
use fruitnode_coordinator::ids::NodeId;

/// Why a store cannot be opened as a replica.
#[derive(Debug, Error)]
pub enum ReplicaError<E: std::error::Error + 'static> {
    /// The store failed.
    #[error("cannot read the log: {0}")]
    Store(#[source] E),
    /// The store holds what no replica left there.
    #[error(
        "the log is damaged: {0}; remove this node from the cluster and join again with an empty \
         --data-dir"
    )]
    Damaged(&'static str),
    /// An entry or a snapshot cannot be understood.
    #[error("cannot apply the log: {0}")]
    Codec(#[from] CodecError),
}

/// Why a replica cannot go on. Whoever drives it ends the process.
#[derive(Debug, Error)]
pub enum Fatal<E: std::error::Error + 'static> {
    /// The store failed. What was being written may be there or not; nothing was sent or applied
    /// because of it.
    #[error("cannot write the log: {0}")]
    Store(#[source] E),
    /// A committed entry cannot be understood.
    #[error("cannot apply entry {index} of the log: {why}")]
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
    #[error("this node is not the coordinator")]
    NotLeader {
        /// Who does, as far as is known here.
        leader: Option<NodeId>,
    },
    /// Too much waits to be committed, voters are being changed, or leadership is being handed
    /// over: try again.
    #[error("the log is not accepting entries at the moment: try again")]
    Busy,
    /// The command has more bytes than an entry may have.
    #[error("command of {bytes} bytes is larger than {COMMAND_BYTES_MAX}")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
    },
    /// The change of voters makes no sense.
    #[error("invalid change of voters: {0}")]
    Refused(&'static str),
}
