//! From the flags of `run` to what a job needs before it is opened.

use std::sync::Arc;

use fruitnode_env::wall_ms;
use fruitnode_storage::{DEFAULT_PATTERN, Picked, S3Options};
use fruitnode_vision::model::{Extractor, Kernel};

use crate::cli::args::{JobArgs, RunArgs, TerminalArgs};
use crate::cli::exit::Exit;
use crate::cli::message::CliError;
use crate::cli::weights;
use crate::tasks::options::JobOptions;
use crate::tasks::{Settings, network, when};

/// What a job needs before it is opened.
pub(super) type Prepared = (Settings, Arc<Extractor>);

/// Everything that can be refused is refused here, before a photograph is read.
pub(super) fn prepare(
    args: &RunArgs,
    terminal: &TerminalArgs,
    kernel: Option<Kernel>,
) -> Result<Prepared, CliError> {
    let mut settings = settings(args)?;
    let at_hand =
        weights::at_hand(args.job.weights.as_deref(), &args.machine, &args.storage, terminal)?;
    let extractor = network::load(at_hand.as_deref(), settings.pooling, kernel)
        .map_err(|error| CliError::from(error.failure()))?;
    settings.options.weights_sha256 = extractor.sha256().to_owned();
    // There is no other node that could try.
    settings.storage = S3Options { alone: true, ..args.storage.options() };
    Ok((settings, extractor))
}

/// What the flags say, understood.
pub(super) fn settings(args: &RunArgs) -> Result<Settings, CliError> {
    let mut options = options(&args.job)?;
    let from = pick(&args.from, &mut options)?;
    let rows = args.job.result.rows_per_part.get();
    Settings::parse(from, args.to.clone(), rows, options)
        .map_err(|error| CliError::of(Exit::Usage, "bad_flag", &error))
}

/// The place that holds the photographs, where `--from` names them and not the place.
///
/// # Errors
/// When `--pattern` says something else.
pub(super) fn pick(from: &str, options: &mut JobOptions) -> Result<String, CliError> {
    let Some(picked) = Picked::of(from) else { return Ok(from.to_owned()) };
    if options.pattern != DEFAULT_PATTERN {
        let words = format!(
            "--from {from} selects photographs by itself: name the folder in --from and everything \
             else in --pattern, or omit --pattern"
        );
        return Err(CliError::new(Exit::Usage, "bad_flag", words));
    }
    (options.pattern, options.recursive) = (picked.pattern, picked.recursive);
    Ok(picked.from)
}

/// The instant that a flag means: a span before now selects others tomorrow.
pub(super) fn instant(flag: &str, word: Option<&str>) -> Result<Option<String>, CliError> {
    let now_us = i64::try_from(wall_ms()).unwrap_or(i64::MAX / 1_000).saturating_mul(1_000);
    let instant = word.map(|word| when::instant(word, now_us)).transpose();
    let instant = instant
        .map_err(|error| CliError::new(Exit::Usage, "bad_flag", format!("{flag}: {error}")))?;
    Ok(instant.map(when::words))
}

fn options(args: &JobArgs) -> Result<JobOptions, CliError> {
    let (photographs, result) = (&args.photographs, &args.result);
    Ok(JobOptions {
        version: JobOptions::VERSION,
        pattern: photographs.pattern.clone(),
        recursive: photographs.recursive,
        limit: photographs.limit.map(Into::into),
        label_from: photographs.label_from.clone(),
        weights: weights::told(args.weights.as_deref()),
        weights_sha256: String::new(),
        pooling: args.pooling.clone(),
        size: args.size.clone(),
        resize: args.resize.clone(),
        preprocess: args.preprocess.clone(),
        pca: args.pca.clone(),
        standardize: args.standardize.clone(),
        like: args.like.clone(),
        mode: result.mode(),
        max_bad: photographs.max_bad.clone(),
        exclude: photographs.exclude.clone(),
        max_megapixels: photographs.max_megapixels.map(|limit| limit.get().into()),
        max_file_mib: photographs.max_file_mib.map(|limit| limit.get().into()),
        hidden: photographs.hidden,
        modified_after: instant("--modified-after", photographs.modified_after.as_deref())?,
        modified_before: instant("--modified-before", photographs.modified_before.as_deref())?,
        model: None,
        model_sha256: None,
        shared: false,
    })
}
