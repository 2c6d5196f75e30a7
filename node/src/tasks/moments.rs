//! Moments that the state says are held, here or by another node: asked for, and checked before
//! they are believed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::ids::{Digest, JobId};
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::task::Holding;
use fruitnode_coordinator::tree::TreeNode;
use fruitnode_env::Moment;
use fruitnode_pca::moments::Moments;
use fruitnode_pca::moments::wire::decode_moments;

use crate::tasks::NodeContext;
use crate::tasks::meter::Meter;

/// Wait before it is told that moments did not come: another attempt follows at once, and until the
/// loss of their holder is noticed it would meet the same.
const MISSING_PAUSE: Duration = Duration::from_millis(500);

impl NodeContext {
    fn held(
        &self,
        job: &JobId,
        tree_node: TreeNode,
        digest: Digest,
    ) -> Result<Arc<Moments>, Failure> {
        self.moments.get(job, tree_node, digest).ok_or_else(|| {
            let words = format!("node {} no longer has the moments {tree_node}", self.id);
            Failure::new(FailureReason::MomentsMissing, words)
        })
    }
}

/// Moments that the state says are held, here or elsewhere. Whose holder is not reached from here
/// is told with the attempt.
pub(super) async fn moments(
    node: &NodeContext,
    job: &JobId,
    tree_node: TreeNode,
    holding: Holding,
) -> Result<Arc<Moments>, Failure> {
    let digest = holding.digest;
    if holding.node == node.id {
        return node.held(job, tree_node, digest);
    }
    let began = Moment::now();
    let came = node.peers().moments(holding.node, job, tree_node, digest).await;
    let bytes = match came {
        Ok(bytes) => bytes,
        Err(failure) => {
            sleep(MISSING_PAUSE).await;
            if failure.reason == FailureReason::MomentsUnreachable {
                Meter::here().unreached(holding.node);
                return Err(failure);
            }
            return Err(Failure::new(FailureReason::MomentsMissing, failure.words));
        }
    };
    Meter::here().fetched(bytes.len(), began.elapsed());
    let from = holding.node;
    node.compute(move |_| {
        let mismatch = |words| Failure::new(FailureReason::DigestMismatch, words);
        let moments = decode_moments(&bytes)
            .map_err(|error| mismatch(format!("moments {tree_node} from node {from}: {error}")))?;
        if moments.digest() == digest {
            return Ok(Arc::new(moments));
        }
        Err(mismatch(format!("moments {tree_node} from node {from} have the wrong digest")))
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use async_trait::async_trait;

    use fruitnode_coordinator::ids::{Attempt, NodeId};
    use fruitnode_coordinator::task::Task;
    use fruitnode_pca::moments::wire::encode_moments;
    use fruitnode_result::story::Story;

    use super::*;
    use crate::tasks::meter::measured;
    use crate::tasks::peers::NoPeers;
    use crate::tasks::{MomentsSource, NodeOptions};

    /// Another node in this process, whose answers may be bent on the way.
    #[derive(Debug)]
    struct Other(Arc<NodeContext>, fn(Vec<u8>) -> Vec<u8>);

    #[async_trait]
    impl MomentsSource for Other {
        async fn moments(
            &self,
            node: NodeId,
            job: &JobId,
            tree_node: TreeNode,
            digest: Digest,
        ) -> Result<Vec<u8>, Failure> {
            assert_eq!(node, self.0.id);
            Ok((self.1)(encode_moments(&*self.0.held(job, tree_node, digest)?)))
        }
    }

    fn node(id: u64) -> NodeContext {
        let story = Arc::new(Story::begin(Moment::now(), 0));
        let options = NodeOptions { threads: NonZeroUsize::MIN, batch: NonZeroUsize::MIN };
        NodeContext::start(NodeId(id), options, story).unwrap()
    }

    fn pair(bend: fn(Vec<u8>) -> Vec<u8>) -> (NodeContext, Arc<NodeContext>, Holding) {
        let other = Arc::new(node(2));
        let moments = Moments::of_rows(&[1.0, 2.0, 4.0], 1);
        let holding = Holding { node: NodeId(2), digest: moments.digest() };
        assert!(other.moments.hold_leaf(&job(), 2, 1, holding.digest, moments));
        (node(1).with_peers(Arc::new(Other(Arc::clone(&other), bend))), other, holding)
    }

    fn job() -> JobId {
        JobId("job".to_owned())
    }

    #[tokio::test]
    async fn what_another_node_holds_is_fetched_and_is_the_same() {
        let (node, _other, holding) = pair(|bytes| bytes);
        let came = moments(&node, &job(), TreeNode::leaf(1), holding).await.unwrap();
        assert_eq!(came.digest(), holding.digest);
        assert!(!node.moments.holds(&job(), TreeNode::leaf(1)), "it is not held here as well");
    }

    #[tokio::test]
    async fn what_its_holder_no_longer_has_is_missing_and_the_holder_tells() {
        let (node, other, holding) = pair(|bytes| bytes);
        other.moments.forget(&job());
        let failure = moments(&node, &job(), TreeNode::leaf(1), holding).await.unwrap_err();
        assert_eq!(failure.reason, FailureReason::MomentsMissing);
        let told: Vec<_> = other.moments.take_dropped().into_iter().collect();
        assert_eq!(told, [(job(), TreeNode::leaf(1))]);
        assert!(node.moments.take_dropped().is_empty(), "it is not this one's to tell");
    }

    #[tokio::test]
    async fn whoever_is_not_reached_is_told_with_the_attempt() {
        let node = node(1).with_peers(Arc::new(NoPeers));
        let holding = Holding { node: NodeId(2), digest: Digest::default() };
        let (job, leaf) = (job(), TreeNode::leaf(1));
        let name = (job.clone(), Task::Fit, Attempt(1));
        let fetch = moments(&node, &job, leaf, holding);
        let (came, facts) = measured(&node.running, name, fetch).await;
        assert_eq!(came.unwrap_err().reason, FailureReason::MomentsUnreachable);
        assert_eq!(facts.unreached, Some(NodeId(2)));
    }

    #[tokio::test]
    async fn what_was_bent_on_the_way_is_not_believed() {
        let flip = |mut bytes: Vec<u8>| {
            *bytes.last_mut().unwrap() ^= 1;
            bytes
        };
        let cut = |bytes: Vec<u8>| bytes[..20].to_vec();
        for bend in [flip as fn(Vec<u8>) -> Vec<u8>, cut] {
            let (node, _other, holding) = pair(bend);
            let failure = moments(&node, &job(), TreeNode::leaf(1), holding).await.unwrap_err();
            assert_eq!(failure.reason, FailureReason::DigestMismatch, "{}", failure.words);
            assert!(failure.words.contains("n2"), "{}", failure.words);
        }
    }
}
