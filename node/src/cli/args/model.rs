//! The part of the command line that is about models: `fruitnode model …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::args::StorageArgs;

/// What can be done with models.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ModelCommand {
    /// Say what a file of weights is, or what a fitted model is.
    Inspect(InspectArgs),
    /// Check that a file of weights is whole, and computes the same in two ways.
    Verify(VerifyModelArgs),
    /// Fetch weights into the cache, or to a file.
    #[command(after_help = PULL_EXAMPLES)]
    Pull(PullArgs),
}

const PULL_EXAMPLES: &str = "\
Examples:
  fruitnode model pull hf://timm/mobilenetv2_100.ra_in1k
  fruitnode model pull hf://owner/name@v1.0/weights/model.safetensors --to model.safetensors
  fruitnode model pull https://example.org/mobilenet_v2.safetensors --sha256 HEX
  fruitnode model pull s3://models/mobilenet_v2.safetensors --region eu-west-3

What was interrupted is gone on with by the same command. The cache is FRUITNODE_CACHE, else
XDG_CACHE_HOME/fruitnode, else ~/.cache/fruitnode; the hub is HF_ENDPOINT, else
https://huggingface.co, and HF_TOKEN opens its private repositories. Proxies are those of the
environment: HTTPS_PROXY, NO_PROXY.

Exit codes: 0 done, 1 failed, 2 wrong flags, 4 not permitted, 5 not there, 6 the file to write is
            another one already, 130 interrupted";

/// Options of `model inspect`.
#[derive(Debug, Clone, Args)]
pub(crate) struct InspectArgs {
    /// Weights as safetensors, or the folder `model` of a result.
    #[arg(value_name = "FILE|DIR")]
    pub place: PathBuf,
}

/// Options of `model pull`.
#[derive(Debug, Clone, Args)]
pub(crate) struct PullArgs {
    /// hf://owner/name[@revision][/file.safetensors], https://…, or s3://BUCKET/KEY.
    #[arg(value_name = "SOURCE")]
    pub source: String,
    /// SHA-256 that the file must have.
    #[arg(long, value_name = "HEX")]
    pub sha256: Option<String>,
    /// Write it here, too.
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Where S3 is.
    #[command(flatten)]
    pub storage: StorageArgs,
}

/// Options of `model verify`.
#[derive(Debug, Clone, Args)]
pub(crate) struct VerifyModelArgs {
    /// Weights as safetensors. [default: our own, in this binary]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// SHA-256 that the file must have.
    #[arg(long, value_name = "HEX")]
    pub sha256: Option<String>,
}
