//! The listing: every selected key of the source, in order, cut into partitions.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use fruitnode_coordinator::ids::Attempt;
use fruitnode_coordinator::task::TaskResult;

use crate::failure::Failure;
use crate::storage::manifest::write_manifest;
use crate::story::Work;
use crate::tasks::facts::ListingFacts;
use crate::tasks::{JobContext, NodeContext, objects};

/// Lists the source and writes the manifest.
pub(super) async fn list(
    node: &Arc<NodeContext>,
    job: &Arc<JobContext>,
    attempt: Attempt,
) -> Result<TaskResult, Failure> {
    let listed = &node.story.work.listed;
    let mut progress = |keys: u64| listed.store(keys, Ordering::Relaxed);
    let settings = &job.settings;
    let (manifest, summary) = write_manifest(
        &*job.source,
        &settings.selection,
        settings.rows_per_part,
        &*job.sink,
        &objects::manifest(&job.id, attempt),
        &mut progress,
    )
    .await?;
    Work::add(&node.story.work.skipped, summary.skipped);
    Work::add(&node.story.work.untimely, summary.untimely);
    let facts = ListingFacts {
        digest: manifest.listing.hex(),
        skipped: summary.skipped,
        untimely: summary.untimely,
        others: summary.others,
        limited: summary.limited,
    };
    job.put(&objects::listing(&job.id, attempt), facts.encode()).await?;
    Ok(TaskResult::Listed {
        keys: manifest.keys,
        bytes: manifest.bytes,
        partitions: manifest.partitions,
        digest: manifest.digest,
    })
}
