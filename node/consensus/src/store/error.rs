//! What can be wrong with a log, in words that say what to do.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::reserve::RESERVE_BYTES;

/// What to do about a log that cannot be trusted: a voter that forgot what it acknowledged would
/// rewrite the history of the others.
const ANEW: &str = "where other voters run, remove this node (`fruitnode node remove`) and join \
                    again with an empty --data-dir; where it was the only one, go on from a backup \
                    (`fruitnode recover --unsafe --from BACKUP`)";

/// What is wrong with a log.
#[derive(Debug, Error)]
pub enum StoreError {
    /// There is no file.
    #[error("{path} is not there: restore this node's whole data folder, or {ANEW}")]
    Missing {
        /// The log.
        path: PathBuf,
    },
    /// There is a file already where a new one was to be.
    #[error("{path} exists already: choose an empty data folder")]
    Exists {
        /// The log.
        path: PathBuf,
    },
    /// Another process has it open.
    #[error("{path} is in use by another process: stop that one first")]
    InUse {
        /// The log.
        path: PathBuf,
    },
    /// It belongs to another identity.
    #[error(
        "{path} belongs to storage `{found}` and not to `{wanted}`: it was wiped or exchanged; \
         {ANEW}"
    )]
    OtherStorage {
        /// The log.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        wanted: String,
    },
    /// A newer release wrote it.
    #[error("{path} has format {found}, newer than this release reads: upgrade this node")]
    Newer {
        /// The log.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// It does not hold what was written.
    #[error("{path} is damaged ({why}): {ANEW}")]
    Damaged {
        /// The log.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// It holds less than was acknowledged.
    #[error(
        "{path} is older than what this node acknowledged (write {found} of {acknowledged}): an \
         old copy was put in its place, or its last write is damaged; {ANEW}"
    )]
    RolledBack {
        /// The log.
        path: PathBuf,
        /// The last write that it holds.
        found: u64,
        /// The last write that was acknowledged.
        acknowledged: u64,
    },
    /// The disk is full, and nothing is left in reserve.
    #[error(
        "no space is left for {path}: free {} MiB or more on its disk and start again; nothing \
         that was acknowledged is lost",
        RESERVE_BYTES >> 20
    )]
    Full {
        /// The log.
        path: PathBuf,
    },
    /// Entries that do not follow what is there.
    #[error("entries from {from} do not follow the log, which holds {first} to {last}")]
    Gap {
        /// Index of the first one.
        from: u64,
        /// Index of the first entry of the log.
        first: u64,
        /// Index of the last entry of the log.
        last: u64,
    },
    /// A write failed. What is on the disk is no longer known.
    #[error("{path} cannot be written ({why}): this process must end, and the disk be looked at")]
    Write {
        /// The log.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// An earlier write failed.
    #[error("{path} could not be written before: this process must end")]
    Latched {
        /// The log.
        path: PathBuf,
    },
    /// The file or its folder cannot be used.
    #[error("{path} cannot be opened ({why}): check its folder, its owner and its disk")]
    Io {
        /// The log.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// What an error of the database means while the log is opened or read.
pub(super) fn reading(path: &Path, error: impl Into<redb::Error>) -> StoreError {
    let path = path.to_owned();
    match error.into() {
        redb::Error::DatabaseAlreadyOpen => StoreError::InUse { path },
        redb::Error::Io(error) => input(path, &error),
        redb::Error::UpgradeRequired(found) => {
            StoreError::Damaged { path, why: format!("a file of redb's format {found}") }
        }
        error => StoreError::Damaged { path, why: error.to_string() },
    }
}

/// What an error of the database means while the log is written.
pub(super) fn writing(path: &Path, error: &redb::Error) -> StoreError {
    let path = path.to_owned();
    match error {
        redb::Error::Io(error) if is_full(error) => StoreError::Full { path },
        error => StoreError::Write { path, why: error.to_string() },
    }
}

/// What an error of the file system means while the log is opened or read.
pub(super) fn input(path: PathBuf, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::NotFound => StoreError::Missing { path },
        io::ErrorKind::AlreadyExists => StoreError::Exists { path },
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            StoreError::Damaged { path, why: error.to_string() }
        }
        _ if is_full(error) => StoreError::Full { path },
        _ => StoreError::Io { path, why: error.to_string() },
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
