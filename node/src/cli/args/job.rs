//! The part of the command line that is about what a job reads, computes and writes: `run`,
//! `transform`, `verify`, `demo`.

use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use clap::Args;

use fruitnode_coordinator::partition::ROWS_PER_PART_DEFAULT;
use fruitnode_storage::DEFAULT_PATTERN;
use fruitnode_vision::demo::PER_KIND_DEFAULT;

use crate::cli::args::{MachineArgs, ReachArgs, StorageArgs, parse};

pub(super) const RUN_EXAMPLES: &str = "\
Examples:
  fruitnode run --from Training --to result --dry-run
  fruitnode run --from Training --to result
  fruitnode run --from Training --to result --pca 0.99 --standardize mean-std
  fruitnode run --from Training --to result --pca off --pooling max --size 224
  fruitnode run --from Training --to result --weights mobilenet_v2.safetensors --preprocess keras
  fruitnode run --from photos --to week --modified-after 7d
  fruitnode run --from photos --to result --label-from 'regex:^([^_]+)_' --mode overwrite
  fruitnode run --from s3://fruits/Training --to s3://fruits/result --region eu-west-1

Exit codes: 0 done, 1 failed, 2 wrong flags, 4 not permitted, 5 nothing to read,
            6 the target is not empty, 7 more bad photographs than --max-bad allows,
            130 interrupted";

pub(super) const TRANSFORM_EXAMPLES: &str = "\
Examples:
  fruitnode transform --model result/model --from new-photographs --to scores
  fruitnode transform --model result/model --weights mobilenet_v2.safetensors --from new --to scores

Preprocessing, pooling, scaler and components come from the model; weights with a different SHA-256
than those of the model are rejected. One photograph is enough. Photographs to which the model was
fitted get exactly the scores that `run` published.

Exit codes: as for `fruitnode run`";

/// Options of `run`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// Source of the photographs: a folder or s3://BUCKET/PREFIX, or a quoted glob such as
    /// 'photos/*.jpg'.
    #[arg(long, value_name = "PLACE")]
    pub from: String,
    /// Target of the result: a folder, or s3://BUCKET/PREFIX. A result is complete or not there at
    /// all.
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
pub(crate) struct TransformArgs {
    /// The `model` folder of a result of `run`: a folder, or s3://BUCKET/PREFIX.
    #[arg(long, value_name = "PLACE")]
    pub model: PathBuf,
    /// Source of the photographs: a folder, or s3://BUCKET/PREFIX.
    #[arg(long, value_name = "DIR")]
    pub from: String,
    /// Target of the result: a folder, or s3://BUCKET/PREFIX. A result is complete or not there at
    /// all.
    #[arg(long, value_name = "DIR")]
    pub to: String,
    /// Which photographs.
    #[command(flatten)]
    pub photographs: PhotographArgs,
    /// The weights with which the model was fitted: a file, hf://owner/name or https://…. [default:
    /// those in the cache with the same digest, otherwise the built-in ones]
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
pub(crate) struct PhotographArgs {
    /// Files to use as photographs: a glob that is matched against the file name, or against the
    /// whole key if it contains a `/`.
    #[arg(long, value_name = "GLOB", default_value = DEFAULT_PATTERN, help_heading = "Photographs")]
    pub pattern: String,
    /// Files to skip although they match --pattern: a glob of the same form. Can be repeated.
    #[arg(long, value_name = "GLOB", help_heading = "Photographs")]
    pub exclude: Vec<String>,
    /// Include names that start with . or _, such as .ipynb_checkpoints and __MACOSX, and @eaDir.
    #[arg(long, help_heading = "Photographs")]
    pub hidden: bool,
    /// Search subfolders.
    #[arg(long, value_name = "BOOL", default_value_t = true, default_missing_value = "true",
          num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set,
          help_heading = "Photographs")]
    pub recursive: bool,
    /// Where labels come from: `parent-dir`, `none`, or `regex:…`, matched against the key; the
    /// label is its group, or the whole match if it has no group.
    #[arg(long, value_name = "RULE", default_value = "parent-dir", help_heading = "Photographs")]
    pub label_from: String,
    /// Use only the first N photographs in key order.
    #[arg(long, value_name = "N", value_parser = parse::positive::<NonZeroU64>,
          help_heading = "Photographs")]
    pub limit: Option<NonZeroU64>,
    /// Fail, and publish nothing, if more photographs than this cannot be used: a number, or a
    /// percentage of those listed, such as `5%`. [default: no limit]
    #[arg(long, value_name = "N|SHARE%", help_heading = "Photographs")]
    pub max_bad: Option<String>,
    /// Maximum size of a photograph in megapixels; larger ones go to the quarantine. Decoding takes
    /// 6 bytes per pixel. [default: 128]
    #[arg(long, value_name = "N", value_parser = parse::positive::<NonZeroU16>,
          help_heading = "Photographs")]
    pub max_megapixels: Option<NonZeroU16>,
    /// Maximum size of a photograph's file in MiB; larger ones go to the quarantine. [default: 64]
    #[arg(long, value_name = "MIB", value_parser = parse::positive::<NonZeroU16>,
          help_heading = "Photographs")]
    pub max_file_mib: Option<NonZeroU16>,
    /// Use only photographs modified at or after this time: a date such as 2026-01-31, a time such
    /// as 2026-01-31T12:00:00Z, or an age such as 7d.
    #[arg(long, value_name = "WHEN", help_heading = "Photographs")]
    pub modified_after: Option<String>,
    /// Use only photographs modified before this time.
    #[arg(long, value_name = "WHEN", help_heading = "Photographs")]
    pub modified_before: Option<String>,
}

