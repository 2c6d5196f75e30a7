//! A fitted model that a job takes over instead of fitting one: read, and compared with what this
//! release and the job's network do.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_result::digest::sha256;
use fruitnode_result::fitted_file::FittedFile;
use fruitnode_result::verify::figures_of_given;
use fruitnode_result::{ReadError, WriteError, names};
use fruitnode_storage::hub::PullError;
use fruitnode_storage::{PlaceError, S3Error};
use fruitnode_vision::Preprocess;
use fruitnode_vision::model::Extractor;
use fruitnode_vision::preprocess::PreprocessError;

use crate::tasks::facts;
use crate::tasks::features::COMPUTE_CLASS;

/// Largest file of a model, in bytes: 1,280 components of 1,280 columns take 13 million.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Why a model cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GivenError {
    /// Where it should lie is no place.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The bucket it lies in.
    #[error(transparent)]
    S3(#[from] S3Error),
    /// There is no cache to fetch it into.
    #[error(transparent)]
    NoCache(#[from] PullError),
    /// The cache takes it not.
    #[error("cannot write the model to {}", folder.display())]
    Cache {
        /// Where it should be kept.
        folder: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file of it cannot be read.
    #[error(
        "cannot read {}; name the `model` folder of a result, which contains model.json and \
         pca.safetensors",
        path.display()
    )]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No model is so large.
    #[error(
        "{} has {bytes} bytes, but a file of a model has at most {FILE_BYTES_MAX}: name the \
         `model` folder of a result",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The files are not what they should be.
    #[error("the model in {} cannot be used", folder.display())]
    Damaged {
        /// Where it lies.
        folder: PathBuf,
        /// What is wrong.
        #[source]
        source: ReadError,
    },
    /// The model is another one than at the job's submission.
    #[error(
        "the model in {} has digest {found}, but the job was submitted with {expected}: make the \
         same folder available to this node",
        folder.display()
    )]
    Other {
        /// Where it lies.
        folder: PathBuf,
        /// What is here.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// The numbers contradict each other.
    #[error(
        "the model in {} was not fitted by fruitnode: {figure} is {value:e}, and at most {limit:e} \
         is allowed",
        folder.display()
    )]
    NoModel {
        /// Where it lies.
        folder: PathBuf,
        /// What was measured.
        figure: String,
        /// The measure.
        value: f64,
        /// The most it may be.
        limit: f64,
    },
    /// Features of this release have other bits than those that were fitted.
    #[error(
        "the model was fitted to features of class {found}, but this release computes features of \
         class {COMPUTE_CLASS}: use the release that fitted it, or fit again with `run`"
    )]
    Class {
        /// What the model says.
        found: String,
    },
    /// Other weights.
    #[error(
        "the model was fitted with weights of SHA-256 {expected} ({family}), but the weights given \
         have SHA-256 {found}: pass the weights it was fitted with to --weights"
    )]
    Weights {
        /// What the model says.
        expected: String,
        /// Its network, in words.
        family: String,
        /// What was given.
        found: String,
    },
    /// A preparation that cannot be done.
    #[error("cannot preprocess photographs as the model requires; use the release that fitted it")]
    Preprocess(#[source] PreprocessError),
    /// A setting that this release does not know.
    #[error(
        "the model was fitted with `{name}` set to `{value}`, which this release does not support: \
         use the release that fitted it"
    )]
    Setting {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// Rows of another width.
    #[error(
        "the model expects {expected} features per photograph, but its network computes {found}"
    )]
    Dim {
        /// What the model says.
        expected: u32,
        /// What comes out of the network.
        found: usize,
    },
}

impl GivenError {
    /// As the failure of an attempt.
    pub(crate) fn failure(&self) -> Failure {
        let reason = match self {
            Self::S3(error) => error.reason(),
            Self::NoCache(error) => return error.failure(),
            Self::Cache { .. } => FailureReason::StorageUnavailable,
            Self::File { source, .. } => match source.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                    FailureReason::InputMissing
                }
                io::ErrorKind::PermissionDenied => FailureReason::StorageRefused,
                _ => FailureReason::StorageUnavailable,
            },
            _ => FailureReason::InvalidJob,
        };
        Failure::of(reason, self)
    }
}

/// A fitted model that was read from its files and can be used.
#[derive(Debug, Clone)]
pub(crate) struct GivenModel {
    /// The folder of its files.
    pub folder: PathBuf,
    /// What they hold. The certificate is that of the model alone.
    pub file: FittedFile,
}

impl GivenModel {
    /// Reads a model that this release can use: the folder `model` of a result, or the result.
    ///
    /// # Errors
    /// As [`GivenModel::read_any`] and [`GivenModel::usable`] say.
    pub(crate) fn read(place: &Path) -> Result<Self, GivenError> {
        let given = Self::read_any(place)?;
        given.usable()?;
        Ok(given)
    }

