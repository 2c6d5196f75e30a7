//! The network of a job: weights from a file or from this binary, packed for this processor.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fruitnode_coordinator::retry::FailureReason;

use crate::failure::Failure;
use crate::model::{self, Extractor, Kernel, Pooling, WeightsError};

/// Largest file of weights, in bytes. ResNet50 and VGG16 with their classifiers stay below it.
const WEIGHTS_BYTES_MAX: u64 = 1 << 30;

/// Why there is no network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The file cannot be read.
    #[error("cannot read the weights {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No weights are so large.
    #[error(
        "{} has {bytes} bytes, more than the {WEIGHTS_BYTES_MAX} that weights may have",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The file is not what it should be.
    #[error("the weights {place} cannot be used")]
    Weights {
        /// The file, or this binary.
        place: String,
        /// What is wrong.
        #[source]
        source: WeightsError,
    },
}

impl NetworkError {
    /// As the failure of an attempt.
    pub fn failure(&self) -> Failure {
        let reason = match self {
            Self::File { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => FailureReason::InputMissing,
                io::ErrorKind::PermissionDenied => FailureReason::StorageRefused,
                _ => FailureReason::StorageUnavailable,
            },
            Self::TooLarge { .. } | Self::Weights { .. } => FailureReason::InvalidJob,
        };
        Failure::of(reason, self)
    }
}

/// Loads weights; those in this binary where no file is named.
///
/// # Errors
/// When the file cannot be read, or is not a network that this release knows.
pub fn load(
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
pub fn read(path: &Path) -> Result<Vec<u8>, NetworkError> {
    let trouble = |source| NetworkError::File { path: path.to_owned(), source };
    let bytes = fs::metadata(path).map_err(trouble)?.len();
    if bytes > WEIGHTS_BYTES_MAX {
        return Err(NetworkError::TooLarge { path: path.to_owned(), bytes });
    }
    fs::read(path).map_err(trouble)
}
