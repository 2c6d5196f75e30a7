//! What may happen, and what is said over streams.

use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::ids::{Attempt, JobId, NodeId};
use fruitnode_coordinator::job::JobSpec;
use fruitnode_coordinator::task::{Inputs, Task};
use fruitnode_coordinator::tree::TreeNode;

/// Counts the starts of a node's process: what belongs to an earlier one finds nobody.
pub(crate) type Life = u64;

/// One stream between a member and whom it takes for the coordinator.
pub(crate) type StreamId = u64;

/// An attempt by its full name.
pub(crate) type Key = (JobId, Task, Attempt);

/// From a member.
#[derive(Debug, Clone)]
pub(crate) enum Up {
    Hello {
        incarnation: u64,
        slots: u32,
    },
    /// The attempts that run, and how far each is.
    Beat(Vec<(Key, u64)>),
    /// `Accept`, `Fail` or `DropMoments`, as the coordinator will propose it.
    Report(Command),
}

/// From the coordinator.
#[derive(Debug, Clone)]
pub(crate) enum Down {
    Elsewhere { hint: Option<NodeId> },
    Welcome { term: u64, attempts: Vec<Key>, held: Vec<(JobId, TreeNode)> },
    Lease(Box<Lease>),
    Cancel { term: u64, key: Key },
    GiveUp { term: u64, key: Key },
    Release { term: u64, job: JobId, tree_node: TreeNode },
    Forget { job: JobId },
}

#[derive(Debug, Clone)]
pub(crate) struct Lease {
    pub(crate) term: u64,
    pub(crate) key: Key,
    pub(crate) spec: JobSpec,
    pub(crate) inputs: Inputs,
}

/// What a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wish {
    Submit,
    Cancel,
}

#[derive(Debug, Clone)]
pub(crate) enum Event {
    Tick(NodeId, Life),
    Step(NodeId, Life),
    Raft {
        from: NodeId,
        to: NodeId,
        bytes: Vec<u8>,
        snapshot: bool,
    },
    SnapshotFate {
        at: NodeId,
        life: Life,
        to: NodeId,
        arrived: bool,
    },
    Seek(NodeId, Life),
    Beat(NodeId, Life),
    Up {
        stream: StreamId,
        said: Up,
    },
    Down {
        stream: StreamId,
        said: Down,
    },
    /// One end learns that a stream is broken.
    Broken {
        stream: StreamId,
        at: NodeId,
        life: Life,
    },
    Work {
        node: NodeId,
        life: Life,
        key: Key,
    },
    Ask {
        job: usize,
        wish: Wish,
    },
    Asked {
        to: NodeId,
        job: usize,
        wish: Wish,
    },
    Answer {
        job: usize,
        wish: Wish,
    },
    Crash,
    Start(NodeId),
    Pause,
    Cut,
    Heal,
    Drop,
    Drain,
    Remove,
    Calm,
    Abandon,
}

impl Event {
    /// Whose process has to be awake for it.
    pub(crate) fn needs(&self) -> Option<NodeId> {
        match self {
            Self::Tick(node, _)
            | Self::Step(node, _)
            | Self::Seek(node, _)
            | Self::Beat(node, _)
            | Self::Work { node, .. } => Some(*node),
            Self::Raft { to, .. } | Self::Asked { to, .. } => Some(*to),
            Self::SnapshotFate { at, .. } | Self::Broken { at, .. } => Some(*at),
            _ => None,
        }
    }
}
