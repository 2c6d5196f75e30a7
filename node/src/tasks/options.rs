//! Options of a job as they travel in its specification: in the words of the command line, so that
//! every node reads them with the same parsers.

use serde::{Deserialize, Serialize};

/// Version of this form.
const VERSION: u32 = 3;

/// Everything that decides what comes out and that the coordinator need not understand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JobOptions {
    /// [`JobOptions::VERSION`].
    pub version: u32,
    /// Glob of the photographs.
    pub pattern: String,
    /// Whether subfolders are entered.
    pub recursive: bool,
    /// First so many keys alone.
    pub limit: Option<u64>,
    /// Rule for labels.
    pub label_from: String,
    /// File of the weights; `None` for those in the binary.
    pub weights: Option<String>,
    /// SHA-256 of the weights, so that no node infers with others.
    pub weights_sha256: String,
    /// `avg`, `max` or `none`.
    pub pooling: String,
    /// `N` or `WIDTHxHEIGHT`, if not what the weights say.
    pub size: Option<String>,
    /// Filter, if not what the weights say.
    pub resize: Option<String>,
    /// Profile of the preparation, if not what the weights say.
    pub preprocess: Option<String>,
    /// `K`, a share, or `off`.
    pub pca: String,
    /// `none`, `mean` or `mean-std`.
    pub standardize: Option<String>,
    /// `spark` or `sklearn`.
    pub like: Option<String>,
    /// `error` or `overwrite`.
    pub mode: String,
    /// `N` or `SHARE%`, if bad photographs are to fail the job.
    #[serde(default)]
    pub max_bad: Option<String>,
    /// Only photographs modified at this instant or later: an instant, never a span.
    #[serde(default)]
    pub modified_after: Option<String>,
    /// Only photographs modified before this instant.
    #[serde(default)]
    pub modified_before: Option<String>,
    /// Folder of a fitted model that is taken over; then `pca` is `off`.
    #[serde(default)]
    pub model: Option<String>,
    /// Digest of that model, so that no node projects with another.
    #[serde(default)]
    pub model_sha256: Option<String>,
    /// Globs of what the pattern takes and is passed over all the same.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Whether hidden names are taken.
    #[serde(default)]
    pub hidden: bool,
    /// Millions of pixels that a photograph may have, if not as many as by default.
    #[serde(default)]
    pub max_megapixels: Option<u32>,
    /// MiB that its file may have, if not as many as by default.
    #[serde(default)]
    pub max_file_mib: Option<u32>,
    /// Whether every node of a cluster sees the folders of the job under the same names.
    #[serde(default)]
    pub shared: bool,
}

/// Bytes that are no options of this release.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OptionsError {
    /// Not JSON, or a field is missing.
    #[error("cannot parse the options of the job")]
    Malformed(#[from] serde_json::Error),
    /// Written by a release that knows more.
    #[error(
        "the options of the job have version {0}, but this release only supports versions up to \
         {VERSION}: upgrade this node"
    )]
    TooNew(u32),
}

impl JobOptions {
    /// Version that this release writes.
    pub(crate) const VERSION: u32 = VERSION;

    /// As bytes of a job's specification.
    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers are always JSON")
    }

    /// From the bytes of a job's specification.
    ///
    /// # Errors
    /// When the bytes are malformed or of a newer release.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, OptionsError> {
        let options: Self = serde_json::from_slice(bytes)?;
        if options.version > VERSION {
            return Err(OptionsError::TooNew(options.version));
        }
        Ok(options)
    }
}
