//! Why bytes are no command or no state, and up to which version they are read.

use thiserror::Error;

/// Newest version that this release reads and writes. An entry carries the oldest version that can
/// carry it out: 1, or 2 for a job with a given fit, or 3 for what makes a cluster of nodes, or 4
/// for the listing of a source that is cut into ranges, for an attempt that stalled, and for a
/// limit of bad photographs, or 5 for what is endured: moments that cannot be fetched, and stores
/// that refuse a node or do not answer.
pub(crate) const FORMAT_VERSION: u32 = 5;

/// Newest version of the snapshots that this release writes and reads. A snapshot carries the
/// oldest version whose releases can go on from it.
pub(crate) const SNAPSHOT_VERSION: u32 = 2;

/// Why bytes are not what they should be.
#[derive(Debug, Error)]
pub enum CodecError {
    /// Not protobuf, or not of this message.
    #[error("malformed message: {0}")]
    Malformed(#[from] prost::DecodeError),
    /// A log entry of a release that does more than this one can.
    #[error("log entry has format version {0}, newer than {FORMAT_VERSION}: upgrade this node")]
    TooNew(u32),
    /// A snapshot of a release that keeps more than this one can.
    #[error("snapshot has format version {0}, newer than {SNAPSHOT_VERSION}: upgrade this node")]
    SnapshotTooNew(u32),
    /// A snapshot of a state that cannot be.
    #[error("snapshot is inconsistent, use an older one: {0}")]
    Contradiction(String),
    /// A field that no release leaves out is missing or out of range.
    #[error("message has no valid `{0}`")]
    Field(&'static str),
}
