//! What can be wrong with a log, in words that say what to do.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::reserve::RESERVE_BYTES;

/// What to do about a log that cannot be trusted: a voter that forgot what it acknowledged would
/// rewrite the history of the others.
const ANEW: &str = "if there are other voters, remove this node (`fruitnode node remove`) and join \
                    again with an empty --data-dir; if it was the only one, recover from a backup \
                    (`fruitnode recover --unsafe --from BACKUP`)";

/// What is wrong with a log.
#[derive(Debug, Error)]
pub enum StoreError {
    /// There is no file.
    #[error("{path} is missing: restore the whole data directory of this node, or {ANEW}")]
    Missing {
        /// The log.
        path: PathBuf,
    },
    /// There is a file already where a new one was to be.
    #[error("{path} already exists: choose an empty --data-dir")]
    Exists {
        /// The log.
        path: PathBuf,
    },
    /// Another process has it open.
    #[error("{path} is in use by another process: stop that process first")]
    InUse {
        /// The log.
        path: PathBuf,
    },
    /// It belongs to another identity.
    #[error(
        "{path} has the log ID `{found}` instead of `{wanted}`: it was wiped or replaced; {ANEW}"
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
        "{path} is older than what this node has acknowledged (write {found} of {acknowledged}): \
         it was replaced by an old copy, or its last write is damaged; {ANEW}"
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
        "no space left for {path}: free {} MiB or more on its disk and start again; nothing that \
         was acknowledged is lost",
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
    #[error("cannot write {path} ({why}): this process must stop; check the disk")]
    Write {
        /// The log.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// An earlier write failed.
    #[error("an earlier write to {path} failed: this process must stop")]
    Latched {
        /// The log.
        path: PathBuf,
    },
    /// The file or its folder cannot be used.
    #[error("cannot open {path} ({why}): check its folder, owner and disk")]
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
            StoreError::Damaged { path, why: format!("a file in redb format {found}") }
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
