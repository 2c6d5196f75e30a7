//! How far a job is, and how it ended.

use crate::ids::Digest;
use crate::retry::FailureReason;
use crate::task::Task;

/// How far a job is.
///
/// ```text
/// Listing -> Extracting -> Reducing <-> Fitting -> Projecting -> Publishing -> Ended
///                 |\_____ given fit ____/                       /
///                  \______________ without a PCA ______________/
/// ```
///
/// `Fitting` falls back to `Reducing` when the node that holds the root moments is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// The source is being listed: by the survey alone, or by it, by ranges and by whoever gathers
    /// what they listed.
    Listing,
    /// Photographs become features; moments merge meanwhile.
    Extracting,
    /// All features are accepted, the root moments are not held yet.
    Reducing,
    /// The root moments are held, or the fit is given.
    Fitting,
    /// The fit is accepted.
    Projecting,
    /// All objects are accepted; they get their final names.
    Publishing,
    /// Over.
    Ended(Outcome),
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The result is published.
    Succeeded {
        /// SHA-256 of `_SUCCESS`.
        digest: Digest,
    },
    /// A task failed for good.
    Failed {
        /// The task.
        task: Task,
        /// Why.
        reason: FailureReason,
        /// Why, in words.
        detail: String,
    },
    /// A client cancelled it.
    Cancelled,
}
