//! What the report says of a job.

use std::collections::BTreeMap;

use fruitnode_coordinator::task::Listing;
use fruitnode_result::fitted_file::{FittedFile, MadeBy};
use fruitnode_result::model::{Setting, Weights};
use fruitnode_result::report::{Classes, Components, Counts, File, Report, SCHEMA_VERSION};

use crate::tasks::JobContext;
use crate::tasks::facts::{ListingFacts, preprocessing};
use crate::tasks::features::COMPUTE_CLASS;

/// Shares of the first components that the report repeats from the model.
const SPECTRUM_HEAD: usize = 20;

impl JobContext {
    /// The network, for reports and models.
    pub(crate) fn weights(&self) -> Weights {
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
    pub(crate) fn preprocessing(&self) -> Vec<Setting> {
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
        source: job.settings.source.published(),
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
    let limits = [("max_megapixels", words.max_megapixels), ("max_file_mib", words.max_file_mib)];
    for (name, limit) in limits {
        options.extend(limit.map(|limit| (name, limit.to_string())));
    }
    let exclude = (!words.exclude.is_empty()).then(|| words.exclude.join(" "));
    options.extend(exclude.map(|globs| ("exclude", globs)));
    options.extend(words.hidden.then(|| ("hidden", true.to_string())));
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
        let (bad, listed) = (counts.bad, of(counts.listed, "photograph"));
        let have = if bad == 1 { "has" } else { "have" };
        warnings.push(format!("{bad} of {listed} {have} no features: see `_quarantine/`"));
    }
    for (count, thing, why) in [
        (listed.skipped, "file", "the name does not match the pattern"),
        (listed.hidden, "photograph", "in a name that begins with `.` or `_`"),
        (listed.excluded, "photograph", "excluded by `--exclude`"),
        (listed.own, "picture", "part of an earlier result"),
        (listed.untimely, "photograph", "modified outside the period asked for"),
        (listed.others, "special file", "a pipe, device or socket"),
    ] {
        if count > 0 {
            warnings.push(format!("{} left out: {why}", of(count, thing)));
        }
    }
    if listed.limited {
        warnings.push("`--limit` left out the photographs that follow".to_owned());
    }
    warnings.extend(fitted.into_iter().flat_map(|fitted| fitted.warnings.clone()));
    warnings
}

/// `1 photograph`, `2 photographs`.
fn of(count: u64, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}
