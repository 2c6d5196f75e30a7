//! The words of a job's options, parsed: every value is checked before anything is read.

use std::path::PathBuf;
use std::str::FromStr;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::max_bad::MaxBad;
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::spec::JobSpec;
use fruitnode_pca::{Convention, FitOptions, Standardize, Target};
use fruitnode_storage::{
    LabelError, LabelRule, Mode, Pattern, PatternError, Place, PlaceError, S3Options, Selection,
    Window,
};
use fruitnode_vision::model::profile::Filter;
use fruitnode_vision::model::{Pooling, UnknownPooling};
use fruitnode_vision::preprocess::{Flags, PreprocessError};

use crate::tasks::max_bad::{self, MaxBadError};
use crate::tasks::options::{JobOptions, OptionsError};
use crate::tasks::when::{self, WhenError};

/// Everything that a job was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Source, as the user wrote it.
    pub from: String,
    /// Target, as the user wrote it.
    pub to: String,
    /// What the source is.
    pub source: Place,
    /// What the target is.
    pub target: Place,
    /// Where S3 is. Whoever opens the job sets it: it is this node's way to the same bytes.
    pub storage: S3Options,
    /// Whether the job takes up what an earlier one finished, and leaves what it finishes itself.
    /// Whoever opens the job sets it: only where no other process has a part in the job.
    pub resume: bool,
    /// Keys in a partition.
    pub rows_per_part: u32,
    /// Which keys of the source.
    pub selection: Selection,
    /// Where labels come from.
    pub labels: LabelRule,
    /// File of the weights; `None` for those in the binary.
    pub weights: Option<PathBuf>,
    /// How the last feature map becomes a row.
    pub pooling: Pooling,
    /// What the user says about the preparation.
    pub flags: Flags,
    /// The PCA, if one is to be fitted.
    pub pca: Option<FitOptions>,
    /// Folder of the fitted model that is taken over instead, or `s3://BUCKET/PREFIX`.
    pub model: Option<PathBuf>,
    /// What to do with an earlier result.
    pub mode: Mode,
    /// Bad photographs that the job endures.
    pub max_bad: Option<MaxBad>,
    /// The words themselves.
    pub options: JobOptions,
}

