//! The manifest of a source that was listed in ranges: the same as that of one listing, however it
//! was cut and whoever listed it.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::ids::{Attempt, RangeId};
use fruitnode_coordinator::task::{Cut, RangePart, TaskResult};
use fruitnode_storage::manifest::{Chunk, ManifestError, read_chunks, write_manifest};
use fruitnode_storage::{ListSummary, conclude};

use crate::tasks::facts::{ListingFacts, PartFacts, listed};
use crate::tasks::meter::Meter;
use crate::tasks::{JobContext, NodeContext, objects};

/// Parts whose facts are read side by side.
const FACTS_AT_ONCE: usize = 8;

/// Reads what was listed, in order, and writes the manifest.
pub(super) async fn gather(
    node: &Arc<NodeContext>,
    job: &Arc<JobContext>,
    attempt: Attempt,
    cut: Cut,
    won: Vec<RangePart>,
) -> Result<TaskResult, Failure> {
    let survey = job.survey(cut).await?;
    let facts: Vec<PartFacts> = stream::iter((0..).map(RangeId).zip(won.clone()))
        .map(|(range, part)| async move {
            let name = objects::range(&job.id, range, part.attempt);
            let bytes = job.get_checked(&name, part.digest).await?;
            Ok::<_, Failure>(PartFacts::decode(&bytes)?)
        })
        .buffered(FACTS_AT_ONCE)
        .try_collect()
        .await?;
    let attempts = [cut.attempt].into_iter().chain(won.iter().map(|part| part.attempt));
    let (mut summary, mut chunks) = (ListSummary::default(), Vec::new());
    for (attempt, part) in attempts.zip([survey.part.clone()].into_iter().chain(facts)) {
        chunks.extend(named(job, attempt, part.chunks));
        summary.append(part.summary);
    }
    let (source, selection) = (&*job.source, &job.settings.selection);
    let summary = conclude(source, selection, summary).map_err(ManifestError::from)?;
    let meter = Meter::here();
    let (manifest, ()) = write_manifest(
        |blocks| read_chunks(&*job.sink, chunks, blocks),
        job.settings.rows_per_part,
        &*job.sink,
        &objects::manifest(&job.id, attempt),
        &mut |_| meter.step(),
    )
    .await?;
    ListingFacts::of(&manifest, &summary).write(node, job, attempt).await?;
    Ok(listed(&manifest))
}

fn named(
    job: &JobContext,
    attempt: Attempt,
    chunks: Vec<Chunk>,
) -> impl Iterator<Item = (String, Chunk)> {
    let chunks = chunks.into_iter().enumerate();
    chunks.map(move |(at, chunk)| (objects::entries(&job.id, attempt, at), chunk))
}
