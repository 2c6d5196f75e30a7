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

/// Features and principal components of fruit photographs, with the same bytes out every time.
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
  fruitnode demo                                       photographs drawn here, nothing to download
  fruitnode run --from photos --to result              features, PCA for 95 % of the variance, CSV
  fruitnode run --from photos --to result --pca 100    100 components instead
  fruitnode verify result                              check a result from its own files
  fruitnode init                                       a cluster; it says how others join
  fruitnode job submit --from s3://fruits/in --to s3://fruits/out    the same job on the cluster

Every flag can also stand in a file or in the environment: see `fruitnode config show --help`.";

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
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
    #[command(after_help = LEAVE_EXAMPLES)]
    Leave(LeaveArgs),
    /// Say how the cluster is: coordinator, voters, nodes, jobs.
    Status(StatusArgs),
    /// Jobs on the cluster.
    #[command(subcommand, alias = "jobs")]
    Job(JobCommand),
    /// Nodes of the cluster.
    #[command(subcommand, alias = "nodes")]
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
