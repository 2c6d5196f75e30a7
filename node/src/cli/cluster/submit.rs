//! `fruitnode job submit` and `job transform`: what `run` and `transform` take, as jobs of the
//! cluster.

use std::path::Path;

use serde_json::json;

use fruitnode_coordinator::codec::wire::spec_to_proto;
use fruitnode_env::unique_name;
use fruitnode_proto::v1::{self, JobStatus};
use fruitnode_storage::hub::Source;
use fruitnode_storage::{Place, PlaceError};

use crate::cli::args::{
    JobSubmitArgs, JobTransformArgs, ReachArgs, RunArgs, SubmissionArgs, TerminalArgs,
    TransformArgs,
};
use crate::cli::cluster::follow::{self, Follow, Signals};
use crate::cli::cluster::reach::{Reach, reaching};
use crate::cli::cluster::say::done;
use crate::cli::exit::Exit;
use crate::cli::machine::kernel;
use crate::cli::message::CliError;
use crate::cli::{prepare, run, transform};
use crate::tasks::Settings;

/// Submits what `run` does and, unless told otherwise, waits for its end.
pub(super) fn submit(args: &JobSubmitArgs, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    if args.run.plan.dry_run {
        return run::run(&args.run, terminal);
    }
    let spec = spec(&args.run, args.submission.shared, terminal)?;
    hand_in(spec, &args.submission, terminal)
}

/// Submits what `transform` does and, unless told otherwise, waits for its end.
pub(super) fn transform(
    args: &JobTransformArgs,
    terminal: &TerminalArgs,
) -> Result<Exit, CliError> {
    if args.transform.plan.dry_run {
        return transform::transform(&args.transform, terminal);
    }
    let spec = transform_spec(&args.transform, args.submission.shared, terminal)?;
    hand_in(spec, &args.submission, terminal)
}

fn hand_in(
    spec: v1::JobSpec,
    args: &SubmissionArgs,
    terminal: &TerminalArgs,
) -> Result<Exit, CliError> {
    let job = args.id.clone().unwrap_or_else(unique_name);
    reaching(&args.reach, async |reach| {
        if args.detach {
            reach.contact.submit_job(request(&job, spec)).await?;
            let words = format!("submitted job {job}; to follow it: fruitnode job watch {job}");
            done(terminal, json!({"outcome": "submitted", "job": job}), &words);
            return Ok(Exit::Done);
        }
        let ended = Box::pin(wait(reach, job, spec, terminal)).await?;
        follow::conclude(&ended, terminal)
    })
}

/// Submits a job on folders that all nodes share, and waits until it has succeeded.
pub(in crate::cli) fn succeed(
    args: &RunArgs,
    reach: &ReachArgs,
    terminal: &TerminalArgs,
) -> Result<JobStatus, CliError> {
    let spec = spec(args, true, terminal)?;
    let ended =
        reaching(reach, async |reach| Box::pin(wait(reach, unique_name(), spec, terminal)).await)?;
    follow::failure(&ended).map_or(Ok(ended), Err)
}

async fn wait(
    reach: Reach,
    job: String,
    spec: v1::JobSpec,
    terminal: &TerminalArgs,
) -> Result<JobStatus, CliError> {
    let mut signals = Signals::new()?;
    let request = request(&job, spec);
    let follow = Follow { job, may_cancel: true, quiet: follow::quiet(terminal) };
    let status = tokio::select! {
        status = reach.contact.submit_job(request) => status?,
        _ = signals.next() => return Err(follow.left_early()),
    };
    let reach = tokio::select! {
        reach = reach.with_all_nodes() => reach?,
        _ = signals.next() => return Err(follow.left()),
    };
    follow.to_the_end(&reach, Some(status), (signals, terminal)).await
}

fn request(job: &str, spec: v1::JobSpec) -> v1::SubmitRequest {
    v1::SubmitRequest { job: job.to_owned(), spec: Some(spec) }
}

/// What the cluster is to do. Everything that can be refused here is.
pub(super) fn spec(
    args: &RunArgs,
    shared: bool,
    terminal: &TerminalArgs,
) -> Result<v1::JobSpec, CliError> {
    let args = RunArgs { from: rooted(&args.from)?, to: rooted(&args.to)?, ..args.clone() };
    everywhere("--from", &args.from, shared)?;
    everywhere("--to", &args.to, shared)?;
    weights(args.job.weights.as_deref(), shared)?;
    let kernel = kernel(&args.machine)?;
    let (mut settings, _) = prepare::prepare(&args, terminal, kernel)?;
    settings.options.shared = shared;
    Ok(wire(&settings))
}

