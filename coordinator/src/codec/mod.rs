//! Commands as the bytes of a log entry, the whole state as those of a snapshot, and back. Protobuf
//! with a version: releases N and N+1 read each other's.
//!
//! The forms of the parts that commands share with the messages of the mesh are in [`wire`].

mod command;
mod error;
mod faults;
mod inputs;
mod job;
mod parts;
mod state;

use fruitnode_proto::v1;
use prost::Message;

use crate::command::Command;
use crate::retry::FailureReason;
use crate::state::ClusterState;
use crate::task::{Task, TaskResult};

pub use error::CodecError;
pub(crate) use error::{FORMAT_VERSION, SNAPSHOT_VERSION};

/// Parts of commands, as the messages of the mesh carry them too.
pub mod wire {
    pub use super::inputs::{inputs_from_proto, inputs_to_proto};
    pub use super::parts::{
        facts_from_proto, facts_to_proto, reason_from_proto, reason_to_proto, record_to_proto,
        result_from_proto, result_to_proto, spec_from_proto, spec_to_proto, task_from_proto,
        task_to_proto, tree_node_from_proto, tree_node_to_proto,
    };
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it was proposed, milliseconds since 1970-01-01 UTC by the proposer's clock.
    pub now_ms: u64,
    /// What is to be done.
    pub command: Command,
}

/// Bytes of a log entry, proposed at `now_ms`.
pub fn encode(command: &Command, now_ms: u64) -> Vec<u8> {
    let format_version = version(command);
    v1::Command { format_version, command: Some(command::to_proto(command)), now_ms }
        .encode_to_vec()
}

/// The log entry in these bytes.
pub fn decode(bytes: &[u8]) -> Result<Entry, CodecError> {
    let entry = v1::Command::decode(bytes)?;
    if entry.format_version > FORMAT_VERSION {
        return Err(CodecError::TooNew(entry.format_version));
    }
    let command = command::from_proto(entry.command.ok_or(CodecError::Field("command"))?)?;
    Ok(Entry { now_ms: entry.now_ms, command })
}

/// Bytes of the whole state, for snapshots and backups. Equal states give equal bytes.
pub fn encode_state(state: &ClusterState) -> Vec<u8> {
    state::to_proto(state).encode_to_vec()
}

/// The state in these bytes. Whatever they are, a state that is handed back holds every invariant.
pub fn decode_state(bytes: &[u8]) -> Result<ClusterState, CodecError> {
    let snapshot = v1::ClusterSnapshot::decode(bytes)?;
    if snapshot.format_version > SNAPSHOT_VERSION {
        return Err(CodecError::SnapshotTooNew(snapshot.format_version));
    }
    state::from_proto(snapshot)
}

/// The first version whose releases carry this command out correctly. One of version 1 would fit a
/// model of its own where one was given; one of version 2 knows of no members, and of no process
/// that comes after another; one of version 3 lists a source whole, and knows neither that
/// attempts stall nor when photographs are too many that are bad; one of version 4 ends a job for
/// what one node is refused, and has moments made again for ever.
fn version(command: &Command) -> u32 {
    let of_ranges = |task: &Task| matches!(task, Task::ListRange(_) | Task::Gather);
    let of_rebuild = |task: &Task| matches!(task, Task::Rebuild(_));
    match command {
        Command::Grant { task, .. } | Command::Accept { task, .. } | Command::Fail { task, .. }
            if of_rebuild(task) =>
        {
            5
        }
        Command::Fail { reason, .. } if is_endured(*reason) => 5,
        Command::Fail { reason: FailureReason::Stalled, .. } => 4,
        Command::SubmitJob { spec, .. } if spec.max_bad.is_some() => 4,
        Command::SubmitJob { spec, .. } if spec.given_fit => 2,
        Command::Accept { result: TaskResult::Cut { .. }, .. } => 4,
        Command::Grant { task, .. } | Command::Accept { task, .. } | Command::Fail { task, .. }
            if of_ranges(task) =>
        {
            4
        }
        Command::SubmitJob { .. }
        | Command::CancelJob { .. }
        | Command::Grant { .. }
        | Command::Accept { .. }
        | Command::Fail { .. }
        | Command::DropMoments { .. } => 1,
        Command::AddNode { .. }
        | Command::LoseNode { .. }
        | Command::FoundCluster { .. }
        | Command::CreateToken { .. }
        | Command::RevokeToken { .. }
        | Command::Enroll { .. }
        | Command::RegisterClient { .. }
        | Command::RevokeClient { .. }
        | Command::DrainNode { .. }
        | Command::RemoveNode { .. } => 3,
    }
}

/// Whether another thing follows from this reason since version 5.
fn is_endured(reason: FailureReason) -> bool {
    let moments = [FailureReason::MomentsMissing, FailureReason::MomentsUnreachable];
    reason.sets_aside() || reason == FailureReason::StorageUnavailable || moments.contains(&reason)
}

#[cfg(test)]
mod state_tests;
#[cfg(test)]
mod tests;
