//! `fruitnode transform`: new photographs through a pipeline that was fitted before. A job as any
//! other, but for its fit, which is given.

use std::fs;
use std::path::Path;

use fruitnode_storage::S3Options;
use fruitnode_vision::model::{Kernel, Pooling};

use crate::cli::args::{TerminalArgs, TransformArgs};
use crate::cli::exit::Exit;
use crate::cli::machine::kernel;
use crate::cli::message::CliError;
use crate::cli::prepare::{Prepared, instant, pick};
use crate::cli::{given, plan, run, weights};
use crate::tasks::options::JobOptions;
use crate::tasks::{GivenModel, Settings, network};

/// Runs the job and prints its summary.
pub(in crate::cli) fn transform(
    args: &TransformArgs,
    terminal: &TerminalArgs,
) -> Result<Exit, CliError> {
    if args.plan.dry_run {
        let prepared = prepare(args, terminal, kernel(&args.machine)?)?;
        return plan::plan(prepared, &args.machine, &args.plan, terminal);
    }
    let summary =
        run::carry_out(&args.machine, terminal, |kernel| prepare(args, terminal, kernel))?;
    run::print(&summary, terminal);
    Ok(Exit::Done)
}

/// Everything that can be refused is refused here, before a photograph is read.
pub(in crate::cli) fn prepare(
    args: &TransformArgs,
    terminal: &TerminalArgs,
    kernel: Option<Kernel>,
) -> Result<Prepared, CliError> {
    let refuse = |error: &crate::tasks::GivenError| CliError::from(error.failure());
    let model = given::at_hand(&args.model, &args.storage, &args.to)?;
    let given = GivenModel::read(&model).map_err(|error| refuse(&error))?;
    apart(&given.folder, &args.to)?;
    let facts = &given.file.facts;
    let pooling: Pooling =
        facts.pooling.parse().map_err(|error| CliError::of(Exit::Usage, "invalid_job", &error))?;
    let (photographs, result) = (&args.photographs, &args.result);
    let mut options = JobOptions {
        version: JobOptions::VERSION,
        pattern: photographs.pattern.clone(),
        recursive: photographs.recursive,
        limit: photographs.limit.map(Into::into),
        label_from: photographs.label_from.clone(),
        weights: weights::told(args.weights.as_deref()),
        weights_sha256: facts.weights.sha256.clone(),
        pooling: facts.pooling.clone(),
        size: None,
        resize: None,
        preprocess: None,
        pca: "off".to_owned(),
        standardize: None,
        like: None,
        mode: result.mode(),
        max_bad: photographs.max_bad.clone(),
        exclude: photographs.exclude.clone(),
        max_megapixels: photographs.max_megapixels.map(|limit| limit.get().into()),
        max_file_mib: photographs.max_file_mib.map(|limit| limit.get().into()),
        hidden: photographs.hidden,
        modified_after: instant("--modified-after", photographs.modified_after.as_deref())?,
        modified_before: instant("--modified-before", photographs.modified_before.as_deref())?,
        model: Some(given.folder.display().to_string()),
        model_sha256: Some(given.digest().map_err(|error| refuse(&error))?),
        shared: false,
    };
    let rows = result.rows_per_part.get();
    let from = pick(&args.from, &mut options)?;
    let mut settings = Settings::parse(from, args.to.clone(), rows, options)
        .map_err(|error| CliError::of(Exit::Usage, "bad_flag", &error))?;
    let at_hand = match &args.weights {
        Some(place) => weights::at_hand(Some(place), &args.machine, &args.storage, terminal)?,
        None => weights::of_digest(&given.file.facts.weights.sha256),
    };
    let extractor = network::load(at_hand.as_deref(), pooling, kernel)
        .map_err(|error| CliError::from(error.failure()))?;
    given.check_weights(&extractor).map_err(|error| refuse(&error))?;
    // There is no other node that could try.
    settings.storage = S3Options { alone: true, ..args.storage.options() };
    Ok((settings, extractor))
}

/// Refuses a target that holds the model: overwriting it would leave nothing to transform with.
fn apart(model: &Path, to: &str) -> Result<(), CliError> {
    let (Ok(model), Ok(target)) = (fs::canonicalize(model), fs::canonicalize(to)) else {
        return Ok(());
    };
    if !model.starts_with(&target) {
        return Ok(());
    }
    let words = format!("--to {to} contains the model to use: name another target");
    Err(CliError::new(Exit::Conflict, "target_taken", words))
}