/// The same for a model that was fitted before.
fn transform_spec(
    args: &TransformArgs,
    shared: bool,
    terminal: &TerminalArgs,
) -> Result<v1::JobSpec, CliError> {
    let model = rooted(&args.model.display().to_string())?;
    let (from, to) = (rooted(&args.from)?, rooted(&args.to)?);
    let args = TransformArgs { from, to, ..args.clone() };
    everywhere("--from", &args.from, shared)?;
    everywhere("--to", &args.to, shared)?;
    everywhere("--model", &model, shared)?;
    weights(args.weights.as_deref(), shared)?;
    let kernel = kernel(&args.machine)?;
    let (mut settings, _) = transform::prepare(&args, terminal, kernel)?;
    settings.options.shared = shared;
    // What was read here may be a copy in this machine's cache.
    settings.options.model = Some(model);
    Ok(wire(&settings))
}

/// Refuses a folder that nodes which were started elsewhere would not find.
fn everywhere(flag: &str, place: &str, shared: bool) -> Result<(), CliError> {
    let parsed = place.parse();
    match parsed.map_err(|error: PlaceError| CliError::of(Exit::Usage, "bad_flag", &error))? {
        Place::Folder(_) if !shared => {
            let words = format!(
                "{flag} {place} is a folder, and each node of the cluster has its own folders: use \
                 s3://BUCKET/PREFIX, or add --shared if it is the same folder on every node"
            );
            Err(CliError::new(Exit::Usage, "bad_flag", words))
        }
        _ => Ok(()),
    }
}

fn wire(settings: &Settings) -> v1::JobSpec {
    // The classes are the cluster's: nothing is computed here.
    spec_to_proto(&settings.spec("", ""))
}

/// A folder from the root on; whatever is no folder as it is.
fn rooted(place: &str) -> Result<String, CliError> {
    let Ok(Place::Folder(folder)) = place.parse() else { return Ok(place.to_owned()) };
    let absolute = std::path::absolute(&folder).map_err(|error| {
        let words = format!("{place}: cannot find the current folder: {error}");
        CliError::new(Exit::Usage, "bad_flag", words)
    })?;
    Ok(absolute.display().to_string())
}

/// Weights in a file of this machine are nowhere else.
fn weights(file: Option<&Path>, shared: bool) -> Result<(), CliError> {
    let Some(file) = file else { return Ok(()) };
    let word = file.display().to_string();
    if shared || Source::is_meant(&word) {
        return Ok(());
    }
    let words = format!(
        "--weights {word} is a file on this machine: use hf://…, https://… or s3://…, or add \
         --shared if it is the same file on every node"
    );
    Err(CliError::new(Exit::Usage, "bad_flag", words))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Command, JobCommand};

    fn submitted(flags: &[&str]) -> Result<v1::JobSpec, CliError> {
        let words = ["fruitnode", "job", "submit"].iter().chain(flags);
        let cli = Cli::try_parse_from(words).expect("the flags are those of the command");
        let Command::Job(JobCommand::Submit(args)) = cli.command else {
            panic!("another command");
        };
        spec(&args.run, args.submission.shared, &cli.terminal)
    }

    #[test]
    fn a_job_carries_every_option_and_the_digest_of_its_weights() {
        let spec =
            submitted(&["--from", "s3://fruits/in", "--to", "s3://fruits/out", "--pca", "7"])
                .unwrap();
        assert_eq!((spec.from.as_str(), spec.to.as_str()), ("s3://fruits/in/", "s3://fruits/out"));
        assert!(spec.pca && !spec.given_fit);
        assert_eq!((spec.compute_class.as_str(), spec.fit_class.as_str()), ("", ""));
        let options = crate::tasks::options::JobOptions::decode(&spec.options).unwrap();
        assert_eq!(options.pca, "7");
        assert_eq!(options.weights_sha256.len(), 64);
    }

    #[test]
    fn what_nodes_would_not_find_is_refused_unless_they_share_it() {
        for flags in [
            &["--from", "photos", "--to", "s3://fruits/out"][..],
            &["--from", "s3://fruits/in", "--to", "result"],
            &["--from", "s3://fruits/in", "--to", "s3://fruits/out", "--weights", "w.safetensors"],
        ] {
            let words = submitted(flags).unwrap_err().words().to_owned();
            assert!(words.contains("--shared"), "{words}");
        }
        let spec = submitted(&["--from", "in", "--to", "/mnt/out", "--shared"]).unwrap();
        assert!(spec.from.starts_with('/') && spec.from.ends_with("/in"), "{}", spec.from);
        assert_eq!(spec.to, "/mnt/out");
        let words = submitted(&["--from", "gs://b/in", "--to", "s3://fruits/out"]).unwrap_err();
        assert!(words.words().contains("gs://b/in"), "{words:?}");
    }
}
