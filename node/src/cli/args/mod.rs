//! The command line: what can be asked for, with help and examples. Nothing here does anything.

mod cluster;
mod cluster_job;
mod command;
mod job;
mod machine;
mod model;
pub(crate) mod parse;
mod program;
mod secret;
mod terminal;

pub(crate) use cluster::{
    BackupArgs, ClientCommand, ClientCreateArgs, DataArgs, DepartureArgs, InitArgs, JoinArgs,
    LeaveArgs, NodeArgs, NodeCommand, NodeRemoveArgs, PlaceArgs, ReachArgs, RecoverArgs, StartArgs,
    StatusArgs, TokenCommand, TokenCreateArgs,
};
pub(crate) use cluster_job::{
    JobCancelArgs, JobCommand, JobExplainArgs, JobStatusArgs, JobSubmitArgs, JobTransformArgs,
    JobWatchArgs, SubmissionArgs,
};
pub(crate) use command::{Cli, Command};
pub(crate) use job::{
    DecodeOneArgs, DemoArgs, JobArgs, PlanArgs, RunArgs, TransformArgs, VerifyArgs,
};
pub(crate) use machine::{MachineArgs, Sse, StorageArgs};
pub(crate) use model::{InspectArgs, ModelCommand, PullArgs, VerifyModelArgs};
pub(crate) use program::{CompletionArgs, ConfigArgs, ConfigCommand, ManArgs, ShowArgs};
pub(crate) use secret::Secret;
pub(crate) use terminal::{Format, LogFormat, TerminalArgs};
