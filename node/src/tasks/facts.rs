//! The facts that tasks hand on for the report.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use fruitnode_coordinator::task::TaskResult;
use fruitnode_result::ReadError;
use fruitnode_result::model::Setting;
use fruitnode_storage::manifest::{Chunk, ManifestSummary};
use fruitnode_storage::{KeyRange, ListSummary};
use fruitnode_vision::Preprocess;

/// What a listing met beside photographs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ListingFacts {
    /// Commits to every listed key, size and time.
    pub digest: String,
    /// Files that do not match the pattern.
    pub skipped: u64,
    /// Files that match, in hidden names.
    #[serde(default)]
    pub hidden: u64,
    /// Files that match, and were excluded.
    #[serde(default)]
    pub excluded: u64,
    /// Pictures of earlier results.
    #[serde(default)]
    pub own: u64,
    /// Files that match, but were modified at another time than was asked for.
    #[serde(default)]
    pub untimely: u64,
    /// Pipes, devices and sockets.
    pub others: u64,
    /// Whether `--limit` cut the listing short.
    pub limited: bool,
}

/// What one lease listed, and which objects hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PartFacts {
    /// Its entries, in order.
    pub(super) chunks: Vec<Chunk>,
    /// What it met.
    pub(super) summary: ListSummary,
}

/// What the survey of a source says that it cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SurveyFacts {
    /// What it listed before the first range.
    pub(super) part: PartFacts,
    /// The ranges, in key order.
    pub(super) ranges: Vec<KeyRange>,
}

impl PartFacts {
    /// As an object of the job.
    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and strings are always JSON")
    }

    /// From an object of the job.
    ///
    /// # Errors
    /// When the bytes are damaged.
    pub(super) fn decode(bytes: &Bytes) -> Result<Self, ReadError> {
        serde_json::from_slice(bytes).map_err(|error| ReadError::new("range", error))
    }
}

impl SurveyFacts {
    /// As an object of the job.
    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and strings are always JSON")
    }

    /// From an object of the job.
    ///
    /// # Errors
    /// When the bytes are damaged.
    pub(super) fn decode(bytes: &Bytes) -> Result<Self, ReadError> {
        serde_json::from_slice(bytes).map_err(|error| ReadError::new("survey", error))
    }
}

/// A whole listing, as an attempt says it.
pub(super) fn listed(manifest: &ManifestSummary) -> TaskResult {
    let ManifestSummary { keys, bytes, partitions, digest, .. } = *manifest;
    TaskResult::Listed { keys, bytes, partitions, digest }
}

impl ListingFacts {
    /// Of a whole listing.
    pub(super) fn of(manifest: &ManifestSummary, summary: &ListSummary) -> Self {
        Self {
            digest: manifest.listing.hex(),
            skipped: summary.skipped,
            hidden: summary.hidden,
            excluded: summary.excluded,
            own: summary.own,
            untimely: summary.untimely,
            others: summary.others,
            limited: summary.limited,
        }
    }

    /// From an object of the job.
    ///
    /// # Errors
    /// When the bytes are damaged.
    pub(super) fn decode(bytes: &Bytes) -> Result<Self, ReadError> {
        serde_json::from_slice(bytes).map_err(|error| ReadError::new("listing", error))
    }
}

/// A preparation as reports and models tell it.
pub(super) fn preprocessing(preprocess: &Preprocess) -> Vec<Setting> {
    let settings = preprocess.describe().into_iter();
    let upright = Setting {
        name: "exif_orientation".to_owned(),
        value: "applied".to_owned(),
        origin: "always".to_owned(),
    };
    settings
        .map(|(name, value, origin)| Setting {
            name: name.to_owned(),
            value,
            origin: origin.to_string(),
        })
        .chain([upright])
        .collect()
}
