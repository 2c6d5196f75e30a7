//! The command line: what can be asked for, with help and examples.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};
use fruitnode_coordinator::partition::ROWS_PER_PART_DEFAULT;

use crate::cli::cluster::args::{
    BackupArgs, ClientCommand, INIT_EXAMPLES, InitArgs, JOIN_EXAMPLES, JoinArgs, LeaveArgs,
    NodeCommand, RECOVER_EXAMPLES, ReachArgs, RecoverArgs, StartArgs, StatusArgs, TokenCommand,
};
use crate::cli::cluster::job_args::JobCommand;
use crate::cli::completion::CompletionArgs;
use crate::cli::config::ConfigArgs;
use crate::cli::man::ManArgs;
use crate::cli::model_args::ModelCommand;
use crate::cli::plan::PlanArgs;
use crate::pipeline::suspect::DECODE_ONE;
use crate::storage::DEFAULT_PATTERN;

pub use crate::cli::machine_args::{MachineArgs, StorageArgs};

/// Features and principal components of fruit photographs, with the same bytes out every time.
#[derive(Debug, Parser)]
#[command(name = "fruitnode", version, propagate_version = true, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options that every command takes.
    #[command(flatten)]
    pub terminal: TerminalArgs,
}

const EXAMPLES: &str = "\
Examples:
  fruitnode demo                                       photographs drawn here, nothing to download
  fruitnode run --from photos --to result              features, PCA for 95 % of the variance, CSV
  fruitnode run --from photos --to result --pca 100    100 components instead
  fruitnode verify result                              check a result from its own files
  fruitnode init                                       a cluster; it says how others join
  fruitnode job submit --from s3://fruits/in --to s3://fruits/out    the same job on the cluster

Every flag can also stand in a file or in the environment: see `fruitnode config show --help`.";

/// How a command speaks.
#[derive(Debug, Clone, Args)]
pub struct TerminalArgs {
    /// Form of the result on standard output.
    #[arg(short, long, global = true, value_enum, default_value_t)]
    pub output: Format,
    /// Say nothing but errors.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more on standard error; twice for still more. RUST_LOG overrides it.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Colours.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
    /// Configuration file to use in the place of ./fruitnode.toml.
    #[arg(short, long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Form of what goes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs: one JSON document with a `schema_version`.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Turn a folder of photographs into features, a PCA and its projection.
    #[command(after_help = RUN_EXAMPLES)]
    Run(Box<RunArgs>),
    /// Put other photographs through a pipeline that `run` fitted: same network, preparation,
    /// scaler and components, no new fit.
    #[command(after_help = TRANSFORM_EXAMPLES)]
    Transform(Box<TransformArgs>),
    /// Check a published result from its own files: digests, rows, certificate.
    Verify(VerifyArgs),
    /// Look at weights and fitted models, and fetch weights.
    #[command(subcommand)]
    Model(ModelCommand),
    /// Draw a few hundred photographs of fruit, run the whole job on them, and say what to open.
    Demo(DemoArgs),
    /// Found a cluster: its authority, its first node, your certificate, a token for others.
    #[command(after_help = INIT_EXAMPLES)]
    Init(Box<InitArgs>),
    /// Make this machine a node of a cluster, and run it.
    #[command(after_help = JOIN_EXAMPLES)]
    Join(Box<JoinArgs>),
    /// Run a node that was one before.
    Start(Box<StartArgs>),
    /// Hand this node's work over, and take it out of the cluster for good.
    Leave(LeaveArgs),
    /// Say how the cluster is: coordinator, voters, nodes, jobs.
    Status(StatusArgs),
    /// Jobs on the cluster.
    #[command(subcommand)]
    Job(JobCommand),
    /// Nodes of the cluster.
    #[command(subcommand)]
    Node(NodeCommand),
    /// Tokens with which nodes join.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Certificates of people and programs.
    #[command(subcommand)]
    Client(ClientCommand),
    /// Write what the cluster knows into a file.
    Backup(BackupArgs),
    /// Go on with one voter after the others were lost for good. What they decided last is lost.
    #[command(after_help = RECOVER_EXAMPLES)]
    Recover(RecoverArgs),
    /// Say what is set and by whom, or check a configuration file.
    Config(ConfigArgs),
    /// Print a script that lets a shell complete commands and flags.
    #[command(after_help = COMPLETION_EXAMPLES)]
    Completion(CompletionArgs),
    /// Print the manual, or write its pages.
    Man(ManArgs),
    /// Decode one photograph from standard input: a node does this to itself.
    #[command(name = DECODE_ONE, hide = true)]
    DecodeOne(DecodeOneArgs),
}

