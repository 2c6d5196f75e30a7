//! Moments that one node holds and another needs.

use std::sync::Arc;

use async_trait::async_trait;

use fruitnode_coordinator::codec::wire;
use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::ids::{Digest, JobId, NodeId};
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::tree::TreeNode;
use fruitnode_mesh::client::Peers;
use fruitnode_mesh::error::{MeshError, Refusal, RefusalKind};
use fruitnode_pca::moments::wire as bytes;
use fruitnode_proto::v1;

use crate::tasks::{MomentsSource, NodeContext};

/// Largest moments that are taken: 8,192 columns packed.
const MOMENTS_BYTES_MAX: usize = 300 << 20;

/// Fetches over the mesh.
#[derive(Debug)]
pub(super) struct PeerMoments(pub(super) Peers);

#[async_trait]
impl MomentsSource for PeerMoments {
    async fn moments(
        &self,
        node: NodeId,
        job: &JobId,
        tree_node: TreeNode,
        digest: Digest,
    ) -> Result<Vec<u8>, Failure> {
        let request = v1::MomentsRequest {
            job: job.0.clone(),
            tree_node: Some(wire::tree_node_to_proto(tree_node)),
            digest: digest.0.to_vec(),
        };
        let fetched = self.0.moments(node, request, MOMENTS_BYTES_MAX).await;
        fetched.map_err(|error| {
            let words = format!("cannot fetch moments {tree_node} from {node}: {error}");
            let reason = match &error {
                MeshError::Unreachable { .. }
                | MeshError::TimedOut { .. }
                | MeshError::Tls { .. }
                | MeshError::Denied(_) => FailureReason::MomentsUnreachable,
                // The node was asked, or is not the one that is meant any more.
                _ => FailureReason::MomentsMissing,
            };
            Failure::new(reason, words)
        })
    }
}

/// Moments that this node holds, as bytes.
pub(super) async fn held(
    context: &Arc<NodeContext>,
    request: v1::MomentsRequest,
) -> Result<Vec<u8>, Refusal> {
    let invalid = |words: String| Refusal::new(RefusalKind::Invalid, words);
    let tree_node = wire::tree_node_from_proto(request.tree_node)
        .map_err(|error| invalid(error.to_string()))?;
    let digest = request.digest.as_slice().try_into().map(Digest);
    let digest = digest.map_err(|_| invalid("a digest must have 32 bytes".to_owned()))?;
    let job = JobId(request.job);
    let Some(moments) = context.moments.get(&job, tree_node, digest) else {
        let words = format!("{} does not have the moments {tree_node} of job {job}", context.id);
        return Err(Refusal::new(RefusalKind::NotFound, words));
    };
    let encoded = context.compute(move |_| Ok(bytes::encode_moments(&moments))).await;
    encoded.map_err(|failure| Refusal::failed(failure.words))
}
