//! Why weights could not be fetched.

use std::io;
use std::path::PathBuf;

use indicatif::HumanBytes;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::retry::FailureReason;

use crate::S3Error;

/// Why weights could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// Neither a home nor a word about the cache.
    #[error("there is no folder for the cache: set FRUITNODE_CACHE to one")]
    NoCache,
    /// The hub's address.
    #[error("HF_ENDPOINT is `{0}`: set it to a URL that starts with https://")]
    Endpoint(String),
    /// A bucket, or a folder of one.
    #[error("{0} does not name an object: write s3://BUCKET/KEY")]
    NoObject(String),
    /// What S3 says.
    #[error(transparent)]
    S3(#[from] Box<S3Error>),
    /// Not in the cache, and not to be fetched.
    #[error(
        "{0} is not in the cache, and --offline forbids downloading it: run `fruitnode model pull \
         {0}` first, or drop --offline"
    )]
    Offline(String),
    /// A file or folder of the cache.
    #[error("cannot use {} in the cache", path.display())]
    Cache {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No client.
    #[error("cannot use HTTPS; check that the CA certificates of this system are installed")]
    Client(#[source] reqwest::Error),
    /// Who asks is not known, or may not.
    #[error("{source_words}: the server denies access ({status}{code}): {advice}")]
    Refused {
        /// What was asked for.
        source_words: String,
        /// What the server said.
        status: u16,
        /// A code of the hub's, in brackets.
        code: String,
        /// What to do.
        advice: &'static str,
    },
    /// Not there.
    #[error("{source_words}: not found ({status}{code}): check owner, name, revision and file")]
    NotFound {
        /// What was asked for.
        source_words: String,
        /// What the server said.
        status: u16,
        /// A code of the hub's, in brackets.
        code: String,
    },
    /// An answer that no retry can mend.
    #[error("{source_words}: unusable answer from the server: {what}")]
    Answer {
        /// What was asked for.
        source_words: String,
        /// What it answered.
        what: String,
    },
    /// More bytes than weights have.
    #[error(
        "{source_words}: larger than the limit of {} for weights; nothing of it is kept",
        HumanBytes(*limit)
    )]
    TooLarge {
        /// What was asked for.
        source_words: String,
        /// Most bytes that are taken.
        limit: u64,
    },
    /// Another digest.
    #[error(
        "{source_words}: its SHA-256 is {found}, but {who} says {expected}, so it was discarded; \
         download it again, or find out who changed it"
    )]
    Digest {
        /// What was asked for.
        source_words: String,
        /// What came.
        found: String,
        /// What should have.
        expected: String,
        /// Who says so.
        who: &'static str,
    },
    /// Tried often enough.
    #[error("{source_words}: gave up after {tries} attempts: {last}; {kept}")]
    GivenUp {
        /// What was asked for.
        source_words: String,
        /// How often.
        tries: u32,
        /// Why the last attempt failed.
        last: String,
        /// What is there for the next pull, in words.
        kept: String,
    },
}

impl PullError {
    /// As the failure of a command.
    pub fn failure(&self) -> Failure {
        let reason = match self {
            Self::NoCache | Self::Endpoint(_) | Self::NoObject(_) => FailureReason::InvalidJob,
            Self::S3(error) => error.reason(),
            Self::Offline(_) | Self::NotFound { .. } => FailureReason::InputMissing,
            Self::Cache { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => FailureReason::StorageRefused,
                io::ErrorKind::StorageFull => FailureReason::StorageFull,
                _ => FailureReason::StorageUnavailable,
            },
            Self::Refused { .. } => FailureReason::StorageRefused,
            Self::Digest { .. } => FailureReason::DigestMismatch,
            Self::Client(_)
            | Self::Answer { .. }
            | Self::TooLarge { .. }
            | Self::GivenUp { .. } => FailureReason::StorageUnavailable,
        };
        Failure::of(reason, self)
    }
}
