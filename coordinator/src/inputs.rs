//! What an attempt at a task needs, as the log knows it.

use crate::story::AttemptRecord;
use crate::task::{Cut, FitRecord, Holding, Listing, RangePart, Winner};
use crate::tree::TreeNode;

/// Everything that an attempt needs beside the job's specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inputs {
    /// Nothing.
    List,
    /// The survey that names the range.
    ListRange(Cut),
    /// The survey, and what won for each range in key order.
    Gather(Cut, Vec<RangePart>),
    /// A partition to be visited.
    Extract {
        /// The listing, whose block has the partition's number.
        listing: Listing,
        /// Whether its photographs are suspects: each is decoded in another process.
        careful: bool,
        /// Photographs of other partitions that are known to be bad.
        bad_elsewhere: u64,
    },
    /// The accepted features.
    Remake(Winner),
    /// The accepted features of everything below a node of the tree.
    Rebuild {
        /// Partitions of the job: the tree's shape follows from them.
        partitions: u32,
        /// One per partition below the node, in key order.
        winners: Vec<Winner>,
    },
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
