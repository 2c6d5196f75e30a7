//! Scaler and principal components from the root moments, certified before anyone uses them.

use std::sync::Arc;

use fruitnode_coordinator::ids::Attempt;
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::task::{Holding, TaskResult};
use fruitnode_coordinator::tree::TreeNode;

use crate::failure::Failure;
use crate::fitted_file::FittedFile;
use crate::pca;
use crate::tasks::peers::moments;
use crate::tasks::{JobContext, NodeContext, objects, sha256};

/// Fits, certifies, and writes the model for the tasks after it.
pub(super) async fn fit(
    node: &Arc<NodeContext>,
    job: &Arc<JobContext>,
    attempt: Attempt,
    root: TreeNode,
    holding: Holding,
) -> Result<TaskResult, Failure> {
    let moments = moments(node, &job.id, root, holding).await?;
    let options = job.settings.pca.ok_or_else(|| {
        Failure::new(FailureReason::InvalidJob, "a fit was leased of a job without a PCA")
    })?;
    let context = Arc::clone(job);
    let (object, components) = node
        .compute_long(move |_| {
            let fitted = pca::fit(&moments, &options)?;
            let certificate = pca::certificate(&moments, &fitted)?;
            certificate.holds()?;
            let file = FittedFile::of(&fitted, &options, &certificate, context.made_by());
            Ok((file.encode()?, fitted.k as u32))
        })
        .await?;
    let digest = sha256(&object);
    job.put(&objects::fit(&job.id, attempt), object).await?;
    Ok(TaskResult::Fitted { digest, components })
}
