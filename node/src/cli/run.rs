//! `fruitnode run`: one job on a cluster of one member, from flags to a summary.

use std::sync::Arc;
use std::time::Duration;

use indicatif::HumanCount;
use tokio::time::sleep;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::ids::JobId;
use fruitnode_coordinator::phase::Outcome;
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_env::{Moment, unique_name, wall_ms};
use fruitnode_pca as pca;
use fruitnode_result::story::Story;
use fruitnode_storage::{Outage, outages};
use fruitnode_vision::model::Kernel;

use crate::cli::args::{Format, MachineArgs, RunArgs, TerminalArgs};
use crate::cli::exit::Exit;
use crate::cli::machine::{interrupted, kernel, reactor, threads};
use crate::cli::message::CliError;
use crate::cli::meter::Meter;
use crate::cli::plain::{plain_json, plain_lines};
use crate::cli::plan;
use crate::cli::prepare::{Prepared, prepare};
use crate::cli::progress::ProgressLine;
use crate::cli::summary::Summary;
use crate::local::{JobView, LocalCluster, NODE};
use crate::tasks::max_bad::EXAMPLE;
use crate::tasks::{COMPUTE_CLASS, JobContext, NodeContext, NodeOptions};

/// Time between two looks whether a store has been waited for too long.
const LOOK_EVERY: Duration = Duration::from_millis(500);

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

/// Prepares a job, opens it on this machine and runs it to its end.
pub(super) fn carry_out(
    machine: &MachineArgs,
    terminal: &TerminalArgs,
    prepare: impl FnOnce(Option<Kernel>) -> Result<Prepared, CliError>,
) -> Result<Summary, CliError> {
    let began = Moment::now();
    let story = Arc::new(Story::begin(began, wall_ms()));
    let threads = threads(machine);
    let (mut settings, extractor) = prepare(kernel(machine)?)?;
    settings.resume = !machine.no_resume;
    tracing::info!(threads = threads.get(), kernel = %extractor.kernel(), "opening the job");
    let options = NodeOptions { threads, batch: machine.batch };
    reactor(threads)?.block_on(async {
        let opened = JobContext::open(JobId(unique_name()), settings, Some(extractor));
        let job = Box::pin(opened).await.map_err(|error| CliError::from(error.failure()))?;
        let job = Arc::new(job);
        let node = NodeContext::start(NODE, options, Arc::clone(&story))
            .map_err(|error| CliError::of(Exit::Failed, "no_threads", &error))?;
        match conduct(node, &job, (&story, machine.give_up_after), terminal).await {
            Ok((success, view)) => {
                if let Err(error) = job.sink.abort().await {
                    tracing::warn!(%error, "cannot release the lock of the target");
                }
                Ok(Summary::of(&job.id, &job, &view, &story, threads.get(), success))
            }
            Err(error) => Err(error.with(&end_early(&job).await)),
        }
    })
}

/// Ends a job that has no result. What to tell its user of what is left.
async fn end_early(job: &JobContext) -> String {
    let finished = job.finished_photographs();
    let left = match job.is_worth_resuming() {
        true => job.sink.leave().await,
        false => job.sink.abort().await.map(|()| None),
    };
    match left {
        Ok(None) => String::new(),
        Ok(Some(place)) => {
            let what = match finished {
                0 => "what an earlier run finished is".to_owned(),
                1 => "1 finished photograph is".to_owned(),
                many => format!("{} finished photographs are", HumanCount(many)),
            };
            format!(
                "; {what} kept in {place}: run again to resume from there, or with --no-resume to \
                 start over"
            )
        }
        Err(error) => {
            tracing::warn!(%error, "cannot remove the leftovers of the job");
            String::new()
        }
    }
}

/// Runs the job to its end, or to Ctrl-C. The digest of `_SUCCESS`, and the last view.
async fn conduct(
    node: NodeContext,
    job: &Arc<JobContext>,
    (story, give_up_after): (&Arc<Story>, Option<Duration>),
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
        outage = outlasted(give_up_after) => {
            cluster.cancel(&job.id).await;
            drop(line);
            let Outage { server, words, lasts, .. } = outage;
            let words = format!(
                "{server} has not answered for {} s ({words}), longer than --give-up-after: \
                 nothing was written to {}",
                lasts.as_secs(),
                job.settings.to
            );
            return Err(CliError::new(Exit::Failed, "storage_unavailable", words));
        }
        () = interrupted() => {
            cluster.cancel(&job.id).await;
            drop(line);
            let words = format!("interrupted; nothing was written to {}", job.settings.to);
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
                Some(bad) => format!("{detail}; not used: {bad}"),
                None => detail,
            };
            Err(Failure::new(reason, words).into())
        }
        Some((Outcome::Cancelled, _)) => {
            Err(CliError::new(Exit::Interrupted, "cancelled", "the job was cancelled"))
        }
        None => {
            let words = "the coordinator stopped; this is a bug in fruitnode, please report it";
            Err(CliError::new(Exit::Failed, "stopped", words))
        }
    }
}

/// Returns when a store has not answered for so long; never without a limit.
async fn outlasted(limit: Option<Duration>) -> Outage {
    let Some(limit) = limit else { return std::future::pending().await };
    loop {
        if let Some(outage) = outages().into_iter().find(|outage| outage.lasts >= limit) {
            return outage;
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Prints a summary as it was asked for.
#[allow(clippy::print_stdout, reason = "this is where the command speaks")]
pub(super) fn print(summary: &Summary, terminal: &TerminalArgs) {
    match terminal.output {
        Format::Json => println!("{}", plain_json(&summary.json())),
        Format::Table if terminal.quiet => {}
        Format::Table => print!("{}", plain_lines(&summary.table())),
    }
}
