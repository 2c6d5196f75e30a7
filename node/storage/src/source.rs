//! The trait behind which photographs lie: a listing in key order, whole or in ranges, and
//! conditional reads.
//!
//! What is wrong with one photograph ([`GetError::is_content`]) becomes a row of the quarantine;
//! everything else is the world's fault and becomes another attempt, never a row.

use std::error::Error;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::mpsc;

use fruitnode_coordinator::retry::FailureReason;

use crate::disk;
use crate::s3::S3Error;
use crate::select::Selection;

/// One listed object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Key below the source, `/`-separated. Any character may occur in it.
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// What tells this version of the object from the next one: the `ETag` on S3; modification time
    /// in nanoseconds, size and inode for a file. Opaque to everyone but the source.
    pub validator: String,
    /// Modification time, microseconds since 1970-01-01 UTC.
    pub modified_us: i64,
    /// Why the object can never be read, if that is known already. It is listed all the same: each
    /// listed key ends in exactly one row.
    pub problem: Option<Problem>,
}

/// Why a listed object can never be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// The name of the file, or of a folder above it, is not UTF-8; `%XX` stands in the key for
    /// each byte that is not.
    NameNotUtf8,
    /// A symbolic link that leads nowhere, or to itself.
    LinkDangling,
    /// A symbolic link whose target may not be looked at.
    LinkDenied,
    /// A folder that may not be read, with whatever lies in it.
    FolderDenied,
}

/// Keys of a source after one and up to another, as the source itself names its keys; everything by
/// default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyRange {
    /// Comes before the first key of the range.
    pub after: String,
    /// Comes after the last key of the range, or is it. `None` where the source ends.
    pub up_to: Option<String>,
}

/// The first look at a source.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// Selected objects before the first range, in ascending byte order of keys.
    pub entries: Vec<Entry>,
    /// What was met before the first range.
    pub summary: ListSummary,
    /// The rest of the source in key order; nothing where the survey came to its end.
    pub ranges: Vec<KeyRange>,
}

/// What a listing met, besides the entries it sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ListSummary {
    /// Entries sent.
    pub keys: u64,
    /// Sum of their sizes in bytes.
    pub bytes: u64,
    /// Objects that do not match the pattern.
    pub skipped: u64,
    /// The first few of these keys.
    pub skipped_examples: Vec<String>,
    /// Objects that match, in names that begin with `.` or `_`, or a network drive's own.
    #[serde(default)]
    pub hidden: u64,
    /// The first few of these keys.
    #[serde(default)]
    pub hidden_examples: Vec<String>,
    /// Objects that match, and were excluded.
    #[serde(default)]
    pub excluded: u64,
    /// Pictures of earlier results.
    #[serde(default)]
    pub own: u64,
    /// Objects that match, but were modified outside the window of time.
    pub untimely: u64,
    /// What is never opened: pipes, devices and sockets; on S3 the empty objects that mark folders.
    pub others: u64,
    /// Folders that were not entered because the listing is not recursive.
    pub subfolders: u64,
    /// Keys of the folders left out: the job's own target and folders where results are built.
    pub left_out: Vec<String>,
    /// Whether the listing ended at the limit, before the last key.
    pub limited: bool,
}

