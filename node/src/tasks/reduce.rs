//! Moments: merged with their neighbours', or made again from accepted features.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::ids::PartitionId;
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::task::{Holding, TaskResult, Winner};
use fruitnode_coordinator::tree::{ReducePlan, Step, TreeNode};
use fruitnode_pca::moments::Moments;
use fruitnode_result as output;

use crate::tasks::moments::moments;
use crate::tasks::{JobContext, NodeContext, objects};

/// Merges two neighbours. Where nothing stands between nodes, the left one is here, since a merge
/// is leased to its holder; what is elsewhere is fetched, and let go of when it is merged.
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

/// Makes a partition's moments again.
pub(super) async fn remake(
    node: &Arc<NodeContext>,
    job: &Arc<JobContext>,
    partition: PartitionId,
    winner: Winner,
) -> Result<TaskResult, Failure> {
    let moments = of_features(node, job, &winner).await?;
    let digest = moments.digest();
    node.moments.hold_remade(&job.id, partition.0, digest, moments);
    Ok(TaskResult::Held { digest })
}

/// Makes all moments below a node of the tree again and merges them.
pub(super) async fn rebuild(
    node: &Arc<NodeContext>,
    job: &Arc<JobContext>,
    (at, partitions): (TreeNode, u32),
    winners: Vec<Winner>,
) -> Result<TaskResult, Failure> {
    let plan = ReducePlan::new(partitions);
    let invalid = |words: &str| Failure::new(FailureReason::InvalidJob, format!("{at}: {words}"));
    if !plan.contains(at) {
        return Err(invalid("there is no such node in the merge tree of this job"));
    }
    if !winners.iter().map(|winner| winner.partition.0).eq(plan.leaves(at)) {
        return Err(invalid("the lease has the features of other partitions"));
    }
    let leaves = stream::iter(winners).then(|winner| {
        let (node, job) = (Arc::clone(node), Arc::clone(job));
        async move { of_features(&node, &job, &winner).await }
    });
    let moments = below(node, (plan, at), leaves.boxed()).await?;
    let digest = moments.digest();
    let left = plan.children(at).map_or(at, |(left, _)| left);
    node.moments.hold_merged(&job.id, (at, left), digest, moments);
    Ok(TaskResult::Held { digest })
}

/// The moments of a node of the tree, from those of its leaves, each made when its turn comes: the
/// merges of the tree in its own order, so that the bits are those of the tree. As many moments as
/// the tree is deep are in memory at most, and two.
async fn below(
    node: &NodeContext,
    (plan, at): (ReducePlan, TreeNode),
    mut leaves: BoxStream<'_, Result<Moments, Failure>>,
) -> Result<Moments, Failure> {
    let mut stack: Vec<Moments> = Vec::new();
    for step in plan.steps(at) {
        let made = match step {
            Step::Leaf(_) => leaves.next().await.expect("a stream of all leaves")?,
            Step::Merge => {
                let sides = stack.pop().zip(stack.pop());
                let (right, left) = sides.expect("a merge comes after its two sides");
                node.compute(move |_| Ok(Moments::merge(&left, &right)?)).await?
            }
        };
        stack.push(made);
    }
    Ok(stack.pop().expect("every node of the tree has a leaf"))
}

/// The moments of accepted features. Same rows, same order, same function: same bits as in the
/// first visit.
async fn of_features(
    node: &Arc<NodeContext>,
    job: &Arc<JobContext>,
    winner: &Winner,
) -> Result<Moments, Failure> {
    let name = objects::features(&job.id, winner.partition, winner.features_attempt);
    let object = job.get_checked(&name, winner.features).await?;
    node.compute(move |_| {
        let features = output::read_features_part(&object)?;
        Ok(Moments::of_rows(&features.values, features.dim))
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use fruitnode_coordinator::ids::{Attempt, JobId, NodeId};
    use fruitnode_coordinator::task::Task;
    use fruitnode_env::Moment;
    use fruitnode_result::rows::{FeatureRows, Subject};
    use fruitnode_result::story::Story;

    use super::*;
    use crate::tasks::NodeOptions;
    use crate::tasks::meter::measured;

    const DIM: usize = 7;

    /// Features of a partition as they are written, of more or fewer rows.
    fn object(partition: u32) -> Vec<u8> {
        let rows = 1 + partition as usize % 5;
        let subject = |row: usize| Subject {
            path: format!("{partition:05}/{row}.png"),
            label: Some(partition.to_string()),
            size: 1,
            modified_us: 0,
        };
        let value = |at: usize| ((partition as usize * 31 + at * at) as f32).sqrt() / 3.0;
        let values = (0..rows * DIM).map(value).collect();
        let rows = FeatureRows { subjects: (0..rows).map(subject).collect(), dim: DIM, values };
        output::features_part(&rows).unwrap()
    }

    fn leaf(partition: u32) -> Moments {
        let features = output::read_features_part(&object(partition).into()).unwrap();
        Moments::of_rows(&features.values, features.dim)
    }

    /// The tree merged as nodes do it that reach each other: level by level.
    fn merged(plan: ReducePlan, at: TreeNode) -> Moments {
        match plan.children(at) {
            None => leaf(plan.leaves(at).start),
            Some((left, right)) => {
                Moments::merge(&merged(plan, left), &merged(plan, right)).unwrap()
            }
        }
    }

    #[tokio::test]
    async fn what_is_made_from_features_has_the_bits_of_the_tree_wherever_it_stands() {
        let story = Arc::new(Story::begin(Moment::now(), 0));
        let options = NodeOptions { threads: NonZeroUsize::MIN, batch: NonZeroUsize::MIN };
        let node = NodeContext::start(NodeId(1), options, story).unwrap();
        for partitions in [1, 2, 3, 7, 8, 21, 64] {
            let plan = ReducePlan::new(partitions);
            let mut open = vec![plan.root().unwrap()];
            while let Some(at) = open.pop() {
                let leaves = stream::iter(plan.leaves(at)).map(|partition| Ok(leaf(partition)));
                let made = below(&node, (plan, at), leaves.boxed()).await.unwrap();
                assert_eq!(made.digest(), merged(plan, at).digest(), "{at} of {partitions}");
                open.extend(plan.children(at).into_iter().flat_map(|(left, right)| [left, right]));
            }
        }
    }

    #[tokio::test]
    async fn every_merge_is_a_step_so_that_it_is_seen_to_live() {
        let story = Arc::new(Story::begin(Moment::now(), 0));
        let options = NodeOptions { threads: NonZeroUsize::MIN, batch: NonZeroUsize::MIN };
        let node = NodeContext::start(NodeId(1), options, story).unwrap();
        let plan = ReducePlan::new(8);
        let at = plan.root().unwrap();
        let name = (JobId("j".to_owned()), Task::Rebuild(at), Attempt(1));
        let made = async {
            let seen = |steps: u32| assert_eq!(node.running.steps()[0].1, u64::from(steps));
            let leaves = stream::iter(plan.leaves(at)).map(|partition| {
                // Before a leaf come the merges of what lies left of it.
                seen(partition - partition.count_ones());
                Ok(leaf(partition))
            });
            below(&node, (plan, at), leaves.boxed()).await.unwrap();
            seen(7);
        };
        measured(&node.running, name, made).await;
    }
}
