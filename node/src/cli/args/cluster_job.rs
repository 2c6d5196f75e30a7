//! The part of the command line that is about jobs on a cluster: `fruitnode job …`.

use clap::{Args, Subcommand};

use crate::cli::args::{ReachArgs, RunArgs, StorageArgs, TransformArgs, parse};

/// What can be done with jobs.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum JobCommand {
    /// Do what `run` does, on the cluster, and wait until it ends.
    #[command(after_help = SUBMIT_EXAMPLES)]
    Submit(Box<JobSubmitArgs>),
    /// Do what `transform` does, on the cluster, and wait until it ends.
    #[command(after_help = TRANSFORM_EXAMPLES)]
    Transform(Box<JobTransformArgs>),
    /// List running and finished jobs.
    List(JobListArgs),
    /// Show the current state of a job.
    Status(JobStatusArgs),
    /// Follow a job until it ends.
    #[command(after_help = WATCH_EXAMPLES)]
    Watch(JobWatchArgs),
    /// Cancel a job and clean up its target.
    Cancel(JobCancelArgs),
    /// Explain a job: its attempts, on which nodes, how long they took, and why they were retried
    /// or failed.
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(JobExplainArgs),
}

const SUBMIT_EXAMPLES: &str = "\
Examples:
  fruitnode job submit --from s3://fruits/Training --to s3://fruits/result
  fruitnode job submit --from s3://fruits/Test --to s3://fruits/test --id test-47 --detach
  fruitnode job submit --from /mnt/photos --to /mnt/result --shared

Submitting the same job with the same --id again waits for it. Ctrl-C detaches: the job keeps
running, and the command shows how to follow it again. In a terminal, a second Ctrl-C within two
seconds offers to cancel the job. Nodes use their own S3 credentials and settings. Options for this
machine (threads, kernels) only affect --dry-run.

Exit codes: as for `fruitnode run`, and 3 no coordinator can be reached, 6 --id belongs to a
            different job, 124 timed out";

const TRANSFORM_EXAMPLES: &str = "\
Examples:
  fruitnode job transform --model s3://fruits/out/model --from s3://fruits/New --to s3://fruits/new
  fruitnode job transform --model /mnt/result --from /mnt/new --to /mnt/scores --shared

Every node reads the model from the given place. Waiting, Ctrl-C, --id and exit codes are as for
`fruitnode job submit`.";

const WATCH_EXAMPLES: &str = "\
Examples:
  fruitnode job watch test-47
  fruitnode job watch test-47 --rows -o json | head -3

With --rows, rows of features are printed as they are computed, one per line, from all nodes and in
no particular order. A slow reader gets some of them and a count of the others.

Exit codes: as for `fruitnode run`, and 3 no coordinator can be reached, 124 timed out";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  fruitnode job explain test-47
  fruitnode job explain test-47 'Apple Braeburn/0_100.jpg'
  fruitnode job explain test-47 -o json | jq '.attempts[] | select(.partition == 7)'

Attempts of a job without a result are kept in the memory of the coordinator that saw it end, for
the last 16 such jobs. The reason for a failure is known to every coordinator.";

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
    /// ID of the job. [default: generated]
    #[arg(long, value_name = "ID", value_parser = parse::name, help_heading = "Job")]
    pub id: Option<String>,
    /// Do not wait until the job ends.
    #[arg(long, help_heading = "Job")]
    pub detach: bool,
    /// The folders given are the same on every node.
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
    /// ID of the job.
    #[arg(value_name = "ID", value_parser = parse::name)]
    pub id: String,
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Options of `job watch`.
#[derive(Debug, Clone, Args)]
pub(crate) struct JobWatchArgs {
    /// ID of the job.
    #[arg(value_name = "ID", value_parser = parse::name)]
    pub id: String,
    /// Print rows of features as they are computed.
    #[arg(long)]
    pub rows: bool,
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Options of `job cancel`.
#[derive(Debug, Clone, Args)]
pub(crate) struct JobCancelArgs {
    /// ID of the job.
    #[arg(value_name = "ID", value_parser = parse::name)]
    pub id: String,
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Options of `job explain`.
#[derive(Debug, Clone, Args)]
pub(crate) struct JobExplainArgs {
    /// ID of the job.
    #[arg(value_name = "ID", value_parser = parse::name)]
    pub id: String,
    /// Explain only this photograph, given by its path in the result.
    #[arg(value_name = "KEY")]
    pub key: Option<String>,
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
    /// Where S3 is, of a result that lies there.
    #[command(flatten)]
    pub storage: StorageArgs,
}
