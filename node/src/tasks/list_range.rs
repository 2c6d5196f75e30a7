//! One range of a source that the survey cut.

use std::sync::Arc;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::ids::{Attempt, RangeId};
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::task::{Cut, TaskResult};
use fruitnode_result::digest::sha256;
use fruitnode_result::story::Told;
use fruitnode_storage::manifest::write_chunks;

use crate::tasks::facts::PartFacts;
use crate::tasks::meter::Meter;
use crate::tasks::{JobContext, NodeContext, objects};

/// Lists a range and writes what it holds.
pub(super) async fn list_range(
    node: &Arc<NodeContext>,
    job: &Arc<JobContext>,
    range: RangeId,
    attempt: Attempt,
    cut: Cut,
) -> Result<TaskResult, Failure> {
    let mut told = Told::begin(&node.story.work.listed);
    let meter = Meter::here();
    let survey = job.survey(cut).await?;
    let Some(keys) = survey.ranges.get(range.0 as usize) else {
        let words = format!("the survey {} has no range {range}", cut.attempt);
        return Err(Failure::new(FailureReason::InvalidJob, words));
    };
    let (chunks, summary) = write_chunks(
        |blocks| job.source.list(&job.settings.selection, keys, blocks),
        &*job.sink,
        |chunk| objects::entries(&job.id, attempt, chunk),
        &mut |keys| {
            told.more(keys);
            meter.step();
        },
    )
    .await?;
    let keys = summary.keys;
    let bytes = PartFacts { chunks, summary }.encode();
    let digest = sha256(&bytes);
    job.put(&objects::range(&job.id, range, attempt), bytes).await?;
    told.keep();
    Ok(TaskResult::RangeListed { keys, digest })
}
