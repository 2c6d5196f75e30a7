//! Units of work, what comes of them, and what an attempt says when it is done.

use std::fmt;

use crate::ids::{Attempt, Digest, NodeId, PartitionId, RangeId};
use crate::tree::TreeNode;

/// One unit of work of a job. The order of the variants is the order in which ready tasks are
/// offered: what frees memory or ends a job comes before what begins something new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    /// Give the result its final names.
    Publish,
    /// Scaler and principal components from the root moments, or from a given model.
    Fit,
    /// Merge the moments of two neighbours in the tree into this node.
    Merge(TreeNode),
    /// Make a partition's moments again from its accepted features.
    Remake(PartitionId),
    /// Make all moments below this node of the tree again from accepted features, and merge them,
    /// on one node: those who hold them do not reach each other.
    Rebuild(TreeNode),
    /// Project a partition's features.
    Project(PartitionId),
    /// Fetch, decode and infer a partition's photographs.
    Extract(PartitionId),
    /// Make the manifest of what the survey and the ranges listed.
    Gather,
    /// List one of the ranges into which the survey cut the source.
    ListRange(RangeId),
    /// The survey: list the source from its beginning, to the end or until it can be cut.
    List,
}

/// Kinds of tasks, where the partition does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the same words as in `Task`")]
pub enum TaskKind {
    Publish,
    Fit,
    Merge,
    Remake,
    Rebuild,
    Project,
    Extract,
    Gather,
    ListRange,
    List,
}

impl TaskKind {
    /// Every kind, in the order in which ready tasks are offered.
    pub const ALL: [Self; 10] = [
        Self::Publish,
        Self::Fit,
        Self::Merge,
        Self::Remake,
        Self::Rebuild,
        Self::Project,
        Self::Extract,
        Self::Gather,
        Self::ListRange,
        Self::List,
    ];

    /// Stable name, for people and machine-readable output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Fit => "fit",
            Self::Merge => "merge",
            Self::Remake => "remake",
            Self::Rebuild => "rebuild",
            Self::Project => "project",
            Self::Extract => "extract",
            Self::Gather => "gather",
            Self::ListRange => "list-range",
            Self::List => "list",
        }
    }

    /// Whether such a task makes moments of what was accepted before: nothing but a fit needs them.
    pub(crate) fn is_reduction(self) -> bool {
        matches!(self, Self::Merge | Self::Remake | Self::Rebuild)
    }

    /// Whether such a task reads or writes objects. A merge has all it needs in memory.
    pub fn needs_store(self) -> bool {
        self != Self::Merge
    }
}

impl Task {
    /// The kind of this task.
    pub fn kind(self) -> TaskKind {
        match self {
            Self::Publish => TaskKind::Publish,
            Self::Fit => TaskKind::Fit,
            Self::Merge(_) => TaskKind::Merge,
            Self::Remake(_) => TaskKind::Remake,
            Self::Rebuild(_) => TaskKind::Rebuild,
            Self::Project(_) => TaskKind::Project,
            Self::Extract(_) => TaskKind::Extract,
            Self::Gather => TaskKind::Gather,
            Self::ListRange(_) => TaskKind::ListRange,
            Self::List => TaskKind::List,
        }
    }

    /// The partition that the task is about, if it is about one.
    pub fn partition(self) -> Option<PartitionId> {
        match self {
            Self::Remake(p) | Self::Project(p) | Self::Extract(p) => Some(p),
            Self::Publish
            | Self::Fit
            | Self::Merge(_)
            | Self::Rebuild(_)
            | Self::Gather
            | Self::ListRange(_)
            | Self::List => None,
        }
    }

    /// Whether it occupies a slot of its node. A merge does not: it takes milliseconds and has to
    /// run where the moments are, so making it wait for a slot would only keep memory occupied. Nor
    /// does a range: it waits for the store's pages, and hardly for a processor.
    pub fn takes_slot(self) -> bool {
        !matches!(self, Self::Merge(_) | Self::ListRange(_))
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.kind().name();
        match self {
            Self::Merge(node) | Self::Rebuild(node) => write!(f, "{name}:{node}"),
            Self::Remake(p) | Self::Project(p) | Self::Extract(p) => write!(f, "{name}:{}", p.0),
            Self::ListRange(range) => write!(f, "{name}:{}", range.0),
            Self::Publish | Self::Fit | Self::Gather | Self::List => f.write_str(name),
        }
    }
}

/// Moments in the memory of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// Who has them.
    pub node: NodeId,
    /// Their SHA-256.
    pub digest: Digest,
}

/// Ranges that a source is cut into at most. Each takes some fifty bytes of every voter's memory.
pub const RANGES_MAX: u32 = 256;

/// The accepted survey of a source that was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Attempt that made it; part of its object's name.
    pub attempt: Attempt,
    /// Ranges. At least 1, at most [`RANGES_MAX`].
    pub ranges: u32,
    /// Photographs that the survey itself listed, before the first range.
    pub keys: u64,
    /// SHA-256 of the object that names the ranges and what the survey listed.
    pub digest: Digest,
}

