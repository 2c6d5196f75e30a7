//! The command line as a whole: the commands, and what each of them is for.

use clap::{Parser, Subcommand};

use fruitnode_vision::suspect::DECODE_ONE;

use crate::cli::args::cluster::{INIT_EXAMPLES, JOIN_EXAMPLES, LEAVE_EXAMPLES, RECOVER_EXAMPLES};
use crate::cli::args::job::{RUN_EXAMPLES, TRANSFORM_EXAMPLES};
use crate::cli::args::program::COMPLETION_EXAMPLES;
use crate::cli::args::{
    BackupArgs, ClientCommand, CompletionArgs, ConfigArgs, DecodeOneArgs, DemoArgs, InitArgs,
    JobCommand, JoinArgs, LeaveArgs, ManArgs, ModelCommand, NodeCommand, RecoverArgs, RunArgs,
    StartArgs, StatusArgs, TerminalArgs, TokenCommand, TransformArgs, VerifyArgs,
};

/// Extract features and principal components from fruit photographs, reproducibly.
#[derive(Debug, Parser)]
#[command(name = "fruitnode", version, propagate_version = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options that every command takes.
    #[command(flatten)]
    pub terminal: TerminalArgs,
}

const EXAMPLES: &str = "\
Examples:
  fruitnode demo                                       try it; nothing to download
  fruitnode run --from photos --to result              features, PCA for 95 % of the variance, CSV
  fruitnode run --from photos --to result --pca 100    100 components instead
  fruitnode verify result                              verify a result from its own files
  fruitnode init                                       create a cluster; prints how others join
  fruitnode job submit --from s3://fruits/in --to s3://fruits/out    run the job on the cluster

Flags can also be set in a file or in the environment: see `fruitnode config show --help`.";

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Extract features from photographs, fit a PCA and project them, on this machine.
    #[command(after_help = RUN_EXAMPLES)]
    Run(Box<RunArgs>),
    /// Project new photographs with a model that `run` fitted: same network, preprocessing, scaler
    /// and components.
    #[command(after_help = TRANSFORM_EXAMPLES)]
    Transform(Box<TransformArgs>),
    /// Verify a result from its own files: digests, rows, certificate.
    Verify(VerifyArgs),
    /// Inspect weights and fitted models, and download weights.
    #[command(subcommand)]
    Model(ModelCommand),
    /// Draw a few hundred photographs of fruit, run the whole job on them, and show what to open.
    Demo(DemoArgs),
    /// Create a cluster: its authority, its first node, your client certificate, and a token to
    /// join.
    #[command(after_help = INIT_EXAMPLES)]
    Init(Box<InitArgs>),
    /// Join this machine to a cluster as a node, and run it.
    #[command(after_help = JOIN_EXAMPLES)]
    Join(Box<JoinArgs>),
    /// Start a node that was set up with `init` or `join`.
    Start(Box<StartArgs>),
    /// Hand over the work of this node and remove it from the cluster for good.
    #[command(after_help = LEAVE_EXAMPLES)]
    Leave(LeaveArgs),
    /// Show the state of the cluster: coordinator, voters, nodes, jobs.
    Status(StatusArgs),
    /// Submit, follow, cancel and explain jobs on the cluster.
    #[command(subcommand, alias = "jobs")]
    Job(JobCommand),
    /// List, drain and remove nodes of the cluster.
    #[command(subcommand, alias = "nodes")]
    Node(NodeCommand),
    /// Create, list and revoke the tokens with which nodes join.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Create, list and revoke client certificates of people and programs.
    #[command(subcommand)]
    Client(ClientCommand),
    /// Back up the state of the cluster to a file.
    Backup(BackupArgs),
    /// Continue with a single voter after a majority was lost for good. Recent decisions may be
    /// lost.
    #[command(after_help = RECOVER_EXAMPLES)]
    Recover(RecoverArgs),
    /// Show all settings and where they come from, or check a configuration file.
    Config(ConfigArgs),
    /// Print a shell completion script.
    #[command(after_help = COMPLETION_EXAMPLES)]
    Completion(CompletionArgs),
    /// Print the man page, or write all man pages to a folder.
    Man(ManArgs),
    /// Decode one photograph from standard input: a node does this to itself.
    #[command(name = DECODE_ONE, hide = true)]
    DecodeOne(DecodeOneArgs),
}

impl Command {
    /// Whether this process becomes a node that runs until it is told to stop.
    pub(crate) fn is_node(&self) -> bool {
        match self {
            Self::Init(args) => !args.no_start,
            Self::Join(args) => !args.no_start,
            Self::Start(_) => true,
            _ => false,
        }
    }
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