const COMPLETION_EXAMPLES: &str = "\
Examples:
  fruitnode completion bash > ~/.local/share/bash-completion/completions/fruitnode
  fruitnode completion zsh > ~/.zfunc/_fruitnode
  fruitnode completion fish > ~/.config/fish/completions/fruitnode.fish";

const RUN_EXAMPLES: &str = "\
Examples:
  fruitnode run --from Training --to result --dry-run
  fruitnode run --from Training --to result
  fruitnode run --from Training --to result --pca 0.99 --standardize mean-std
  fruitnode run --from Training --to result --pca off --pooling max --size 224
  fruitnode run --from Training --to result --weights mobilenet_v2.safetensors --preprocess keras
  fruitnode run --from photos --to week --modified-after 7d
  fruitnode run --from photos --to result --label-from 'regex:^([^_]+)_' --mode overwrite
  fruitnode run --from s3://fruits/Training --to s3://fruits/result --region eu-west-1

Exit codes: 0 done, 1 failed, 2 wrong flags, 4 not permitted, 5 nothing there to read,
            6 the target holds a result already, 7 more bad photographs than --max-bad,
            130 interrupted";

const TRANSFORM_EXAMPLES: &str = "\
Examples:
  fruitnode transform --model result/model --from new-photographs --to scores
  fruitnode transform --model result/model --weights mobilenet_v2.safetensors --from new --to scores

The model decides preparation, pooling, scaler and components; weights with another SHA-256 than its
own are refused. One photograph is enough. Photographs that the model was fitted to get the very
scores that `run` published.

Exit codes: as of `fruitnode run`";

/// Options of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Where the photographs are: a folder, or s3://BUCKET/PREFIX.
    #[arg(long, value_name = "PLACE")]
    pub from: String,
    /// Where the result goes: a folder, or s3://BUCKET/PREFIX. It is valid whole or not at all.
    #[arg(long, value_name = "PLACE")]
    pub to: String,
    /// Everything else that decides what comes out.
    #[command(flatten)]
    pub job: JobArgs,
    /// Where S3 is.
    #[command(flatten)]
    pub storage: StorageArgs,
    /// How this machine does it.
    #[command(flatten)]
    pub machine: MachineArgs,
    /// Whether to look only.
    #[command(flatten)]
    pub plan: PlanArgs,
}

/// Options of `transform`.
#[derive(Debug, Clone, Args)]
pub struct TransformArgs {
    /// Folder `model` of the result of a `run`: a folder, or s3://BUCKET/PREFIX.
    #[arg(long, value_name = "PLACE")]
    pub model: PathBuf,
    /// Folder of the photographs.
    #[arg(long, value_name = "DIR")]
    pub from: String,
    /// Folder of the result. It appears whole or not at all.
    #[arg(long, value_name = "DIR")]
    pub to: String,
    /// Which photographs.
    #[command(flatten)]
    pub photographs: PhotographArgs,
    /// The weights that the model was fitted with: a file, hf://owner/name or https://….
    /// [default: those in the cache with the model's digest, else our own, in this binary]
    #[arg(long, value_name = "FILE|SOURCE", help_heading = "Network")]
    pub weights: Option<PathBuf>,
    /// How the result is laid out.
    #[command(flatten)]
    pub result: ResultArgs,
    /// Where S3 is.
    #[command(flatten)]
    pub storage: StorageArgs,
    /// How this machine does it.
    #[command(flatten)]
    pub machine: MachineArgs,
    /// Whether to look only.
    #[command(flatten)]
    pub plan: PlanArgs,
}

/// Options that decide which photographs there are.
#[derive(Debug, Clone, Args)]
pub struct PhotographArgs {
    /// Which files are photographs: a glob on the name, or on the whole key if it holds a `/`.
    #[arg(long, value_name = "GLOB", default_value = DEFAULT_PATTERN, help_heading = "Photographs")]
    pub pattern: String,
    /// Enter subfolders.
    #[arg(long, value_name = "BOOL", default_value_t = true, default_missing_value = "true",
          num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set,
          help_heading = "Photographs")]
    pub recursive: bool,
    /// Where labels come from: `parent-dir`, `none`, or `regex:…` with one group, on the key.
    #[arg(long, value_name = "RULE", default_value = "parent-dir", help_heading = "Photographs")]
    pub label_from: String,
    /// Only the first N photographs in key order.
    #[arg(long, value_name = "N", help_heading = "Photographs")]
    pub limit: Option<NonZeroU64>,
    /// Fail, and publish nothing, when more photographs than this cannot be used: a number, or a
    /// share of those listed such as `5%`. [default: no limit]
    #[arg(long, value_name = "N|SHARE%", help_heading = "Photographs")]
    pub max_bad: Option<String>,
    /// Only photographs modified then or later: a date such as 2026-01-31, a time such as
    /// 2026-01-31T12:00:00Z, or 7d for a week ago.
    #[arg(long, value_name = "WHEN", help_heading = "Photographs")]
    pub modified_after: Option<String>,
    /// Only photographs modified before then.
    #[arg(long, value_name = "WHEN", help_heading = "Photographs")]
    pub modified_before: Option<String>,
}

