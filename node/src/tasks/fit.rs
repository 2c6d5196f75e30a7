//! Scaler and principal components: from the root moments, certified before anyone uses them, or
//! those of a given model.

use std::sync::Arc;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::ids::Attempt;
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::task::{Holding, TaskResult};
use fruitnode_coordinator::tree::TreeNode;
use fruitnode_pca as pca;
use fruitnode_result::digest::sha256;
use fruitnode_result::fitted_file::FittedFile;

use crate::tasks::moments::moments;
use crate::tasks::{JobContext, NodeContext, objects};

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
        Failure::new(FailureReason::InvalidJob, "the lease is for a fit, but the job has no PCA")
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

/// Takes the given model over, in place of a fit: the tasks after this one see no difference.
pub(super) async fn adopt(
    node: &Arc<NodeContext>,
    job: &Arc<JobContext>,
    attempt: Attempt,
) -> Result<TaskResult, Failure> {
    let context = Arc::clone(job);
    let (object, components) = node
        .compute(move |_| {
            let given = context.given.as_ref().ok_or_else(|| {
                let words = "the lease is for a given fit, but the job has no model";
                Failure::new(FailureReason::InvalidJob, words)
            })?;
            Ok((given.encode()?, given.file.facts.k))
        })
        .await?;
    let digest = sha256(&object);
    job.put(&objects::fit(&job.id, attempt), object).await?;
    Ok(TaskResult::Fitted { digest, components })
}
