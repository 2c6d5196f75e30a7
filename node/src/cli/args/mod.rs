//! The command line: what can be asked for, with help and examples. Nothing here does anything.

mod cluster;
mod cluster_job;
mod command;
mod job;
mod machine;
mod model;
pub mod parse;
mod program;
mod secret;
mod terminal;

pub use cluster::{
    BackupArgs, ClientCommand, ClientCreateArgs, DataArgs, DepartureArgs, InitArgs, JoinArgs,
    LeaveArgs, NodeArgs, NodeCommand, NodeRemoveArgs, PlaceArgs, ReachArgs, RecoverArgs, StartArgs,
    StatusArgs, TokenCommand, TokenCreateArgs,
};
pub use cluster_job::{
    JobCancelArgs, JobCommand, JobExplainArgs, JobStatusArgs, JobSubmitArgs, JobTransformArgs,
    JobWatchArgs, SubmissionArgs,
};
pub use command::{Cli, Command};
pub use job::{DecodeOneArgs, DemoArgs, JobArgs, PlanArgs, RunArgs, TransformArgs, VerifyArgs};
pub use machine::{MachineArgs, StorageArgs};
pub use model::{InspectArgs, ModelCommand, PullArgs, VerifyModelArgs};
pub use program::{CompletionArgs, ConfigArgs, ConfigCommand, ManArgs, ShowArgs};
pub use secret::Secret;
pub use terminal::{Format, TerminalArgs};
