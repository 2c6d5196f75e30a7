//! One partition of photographs: fetched, decoded, inferred, written, and summed up, in one visit.
//!
//! Photographs are fetched a few batches ahead of the compute threads, bounded in bytes, so that a
//! thread never waits for storage. Rows are put together in key order whatever order they are
//! finished in.
//!
//! Suspects are decoded in another process, with the same bits: one of them may have killed the
//! node that was at them before.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::ids::{Attempt, PartitionId};
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::task::{Listing, TaskResult};
use fruitnode_env::Moment;
use fruitnode_pca::moments::Moments;
use fruitnode_result as output;
use fruitnode_result::digest::sha256;
use fruitnode_result::rows::{BadRow, FeatureRows, Subject};
use fruitnode_result::story::{Story, Work};
use fruitnode_result::thumbnails::{Thumbnail, is_sampled};
use fruitnode_storage::{Entry, GetError, Place};
use fruitnode_vision::{DecodeError, Rgb};

use crate::tasks::feed::FedRow;
use crate::tasks::meter::Meter;
use crate::tasks::resume::Done;
use crate::tasks::{JobContext, NodeContext, Scratch, max_bad, objects, resume};

/// Reads of one batch that are under way together.
const FETCHES_PER_BATCH_MAX: usize = 16;

/// Code of photographs that are no longer there.
const GONE: &str = "gone";

/// Photographs that a node looks for before it says that it does not see their folder.
const SOUGHT_MAX: usize = 64;

/// What is to be done, as the lease says it.
pub(super) struct Visit {
    pub(super) partition: PartitionId,
    pub(super) attempt: Attempt,
    pub(super) listing: Listing,
    /// Whether the photographs are suspects.
    pub(super) careful: bool,
    /// Photographs of other partitions that are known to be bad.
    pub(super) bad_elsewhere: u64,
}

/// One photograph on its way.
enum Fetched {
    Bytes(Subject, Bytes),
    Decoded(Subject, Result<Rgb, DecodeError>),
    Bad(BadRow),
}

/// One photograph at the end of it.
enum Inferred {
    Good(Subject, Vec<f32>, Option<Thumbnail>),
    Bad(BadRow),
    /// One whose bytes were not had: another run may get them.
    Unread(BadRow),
}

impl Inferred {
    /// As a watcher sees it.
    fn fed(&self) -> FedRow {
        let (subject, features, code) = match self {
            Self::Good(subject, values, _) => (subject, values.clone(), None),
            Self::Bad(bad) | Self::Unread(bad) => {
                (&bad.subject, Vec::new(), Some(bad.code.clone()))
            }
        };
        FedRow { path: subject.path.clone(), label: subject.label.clone(), features, code }
    }
}

/// Rows of a partition while they come in, in key order.
#[derive(Default)]
struct Gathered {
    features: FeatureRows,
    bad: Vec<BadRow>,
    thumbnails: Vec<Thumbnail>,
    gets: u32,
    /// Whether another run might read what this one could not.
    unread: bool,
}

/// Does the partition.
pub(super) async fn extract(
    node: &Arc<NodeContext>,
    job: &Arc<JobContext>,
    visit: Visit,
) -> Result<TaskResult, Failure> {
    let Visit { partition, attempt, listing, careful, bad_elsewhere } = visit;
    let this = (listing, partition, attempt);
    if let Some(finished) = resume::take_over(node, job, this, bad_elsewhere).await? {
        return Ok(finished);
    }
    let entries = job.manifest_block(listing, partition).await?;
    let batches: Vec<Vec<Entry>> = entries.chunks(node.batch.get()).map(<[_]>::to_vec).collect();
    // Two batches per thread: one in work, one ready.
    let ahead = node.pool.threads().get() * 2;
    let gathered = Gathered {
        features: FeatureRows { dim: job.dim, ..FeatureRows::default() },
        ..Gathered::default()
    };
    let gathered = stream::iter(batches)
        .map(|batch| visit_batch(node, job, batch, (listing.keys, careful)))
        .buffered(ahead)
        .try_fold(gathered, |mut gathered, (gets, rows)| async move {
            gathered.gets += gets;
            node.rows.feed(&job.id, || rows.iter().map(Inferred::fed).collect());
            rows.into_iter().for_each(|row| gathered.push(row));
            max_bad::check(job.settings.max_bad, &gathered.bad, bad_elsewhere, listing.keys)?;
            Ok(gathered)
        })
        .await?;
    if gathered.all_gone() {
        sees_source(job, listing).await?;
    }
    finish(node, job, partition, attempt, listing, gathered).await
}

