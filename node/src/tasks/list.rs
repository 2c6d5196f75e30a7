//! The survey: a first look at the source. What is found to its end is the listing; of the rest it
//! is said into which ranges it is cut.

use std::sync::Arc;

use tokio::sync::mpsc;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::ids::Attempt;
use fruitnode_coordinator::task::TaskResult;
use fruitnode_result::digest::sha256;
use fruitnode_result::story::{Told, Work};
use fruitnode_storage::manifest::{write_chunks, write_manifest};
use fruitnode_storage::{Entry, KeyRange, ListError, ListSummary, Survey, conclude};

use crate::tasks::facts::{ListingFacts, PartFacts, SurveyFacts, listed};
use crate::tasks::meter::Meter;
use crate::tasks::{JobContext, NodeContext, objects};

/// Looks at the source, and writes the manifest or the survey.
pub(super) async fn list(
    node: &Arc<NodeContext>,
    job: &Arc<JobContext>,
    attempt: Attempt,
) -> Result<TaskResult, Failure> {
    let mut told = Told::begin(&node.story.work.listed);
    let meter = Meter::here();
    let mut progress = |keys| {
        told.more(keys);
        meter.step();
    };
    let (source, selection) = (&*job.source, &job.settings.selection);
    let survey = source.survey(selection).await;
    let survey = survey.map_err(|error| Failure::of(error.reason(), &error))?;
    let result = match survey {
        Some(survey) if !survey.ranges.is_empty() => {
            cut(job, attempt, survey, &mut progress).await?
        }
        survey => {
            let (manifest, summary) = write_manifest(
                |blocks| whole(job, survey, blocks),
                job.settings.rows_per_part,
                &*job.sink,
                &objects::manifest(&job.id, attempt),
                &mut progress,
            )
            .await?;
            ListingFacts::of(&manifest, &summary).write(node, job, attempt).await?;
            listed(&manifest)
        }
    };
    told.keep();
    Ok(result)
}

/// Everything, as far as the survey has not found it already.
async fn whole(
    job: &JobContext,
    survey: Option<Survey>,
    blocks: mpsc::Sender<Vec<Entry>>,
) -> Result<ListSummary, ListError> {
    let (source, selection) = (&*job.source, &job.settings.selection);
    let summary = match survey {
        Some(survey) => send(job, survey, blocks).await?,
        None => source.list(selection, &KeyRange::default(), blocks).await?,
    };
    conclude(source, selection, summary)
}

/// Writes what the survey found and how the rest is cut.
async fn cut(
    job: &JobContext,
    attempt: Attempt,
    mut survey: Survey,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<TaskResult, Failure> {
    let ranges = std::mem::take(&mut survey.ranges);
    let name = |chunk| objects::entries(&job.id, attempt, chunk);
    let found = |blocks| send(job, survey, blocks);
    let (chunks, summary) = write_chunks(found, &*job.sink, name, progress).await?;
    let keys = summary.keys;
    let facts = SurveyFacts { part: PartFacts { chunks, summary }, ranges };
    let bytes = facts.encode();
    let (digest, ranges) = (sha256(&bytes), facts.ranges.len() as u32);
    job.put(&objects::survey(&job.id, attempt), bytes).await?;
    Ok(TaskResult::Cut { ranges, keys, digest })
}

async fn send(
    job: &JobContext,
    survey: Survey,
    blocks: mpsc::Sender<Vec<Entry>>,
) -> Result<ListSummary, ListError> {
    let stopped = |_| ListError::Stopped { from: job.source.uri().to_owned() };
    blocks.send(survey.entries).await.map_err(stopped)?;
    Ok(survey.summary)
}

impl ListingFacts {
    /// Writes them beside the manifest of the same attempt.
    ///
    /// # Errors
    /// As the sink says.
    pub(super) async fn write(
        &self,
        node: &NodeContext,
        job: &JobContext,
        attempt: Attempt,
    ) -> Result<(), Failure> {
        Work::add(&node.story.work.skipped, self.skipped);
        let passed_over = self.hidden + self.excluded + self.own;
        Work::add(&node.story.work.passed_over, passed_over);
        Work::add(&node.story.work.untimely, self.untimely);
        let bytes = serde_json::to_vec(self).expect("numbers and strings are always JSON");
        job.put(&objects::listing(&job.id, attempt), bytes).await
    }
}
