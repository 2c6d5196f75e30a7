//! The network of a job: weights from a file or from this binary, packed for this processor.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_storage::hub::{FILE_BYTES_MAX, PullError, Source, Surroundings};
use fruitnode_vision::model::{self, Extractor, Kernel, Pooling, WeightsError};

use crate::tasks::Settings;

/// Why there is no network.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetworkError {
    /// The file cannot be read.
    #[error("cannot read the weights {} (name a safetensors file)", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Weights from elsewhere are not here.
    #[error(
        "{source_words} with SHA-256 {sha256} is not in the cache: download it with `fruitnode \
         model pull`"
    )]
    NotPulled {
        /// Where they come from.
        source_words: String,
        /// Which they are.
        sha256: String,
    },
    /// There is no cache to look into.
    #[error(transparent)]
    Cache(#[from] PullError),
    /// No weights are so large.
    #[error(
        "{} has {bytes} bytes, more than the limit of {FILE_BYTES_MAX} for weights: name a \
         safetensors file of MobileNetV2",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The file is not what it should be.
    #[error("cannot use the weights {place}")]
    Weights {
        /// The file, or this binary.
        place: String,
        /// What is wrong.
        #[source]
        source: WeightsError,
    },
    /// Other weights than those the job was submitted with.
    #[error(
        "the weights have SHA-256 {found}, but the job was submitted with {expected}: make the \
         same file available to this node"
    )]
    OtherWeights {
        /// What is here.
        found: String,
        /// What it should be.
        expected: String,
    },
}

impl NetworkError {
    /// As the failure of an attempt.
    pub(crate) fn failure(&self) -> Failure {
        let reason = match self {
            Self::File { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => FailureReason::InputMissing,
                io::ErrorKind::PermissionDenied => FailureReason::StorageRefused,
                _ => FailureReason::StorageUnavailable,
            },
            Self::NotPulled { .. } => FailureReason::InputMissing,
            Self::Cache(error) => return error.failure(),
            Self::TooLarge { .. } | Self::Weights { .. } | Self::OtherWeights { .. } => {
                FailureReason::InvalidJob
            }
        };
        Failure::of(reason, self)
    }
}

/// Networks in memory: jobs with the same weights share one, for as long as one of them is there.
#[derive(Debug, Default)]
pub(crate) struct Networks {
    loaded: Mutex<BTreeMap<(String, String), Weak<Extractor>>>,
}

impl Networks {
    /// The network of a job.
    ///
    /// # Errors
    /// When its weights are not on this machine, or are others than the job was submitted with.
    pub(crate) fn get(&self, settings: &Settings) -> Result<Arc<Extractor>, NetworkError> {
        let sha256 = &settings.options.weights_sha256;
        let name = (sha256.clone(), settings.pooling.to_string());
        // Whoever needs the same network meanwhile waits instead of loading it as well.
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(extractor) = loaded.get(&name).and_then(Weak::upgrade) {
            return Ok(extractor);
        }
        let file = at_hand(settings.weights.as_deref(), sha256)?;
        let extractor = load(file.as_deref(), settings.pooling, None)?;
        check(&extractor, sha256)?;
        loaded.retain(|_, network| network.strong_count() > 0);
        loaded.insert(name, Arc::downgrade(&extractor));
        Ok(extractor)
    }
}

/// Refuses other weights than those a job was submitted with.
///
/// # Errors
/// When they have another digest.
pub(crate) fn check(extractor: &Extractor, expected: &str) -> Result<(), NetworkError> {
    let found = extractor.sha256();
    if found == expected {
        return Ok(());
    }
    let (found, expected) = (found.to_owned(), expected.to_owned());
    Err(NetworkError::OtherWeights { found, expected })
}

/// The file of a job's weights on this machine: what was named, or, of a source, what the cache
/// holds with the job's digest.
///
/// # Errors
/// When the weights were never fetched here.
pub(crate) fn at_hand(named: Option<&Path>, sha256: &str) -> Result<Option<PathBuf>, NetworkError> {
    let Some(named) = named else { return Ok(None) };
    let text = named.display().to_string();
    if !Source::is_meant(&text) {
        return Ok(Some(named.to_owned()));
    }
    let found = Surroundings::of_env()?.cache.find(sha256);
    let source_words = Source::parse(&text).map_or(text, |source| source.to_string());
    let sha256 = sha256.to_owned();
    found.map(Some).ok_or(NetworkError::NotPulled { source_words, sha256 })
}

/// Loads weights; those in this binary where no file is named.
///
/// # Errors
/// When the file cannot be read, or is not a network that this release knows.
pub(crate) fn load(
    file: Option<&Path>,
    pooling: Pooling,
    kernel: Option<Kernel>,
) -> Result<Arc<Extractor>, NetworkError> {
    let options = model::Options { pooling, kernel };
    let (place, loaded) = match file {
        None => ("in this binary".to_owned(), Extractor::load(model::embedded(), &options)),
        Some(path) => (path.display().to_string(), Extractor::load(&read(path)?, &options)),
    };
    loaded.map(Arc::new).map_err(|source| NetworkError::Weights { place, source })
}

/// Reads a file of weights.
///
/// # Errors
/// When it cannot be read, or is larger than weights are.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, NetworkError> {
    let trouble = |source| NetworkError::File { path: path.to_owned(), source };
    let bytes = fs::metadata(path).map_err(trouble)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(NetworkError::TooLarge { path: path.to_owned(), bytes });
    }
    fs::read(path).map_err(trouble)
}
