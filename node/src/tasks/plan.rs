//! A job looked at before it is run: the source is listed, a sample of the photographs is decoded
//! and inferred, and the rest is reckoned. Nothing is written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use tokio::sync::mpsc;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::ids::Digest;
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::tree::ReducePlan;
use fruitnode_env::Moment;
use fruitnode_pca as pca;
use fruitnode_result::digest::sha256;
use fruitnode_result::story::{Told, Work};
use fruitnode_storage::{Entry, ListSummary, list_whole};
use fruitnode_vision::suspect::ALONE_BYTES;

use crate::tasks::context::PHOTOGRAPH_BYTES_MAX;
use crate::tasks::{JobContext, NodeContext};

/// Photographs that are tried.
pub(crate) const SAMPLE_MAX: usize = 64;

/// Labels that are counted one by one; a listing with more of them has none worth the name.
const LABELS_MAX: usize = 10_000;

/// Blocks of entries that may wait for whoever counts them.
const BLOCKS_WAITING_MAX: usize = 4;

/// Keys that a page of a listing holds.
const PAGE_KEYS: u64 = 1_000;

/// Objects of a result that do not come per partition: model, reports, plots, story.
const OBJECTS_ONCE: u64 = 30;

/// What a process takes before it does anything: its code, the weights, the stacks of its threads.
const PROCESS_BYTES: u64 = 64 << 20;

/// Leases that a node holds at a time: so many partitions of rows are in its memory.
const PARTITIONS_AT_ONCE: u64 = 2;

/// What a job would do.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Plan {
    /// Photographs listed.
    pub photographs: u64,
    /// Sum of their sizes in bytes.
    pub bytes: u64,
    /// What is not taken, and why.
    pub left_out: LeftOut,
    /// Their labels.
    pub labels: Labels,
    /// Partitions.
    pub partitions: u64,
    /// Features per photograph.
    pub features: usize,
    /// Requests to a store; for folders, reads and files.
    pub requests: Requests,
    /// What the node may need at most, in bytes.
    pub memory_bytes_max: u64,
    /// Part of it that only a photograph takes that is decoded by itself, because it is large.
    pub memory_bytes_large: u64,
    /// What the sample showed.
    pub sample: Sample,
    /// What all photographs would take on this machine, in seconds, as the sample did.
    pub features_s: f64,
}

/// What a listing met and did not take.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LeftOut {
    /// Files that do not match the pattern.
    pub by_pattern: u64,
    /// The first few of them.
    pub by_pattern_examples: Vec<String>,
    /// Photographs in names that begin with `.` or `_`.
    pub hidden: u64,
    /// The first few of them.
    pub hidden_examples: Vec<String>,
    /// Photographs by `--exclude`.
    pub excluded: u64,
    /// Pictures of earlier results.
    pub own_pictures: u64,
    /// Files that match, of another time than was asked for.
    pub by_time: u64,
    /// Pipes, devices and sockets.
    pub others: u64,
    /// Folders that were not entered.
    pub subfolders: u64,
    /// Whether `--limit` ended the listing.
    pub by_limit: bool,
}

/// The labels of a listing.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Labels {
    /// How many there are.
    pub count: usize,
    /// Whether there are still more.
    pub more: bool,
    /// Photographs without one.
    pub unlabelled: u64,
    /// The first in order, with their photographs.
    pub first: Vec<(String, u64)>,
}

/// Requests that a job makes; those that depend on what happens are estimates.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Requests {
    /// Pages of listings.
    pub list: u64,
    /// Photographs read.
    pub get: u64,
    /// Objects written and copied.
    pub put: u64,
}

/// What the sample showed.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Sample {
    /// Photographs that were tried.
    pub tried: u64,
    /// Those that cannot be used.
    pub bad: u64,
    /// Their codes, each with the number of photographs and one of them.
    pub codes: BTreeMap<String, (u64, String)>,
    /// Processor time of one photograph on this machine, in seconds.
    pub seconds_each: f64,
}

/// Entries while they are listed: counts, and the sample so far.
#[derive(Default)]
struct Seen {
    labels: BTreeMap<String, u64>,
    more_labels: bool,
    unlabelled: u64,
    sample: BTreeMap<Digest, Entry>,
}

/// Lists, tries a sample, and reckons.
///
/// # Errors
/// Those of the listing, and that the world kept a photograph of the sample from being read.
pub(crate) async fn plan(node: &Arc<NodeContext>, job: &Arc<JobContext>) -> Result<Plan, Failure> {
    let (summary, seen) = list(node, job).await?;
    let sample = try_sample(node, job, seen.sample.into_values().collect()).await?;
    let partitions = summary.keys.div_ceil(u64::from(job.settings.rows_per_part));
    let threads = node.pool.threads().get() as f64;
    Ok(Plan {
        photographs: summary.keys,
        bytes: summary.bytes,
        partitions,
        features: job.dim,
        requests: requests(job, &summary, partitions),
        memory_bytes_max: memory(node, job, &summary, partitions) + large(job, &summary),
        memory_bytes_large: large(job, &summary),
        features_s: sample.seconds_each * summary.keys as f64 / threads,
        sample,
        labels: Labels {
            count: seen.labels.len(),
            more: seen.more_labels,
            unlabelled: seen.unlabelled,
            first: seen.labels.into_iter().take(5).collect(),
        },
        left_out: LeftOut {
            by_pattern: summary.skipped,
            by_pattern_examples: summary.skipped_examples,
            hidden: summary.hidden,
            hidden_examples: summary.hidden_examples,
            excluded: summary.excluded,
            own_pictures: summary.own,
            by_time: summary.untimely,
            others: summary.others,
            subfolders: summary.subfolders,
            by_limit: summary.limited,
        },
    })
}