/// Why a source cannot be listed.
#[derive(Debug, Error)]
pub enum ListError {
    /// Nothing has this name.
    #[error("{from} does not exist: check --from")]
    Missing {
        /// The source.
        from: String,
    },
    /// It is a file, or something else.
    #[error("{from} is not a folder: name the folder that contains the photographs")]
    NotAFolder {
        /// The source.
        from: String,
    },
    /// It holds no file, at any depth.
    #[error("{from} contains no files: name a folder that contains photographs")]
    Empty {
        /// The source.
        from: String,
    },
    /// It holds objects, and none matches.
    #[error(
        "none of the {skipped} files in {from} matches `{pattern}` (the first is `{example}`): \
         change `--pattern`"
    )]
    NothingMatches {
        /// The source.
        from: String,
        /// The pattern.
        pattern: String,
        /// How many objects do not match.
        skipped: u64,
        /// The first of them.
        example: String,
    },
    /// It holds matching objects, in hidden names alone.
    #[error(
        "all {hidden} photographs in {from} have names that are skipped by default (starting with \
         `.` or `_`, or system folders; the first is `{example}`): use `--hidden` to include them"
    )]
    OnlyHidden {
        /// The source.
        from: String,
        /// How many objects are hidden.
        hidden: u64,
        /// The first of them.
        example: String,
    },
    /// It holds matching objects, and all were excluded.
    #[error("all {excluded} photographs in {from} are excluded: change `--exclude`")]
    AllExcluded {
        /// The source.
        from: String,
        /// How many objects are excluded.
        excluded: u64,
    },
    /// It holds matching objects, and none of the time asked for.
    #[error(
        "none of the {untimely} photographs in {from} was modified in the given period: change \
         `--modified-after` or `--modified-before`"
    )]
    NothingTimely {
        /// The source.
        from: String,
        /// How many objects are of another time.
        untimely: u64,
    },
    /// It holds only what is never opened, or folders that were left out.
    #[error("{from} contains no photographs, only {what}")]
    NothingReadable {
        /// The source.
        from: String,
        /// What it holds, in words.
        what: String,
    },
    /// Everything lies in subfolders, and the listing is not recursive.
    #[error(
        "{from} itself contains no matching file, and its {subfolders} subfolders are not \
         searched: drop `--recursive=false`, or name one of them"
    )]
    OnlySubfolders {
        /// The source.
        from: String,
        /// How many subfolders there are.
        subfolders: u64,
    },
    /// A folder may not be read.
    #[error(
        "no permission to read the folder {folder}: allow this user to list it (chmod +rx), or \
         move it out of the source"
    )]
    FolderDenied {
        /// The folder.
        folder: String,
    },
    /// A symbolic link leads back to a folder it lies in.
    #[error(
        "{link} is a symbolic link to {target}, a folder that contains it, so listing would never \
         end: remove the link"
    )]
    Loop {
        /// The link.
        link: String,
        /// The folder above it.
        target: String,
    },
    /// Two names have the same key.
    #[error("two files would have the key `{key}`: rename the one whose name is not UTF-8")]
    SameKey {
        /// The key.
        key: String,
    },
    /// The store's own words.
    #[error(transparent)]
    S3(#[from] S3Error),
    /// Whoever asked for the listing no longer listens.
    #[error("the listing of {from} was stopped")]
    Stopped {
        /// The source.
        from: String,
    },
    /// The world's fault.
    #[error("cannot list {place}")]
    Unavailable {
        /// The folder, file or page that could not be read.
        place: String,
        /// What the system said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Why an object was not read.
#[derive(Debug, Error)]
pub enum GetError {
    /// It is not the version that was listed.
    #[error("`{key}` changed after it was listed")]
    Changed {
        /// The key.
        key: String,
    },
    /// It is no longer there.
    #[error("`{key}` has disappeared since it was listed")]
    Gone {
        /// The key.
        key: String,
    },
    /// This object may not be read.
    #[error("no permission to read `{key}`")]
    Denied {
        /// The key.
        key: String,
    },
    /// The store refuses it, for one of two reasons that it does not tell apart.
    #[error(
        "`{key}` cannot be read with these credentials: grant them s3:GetObject; or it was \
         deleted, which the server only reveals to those who have s3:ListBucket"
    )]
    Forbidden {
        /// The key.
        key: String,
    },
    /// It lies in an archive, from which it must be brought back first.
    #[error("`{key}` is archived: restore it (aws s3api restore-object), and run again")]
    Archived {
        /// The key.
        key: String,
    },
    /// It is encrypted with a key that these credentials may not use, that is not there, or that
    /// has to be sent along.
    #[error(
        "`{key}` cannot be decrypted ({words}): check that its key is enabled and that these \
         credentials have kms:Decrypt on it, or encrypt it again (SSE-C is not supported)"
    )]
    Encrypted {
        /// The key.
        key: String,
        /// The store's code and words.
        words: String,
    },
    /// The store gives it to nobody.
    #[error("the store does not return `{key}` ({words})")]
    Refused {
        /// The key.
        key: String,
        /// The store's code and words.
        words: String,
    },
    /// The store fails at it again and again, and at nothing else.
    #[error(
        "`{key}` cannot be read, although others can ({words}): check whether it is intact in the \
         store"
    )]
    Failing {
        /// The key.
        key: String,
        /// The store's code and words.
        words: String,
    },
    /// It is larger than the limit.
    #[error("`{key}` has {size} bytes, more than the limit of {bytes_max}")]
    TooLarge {
        /// The key.
        key: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        bytes_max: u64,
    },
    /// The listing knew already.
    #[error("`{key}`: {}", problem.words())]
    Listed {
        /// The key.
        key: String,
        /// What the listing found.
        problem: Problem,
    },
    /// The store's own words.
    #[error("cannot read `{key}`")]
    S3 {
        /// The key.
        key: String,
        /// What the store said, or that it said nothing.
        #[source]
        error: S3Error,
    },
    /// The world's fault.
    #[error("cannot read `{key}`")]
    Unavailable {
        /// The key.
        key: String,
        /// What the system said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Photographs below one place.
///
/// One implementation per kind of place; object-safe, shared by all tasks of a node.
#[async_trait]
pub trait Source: Send + Sync {
    /// The place, as the user gave it.
    fn uri(&self) -> &str;

    /// What it counts among the [`ListSummary::others`], in words.
    fn others(&self) -> &'static str;

    /// Lists a few objects and finds out where the rest can be cut into ranges of about the same
    /// size. `None` of a source that cannot be cut, or not with this selection: it is listed whole.
    async fn survey(&self, selection: &Selection) -> Result<Option<Survey>, ListError>;

    /// Sends every selected object of a range that a survey named, or of everything, in ascending
    /// byte order of keys, in blocks of any size. The channel is bounded by who made it, and
    /// sending waits, so that memory does not grow with the number of objects.
    ///
    /// An error may come after blocks have been sent: only with the summary is the listing whole.
    /// That nothing was found is no error of a range: see [`conclude`](super::conclude).
    async fn list(
        &self,
        selection: &Selection,
        range: &KeyRange,
        blocks: mpsc::Sender<Vec<Entry>>,
    ) -> Result<ListSummary, ListError>;

    /// Reads the whole of one object, in the version that was listed, if it has at most `bytes_max`
    /// bytes.
    async fn get(&self, entry: &Entry, bytes_max: u64) -> Result<Bytes, GetError>;
}

impl Problem {
    /// Every problem, in the order of its wire code.
    pub const ALL: [Self; 4] =
        [Self::NameNotUtf8, Self::LinkDangling, Self::LinkDenied, Self::FolderDenied];

    /// Stable code, for the quarantine.
    pub fn code(self) -> &'static str {
        match self {
            Self::NameNotUtf8 => "name_not_utf8",
            Self::LinkDangling => "link_dangling",
            Self::LinkDenied | Self::FolderDenied => "denied",
        }
    }

    /// The problem in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::NameNotUtf8 => "its name is not UTF-8: rename it",
            Self::LinkDangling => "a symbolic link that does not lead to a file",
            Self::LinkDenied => "a symbolic link whose target this user has no permission to read",
            Self::FolderDenied => {
                "a folder that this user has no permission to read, with everything in it: grant \
                 it (chmod +rx), or skip the folder with `--exclude`"
            }
        }
    }
}

