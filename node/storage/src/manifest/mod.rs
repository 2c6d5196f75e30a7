//! The listing, cut into blocks of consecutive keys: what every later step reads its keys from.
//!
//! One object, of which a reader takes one block; nothing ever holds all keys. Integers are
//! little-endian; in entries they are varints as in protobuf (times zigzag), and texts follow their
//! length:
//!
//! ```text
//! header   "FNMANIFEST", version u16, rows per part u32
//! blocks   per block: its entries, each
//!            key, size, modification time, validator, problem u8
//! index    per block: its length u32, its SHA-256
//! footer   keys u64, bytes u64, blocks u32, listing digest, "FNINDEX\n"
//! ```
//!
//! The manifest's digest is the SHA-256 of header, index and footer, and so commits to every block.
//! The listing digest covers key, size, modification time and problem, and not the validator: it is
//! the same for a copy of the photographs that keeps their times. Both are the same for the same
//! listing, whoever writes it.

mod build;
mod chunks;
mod codec;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;

use thiserror::Error;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::ids::Digest;
use fruitnode_coordinator::retry::FailureReason;

use crate::sink::SinkError;
use crate::source::ListError;

pub use build::write_manifest;
pub use chunks::{Chunk, read_chunks, write_chunks};
pub use reader::ManifestReader;
pub use writer::ManifestWriter;

/// Longest key, in bytes: a path of 4,096 bytes of which each is escaped.
pub(crate) const KEY_BYTES_MAX: usize = 12_288;

/// Longest validator, in bytes.
pub(crate) const VALIDATOR_BYTES_MAX: usize = 1_024;

/// Most entries in a block.
pub(crate) const ROWS_PER_PART_MAX: u32 = 65_536;

/// Largest block, in bytes.
pub(crate) const BLOCK_BYTES_MAX: usize = 64 << 20;

/// Most blocks: at 1,024 rows each, a thousand million keys.
pub const PARTITIONS_MAX: u32 = 1 << 20;

const MAGIC: &[u8; 10] = b"FNMANIFEST";
const MAGIC_END: &[u8; 8] = b"FNINDEX\n";
const VERSION: u16 = 1;
const HEADER_BYTES: usize = MAGIC.len() + 2 + 4;
const INDEX_RECORD_BYTES: usize = 4 + 32;
const FOOTER_BYTES: usize = 8 + 8 + 4 + 32 + MAGIC_END.len();

/// What is known of a whole listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManifestSummary {
    /// Commits to every byte of the manifest.
    pub digest: Digest,
    /// Commits to what was listed, whatever the validators.
    pub listing: Digest,
    /// Entries.
    pub keys: u64,
    /// Sum of their sizes in bytes.
    pub bytes: u64,
    /// Blocks: each has `rows_per_part` entries, the last one at least one and at most so many.
    pub partitions: u32,
    /// Entries per block.
    pub rows_per_part: u32,
}

/// Why a manifest cannot be written or read.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// An option out of its range.
    #[error(
        "the rows per part (--rows-per-part) must be between 1 and {ROWS_PER_PART_MAX}, not {rows}"
    )]
    RowsPerPart {
        /// What was asked for.
        rows: u32,
    },
    /// Entries did not come in strictly ascending order.
    #[error(
        "the listing returned `{key}` after `{after}`: it must be in order and without duplicates"
    )]
    OutOfOrder {
        /// The key.
        key: String,
        /// The one before it.
        after: String,
    },
    /// More of something than the format holds.
    #[error("the listing exceeds a limit: {what} of {start} is over {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Where: the first characters of the key.
        start: String,
        /// The limit.
        limit: usize,
    },
    /// A block that does not exist was asked for.
    #[error("partition {partition} does not exist: the manifest has {partitions}")]
    NoSuchPartition {
        /// What was asked for.
        partition: u32,
        /// How many there are.
        partitions: u32,
    },
    /// Written by a later release.
    #[error(
        "the manifest has version {version}, but this release reads version {VERSION}: upgrade \
         this node"
    )]
    Version {
        /// Its version.
        version: u16,
    },
    /// The bytes are not those of a manifest, or not of this one.
    #[error("the manifest is damaged: {0}")]
    Damaged(Damage),
    /// The source cannot be listed.
    #[error(transparent)]
    List(#[from] ListError),
    /// The manifest's object cannot be written or read.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

impl From<ManifestError> for Failure {
    fn from(error: ManifestError) -> Self {
        let reason = match &error {
            ManifestError::List(error) => error.reason(),
            ManifestError::Sink(error) => error.reason(),
            ManifestError::Damaged(_) => FailureReason::DigestMismatch,
            ManifestError::RowsPerPart { .. }
            | ManifestError::OutOfOrder { .. }
            | ManifestError::TooLarge { .. }
            | ManifestError::NoSuchPartition { .. }
            | ManifestError::Version { .. } => FailureReason::InvalidJob,
        };
        Self::of(reason, &error)
    }
}

/// What is wrong with the bytes of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// It does not begin and end as one.
    Magic,
    /// It ends too soon.
    Short,
    /// Bytes are left over.
    Long,
    /// A number is out of its range.
    Range,
    /// A key or validator is not UTF-8.
    Text,
    /// Keys are not in order.
    Order,
    /// A digest does not hold.
    Digest,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Magic => "it does not begin or end like a manifest",
            Self::Short => "it is truncated",
            Self::Long => "it has extra bytes",
            Self::Range => "a number is out of its range",
            Self::Text => "a key is not text",
            Self::Order => "its keys are not in order",
            Self::Digest => "its digest does not match",
        })
    }
}

impl From<Damage> for ManifestError {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}
