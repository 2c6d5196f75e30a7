//! The trait through which one job writes, and what its names may look like.
//!
//! All or nothing: public objects are announced with [`Sink::begin`] and become a result with
//! [`Sink::commit`], whose last act is the marker [`SUCCESS`]. Until `begin`, only names under
//! `_run/` may be written.

use std::error::Error;
use std::io;
use std::ops::Range;
use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::retry::FailureReason;

use crate::disk;
use crate::s3::S3Error;

/// Name of the marker that makes a result valid. Only [`Sink::commit`] writes it.
pub const SUCCESS: &str = "_SUCCESS";

/// Where a job keeps its own story and what it has not yet published.
const RUN: &str = "_run/";

/// Longest name of an object below the target, as S3 allows for a whole key.
const NAME_BYTES_MAX: usize = 1_024;

/// Longest part of a name between `/`, as file systems allow.
const PART_BYTES_MAX: usize = 255;

/// Why something could not be written, read back or published.
#[derive(Debug, Error)]
pub enum SinkError {
    /// The target holds something already, and the job may not replace it.
    #[error(
        "{out} is not empty: choose another target, or replace an earlier result with `--overwrite`"
    )]
    Taken {
        /// The target.
        out: String,
    },
    /// The target holds something that is no part of a result.
    #[error(
        "{out} contains `{name}`, which is not part of a fruitnode result and would be deleted: \
         move it elsewhere, or choose another target"
    )]
    Foreign {
        /// The target.
        out: String,
        /// The first such name.
        name: String,
    },
    /// The target cannot be replaced by a folder.
    #[error("{out} {why}")]
    Unfit {
        /// The target.
        out: String,
        /// Why not, and what to do.
        why: &'static str,
    },
    /// Another job builds its result for the same target.
    #[error("another run is writing to {out} ({holder}): wait until it ends, or stop it")]
    Busy {
        /// The target.
        out: String,
        /// Who that is.
        holder: String,
    },
    /// The folder that the nodes of a job share is not here.
    #[error(
        "this node does not see the folder {out} that the first node of the job saw: mount it here \
         under the same path, or use an s3:// target"
    )]
    Unseen {
        /// The target.
        out: String,
    },
    /// Another job holds the target now.
    #[error(
        "another run took over {out} because this one had not renewed its lock in time: nothing \
         more is written there. Run again when the other one has ended"
    )]
    Lost {
        /// The target.
        out: String,
    },
    /// A public object is not the one that this job wrote.
    #[error(
        "{place} was written by someone else while the result was being published: make sure that \
         only one run writes there, and run again"
    )]
    Overwritten {
        /// The object.
        place: String,
    },
    /// The store's own words.
    #[error(transparent)]
    S3(#[from] S3Error),
    /// No space left, or no quota.
    #[error("no space left for {place}: free some, or choose another target")]
    Full {
        /// The file or object.
        place: String,
    },
    /// Writing is not allowed.
    #[error("no permission to write {place}: grant it to this user, or choose another target")]
    Refused {
        /// The file or object.
        place: String,
        /// What the system said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Nothing was written under this name.
    #[error("`{name}` does not exist")]
    Missing {
        /// The name.
        name: String,
    },
    /// A name that could lead outside the target, or that cannot be one.
    #[error("`{name}` is not a valid name for a file of a result: {why}")]
    BadName {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A public object was written before the names of all were announced.
    #[error("`{name}` was written before publishing began")]
    NotBegun {
        /// The name.
        name: String,
    },
    /// A public object was written that was not announced.
    #[error("`{name}` is not one of the announced files of the result")]
    NotAnnounced {
        /// The name.
        name: String,
    },
    /// A public object was announced and not written.
    #[error("`{name}` was announced as part of the result, but is missing")]
    Incomplete {
        /// The name.
        name: String,
    },
    /// The job has been committed or aborted.
    #[error("the target of the job is closed: it was committed or aborted")]
    Closed,
    /// The world's fault.
    #[error("cannot write or read {place}")]
    Unavailable {
        /// The file or object.
        place: String,
        /// What the system said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl From<SinkError> for Failure {
    fn from(error: SinkError) -> Self {
        Self::of(error.reason(), &error)
    }
}

/// What a process does with a target that it opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It makes it ready and has it for itself: whoever else wants it is refused.
    Take,
    /// It makes it ready for all nodes of the job. Another node may have begun to do so, and died.
    Prepare,
    /// Another node of the job has made it ready; whoever finds that it has not is refused.
    Join,
}

/// Everything one job writes below one place.
///
/// Names are relative, `/`-separated and checked. Writing a name again replaces the object; no
/// reader ever sees a part of one. Methods may run side by side, except `begin`, `commit` and
/// `abort`, which come when no other is under way.
#[async_trait]
pub trait Sink: Send + Sync {
    /// The place, as the user gave it.
    fn uri(&self) -> &str;

    /// Writes a whole object.
    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), SinkError>;

    /// Begins an object that is written piece by piece and appears when it is finished.
    async fn create(&self, name: &str) -> Result<Box<dyn ObjectWriter>, SinkError>;

    /// Size of an object in bytes.
    async fn size(&self, name: &str) -> Result<u64, SinkError>;

    /// Reads a whole object.
    async fn get(&self, name: &str) -> Result<Bytes, SinkError>;

    /// Reads the bytes `range` of an object; fewer bytes than asked for are an error.
    async fn get_range(&self, name: &str, range: Range<u64>) -> Result<Bytes, SinkError>;

    /// Gives the bytes of `from` to the name `to`, without moving them through this process where
    /// the place can do that. May be repeated.
    async fn promote(&self, from: &str, to: &str) -> Result<(), SinkError>;

    /// Removes an object. One that is not there is no error.
    async fn remove(&self, name: &str) -> Result<(), SinkError>;

    /// Removes every object below a folder under `_run/`, such as `_run/JOB/work/`: what attempts
    /// left for each other, also those that lost. None that is there is no error.
    async fn remove_below(&self, folder: &str) -> Result<(), SinkError>;

    /// Announces the public names of the result, before the first of them is written. Where objects
    /// appear one by one, this ends the validity of an earlier result and deletes what is not in
    /// `finals`. May be repeated with the same names.
    async fn begin(&self, finals: &[String]) -> Result<(), SinkError>;

    /// Makes the announced objects a result; `success` becomes the marker, last of all. Refuses if
    /// one is missing, or if there is one more.
    async fn commit(&self, success: Bytes) -> Result<(), SinkError>;

    /// Gives up: nothing of the job stays but what an earlier result held. May be repeated.
    async fn abort(&self) -> Result<(), SinkError>;

    /// Names of what was taken over from earlier jobs, below the job's own folder of work.
    fn resumed(&self) -> &[String] {
        &[]
    }

    /// Gives up as [`Self::abort`] does, but leaves what the next job can resume from; says where
    /// that lies, if there is any.
    async fn leave(&self) -> Result<Option<String>, SinkError> {
        self.abort().await.map(|()| None)
    }

    /// The marker, if this job has committed, whichever of its nodes did. `None` where a sink
    /// serves one process alone.
    async fn published(&self) -> Result<Option<Bytes>, SinkError> {
        Ok(None)
    }

    /// Whether other nodes write for the same job. Then a commit removes the work of the job
    /// itself, when nobody needs it any more.
    fn is_joint(&self) -> bool {
        false
    }

    /// Whether the place refuses writes whose condition does not hold, so that two runs cannot mix
    /// their results even if one of them is not heard of. `None` where that is no question.
    fn conditional_writes(&self) -> Option<bool> {
        None
    }
}

/// An object under construction. Dropped unfinished, it leaves nothing.
#[async_trait]
pub trait ObjectWriter: Send {
    /// Appends bytes.
    async fn write(&mut self, bytes: Bytes) -> Result<(), SinkError>;

    /// Makes the object appear under its name; its size in bytes.
    async fn finish(self: Box<Self>) -> Result<u64, SinkError>;
}

impl SinkError {
    /// What the failure means for the task that met it.
    #[deny(clippy::wildcard_enum_match_arm)]
    pub fn reason(&self) -> FailureReason {
        match self {
            Self::Taken { .. }
            | Self::Foreign { .. }
            | Self::Unfit { .. }
            | Self::Busy { .. }
            | Self::Lost { .. }
            | Self::Overwritten { .. } => FailureReason::TargetTaken,
            Self::S3(error) => error.reason(),
            Self::Full { .. } => FailureReason::StorageFull,
            Self::Refused { .. } => FailureReason::StorageRefused,
            Self::Missing { .. } | Self::Incomplete { .. } => FailureReason::InputMissing,
            Self::BadName { .. } | Self::NotBegun { .. } | Self::NotAnnounced { .. } => {
                FailureReason::InvalidJob
            }
            Self::Closed => FailureReason::Cancelled,
            // Another node may see it.
            Self::Unseen { .. } => FailureReason::StorageUnavailable,
            Self::Unavailable { source, .. } => disk::reason(&**source),
        }
    }

    /// What a failed call on a file or folder means.
    pub(super) fn from_io(place: &Path, source: io::Error) -> Self {
        let place = place.display().to_string();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { place },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::Refused { place, source: Box::new(source) }
            }
            _ => Self::Unavailable { place, source: Box::new(source) },
        }
    }
}

