//! Opening a job on a node: source, target, network and preparation. Whatever can be refused before
//! a photograph is read is refused here.

use std::path::Path;
use std::sync::Arc;

use fruitnode_coordinator::ids::JobId;
use fruitnode_coordinator::retry::FailureReason;
use tokio::sync::OnceCell;

use crate::failure::Failure;
use crate::memory::available_memory;
use crate::model::Extractor;
use crate::output::names;
use crate::pca::{self, GuardError};
use crate::pipeline::Limits;
use crate::pipeline::preprocess::{Preprocess, PreprocessError};
use crate::storage::{
    FolderSink, FolderSource, FolderTarget, ListError, NoSink, Sink, SinkError, Standing, look,
};
use crate::tasks::max_bad::BadTally;
use crate::tasks::network::{self, NetworkError};
use crate::tasks::{JobContext, Settings};

/// Depth of the reduction that the memory is reckoned for: a thousand million photographs.
const TREE_DEPTH: u32 = 20;

/// Why a job cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Neither a folder nor a kind of place that this release knows.
    #[error(
        "{place}: this release reads and writes folders; copy the photographs to a folder, or \
         mount the bucket as one"
    )]
    Scheme {
        /// What was given.
        place: String,
    },
    /// The source.
    #[error(transparent)]
    Source(#[from] ListError),
    /// The target.
    #[error(transparent)]
    Target(#[from] SinkError),
    /// The network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Other weights than those the job was submitted with.
    #[error(
        "the weights have SHA-256 {found}, and the job was submitted with {expected}: give this \
         node the same file"
    )]
    OtherWeights {
        /// What is here.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// The preparation of photographs.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// More memory than there is.
    #[error(transparent)]
    Memory(#[from] GuardError),
}

impl OpenError {
    /// As the failure of an attempt.
    pub fn failure(&self) -> Failure {
        let reason = match self {
            Self::Scheme { .. } | Self::OtherWeights { .. } | Self::Preprocess(_) => {
                FailureReason::InvalidJob
            }
            Self::Source(error) => error.reason(),
            Self::Target(error) => error.reason(),
            Self::Network(error) => return error.failure(),
            Self::Memory(_) => FailureReason::OutOfMemory,
        };
        Failure::of(reason, self)
    }
}

impl JobContext {
    /// Opens a job; with a network that is loaded already, or its own.
    ///
    /// # Errors
    /// Whatever would make the job fail, as far as it can be known before the first photograph.
    pub fn open(
        id: JobId,
        settings: Settings,
        extractor: Option<Arc<Extractor>>,
    ) -> Result<Self, OpenError> {
        Self::open_with(id, settings, extractor, |target| Ok(Arc::new(FolderSink::open(target)?)))
    }

    /// Opens a job that is only looked at: its target is not touched, and takes nothing.
    ///
    /// # Errors
    /// As [`JobContext::open`].
    pub fn look(
        settings: Settings,
        extractor: Option<Arc<Extractor>>,
    ) -> Result<(Self, Standing), OpenError> {
        let mut standing = Standing::Nothing;
        let sink: Arc<dyn Sink> = Arc::new(NoSink::of(&settings.to));
        let job = Self::open_with(JobId("plan".to_owned()), settings, extractor, |target| {
            standing = look(target)?;
            Ok(sink)
        })?;
        Ok((job, standing))
    }

    fn open_with(
        id: JobId,
        settings: Settings,
        extractor: Option<Arc<Extractor>>,
        open: impl FnOnce(&FolderTarget<'_>) -> Result<Arc<dyn Sink>, SinkError>,
    ) -> Result<Self, OpenError> {
        let extractor = match extractor {
            Some(extractor) => extractor,
            None => network::load(settings.weights.as_deref(), settings.pooling, None)?,
        };
        let expected = &settings.options.weights_sha256;
        if extractor.sha256() != expected {
            let (found, expected) = (extractor.sha256().to_owned(), expected.clone());
            return Err(OpenError::OtherWeights { found, expected });
        }
        let declared = extractor.declared();
        let preprocess =
            Preprocess::settle(&settings.flags, &declared, &extractor.family().profile())?;
        let size = preprocess.size;
        let dim = extractor.dim(size.height as usize, size.width as usize);
        if settings.pca.is_some()
            && let Some(available) = available_memory()
        {
            pca::check_memory(dim, TREE_DEPTH, available)?;
        }
        let (from, to) = (folder(&settings.from)?, folder(&settings.to)?);
        let source = FolderSource::open(from, &[to.to_owned()])?;
        let sink = open(&FolderTarget {
            out: to,
            from: Some(from),
            job: &id.0,
            mode: settings.mode,
            is_ours: names::is_ours,
        })?;
        Ok(Self {
            id,
            source: Arc::new(source),
            sink,
            extractor,
            preprocess,
            limits: Limits::default(),
            dim,
            settings,
            manifest: OnceCell::new(),
            bad: BadTally::default(),
        })
    }
}

fn folder(place: &str) -> Result<&Path, OpenError> {
    if place.contains("://") {
        return Err(OpenError::Scheme { place: place.to_owned() });
    }
    Ok(Path::new(place))
}
