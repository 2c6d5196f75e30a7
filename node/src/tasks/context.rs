//! What tasks share: the node's threads and memory, and the job's source, sink and network.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::ids::{Digest, JobId, NodeId, PartitionId};
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::task::{Cut, Listing};
use fruitnode_env::Moment;
use fruitnode_result::digest::sha256;
use fruitnode_result::rows::Subject;
use fruitnode_result::story::Story;
use fruitnode_result::thumbnails::{self, Thumbnail};
use fruitnode_storage::manifest::ManifestReader;
use fruitnode_storage::{Entry, S3Options, Sink, Source};
use fruitnode_vision::model::Extractor;
use fruitnode_vision::{DecodeError, Limits, Preprocess, Rgb};

use crate::tasks::compute::ComputePool;
use crate::tasks::facts::SurveyFacts;
use crate::tasks::features::Scratch;
use crate::tasks::feed::RowFeed;
use crate::tasks::given::GivenModel;
use crate::tasks::held::HeldMoments;
use crate::tasks::meter::{Meter, Running};
use crate::tasks::network::Networks;
use crate::tasks::peers::{MomentsSource, NoPeers};
use crate::tasks::resumable::Resumable;
use crate::tasks::{Settings, features, objects};

/// Bytes of photographs that may be in memory at a time, fetched and not yet inferred.
pub(super) const PHOTOGRAPH_BYTES_MAX: u64 = 128 << 20;

/// Unit in which that memory is counted out.
const ROOM_BYTES: u64 = 1 << 10;

/// How often one long computation is counted as progress.
const LONG_STEP: Duration = Duration::from_secs(1);

/// How this machine works; no byte of a result depends on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NodeOptions {
    /// Compute threads.
    pub threads: NonZeroUsize,
    /// Photographs handed to a thread at a time.
    pub batch: NonZeroUsize,
}

/// What every task of a node shares.
#[derive(Debug)]
pub(crate) struct NodeContext {
    /// This node.
    pub id: NodeId,
    /// Its compute threads.
    pub pool: ComputePool<Scratch>,
    /// Photographs handed to a thread at a time.
    pub batch: NonZeroUsize,
    /// Moments in its memory.
    pub moments: HeldMoments,
    /// What happened on it.
    pub story: Arc<Story>,
    /// Rows for whoever watches.
    pub rows: RowFeed,
    /// Attempts that run on it.
    pub running: Arc<Running>,
    peers: Arc<dyn MomentsSource>,
    storage: S3Options,
    room: Arc<Semaphore>,
    opened: Mutex<BTreeMap<JobId, Arc<JobContext>>>,
    pub(super) networks: Arc<Networks>,
}