/// Whether a name belongs to the job's own story and not to the result.
pub(super) fn is_private(name: &str) -> bool {
    name.starts_with(RUN)
}

/// Refuses names that could lead elsewhere or that some place could not hold.
pub(super) fn check_name(name: &str) -> Result<(), SinkError> {
    let why = if name.len() > NAME_BYTES_MAX {
        "it is longer than 1,024 bytes"
    } else if name == SUCCESS {
        "only the commit may write the marker"
    } else if name.starts_with('/') {
        "it is absolute"
    } else if name.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        "a part of it is empty, `.` or `..`"
    } else if name.split('/').any(|part| part.len() > PART_BYTES_MAX) {
        "a part of it is longer than 255 bytes"
    } else if name.contains(|letter: char| letter.is_control() || letter == '\\') {
        "it contains a control character or a backslash"
    } else {
        return Ok(());
    };
    Err(SinkError::BadName { name: name.to_owned(), why })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use fruitnode_coordinator::retry::FailureReason;

    use super::{SinkError, check_name};

    #[test]
    fn names_that_could_lead_elsewhere_are_refused() {
        for name in ["", "/x", "..", "a/../b", "./a", "a//b", "a/", "a\0b", "a\nb", "a\\b"] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        assert!(check_name("_SUCCESS").is_err());
        assert!(check_name(&"x".repeat(256)).is_err());
        assert!(check_name(&"x/".repeat(600)).is_err());
        for name in ["features/part-00000.parquet", "_run/job 1/p0-a1", "a..b/…"] {
            check_name(name).unwrap();
        }
    }

    #[test]
    fn a_full_disk_and_a_refusal_are_not_retried_and_an_io_error_is() {
        let reason = |kind: io::ErrorKind| {
            SinkError::from_io(Path::new("out/x"), io::Error::from(kind)).reason()
        };
        assert_eq!(reason(io::ErrorKind::StorageFull), FailureReason::StorageFull);
        assert_eq!(reason(io::ErrorKind::QuotaExceeded), FailureReason::StorageFull);
        assert_eq!(reason(io::ErrorKind::ReadOnlyFilesystem), FailureReason::StorageRefused);
        assert_eq!(reason(io::ErrorKind::PermissionDenied), FailureReason::StorageRefused);
        assert_eq!(reason(io::ErrorKind::TimedOut), FailureReason::StorageUnavailable);
    }
}