/// A word that is not understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// The whole of the options.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// `--from` or `--to`
    #[error("{flag}: {source}")]
    Place {
        /// Which.
        flag: &'static str,
        /// What is wrong with it.
        #[source]
        source: PlaceError,
    },
    /// `--pattern`
    #[error("--pattern: {0}")]
    Pattern(#[from] PatternError),
    /// What is passed over.
    #[error("--exclude: {0}")]
    Exclude(#[source] PatternError),
    /// Nothing at all is passed over.
    #[error("--exclude: the pattern is empty: give a glob such as `*_thumb.*`, or omit the flag")]
    EmptyExclude,
    /// `--label-from`
    #[error("--label-from: {0}")]
    Label(#[from] LabelError),
    /// `--pooling`
    #[error("--pooling: {0}")]
    Pooling(#[from] UnknownPooling),
    /// `--size`, `--resize`, `--preprocess`
    #[error(transparent)]
    Flags(#[from] PreprocessError),
    /// `--pca`
    #[error(
        "--pca: `{0}` is not a number of components (1 or more, such as 50 or at-most:50), a share \
         of the variance (between 0 and 1, such as 0.95) or `off`"
    )]
    Pca(String),
    /// `--modified-after`, `--modified-before`
    #[error("{flag}: {source}")]
    When {
        /// The flag.
        flag: &'static str,
        /// What is wrong.
        source: WhenError,
    },
    /// A window of time that holds no instant.
    #[error(
        "--modified-after {after} is not earlier than --modified-before {before}, so no photograph \
         can match"
    )]
    EmptyWindow {
        /// Its beginning.
        after: String,
        /// Its end.
        before: String,
    },
    /// `--max-bad`
    #[error(transparent)]
    MaxBad(#[from] MaxBadError),
    /// A flag with a few words to choose from.
    #[error("{flag}: unknown value `{word}`; use one of {choices}")]
    Choice {
        /// The flag.
        flag: &'static str,
        /// What was written.
        word: String,
        /// What may be written.
        choices: &'static str,
    },
    /// A flag about the PCA without one.
    #[error("{0} has no effect with `--pca off`: remove one of the two")]
    WithoutPca(&'static str),
}

impl SettingsError {
    /// As the failure of an attempt.
    pub(crate) fn failure(&self) -> Failure {
        Failure::of(FailureReason::InvalidJob, self)
    }
}

impl Settings {
    /// Parses what travelled with a job.
    ///
    /// # Errors
    /// The first word that is not understood.
    pub(crate) fn of_spec(spec: &JobSpec) -> Result<Self, SettingsError> {
        let options = JobOptions::decode(&spec.options)?;
        Self::parse(spec.from.clone(), spec.to.clone(), spec.rows_per_part, options)
    }

    /// Parses what a user wrote.
    ///
    /// # Errors
    /// The first word that is not understood.
    pub(crate) fn parse(
        from: String,
        to: String,
        rows_per_part: u32,
        options: JobOptions,
    ) -> Result<Self, SettingsError> {
        let pattern = Pattern::parse(&options.pattern)?;
        let (recursive, limit) = (options.recursive, options.limit);
        let exclude = options.exclude.iter().map(|text| match text.is_empty() {
            true => Err(SettingsError::EmptyExclude),
            false => Pattern::parse(text).map_err(SettingsError::Exclude),
        });
        let exclude = exclude.collect::<Result<Vec<_>, _>>()?;
        let (hidden, window) = (options.hidden, window(&options)?);
        let selection = Selection { pattern, exclude, hidden, recursive, limit, window };
        let place =
            |flag, text: &str| text.parse().map_err(|source| SettingsError::Place { flag, source });
        // What a result says of its source does not depend on who spelt it how.
        let source: Place = place("--from", &from)?;
        let source = source.canonical();
        Ok(Self {
            from: source.to_string(),
            source,
            target: place("--to", &to)?,
            storage: S3Options::default(),
            resume: false,
            to,
            rows_per_part,
            selection,
            labels: LabelRule::from_str(&options.label_from)?,
            weights: options.weights.as_ref().map(PathBuf::from),
            pooling: options.pooling.parse()?,
            flags: flags(&options)?,
            pca: pca(&options)?,
            model: options.model.as_ref().map(PathBuf::from),
            max_bad: options.max_bad.as_deref().map(max_bad::parse).transpose()?,
            mode: match options.mode.as_str() {
                "error" => Mode::Error,
                "overwrite" => Mode::Overwrite,
                word => return Err(choice("--mode", word, "error, overwrite")),
            },
            options,
        })
    }

    /// Whether the job reads or writes folders that nobody said every node sees.
    pub(crate) fn needs_shared(&self) -> bool {
        let folder = |place: &Place| matches!(place, Place::Folder(_));
        !self.options.shared && (folder(&self.source) || folder(&self.target))
    }

    /// The specification under which the job is submitted.
    pub(crate) fn spec(&self, compute_class: &str, fit_class: &str) -> JobSpec {
        JobSpec {
            from: self.from.clone(),
            to: self.to.clone(),
            rows_per_part: self.rows_per_part,
            pca: self.pca.is_some() || self.model.is_some(),
            given_fit: self.model.is_some(),
            compute_class: compute_class.to_owned(),
            fit_class: fit_class.to_owned(),
            max_bad: self.max_bad,
            options: self.options.encode(),
        }
    }
}

fn window(options: &JobOptions) -> Result<Window, SettingsError> {
    let instant = |flag, word: &Option<String>| {
        // Spans were turned into instants where they were written.
        let instant = word.as_deref().map(|word| when::instant(word, 0)).transpose();
        instant.map_err(|source| SettingsError::When { flag, source })
    };
    let (after, before) = (&options.modified_after, &options.modified_before);
    let window = Window {
        after_us: instant("--modified-after", after)?,
        before_us: instant("--modified-before", before)?,
    };
    match (after, before, window.after_us.zip(window.before_us)) {
        (Some(after), Some(before), Some((first, end))) if first >= end => {
            let (after, before) = (after.clone(), before.clone());
            Err(SettingsError::EmptyWindow { after, before })
        }
        _ => Ok(window),
    }
}

fn flags(options: &JobOptions) -> Result<Flags, SettingsError> {
    Ok(Flags {
        size: options.size.as_deref().map(str::parse).transpose()?,
        filter: match options.resize.as_deref() {
            None => None,
            Some(word) => {
                let filter = Filter::named(word);
                Some(filter.ok_or_else(|| choice("--resize", word, "bicubic, bilinear"))?)
            }
        },
        profile: options.preprocess.as_deref().map(str::parse).transpose()?,
    })
}

fn pca(options: &JobOptions) -> Result<Option<FitOptions>, SettingsError> {
    if options.pca == "off" {
        if options.standardize.is_some() {
            return Err(SettingsError::WithoutPca("--standardize"));
        }
        return match options.like {
            Some(_) => Err(SettingsError::WithoutPca("--like")),
            None => Ok(None),
        };
    }
    let standardize = match options.standardize.as_deref() {
        None | Some("mean-std") => Standardize::MeanStd,
        Some("mean") => Standardize::Mean,
        Some("none") => Standardize::None,
        Some(word) => return Err(choice("--standardize", word, "none, mean, mean-std")),
    };
    let like = match options.like.as_deref() {
        None => Convention::Default,
        Some("spark") => Convention::Spark,
        Some("sklearn") => Convention::Sklearn,
        Some(word) => return Err(choice("--like", word, "spark, sklearn")),
    };
    Ok(Some(FitOptions { standardize, target: target(&options.pca)?, like }))
}

/// A number of components has no point, a share has one: `1` is one component.
fn target(word: &str) -> Result<Target, SettingsError> {
    let unclear = || SettingsError::Pca(word.to_owned());
    if word.contains('.') || word.contains(['e', 'E']) {
        let share: f64 = word.parse().map_err(|_| unclear())?;
        return if share > 0.0 && share < 1.0 { Ok(Target::Share(share)) } else { Err(unclear()) };
    }
    let (number, target): (&str, fn(usize) -> Target) = match word.strip_prefix("at-most:") {
        Some(number) => (number, Target::AtMost),
        None => (word, Target::Components),
    };
    match number.parse() {
        Ok(0) | Err(_) => Err(unclear()),
        Ok(components) => Ok(target(components)),
    }
}

fn choice(flag: &'static str, word: &str, choices: &'static str) -> SettingsError {
    SettingsError::Choice { flag, word: word.to_owned(), choices }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_components_and_a_fraction_is_a_share() {
        assert_eq!(target("100").expect("a number"), Target::Components(100));
        assert_eq!(target("at-most:50").expect("a number"), Target::AtMost(50));
        assert_eq!(target("1").expect("a number"), Target::Components(1));
        assert_eq!(target("0.99").expect("a share"), Target::Share(0.99));
        assert_eq!(target("9e-1").expect("a share"), Target::Share(0.9));
        for word in
            ["0", "1.0", "0.0", "-3", "95%", "", "on", "1.5", "nan", "inf", "1e999", "at-most:0"]
        {
            let error = target(word).expect_err(word).to_string();
            assert!(error.contains(word) && error.contains("0.95"), "{error}");
        }
    }
}
