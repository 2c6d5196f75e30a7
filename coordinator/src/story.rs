//! What is remembered of attempts for people: nothing here decides anything but who is spared a
//! task that failed there before, and whom a node is not asked to fetch from again.

use crate::ids::{Attempt, NodeId};
use crate::retry::FailureReason;
use crate::task::Task;

/// Records of a job below which every attempt is remembered. Beyond, and beyond eight for each
/// partition, those that can come again without end are only counted: lost nodes, stores that do
/// not answer, and moments that are made once more.
pub(crate) const RECORDS_KEPT_ANYWAY: usize = 10_000;

/// What an attempt says of its way, beside its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AttemptFacts {
    /// Wall time at its beginning, milliseconds since 1970-01-01 UTC, by the clock of its node.
    pub began_ms: u64,
    /// From its beginning to its end, milliseconds.
    pub took_ms: u32,
    /// Bytes fetched.
    pub bytes: u64,
    /// Spent on fetching, summed over threads, milliseconds.
    pub fetch_ms: u32,
    /// Spent on computing, summed over threads, milliseconds.
    pub compute_ms: u32,
    /// Spent on writing, milliseconds.
    pub write_ms: u32,
    /// The node that holds moments which were needed, and was not reached.
    pub unreached: Option<NodeId>,
}

/// One attempt that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptRecord {
    /// The task.
    pub task: Task,
    /// The attempt.
    pub attempt: Attempt,
    /// Who had it.
    pub node: NodeId,
    /// Why it failed. `None` of one that was accepted.
    pub reason: Option<FailureReason>,
    /// What it said of its way; zeros of one that said nothing.
    pub facts: AttemptFacts,
}

impl AttemptRecord {
    /// Whether records like this one are bounded by the number of partitions.
    pub(crate) fn is_bounded(&self) -> bool {
        match self.reason {
            Some(reason) => reason.counts(),
            None => !self.task.kind().is_reduction(),
        }
    }
}