/// What won for one range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangePart {
    /// Attempt that listed it; part of its object's name.
    pub attempt: Attempt,
    /// Photographs.
    pub keys: u64,
    /// SHA-256 of the object that tells what was listed.
    pub digest: Digest,
}

const _: () = assert!(size_of::<Option<RangePart>>() <= 56);

/// The accepted listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listing {
    /// Attempt that made it; part of the manifest's name.
    pub attempt: Attempt,
    /// Photographs.
    pub keys: u64,
    /// Sum of their sizes as listed.
    pub bytes: u64,
    /// Partitions that they were cut into.
    pub partitions: u32,
    /// SHA-256 of the manifest.
    pub digest: Digest,
}

/// The accepted fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FitRecord {
    /// Attempt that made it; part of the object's name.
    pub attempt: Attempt,
    /// Components kept.
    pub components: u32,
    /// SHA-256 of the fitted model's object.
    pub digest: Digest,
}

/// What won for one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Winner {
    /// The partition.
    pub partition: PartitionId,
    /// Attempt whose features were accepted.
    pub features_attempt: Attempt,
    /// SHA-256 of the features object.
    pub features: Digest,
    /// Rows with features.
    pub good: u32,
    /// Rows in quarantine.
    pub bad: u32,
    /// SHA-256 of the quarantine object, where `bad > 0`.
    pub quarantine: Option<Digest>,
    /// Attempt whose scores were accepted, with the SHA-256 of the scores and of the CSV rows.
    pub scores: Option<(Attempt, Digest, Digest)>,
}

/// What a finished attempt says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskResult {
    /// Of [`Task::List`] that came to the end of the source, and of [`Task::Gather`].
    Listed {
        /// Photographs.
        keys: u64,
        /// Sum of their sizes.
        bytes: u64,
        /// Partitions.
        partitions: u32,
        /// SHA-256 of the manifest.
        digest: Digest,
    },
    /// Of [`Task::List`] that cut the source.
    Cut {
        /// Ranges that are still to be listed.
        ranges: u32,
        /// Photographs that were listed before the first of them.
        keys: u64,
        /// SHA-256 of the object that names the ranges and what was listed.
        digest: Digest,
    },
    /// Of [`Task::ListRange`].
    RangeListed {
        /// Photographs.
        keys: u64,
        /// SHA-256 of the object that tells what was listed.
        digest: Digest,
    },
    /// Of [`Task::Extract`].
    Extracted {
        /// Rows with features.
        good: u32,
        /// Rows in quarantine.
        bad: u32,
        /// SHA-256 of the features object.
        features: Digest,
        /// SHA-256 of the quarantine object, where `bad > 0`.
        quarantine: Option<Digest>,
        /// SHA-256 of the moments that the node now holds, if the job reduces any.
        moments: Option<Digest>,
        /// Completed reads of photographs.
        gets: u32,
        /// Inferences.
        inferences: u32,
    },
    /// Of [`Task::Merge`], [`Task::Remake`] and [`Task::Rebuild`]: the node now holds the moments.
    Held {
        /// SHA-256 of the moments.
        digest: Digest,
    },
    /// Of [`Task::Fit`].
    Fitted {
        /// SHA-256 of the fitted model's object.
        digest: Digest,
        /// Components kept.
        components: u32,
    },
    /// Of [`Task::Project`].
    Projected {
        /// Rows, those of the features.
        rows: u32,
        /// SHA-256 of the scores object.
        scores: Digest,
        /// SHA-256 of the CSV rows.
        csv: Digest,
    },
    /// Of [`Task::Publish`].
    Published {
        /// SHA-256 of `_SUCCESS`.
        digest: Digest,
    },
}

impl TaskResult {
    /// Whether this is an answer to that task.
    pub fn answers(&self, task: Task) -> bool {
        match (self, task.kind()) {
            (Self::Listed { .. }, TaskKind::List | TaskKind::Gather)
            | (Self::Cut { .. }, TaskKind::List)
            | (Self::RangeListed { .. }, TaskKind::ListRange)
            | (Self::Extracted { .. }, TaskKind::Extract)
            | (Self::Held { .. }, TaskKind::Merge | TaskKind::Remake | TaskKind::Rebuild)
            | (Self::Fitted { .. }, TaskKind::Fit)
            | (Self::Projected { .. }, TaskKind::Project)
            | (Self::Published { .. }, TaskKind::Publish) => true,
            (
                Self::Listed { .. }
                | Self::Cut { .. }
                | Self::RangeListed { .. }
                | Self::Extracted { .. }
                | Self::Held { .. }
                | Self::Fitted { .. }
                | Self::Projected { .. }
                | Self::Published { .. },
                _,
            ) => false,
        }
    }
}
