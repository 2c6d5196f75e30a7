//! One partition that an earlier `run` finished before it ended early, taken over by this one; and
//! the note that lets the next one do the same.
//!
//! A cluster needs none of it: what it accepted is in its log.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tracing::info;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::ids::{Attempt, Digest, PartitionId};
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::task::{Listing, TaskResult};
use fruitnode_pca::moments::Moments;
use fruitnode_result as output;
use fruitnode_result::story::Work;

use crate::tasks::objects::Finished;
use crate::tasks::resumable::key_of;
use crate::tasks::{JobContext, NodeContext, max_bad, objects};

/// Whose rows a partition's are, written when all of its files are.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Done {
    /// SHA-256 of its feature rows.
    pub(super) features: String,
    /// The same of its quarantined photographs, if it has any.
    pub(super) quarantine: Option<String>,
    /// The same of its small pictures, if it has any.
    pub(super) thumbnails: Option<String>,
}

impl JobContext {
    /// What the rows of a partition are made from, beside what the whole job is.
    async fn key_of(&self, listing: Listing, partition: PartitionId) -> Result<String, Failure> {
        let entries = self.manifest(listing).await?.digest(partition.0);
        // Which photographs have a small picture depends on how many there are.
        let keys = if self.projects() { listing.keys } else { 0 };
        Ok(key_of(format!("{entries} {keys}").as_bytes()))
    }

    /// Photographs with features of partitions that the next run can take over.
    pub(crate) fn finished_photographs(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }

    /// Whether there is something that the next run can take over.
    pub(crate) fn is_worth_resuming(&self) -> bool {
        let earlier = self.resumable.as_ref().is_some_and(|resumable| !resumable.is_empty());
        earlier || self.finished_photographs() > 0
    }

    /// Says that a partition with so many good photographs is finished, where another run may want
    /// to know.
    pub(super) async fn finish(
        &self,
        (listing, partition, attempt): (Listing, PartitionId, Attempt),
        photographs: u64,
        done: &Done,
    ) -> Result<(), Failure> {
        if self.resumable.is_none() {
            return Ok(());
        }
        let key = self.key_of(listing, partition).await?;
        let name = objects::done(&self.id, partition, attempt, &key);
        let bytes = serde_json::to_vec(done).expect("words are always JSON");
        self.put(&name, bytes).await?;
        self.finished.fetch_add(photographs, Ordering::Relaxed);
        Ok(())
    }
}

/// A partition that an earlier run finished, if one did. With whatever is wrong with it, it is made
/// anew.
///
/// # Errors
/// When more photographs are bad than the job endures.
pub(super) async fn take_over(
    node: &Arc<NodeContext>,
    job: &Arc<JobContext>,
    (listing, partition, attempt): (Listing, PartitionId, Attempt),
    bad_elsewhere: u64,
) -> Result<Option<TaskResult>, Failure> {
    let Some(resumable) = job.resumable.as_ref().filter(|resumable| !resumable.is_empty()) else {
        return Ok(None);
    };
    let key = job.key_of(listing, partition).await?;
    let Some(finished) = resumable.get(&key) else { return Ok(None) };
    let taken = match read(job, finished).await {
        Ok(taken) => taken,
        Err(failure) => {
            info!(%partition, words = failure.words, "what an earlier run left is of no use");
            return Ok(None);
        }
    };
    let Taken { done, features, quarantine } = taken;
    let (rows, bad) = node
        .compute(move |_| {
            let rows = output::read_features_part(&features)?;
            let bad = quarantine.as_ref().map(output::read_quarantine_part).transpose()?;
            Ok((rows, bad.unwrap_or_default()))
        })
        .await?;
    let good = rows.subjects.len();
    bad.iter().for_each(|row| node.story.quarantined(row));
    max_bad::check(job.settings.max_bad, &bad, bad_elsewhere, listing.keys)?;
    let own = |of: fn(&_, _, _) -> String| of(&job.id, partition, attempt);
    job.sink.promote(&finished.features(), &own(objects::features)).await?;
    if done.quarantine.is_some() {
        job.sink.promote(&finished.quarantine(), &own(objects::quarantine)).await?;
    }
    if done.thumbnails.is_some() {
        job.sink.promote(&finished.thumbnails(), &own(objects::thumbnails)).await?;
    }
    job.finish((listing, partition, attempt), good as u64, &done).await?;
    let moments = match job.reduces() {
        false => None,
        true => {
            let sum = move |_: &mut _| {
                let moments = Moments::of_rows(&rows.values, rows.dim);
                let digest = moments.digest();
                Ok((moments, digest))
            };
            let (moments, digest) = node.compute(sum).await?;
            let (of, partitions) = (&job.id, listing.partitions);
            node.moments.hold_leaf(of, partitions, partition.0, digest, moments).then_some(digest)
        }
    };
    Work::add(&node.story.work.resumed, good as u64);
    Ok(Some(TaskResult::Extracted {
        good: good as u32,
        bad: bad.len() as u32,
        features: digest(&done.features),
        quarantine: done.quarantine.as_deref().map(digest),
        moments,
        gets: 0,
        inferences: 0,
    }))
}

/// What an earlier run left of a partition, and is what it was.
struct Taken {
    done: Done,
    features: Bytes,
    quarantine: Option<Bytes>,
}

async fn read(job: &JobContext, finished: &Finished) -> Result<Taken, Failure> {
    let bytes = job.sink.get(&finished.done()).await?;
    let done: Done = serde_json::from_slice(&bytes).map_err(|error| {
        let words = format!("`{}` cannot be read: {error}", finished.done());
        Failure::new(FailureReason::DigestMismatch, words)
    })?;
    let features = job.get_checked(&finished.features(), digest(&done.features)).await?;
    let quarantine = match &done.quarantine {
        None => None,
        Some(wanted) => Some(job.get_checked(&finished.quarantine(), digest(wanted)).await?),
    };
    if let Some(wanted) = &done.thumbnails {
        job.get_checked(&finished.thumbnails(), digest(wanted)).await?;
    }
    Ok(Taken { done, features, quarantine })
}

/// A digest from its hexadecimal digits; one that nothing has from others.
fn digest(hex: &str) -> Digest {
    let mut digest = Digest::default();
    for (index, byte) in digest.0.iter_mut().enumerate() {
        let digits = hex.get(2 * index..2 * index + 2);
        *byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or_default();
    }
    digest
}

#[cfg(test)]
mod tests {
    use fruitnode_result::digest::sha256;

    use super::*;

    #[test]
    fn a_digest_comes_back_from_its_digits() {
        let of = sha256(b"a");
        assert_eq!(digest(&of.hex()), of);
        assert_eq!(digest("zz"), Digest::default());
    }
}
