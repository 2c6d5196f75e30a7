//! `fruitnode run`: one job on a cluster of one member, from flags to a summary.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;

use fruitnode_coordinator::ids::JobId;
use fruitnode_coordinator::job::Outcome;
use fruitnode_coordinator::retry::FailureReason;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::args::{Format, JobArgs, MachineArgs, RunArgs, TerminalArgs};
use crate::cli::exit::Exit;
use crate::cli::message::CliError;
use crate::cli::meter::Meter;
use crate::cli::plan;
use crate::cli::progress::ProgressLine;
use crate::cli::summary::Summary;
use crate::cli::weights;
use crate::env::{Moment, unique_name, wall_ms};
use crate::failure::Failure;
use crate::local::{JobView, LocalCluster, NODE};
use crate::model::{Extractor, Kernel};
use crate::pca;
use crate::storage::S3Options;
use crate::story::Story;
use crate::tasks::max_bad::EXAMPLE;
use crate::tasks::options::JobOptions;
use crate::tasks::{COMPUTE_CLASS, JobContext, NodeContext, NodeOptions, Settings, network, when};

/// Compute threads for which one thread of the reactor waits. Fewer hand less to each other: a
/// request to S3 costs a quarter of a millisecond, a photograph two on its compute thread.
const COMPUTE_PER_REACTOR_THREAD: usize = 4;

/// Runs a job and prints its summary.
pub(super) fn run(args: &RunArgs, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    if args.plan.dry_run {
        let prepared = prepare(args, terminal, kernel(&args.machine)?)?;
        return plan::plan(prepared, &args.machine, &args.plan, terminal);
    }
    let summary = execute(args, terminal)?;
    print(&summary, terminal);
    Ok(Exit::Done)
}

/// Runs a job and hands back its summary.
pub(super) fn execute(args: &RunArgs, terminal: &TerminalArgs) -> Result<Summary, CliError> {
    carry_out(&args.machine, terminal, |kernel| prepare(args, terminal, kernel))
}

/// What a job needs before it is opened.
pub(super) type Prepared = (Settings, Arc<Extractor>);

/// Prepares a job, opens it on this machine and runs it to its end.
pub(super) fn carry_out(
    machine: &MachineArgs,
    terminal: &TerminalArgs,
    prepare: impl FnOnce(Option<Kernel>) -> Result<Prepared, CliError>,
) -> Result<Summary, CliError> {
    let began = Moment::now();
    let story = Arc::new(Story::begin(began, wall_ms()));
    let threads = threads(machine);
    let (settings, extractor) = prepare(kernel(machine)?)?;
    tracing::info!(threads = threads.get(), kernel = %extractor.kernel(), "opening the job");
    let options = NodeOptions { threads, batch: machine.batch };
    reactor(threads)?.block_on(async {
        let opened = JobContext::open(JobId(unique_name()), settings, Some(extractor));
        let job = Box::pin(opened).await.map_err(|error| CliError::from(error.failure()))?;
        let job = Arc::new(job);
        let node = NodeContext::start(NODE, options, Arc::clone(&story))
            .map_err(|error| CliError::of(Exit::Failed, "no_threads", &error))?;
        let ended = conduct(node, &job, &story, terminal).await;
        if let Err(error) = job.sink.abort().await {
            tracing::warn!(%error, "what the job left behind could not be removed");
        }
        let (success, view) = ended?;
        Ok(Summary::of(&job.id, &job, &view, &story, threads.get(), success))
    })
}

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
    let options = options(&args.job)?;
    let rows = args.job.result.rows_per_part.get();
    Settings::parse(args.from.clone(), args.to.clone(), rows, options)
        .map_err(|error| CliError::of(Exit::Usage, "bad_flag", &error))
}

/// The instant that a flag means: a span before now selects others tomorrow.
pub(super) fn instant(flag: &str, word: Option<&str>) -> Result<Option<String>, CliError> {
    let now_us = i64::try_from(wall_ms()).unwrap_or(i64::MAX / 1_000).saturating_mul(1_000);
    let instant = word.map(|word| when::instant(word, now_us)).transpose();
    let instant = instant
        .map_err(|error| CliError::new(Exit::Usage, "bad_flag", format!("{flag}: {error}")))?;
    Ok(instant.map(when::words))
}

