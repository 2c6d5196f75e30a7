//! Units of work, what an attempt needs to do one, and what it says when it is done.

use std::fmt;

use crate::ids::{Attempt, Digest, NodeId, PartitionId};
use crate::story::AttemptRecord;
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
    /// Project a partition's features.
    Project(PartitionId),
    /// Fetch, decode and infer a partition's photographs.
    Extract(PartitionId),
    /// List the source.
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
    Project,
    Extract,
    List,
}

impl TaskKind {
    /// Every kind, in the order in which ready tasks are offered.
    pub const ALL: [Self; 7] = [
        Self::Publish,
        Self::Fit,
        Self::Merge,
        Self::Remake,
        Self::Project,
        Self::Extract,
        Self::List,
    ];
}

impl Task {
    /// The kind of this task.
    pub fn kind(self) -> TaskKind {
        match self {
            Self::Publish => TaskKind::Publish,
            Self::Fit => TaskKind::Fit,
            Self::Merge(_) => TaskKind::Merge,
            Self::Remake(_) => TaskKind::Remake,
            Self::Project(_) => TaskKind::Project,
            Self::Extract(_) => TaskKind::Extract,
            Self::List => TaskKind::List,
        }
    }

    /// The partition that the task is about, if it is about one.
    pub fn partition(self) -> Option<PartitionId> {
        match self {
            Self::Remake(p) | Self::Project(p) | Self::Extract(p) => Some(p),
            Self::Publish | Self::Fit | Self::Merge(_) | Self::List => None,
        }
    }

    /// Whether it occupies a slot of its node. A merge does not: it takes milliseconds and has to
    /// run where the moments are, so making it wait for a slot would only keep memory occupied.
    pub fn takes_slot(self) -> bool {
        !matches!(self, Self::Merge(_))
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publish => f.write_str("publish"),
            Self::Fit => f.write_str("fit"),
            Self::Merge(node) => write!(f, "merge:{node}"),
            Self::Remake(p) => write!(f, "remake:{}", p.0),
            Self::Project(p) => write!(f, "project:{}", p.0),
            Self::Extract(p) => write!(f, "extract:{}", p.0),
            Self::List => f.write_str("list"),
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

/// Everything that an attempt needs beside the job's specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inputs {
    /// Nothing.
    List,
    /// The listing, whose block with the partition's number is to be visited.
    Extract(Listing),
    /// The accepted features.
    Remake(Winner),
    /// Both sides, left first.
    Merge((TreeNode, Holding), (TreeNode, Holding)),
    /// The root.
    Fit(TreeNode, Holding),
    /// Of a fit that is given: nothing beside the specification.
    Adopt,
    /// The accepted features and the accepted fit.
    Project(Winner, FitRecord),
    /// The complete list of winners in key order: recorded here, by the log, before the first
    /// final write.
    Publish {
        /// The listing.
        listing: Listing,
        /// The fit, unless the job has no PCA.
        fit: Option<FitRecord>,
        /// One per partition.
        winners: Vec<Winner>,
        /// Every attempt that ended, in this order: for people, never for a published byte.
        story: Vec<AttemptRecord>,
    },
}

/// What a finished attempt says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskResult {
    /// Of [`Task::List`].
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
    /// Of [`Task::Merge`] and [`Task::Remake`]: the node now holds the moments.
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
            (Self::Listed { .. }, TaskKind::List)
            | (Self::Extracted { .. }, TaskKind::Extract)
            | (Self::Held { .. }, TaskKind::Merge | TaskKind::Remake)
            | (Self::Fitted { .. }, TaskKind::Fit)
            | (Self::Projected { .. }, TaskKind::Project)
            | (Self::Published { .. }, TaskKind::Publish) => true,
            (
                Self::Listed { .. }
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
