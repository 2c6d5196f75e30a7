//! Opening a job on a node: source, target, network and preparation. Whatever can be refused before
//! a photograph is read is refused here.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::OnceCell;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::ids::JobId;
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::spec::JobSpec;
use fruitnode_coordinator::task::Task;
use fruitnode_env::memory::available_memory;
use fruitnode_pca as pca;
use fruitnode_pca::GuardError;
use fruitnode_result::names;
use fruitnode_storage::{
    Access, FolderSink, FolderSource, FolderTarget, ListError, NoSink, Place, Resume, S3Sink,
    S3Source, S3Target, Sink, SinkError, Source, Standing, look, look_s3,
};
use fruitnode_vision::Limits;
use fruitnode_vision::model::Extractor;
use fruitnode_vision::preprocess::{Preprocess, PreprocessError};

use crate::tasks::given::{GivenError, GivenModel};
use crate::tasks::network::{self, NetworkError};
use crate::tasks::resumable::{Resumable, resume_of};
use crate::tasks::{JobContext, Lease, NodeContext, Scratch, Settings, model_place};

/// Depth of the reduction that the memory is reckoned for: a thousand million photographs.
const TREE_DEPTH: u32 = 20;

/// A target of either kind.
enum Target<'a> {
    Folder(FolderTarget<'a>),
    S3(S3Target<'a>),
}

/// Why a job cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The source.
    #[error(transparent)]
    Source(#[from] ListError),
    /// The target.
    #[error(transparent)]
    Target(#[from] SinkError),
    /// A folder, in a cluster.
    #[error(
        "the job reads or writes a folder, which other nodes may not see: use s3:// places, or \
         submit it with --shared if every node sees the folder under the same path"
    )]
    NotShared,
    /// The network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The model that is to be taken over.
    #[error(transparent)]
    Given(#[from] GivenError),
    /// The preparation of photographs.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// More memory than there is.
    #[error(transparent)]
    Memory(#[from] GuardError),
}

impl OpenError {
    /// As the failure of an attempt.
    pub(crate) fn failure(&self) -> Failure {
        let reason = match self {
            Self::Preprocess(_) | Self::NotShared => FailureReason::InvalidJob,
            Self::Source(error) => error.reason(),
            Self::Target(error) => error.reason(),
            Self::Network(error) => return error.failure(),
            Self::Given(error) => return error.failure(),
            Self::Memory(_) => FailureReason::OutOfMemory,
        };
        Failure::of(reason, self)
    }
}

impl NodeContext {
    /// The job of a lease, opened here if it has not been.
    ///
    /// # Errors
    /// When its options cannot be read, or its source, target or weights cannot be opened.
    pub(crate) async fn open(&self, lease: &Lease) -> Result<Arc<JobContext>, Failure> {
        if let Some(job) = self.prepared(&lease.job) {
            return Ok(job);
        }
        let settings = Settings::of_spec(&lease.spec).map_err(|error| error.failure())?;
        let settings = Settings { storage: self.storage().clone(), ..settings };
        let (networks, wanted) = (Arc::clone(&self.networks), settings.clone());
        let load = move |_: &mut Scratch| networks.get(&wanted).map_err(|error| error.failure());
        let extractor = self.compute(load).await?;
        let access = if lease.task == Task::List { Access::Prepare } else { Access::Join };
        let id = lease.job.clone();
        let opened = JobContext::open_as(id, settings, Some(extractor), access).await;
        opened.map(Arc::new).map_err(|error| error.failure())
    }
}

impl JobContext {
    /// Opens a job; with a network that is loaded already, or its own.
    ///
    /// # Errors
    /// Whatever would make the job fail, as far as it can be known before the first photograph.
    pub(crate) async fn open(
        id: JobId,
        settings: Settings,
        extractor: Option<Arc<Extractor>>,
    ) -> Result<Self, OpenError> {
        Self::open_as(id, settings, extractor, Access::Take).await
    }

    /// Opens a job as one of its nodes, or for this process alone.
    ///
    /// # Errors
    /// As [`JobContext::open`], and as [`Access`] says.
    pub(crate) async fn open_as(
        id: JobId,
        settings: Settings,
        extractor: Option<Arc<Extractor>>,
        access: Access,
    ) -> Result<Self, OpenError> {
        if access != Access::Take && settings.needs_shared() {
            return Err(OpenError::NotShared);
        }
        let (job, _) = Box::pin(Self::open_for(id, settings, extractor, Some(access))).await?;
        Ok(job)
    }

    /// Opens a job that is only looked at: its target is not touched, and takes nothing.
    ///
    /// # Errors
    /// As [`JobContext::open`].
    pub(crate) async fn look(
        settings: Settings,
        extractor: Option<Arc<Extractor>>,
    ) -> Result<(Self, Standing), OpenError> {
        let id = JobId("plan".to_owned());
        Box::pin(Self::open_for(id, settings, extractor, None)).await
    }

    async fn open_for(
        id: JobId,
        settings: Settings,
        extractor: Option<Arc<Extractor>>,
        access: Option<Access>,
    ) -> Result<(Self, Standing), OpenError> {
        let extractor = match extractor {
            Some(extractor) => extractor,
            None => {
                let sha256 = &settings.options.weights_sha256;
                let file = network::at_hand(settings.weights.as_deref(), sha256)?;
                network::load(file.as_deref(), settings.pooling, None)?
            }
        };
        network::check(&extractor, &settings.options.weights_sha256)?;
        let given = match &settings.model {
            None => None,
            Some(model) => {
                let folder = model_place::folder_of(model, &settings.storage).await?;
                Some(GivenModel::open(&folder, settings.options.model_sha256.as_deref())?)
            }
        };
        let preprocess = match &given {
            Some(given) => given.preprocess()?,
            None => {
                let declared = extractor.declared();
                Preprocess::settle(&settings.flags, &declared, &extractor.family().profile())?
            }
        };
        let size = preprocess.size;
        let dim = extractor.dim(size.height as usize, size.width as usize);
        if let Some(given) = &given {
            given.check(&extractor, dim)?;
        }
        if settings.pca.is_some()
            && let Some(available) = available_memory()
        {
            pca::check_memory(dim, TREE_DEPTH, available)?;
        }
        let words = &settings.options;
        let limits = Limits::or_default(words.max_megapixels, words.max_file_mib);
        let resume = settings
            .resume
            .then(|| resume_of(&settings, (extractor.sha256(), limits), &preprocess));
        // A target that holds the source is refused before either of them is asked for anything.
        target(&settings, &id, None)?;
        let source = source(&settings).await?;
        let (sink, standing) = match access {
            Some(access) => {
                (sink(&settings, &id, (access, resume.as_ref())).await?, Standing::Nothing)
            }
            None => nothing_taken(&settings, &id).await?,
        };
        let resumable = resume.is_some().then(|| Resumable::of(sink.resumed()));
        let job = Self {
            id,
            source,
            sink,
            extractor,
            preprocess,
            limits,
            dim,
            given,
            settings,
            resumable,
            finished: AtomicU64::new(0),
            survey: OnceCell::new(),
            manifest: OnceCell::new(),
        };
        Ok((job, standing))
    }
}

/// The photographs, without the job's own target.
async fn source(settings: &Settings) -> Result<Arc<dyn Source>, OpenError> {
    let (from, to) = (&settings.source, &settings.target);
    if from.lies_in(to) {
        let why = "is or contains the source of the photographs: choose another target";
        return Err(SinkError::Unfit { out: to.to_string(), why }.into());
    }
    Ok(match from {
        Place::Folder(from) => {
            let leave_out = match to {
                Place::Folder(to) => vec![to.clone()],
                Place::S3 { .. } => Vec::new(),
            };
            Arc::new(FolderSource::open(from, &leave_out)?)
        }
        Place::S3 { bucket, prefix } => {
            let leave_out = match to {
                Place::S3 { prefix, .. } if to.lies_in(from) => Some(prefix.clone()),
                _ => None,
            };
            let options = settings.storage.clone();
            Arc::new(S3Source::open(bucket, prefix, leave_out, options).await?)
        }
    })
}

/// The target, locked.
async fn sink(
    settings: &Settings,
    id: &JobId,
    (access, resume): (Access, Option<&Resume>),
) -> Result<Arc<dyn Sink>, OpenError> {
    Ok(match target(settings, id, resume)? {
        Target::Folder(target) => Arc::new(FolderSink::open_as(&target, access)?),
        Target::S3(target) => Arc::new(S3Sink::open(&target, access).await?),
    })
}

/// Clears away what a job left at its target that failed or was cancelled: nothing of it stays. May
/// be repeated, by any node. A job that its client opened here is left to the client.
///
/// # Errors
/// When the target cannot be reached or changed.
pub(crate) async fn abandon(node: &NodeContext, id: &JobId, spec: &JobSpec) -> Result<(), Failure> {
    if node.prepared(id).is_some() {
        return Ok(());
    }
    let settings = Settings::of_spec(spec).map_err(|error| error.failure())?;
    let settings = Settings { storage: node.storage().clone(), ..settings };
    match Box::pin(sink(&settings, id, (Access::Join, None))).await {
        Ok(sink) => Ok(sink.abort().await?),
        // It never began, or is cleared away already, or another job has the place by now.
        Err(OpenError::Target(SinkError::Lost { .. } | SinkError::Unseen { .. })) => Ok(()),
        Err(error) => Err(error.failure()),
    }
}

/// What stands at the target, and something in its place that takes nothing.
async fn nothing_taken(
    settings: &Settings,
    id: &JobId,
) -> Result<(Arc<dyn Sink>, Standing), OpenError> {
    let standing = match target(settings, id, None)? {
        Target::Folder(target) => look(&target)?,
        Target::S3(target) => look_s3(&target).await?,
    };
    Ok((Arc::new(NoSink::of(&settings.to)), standing))
}

/// What the job asks of its target.
fn target<'a>(
    settings: &'a Settings,
    id: &'a JobId,
    resume: Option<&'a Resume>,
) -> Result<Target<'a>, OpenError> {
    let (from, to) = (&settings.source, &settings.target);
    let (mode, is_ours) = (settings.mode, names::is_ours);
    Ok(match to {
        Place::Folder(out) => {
            let from = match from {
                Place::Folder(from) => Some(from.as_path()),
                Place::S3 { .. } => None,
            };
            Target::Folder(FolderTarget { out, from, job: &id.0, mode, is_ours, resume })
        }
        Place::S3 { bucket, prefix } => {
            let options = settings.storage.clone();
            Target::S3(S3Target { bucket, prefix, job: &id.0, mode, is_ours, resume, options })
        }
    })
}
