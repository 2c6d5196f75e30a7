//! One partition's features in the space of the components, as Parquet and as rows of the CSV.

use std::sync::Arc;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::ids::{Attempt, PartitionId};
use fruitnode_coordinator::task::{FitRecord, TaskResult, Winner};
use fruitnode_pca as pca;
use fruitnode_result as output;
use fruitnode_result::digest::sha256;
use fruitnode_result::fitted_file::FittedFile;
use fruitnode_result::rows::ScoreRows;

use crate::tasks::{JobContext, NodeContext, objects};

/// Projects the accepted features with the accepted fit.
pub(super) async fn project(
    node: &Arc<NodeContext>,
    job: &Arc<JobContext>,
    partition: PartitionId,
    attempt: Attempt,
    winner: Winner,
    fit: FitRecord,
) -> Result<TaskResult, Failure> {
    let name = objects::features(&job.id, partition, winner.features_attempt);
    let features = job.get_checked(&name, winner.features).await?;
    let model = job.get_checked(&objects::fit(&job.id, fit.attempt), fit.digest).await?;
    let (rows, scores, csv) = node
        .compute(move |_| {
            let fitted = FittedFile::decode(&model)?.fitted()?;
            let features = output::read_features_part(&features)?;
            let mut values = Vec::new();
            pca::project(&fitted, &features.values, &mut values)?;
            let rows = ScoreRows { subjects: features.subjects, k: fitted.k, values };
            let scores = output::scores_part(&rows)?;
            let csv = output::csv_rows(&rows)?;
            Ok((rows.subjects.len() as u32, scores, csv))
        })
        .await?;
    let (scores_digest, csv_digest) = (sha256(&scores), sha256(&csv));
    job.put(&objects::scores(&job.id, partition, attempt), scores).await?;
    job.put(&objects::csv(&job.id, partition, attempt), csv).await?;
    Ok(TaskResult::Projected { rows, scores: scores_digest, csv: csv_digest })
}
