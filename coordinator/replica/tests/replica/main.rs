//! One voter, several in a room, and hostile bytes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod hostile;
mod one;
mod room;
mod several;

use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::ids::{JobId, NodeId};
use fruitnode_coordinator::state::ClusterState;
use fruitnode_replica::{MemoryLog, Replica, ReplicaConfig};

/// The node with this id.
fn n(id: u64) -> NodeId {
    NodeId(id)
}

/// A command that leaves a trace in the state.
fn cancel(job: &str) -> Command {
    Command::CancelJob { job: JobId(job.to_owned()) }
}

/// Keeps so little log that followers soon need snapshots.
fn short(id: u64) -> ReplicaConfig {
    ReplicaConfig { compact_entries: 8, keep_entries: 4, ..ReplicaConfig::new(n(id)) }
}

fn founded(id: u64) -> MemoryLog {
    let mut store = MemoryLog::new();
    Replica::found(&mut store, n(id), &ClusterState::default()).unwrap();
    store
}