async fn list(node: &NodeContext, job: &JobContext) -> Result<(ListSummary, Seen), Failure> {
    let (blocks, mut received) = mpsc::channel::<Vec<Entry>>(BLOCKS_WAITING_MAX);
    let look = async {
        let mut seen = Seen::default();
        let mut told = Told::begin(&node.story.work.listed);
        while let Some(block) = received.recv().await {
            told.more(block.len() as u64);
            block.into_iter().for_each(|entry| seen.meet(job, entry));
        }
        told.keep();
        seen
    };
    let listing = list_whole(&*job.source, &job.settings.selection, blocks);
    let (listed, seen) = tokio::join!(listing, look);
    let summary = listed.map_err(|error| Failure::of(error.reason(), &error))?;
    Ok((summary, seen))
}

impl Seen {
    fn meet(&mut self, job: &JobContext, entry: Entry) {
        match job.settings.labels.label(&entry.key) {
            None => self.unlabelled += 1,
            Some(label) => *self.labels.entry(label).or_default() += 1,
        }
        // The first ones are kept, whatever the order in which entries come.
        if self.labels.len() > LABELS_MAX {
            self.labels.pop_last();
            self.more_labels = true;
        }
        // Spread over all keys by their digests, whatever their order and their number.
        self.sample.insert(sha256(entry.key.as_bytes()), entry);
        if self.sample.len() > SAMPLE_MAX {
            self.sample.pop_last();
        }
    }
}

async fn try_sample(
    node: &Arc<NodeContext>,
    job: &Arc<JobContext>,
    entries: Vec<Entry>,
) -> Result<Sample, Failure> {
    let tried = entries.len() as u64;
    let sample = Sample { tried, ..Sample::default() };
    let (mut sample, busy) = stream::iter(entries)
        .map(|entry| try_one(node, job, entry))
        .buffer_unordered(node.pool.threads().get())
        .try_fold((sample, Duration::ZERO), |(mut sample, busy), tried| async move {
            let (bad, took) = tried;
            if let Some((code, key)) = bad {
                sample.bad += 1;
                let seen = sample.codes.entry(code).or_insert_with(|| (0, key));
                seen.0 += 1;
            }
            Ok((sample, busy + took))
        })
        .await?;
    sample.seconds_each = busy.as_secs_f64() / tried.max(1) as f64;
    Ok(sample)
}

/// Reads one photograph and has a thread infer it. Code and key, if it cannot be used; and how long
/// the thread was busy.
async fn try_one(
    node: &Arc<NodeContext>,
    job: &Arc<JobContext>,
    entry: Entry,
) -> Result<(Option<(String, String)>, Duration), Failure> {
    let _room = node.room_for(entry.size.min(job.limits.file_bytes)).await;
    let got = job.source.get(&entry, job.limits.file_bytes).await;
    let bytes = match got {
        Ok(bytes) => bytes,
        Err(error) if error.is_content() => {
            return Ok((Some((error.code().to_owned(), entry.key)), Duration::ZERO));
        }
        Err(error) => return Err(Failure::of(FailureReason::StorageUnavailable, &error)),
    };
    let context = Arc::clone(job);
    let (features, took) = node
        .compute(move |scratch| {
            let began = Moment::now();
            let features = context.features(scratch, &bytes)?;
            Ok((features, began.elapsed()))
        })
        .await?;
    Work::add(&node.story.work.inferences, 1);
    Ok((features.err().map(|error| (error.code().to_owned(), entry.key)), took))
}

fn requests(job: &JobContext, summary: &ListSummary, partitions: u64) -> Requests {
    let met = summary.keys + summary.skipped + summary.hidden + summary.excluded + summary.untimely;
    // Each part is written once and copied once to its public name.
    let parts = partitions * if job.reduces() || job.given.is_some() { 2 } else { 1 };
    Requests {
        list: met.div_ceil(PAGE_KEYS).max(1),
        get: summary.keys,
        put: parts * 2 + OBJECTS_ONCE,
    }
}

/// Everything bounded at its bound: most jobs need far less.
fn memory(node: &NodeContext, job: &JobContext, summary: &ListSummary, partitions: u64) -> u64 {
    let fetched = summary.bytes.min(PHOTOGRAPH_BYTES_MAX);
    let decoding = node.pool.threads().get() as u64 * ALONE_BYTES;
    // The rows of a partition stand once as numbers and once as a part.
    let row = 2 * size_of::<f32>() as u64 * job.dim as u64;
    let rows = u64::from(job.settings.rows_per_part).min(summary.keys) * row * PARTITIONS_AT_ONCE;
    let depth = ReducePlan::new(u32::try_from(partitions).unwrap_or(u32::MAX)).depth();
    let pca = if job.reduces() { pca::memory_needed(job.dim, depth) } else { 0 };
    PROCESS_BYTES + fetched + decoding + rows + pca
}

/// What one photograph takes that is decoded in a process of its own: there is one at a time.
fn large(job: &JobContext, summary: &ListSummary) -> u64 {
    PROCESS_BYTES + job.limits.memory_bytes + summary.bytes.min(job.limits.file_bytes)
}