/// Options that decide what comes out.
#[derive(Debug, Clone, Args)]
pub struct JobArgs {
    /// Which photographs.
    #[command(flatten)]
    pub photographs: PhotographArgs,

    /// Weights of MobileNetV2 as safetensors, with torchvision, timm or Hugging Face names: a file,
    /// hf://owner/name or https://…, as for `model pull`. [default: our own, in this binary]
    #[arg(long, value_name = "FILE|SOURCE", help_heading = "Network")]
    pub weights: Option<PathBuf>,
    /// How the last feature map becomes one row.
    #[arg(long, value_name = "avg|max|none", default_value = "avg", help_heading = "Network")]
    pub pooling: String,
    /// Input size: N, or WIDTHxHEIGHT. [default: what the weights say]
    #[arg(long, value_name = "PIXELS", help_heading = "Network")]
    pub size: Option<String>,
    /// Resampling filter. [default: what the weights say]
    #[arg(long, value_name = "bicubic|bilinear", help_heading = "Network")]
    pub resize: Option<String>,
    /// Scale, mean and standard deviation of the input, and order of its channels.
    /// [default: what the weights say]
    #[arg(long, value_name = "keras|torchvision|caffe|unit", help_heading = "Network")]
    pub preprocess: Option<String>,

    /// Components: a number, a share of the variance such as 0.99, or `off`.
    #[arg(long, value_name = "K|SHARE|off", default_value = "0.95", help_heading = "PCA")]
    pub pca: String,
    /// What is done to each feature before the PCA. [default: mean-std]
    #[arg(long, value_name = "none|mean|mean-std", help_heading = "PCA")]
    pub standardize: Option<String>,
    /// Follow the conventions of another library: what is centred, n-1 or n.
    /// [default: centred, n-1]
    #[arg(long, value_name = "spark|sklearn", help_heading = "PCA")]
    pub like: Option<String>,

    /// How the result is laid out.
    #[command(flatten)]
    pub result: ResultArgs,
}

/// Options that decide how the result is laid out.
#[derive(Debug, Clone, Args)]
pub struct ResultArgs {
    /// Consecutive keys in one part of the output.
    #[arg(long, value_name = "N", default_value_t = rows_default(), help_heading = "Result")]
    pub rows_per_part: NonZeroU32,
    /// When the target holds a result already.
    #[arg(long, value_name = "error|overwrite", default_value = "error", help_heading = "Result")]
    pub mode: String,
}

/// Options of `verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// Where the result is: a folder, or s3://BUCKET/PREFIX.
    #[arg(value_name = "OUT")]
    pub out: String,
    /// Where S3 is.
    #[command(flatten)]
    pub storage: StorageArgs,
}

/// Words of `decode-one`, which [`crate::pipeline::suspect::Order`] writes and reads.
#[derive(Debug, Clone, Args)]
pub struct DecodeOneArgs {
    /// The order.
    pub words: Vec<String>,
}

/// Options of `demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Folder for the photographs and the result.
    #[arg(value_name = "DIR", default_value = "fruitnode-demo")]
    pub dir: PathBuf,
    /// Photographs of each kind of fruit.
    #[arg(long, value_name = "N", default_value_t = per_kind_default())]
    pub per_kind: NonZeroU32,
    /// Have a cluster do it, whose nodes all see the folder: such as one on this machine alone.
    #[arg(long)]
    pub cluster: bool,
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
    /// How this machine does it.
    #[command(flatten)]
    pub machine: MachineArgs,
}

fn rows_default() -> NonZeroU32 {
    NonZeroU32::new(ROWS_PER_PART_DEFAULT).expect("the default is not 0")
}

fn per_kind_default() -> NonZeroU32 {
    NonZeroU32::new(40).expect("not 0")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn recursive_is_the_default_and_can_be_switched_off() {
        let recursive = |flags: &[&str]| {
            let words = ["fruitnode", "run", "--from", "a", "--to", "b"].iter().chain(flags);
            match Cli::try_parse_from(words).expect("a valid line").command {
                Command::Run(run) => run.job.photographs.recursive,
                other => panic!("{other:?}"),
            }
        };
        assert!(recursive(&[]));
        assert!(recursive(&["--recursive"]));
        assert!(!recursive(&["--recursive=false"]));
    }
}
