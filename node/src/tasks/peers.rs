//! The way to the moments that other nodes hold.

use std::fmt;

use async_trait::async_trait;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::ids::{Digest, JobId, NodeId};
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::tree::TreeNode;

/// The way to the moments that other nodes hold.
#[async_trait]
pub(crate) trait MomentsSource: fmt::Debug + Send + Sync {
    /// The bytes of [`fruitnode_pca::moments::wire`] that a node has for a place in the tree.
    ///
    /// # Errors
    /// When they do not come: [`FailureReason::MomentsUnreachable`] where the node was not reached,
    /// anything else where it was and does not have them.
    async fn moments(
        &self,
        node: NodeId,
        job: &JobId,
        tree_node: TreeNode,
        digest: Digest,
    ) -> Result<Vec<u8>, Failure>;
}

/// Of a node that is alone: there is no other.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NoPeers;

#[async_trait]
impl MomentsSource for NoPeers {
    async fn moments(
        &self,
        node: NodeId,
        _job: &JobId,
        tree_node: TreeNode,
        _digest: Digest,
    ) -> Result<Vec<u8>, Failure> {
        let words = format!("node {node} has the moments {tree_node}, but cannot be reached");
        Err(Failure::new(FailureReason::MomentsUnreachable, words))
    }
}