/// Runs the job to its end, or to Ctrl-C. The digest of `_SUCCESS`, and the last view.
async fn conduct(
    node: NodeContext,
    job: &Arc<JobContext>,
    story: &Arc<Story>,
    terminal: &TerminalArgs,
) -> Result<(String, JobView), CliError> {
    let cluster = LocalCluster::start(node)
        .await
        .map_err(|error| CliError::of(Exit::Failed, "no_threads", &error))?;
    let spec = job.settings.spec(COMPUTE_CLASS, &pca::fit_class());
    let quiet = terminal.quiet || terminal.output == Format::Json;
    let line = ProgressLine::show(job.id.clone(), cluster.watch(), Arc::clone(story), quiet);
    let _meter = Meter::start(Arc::clone(story));
    cluster.submit(Arc::clone(job), spec).await;
    let ended = tokio::select! {
        ended = cluster.wait(&job.id) => ended,
        () = interrupted() => {
            cluster.cancel(&job.id).await;
            drop(line);
            let words = format!("interrupted: nothing was written to {}", job.settings.to);
            return Err(CliError::new(Exit::Interrupted, "interrupted", words));
        }
    };
    drop(line);
    match ended {
        Some((Outcome::Succeeded { digest }, view)) => Ok((digest.hex(), view)),
        Some((Outcome::Failed { reason, detail, .. }, _)) => {
            let words = match story.quarantine_words() {
                // The detail may say it already.
                _ if reason == FailureReason::TooManyBad && detail.contains(EXAMPLE) => detail,
                Some(bad) => format!("{detail}; not read: {bad}"),
                None => detail,
            };
            Err(Failure::new(reason, words).into())
        }
        Some((Outcome::Cancelled, _)) => {
            Err(CliError::new(Exit::Interrupted, "cancelled", "the job was cancelled"))
        }
        None => {
            let words = "the coordinator stopped; this is a bug in fruitnode: report it";
            Err(CliError::new(Exit::Failed, "stopped", words))
        }
    }
}

/// Returns at Ctrl-C or SIGTERM. A second one ends the process where it stands.
pub(super) async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    crate::actors::spawn::spawn("second-signal", async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        std::process::exit(i32::from(Exit::Interrupted as u8));
    });
}

/// Prints a summary as it was asked for.
#[allow(clippy::print_stdout, reason = "this is where the command speaks")]
pub(super) fn print(summary: &Summary, terminal: &TerminalArgs) {
    match terminal.output {
        Format::Json => println!("{}", summary.json()),
        Format::Table if terminal.quiet => {}
        Format::Table => print!("{}", summary.table()),
    }
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
        mode: result.mode.clone(),
        max_bad: photographs.max_bad.clone(),
        modified_after: instant("--modified-after", photographs.modified_after.as_deref())?,
        modified_before: instant("--modified-before", photographs.modified_before.as_deref())?,
        model: None,
        model_sha256: None,
        shared: false,
    })
}

/// The kernels that were asked for.
pub(super) fn kernel(machine: &MachineArgs) -> Result<Option<Kernel>, CliError> {
    let kernel = machine.kernel.as_deref().map(str::parse).transpose();
    kernel.map_err(|error| CliError::new(Exit::Usage, "bad_flag", format!("--kernel: {error}")))
}

/// Compute threads: as many as asked for, or as there are processors.
pub(super) fn threads(machine: &MachineArgs) -> NonZeroUsize {
    machine.threads.or_else(|| available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
}

/// The threads that wait for files, the network and signals.
pub(super) fn reactor(threads: NonZeroUsize) -> Result<Runtime, CliError> {
    Builder::new_multi_thread()
        .worker_threads(threads.get().div_ceil(COMPUTE_PER_REACTOR_THREAD))
        .thread_name("reactor")
        .enable_all()
        .build()
        .map_err(|error| CliError::of(Exit::Failed, "no_threads", &error))
}
