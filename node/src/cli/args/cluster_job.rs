//! The part of the command line that is about jobs on a cluster: `fruitnode job …`.

use clap::{Args, Subcommand};

use crate::cli::args::{ReachArgs, RunArgs, StorageArgs, TransformArgs, parse};

/// What can be done with jobs.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum JobCommand {
    /// Have the cluster do what `run` does, and wait for the end.
    #[command(after_help = SUBMIT_EXAMPLES)]
    Submit(Box<JobSubmitArgs>),
    /// Have the cluster do what `transform` does, and wait for the end.
    #[command(after_help = TRANSFORM_EXAMPLES)]
    Transform(Box<JobTransformArgs>),
    /// Jobs that run, and those that ended.
    List(JobListArgs),
    /// One job, now.
    Status(JobStatusArgs),
    /// Follow a job to its end.
    #[command(after_help = WATCH_EXAMPLES)]
    Watch(JobWatchArgs),
    /// Stop a job; what it left at its target is cleared away.
    Cancel(JobCancelArgs),
    /// What was tried, where, how long it took, and why it was tried again or failed.
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(JobExplainArgs),
}

const SUBMIT_EXAMPLES: &str = "\
Examples:
  fruitnode job submit --from s3://fruits/Training --to s3://fruits/result
  fruitnode job submit --from s3://fruits/Test --to s3://fruits/test --id test-47 --detach
  fruitnode job submit --from /mnt/photos --to /mnt/result --shared

The same --id again is the same job: the command then waits for it. Ctrl-C leaves the job running
and says how to come back to it; in a terminal, a second one within two seconds asks whether to
cancel it. Nodes find S3 by their own environment and flags. What this machine has of threads and
kernels counts for --dry-run alone.

Exit codes: as of `fruitnode run`, and 3 when no coordinator can be reached, 6 when --id names
            another job, 124 when --timeout is over";

const TRANSFORM_EXAMPLES: &str = "\
Examples:
  fruitnode job transform --model s3://fruits/out/model --from s3://fruits/New --to s3://fruits/new
  fruitnode job transform --model /mnt/result --from /mnt/new --to /mnt/scores --shared

Every node reads the model where it lies. Waiting, Ctrl-C, --id and exit codes are those of
`fruitnode job submit`.";

const WATCH_EXAMPLES: &str = "\
Examples:
  fruitnode job watch test-47
  fruitnode job watch test-47 --rows -o json | head -3

With --rows, rows of features are printed as they are made, one to a line, from all nodes and in no
order; whoever reads slower than they are made gets some of them, and a count of the others.

Exit codes: as of `fruitnode run`, and 3 when no coordinator can be reached, 124 when --timeout is
            over";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  fruitnode job explain test-47
  fruitnode job explain test-47 'Apple Braeburn/0_100.jpg'
  fruitnode job explain test-47 -o json | jq '.attempts[] | select(.partition == 7)'

Attempts of a job without a result are remembered by the coordinator that saw its end, for the last
16 such jobs; why it failed is known to every later one too";

/// Options of `job submit`.
#[derive(Debug, Clone, Args)]
pub(crate) struct JobSubmitArgs {
    /// What `run` takes.
    #[command(flatten)]
    pub run: RunArgs,
    /// How it is submitted.
    #[command(flatten)]
    pub submission: SubmissionArgs,
}

/// Options of `job transform`.
#[derive(Debug, Clone, Args)]
pub(crate) struct JobTransformArgs {
    /// What `transform` takes.
    #[command(flatten)]
    pub transform: TransformArgs,
    /// How it is submitted.
    #[command(flatten)]
    pub submission: SubmissionArgs,
}

/// Options of whatever submits a job.
#[derive(Debug, Clone, Args)]
pub(crate) struct SubmissionArgs {
    /// Name of the job. [default: one that no other job has]
    #[arg(long, value_name = "ID", value_parser = parse::name, help_heading = "Job")]
    pub id: Option<String>,
    /// Do not wait for the end.
    #[arg(long, help_heading = "Job")]
    pub detach: bool,
    /// Folders named here are the same on every node.
    #[arg(long, help_heading = "Job")]
    pub shared: bool,
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Options of `job list`.
#[derive(Debug, Clone, Args)]
pub(crate) struct JobListArgs {
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Options of `job status`.
#[derive(Debug, Clone, Args)]
pub(crate) struct JobStatusArgs {
    /// The job.
    #[arg(value_name = "ID", value_parser = parse::name)]
    pub id: String,
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Options of `job watch`.
#[derive(Debug, Clone, Args)]
pub(crate) struct JobWatchArgs {
    /// The job.
    #[arg(value_name = "ID", value_parser = parse::name)]
    pub id: String,
    /// Print rows of features as they are made.
    #[arg(long)]
    pub rows: bool,
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Options of `job cancel`.
#[derive(Debug, Clone, Args)]
pub(crate) struct JobCancelArgs {
    /// The job.
    #[arg(value_name = "ID", value_parser = parse::name)]
    pub id: String,
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Options of `job explain`.
#[derive(Debug, Clone, Args)]
pub(crate) struct JobExplainArgs {
    /// The job.
    #[arg(value_name = "ID", value_parser = parse::name)]
    pub id: String,
    /// What became of this photograph alone: its path as in the result.
    #[arg(value_name = "KEY")]
    pub key: Option<String>,
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
    /// Where S3 is, of a result that lies there.
    #[command(flatten)]
    pub storage: StorageArgs,
}