/// Options that decide what comes out.
#[derive(Debug, Clone, Args)]
pub(crate) struct JobArgs {
    /// Which photographs.
    #[command(flatten)]
    pub photographs: PhotographArgs,

    /// MobileNetV2 weights as safetensors, with torchvision, timm or Hugging Face names: a file,
    /// hf://owner/name or https://…, as for `model pull`. [default: built in]
    #[arg(long, value_name = "FILE|SOURCE", help_heading = "Network")]
    pub weights: Option<PathBuf>,
    /// How the last feature map is reduced to one row of features.
    #[arg(long, value_name = "avg|max|none", default_value = "avg", help_heading = "Network")]
    pub pooling: String,
    /// Input size: N, or WIDTHxHEIGHT. [default: that of the weights]
    #[arg(long, value_name = "PIXELS", help_heading = "Network")]
    pub size: Option<String>,
    /// Resampling filter. [default: that of the weights]
    #[arg(long, value_name = "bicubic|bilinear", help_heading = "Network")]
    pub resize: Option<String>,
    /// Preprocessing profile: scale, mean, standard deviation and channel order of the input.
    /// [default: that of the weights]
    #[arg(long, value_name = "keras|torchvision|caffe|unit", help_heading = "Network")]
    pub preprocess: Option<String>,

    /// Components to keep: a number such as 50, or at-most:50 if there may be fewer; a share of the
    /// variance such as 0.99; or `off`.
    #[arg(long, value_name = "K|SHARE|off", default_value = "0.95", help_heading = "PCA",
          aliases = ["k", "n-components", "components"])]
    pub pca: String,
    /// How features are standardised before the PCA. [default: mean-std]
    #[arg(long, value_name = "none|mean|mean-std", help_heading = "PCA")]
    pub standardize: Option<String>,
    /// Follow the conventions of another library for centring and for the divisor (n or n-1).
    /// [default: centred, n-1]
    #[arg(long, value_name = "spark|sklearn", help_heading = "PCA")]
    pub like: Option<String>,

    /// How the result is laid out.
    #[command(flatten)]
    pub result: ResultArgs,
}

/// Options that decide how the result is laid out.
#[derive(Debug, Clone, Args)]
pub(crate) struct ResultArgs {
    /// Consecutive keys per part of the output.
    #[arg(long, value_name = "N", value_parser = parse::positive::<NonZeroU32>,
          default_value_t = rows_default(), help_heading = "Result")]
    pub rows_per_part: NonZeroU32,
    /// What to do if the target already contains a result.
    #[arg(long, value_name = "error|overwrite", default_value = "error", help_heading = "Result")]
    pub mode: String,
    /// Replace a result that is already there; same as `--mode overwrite`.
    #[arg(long, conflicts_with = "mode", help_heading = "Result")]
    pub overwrite: bool,
}

impl ResultArgs {
    /// What is done with a result that the target holds already.
    pub(crate) fn mode(&self) -> String {
        if self.overwrite { "overwrite".to_owned() } else { self.mode.clone() }
    }
}

/// Options that look before they leap.
#[derive(Debug, Clone, Args)]
pub(crate) struct PlanArgs {
    /// List the photographs, try a few, and show what the job would do, without writing anything.
    #[arg(long, help_heading = "Plan")]
    pub dry_run: bool,
    /// Price of this machine per hour, to estimate the cost.
    #[arg(long, value_name = "X", value_parser = price, help_heading = "Plan")]
    pub price_per_hour: Option<f64>,
}

/// Options of `verify`.
#[derive(Debug, Clone, Args)]
pub(crate) struct VerifyArgs {
    /// Result to verify: a folder, or s3://BUCKET/PREFIX.
    #[arg(value_name = "OUT")]
    pub out: String,
    /// Where S3 is.
    #[command(flatten)]
    pub storage: StorageArgs,
}

/// Words of `decode-one`, which [`fruitnode_vision::suspect::Order`] writes and reads.
#[derive(Debug, Clone, Args)]
pub(crate) struct DecodeOneArgs {
    /// The order.
    pub words: Vec<String>,
}

/// Options of `demo`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// Folder for the photographs and the result.
    #[arg(value_name = "DIR", default_value = "fruitnode-demo")]
    pub dir: PathBuf,
    /// Photographs per kind of fruit.
    #[arg(long, value_name = "N", value_parser = parse::positive::<NonZeroU32>,
          default_value_t = per_kind_default())]
    pub per_kind: NonZeroU32,
    /// Run the job on a cluster. All its nodes must see the folder, for example because they run on
    /// this machine.
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
    NonZeroU32::new(PER_KIND_DEFAULT).expect("not 0")
}

fn price(word: &str) -> Result<f64, String> {
    let price = word.parse().ok().filter(|price: &f64| price.is_finite() && *price >= 0.0);
    price.ok_or_else(|| "a price is a number of at least 0, such as 0.17".to_owned())
}