impl GetError {
    /// Whether the photograph is to blame, so that the outcome is a row of the quarantine.
    #[deny(clippy::wildcard_enum_match_arm)]
    pub fn is_content(&self) -> bool {
        match self {
            Self::Changed { .. }
            | Self::Gone { .. }
            | Self::Denied { .. }
            | Self::Forbidden { .. }
            | Self::Archived { .. }
            | Self::Encrypted { .. }
            | Self::Refused { .. }
            | Self::Failing { .. }
            | Self::TooLarge { .. }
            | Self::Listed { .. } => true,
            Self::S3 { .. } | Self::Unavailable { .. } => false,
        }
    }

    /// Stable code: that of the quarantine's row, or of the failed attempt.
    #[deny(clippy::wildcard_enum_match_arm)]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Changed { .. } => "changed",
            Self::Gone { .. } => "gone",
            Self::Denied { .. } | Self::Forbidden { .. } => "denied",
            Self::Archived { .. } => "archived",
            Self::Encrypted { .. } => "encrypted",
            Self::Refused { .. } => "refused",
            Self::Failing { .. } => "unreadable",
            Self::TooLarge { .. } => "file_too_large",
            Self::Listed { problem, .. } => problem.code(),
            Self::S3 { .. } | Self::Unavailable { .. } => self.reason().code(),
        }
    }

    /// What the failure means for the task that met it; of what the photograph is to blame for,
    /// that it is not there as it was listed.
    #[deny(clippy::wildcard_enum_match_arm)]
    pub fn reason(&self) -> FailureReason {
        match self {
            Self::S3 { error, .. } => error.reason(),
            Self::Unavailable { source, .. } => disk::reason(&**source),
            Self::Changed { .. }
            | Self::Gone { .. }
            | Self::Denied { .. }
            | Self::Forbidden { .. }
            | Self::Archived { .. }
            | Self::Encrypted { .. }
            | Self::Refused { .. }
            | Self::Failing { .. }
            | Self::TooLarge { .. }
            | Self::Listed { .. } => FailureReason::InputMissing,
        }
    }
}

impl ListError {
    /// What the failure means for the job's task.
    #[deny(clippy::wildcard_enum_match_arm)]
    pub fn reason(&self) -> FailureReason {
        match self {
            Self::Missing { .. }
            | Self::NotAFolder { .. }
            | Self::Empty { .. }
            | Self::NothingMatches { .. }
            | Self::OnlyHidden { .. }
            | Self::AllExcluded { .. }
            | Self::NothingTimely { .. }
            | Self::NothingReadable { .. }
            | Self::OnlySubfolders { .. }
            | Self::Loop { .. }
            | Self::SameKey { .. } => FailureReason::InputMissing,
            Self::FolderDenied { .. } => FailureReason::StorageRefused,
            Self::S3(error) => error.reason(),
            Self::Stopped { .. } => FailureReason::Cancelled,
            Self::Unavailable { source, .. } => disk::reason(&**source),
        }
    }
}
