//! Moments: merged with their neighbours', or made again from accepted features.

use std::sync::Arc;

use fruitnode_coordinator::ids::PartitionId;
use fruitnode_coordinator::moments::Moments;
use fruitnode_coordinator::task::{Holding, TaskResult, Winner};
use fruitnode_coordinator::tree::TreeNode;

use crate::failure::Failure;
use crate::output;
use crate::tasks::peers::moments;
use crate::tasks::{JobContext, NodeContext, objects};

/// Merges two neighbours. The left one is here, since a merge is leased to its holder; the right
/// one is fetched from its own, and let go of when it is merged.
pub(super) async fn merge(
    node: &Arc<NodeContext>,
    job: &Arc<JobContext>,
    into: TreeNode,
    left: (TreeNode, Holding),
    right: (TreeNode, Holding),
) -> Result<TaskResult, Failure> {
    let left_side = moments(node, &job.id, left.0, left.1).await?;
    let right_side = moments(node, &job.id, right.0, right.1).await?;
    let (merged, digest) = node
        .compute(move |_| {
            let merged = Moments::merge(&left_side, &right_side)?;
            let digest = merged.digest();
            Ok((merged, digest))
        })
        .await?;
    node.moments.hold_merged(&job.id, (into, left.0), digest, merged);
    Ok(TaskResult::Held { digest })
}

/// Makes a partition's moments again. Same rows, same order, same function: same bits as in the
/// first visit.
pub(super) async fn remake(
    node: &Arc<NodeContext>,
    job: &Arc<JobContext>,
    partition: PartitionId,
    winner: Winner,
) -> Result<TaskResult, Failure> {
    let name = objects::features(&job.id, partition, winner.features_attempt);
    let object = job.get_checked(&name, winner.features).await?;
    let (moments, digest) = node
        .compute(move |_| {
            let features = output::read_features_part(&object)?;
            let moments = Moments::of_rows(&features.values, features.dim);
            let digest = moments.digest();
            Ok((moments, digest))
        })
        .await?;
    node.moments.hold_remade(&job.id, partition.0, digest, moments);
    Ok(TaskResult::Held { digest })
}
