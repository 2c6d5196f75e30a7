//! The part of the command line that is about models: `fruitnode model …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What can be done with models.
#[derive(Debug, Clone, Subcommand)]
pub enum ModelCommand {
    /// Say what a file of weights is, or what a fitted model is.
    Inspect(InspectArgs),
    /// Check that a file of weights is whole, and computes the same in two ways.
    Verify(VerifyModelArgs),
}

/// Options of `model inspect`.
#[derive(Debug, Clone, Args)]
pub struct InspectArgs {
    /// Weights as safetensors, or the folder `model` of a result.
    #[arg(value_name = "FILE|DIR")]
    pub place: PathBuf,
}

/// Options of `model verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyModelArgs {
    /// Weights as safetensors. [default: our own, in this binary]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// SHA-256 that the file must have.
    #[arg(long, value_name = "HEX")]
    pub sha256: Option<String>,
}