/// Makes sure that photographs which are not there are not there, and it is not that this node sees
/// another folder than the one that was listed.
async fn sees_source(job: &JobContext, listing: Listing) -> Result<(), Failure> {
    let Place::Folder(_) = job.settings.source else { return Ok(()) };
    if !job.settings.options.shared {
        return Ok(());
    }
    let first = job.manifest_block(listing, PartitionId(0)).await?;
    for entry in first.iter().take(SOUGHT_MAX) {
        match job.source.get(entry, job.limits.file_bytes).await {
            Err(GetError::Gone { .. }) => {}
            _ => return Ok(()),
        }
    }
    let words = format!(
        "this node does not see the photographs in {} that the first node of the job saw: mount \
         the folder here under the same path, or use an s3:// source",
        job.settings.from
    );
    Err(Failure::new(FailureReason::StorageUnavailable, words))
}

impl Gathered {
    /// Whether there was something, and none of it is there any more.
    fn all_gone(&self) -> bool {
        let gone = |row: &BadRow| row.code == GONE;
        self.features.subjects.is_empty() && !self.bad.is_empty() && self.bad.iter().all(gone)
    }

    fn push(&mut self, row: Inferred) {
        match row {
            Inferred::Good(subject, values, thumbnail) => {
                self.thumbnails.extend(thumbnail);
                self.features.subjects.push(subject);
                self.features.values.extend(values);
            }
            Inferred::Bad(bad) => self.bad.push(bad),
            Inferred::Unread(bad) => {
                self.unread = true;
                self.bad.push(bad);
            }
        }
    }
}

/// Fetches a batch and has a thread compute it. Completed reads, and a row for each photograph.
async fn visit_batch(
    node: &Arc<NodeContext>,
    job: &Arc<JobContext>,
    batch: Vec<Entry>,
    (listed, careful): (u64, bool),
) -> Result<(u32, Vec<Inferred>), Failure> {
    let bytes: u64 = batch.iter().map(|entry| entry.size.min(job.limits.file_bytes)).sum();
    let _room = node.room_for(bytes).await;
    let fetched: Vec<(bool, Fetched)> = stream::iter(batch)
        .map(|entry| fetch(node, job, entry))
        .buffered(node.batch.get().min(FETCHES_PER_BATCH_MAX))
        .try_collect()
        .await?;
    let gets = fetched.iter().filter(|(read, _)| *read).count() as u32;
    let context = Arc::clone(job);
    let (story, meter) = (Arc::clone(&node.story), Meter::here());
    let fetched: Vec<Fetched> = fetched.into_iter().map(|(_, fetched)| fetched).collect();
    let rows = node
        .compute(move |scratch| {
            let fetched =
                if careful { decode_suspects(&context, fetched, &meter)? } else { fetched };
            let infer = |fetched| {
                let row = infer(&context, &story, scratch, fetched, listed);
                meter.step();
                row
            };
            fetched.into_iter().map(infer).collect::<Result<Vec<_>, Failure>>()
        })
        .await?;
    Ok((gets, rows))
}

/// Reads one photograph. What is wrong with it makes a row; what is wrong with the world makes a
/// failure.
async fn fetch(
    node: &NodeContext,
    job: &JobContext,
    entry: Entry,
) -> Result<(bool, Fetched), Failure> {
    let subject = job.subject(&entry);
    if let Some(problem) = entry.problem {
        let (code, detail) = (problem.code().to_owned(), problem.words().to_owned());
        return Ok((false, Fetched::Bad(BadRow { subject, code, detail })));
    }
    let began = Moment::now();
    let got = job.source.get(&entry, job.limits.file_bytes).await;
    Meter::here().fetched(got.as_ref().map_or(0, Bytes::len), began.elapsed());
    match got {
        Ok(bytes) => {
            Work::add(&node.story.work.gets, 1);
            Work::add(&node.story.work.bytes, bytes.len() as u64);
            Ok((true, Fetched::Bytes(subject, bytes)))
        }
        Err(error) if error.is_content() => {
            let (code, detail) = (error.code().to_owned(), error.to_string());
            // An answer of any kind is a completed read, but what was never asked for is none.
            let asked = !matches!(error, GetError::TooLarge { .. } | GetError::Listed { .. });
            Work::add(&node.story.work.gets, u64::from(asked));
            Ok((asked, Fetched::Bad(BadRow { subject, code, detail })))
        }
        Err(error) => Err(Failure::of(error.reason(), &error)),
    }
}