impl NodeContext {
    /// Starts the node's threads.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub(crate) fn start(
        id: NodeId,
        options: NodeOptions,
        story: Arc<Story>,
    ) -> std::io::Result<Self> {
        Ok(Self {
            id,
            pool: ComputePool::start(options.threads)?,
            batch: options.batch,
            moments: HeldMoments::default(),
            story,
            rows: RowFeed::default(),
            running: Arc::default(),
            peers: Arc::new(NoPeers),
            storage: S3Options::default(),
            room: Arc::new(Semaphore::new((PHOTOGRAPH_BYTES_MAX / ROOM_BYTES) as usize)),
            opened: Mutex::default(),
            networks: Arc::default(),
        })
    }

    /// With a way to the moments of other nodes.
    #[must_use]
    pub(crate) fn with_peers(self, peers: Arc<dyn MomentsSource>) -> Self {
        Self { peers, ..self }
    }

    /// With this node's way to S3, for the jobs that it opens by itself.
    #[must_use]
    pub(crate) fn with_storage(self, storage: S3Options) -> Self {
        Self { storage, ..self }
    }

    /// This node's way to S3.
    pub(super) fn storage(&self) -> &S3Options {
        &self.storage
    }

    /// The way to the moments of other nodes.
    pub(super) fn peers(&self) -> &dyn MomentsSource {
        &*self.peers
    }

    /// Hands over a job that was opened before its first lease, as its client does to find every
    /// error before anything is submitted.
    pub(crate) fn prepare(&self, job: Arc<JobContext>) {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.insert(job.id.clone(), job);
    }

    /// A job that was handed over open: whoever did that clears away what the job leaves.
    pub(super) fn prepared(&self, job: &JobId) -> Option<Arc<JobContext>> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.get(job).cloned()
    }

    /// Waits until photographs of this many bytes may be held.
    pub(crate) async fn room_for(&self, bytes: u64) -> OwnedSemaphorePermit {
        let units = bytes.clamp(ROOM_BYTES, PHOTOGRAPH_BYTES_MAX).div_ceil(ROOM_BYTES) as u32;
        let permit = Arc::clone(&self.room).acquire_many_owned(units).await;
        permit.expect("the semaphore is never closed")
    }

    /// Has a compute thread do this.
    ///
    /// # Errors
    /// What the work returns, or that it panicked.
    pub(crate) async fn compute<T, F>(&self, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&mut Scratch) -> Result<T, Failure> + Send + 'static,
    {
        let meter = Meter::here();
        let timed = move |scratch: &mut Scratch| {
            let began = Moment::now();
            let done = work(scratch);
            meter.computed(began.elapsed());
            done
        };
        let answer = self.pool.run(timed).await;
        answer.map_err(|error| Failure::of(FailureReason::Panic, &error))?
    }

    /// As [`Self::compute`], for one computation that takes long and says nothing of its progress:
    /// the attempt makes progress for as long as a thread is at it.
    ///
    /// # Errors
    /// As [`Self::compute`].
    pub(crate) async fn compute_long<T, F>(&self, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&mut Scratch) -> Result<T, Failure> + Send + 'static,
    {
        let (begun, meter) = (Arc::new(AtomicBool::new(false)), Meter::here());
        let told = Arc::clone(&begun);
        let steps = async {
            loop {
                tokio::time::sleep(LONG_STEP).await;
                if begun.load(Ordering::Relaxed) {
                    meter.step();
                }
            }
        };
        let work = self.compute(move |scratch| {
            told.store(true, Ordering::Relaxed);
            work(scratch)
        });
        tokio::select! {
            done = work => done,
            never = steps => never,
        }
    }
}

/// What every task of a job shares on one node.
pub(crate) struct JobContext {
    /// The job.
    pub id: JobId,
    /// What was asked for, parsed.
    pub settings: Settings,
    /// Where the photographs are.
    pub source: Arc<dyn Source>,
    /// Where the result goes.
    pub sink: Arc<dyn Sink>,
    /// The network.
    pub extractor: Arc<Extractor>,
    /// How photographs are prepared for it.
    pub preprocess: Preprocess,
    /// Bounds on one photograph.
    pub limits: Limits,
    /// Features per photograph.
    pub dim: usize,
    /// The fitted model that the job takes over, if it does.
    pub given: Option<GivenModel>,
    /// What earlier runs finished; nothing for a job that neither resumes nor can be resumed.
    pub(super) resumable: Option<Resumable>,
    /// Photographs of partitions that the next run can take over.
    pub(super) finished: AtomicU64,
    /// The ranges of the source, read with the first lease that needs them.
    pub(super) survey: OnceCell<SurveyFacts>,
    /// The manifest's index, read with the first lease that needs it.
    pub(super) manifest: OnceCell<ManifestReader>,
}

impl fmt::Debug for JobContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobContext({}: {} -> {})", self.id, self.settings.from, self.settings.to)
    }
}

impl JobContext {
    /// Whether the job fits a PCA.
    pub(crate) fn reduces(&self) -> bool {
        self.settings.pca.is_some()
    }

    /// Whether the job gives its rows coordinates, by its own PCA or a given one.
    pub(crate) fn projects(&self) -> bool {
        self.reduces() || self.given.is_some()
    }

    /// A photograph before it is opened, with its label.
    pub(crate) fn subject(&self, entry: &Entry) -> Subject {
        Subject {
            path: entry.key.clone(),
            label: self.settings.labels.label(&entry.key),
            size: entry.size,
            modified_us: entry.modified_us,
        }
    }

    /// One photograph from bytes to features. The inner error is the photograph's fault.
    ///
    /// # Errors
    /// When the network refuses its input: the job's fault, since all photographs are prepared
    /// alike.
    pub(crate) fn features(
        &self,
        scratch: &mut Scratch,
        bytes: &[u8],
    ) -> Result<Result<Vec<f32>, DecodeError>, Failure> {
        let limits = (self.limits, self.dim);
        features::features(&self.extractor, &self.preprocess, limits, scratch, bytes)
    }

