//! The part of the command line that is about models: `fruitnode model …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::args::StorageArgs;

/// What can be done with models.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ModelCommand {
    /// Describe a weights file or a fitted model.
    Inspect(InspectArgs),
    /// Check that a weights file is complete and that two implementations compute the same features
    /// with it.
    Verify(VerifyModelArgs),
    /// Download weights to the cache, or to a file.
    #[command(after_help = PULL_EXAMPLES)]
    Pull(PullArgs),
}

const PULL_EXAMPLES: &str = "\
Examples:
  fruitnode model pull hf://timm/mobilenetv2_100.ra_in1k
  fruitnode model pull hf://owner/name@v1.0/weights/model.safetensors --to model.safetensors
  fruitnode model pull https://example.org/mobilenet_v2.safetensors --sha256 HEX
  fruitnode model pull s3://models/mobilenet_v2.safetensors --region eu-west-3

To resume an interrupted download, run the same command again. The cache is in FRUITNODE_CACHE,
otherwise XDG_CACHE_HOME/fruitnode, otherwise ~/.cache/fruitnode. The hub is HF_ENDPOINT, otherwise
https://huggingface.co; HF_TOKEN gives access to private repositories. Proxies are taken from
HTTPS_PROXY and NO_PROXY.

Exit codes: 0 done, 1 failed, 2 wrong flags, 4 not permitted, 5 not found, 6 the file to write
            exists and is different, 130 interrupted";

/// Options of `model inspect`.
#[derive(Debug, Clone, Args)]
pub(crate) struct InspectArgs {
    /// A safetensors file of weights, or the `model` folder of a result.
    #[arg(value_name = "FILE|DIR")]
    pub place: PathBuf,
}

/// Options of `model pull`.
#[derive(Debug, Clone, Args)]
pub(crate) struct PullArgs {
    /// hf://owner/name[@revision][/file.safetensors], https://…, or s3://BUCKET/KEY.
    #[arg(value_name = "SOURCE")]
    pub source: String,
    /// Expected SHA-256 of the file.
    #[arg(long, value_name = "HEX")]
    pub sha256: Option<String>,
    /// Also write the weights to this file.
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Where S3 is.
    #[command(flatten)]
    pub storage: StorageArgs,
}

/// Options of `model verify`.
#[derive(Debug, Clone, Args)]
pub(crate) struct VerifyModelArgs {
    /// A safetensors file of weights. [default: the built-in weights]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Expected SHA-256 of the file.
    #[arg(long, value_name = "HEX")]
    pub sha256: Option<String>,
}
