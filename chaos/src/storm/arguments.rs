//! The command line of storms.

use std::path::PathBuf;

use clap::{Args, Subcommand};

pub(crate) const EXAMPLES: &str = "\
Examples:
  fruitnode-chaos storm --seed 7 --minutes 10 --nodes 5      everything at a time
  fruitnode-chaos kill --seed 7 --minutes 10                 processes die and freeze
  fruitnode-chaos net --seed 7 --minutes 10                  the network and the store fail
  fruitnode-chaos ops --sequences 200 --operations 12        members come and go, one cluster each
  fruitnode-chaos ops --sequences 20 --with-one-dead --side-by-side 4
  fruitnode-chaos storm --replay failed.storm --shrink       what a failure printed

Build what it storms first: cargo build --workspace --bins. Needs root, ip and nft.

Exit codes: 0 nothing was wrong, 1 something was, 2 wrong flags or something is missing here,
            130 interrupted";

/// Storms of real processes.
#[derive(Debug, Clone, Subcommand)]
pub enum StormCommand {
    /// Storms real nodes with everything: deaths, partitions, outages, members that come and go
    #[command(after_help = EXAMPLES)]
    Storm(StormArgs),
    /// Storms real nodes with deaths alone: kill -9, freezes, restarts
    Kill(StormArgs),
    /// Storms real nodes with the network alone: partitions, and outages of the store
    Net(StormArgs),
    /// Has members of real clusters come and go, with nothing that fails
    Ops(OpsArgs),
}

/// How real nodes are stormed.
#[derive(Debug, Clone, Args)]
pub struct StormArgs {
    /// What is drawn follows from it
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// How long trouble is made
    #[arg(long, default_value_t = 1.0)]
    pub minutes: f64,
    /// Nodes at the beginning, 1 to 7 [default: 5; of sequences drawn]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=7))]
    pub nodes: Option<u8>,
    /// Voters wanted: 1, 3 or 5 [default: 3]
    #[arg(long, value_parser = ["1", "3", "5"])]
    pub voters: Option<String>,
    /// The program whose nodes are stormed [default: fruitnode beside this one]
    #[arg(long, value_name = "PATH")]
    pub program: Option<PathBuf>,
    /// The store [default: test-store beside this one]
    #[arg(long, value_name = "PATH")]
    pub store: Option<PathBuf>,
    /// Do what this file says, as a failure printed it
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
    /// After a failure, look for a shorter sequence that fails as well
    #[arg(long)]
    pub shrink: bool,
    /// Sequences that are tried for it at most
    #[arg(long, default_value_t = 16)]
    pub tries: u32,
    /// Write the report there for programs
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Leave folders and logs where they are
    #[arg(long)]
    pub keep: bool,
    /// Seconds within which there must be a coordinator
    #[arg(long, default_value_t = 10.0)]
    pub bound: f64,
    /// Photographs of each of eight kinds that jobs work on
    #[arg(long, default_value_t = 5)]
    pub per_kind: u32,
}

/// How members come and go.
#[derive(Debug, Clone, Args)]
pub struct OpsArgs {
    /// As in other storms
    #[command(flatten)]
    pub storm: StormArgs,
    /// Play so many sequences, each in a cluster of its own, from as many seeds
    #[arg(long)]
    pub sequences: Option<u64>,
    /// Operations of each sequence
    #[arg(long, default_value_t = 12)]
    pub operations: u32,
    /// One node dies amid each sequence
    #[arg(long)]
    pub with_one_dead: bool,
    /// Sequences that are played at a time
    #[arg(long, default_value_t = 1)]
    pub side_by_side: usize,
    /// Stop at the first sequence that fails
    #[arg(long)]
    pub fail_fast: bool,
}

impl StormArgs {
    /// Voters wanted.
    pub fn voters(&self) -> u32 {
        self.voters.as_deref().and_then(|voters| voters.parse().ok()).unwrap_or(3)
    }
}