    /// Photographs from bytes to pixels, none of them in this process. The inner errors are the
    /// photographs' fault. `step` is called when one is done.
    ///
    /// # Errors
    /// When no process can be had to decode them in.
    pub(crate) fn decode_suspects(
        &self,
        photographs: &[&[u8]],
        step: &dyn Fn(),
    ) -> Result<Vec<Result<Rgb, DecodeError>>, Failure> {
        features::decode_suspects(&self.preprocess, self.limits, photographs, step)
    }

    /// One of these from pixels to features.
    ///
    /// # Errors
    /// As [`JobContext::features`].
    pub(crate) fn features_of(
        &self,
        scratch: &mut Scratch,
        rgb: &Rgb,
    ) -> Result<Vec<f32>, Failure> {
        features::features_of(&self.extractor, &self.preprocess, self.dim, scratch, rgb)
    }

    /// The thumbnail of the photograph whose features were computed last with this scratch space.
    pub(crate) fn thumbnail(scratch: &mut Scratch) -> Thumbnail {
        scratch.prepare.seen(thumbnails::SIDE, thumbnails::SIDE).pixels
    }

    /// The ranges into which the source was cut, and what was listed before them.
    ///
    /// # Errors
    /// When the survey cannot be read or is not the one that was accepted.
    pub(super) async fn survey(&self, cut: Cut) -> Result<&SurveyFacts, Failure> {
        let read = async || {
            let name = objects::survey(&self.id, cut.attempt);
            Ok(SurveyFacts::decode(&self.get_checked(&name, cut.digest).await?)?)
        };
        self.survey.get_or_try_init(read).await
    }

    /// The entries of one partition.
    ///
    /// # Errors
    /// When the manifest cannot be read or is not the one that was accepted.
    pub(crate) async fn manifest_block(
        &self,
        listing: Listing,
        partition: PartitionId,
    ) -> Result<Vec<Entry>, Failure> {
        Ok(self.manifest(listing).await?.block(partition.0).await?)
    }

    /// The manifest.
    ///
    /// # Errors
    /// When it cannot be read or is not the one that was accepted.
    pub(super) async fn manifest(&self, listing: Listing) -> Result<&ManifestReader, Failure> {
        let name = objects::manifest(&self.id, listing.attempt);
        let open = || ManifestReader::open(Arc::clone(&self.sink), &name, Some(listing.digest));
        Ok(self.manifest.get_or_try_init(open).await?)
    }

    /// Writes an object of the job.
    ///
    /// # Errors
    /// As the sink says.
    pub(crate) async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), Failure> {
        let began = Moment::now();
        self.sink.put(name, Bytes::from(bytes)).await?;
        Meter::here().wrote(began.elapsed());
        Ok(())
    }

    /// Reads an accepted object and makes sure that it is the one that was accepted.
    ///
    /// # Errors
    /// As the sink says, or that the bytes are others.
    pub(crate) async fn get_checked(&self, name: &str, digest: Digest) -> Result<Bytes, Failure> {
        let began = Moment::now();
        let bytes = self.sink.get(name).await?;
        Meter::here().fetched(bytes.len(), began.elapsed());
        if sha256(&bytes) == digest {
            return Ok(bytes);
        }
        let words = format!("`{name}` has changed since it was accepted");
        Err(Failure::new(FailureReason::DigestMismatch, words))
    }
}

#[cfg(test)]
mod tests {
    use fruitnode_coordinator::ids::Attempt;
    use fruitnode_coordinator::task::Task;

    use super::*;
    use crate::tasks::meter::measured;

    #[tokio::test]
    async fn a_long_computation_makes_progress_while_a_thread_is_at_it() {
        let story = Arc::new(Story::begin(Moment::now(), 0));
        let options = NodeOptions { threads: NonZeroUsize::MIN, batch: NonZeroUsize::MIN };
        let node = NodeContext::start(NodeId(7), options, story).unwrap();
        let (release, held) = std::sync::mpsc::channel();
        let work = node.compute_long(move |_| {
            let _ = held.recv();
            Ok(())
        });
        let seen = async {
            for _ in 0..1_200 {
                if node.running.steps().iter().any(|(_, steps)| *steps > 0) {
                    release.send(()).unwrap();
                    return;
                }
                tokio::time::sleep(LONG_STEP / 20).await;
            }
            panic!("nobody sees that it is at work");
        };
        let name = (JobId("a".to_owned()), Task::Fit, Attempt(1));
        let ((done, _), ()) = tokio::join!(measured(&node.running, name, work), seen);
        done.unwrap();
    }
}