/// Has another process decode a batch.
fn decode_suspects(
    job: &JobContext,
    fetched: Vec<Fetched>,
    meter: &Meter,
) -> Result<Vec<Fetched>, Failure> {
    let bytes = fetched.iter().filter_map(|fetched| match fetched {
        Fetched::Bytes(_, bytes) => Some(&bytes[..]),
        Fetched::Decoded(..) | Fetched::Bad(_) => None,
    });
    let bytes: Vec<&[u8]> = bytes.collect();
    let mut decoded = job.decode_suspects(&bytes, &|| meter.step())?.into_iter();
    let taken = fetched.into_iter().map(|fetched| match fetched {
        Fetched::Bytes(subject, _) => {
            let decoded = decoded.next().expect("one for each that has bytes");
            Fetched::Decoded(subject, decoded)
        }
        other => other,
    });
    Ok(taken.collect())
}

fn infer(
    job: &JobContext,
    story: &Story,
    scratch: &mut Scratch,
    fetched: Fetched,
    listed: u64,
) -> Result<Inferred, Failure> {
    let (subject, features) = match fetched {
        Fetched::Bytes(subject, bytes) => (subject, job.features(scratch, &bytes)?),
        Fetched::Decoded(subject, Ok(rgb)) => (subject, Ok(job.features_of(scratch, &rgb)?)),
        Fetched::Decoded(subject, Err(error)) => (subject, Err(error)),
        Fetched::Bad(bad) => {
            story.quarantined(&bad);
            return Ok(Inferred::Unread(bad));
        }
    };
    match features {
        Ok(values) => {
            Work::add(&story.work.inferences, 1);
            let shown = job.projects() && is_sampled(&subject.path, listed);
            let thumbnail = shown.then(|| JobContext::thumbnail(scratch));
            Ok(Inferred::Good(subject, values, thumbnail))
        }
        Err(error) => {
            let (code, detail) = (error.code().to_owned(), error.to_string());
            let bad = BadRow { subject, code, detail };
            story.quarantined(&bad);
            Ok(Inferred::Bad(bad))
        }
    }
}

/// Writes the rows and sums them up, from the same finished rows in key order.
async fn finish(
    node: &Arc<NodeContext>,
    job: &Arc<JobContext>,
    partition: PartitionId,
    attempt: Attempt,
    listing: Listing,
    gathered: Gathered,
) -> Result<TaskResult, Failure> {
    let Gathered { features, bad, thumbnails, gets, unread } = gathered;
    let good = features.subjects.len() as u32;
    let bad_rows = bad.len() as u32;
    let pca = job.reduces();
    let (object, quarantine, moments) = node
        .compute(move |_| {
            let object = output::features_part(&features)?;
            let quarantine =
                if bad.is_empty() { None } else { Some(output::quarantine_part(&bad)?) };
            let moments = pca.then(|| Moments::of_rows(&features.values, features.dim));
            let digest = moments.as_ref().map(Moments::digest);
            Ok((object, quarantine, moments.zip(digest)))
        })
        .await?;
    let mut shown = None;
    if !thumbnails.is_empty() {
        let strip = node.compute(move |_| Ok(output::thumbnails::strip(&thumbnails)?)).await?;
        shown = Some(sha256(&strip));
        job.put(&objects::thumbnails(&job.id, partition, attempt), strip).await?;
    }
    let features = sha256(&object);
    job.put(&objects::features(&job.id, partition, attempt), object).await?;
    let quarantine = match quarantine {
        None => None,
        Some(object) => {
            let digest = sha256(&object);
            job.put(&objects::quarantine(&job.id, partition, attempt), object).await?;
            Some(digest)
        }
    };
    let done = Done {
        features: features.hex(),
        quarantine: quarantine.map(|digest| digest.hex()),
        thumbnails: shown.map(|digest| digest.hex()),
    };
    if !unread {
        job.finish((listing, partition, attempt), u64::from(good), &done).await?;
    }
    let moments = moments.and_then(|(moments, digest)| {
        let (of, partitions) = (&job.id, listing.partitions);
        node.moments.hold_leaf(of, partitions, partition.0, digest, moments).then_some(digest)
    });
    Ok(TaskResult::Extracted {
        good,
        bad: bad_rows,
        features,
        quarantine,
        moments,
        gets,
        inferences: good,
    })
}