    /// Reads a model, whether this release can make features for it or not.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    pub(crate) fn read_any(place: &Path) -> Result<Self, GivenError> {
        let below = place.join("model");
        let folder = if below.is_dir() { below } else { place.to_owned() };
        let file = |name: &str| {
            let name = name.strip_prefix("model/").unwrap_or(name);
            read(folder.join(name))
        };
        let (json, tensors) = (file(names::MODEL_JSON)?, file(names::MODEL_SAFETENSORS)?);
        let damaged = |source| GivenError::Damaged { folder: folder.clone(), source };
        let mut file = FittedFile::published(&json, &tensors).map_err(damaged)?;
        file.certificate = figures_of_given(&file.view());
        if let Some(figure) = file.certificate.iter().find(|figure| !figure.holds()) {
            let (value, limit) = (figure.value, figure.limit);
            let figure = figure.name.clone();
            return Err(GivenError::NoModel { folder, figure, value, limit });
        }
        Ok(Self { folder, file })
    }

    /// Whether this release can make the features that the model is for.
    ///
    /// # Errors
    /// When their bits or their preparation are those of another release.
    pub(crate) fn usable(&self) -> Result<(), GivenError> {
        let found = &self.file.facts.compute_class;
        if found != COMPUTE_CLASS {
            return Err(GivenError::Class { found: found.clone() });
        }
        self.preprocess().map(|_| ())
    }

    /// Reads the model of a job that was submitted with this digest.
    ///
    /// # Errors
    /// As [`GivenModel::read`], or that it is another one.
    pub(crate) fn open(place: &Path, expected: Option<&str>) -> Result<Self, GivenError> {
        let given = Self::read(place)?;
        let found = given.digest()?;
        match expected {
            Some(expected) if expected != found => {
                let (folder, expected) = (given.folder, expected.to_owned());
                Err(GivenError::Other { folder, found, expected })
            }
            _ => Ok(given),
        }
    }

    /// Commits to everything in the model.
    ///
    /// # Errors
    /// None, for a model that was read.
    pub(crate) fn digest(&self) -> Result<String, GivenError> {
        let bytes = self.encode().map_err(|error| GivenError::Damaged {
            folder: self.folder.clone(),
            source: ReadError::new("model", error),
        })?;
        Ok(sha256(&bytes).hex())
    }

    /// How photographs are prepared for it.
    ///
    /// # Errors
    /// When it was fitted to photographs prepared in a way that this release does not do.
    pub(crate) fn preprocess(&self) -> Result<Preprocess, GivenError> {
        let said = &self.file.facts.preprocessing;
        let preprocess = Preprocess::described(|name| {
            let setting = said.iter().find(|setting| setting.name == name)?;
            Some((setting.value.as_str(), setting.origin.as_str()))
        })
        .map_err(GivenError::Preprocess)?;
        // What this release would say of it, to the letter: nothing is left out in silence.
        let due = facts::preprocessing(&preprocess);
        match said.iter().find(|setting| !due.contains(setting)) {
            Some(setting) => {
                let (name, value) = (setting.name.clone(), setting.value.clone());
                Err(GivenError::Setting { name, value })
            }
            None if due.len() == said.len() => Ok(preprocess),
            None => {
                let missing = due.into_iter().find(|setting| !said.contains(setting));
                let name = missing.map_or_else(|| "a setting".to_owned(), |setting| setting.name);
                Err(GivenError::Setting { name, value: "nothing, or twice".to_owned() })
            }
        }
    }

    /// Refuses a network that is not the model's, before photographs are looked at.
    ///
    /// # Errors
    /// When its weights have another digest.
    pub(crate) fn check_weights(&self, extractor: &Extractor) -> Result<(), GivenError> {
        let weights = &self.file.facts.weights;
        if extractor.sha256() == weights.sha256 {
            return Ok(());
        }
        Err(GivenError::Weights {
            expected: weights.sha256.clone(),
            family: format!("{}, width {}", weights.family, weights.width),
            found: extractor.sha256().to_owned(),
        })
    }

    /// Refuses a network whose features are not those that were fitted.
    ///
    /// # Errors
    /// When weights or width of the rows are others.
    pub(crate) fn check(&self, extractor: &Extractor, dim: usize) -> Result<(), GivenError> {
        self.check_weights(extractor)?;
        let expected = self.file.facts.dim;
        match expected as usize == dim {
            true => Ok(()),
            false => Err(GivenError::Dim { expected, found: dim }),
        }
    }

    /// As an object of the job.
    pub(super) fn encode(&self) -> Result<Vec<u8>, WriteError> {
        self.file.encode()
    }
}

fn read(path: PathBuf) -> Result<Vec<u8>, GivenError> {
    let trouble = |source| GivenError::File { path: path.clone(), source };
    let bytes = fs::metadata(&path).map_err(trouble)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(GivenError::TooLarge { path, bytes });
    }
    fs::read(&path).map_err(trouble)
}
