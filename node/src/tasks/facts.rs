//! What the report says of a job, and the facts that tasks hand on for it.

use std::collections::BTreeMap;

use bytes::Bytes;
use fruitnode_coordinator::ids::Attempt;
use fruitnode_coordinator::task::{Listing, TaskResult};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::fitted_file::{FittedFile, MadeBy};
use crate::output::ReadError;
use crate::output::model::{Setting, Weights};
use crate::output::report::{Classes, Components, Counts, File, Report, SCHEMA_VERSION};
use crate::pipeline::Preprocess;
use crate::storage::manifest::{Chunk, ManifestSummary};
use crate::storage::{KeyRange, ListSummary};
use crate::story::Work;
use crate::tasks::{COMPUTE_CLASS, JobContext, NodeContext, objects};

/// Shares of the first components that the report repeats from the model.
const SPECTRUM_HEAD: usize = 20;

/// What a listing met beside photographs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ListingFacts {
    /// Commits to every listed key, size and time.
    pub digest: String,
    /// Files that do not match the pattern.
    pub skipped: u64,
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

impl ManifestSummary {
    /// As an attempt says it.
    pub(super) fn result(&self) -> TaskResult {
        let Self { keys, bytes, partitions, digest, .. } = *self;
        TaskResult::Listed { keys, bytes, partitions, digest }
    }
}

impl ListingFacts {
    /// Of a whole listing.
    pub(super) fn of(manifest: &ManifestSummary, summary: &ListSummary) -> Self {
        Self {
            digest: manifest.listing.hex(),
            skipped: summary.skipped,
            untimely: summary.untimely,
            others: summary.others,
            limited: summary.limited,
        }
    }

    /// Writes them beside the manifest of the same attempt.
    ///
    /// # Errors
    /// As the sink says.
    pub(super) async fn write(
        &self,
        node: &NodeContext,
        job: &JobContext,
        attempt: Attempt,
    ) -> Result<(), Failure> {
        Work::add(&node.story.work.skipped, self.skipped);
        Work::add(&node.story.work.untimely, self.untimely);
        let bytes = serde_json::to_vec(self).expect("numbers and strings are always JSON");
        job.put(&objects::listing(&job.id, attempt), bytes).await
    }

    /// From an object of the job.
    ///
    /// # Errors
    /// When the bytes are damaged.
    pub(super) fn decode(bytes: &Bytes) -> Result<Self, ReadError> {
        serde_json::from_slice(bytes).map_err(|error| ReadError::new("listing", error))
    }
}

impl JobContext {
    /// The network, for reports and models.
    pub fn weights(&self) -> Weights {
        Weights {
            family: self.extractor.family().name().to_owned(),
            width: self
                .extractor
                .width()
                .map_or_else(|| "other".to_owned(), |width| width.to_string()),
            sha256: self.extractor.sha256().to_owned(),
            dim: self.dim as u32,
        }
    }

    /// How photographs are prepared and who said so, for reports and models.
    pub fn preprocessing(&self) -> Vec<Setting> {
        preprocessing(&self.preprocess)
    }

    /// How the features are made, for the model.
    pub(super) fn made_by(&self) -> MadeBy {
        MadeBy {
            weights: self.weights(),
            preprocessing: self.preprocessing(),
            pooling: self.settings.pooling.to_string(),
            compute_class: COMPUTE_CLASS.to_owned(),
        }
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

/// The report of a job: nothing in it tells of the run.
pub(super) fn report(
    job: &JobContext,
    listing: Listing,
    listed: &ListingFacts,
    counts: Counts,
    fitted: Option<&FittedFile>,
    files: BTreeMap<String, File>,
) -> Report {
    Report {
        schema_version: SCHEMA_VERSION,
        fruitnode: env!("CARGO_PKG_VERSION").to_owned(),
        source: job.settings.from.clone(),
        bytes: listing.bytes,
        partitions: listing.partitions,
        options: options(job, listed),
        preprocessing: job.preprocessing(),
        weights: job.weights(),
        pca: fitted.map(|fitted| components(fitted, job.given.is_some())),
        certificate: fitted.map(|fitted| fitted.certificate.clone()).unwrap_or_default(),
        classes: Classes {
            compute: COMPUTE_CLASS.to_owned(),
            fit: fitted.map(|fitted| fitted.facts.fit_class.clone()),
        },
        warnings: warnings(listed, &counts, fitted),
        counts,
        files,
    }
}

fn components(fitted: &FittedFile, given: bool) -> Components {
    let facts = &fitted.facts;
    let view = fitted.view();
    Components {
        standardize: facts.standardize,
        convention: facts.convention.clone(),
        target: facts.target,
        k: facts.k,
        rank: facts.rank,
        share: view.share(),
        spectrum_head: view.ratios.iter().copied().take(SPECTRUM_HEAD).collect(),
        given,
    }
}

fn options(job: &JobContext, listed: &ListingFacts) -> BTreeMap<String, String> {
    let words = &job.settings.options;
    let rows = job.settings.rows_per_part.to_string();
    let mut options = BTreeMap::from([
        ("label_from", words.label_from.clone()),
        ("listing_sha256", listed.digest.clone()),
        ("pattern", words.pattern.clone()),
        ("pooling", words.pooling.clone()),
        ("recursive", words.recursive.to_string()),
        ("rows_per_part", rows),
    ]);
    // Of a given model, the result says itself what was asked for when it was fitted.
    options.extend(job.given.is_none().then(|| ("pca", words.pca.clone())));
    options.extend(words.limit.map(|limit| ("limit", limit.to_string())));
    let times =
        [("modified_after", &words.modified_after), ("modified_before", &words.modified_before)];
    for (name, instant) in times {
        options.extend(instant.clone().map(|instant| (name, instant)));
    }
    options.extend(words.standardize.clone().map(|word| ("standardize", word)));
    options.extend(words.like.clone().map(|word| ("like", word)));
    options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn warnings(listed: &ListingFacts, counts: &Counts, fitted: Option<&FittedFile>) -> Vec<String> {
    let mut warnings = Vec::new();
    if counts.bad > 0 {
        let (bad, listed) = (counts.bad, counts.listed);
        warnings.push(format!(
            "{bad} of {listed} photographs are in `_quarantine/`, not in the features"
        ));
    }
    if listed.skipped > 0 {
        warnings
            .push(format!("{} files do not match the pattern and were left out", listed.skipped));
    }
    if listed.untimely > 0 {
        let untimely = listed.untimely;
        warnings.push(format!(
            "{untimely} photographs were modified at another time than was asked for, and left out"
        ));
    }
    if listed.others > 0 {
        warnings.push(format!("{} pipes, devices or sockets were left out", listed.others));
    }
    if listed.limited {
        warnings.push("`--limit` ended the listing before the last photograph".to_owned());
    }
    warnings.extend(fitted.into_iter().flat_map(|fitted| fitted.warnings.clone()));
    warnings
}
